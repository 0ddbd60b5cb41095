"""LIME: "Why Should I Trust You?": Explaining the Predictions of Any Classifier.  Marco Tulio Ribeiro, Sameer Singh,
Carlos Guestrin.  KDD 2016, arXiv:1602.04938.

    z_i  = which superpixels of X are shown (1) or hidden (0), at random;  z_1 = all shown
    pi_i = exp( -d_i^2 / (2 width^2) ),   d_i = the cosine distance of z_i and z_1
    min over beta, beta_0 of  sum_i pi_i ( p(X under z_i) - beta_0 - beta . z_i )^2 + |beta|^2
    L    = beta of the superpixel a place belongs to

As the authors' code for images does it, a hidden superpixel takes its own mean colour; the superpixels are SLIC's, of
scikit-image (theirs: quickshift).  Every image meets the same draws.
"""

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..words.bounds import at_least
from ..words.cautions import regions
from ..words.notation import Maps
from ..words.optional import require
from ..words.signature import method
from .shared.masking import ScoreUnder, Scoring


@method(signed=True, caution=regions)
def lime(
    images: Tensor,
    score_under: ScoreUnder,
    *,
    superpixels: int = 50,
    samples: int = 1000,
    width: float = 0.25,
    score: Scoring = "probability",
    seed: int = 0,
) -> Maps:
    at_least(1, superpixels=superpixels, samples=samples)
    parts = [segmented(image, superpixels) for image in images]
    shown = [_draws(samples, int(part.max()) + 1, seed).to(images) for part in parts]
    hidden = torch.stack([_mean_colours(image, part) for image, part in zip(images, parts, strict=True)])
    drawn = pad_sequence([z.T for z in shown], batch_first=True).mT  # (n, samples, the most parts)
    part_of = torch.stack(parts)

    def under(i: Tensor, k: Tensor) -> Tensor:
        z = drawn[i, k].gather(1, part_of[i].flatten(1)).reshape(len(k), 1, *images.shape[2:])
        return torch.where(z > 0, images[i], hidden[i])

    y = score_under(under, samples, probability=score == "probability")
    return torch.stack([_fit(z, s, width)[part] for z, s, part in zip(shown, y, parts, strict=True)])


def segmented(image: Tensor, many: int) -> Tensor:
    """The number of each place's superpixel in an image (channels, *size), about `many`, from 0: (*size)."""
    pixels = image.detach().float().cpu().movedim(0, -1)
    flat = pixels.ndim == 2
    found = require("skimage.segmentation").slic(
        (pixels[None] if flat else pixels).numpy(), n_segments=many, start_label=0
    )
    labels = torch.as_tensor(found[0] if flat else found)
    numbers: Tensor = torch.unique(labels, return_inverse=True)[1]
    return numbers.to(image.device)


def _draws(samples: int, parts: int, seed: int) -> Tensor:
    z = torch.randint(2, (samples, parts), generator=torch.Generator().manual_seed(seed))
    z[0] = 1
    return z


def _mean_colours(image: Tensor, part: Tensor) -> Tensor:
    """Every superpixel in its mean colour: (channels, *size)."""
    member = torch.nn.functional.one_hot(part.flatten()).to(image)
    return (image.flatten(1) @ (member / member.sum(0)))[:, part]


def _fit(z: Tensor, y: Tensor, width: float) -> Tensor:
    """beta of the ridge regression of y on z, weighted by how much is shown."""
    distance = 1 - z.mean(1).sqrt()  # the cosine of z and (1, ..., 1) is |z| / sqrt(d)
    weight = torch.exp(-(distance**2) / (2 * width**2))
    share = weight / weight.sum()
    y = y - y[0]  # scores that are all the same leave exactly nothing
    x, y = z - share @ z, y - share @ y
    gram = x.T @ (weight[:, None] * x) + torch.eye(x.shape[1]).to(x)
    beta: Tensor = torch.linalg.solve(gram, x.T @ (weight * y))
    return beta
