"""Every faithfulness and sanity metric equals its formula in METHODS' words, written as plain loops in float64.

What a metric draws at random is read off the pictures that it asked about, so that no test repeats its draws.
"""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from metrics.known import Known, Model, measured, network, random_images, random_maps

MODEL = network()
IMAGES = random_images()
CLASSES = [1, 3]


def known(signed: bool = False, **given: object) -> Known:
    return Known(MODEL, IMAGES, random_maps(signed=signed), CLASSES, **given)  # type: ignore[arg-type]


def p(model: Model, picture: Tensor, c: int) -> float:
    logits = model(picture[None])[0].tolist()
    return math.exp(logits[c]) / sum(math.exp(z) for z in logits)


def y(model: Model, picture: Tensor, c: int) -> float:
    return float(model(picture[None])[0, c])


def in_order(maps: Tensor) -> list[tuple[int, int]]:
    """The most salient pixel first, equal ones row by row."""
    places = [(i, j) for i in range(maps.shape[0]) for j in range(maps.shape[1])]
    return sorted(places, key=lambda at: -float(maps[at]))  # sorted is stable


def trapezoid(values: list[float]) -> float:
    return (sum(values) - (values[0] + values[-1]) / 2) / (len(values) - 1)


def one_by_one(start: Tensor, finish: Tensor, maps: Tensor, step: int, c: int) -> list[float]:
    picture, order = start.clone(), in_order(maps)
    found = [p(MODEL, picture, c)]
    while order:
        for i, j in order[:step]:
            picture[:, i, j] = finish[:, i, j]
        order = order[step:]
        found.append(p(MODEL, picture, c))
    return found


@pytest.mark.parametrize("step", [1, 5, 7, 72, 100])
@pytest.mark.parametrize("signed", [True, False])
def test_deletion(step: int, signed: bool) -> None:
    asked = known(signed)
    curves = [
        one_by_one(x, torch.zeros_like(x), m, step, c)
        for x, m, c in zip(IMAGES, asked.attribution, CLASSES, strict=True)
    ]
    close(measured("deletion", asked, step=step, curve=True), curves)
    close(measured("deletion", asked, step=step), [trapezoid(v) for v in curves])


def blurred(x: Tensor, size: int, sigma: float) -> Tensor:
    """RISE's blur as its authors make it, by scipy: a dot blurred within its own field is the kernel."""
    ndimage, signal = pytest.importorskip("scipy.ndimage"), pytest.importorskip("scipy.signal")
    dot = np.zeros((size, size))
    dot[size // 2, size // 2] = 1
    kernel = ndimage.gaussian_filter(dot, sigma)
    return torch.stack([torch.from_numpy(signal.convolve2d(c.numpy(), kernel, mode="same")) for c in x])


@pytest.mark.parametrize(("blur", "sigma"), [(11, 5.0), (5, 1.0), (7, 0.4), (3, 9.0)])
def test_insertion(blur: int, sigma: float) -> None:
    asked = known()
    curves = [
        one_by_one(blurred(x, blur, sigma), x, m, 5, c)
        for x, m, c in zip(IMAGES, asked.attribution, CLASSES, strict=True)
    ]
    close(measured("insertion", asked, step=5, blur=blur, sigma=sigma, curve=True), curves)
    close(measured("insertion", asked, step=5, blur=blur, sigma=sigma), [trapezoid(v) for v in curves])


def test_what_stands_for_a_missing_pixel_can_be_chosen() -> None:
    asked = known()
    for x, m, c, got in zip(
        IMAGES, asked.attribution, CLASSES, measured("deletion", asked, step=9, fill="mean"), strict=True
    ):
        mean = torch.stack([torch.full_like(channel, float(sum(channel.flatten()) / channel.numel())) for channel in x])
        close(got, trapezoid(one_by_one(x, mean, m, 9, c)))


def masked(asked: Known) -> list[tuple[float, float]]:
    """Y and O of every image, L being ReLU(x) / max."""
    found = []
    for x, m, c in zip(IMAGES, asked.attribution, CLASSES, strict=True):
        peak = max(float(v) for v in m.flatten())
        L = torch.tensor([[max(0.0, float(v)) / peak for v in row] for row in m], dtype=torch.float64)
        found.append((p(MODEL, x, c), p(MODEL, x * L, c)))
    return found


@pytest.mark.parametrize("signed", [True, False])
def test_average_drop_increase_and_gain(signed: bool) -> None:
    asked = known(signed)
    pairs = masked(asked)
    close(measured("average_drop", asked), [100 * max(0, Y - o) / Y for Y, o in pairs])
    close(measured("average_drop", asked, relative=False), [100 * max(0, Y - o) for Y, o in pairs])
    close(measured("increase_in_confidence", asked), [100 * float(o > Y) for Y, o in pairs])
    close(measured("average_gain", asked), [100 * max(0, o - Y) / (1 - Y) for Y, o in pairs])
    logits = [(y(MODEL, x, c), y(MODEL, x * L, c)) for x, L, c in zip(IMAGES, asked.heat, CLASSES, strict=True)]
    close(measured("increase_in_confidence", asked, score="logit"), [100 * float(o > Y) for Y, o in logits])


def correlation(a: list[float], b: list[float]) -> float:
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    over = sum((x - mean_a) * (z - mean_b) for x, z in zip(a, b, strict=True))
    under = math.sqrt(sum((x - mean_a) ** 2 for x in a) * sum((z - mean_b) ** 2 for z in b))
    return over / under


def edges(images: Tensor) -> Tensor:
    """An explanation that follows the picture."""
    return (images[:, 0] * images[:, 1]).clamp(min=0)


def test_coherency_complexity_and_adcc() -> None:
    asked = Known(MODEL, IMAGES, edges, CLASSES)
    coherencies, complexities, wholes = [], [], []
    for x, c in zip(IMAGES, CLASSES, strict=True):
        L = edges(x[None])[0]
        L = L / max(L.flatten().tolist())
        again = edges((x * L)[None])[0]
        again = again / max(again.flatten().tolist())
        coherencies.append((correlation(L.flatten().tolist(), again.flatten().tolist()) + 1) / 2)
        complexities.append(sum(L.flatten().tolist()) / L.numel())
        Y, o = p(MODEL, x, c), p(MODEL, x * L, c)
        drop = max(0, Y - o) / Y
        wholes.append(3 / (1 / coherencies[-1] + 1 / (1 - complexities[-1]) + 1 / (1 - drop)))
    close(measured("coherency", asked), coherencies)
    close(measured("complexity", asked), complexities)
    close(measured("adcc", asked), wholes)


def filled_in(x: Tensor, missing: set[tuple[int, int]]) -> Tensor:
    """The imputation's equations, solved densely."""
    height, width = x.shape[1:]
    order = sorted(missing)
    number = {at: k for k, at in enumerate(order)}
    A, b = (
        torch.zeros(len(order), len(order), dtype=torch.float64),
        torch.zeros(len(order), len(x), dtype=torch.float64),
    )
    for (i, j), k in number.items():
        around = [(i + a, j + e) for a in (-1, 0, 1) for e in (-1, 0, 1) if (a, e) != (0, 0)]
        inside = [at for at in around if 0 <= at[0] < height and 0 <= at[1] < width]
        weights = {at: 1 / 6 if at[0] == i or at[1] == j else 1 / 12 for at in inside}
        total = sum(weights.values())
        A[k, k] = 1
        for at, w in weights.items():
            if at in number:
                A[k, number[at]] -= w / total
            else:
                b[k] += w / total * x[:, at[0], at[1]]
    picture, values = x.clone(), torch.linalg.solve(A, b)
    for (i, j), k in number.items():
        picture[:, i, j] = values[k]
    return picture


PERCENTS = (0.0, 10.0, 35.0, 90.0)


def road_by_loops(x: Tensor, maps: Tensor, c: int) -> list[float]:
    order = in_order(maps)
    return [p(MODEL, filled_in(x, set(order[: round(len(order) * q / 100)])), c) for q in PERCENTS]


def test_road_without_noise() -> None:
    asked = known()
    most = [road_by_loops(x, m, c) for x, m, c in zip(IMAGES, asked.attribution, CLASSES, strict=True)]
    least = [road_by_loops(x, -m, c) for x, m, c in zip(IMAGES, asked.attribution, CLASSES, strict=True)]
    given = {"percents": PERCENTS, "noise": 0.0}
    close(measured("road_morf", asked, curve=True, **given), most)
    close(measured("road_lerf", asked, curve=True, **given), least)
    close(measured("road_morf", asked, **given), [sum(v) / 4 for v in most])
    both = [sum((b - a) / 2 for a, b in zip(m, v, strict=True)) / 4 for m, v in zip(most, least, strict=True)]
    close(measured("road", asked, **given), both)


def test_the_noise_of_road_is_on_the_removed_pixels_alone_and_as_large_as_said() -> None:
    images = random_images(1, (40, 40))
    plain, noisy = (Known(MODEL, images, random_maps(1, (40, 40)), [1]) for _ in range(2))
    measured("road_morf", plain, percents=(50.0,), noise=0.0)
    measured("road_morf", noisy, percents=(50.0,), noise=0.3)
    noise = noisy.pictures[0][0] - plain.pictures[0][0]
    removed = (plain.pictures[0][0] != images[0]).any(0)
    assert int(removed.sum()) == 800
    assert not noise[:, ~removed].any()
    assert float(noise[:, removed].std()) == pytest.approx(0.3, rel=0.05)


def test_sensitivity_n() -> None:
    asked = Known(MODEL, IMAGES + 10, random_maps(), CLASSES)  # no pixel of the pictures is 0 by itself
    got = measured("sensitivity_n", asked, subsets=20, sizes=4, most=0.5, curve=True)
    sizes = [round(10 ** (k / 3 * math.log10(0.5 * 72))) for k in range(4)]
    for image, c in enumerate(CLASSES):
        whole, *others = asked.pictures[image]
        assert torch.equal(whole, asked.images[image])
        for k, size in enumerate(sizes):
            said, fell = [], []
            for picture in others[20 * k : 20 * (k + 1)]:
                gone = (picture == 0).all(0)
                assert int(gone.sum()) == size
                assert torch.equal(picture[:, ~gone], whole[:, ~gone])
                said.append(sum(asked.attribution[image][gone].tolist()))
                fell.append(y(MODEL, whole, c) - y(MODEL, picture, c))
            assert float(got[image, k]) == pytest.approx(correlation(said, fell), abs=1e-9)
    sets = {tuple((picture == 0).all(0).flatten().tolist()) for picture in asked.pictures[0][41:]}
    assert len(sets) == 40, "every set is a draw of its own"
    close(measured("sensitivity_n", asked, subsets=20, sizes=4, most=0.5), got.mean(1))


@pytest.mark.parametrize("perturbation", ["squares", "noise"])
@pytest.mark.parametrize("scaled", [True, False])
def test_infidelity(perturbation: str, scaled: bool) -> None:
    asked = Known(MODEL, IMAGES + 10, random_maps(), CLASSES)
    got = measured("infidelity", asked, perturbation=perturbation, scaled=scaled, samples=40)
    for image, c in enumerate(CLASSES):
        whole, *others = asked.pictures[image]
        R, said, fell = asked.attribution[image], [], []
        for picture in others:
            if perturbation == "squares":
                said.append(sum(R[(picture == 0).all(0)].tolist()))
            else:
                said.append(sum(float(((whole - picture)[k] * R).sum()) for k in range(3)))
            fell.append(y(MODEL, whole, c) - y(MODEL, picture, c))
        beta = sum(s * f for s, f in zip(said, fell, strict=True)) / sum(s * s for s in said) if scaled else 1.0
        want = sum((beta * s - f) ** 2 for s, f in zip(said, fell, strict=True)) / 40
        assert float(got[image]) == pytest.approx(want, rel=1e-9)


def test_the_squares_of_infidelity_are_squares_of_all_sizes_everywhere() -> None:
    asked = Known(MODEL, random_images(1, (28, 30)) + 10, random_maps(1, (28, 30)), [0])
    measured("infidelity", asked, samples=600)
    sides, covered = set(), torch.zeros(28, 30, dtype=torch.bool)
    for picture in asked.pictures[0][1:]:
        gone = (picture == 0).all(0)
        rows, columns = gone.any(1).nonzero().flatten(), gone.any(0).nonzero().flatten()
        assert len(rows) == len(columns)
        assert int(gone.sum()) == len(rows) ** 2
        assert int(rows[-1] - rows[0]) + 1 == len(rows)
        sides.add(len(rows))
        covered |= gone
    assert sides == set(range(1, 11)), "10 of 28, as the authors have it"
    assert all(bool(edge.any()) for edge in (covered[0], covered[-1], covered[:, 0], covered[:, -1]))


def test_the_noise_of_infidelity_has_the_spread_that_is_said() -> None:
    asked = known()
    measured("infidelity", asked, perturbation="noise", samples=100, sigma=0.7)
    assert float(torch.stack(asked.pictures[0][1:]).std()) == pytest.approx(0.7, rel=0.03)


def test_max_sensitivity() -> None:
    def squared(images: Tensor) -> Tensor:
        return images[:, 0] ** 2 + images[:, 1]

    asked = Known(MODEL, IMAGES, squared, CLASSES)
    got = measured("max_sensitivity", asked, samples=12, radius=0.5)
    assert len(asked.explained_pictures) == 12
    for image in range(2):
        ratios = []
        for shown in asked.explained_pictures:
            d = shown[image] - IMAGES[image]
            assert float(d.abs().max()) <= 0.5
            change = squared(shown)[image] - asked.attribution[image]
            ratios.append(float(change.norm()) / float(asked.attribution[image].norm()))
        assert float(got[image]) == pytest.approx(max(ratios))
    draws = torch.stack(asked.explained_pictures) - IMAGES
    assert float(draws.std()) == pytest.approx(0.5 / math.sqrt(3), rel=0.05), "uniform"


def close(got: Tensor, want: object) -> None:
    torch.testing.assert_close(got.double(), torch.as_tensor(want, dtype=torch.float64), rtol=1e-9, atol=1e-11)
