"""On a trained DeiT the maps of LayerCAM, generic attention and LeGrad fall on the object."""

from typing import Any

import pytest

import heatlens

METHODS = ["layer_cam", "generic_attention", "legrad"]
EVERY = 13  # of the 650 photos: 50


@pytest.fixture(scope="module")
def subject(data: Any) -> heatlens.Subject:
    return heatlens.load("timm/deit_tiny_patch16_224", data.weights("deit_tiny_patch16_224"), resize="squash")


def pointing(subject: heatlens.Subject, data: Any, names: list[str]) -> dict[str, float]:
    """The share of photos whose peak, or whose centre, is on the object (Zhang et al. 2018, without the margin)."""
    known, hits = data.objects(), dict.fromkeys([*METHODS, "centre"], 0)
    for name in names:
        index, boxes = known[name]
        found = heatlens.explain(subject, data.photo(name), method=METHODS, target=index)
        for one in found:
            hits[one.recipe.entry.name] += data.on_object(one.peak, boxes)
        hits["centre"] += data.on_object((227 / 2, 227 / 2), boxes)
    return {key: hit / len(names) for key, hit in hits.items()}


def test_pointing_game(subject: heatlens.Subject, data: Any) -> None:
    found = pointing(subject, data, list(data.objects())[::EVERY])
    assert all(found[method] > 0.75 for method in METHODS), found


def test_objects_away_from_the_centre(subject: heatlens.Subject, data: Any) -> None:
    found = pointing(subject, data, data.hard()[:19])
    assert found["centre"] < 0.15
    assert all(found[method] > found["centre"] + 0.3 for method in METHODS), found


@pytest.mark.parametrize("method", ["generic_attention", "legrad", "transformer_attribution", "grad_eclip"])
def test_the_dogs_map_falls_on_the_dog(subject: heatlens.Subject, data: Any, method: str) -> None:
    photo, dog = "photos/both_dog_cat.png", 243
    found = heatlens.explain(subject, data.photo(photo), method=method, target=dog)
    assert data.on_object(found.peak, [data.boxes(photo)[dog]])
