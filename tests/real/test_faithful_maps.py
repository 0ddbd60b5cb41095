"""Faithfulness and sanity on a trained network: maps that know the class beat maps that do not."""

from typing import Any

import numpy as np
import pytest

import heatlens

METHODS = ["grad_cam", "random_cam", "centre"]


@pytest.fixture(scope="module")
def subject(data: Any) -> heatlens.Subject:
    return heatlens.load("timm/mobilenetv2_100", data.weights("mobilenetv2_100"), pad_type="same", mean=0.5, std=0.5)


@pytest.fixture(scope="module")
def photos(data: Any) -> list[Any]:
    """Photos whose object is small and beside the middle: in the others the centre is a good guess."""
    return [data.photo(name) for name in data.hard()][::3][:8]


def means(subject: heatlens.Subject, photos: list[Any], metrics: list[str], methods: list[str]) -> np.ndarray:
    """(methods, metrics)."""
    found = heatlens.measure(subject, photos, metrics, method=methods)
    values = np.array([list(row.values()) for row in found])
    return values.reshape(len(photos), len(methods), len(metrics)).mean(0)


def test_grad_cam_beats_chance_and_the_centre(subject: heatlens.Subject, photos: list[Any]) -> None:
    metrics = ["insertion:step=6272", "deletion:step=6272"]
    grad_cam, random_cam, centre = means(subject, photos, metrics, METHODS)
    assert grad_cam[1] < random_cam[1] - 0.03, "deletion; a compact hole in the middle does as well there, so no more"
    for other in (random_cam, centre):
        assert grad_cam[0] > other[0] + 0.03, "insertion"


def test_so_say_road_and_average_drop(subject: heatlens.Subject, photos: list[Any]) -> None:
    grad_cam, random_cam = means(subject, photos[:4], ["road:percents=40", "average_drop"], METHODS[:2])
    assert grad_cam[0] > random_cam[0] + 0.05
    assert grad_cam[1] < random_cam[1] - 10


def test_what_does_not_know_the_class_is_found_out(subject: heatlens.Subject, photos: list[Any]) -> None:
    found = means(subject, photos[:4], ["class_discrimination"], ["grad_cam", "eigen_cam"])
    assert found[1, 0] == pytest.approx(1, abs=1e-6)
    assert found[0, 0] < 0.9


def test_weights_drawn_anew_change_grad_cam(subject: heatlens.Subject, photos: list[Any]) -> None:
    check = "parameter_randomisation:curve=yes"
    found = heatlens.measure(subject, photos[:1], check, method=["grad_cam", "centre"])
    curves = np.array([row["parameter_randomisation:curve=True"] for row in found])
    assert curves.shape[1] > 50, "every layer with weights"
    assert abs(curves[0].mean()) < 0.4
    assert curves[1].min() > 1 - 1e-9, "a blob does not depend on the weights"
