"""Compose a method from parts, as the library class_activation_mapping does with its Base-CAM; there is no paper.

g   = dy/dA, or its mean over noisy pictures, over the path from black, or over both      smooth
W_k = 1, the class's weight, or made of g as in Grad-CAM, Grad-CAM++ or XGrad-CAM         weight
M_k = W_k A_k, W_k being one number a channel (`pool`) or one a place
M_l = the mean of M_k over a group of channels that look alike                            group
s_l = the group's weight: none, an eigenvector, by ablation, or by masking the image      score
L   = ReLU( sum_l  s_l M_l )
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from .clusters import Clustering, cluster, grouped
from .errors import BadValue
from .masking import Scoring, compact, masks, softmax_over, varying
from .notation import (
    Maps,
    Stack,
    along_path,
    channel_sum,
    noisy,
    over_space,
    principal,
    ratio,
    relu,
    resize_maps,
    spatial_mean,
    spatial_sum,
)
from .registry import Method, at_least

Smooth = Literal["none", "noise", "path", "noise+path"]
Weight = Literal["none", "class", "gradient", "gradient++", "axiom"]
Group = Literal["none", "k-means", "spectral"]
Score = Literal["none", "eigen", "ablation", "masked"]
Evidence = Mapping[str, Any]
"""The words that the method was given."""


def compose(
    *,
    smooth: Smooth = "none",
    weight: Weight = "none",
    pool: bool = True,
    group: Group = "none",
    cosine: bool = False,
    score: Score = "none",
    sharpen: int = 1,
    positive: bool = False,
    rectify: bool = True,
    samples: int = 8,
    sigma: float = 0.2,
    steps: int = 8,
    groups: int = 0,
    scoring: Scoring = "probability",
    channel_softmax: bool = False,
    seed: int = 0,
) -> Method:
    """An ordinary method: a function whose parameters are exactly the evidence it needs.

    `pool` False keeps a weight for every place; `positive` lets only positive slopes count, before they are pooled.
    `cosine` groups channels by direction, not by length; 0 `groups` are as many as the elbow of k-means shows.
    `scoring` and `channel_softmax` are Score-CAM's, for score="masked".  With `sharpen` above 1 the map is averaged
    over blocks of that many places and takes its detail from the strongest channel, over that channel's own blocks.
    Raises BadValue for parts that cannot go together.
    """
    given = {"smooth": smooth, "weight": weight, "group": group, "score": score}
    for (key, value), known in zip(given.items(), (Smooth, Weight, Group, Score), strict=True):
        if value not in get_args(known):
            raise BadValue(f"{key}={value!r}", f"one of {', '.join(map(repr, get_args(known)))}")
    at_least(1, samples=samples, steps=steps, sharpen=sharpen)
    at_least(0, sigma=sigma, groups=groups)
    from_slopes = weight in ("gradient", "gradient++", "axiom")
    _together("smooth", smooth, from_slopes or smooth == "none", "a weight made of gradients")
    _together("pool", pool, from_slopes or pool, "a weight made of gradients")
    _together("positive", positive, weight in ("gradient", "axiom") or not positive, "weight='gradient' or 'axiom'")
    _together("group", group, score != "none" or group == "none", "a score: the sum over groups is that over channels")
    _together("cosine", cosine, group != "none" or not cosine, "a group to be found")
    _together("channel_softmax", channel_softmax, score == "masked" or not channel_softmax, "score='masked'")

    words = ["activations"]
    words += (
        {"none": ["gradients"], "noise": ["images", "perturbed"]}.get(smooth, ["images", "baseline", "perturbed"])
        if from_slopes
        else []
    )
    words += ["class_weights"] if weight == "class" else []
    words += {"ablation": ["score_with"], "masked": ["images", "enlarge", "score_under"]}.get(score, [])
    words = list(dict.fromkeys(words))

    def composed(*evidence: Any) -> Maps:
        e = dict(zip(words, evidence, strict=True))
        A: Stack = e["activations"]
        W: Tensor | float = 1.0
        if weight == "class":
            W = over_space(e["class_weights"], A)
        elif from_slopes:
            W = _weight(weight, A, _slopes(e, smooth, samples, sigma, steps, seed), pool, positive)
        M = W * A
        labels = torch.arange(A.shape[1], device=A.device).expand(A.shape[:2])
        if group != "none":
            how: Clustering = group
            labels = cluster(M, how, groups=groups, seed=seed, cosine=cosine)
            M = grouped(M, labels)
        match score:
            case "none":
                L = M.mean(1) if weight == "none" else channel_sum(M)
            case "eigen":
                L = principal(M, centred=False)
            case "ablation":
                L = channel_sum(over_space(_ablated(e, labels, M.shape[1]), M) * M)
            case "masked":
                L = _masked(e, M, scoring, channel_softmax)
        L = relu(L) if rectify else L
        return L if sharpen == 1 else _sharpened(L, A, sharpen)

    parts = {**given, "pool": pool, "cosine": cosine, "sharpen": sharpen, "positive": positive, "rectify": rectify}
    default = inspect.signature(compose).parameters
    chosen = ", ".join(f"{key}={value}" for key, value in parts.items() if value != default[key].default)
    composed.__name__ = composed.__qualname__ = f"compose({chosen})"
    composed.__doc__ = f"A method composed of {chosen or 'nothing but the mean of the channels'}."
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    composed.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(word, kind) for word in words]
    )
    return composed


def _together(key: str, value: object, possible: bool, expected: str) -> None:
    if not possible:
        raise BadValue(f"{key}={value!r} in this composition", expected)


def _slopes(e: Evidence, smooth: Smooth, samples: int, sigma: float, steps: int, seed: int) -> tuple[Tensor, Tensor]:
    """D1, the mean slope, and D3/D2, that of its cube over that of its square: the slope itself where there is one."""
    if smooth == "none":
        return e["gradients"], e["gradients"]
    X, pictures = e["images"], iter([e["images"]])
    if "noise" in smooth:
        pictures = noisy(X, samples=samples, sigma=sigma, seed=seed)
    if "path" in smooth:
        paths = (along_path(e["baseline"], picture, steps=steps) for picture in pictures)
        pictures = chain.from_iterable(paths)
    return _moments(g for _, g in e["perturbed"](pictures))


def _moments(slopes: Iterator[Tensor]) -> tuple[Tensor, Tensor]:
    D1 = D2 = D3 = torch.zeros(())
    count = 0
    for g in slopes:
        D1, D2, D3, count = D1.to(g) + g, D2.to(g) + g**2, D3.to(g) + g**3, count + 1
    return D1 / count, ratio(D3, D2)


def _weight(weight: Weight, A: Stack, slopes: tuple[Tensor, Tensor], pool: bool, positive: bool) -> Tensor:
    g, third = slopes
    g = relu(g) if positive else g
    match weight:
        case "gradient":
            return spatial_mean(g) if pool else g
        case "gradient++":
            each = relu(g) / (2 + spatial_sum(A) * third).clamp(min=1)
        case _:
            each = ratio(A * g, spatial_sum(A.abs()))
    return spatial_sum(each) if pool else each


def _ablated(e: Evidence, labels: Tensor, groups: int) -> Tensor:
    """(y - y without the group) / |y|: (n, groups)."""

    A = e["activations"]

    def without(stack: Stack, gone: Tensor) -> Stack:
        image = (stack.to(A) == A).flatten(1).all(1).nonzero()[0]  # groups are found image by image
        return stack.masked_fill(over_space(gone.to(labels)[:, None] == labels[image], stack), 0)

    y = e["score_with"](without, groups + 1)  # no channel belongs to the last group
    return ratio(y[:, -1:] - y[:, :-1], y[:, -1:].abs())


def _masked(e: Evidence, M: Stack, scoring: Scoring, channel_softmax: bool) -> Maps:
    """Score-CAM's sum, M in the place of A."""
    M = compact(M, varying(M))

    def shown(image: int, k: Tensor) -> Tensor:
        masked: Tensor = e["images"][image] * masks(M[image : image + 1, k], e["enlarge"])
        return masked

    y = e["score_under"](shown, M.shape[1], probability=scoring == "probability")
    return channel_sum(over_space(softmax_over(y, varying(M)) if channel_softmax else y, M) * M)


def _sharpened(L: Maps, A: Stack, factor: int) -> Maps:
    """The map's blocks, with the strongest channel's detail within its own blocks."""
    size = tuple(L.shape[1:])
    coarse = tuple(max(1, length // factor) for length in size)

    def blocks(m: Maps) -> Maps:
        pool: Callable[..., Tensor] = (
            torch.nn.functional.adaptive_avg_pool1d,
            torch.nn.functional.adaptive_avg_pool2d,
            torch.nn.functional.adaptive_avg_pool3d,
        )[len(size) - 1]
        return resize_maps(pool(m, coarse), size)

    detail = relu(A).amax(1)
    return blocks(L) * ratio(detail, blocks(detail))
