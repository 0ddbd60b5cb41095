"""The maps of several layers to one map: each a function of maps `(n, *space)`, resized to one size beforehand.

A fusion marked `native` is given the maps at the sizes of their layers instead, from shallow to deep; one marked with
`each` is given what that makes of each map at the size of its layer.
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import inf
from types import MappingProxyType

import torch

from ..words.errors import BadValue, unknown
from ..words.notation import Maps, ratio, relu, resize_maps, unit_peak, unit_range, unit_scale
from ..words.signature import Entry, checked_settings
from ..words.wording import read_request, spelling

Fusion = Callable[..., Maps]


def native(fusion: Fusion) -> Fusion:
    """Marks a fusion of maps at the sizes of their layers, from shallow to deep."""
    fusion.native = True  # type: ignore[attr-defined]
    return fusion


def each(own: Callable[[Maps], Maps]) -> Callable[[Fusion], Fusion]:
    """Marks a fusion of what `own` makes of each map before it is resized."""

    def mark(fusion: Fusion) -> Fusion:
        fusion.each = own  # type: ignore[attr-defined]
        return fusion

    return mark


def fused(fusion: Fusion, maps: Sequence[Maps], size: tuple[int, ...]) -> Maps:
    """One map of `size` from those of several layers, each at the size of its layer, from shallow to deep."""
    if getattr(fusion, "native", False):
        return resize_maps(_checked(fusion, fusion(maps), maps[0]), size)
    own = getattr(fusion, "each", None)
    resized = [resize_maps(m if own is None else own(m), size) for m in maps]
    return _checked(fusion, fusion(resized), resized[0])


def _checked(fusion: Fusion, found: object, one: Maps) -> Maps:
    """What a fusion returned, if it is a map of every image."""
    if isinstance(found, torch.Tensor) and found.ndim == one.ndim and len(found) == len(one):
        return found
    got = tuple(found.shape) if isinstance(found, torch.Tensor) else f"a {type(found).__name__}"
    name = getattr(fusion, "__name__", type(fusion).__name__)
    raise BadValue(f"the fusion {name} returned {got}", f"a tensor of maps like {tuple(one.shape)}")


def stretched(m: Maps) -> Maps:
    """(ReLU(M) - min) / (max - min)."""
    return unit_range(relu(m), 1)


def mean(maps: Sequence[Maps], *, weights: tuple[float, ...] = ()) -> Maps:
    """sum_l  a_l M_l / max |M_l|, a = weights / sum of weights: without weights all have the same say; signs stay."""
    say = _say(weights, maps)
    return torch.stack([a * unit_scale(m) for a, m in zip(say, maps, strict=True)]).sum(0)


@each(stretched)
def stretched_mean(maps: Sequence[Maps]) -> Maps:
    """mean_l  (ReLU(M_l) - min) / (max - min), each at its layer's size; stretched again: pytorch-grad-cam's mean."""
    return unit_range(torch.stack(list(maps)).mean(0), 1)


def maximum(maps: Sequence[Maps]) -> Maps:
    """max_l  ReLU(M_l) / max M_l  (Zoom-CAM, arXiv:2010.08644)."""
    return torch.stack([unit_peak(m) for m in maps]).amax(0)


def product(maps: Sequence[Maps]) -> Maps:
    """prod_l  (M_l - min M_l) / (max M_l - min M_l)  (RefineCAM, arXiv:2605.14641)."""
    return torch.stack([unit_range(m, 1) for m in maps]).prod(0)


def geometric(maps: Sequence[Maps], *, weights: tuple[float, ...] = ()) -> Maps:
    """prod_l  ((M_l - min M_l) / (max M_l - min M_l))^a_l, a = weights / sum of weights: the product's own mean."""
    say = _say(weights, maps)
    return torch.stack([unit_range(m, 1) ** a for a, m in zip(say, maps, strict=True)]).prod(0)


def tanh_maximum(maps: Sequence[Maps], *, gamma: float = 2.0) -> Maps:
    """max_l  tanh(gamma ReLU(M_l) / max M_l)  (LayerCAM, IEEE TIP 30, 2021, Eq. 9): lifts the faint shallow layers."""
    return torch.stack([torch.tanh(gamma * unit_peak(m)) for m in maps]).amax(0)


@native
def poly(maps: Sequence[Maps]) -> Maps:
    """P_l = LNorm(B_l) * U(P_l+1) from the deepest layer to the shallowest, B = ReLU(M)  (Poly-CAM, arXiv:2204.13359).

    LNorm(B_l) = B_l / U(D(B_l)), D to the size of P_l+1.  Where a linear D passes over every bright place there is no
    neighbourhood to compare with, and LNorm is 0; the authors' code divides by 1e-12 there.
    """
    fused = relu(maps[-1])
    for B in map(relu, reversed(maps[:-1])):
        size, deeper = tuple(B.shape[1:]), tuple(fused.shape[1:])
        fused = ratio(B, resize_maps(resize_maps(B, deeper), size)) * resize_maps(fused, size)
    return fused


def _say(weights: tuple[float, ...], maps: Sequence[Maps]) -> list[float]:
    """Shares of the whole, one a map."""
    given = weights or (1.0,) * len(maps)
    if len(given) != len(maps) or min(given) < 0 or not 0 < sum(given) < inf:
        raise BadValue(f"weights={given} for {len(maps)} maps", "as many weights as maps, none below 0, not all 0")
    return [weight / sum(given) for weight in given]


FUSIONS: MappingProxyType[str, Fusion] = MappingProxyType(
    {
        "mean": mean,
        "maximum": maximum,
        "product": product,
        "geometric": geometric,
        "tanh_maximum": tanh_maximum,
        "poly": poly,
        "stretched_mean": stretched_mean,
    }
)


def find_fusion(name: str | Fusion) -> Fusion:
    """The fusion in words, such as "product" or "mean:weights=2+1"; a function is one already."""
    if callable(name):
        return name
    if not isinstance(name, str):
        raise BadValue(f"the fusion {name!r}", f"one of {', '.join(FUSIONS)}, or a function of maps")
    word, given = read_request(name)
    for known, fusion in FUSIONS.items():
        if spelling(known) == spelling(word):
            return partial(fusion, **checked_settings(Entry(known, fusion), given, "fusion")) if given else fusion
    raise unknown("fusion", word, FUSIONS)
