"""The metrics where the answer is known beforehand: METHODS' oracles, ties, blank maps, and what is undefined."""

import math

import pytest
import torch
from torch import Tensor

from heatlens.metrics.contents import METRICS, find_metric
from heatlens.metrics.criterion import Criterion, find_criterion
from heatlens.metrics.shared.imputing import imputed
from heatlens.metrics.shared.similarity import mean_ranks, similar
from heatlens.words.errors import BadValue, EvidenceMissing, UnknownName
from metrics.known import Known, measured, network, random_images, random_maps

FAITHFUL = {
    "adcc", "average_drop", "average_gain", "class_discrimination", "coherency", "complexity", "deletion",
    "increase_in_confidence", "infidelity", "insertion", "max_sensitivity", "parameter_randomisation", "random_logit",
    "road", "road_lerf", "road_morf", "sensitivity_n",
}  # fmt: skip


def constant(x: Tensor) -> Tensor:
    """The same logits for every picture: p_0 = 3/4."""
    return torch.tensor([math.log(3.0), 0.0], dtype=torch.float64).expand(len(x), 2)


def one_pixel(x: Tensor) -> Tensor:
    """p_0 = 1 while the pixel at row 2, column 3 is there, else 0."""
    return torch.stack([torch.where(x[:, 0, 2, 3] > 0, 1e3, -1e3), torch.zeros(len(x))], 1)


def linear(x: Tensor) -> Tensor:
    """A weighted sum of all values."""
    return torch.stack([(x * WEIGHTS).flatten(1).sum(1), torch.zeros(len(x))], 1)


WEIGHTS = torch.randn(3, 8, 9, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
IMAGES = random_images()


def test_a_constant_model() -> None:
    asked = Known(constant, IMAGES, random_maps(signed=False))
    for name in ("average_drop", "increase_in_confidence", "average_gain", "infidelity", "sensitivity_n", "road"):
        assert measured(name, asked).tolist() == [0, 0], name
    for name in ("deletion", "insertion", "road_morf", "road_lerf"):
        torch.testing.assert_close(measured(name, asked), torch.full((2,), 0.75, dtype=torch.float64))


@pytest.mark.parametrize("step", [1, 4])
def test_a_model_that_sees_one_pixel(step: int) -> None:
    """Found at once, the pixel is gone after the first step: half a step of area is left."""
    maps = torch.zeros(1, 6, 6)
    maps[0, 2, 3] = 1
    asked = Known(one_pixel, torch.ones(1, 1, 6, 6), maps)
    half = 0.5 / (36 // step)
    assert float(measured("deletion", asked, step=step)) == pytest.approx(half)
    assert float(measured("insertion", asked, step=step, fill="zero")) == pytest.approx(1 - half)
    worst = Known(one_pixel, torch.ones(1, 1, 6, 6), -maps)
    assert float(measured("deletion", worst, step=step)) == pytest.approx(1 - half)
    assert float(measured("insertion", worst, step=step, fill="zero")) == pytest.approx(half)


def test_equal_pixels_go_in_raster_order() -> None:
    """The pixel at row 2, column 3 of a constant map is the 16th of 36."""
    for value in (0.0, 1.0, -2.5):
        asked = Known(one_pixel, torch.ones(1, 1, 6, 6), torch.full((1, 6, 6), value))
        found = measured("deletion", asked, step=1, curve=True)[0]
        assert found.tolist() == [1.0] * 16 + [0.0] * 21
    plateau = torch.zeros(1, 6, 6)
    plateau[0, 5, 5] = 1  # first; all others follow in raster order
    found = measured("deletion", Known(one_pixel, torch.ones(1, 1, 6, 6), plateau), step=1, curve=True)[0]
    assert found.tolist() == [1.0] * 17 + [0.0] * 20


def test_a_map_of_ones_leaves_everything() -> None:
    asked = Known(network(), IMAGES, torch.ones(2, 8, 9))
    assert measured("average_drop", asked).tolist() == [0, 0]
    assert measured("increase_in_confidence", asked).tolist() == [0, 0]
    assert measured("average_gain", asked).tolist() == [0, 0]
    assert measured("complexity", asked).tolist() == [1, 1]
    assert measured("adcc", asked).tolist() == [0, 0]


def test_a_blank_map_leaves_nothing() -> None:
    model = network()
    asked = Known(model, IMAGES, torch.zeros(2, 8, 9, dtype=torch.float64))
    Y, nothing = (model(x).softmax(1)[:, 0] for x in (IMAGES, torch.zeros_like(IMAGES)))
    torch.testing.assert_close(measured("average_drop", asked), 100 * ((Y - nothing) / Y).clamp(min=0))
    for name in ("complexity", "coherency", "adcc", "sensitivity_n"):
        assert measured(name, asked).tolist() == [0, 0], name
    assert measured("max_sensitivity", asked).isnan().all()


def test_a_certain_model_cannot_gain() -> None:
    def certain(x: Tensor) -> Tensor:
        return torch.tensor([1e4, 0.0]).expand(len(x), 2)

    assert measured("average_gain", Known(certain, IMAGES, random_maps())).tolist() == [0, 0]


@pytest.mark.parametrize("seed", [0, 5])
def test_exact_contributions_have_sensitivity_one_for_every_n_and_infidelity_zero(seed: int) -> None:
    contributions = (IMAGES * WEIGHTS).sum(1)
    asked = Known(linear, IMAGES, contributions)
    found = measured("sensitivity_n", asked, subsets=10, curve=True, seed=seed)
    torch.testing.assert_close(found, torch.ones_like(found))
    assert measured("infidelity", asked, samples=50, seed=seed).max() < 1e-18
    assert measured("infidelity", asked, samples=50, seed=seed, scaled=False).max() < 1e-18
    twice = Known(linear, IMAGES, 2 * contributions)
    assert measured("infidelity", twice, samples=50).max() < 1e-18, "the scale that suits the map best"
    assert measured("infidelity", twice, samples=50, scaled=False).min() > 1e-3
    inverted = measured("sensitivity_n", Known(linear, IMAGES, -contributions), subsets=10)
    torch.testing.assert_close(inverted, -torch.ones(2, dtype=torch.float64))


def test_an_explainer_that_never_changes_is_not_sensitive() -> None:
    assert measured("max_sensitivity", Known(network(), IMAGES, random_maps()), samples=3).tolist() == [0, 0]
    still = Known(network(), IMAGES, lambda images: images[:, 0])
    assert measured("max_sensitivity", still, samples=3, radius=0.0).tolist() == [0, 0]


def test_parameter_randomisation_of_maps_that_stay_turn_over_or_are_cut() -> None:
    maps = random_maps()
    asked = Known(network(), IMAGES, maps, randomised=[maps, -maps, maps.exp(), maps.abs()])
    found = measured("parameter_randomisation", asked, curve=True)
    torch.testing.assert_close(found[:, :3], torch.tensor([[1.0, -1.0, 1.0]] * 2, dtype=torch.float64))
    assert (
        measured("parameter_randomisation", asked, curve=True, similarity="spearman_abs")[:, [1, 3]].min() > 1 - 1e-12
    )
    torch.testing.assert_close(measured("parameter_randomisation", asked), found.mean(1))
    large = random_maps(2, (24, 24))
    blank = Known(network(), IMAGES, large, randomised=[torch.zeros_like(large)])
    for similarity in ("spearman", "pearson", "hog"):
        assert measured("parameter_randomisation", blank, similarity=similarity).tolist() == [0, 0], similarity


def test_maps_that_know_no_class() -> None:
    maps = random_maps(2, (24, 24))
    asked = Known(network(), IMAGES, maps, [1, 3], by_class=lambda classes: maps)
    assert measured("class_discrimination", asked).tolist() == pytest.approx([1, 1])
    for similarity in ("spearman", "spearman_abs", "pearson", "ssim", "hog"):
        assert measured("random_logit", asked, similarity=similarity).tolist() == pytest.approx([1, 1]), similarity


def test_the_classes_that_are_compared() -> None:
    asked_for: list[list[int]] = []

    def by_class(classes: Tensor) -> Tensor:
        asked_for.append(classes.tolist())
        return random_maps(2, (16, 16), seed=len(asked_for))

    asked = Known(network(), IMAGES, random_maps(2, (16, 16)), [1, 3], by_class=by_class)
    order = network()(IMAGES).argsort(1, descending=True).tolist()
    measured("class_discrimination", asked)
    assert asked_for == [[row[0] for row in order], [row[-1] for row in order]]
    measured("class_discrimination", asked, other="second")
    assert asked_for[2:] == [[row[0] for row in order], [row[1] for row in order]]
    asked_for.clear()
    for seed in range(40):
        measured("random_logit", asked, seed=seed)
    assert {first for first, _ in asked_for} == {0, 2, 3}, "every class but its own"
    assert {second for _, second in asked_for} == {0, 1, 2}


def test_ranks_with_ties_are_those_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    maps = random_maps(3).round(decimals=1).clamp(min=0)
    torch.testing.assert_close(mean_ranks(maps.flatten(1)), torch.from_numpy(stats.rankdata(maps.flatten(1), axis=1)))
    other = random_maps(3, seed=9).clamp(min=0)
    expected = [stats.spearmanr(a.flatten(), b.flatten()).statistic for a, b in zip(maps, other, strict=True)]
    assert similar(maps, other, "spearman").tolist() == pytest.approx(expected)


def test_road_leaves_an_image_with_nothing_missing_and_a_constant_one() -> None:
    image = random_images(1)[0]
    assert torch.equal(imputed(image, torch.zeros(8, 9, dtype=torch.bool)), image)
    flat = torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64)[:, None, None].expand(3, 8, 9)
    for seed in range(5):
        missing = torch.rand(8, 9, generator=torch.Generator().manual_seed(seed)) < 0.7
        torch.testing.assert_close(imputed(flat, missing), flat.contiguous())
    asked = Known(network(), IMAGES, random_maps())
    measured("road_morf", asked, percents=(0.0,))
    assert torch.equal(asked.pictures[1][0], IMAGES[1])


def test_road_with_one_pixel_left_shows_its_colour_everywhere() -> None:
    image, missing = random_images(1)[0], torch.ones(8, 9, dtype=torch.bool)
    missing[3, 4] = False
    torch.testing.assert_close(imputed(image, missing), image[:, 3:4, 4:5].expand_as(image))


def test_road_leaves_one_pixel_of_the_smallest_picture() -> None:
    asked = Known(network(), random_images(1, (1, 2)), random_maps(1, (1, 2)))
    kept = int(asked.attribution[0, 0].argmin())
    measured("road_morf", asked, percents=(90.0,), noise=0.0)
    assert torch.equal(asked.pictures[0][0], asked.images[0][:, :, [kept, kept]])


@pytest.mark.parametrize("size", [(1, 9), (2, 2)])
def test_maps_too_small_for_ssim(size: tuple[int, int]) -> None:
    with pytest.raises(BadValue, match="for ssim"):
        similar(random_maps(1, size), random_maps(1, size), "ssim")


@pytest.mark.parametrize("shape", [(12,), (4, 5, 6)])
def test_one_and_three_dimensions(shape: tuple[int, ...]) -> None:
    def model(x: Tensor) -> Tensor:
        return torch.stack([x.flatten(1).sum(1), (x**2).flatten(1).sum(1)], 1)

    asked = Known(model, random_images(2, shape), random_maps(2, shape))
    for name in ("deletion", "insertion", "average_drop", "coherency", "complexity", "max_sensitivity"):
        assert measured(name, asked).shape == (2,), name
    assert measured("sensitivity_n", asked, subsets=5).shape == (2,)
    assert measured("infidelity", asked, samples=5).shape == (2,)
    with pytest.raises(BadValue, match="pictures"):
        measured("road", asked)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("deletion", {"step": 0}),
        ("parameter_randomisation", {"similarity": "hog"}),
        ("insertion", {"blur": 0}),
        ("road", {"percents": (100.0,)}),
        ("road", {"percents": ()}),
        ("road_morf", {"noise": -1.0}),
        ("sensitivity_n", {"subsets": 1}),
        ("sensitivity_n", {"most": 0.0}),
        ("infidelity", {"samples": 0}),
        ("max_sensitivity", {"samples": 0}),
        ("deletion", {"fill": "grey"}),
        ("deletion", {"step": "many"}),
    ],
)
def test_settings_that_mean_nothing(name: str, settings: dict[str, object]) -> None:
    with pytest.raises(BadValue):
        measured(name, Known(network(), IMAGES, random_maps(), randomised=[random_maps()]), **settings)


def test_a_model_of_one_class_has_no_other() -> None:
    asked = Known(lambda x: x.flatten(1).sum(1, keepdim=True), IMAGES, random_maps(), by_class=lambda c: random_maps())
    with pytest.raises(EvidenceMissing, match="one class"):
        measured("random_logit", asked)


def test_criteria_in_words() -> None:
    assert find_criterion("Deletion:step=448,fill=mean").name == "deletion:step=448,fill=mean"
    assert find_criterion("deletion:step=224").name == "deletion", "the metric's own setting"
    assert find_criterion("road:percents=10+50").settings == (("percents", (10.0, 50.0)),)
    assert find_criterion("max-sensitivity", {"radius": 0.1}).settings == (("radius", 0.1),)
    assert find_criterion(find_criterion("adcc")) == Criterion(find_metric("adcc"))
    for words in ("road:percents=10.0+50.0,noise=0.5", "deletion:step=448,fill=mean,curve=True"):
        assert find_criterion(words).name == words
    with pytest.raises(UnknownName, match="deletion"):
        find_criterion("deletoin")
    with pytest.raises(UnknownName, match="step"):
        find_criterion("deletion:stepp=3")
    with pytest.raises(BadValue, match="setting=value"):
        find_criterion("deletion:step")


def test_every_metric_says_what_it_is() -> None:
    find_metric("adcc")
    assert set(METRICS) >= FAITHFUL
    for name in FAITHFUL:
        assert "arXiv:" in METRICS[name].source, name
        assert METRICS[name].better in ("higher", "lower"), name
        assert not METRICS[name].needs_truth, name


def test_areas_and_curves_have_one_summary() -> None:
    asked = Known(network(), IMAGES, random_maps())
    for name in ("deletion", "insertion"):
        metric = METRICS[name]
        areas, curves = (measured(name, asked, step=5, curve=whole).numpy() for whole in (False, True))
        assert metric.summary(areas) == pytest.approx(areas.mean())
        assert metric.summary(curves) == pytest.approx(areas.mean())
