from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import heatlens
import heatlens.methods
from heatlens.images import read_photo
from heatlens.methods.composing import compose
from heatlens.methods.contents import as_entry
from heatlens.methods.shared.clusters import cluster, elbow, grouped, inertias
from heatlens.words.errors import BadValue, HeatlensError
from heatlens.words.notation import spatial_mean
from heatlens.words.signature import EVIDENCE, needs, settings
from helpers.evidence import Evidence, network, one_thread, run  # noqa: F401  a fixture
from helpers.networks import Gap

SAME: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("dummy_cam", {}, {"rectify": False}),
    ("cam", {}, {"weight": "class", "rectify": False}),
    ("grad_cam", {}, {"weight": "gradient"}),
    ("hires_cam", {}, {"weight": "gradient", "pool": False, "rectify": False}),
    ("layer_cam", {}, {"weight": "gradient", "pool": False, "positive": True}),
    ("grad_cam_pp", {}, {"weight": "gradient++"}),
    ("xgrad_cam", {}, {"weight": "axiom"}),
    ("integrad_cam", {"steps": 4}, {"weight": "gradient", "smooth": "path", "steps": 4}),
    (
        "smooth_grad_cam_pp",
        {"samples": 3, "sigma": 0.3, "seed": 2},
        {"weight": "gradient++", "smooth": "noise", "samples": 3, "sigma": 0.3, "seed": 2},
    ),
    ("eigen_cam", {}, {"score": "eigen", "rectify": False}),
    ("eigen_grad_cam", {"centred": False}, {"weight": "gradient", "pool": False, "score": "eigen", "rectify": False}),
    ("ablation_cam", {}, {"score": "ablation"}),
    ("score_cam", {}, {"score": "masked"}),
    ("score_cam", {"score": "logit"}, {"score": "masked", "scoring": "logit"}),
    ("score_cam", {"channel_softmax": True}, {"score": "masked", "channel_softmax": True}),
    (
        "cluster_cam",
        {"groups": 3},
        {
            "weight": "gradient",
            "group": "spectral",
            "groups": 3,
            "score": "masked",
            "scoring": "logit",
            "background": "blurred",
            "best_and_worst": True,
        },
    ),
]


@pytest.mark.parametrize(("name", "named", "parts"), SAME, ids=[f"{s[0]} {s[1] or ''}" for s in SAME])
@pytest.mark.parametrize("seed", [1, 2])
def test_named_methods_are_compositions(name: str, named: dict[str, Any], parts: dict[str, Any], seed: int) -> None:
    for evidence in (network(seed=seed), network(1, seed=seed, signed=True), network(tail="relu", seed=seed)):
        ours = run(as_entry(compose(**parts)), evidence)
        torch.testing.assert_close(ours, run(as_entry(name), evidence, **named))
    assert ours.abs().max() > 0


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({}, ["activations"]),
        ({"weight": "class"}, ["activations", "class_weights"]),
        ({"weight": "axiom"}, ["activations", "gradients"]),
        ({"weight": "gradient", "smooth": "noise"}, ["activations", "images", "perturbed"]),
        ({"weight": "gradient", "smooth": "noise+path"}, ["activations", "images", "baseline", "perturbed"]),
        ({"score": "eigen"}, ["activations"]),
        ({"weight": "class", "score": "ablation"}, ["activations", "class_weights", "score_with"]),
        (
            {"weight": "gradient", "smooth": "path", "score": "masked"},
            ["activations", "images", "baseline", "perturbed", "enlarge", "score_under"],
        ),
    ],
)
def test_the_signature_declares_exactly_what_is_needed(parts: dict[str, Any], words: list[str]) -> None:
    composed = compose(**parts)
    assert list(needs(composed)) == words
    assert set(words) <= set(EVIDENCE)
    assert settings(composed) == {}
    assert as_entry(composed).name.startswith("compose(")


def test_the_name_says_what_it_is_made_of() -> None:
    assert compose(weight="gradient", pool=False).__name__ == "compose(weight=gradient, pool=False)"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"weight": "gradients"}, r"weight='gradients'. Expected one of 'none', 'class', 'gradient'"),
        ({"score": "abscission"}, r"score='abscission'. Expected one of 'none', 'eigen'"),
        ({"smooth": "noise"}, r"smooth='noise' in this composition. Expected a weight made of gradients"),
        ({"smooth": "path", "weight": "class"}, r"smooth='path' in this composition. Expected a weight made of"),
        ({"pool": False}, r"pool=False in this composition. Expected a weight made of gradients"),
        ({"weight": "gradient++", "positive": True}, r"positive=True in this composition. Expected weight='gradient'"),
        ({"group": "k-means"}, r"group='k-means' in this composition. Expected a score"),
        ({"cosine": True, "score": "masked"}, r"cosine=True in this composition. Expected a group"),
        ({"channel_softmax": True}, r"channel_softmax=True in this composition. Expected score='masked'"),
        ({"top": 3, "score": "ablation"}, r"top=3 in this composition. Expected score='masked'"),
        ({"background": "blurred"}, r"background='blurred' in this composition. Expected score='masked'"),
        ({"background": "white", "score": "masked"}, r"background='white'. Expected one of 'black', 'blurred'"),
        ({"best_and_worst": True}, r"best_and_worst=True in this composition. Expected a score"),
        ({"top": -1, "score": "masked"}, r"top=-1. Expected at least 0"),
        ({"samples": 0}, r"samples=0. Expected at least 1"),
        ({"sharpen": 0}, r"sharpen=0. Expected at least 1"),
        ({"sigma": -1.0}, r"sigma=-1.0. Expected at least 0"),
    ],
)
def test_parts_that_cannot_go_together(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(BadValue, match=message):
        compose(**parts)


def test_noise_and_path_are_the_mean_over_both() -> None:
    evidence = network(seed=3)
    ours = run(as_entry(compose(weight="gradient", smooth="noise+path", samples=2, steps=3, seed=5)), evidence)
    generator, slopes = torch.Generator().manual_seed(5), []
    for _ in range(2):
        noise = torch.randn(evidence.images.shape[1:], generator=generator).double()
        X = torch.stack([x + 0.2 * (x.max() - x.min()) * noise for x in evidence.images])
        path = [evidence.baseline + i / 3 * (X - evidence.baseline) for i in (1, 2, 3)]
        slopes += [evidence.slope(evidence.body(x)).detach() for x in path]
    weight = (sum(slopes) / 6).mean((2, 3), keepdim=True)
    torch.testing.assert_close(ours, (weight * evidence.activations).sum(1).clamp(min=0))


# groups


def planted(n: int = 2, groups: int = 3) -> tuple[Tensor, Tensor]:
    """Channels that are one of a few patterns, nearly, and which one."""
    generator = torch.Generator().manual_seed(7)
    labels = torch.stack([torch.arange(12)[torch.randperm(12, generator=generator)] % groups for _ in range(n)])
    patterns = torch.zeros(4, 6, 6, dtype=torch.float64)
    patterns[0, :3], patterns[1, 3:], patterns[2, :, ::2], patterns[3, ::2] = 1.0, 1.0, 1.0, 1.0
    stack = patterns[labels] + 0.02 * torch.rand(n, 12, 6, 6, generator=generator, dtype=torch.float64)
    return stack, labels


def same_groups(ours: Tensor, theirs: Tensor) -> bool:
    return all(torch.equal(a[:, None] == a, b[:, None] == b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("how", ["k-means", "agglomerative", "spectral"])
def test_planted_groups_are_found(how: Any) -> None:
    stack, labels = planted()
    assert same_groups(cluster(stack, how, groups=3), labels)


def test_the_elbow_is_where_more_groups_stop_helping() -> None:
    stack, labels = planted(groups=4)
    assert same_groups(cluster(stack, "k-means"), labels)
    assert same_groups(cluster(stack, "agglomerative"), labels)


def test_directions_are_told_apart_by_cosine_alone() -> None:
    """Two directions, each short or long: by distance the long ones are far from everything, by direction they pair."""
    a, b = torch.tensor([1.0, 0.2, 0.0]), torch.tensor([0.2, 1.0, 0.0])
    stack = torch.stack([a, 9 * a, b, 9 * b])[None]
    assert same_groups(cluster(stack, "k-means", groups=2, cosine=True), torch.tensor([[0, 0, 1, 1]]))
    assert not same_groups(cluster(stack, "k-means", groups=2), torch.tensor([[0, 0, 1, 1]]))


def test_fewer_different_channels_than_groups() -> None:
    stack = torch.tensor([[1.0, 2.0], [1.0, 2.0], [3.0, 1.0]])[None]
    for how in ("k-means", "agglomerative"):
        assert same_groups(cluster(stack, how, groups=9), torch.tensor([[0, 0, 1]]))
    assert same_groups(cluster(torch.zeros(1, 4, 2), "spectral"), torch.zeros(1, 4))


def test_a_group_is_its_mean_or_its_sum() -> None:
    stack, labels = torch.tensor([[[1.0, 2.0], [3.0, 5.0], [7.0, 7.0]]]), torch.tensor([[1, 1, 0]])
    torch.testing.assert_close(grouped(stack, labels), torch.tensor([[[7.0, 7.0], [2.0, 3.5]]]))
    torch.testing.assert_close(grouped(stack, labels, mean=False), torch.tensor([[[7.0, 7.0], [4.0, 7.0]]]))


def with_patterns(tail: str = "gap") -> tuple[Evidence, Tensor]:
    """A network whose twelve channels are three patterns."""
    stack, labels = planted()
    base = network(tail=tail, seed=8, channels=12)
    size = base.activations.shape[2:]
    shrunk = F.interpolate(stack, size, mode="bilinear")
    return replace(base, body=lambda x: shrunk[torch.arange(len(x)) % 2] + 1e-3 * base.body(x)), labels


def test_groups_are_ablated_together() -> None:
    """On mean-then-linear a group's drop is the sum of its q, and its map the mean of its channels."""
    evidence, labels = with_patterns()
    ours = run(as_entry(compose(score="ablation", group="k-means", groups=3)), evidence)
    W, A, y = evidence.class_weights, evidence.activations, evidence.scores(evidence.activations)
    q = W * A.mean((2, 3))
    for n in range(2):
        expected = torch.zeros_like(A[n, 0])
        for g in range(3):
            here = labels[n] == g
            expected += q[n, here].sum() / y[n].abs() * A[n, here].mean(0)
        torch.testing.assert_close(ours[n], expected.clamp(min=0))


def test_masked_groups_ask_once_a_group() -> None:
    evidence, _ = with_patterns("curved")
    asked: list[int] = []

    def counting(pictures: Any, count: int, probability: bool = False) -> Tensor:
        asked.append(count)
        return evidence.score_under(pictures, count, probability)

    composed = compose(score="masked", group="spectral", groups=3, weight="gradient")
    composed(*(counting if word == "score_under" else getattr(evidence, word) for word in needs(composed)))
    assert asked == [3]


def blurred(x: Tensor) -> Tensor:
    from heatlens.methods.shared.masking import gaussian_blur

    return gaussian_blur(x, 307, 51.0)


@pytest.mark.parametrize("softmax", [False, True])
def test_what_a_picture_gains_before_a_blurred_background(softmax: bool) -> None:
    """As SIGCAM in class_activation_mapping: logit(X H + X~ (1 - H)) - logit(X~), over their length or as a softmax."""
    evidence = network(seed=4)
    parts = {"score": "masked", "background": "blurred", "scoring": "logit", "channel_softmax": softmax}
    ours = run(as_entry(compose(**parts)), evidence)
    A, X, soft = evidence.activations, evidence.images, blurred(evidence.images)
    for n in range(len(A)):
        gained = []
        for k in range(A.shape[1]):
            U = F.interpolate(A[n : n + 1, k : k + 1], X.shape[2:], mode="bilinear")[0]
            H = (U - U.min()) / (U.max() - U.min())
            pictures = X[n] * H + soft[n] * (1 - H), soft[n]
            y = [evidence.score_under(lambda image, _, x=x: x[None], 1)[n, 0] for x in pictures]
            gained.append(y[0] - y[1])
        gains = torch.stack(gained)
        w = gains.softmax(0) if softmax else gains / gains.norm()
        torch.testing.assert_close(ours[n], (w[:, None, None] * A[n]).sum(0).clamp(min=0))


@pytest.mark.parametrize(("top", "kept"), [(2, 2), (0.3, 2), (0.5, 3), (0, 5), (9, 5), (1, 1)])
def test_the_channels_with_the_largest_range(top: float, kept: int) -> None:
    """A count, or a share of the channels, rounded up; each asked about once."""
    evidence = network(seed=6)
    A, X = evidence.activations, evidence.images
    asked: list[int] = []

    def counting(pictures: Any, count: int, probability: bool = False) -> Tensor:
        asked.append(count)
        return evidence.score_under(pictures, count, probability)

    composed = compose(score="masked", top=top)
    found = composed(*(counting if word == "score_under" else getattr(evidence, word) for word in needs(composed)))
    assert asked == [min(kept, A.shape[1])]
    for n in range(len(A)):
        ranges = A[n].flatten(1).amax(1) - A[n].flatten(1).amin(1)
        chosen = ranges.argsort(descending=True)[:kept]
        everything = run(as_entry("score_cam"), evidence)
        assert found[n].shape == everything[n].shape
        total = torch.zeros_like(A[n, 0])
        for k in chosen.tolist():
            U = F.interpolate(A[n : n + 1, k : k + 1], X.shape[2:], mode="bilinear")[0]
            H = (U - U.min()) / (U.max() - U.min())
            p = evidence.score_under(lambda image, _, H=H: X[image] * H, 1, probability=True)[n, 0]
            total += p * A[n, k]
        torch.testing.assert_close(found[n], total.clamp(min=0))


@pytest.mark.parametrize("score", ["eigen", "ablation"])
def test_the_best_channel_less_the_worst(score: str) -> None:
    """By hand: s_b A_b - (1 - s_b) A_t."""
    evidence = network(seed=11)
    A = evidence.activations
    found = run(as_entry(compose(score=score, best_and_worst=True, rectify=False)), evidence)
    for n in range(len(A)):
        if score == "eigen":
            flat = A[n].flatten(1)
            s = torch.linalg.svd(flat.T, full_matrices=False)[2][0]
            s = s if (flat.T @ s).sum() >= 0 else -s
        else:
            y = evidence.scores(evidence.activations)[n]
            left = [evidence.scores(A.clone().index_fill_(1, torch.tensor([k]), 0))[n] for k in range(A.shape[1])]
            s = torch.stack([(y - one) / y.abs() for one in left])
        b, t = int(s.argmax()), int(s.argmin())
        torch.testing.assert_close(found[n], s[b] * A[n, b] - (1 - s[b]) * A[n, t])


def test_a_composition_in_words() -> None:
    model, images = Gap().eval(), torch.rand(2, 3, 12, 12)
    words = "compose:weight=gradient,pool=no,positive=yes"
    ours = heatlens.attribute(model, images, method=words, layers="body", target=1)
    torch.testing.assert_close(ours, heatlens.attribute(model, images, method="layer_cam", layers="body", target=1))
    recipe = heatlens.Recipe(words)
    assert recipe.entry.name == "compose:weight=gradient,pool=False,positive=True"
    assert heatlens.Recipe(recipe.entry.name).entry.function is not None
    for wrong, said in (
        ("compose:wieght=none", "wieght"),
        ("compose:top=x", "top='x'"),
        ("compose:pool", "setting=value"),
    ):
        with pytest.raises(HeatlensError, match=said):
            heatlens.attribute(model, images, method=wrong)


def test_as_many_groups_as_the_elbow_shows() -> None:
    """groups=0 is the number that `elbow` says, in Group-CAM too."""
    stack, _ = planted(groups=4)
    (counts,) = inertias(stack[:1]).tolist()
    from sklearn.cluster import KMeans

    rows = stack[0].flatten(1).double().numpy()
    expected = [KMeans(g, n_init="auto", random_state=0).fit(rows).inertia_ for g in range(3, 3 + len(counts))]
    assert counts == pytest.approx(expected, rel=1e-6)
    assert elbow(counts) == 4 == len(set(cluster(stack[:1], "k-means")[0].tolist()))
    evidence, _ = with_patterns()
    zero = run(as_entry("group_cam"), evidence, groups=0, grouping="k-means")
    many = elbow(inertias(spatial_mean(evidence.gradients) * evidence.activations)[0].tolist())
    torch.testing.assert_close(zero[:1], run(as_entry("group_cam"), evidence, groups=many, grouping="k-means")[:1])
    with pytest.raises(BadValue, match="groups=0"):
        run(as_entry("group_cam"), evidence, groups=0)


def test_the_elbow_of_a_photo(tmp_path: Path) -> None:
    torch.manual_seed(0)
    subject = heatlens.load(Gap(channels=40).eval(), size=32, mean=0.5, std=0.5)
    photo = torch.rand(3, 32, 32)
    found = heatlens.elbow(subject, photo, weight="gradient", target=1, layers="relu")
    images, _ = subject.prepare(read_photo(photo))
    A = subject.model.relu(subject.model.body(images)).detach()
    expected = inertias(subject.model.head.weight[1][None, :, None, None].detach() / A[0, 0].numel() * A)[0].tolist()
    assert found.inertias == pytest.approx(expected, rel=1e-4)
    assert found.counts == tuple(range(3, 3 + len(expected)))
    assert found.groups == elbow(list(found.inertias))
    for ending in ("png", "svg", "pdf"):
        assert found.save(tmp_path / f"elbow.{ending}").stat().st_size > 1000
    with pytest.raises(BadValue, match="ending"):
        found.save(tmp_path / "elbow.txt")


# sharpening


def test_sharpening_blocks() -> None:
    """By hand: blocks of two places, U being the weights 1, 3/4, 1/4."""
    A = torch.tensor([[[4.0, 0.0, 2.0, 2.0], [0.0, 1.0, 1.0, 1.0]]])
    L = torch.tensor([2.0, 0.5, 1.5, 1.5])  # the mean of the channels
    detail, own, coarse = torch.tensor([4.0, 1.0, 2.0, 2.0]), torch.tensor([2.5, 2.0]), torch.tensor([1.25, 1.5])
    U = torch.tensor([[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]])
    assert torch.equal(L, A[0].mean(0))
    torch.testing.assert_close(compose(sharpen=2)(A)[0], (U @ coarse) * detail / (U @ own))


def test_sharpening_by_one_changes_nothing_and_even_detail_only_blurs() -> None:
    evidence = network(seed=9)
    plain = run(as_entry(compose(weight="gradient")), evidence)
    torch.testing.assert_close(run(as_entry(compose(weight="gradient", sharpen=1)), evidence), plain)
    even = torch.ones(1, 3, 4, 4)
    torch.testing.assert_close(compose(sharpen=2)(even), torch.ones(1, 4, 4))
    assert compose(sharpen=3)(torch.zeros(1, 2, 5, 7, 3)).shape == (1, 5, 7, 3)


def test_a_composed_method_is_used_like_any_other() -> None:
    model, images = Gap().eval(), torch.rand(2, 3, 12, 12)
    mine = heatlens.compose(weight="gradient")
    expected = heatlens.attribute(model, images, method="grad_cam", layers="body", target=1)
    assert expected.any()
    torch.testing.assert_close(heatlens.attribute(model, images, method=mine, layers="body", target=1), expected)
