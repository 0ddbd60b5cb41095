"""What a transformer's blocks attended to, and the words in which methods of attention are written."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from ...words.notation import Maps, Stack

AttentionGradients = Callable[[str], list[Tensor]]
"""attention_gradients(of) -> (n, heads, tokens, …) of every block.

of: "score", dy/dAtt_l; "outputs", dy/d(Att_l v_l); "tokens" or "read", ds_l/dAtt_l of the score s_l of the block's own
tokens, taken of their mean or as the network reads its last block.
"""


@dataclass(frozen=True)
class Attention:
    """The attention of every block, first to last, and how its tokens lie on the image."""

    blocks: tuple[Tensor, ...]
    """Att_l: (n, heads, tokens, tokens); every row, that is every query, sums to 1 over the keys."""
    tokens: tuple[Tensor, ...]
    """Z_l, what every block says: (n, tokens, c)."""
    pair: tuple[Tensor, Tensor] | None
    """q and k of the last block, each (n, heads, tokens, d), where the network shows them."""
    values: Tensor
    """v of the last block: (n, heads, tokens, d)."""
    reads: Tensor
    """(n, tokens): what share each token has in what the score reads behind the last block; they sum to 1."""
    places: Callable[[Tensor], Stack]
    """Numbers at the tokens (n, tokens, c) -> those of the places (n, c, *space); prefix tokens have none."""

    def seen(self, mixing: Tensor) -> Maps:
        """(n, tokens, tokens), what each token took from each -> what the tokens that are read took from the places."""
        return self.map((self.reads[:, None].to(mixing) @ mixing)[:, 0])

    def map(self, tokens: Tensor) -> Maps:
        """One number a token (n, tokens) -> maps (n, *space)."""
        return self.places(tokens[..., None])[:, 0]


def identity_like(mixing: Tensor) -> Tensor:
    """I: (tokens, tokens)."""
    return torch.eye(mixing.shape[-1], dtype=mixing.dtype, device=mixing.device)


def chained(mixings: list[Tensor]) -> Tensor:
    """M_L ... M_1: what comes through block after block."""
    return reduce(lambda below, above: above @ below, mixings)
