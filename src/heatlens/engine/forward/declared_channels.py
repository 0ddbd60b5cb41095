"""What modules declare about the channels of what they return: how many, on which axis, steps or places."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.pooling import (
    _AdaptiveAvgPoolNd,
    _AdaptiveMaxPoolNd,
    _AvgPoolNd,
    _LPPoolNd,
    _MaxPoolNd,
)

_POOLS = (_AvgPoolNd, _MaxPoolNd, _AdaptiveAvgPoolNd, _AdaptiveMaxPoolNd, _LPPoolNd)


@dataclass(frozen=True)
class Made:
    """What one module declares."""

    channels: int | None
    """How many it returns; None: as many as it is given."""
    last: bool
    """Whether they are the last axis, and not the one behind the batch."""
    batch_first: bool = True
    recurrent: bool = False
    """Whether it goes step by step, so that its places are a sequence and no grid."""
    anywhere: bool = False
    """Whether it works on the last axis of anything, places or steps (a dense layer, a norm)."""


@dataclass(frozen=True)
class Known:
    """What is declared about one layer's output, the nearest declaration first."""

    made: tuple[Made, ...] = ()
    sure: bool = True
    """Whether all of these agree on the axis."""

    def last(self, shape: tuple[int, ...]) -> bool | None:
        """Whether an output of this shape, its batch first, has its channels last; None where nothing tells it."""
        for made in self.made:
            if made.channels is None:
                continue
            first, last = shape[1] == made.channels, shape[-1] == made.channels
            if first != last:
                return last
            if first and last:
                return made.last if self.sure else None
        return self.made[0].last if self.made and self.sure else None

    @property
    def recurrent(self) -> bool:
        return next((made.recurrent for made in self.made if not made.anywhere), False)

    @property
    def batch_first(self) -> bool:
        return next((made.batch_first for made in self.made if not made.anywhere), True)


Look = Callable[[], Known]
"""Looks only where shapes alone do not tell."""


def nothing() -> Known:
    """What is known of a layer of nobody's model."""
    return Known()


class Declarations:
    """What the modules of a model declare, looked up layer by layer."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._found: dict[str, Known] = {}

    def of(self, layer: str) -> Known:
        """Of a layer's own kind, else of what is inside it, the last first, then of what stands before it."""
        bare = layer if layer in self._modules else layer.rpartition("@")[0]
        if bare not in self._modules:
            return Known()
        if bare not in self._found:
            self._found[bare] = self._known(bare)
        return self._found[bare]

    def _known(self, layer: str) -> Known:
        own = _own(self._modules[layer])
        inside = [own] if own is not None else [made for _, made in _declared(self._modules[layer])][::-1]
        if inside and not all(made.anywhere for made in inside):
            return Known(tuple(inside), own is not None or _agree(inside))
        before = [made for name, made in self._all if self._order[name] < self._order[layer]][::-1]
        return Known((*inside, *before), _agree(inside or before))

    @cached_property
    def _modules(self) -> dict[str, nn.Module]:
        return dict(self._model.named_modules())

    @cached_property
    def _order(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self._modules)}

    @cached_property
    def _all(self) -> list[tuple[str, Made]]:
        return [one for one in _declared(self._model) if one[0] in self._order]


def _declared(module: nn.Module, name: str = "") -> Iterator[tuple[str, Made]]:
    """Of what is inside a module, in order; of an attention or a recurrent layer only the whole."""
    for part, child in module.named_children():
        called = f"{name}.{part}" if name else part
        made = _own(child)
        if made is not None:
            yield called, made
        else:
            yield from _declared(child, called)


def _agree(found: list[Made]) -> bool:
    return len({made.last for made in found}) < 2


def _own(module: Any) -> Made | None:
    return next((read(module) for kinds, read in _KINDS if isinstance(module, kinds)), None)


def _recurrent(module: nn.RNNBase) -> Made:
    width = (module.proj_size or module.hidden_size) * (1 + module.bidirectional)
    return Made(width, last=True, batch_first=module.batch_first, recurrent=True)


_KINDS: tuple[tuple[tuple[type, ...], Callable[[Any], Made]], ...] = (
    ((_ConvNd,), lambda m: Made(m.out_channels, last=False)),
    ((_NormBase,), lambda m: Made(m.num_features, last=False)),
    ((nn.GroupNorm,), lambda m: Made(m.num_channels, last=False)),
    (_POOLS, lambda m: Made(None, last=False)),
    ((nn.RNNBase,), _recurrent),
    ((nn.MultiheadAttention,), lambda m: Made(m.embed_dim, last=True, batch_first=m.batch_first)),
    (
        (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer),
        lambda m: Made(m.self_attn.embed_dim, last=True, batch_first=m.self_attn.batch_first),
    ),
    ((nn.Linear,), lambda m: Made(m.out_features, last=True, anywhere=True)),
    ((nn.LayerNorm,), lambda m: Made(int(m.normalized_shape[-1]), last=True, anywhere=True)),
    ((nn.Embedding,), lambda m: Made(m.embedding_dim, last=True)),
)
