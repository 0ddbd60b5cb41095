"""`heatlens.measure`, as a person uses it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import heatlens
from heatlens.models import Subject
from heatlens.words.errors import BadPhoto, BadValue, UnknownName
from measuring.test_measured import gap, subject_of

PHOTOS = [np.random.default_rng(i).integers(0, 255, (20, 24, 3), dtype=np.uint8) for i in range(3)]


@pytest.fixture
def subject() -> Subject:
    return subject_of(gap())


def test_one_photo_and_method_give_one_dictionary(subject: Subject, tmp_path: Path) -> None:
    Image.fromarray(PHOTOS[0]).save(tmp_path / "one.png")
    found = heatlens.measure(subject, tmp_path / "one.png", ["complexity", "deletion:step=16"])
    assert list(found) == ["complexity", "deletion:step=16"]
    assert found == pytest.approx(heatlens.measure(subject, PHOTOS[0], ("complexity", "deletion:step=16")))
    assert found["complexity"] == pytest.approx(heatlens.measure(subject, PHOTOS[0], "complexity")["complexity"])
    assert set(heatlens.measure(subject, PHOTOS[0])) == {"insertion", "deletion"}


def test_lists_give_a_flat_list_by_photo_then_method(subject: Subject) -> None:
    methods = ["grad_cam", "random_cam"]
    found = heatlens.measure(subject, PHOTOS, "complexity", method=methods, batch_size=2)
    one_by_one = [heatlens.measure(subject, p, "complexity", method=m) for p in PHOTOS for m in methods]
    assert [f["complexity"] for f in found] == pytest.approx([f["complexity"] for f in one_by_one])
    assert len({round(f["complexity"], 6) for f in found}) == 6
    assert heatlens.measure(subject, [], "complexity") == []
    assert len(heatlens.measure(subject, PHOTOS[:1], "complexity")) == 1


def test_the_methods_settings_layers_and_target(subject: Subject) -> None:
    asked: dict[str, Any] = {"method": "grad_cam", "target": 0, "settings": {"summing": "eigen"}, "layers": "body.0"}
    found = heatlens.measure(subject, PHOTOS[0], "complexity", **asked)["complexity"]
    raw = heatlens.explain(subject, PHOTOS[0], **asked).raw
    assert found == pytest.approx((np.maximum(raw, 0) / raw.max()).mean(), rel=0.05)
    for key in ("target", "settings", "layers"):
        other = heatlens.measure(subject, PHOTOS[0], "complexity", **{k: v for k, v in asked.items() if k != key})
        assert other["complexity"] != pytest.approx(found, rel=1e-3), key


def test_the_truth_about_photos(subject: Subject) -> None:
    everything = heatlens.Truth(1, ((0, 0, 24, 20),))
    assert heatlens.measure(subject, PHOTOS[0], "pointing_game", truths=everything) == {"pointing_game": 1}
    found = heatlens.measure(subject, PHOTOS[:2], "pointing_game", truths=[everything, heatlens.Truth()])
    assert found[0]["pointing_game"] == 1
    assert np.isnan(found[1]["pointing_game"])


def test_progress_over_batches(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heatlens.engine.evidence.scoring.picture_chunk", lambda images: 8)
    told: list[tuple[int, int]] = []
    heatlens.measure(subject, PHOTOS, "deletion:step=4", batch_size=1, progress=lambda *now: told.append(now))
    shares = [done / total for done, total in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len({*shares}) > 3


def test_photos_of_their_own_sizes(subject: Subject) -> None:
    from dataclasses import replace

    free = replace(subject, any_size=True)
    photos = [PHOTOS[0], np.ascontiguousarray(PHOTOS[1][:16, :16])]
    found = heatlens.measure(free, photos, ["complexity", "deletion:step=16"])
    alone = [heatlens.measure(free, photo, ["complexity", "deletion:step=16"]) for photo in photos]
    assert found == alone


def test_mistakes(subject: Subject) -> None:
    with pytest.raises(UnknownName, match="deletion"):
        heatlens.measure(subject, PHOTOS[0], "deletoin")
    with pytest.raises(UnknownName, match="method"):
        heatlens.measure(subject, PHOTOS[0], "deletion", method="grad_can")
    with pytest.raises(BadPhoto):
        heatlens.measure(subject, "nowhere.png")
    with pytest.raises(BadValue, match="1 truths for 3 photos"):
        heatlens.measure(subject, PHOTOS, "complexity", truths=[heatlens.Truth()])
    with pytest.raises(BadValue, match="precision"):
        heatlens.measure(subject, PHOTOS[0], "complexity", precision="fp8")
