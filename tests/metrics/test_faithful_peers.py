"""Where Quantus and pytorch-grad-cam follow the papers, the values are the same; where they do not, it says so here.

Quantus 0.6, not compared: `SensitivityN` removes pixels cumulatively in the map's order instead of in random sets, and
correlates across the batch; `Infidelity` never puts a removed patch back before it removes the next; `Complexity` is an
entropy, another metric of that name; `ROAD` returns whether the prediction stays, the accuracy and not the probability.
`PixelFlipping` begins its curve after the first step and its area is not divided by the number of steps; with several
channels it removes single values, not pixels.  `MPRT` re-initialises in the order in which modules were registered and
draws every layer from one seed, so that layers of one shape get the same weights.
pytorch-grad-cam 1.5.5, not compared: its drop in confidence is not divided by the confidence.
"""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from heatlens.images import Preprocessing, read_photo
from heatlens.measuring.measured import measured
from heatlens.metrics.criterion import find_criterion
from heatlens.metrics.shared.imputing import imputed
from heatlens.models import Subject
from heatlens.recipes.asked import recipes
from metrics import known

quantus = pytest.importorskip("quantus")
pytestmark = pytest.mark.filterwarnings("ignore")


class Grey(nn.Module):
    """One channel in; modules registered in the order in which they run."""

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 5, 3, padding=1)
        self.head = nn.Linear(5, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.second(self.first(x).relu()).relu().mean((2, 3)))


SIDE = 24


@pytest.fixture(scope="module")
def subject() -> Subject:
    shown = Preprocessing(size=(SIDE, SIDE), mean=(0.5,), std=(0.5,), channels="L", resize="squash")
    return Subject("grey", Grey().eval(), shown, layers=("second",))


@pytest.fixture(scope="module")
def photos() -> list[Any]:
    random = np.random.default_rng(0)
    return [read_photo(random.integers(0, 255, (SIDE, SIDE), dtype=np.uint8)) for _ in range(3)]


@pytest.fixture(scope="module")
def x(subject: Subject, photos: list[Any]) -> np.ndarray:
    return np.asarray(torch.cat([subject.prepare(photo)[0] for photo in photos]))


def ours(subject: Subject, photos: list[Any], criterion: str, method: str = "hires_cam", seed: int = 0) -> np.ndarray:
    asked = recipes(method, {})
    found = measured(subject, photos, asked, [find_criterion(criterion)], target=0, seed=seed)
    return np.array([next(iter(row[0].values())) for row in found])


def maps_by(method: str) -> Any:
    """heatlens as an explainer for Quantus."""
    import heatlens

    def explain(model: nn.Module, inputs: np.ndarray, targets: np.ndarray, **_: Any) -> np.ndarray:
        found = heatlens.attribute(
            model, torch.as_tensor(inputs).float(), method=method, target=[int(t) for t in targets], layers="second"
        )
        return np.asarray(found[:, None])

    return explain


def theirs(metric: Any, subject: Subject, x: np.ndarray, method: str = "hires_cam", softmax: bool = False) -> Any:
    y = np.zeros(len(x), dtype=int)
    return metric(
        model=subject.model, x_batch=x, y_batch=y, explain_func=maps_by(method), softmax=softmax, device="cpu"
    )


QUIET = {"disable_warnings": True, "display_progressbar": False, "normalise": False, "abs": False}


def test_deletion_is_quantus_pixel_flipping(subject: Subject, photos: list[Any], x: np.ndarray) -> None:
    flipping = quantus.PixelFlipping(features_in_step=24, perturb_baseline=0.0, **QUIET)
    expected = np.array(theirs(flipping, subject, x, softmax=True))
    curve = ours(subject, photos, "deletion:step=24,curve=yes")
    np.testing.assert_allclose(curve[:, 1:], expected, atol=1e-5)
    assert np.ptp(curve) > 1e-3


def test_max_sensitivity_is_quantus_with_the_same_noise(subject: Subject, photos: list[Any], x: np.ndarray) -> None:
    draws: list[np.ndarray] = []
    recorded = known.Known(lambda t: torch.zeros(len(t), 2), torch.from_numpy(x), lambda t: t[:, 0])
    known.measured("max_sensitivity", recorded, samples=4, radius=0.3)
    draws = [np.asarray(shown) - x for shown in recorded.explained_pictures]

    def perturb(arr: np.ndarray, indices: Any, **_: Any) -> np.ndarray:
        return arr + draws.pop(0).reshape(arr.shape)

    metric = quantus.MaxSensitivity(nr_samples=4, perturb_func=perturb, **QUIET)
    got = ours(subject, photos, "max_sensitivity:samples=4,radius=0.3")
    for photo in range(3):  # one by one: their norms run over the whole batch
        draws = [np.asarray(shown[photo : photo + 1]) - x[photo : photo + 1] for shown in recorded.explained_pictures]
        assert got[photo] == pytest.approx(theirs(metric, subject, x[photo : photo + 1])[0], rel=1e-4)


def test_random_logit_is_quantus_with_two_classes(subject: Subject, photos: list[Any], x: np.ndarray) -> None:
    """Two classes leave nothing to draw.  Quantus' ssim is not of maps from 0 to 1, so ranks are compared."""
    metric = quantus.RandomLogit(num_classes=2, similarity_func=quantus.similarity_func.correlation_spearman, **QUIET)
    expected = theirs(metric, subject, x)
    np.testing.assert_allclose(ours(subject, photos, "random_logit:similarity=spearman"), expected, atol=1e-6)
    assert np.abs(expected).max() < 0.999


@pytest.mark.parametrize(("scheme", "order"), [("independent", "independent"), ("cascading", "top_down")])
def test_parameter_randomisation_is_quantus_mprt(
    scheme: str, order: str, subject: Subject, photos: list[Any], x: np.ndarray
) -> None:
    """Layer by layer with Quantus' seed; a cascade is compared at its first step, since ours draws every layer anew."""
    curve = ours(subject, photos, f"parameter_randomisation:scheme={scheme},curve=yes", seed=5)
    for position, layer in enumerate(["head", "second", "first"][: 3 if scheme == "independent" else 1]):
        metric = quantus.MPRT(layer_order=order, seed=5 + position - 1, **QUIET)
        expected = theirs(metric, subject, x)[layer]
        np.testing.assert_allclose(curve[:, position], expected, atol=1e-5, err_msg=layer)
    assert 0.01 < np.abs(curve).min() < np.abs(curve).max() < 0.999


def test_the_imputation_of_road_is_pytorch_grad_cams_and_quantus() -> None:
    road = pytest.importorskip("pytorch_grad_cam.metrics.road")
    image = torch.randn(3, 17, 13, generator=torch.Generator().manual_seed(0))
    for share in (0.1, 0.5, 0.95):
        missing = torch.rand(17, 13, generator=torch.Generator().manual_seed(1)) < share
        got = imputed(image, missing)
        expected = road.NoisyLinearImputer(noise=0)(image, (~missing).float())
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
        gone = missing.flatten().nonzero().flatten().numpy()
        quantus_filled = quantus.perturb_func.noisy_linear_imputation(image.numpy(), gone, noise=0.0)
        torch.testing.assert_close(got, torch.from_numpy(quantus_filled), rtol=1e-4, atol=1e-5)


def test_ssim_is_scikit_images() -> None:
    from skimage.metrics import structural_similarity

    from heatlens.metrics.shared.similarity import similar

    a, b = known.random_maps(1, (20, 20), seed=1), known.random_maps(1, (20, 20), seed=2)
    scaled = [((m - m.min()) / (m.max() - m.min()))[0].numpy() for m in (a, b)]
    expected = structural_similarity(*scaled, data_range=1.0)
    assert float(similar(a, b, "ssim")) == pytest.approx(expected)
    assert expected < 0.5
