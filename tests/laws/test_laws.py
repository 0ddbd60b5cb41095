"""What holds for every method.  The exceptions are data, each with its reason."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import heatlens.methods  # noqa: F401  fills the registry
from heatlens.methods.contents import METHODS
from heatlens.methods.shared.attention import Attention
from heatlens.words.errors import BadValue, NotFinite
from heatlens.words.notation import unit_scale
from heatlens.words.signature import EVIDENCE, Entry, needs, settings
from helpers.evidence import Evidence, Vary, network, run

SETTINGS: dict[str, dict[str, Any]] = {
    # several concepts depend on the start, which is held fixed; the first one alone is the only optimum
    "deep_feature_factorisation": {"concepts": 1, "iterations": 60},
    # what the defaults make of a picture of a few pixels is one window, or thousands of passes
    "occlusion": {"window": 4, "stride": 2},
    "rise": {"samples": 12, "cells": 3},
    "lime": {"samples": 40, "superpixels": 6},
    "ss_cam": {"samples": 3, "sigma": 0.5},
    "is_cam": {"steps": 3},
    "cameras": {"scales": 2, "largest": 1.5},
    "opti_cam": {"steps": 4},
    "smooth_full_grad": {"samples": 3},
    "tis": {"masks": 4},
}
# whose map is at the size of the image, not of the layer
OF_THE_IMAGE = {
    "centre", "fake_cam", "opti_cam", "cameras", "rise", "occlusion", "lime", "full_grad", "smooth_full_grad",
    "guided_backprop", "guided_grad_cam", "attn_lrp", "vit_cx",
}  # fmt: skip
NOT_LOOKED = "it has not looked at the image"
DECOY = "its zero is at the top left of every image"
NOISE = "the noise is not mirrored with the image"
NO_LAYER = "explains the score by the image alone"
NOT_CHANNELS = {
    "random_cam": "draws one weight a channel, in order",
    "group_cam": "its groups are chunks of neighbouring channels",
    "cosine_cam": "k-means starts from channels that are drawn in order",
    "vit_cx": "draws a noise for each mask, in order",
}
NOT_MIRRORED = {
    "fake_cam": DECOY,
    "smooth_grad_cam_pp": NOISE,
    "ss_cam": NOISE,
    "smooth_full_grad": NOISE,
    "vit_cx": NOISE,
    "rise": "the masks are not mirrored with the image",
    "lime": "superpixels grow from a grid that is not mirrored with the image",
}
NOT_BLANK = {
    "centre": NOT_LOOKED,
    "fake_cam": DECOY,
    "recipro_cam": "shows the score itself, and a network has a score for a zero layer too",
    "rise": "shows the mean mask where every picture has the same score",
    "tis": "as RISE",
    "vit_recipro_cam": "as Recipro-CAM",
    "attention_rollout": "knows no score, and a silent layer's tokens still attend to each other",
    **dict.fromkeys(
        ("generic_attention", "transformer_attribution", "legrad"), "there is a class token beside the layer"
    ),
}
PROBABILITY = "asks for probabilities"
NOT_SCALE_FREE = {
    **dict.fromkeys(
        (
            "score_cam",
            "group_cam",
            "poly_cam",
            "rise",
            "occlusion",
            "lime",
            "tis",
            "vit_cx",
            "recipro_cam",
            "vit_recipro_cam",
        ),
        PROBABILITY,
    ),
    **dict.fromkeys(
        ("generic_attention", "transformer_attribution"), "(I + Abar_2)(I + Abar_1) mixes powers of the unit"
    ),
    **dict.fromkeys(("ss_cam", "is_cam", "g_score_cam"), "takes a softmax of scores"),
    "opti_cam": "a step of Adam is long or short compared with 1e-8",
}
PLUS_PLUS = {
    "grad_cam_pp": "alpha = 1 / (2 + g S) has the units of the score in it (its limits are tested below)",
    "smooth_grad_cam_pp": "as Grad-CAM++",
}
NOT_DIFFERENTIABLE = {
    "centre": "a constant",
    "fake_cam": "a constant",
    "opti_cam": "the optimum is searched for by steps that are held fixed",
    "guided_backprop": "constant but for jumps",
    "guided_grad_cam": "as guided backpropagation",
    "cameras": "the slopes at other sizes are held fixed",
    **dict.fromkeys(("relevance_cam", "transformer_attribution", "attn_lrp"), "the relevance itself is held fixed"),
}
VALUES = "how many channels differ from a constant is a value"
LIBRARY = "another library finds the groups, on the host"
NOT_PRETENDED = {
    **dict.fromkeys(("score_cam", "g_score_cam", "ss_cam", "is_cam", "group_cam", "poly_cam"), VALUES),
    **dict.fromkeys(("cluster_cam", "cosine_cam", "lime", "tis", "vit_cx"), LIBRARY),
    "opti_cam": "stops by the values of the score",
}

every = pytest.mark.parametrize("entry", METHODS.values(), ids=METHODS)


def each(evidence: Evidence) -> Callable[[Entry], torch.Tensor]:
    return lambda entry: run(entry, evidence, **SETTINGS.get(entry.name, {}))


def but(exceptions: dict[str, str]) -> Any:
    """Every method but these."""
    assert set(exceptions) <= set(METHODS)
    named = {name: entry for name, entry in METHODS.items() if name not in exceptions}
    return pytest.mark.parametrize("entry", named.values(), ids=named)


@pytest.mark.parametrize("signed", [False, True], ids=["rectified", "signed"])
@but(NOT_CHANNELS)
def test_channels_have_no_order(entry: Entry, signed: bool) -> None:
    evidence = network(signed=signed, seed=11)
    shuffled = evidence.permuted(torch.tensor([3, 0, 4, 2, 1]))
    torch.testing.assert_close(each(shuffled)(entry), each(evidence)(entry))


@pytest.mark.parametrize("signed", [False, True], ids=["rectified", "signed"])
@but(NOT_MIRRORED)
def test_a_mirrored_image_has_a_mirrored_map(entry: Entry, signed: bool) -> None:
    evidence = network(signed=signed, seed=12)
    torch.testing.assert_close(each(evidence.mirrored())(entry), each(evidence)(entry).flip(-1))


def test_smooth_grad_cam_pp_mirrors_without_noise() -> None:
    evidence, entry = network(seed=12), METHODS["smooth_grad_cam_pp"]
    mirrored = run(entry, evidence.mirrored(), sigma=0.0)
    torch.testing.assert_close(mirrored, run(entry, evidence, sigma=0.0).flip(-1))


def _without_layer(evidence: Evidence, score: float) -> Evidence:
    """A layer that is zero everywhere, under a score that is constant or, with 1, falls as it rises or rises."""
    body, tail = evidence.body, evidence.tail
    return Evidence(
        evidence.images, evidence.baseline, lambda x: 0 * body(x), lambda a: score * tail(a), evidence.head, (0, 1),
        evidence.attend, score,
    )  # fmt: skip


@pytest.mark.parametrize("score", [0.0, 1.0], ids=["no score", "a score"])
@but(NOT_BLANK)
def test_nothing_in_nothing_out(entry: Entry, score: float) -> None:
    maps = each(_without_layer(network(seed=13), score))(entry)
    torch.testing.assert_close(maps, torch.zeros_like(maps), rtol=0, atol=0)


@every
def test_nothing_becomes_nan(entry: Entry) -> None:
    for evidence in (_without_layer(network(seed=13), 1.0), network(seed=13).scaled(0.0), network(tail="gap")):
        assert each(evidence)(entry).isfinite().all()


@every
def test_the_evidence_is_not_modified(entry: Entry) -> None:
    evidence = network(signed=True, seed=14)
    words = ("images", "baseline", "head", "activations", "gradients")
    before = {word: getattr(evidence, word).clone() for word in words}
    each(evidence)(entry)
    for word in words:
        torch.testing.assert_close(getattr(evidence, word), before[word], rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@every
def test_the_dtype_follows(entry: Entry, dtype: torch.dtype) -> None:
    evidence = network(seed=15)
    maps = each(evidence.to(dtype))(entry)
    assert maps.dtype == dtype
    torch.testing.assert_close(maps.double(), each(evidence)(entry), rtol=1e-3, atol=1e-4)


@but(NOT_PRETENDED)
def test_the_device_follows(entry: Entry) -> None:
    """On pretended GPU tensors, which refuse to meet another device's and have no values to wait for."""
    with FakeTensorMode():
        A, X = torch.rand(2, 5, 4, 6, device="cuda"), torch.rand(2, 3, 8, 12, device="cuda")
        Att, q = torch.rand(2, 3, 24, 24, device="cuda"), torch.rand(2, 3, 24, 5, device="cuda")

        def replayed(vary: Vary, count: int) -> list[torch.Tensor]:
            return [vary(a[None], torch.arange(count, device="cuda")) for a in A]

        place = torch.arange(3, device="cuda")
        pretended = {
            "activations": A,
            "gradients": A - 0.5,
            "class_weights": A[:, :, 0, 0],
            "images": X,
            "baseline": 0 * X,
            "perturbed": lambda pictures: ((A[:, :, :1, :1] * picture[:, :1, ::2, ::2],) * 2 for picture in pictures),
            "score_with": lambda vary, count, probability=False: torch.stack(
                [a.flatten(1).sum(1) for a in replayed(vary, count)]
            ),
            "gradients_with": lambda vary, count: torch.stack([a.mean(0) for a in replayed(vary, count)]),
            "curvature": lambda along: along,
            "enlarge": lambda stack: torch.nn.functional.interpolate(stack, X.shape[2:], mode="bilinear"),
            "score_under": lambda pictures, count, probability=False: torch.stack(
                [pictures(place * 0 + i, place).flatten(1).sum(1) for i in range(len(X))]
            ),
            "full_gradients": lambda images=X: [images, A, A[:, :, 0, 0]],
            "propagated": lambda what, **_: {"guided": X, "attn_lrp": X, "attention": [Att, Att]}.get(what, A),
            "attention": Attention(
                (Att, Att), (A.flatten(2).mT,) * 2, (q, q), q, Att[:, 0, 0], lambda z: z.mT[..., None]
            ),
            "attention_gradients": lambda of: [q, q] if of == "outputs" else [Att, Att],
        }
        assert set(pretended) == set(EVIDENCE)
        maps = entry.function(*(pretended[w] for w in needs(entry.function)), **SETTINGS.get(entry.name, {}))
    assert maps.device.type == "cuda"


@pytest.mark.parametrize("rank", [1, 2, 3])
@every
def test_any_rank_and_one_map_an_image(entry: Entry, rank: int) -> None:
    evidence = network(rank, seed=16)
    seen = evidence.images if entry.name in OF_THE_IMAGE else evidence.activations
    assert each(evidence)(entry).shape == (2, *seen.shape[2:])


@but({name: "explains the batch together" for name, entry in METHODS.items() if entry.joint})
def test_a_batch_is_its_images(entry: Entry) -> None:
    evidence = network(seed=17)
    alone = torch.cat([each(evidence.only(i))(entry) for i in range(2)])
    torch.testing.assert_close(each(evidence)(entry), alone)


def test_the_joint_method_is_declared_and_is_not_its_images() -> None:
    joint = [name for name, entry in METHODS.items() if entry.joint]
    assert joint == ["deep_feature_factorisation"]
    evidence, entry = network(seed=17), METHODS[joint[0]]
    together, alone = each(evidence)(entry), torch.cat([each(evidence.only(i))(entry) for i in range(2)])
    assert not torch.allclose(together, alone)


@pytest.mark.parametrize("factor", [1e-8, 1e8])
@but(NOT_SCALE_FREE | PLUS_PLUS)
def test_the_units_of_the_score_do_not_show(entry: Entry, factor: float) -> None:
    evidence = network(seed=18).to(torch.float32)
    maps = each(evidence.scaled(factor))(entry)
    torch.testing.assert_close(unit_scale(maps), unit_scale(each(evidence)(entry)), rtol=1e-3, atol=1e-4)
    assert maps.abs().max() > 0


@pytest.mark.parametrize("name", PLUS_PLUS)
def test_plus_plus_has_its_limits_at_extreme_scales(name: str) -> None:
    evidence = network(seed=18).to(torch.float32)
    A, settled = evidence.activations.double(), {"samples": 1, "sigma": 0.0} if "smooth" in name else {}
    for factor in (1e-8, 1e8):
        g = (factor * evidence.gradients).double()
        S = A.sum((2, 3), keepdim=True)
        # alpha tends to 1/2 for small slopes; for large ones alpha g tends to 1/S
        w = g.clamp(min=0).sum((2, 3), keepdim=True) / 2
        if factor > 1:
            w = torch.where(S > 0, (g > 0).sum((2, 3), keepdim=True) / S, 0)
        expected = (w * A).sum(1).clamp(min=0)
        maps = run(METHODS[name], evidence.scaled(factor), **settled).double()
        torch.testing.assert_close(unit_scale(maps), unit_scale(expected), rtol=1e-3, atol=1e-4)


@every
def test_the_sign_is_decided(entry: Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    """An eigenvector's sign is the linear algebra library's whim; a map may not show it."""
    evidence = network(signed=True, seed=19)
    before, eigh = each(evidence)(entry), torch.linalg.eigh

    def contrary(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        values, vectors = eigh(x)
        return values, -vectors

    monkeypatch.setattr(torch.linalg, "eigh", contrary)
    torch.testing.assert_close(each(evidence)(entry), before)


@but(NOT_DIFFERENTIABLE)
def test_the_derivative_of_a_map_is_right(entry: Entry) -> None:
    """Against finite differences: a map can be trained through."""

    def maps(images: torch.Tensor) -> torch.Tensor:
        return each(replace(base, images=images))(entry)

    base = network(1, seed=20)
    assert torch.autograd.gradcheck(maps, base.images.clone().requires_grad_(), atol=1e-5, fast_mode=True)


@every
def test_the_declaration_can_be_read(entry: Entry) -> None:
    """Evidence has no default, settings have one and a type: that is what the command line is made from."""
    for parameter in inspect.signature(entry.function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            assert parameter.annotation is not parameter.empty
            assert parameter.default is not parameter.empty
            assert not isinstance(parameter.annotation, str)
        else:
            assert parameter.name in EVIDENCE
            assert parameter.default is parameter.empty


@every
def test_the_file_says_where_the_method_comes_from(entry: Entry) -> None:
    module = inspect.getmodule(entry.function)
    assert module is not None
    assert module.__name__ == f"heatlens.methods.{entry.name}"
    assert any(source in entry.paper for source in ("20", "library"))
    assert "    " in (module.__doc__ or ""), "the equations"


COUNTS = {
    "steps", "samples", "group", "gradient_stride", "concepts", "iterations", "cells", "window", "stride", "scales",
    "superpixels", "masks",
}  # fmt: skip
MAY_BE_NONE = {("opti_cam", "steps")}


@pytest.mark.parametrize(
    ("name", "key"),
    [
        (n, key)
        for n in METHODS
        for key in settings(METHODS[n].function)
        if key in COUNTS and (n, key) not in MAY_BE_NONE
    ],
)
def test_counts_below_one_are_refused(name: str, key: str) -> None:
    with pytest.raises(BadValue, match="Expected"):
        run(METHODS[name], network(1), **{key: 0})


UNEVEN = {
    "vit_recipro_cam": "a place at the border has fewer neighbours",
    "tis": "which of equal places are shown is arbitrary",
}


@but(dict.fromkeys(OF_THE_IMAGE, "is not made of the layer's channels") | UNEVEN)
def test_a_constant_layer_does_not_become_rounding(entry: Entry) -> None:
    """What a display scales up must be the map's own: constant channels give a map that is constant to rounding."""
    mixed = torch.tensor([0.1, 0.7, 1 / 3, 0.2, 0.9], dtype=torch.float64)[:, None, None]
    base = network(tail="gap", seed=21)
    flat = replace(base, body=lambda x: mixed + 0 * base.body(x))
    maps = each(flat)(entry)
    spread = maps.amax((1, 2)) - maps.amin((1, 2))
    assert (spread <= 1e-12 * maps.abs().amax((1, 2))).all()


@every
def test_torchs_default_type_does_not_show(entry: Entry) -> None:
    """What a method draws or makes anew has a type of its own."""
    evidence = network(seed=22).to(torch.float32)
    before = each(evidence)(entry)
    torch.set_default_dtype(torch.float64)
    try:
        after = each(evidence)(entry)
    finally:
        torch.set_default_dtype(torch.float32)
    torch.testing.assert_close(after, before, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["cluster_cam", "cosine_cam", "group_cam", "tis", "vit_cx"])
def test_what_cannot_be_grouped_is_named(name: str) -> None:
    evidence = network(seed=23)
    broken = replace(
        evidence, body=lambda x: evidence.body(x) * torch.nan, attend=lambda a: evidence.attend(torch.nan * a)
    )
    with pytest.raises(NotFinite, match="contain NaN or infinity"):
        run(METHODS[name], broken, **SETTINGS.get(name, {}), **({"grouping": "k-means"} if name == "group_cam" else {}))
