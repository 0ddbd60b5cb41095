"""The methods that probe the network, on a trained one: what speaks for the dog lies on the dog."""

from typing import Any

import pytest

import heatlens

DOG = 243
SETTINGS: dict[str, dict[str, Any]] = {
    "ablation_cam": {"group": 4},
    "cameras": {"scales": 2, "largest": 1.5},
    "fd_cam": {},
    "full_grad": {},
    "g_score_cam": {"top": 24},
    "group_cam": {"groups": 8},
    "lift_cam": {},
    "occlusion": {"window": 64, "stride": 32},
    "opti_cam": {"steps": 12},
    "recipro_cam": {},
    "relevance_cam": {},
    "rise": {"samples": 160},
    "score_cam": {"top": 24},
}


@pytest.fixture(scope="module")
def subject(data: Any) -> heatlens.Subject:
    weights = data.weights("torchvision_mobilenet_v2")
    return heatlens.load("torchvision/mobilenet_v2", weights, mean=0.5, std=0.5)


@pytest.mark.parametrize("method", SETTINGS)
def test_the_dogs_map_falls_on_the_dog(subject: heatlens.Subject, data: Any, method: str) -> None:
    photo = data.photo("photos/both_dog_cat.png")
    found = heatlens.explain(subject, photo, method=method, settings=SETTINGS[method], target=DOG)
    x0, y0, x1, y1 = data.boxes("photos/both_dog_cat.png")[DOG]
    x, y = found.peak
    assert x0 <= x < x1, found
    assert y0 <= y < y1, found


def test_guided_grad_cam_on_a_network_of_relus(data: Any) -> None:
    weights = data.weights("squeezenet1_1_gluon_fp32")
    subject = heatlens.load("torchvision/squeezenet1_1", weights)
    found = heatlens.explain(subject, data.photo("photos/both_dog_cat.png"), method="guided_grad_cam", target=DOG)
    x0, y0, x1, y1 = (round(v) for v in data.boxes("photos/both_dog_cat.png")[DOG])
    heat = abs(found.map)
    assert heat[y0:y1, x0:x1].sum() > 0.8 * heat.sum()


@pytest.mark.parametrize("settings", [{}, {"score": "logit", "channel_softmax": True}], ids=["official", "peers"])
def test_half_the_bits_show_the_same_map(data: Any, settings: dict[str, Any]) -> None:
    subject = heatlens.load("torchvision/squeezenet1_1", data.weights("squeezenet1_1_gluon_fp32"))
    asked: dict[str, Any] = {"method": "score_cam", "settings": {**settings, "top": 64}, "target": DOG}
    photo = data.photo("photos/both_dog_cat.png")
    exact, rounded = (heatlens.explain(subject, photo, precision=p, **asked).raw for p in ("fp32", "bf16"))
    unit = [(raw - raw.min()) / (raw.max() - raw.min()) for raw in (exact, rounded)]
    assert 0 < abs(unit[0] - unit[1]).max() < 0.02
