"""RandomCAM.  Jacob Gildenblat and contributors, from the library pytorch-grad-cam; there is no paper.

    w_k ~ U(-1, 1)
    L   = ReLU( sum_k  w_k A_k )

A control for metrics.  One draw of weights serves every image of a batch, so that a batch is its images.
"""

import torch

from ..words.notation import Maps, Stack, channel_sum, over_space, relu
from ..words.signature import method


@method
def random_cam(activations: Stack, *, seed: int = 0) -> Maps:
    generator = torch.Generator().manual_seed(seed)
    draw = torch.rand(1, activations.shape[1], generator=generator, dtype=torch.float32)
    weight = over_space(2 * draw - 1, activations).to(activations)
    return relu(channel_sum(weight * activations))
