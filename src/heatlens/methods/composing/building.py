"""Compose a method from parts, as the library class_activation_mapping does with its Base-CAM; there is no paper.

g   = dy/dA, or its mean over noisy pictures, over the path from black, or over both      smooth
W_k = 1, the class's weight, or made of g as in Grad-CAM, Grad-CAM++ or XGrad-CAM         weight
M_k = W_k A_k, W_k being one number a channel (`pool`) or one a place
M_l = the mean of M_k over a group of channels that look alike                            group
s_l = the group's weight: none, an eigenvector, by ablation, or by masking the image      score
L   = ReLU( sum_l  s_l M_l )
"""

import inspect
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from ...words.bounds import at_least
from ...words.errors import BadValue
from ...words.notation import Maps, Stack, channel_sum, over_space, principal, relu
from ...words.signature import Method
from ..shared.clusters import Clustering, cluster, grouped, inertias
from ..shared.masking import Scoring, varying
from .scores import Background, ablated, best_less_worst, eigen, masked, summed
from .sharpening import sharpened
from .slopes import Evidence, Smooth, Weight, slopes, weights

Group = Literal["none", "k-means", "spectral"]
Score = Literal["none", "eigen", "ablation", "masked"]
_FROM_SLOPES = ("gradient", "gradient++", "axiom")


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
    background: Background = "black",
    top: float = 0,
    best_and_worst: bool = False,
    seed: int = 0,
) -> Method:
    """An ordinary method: a function whose parameters are exactly the evidence it needs.

    `pool` False keeps a weight for every place; `positive` lets only positive slopes count, before they are pooled.
    `cosine` groups channels by direction, not by length; 0 `groups` are as many as the elbow of k-means shows.
    `scoring` and `channel_softmax` are Score-CAM's, for score="masked"; there `top` asks only about that many channels,
    or that share of them, with the largest range, and before a "blurred" `background` (sigma 51) a group is worth what
    the picture gains by it, over the length of all gains.  `best_and_worst`: s M of the group with the highest score s,
    less (1 - s) M of the one with the lowest.  With `sharpen` above 1 the map is averaged over blocks of that many
    places and takes its detail from the strongest channel, over that channel's own blocks.
    Raises BadValue for parts that cannot go together.
    """
    parts: dict[str, Any] = {key: value for key, value in locals().items() if key in _NAMES}
    _check(**parts)
    from_slopes = weight in _FROM_SLOPES
    words = ["activations"]
    words += (
        {"none": ["gradients"], "noise": ["images", "perturbed"]}.get(smooth, ["images", "baseline", "perturbed"])
        if from_slopes
        else []
    )
    words += ["class_weights"] if weight == "class" else []
    words += {"ablation": ["score_with"], "masked": ["images", "enlarge", "score_under"]}.get(score, [])
    words = list(dict.fromkeys(words))

    def weighted(e: Evidence) -> Stack:
        A: Stack = e["activations"]
        if weight == "class":
            return over_space(e["class_weights"], A) * A
        if not from_slopes:
            return A
        return weights(weight, A, slopes(e, smooth, samples, sigma, steps, seed), pool, positive) * A

    def composed(*evidence: Any) -> Maps:
        e = dict(zip(words, evidence, strict=True))
        A: Stack = e["activations"]
        M = weighted(e)
        labels = torch.arange(A.shape[1], device=A.device).expand(A.shape[:2])
        if group != "none":
            how: Clustering = group
            labels = cluster(M, how, groups=groups, seed=seed, cosine=cosine)
            M = grouped(M, labels)
        L = _one(e, M, labels)
        L = relu(L) if rectify else L
        return L if sharpen == 1 else sharpened(L, A, sharpen)

    def _one(e: Evidence, M: Stack, labels: Tensor) -> Maps:
        match score:
            case "none":
                return M.mean(1) if weight == "none" else channel_sum(M)
            case "eigen" if not best_and_worst:
                return principal(M, centred=False)
            case "eigen":
                s = eigen(M)
            case "ablation":
                s = ablated(e, labels, M.shape[1])
            case "masked":
                M, s = masked(e, M, scoring, channel_softmax, background, top)
        return summed(best_less_worst(s, varying(M)) if best_and_worst else s, M)

    def spread(*evidence: Any) -> Tensor:
        """(n, counts): the spread of k-means over the channels, for 3 groups and more."""
        return inertias(weighted(dict(zip(words, evidence, strict=True))), seed=seed, cosine=cosine)

    chosen = ", ".join(f"{key}={value}" for key, value in parts.items() if value != _NAMES[key].default)
    composed.__name__ = composed.__qualname__ = f"compose({chosen})"
    composed.__doc__ = f"A method composed of {chosen or 'nothing but the mean of the channels'}."
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    asked = inspect.Signature([inspect.Parameter(word, kind) for word in words])
    composed.__signature__ = spread.__signature__ = asked  # type: ignore[attr-defined]
    composed.spread = spread  # type: ignore[attr-defined]
    return composed


_NAMES = inspect.signature(compose).parameters
_CHOICES = {"smooth": Smooth, "weight": Weight, "group": Group, "score": Score, "background": Background}


def _check(**parts: Any) -> None:
    """Raise BadValue where parts cannot go together."""
    for key, known in _CHOICES.items():
        if parts[key] not in get_args(known):
            raise BadValue(f"{key}={parts[key]!r}", f"one of {', '.join(map(repr, get_args(known)))}")
    at_least(1, **{key: parts[key] for key in ("samples", "steps", "sharpen")})
    at_least(0, **{key: parts[key] for key in ("sigma", "groups", "top")})
    sloped, scored, masked = parts["weight"] in _FROM_SLOPES, parts["score"] != "none", parts["score"] == "masked"
    for key, possible, expected in (
        ("smooth", sloped, "a weight made of gradients"),
        ("pool", sloped, "a weight made of gradients"),
        ("positive", parts["weight"] in ("gradient", "axiom"), "weight='gradient' or 'axiom'"),
        ("group", scored, "a score: the sum over groups is that over channels"),
        ("cosine", parts["group"] != "none", "a group to be found"),
        ("channel_softmax", masked, "score='masked'"),
        ("background", masked, "score='masked'"),
        ("top", masked, "score='masked'"),
        ("best_and_worst", scored, "a score"),
    ):
        if not possible and parts[key] != _NAMES[key].default:
            raise BadValue(f"{key}={parts[key]!r} in this composition", expected)
