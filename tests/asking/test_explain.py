"""heatlens.explain: photos in, explanations out."""

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import heatlens
from heatlens import Explanation, Subject
from heatlens.asking import warnings as notes
from heatlens.images import Preprocessing
from heatlens.targets import Classes, Region
from heatlens.words.errors import (
    BadPhoto,
    BadValue,
    EvidenceMissing,
    FileThere,
    HeatlensError,
    NotFinite,
    ScoreIndifferent,
)
from helpers.networks import Gap

NAMES = ("cat", "dog", "cow", "hen")


def subject(**options: Any) -> Subject:
    torch.manual_seed(0)
    shown = Preprocessing(size=(32, 32), mean=(0.5,) * 3, std=(0.5,) * 3)
    return Subject("gap", Gap(**options).eval(), shown, Classes(NAMES), layers=("relu",))


class Bright(nn.Module):
    """Class 0 is the mean brightness, class 1 its opposite: the hires_cam map is the picture itself."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Conv2d(3, 1, 1, bias=False)
        nn.init.constant_(self.look.weight, 1 / 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.look(x).mean((1, 2, 3))
        return torch.stack([y, -y], 1)


def bright(**shown: Any) -> Subject:
    preprocessing = Preprocessing(**{"size": (32, 32), "mean": (0.0,) * 3, "std": (1.0,) * 3, **shown})
    return Subject("bright", Bright().eval(), preprocessing, Classes(("light", "dark")), layers=("look",))


def photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)


def spot(height: int, width: int, row: int, column: int) -> np.ndarray:
    """Black with a white square of 9 pixels around a place."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[row - 4 : row + 5, column - 4 : column + 5] = 255
    return pixels


def test_one_photo_gives_one_explanation_on_its_own_pixels() -> None:
    found = heatlens.explain(subject(), photo(40, 60), method="grad_cam", target="dog")
    assert isinstance(found, Explanation)
    assert found.map.shape == found.seen.shape == (40, 60)
    assert found.map.dtype == np.float32
    assert found.map.max() <= 1
    assert found.raw.shape == (16, 16)
    assert found.raw.dtype == np.float32
    assert (found.index, found.name, found.method, found.model) == (1, "dog", "grad_cam", "gap")
    assert found.recipe.layers == ("relu",)
    x, y = found.peak
    assert found.map[y, x] == found.map.max()


def test_score_probability_and_predictions_are_the_models() -> None:
    model, picture = subject(), photo(32, 32)
    found = heatlens.explain(model, picture, target="cow")
    with torch.no_grad():
        logits = model.model(torch.from_numpy((picture / 255 - 0.5) / 0.5).float().permute(2, 0, 1)[None])[0]
    p = logits.softmax(0)
    assert found.score == pytest.approx(float(logits[2]), abs=1e-5)
    assert found.probability == pytest.approx(float(p[2]), abs=1e-5)
    order = logits.argsort(descending=True).tolist()
    assert [name for name, _ in found.predictions] == [NAMES[i] for i in order]
    assert heatlens.explain(model, picture).index == order[0]
    assert heatlens.explain(model, picture, target="#3").index == order[2]


def test_raw_is_what_attribute_gives() -> None:
    model, picture = subject(), photo(32, 32)
    image, _ = model.prepare(heatlens.explain(model, picture).photo)
    expected = heatlens.attribute(model, image, method="hires_cam", target=1, upsample=False)[0]
    assert np.allclose(heatlens.explain(model, picture, method="hires_cam", target=1).raw, expected.numpy(), atol=1e-6)


class TestOrder:
    def test_lists_are_flat_by_photo_method_target(self) -> None:
        photos = [photo(40, 60, 1), photo(32, 32, 2)]
        found = heatlens.explain(subject(), photos, method=["hires_cam", "eigen_cam"], target=["cat", "dog"])
        got = [(e.map.shape, e.method, e.name) for e in found]
        assert got == [
            (shape, method, name)
            for shape in ((40, 60), (32, 32))
            for method in ("hires_cam", "eigen_cam")
            for name in ("cat", "dog")
        ]

    @pytest.mark.parametrize("which", ["photos", "method", "target"])
    def test_a_list_of_one_of_anything_is_a_list(self, which: str) -> None:
        asked = {"photos": photo(8, 8), "method": "grad_cam", "target": 1}
        found = heatlens.explain(subject(), **{**asked, which: [asked[which]]})
        assert isinstance(found, list)
        assert len(found) == 1

    def test_no_photos_no_explanations(self) -> None:
        assert heatlens.explain(subject(), []) == []

    @pytest.mark.parametrize("size", [1, 2, 3, 5])
    def test_the_batch_size_does_not_matter(self, size: int) -> None:
        photos = [photo(20 + 7 * i, 30, i) for i in range(5)]
        alone = [heatlens.explain(subject(), p, method="layer_cam") for p in photos]
        together = heatlens.explain(subject(), photos, method="layer_cam", batch_size=size)
        for one, other in zip(alone, together, strict=True):
            assert one.index == other.index
            assert np.allclose(one.raw, other.raw, atol=1e-5)
            assert other.photo.height == one.photo.height

    def test_a_batch_of_none_is_refused(self) -> None:
        with pytest.raises(BadValue, match=r"batch_size=0\. Expected at least 1"):
            heatlens.explain(subject(), [photo(8, 8)], batch_size=0)


class TestPlace:
    @pytest.mark.parametrize("resize", ["crop", "squash", "pad"])
    @pytest.mark.parametrize(
        ("height", "width", "row", "column"), [(64, 64, 20, 44), (48, 96, 12, 60), (90, 60, 55, 10)]
    )
    def test_the_peak_is_where_the_light_is(self, resize: str, height: int, width: int, row: int, column: int) -> None:
        found = heatlens.explain(bright(resize=resize), spot(height, width, row, column), method="hires_cam", target=0)
        x, y = found.peak
        assert abs(x - column) <= 4
        assert abs(y - row) <= 4

    def test_what_the_model_did_not_see_is_said(self) -> None:
        found = heatlens.explain(bright(resize="crop"), spot(32, 64, 16, 32), method="hires_cam", target=0)
        assert found.seen[:, 16:48].all()
        assert not found.seen[:, :16].any()
        assert not found.seen[:, 48:].any()
        assert not found.map[~found.seen].any()
        assert heatlens.explain(bright(resize="squash"), spot(32, 64, 16, 32)).seen.all()

    def test_a_peak_of_a_blank_map_is_still_a_pixel_that_was_seen(self) -> None:
        black = np.zeros((32, 64, 3), np.uint8)
        found = heatlens.explain(bright(resize="crop"), black, method="hires_cam", target=0)
        assert found.peak == (16, 0)

    def test_a_turned_photo_is_explained_upright(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to see it upright
        Image.fromarray(spot(48, 96, 10, 80)).save(tmp_path / "turned.png", exif=exif)
        found = heatlens.explain(bright(resize="squash"), tmp_path / "turned.png", method="hires_cam", target=0)
        assert found.map.shape == (96, 48)
        x, y = found.peak
        assert abs(x - (47 - 10)) <= 4
        assert abs(y - 80) <= 4

    def test_photos_of_every_kind_are_the_same_photo(self, tmp_path: Path) -> None:
        pixels = photo(24, 30)
        Image.fromarray(pixels).save(tmp_path / "photo.png")
        tensor = torch.from_numpy(pixels).permute(2, 0, 1)
        kinds = [pixels, Image.fromarray(pixels), tensor, tmp_path / "photo.png", str(tmp_path / "photo.png")]
        maps = [heatlens.explain(subject(), kind, target=1).map for kind in kinds]
        assert all(np.array_equal(maps[0], other) for other in maps[1:])

    @pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "CMYK", "I;16", "1"])
    def test_modes_of_photos(self, mode: str, tmp_path: Path) -> None:
        if mode == "I;16":
            Image.fromarray(photo(24, 30)[..., 0].astype(np.uint16) * 257).save(tmp_path / "x.tif")
        else:
            Image.fromarray(photo(24, 30)).convert(mode).save(tmp_path / "x.tif")
        assert heatlens.explain(subject(), tmp_path / "x.tif").map.shape == (24, 30)

    def test_a_photo_that_is_none_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "text.png").write_text("not a photo")
        (tmp_path / "empty").mkdir()
        nothing = (tmp_path / "empty", str(tmp_path / "*.jpg"), 3, None, {"a": 1})
        for bad in (tmp_path / "text.png", tmp_path / "gone.png", *nothing):
            with pytest.raises(BadPhoto):
                heatlens.explain(subject(), bad)


class TestSeveral:
    """Photos by folder, pattern, list or generator; one that fails loses none of the others."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for name, size in (("a.png", (24, 30)), ("b.png", (40, 20)), ("c.jpg", (16, 16))):
            Image.fromarray(photo(*size)).save(tmp_path / name)
        return tmp_path

    def named(self, found: list[Any]) -> list[str]:
        return [e.photo.name for e in found]

    def test_folders_patterns_and_whatever_can_be_gone_through(self, folder: Path) -> None:
        (folder / "notes.txt").write_text("no photo")
        for photos, names in (
            (folder, ["a", "b", "c"]),
            (str(folder), ["a", "b", "c"]),
            (str(folder / "*.png"), ["a", "b"]),
            ((path for path in sorted(folder.glob("*.png"))), ["a", "b"]),
            (map(str, sorted(folder.glob("*.jpg"))), ["c"]),
            ({folder / "c.jpg": None}.keys(), ["c"]),
            ([folder / "b.png", str(folder / "*.png"), folder], ["b", "a", "b", "a", "b", "c"]),
            (iter([photo(8, 8), Image.fromarray(photo(9, 9))]), ["photo", "photo"]),
        ):
            found = heatlens.explain(subject(), photos, target=1)
            assert self.named(found) == names

    def test_a_name_with_brackets_is_a_photo_and_not_a_pattern(self, folder: Path) -> None:
        (folder / "c [1].jpg").write_bytes((folder / "c.jpg").read_bytes())
        assert heatlens.explain(subject(), folder / "c [1].jpg").photo.name == "c [1]"

    def test_an_open_file_is_one_photo(self, folder: Path) -> None:
        with (folder / "a.png").open("rb") as file:
            assert heatlens.explain(subject(), file).map.shape == (24, 30)

    @pytest.mark.parametrize("size", [1, 2, 8])
    def test_a_photo_that_fails_has_its_error_in_its_places(self, folder: Path, size: int) -> None:
        (folder / "broken.png").write_bytes((folder / "a.png").read_bytes()[:60])
        photos = [folder / "broken.png", folder / "a.png", "gone.png", 7, photo(16, 16), folder / "*.bmp"]
        found = heatlens.explain(
            subject(), photos, method=["grad_cam", "eigen_cam"], target=["cat", "dog"], batch_size=size
        )
        assert [bool(e) for e in found] == [good for good in (0, 1, 0, 0, 1, 0) for _ in range(4)]
        broken, *_ = failed = [e for e in found if isinstance(e, heatlens.FailedPhoto)]
        assert broken.photo == folder / "broken.png"
        assert isinstance(broken.error, BadPhoto)
        assert [f.photo for f in failed[::4]] == [photos[0], "gone.png", 7, photos[5]]
        assert str(failed[4].error).startswith("There is no file gone.png.")
        twin = pickle.loads(pickle.dumps(copy.deepcopy(broken)))
        assert (twin.photo, str(twin.error)) == (broken.photo, str(broken.error))
        assert not hasattr(broken, "map")
        with pytest.raises(AttributeError, match=r"no 'save' of a photo that failed: FailedPhoto\(.*broken.png: "):
            broken.save("x.png")
        alone = heatlens.explain(subject(), photos[1], method="grad_cam", target="dog")
        assert np.allclose(found[5].raw, alone.raw, atol=1e-6)

    def test_a_list_of_nothing_but_bad_photos(self) -> None:
        found = heatlens.explain(subject(), ["gone.png", "lost.png"], method=["grad_cam", "fem"])
        assert [e.photo for e in found] == ["gone.png"] * 2 + ["lost.png"] * 2

    def test_what_is_not_in_one_photo_is_in_the_others(self) -> None:
        """A target that settles on the photo: a segmentation in which the class is nowhere the strongest."""
        model = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False))
        with torch.no_grad():
            model[0].weight[:] = torch.tensor([1.0, -1.0])[:, None, None, None]
        shown = Preprocessing(size=(16, 16), mean=(0.5,) * 3, std=(0.5,) * 3)
        dense = Subject("dense", model.eval(), shown, Classes(("light", "dark")), layers=("0",), usual=Region())
        black, white = (np.full((16, 16, 3), value, np.uint8) for value in (0, 255))
        for photos in ([black, black, white], [black] * 9 + [white]):
            for size in (1, 16):
                found = heatlens.explain(dense, photos, target="light", batch_size=size, method="hires_cam")
                assert [bool(e) for e in found] == [False] * (len(photos) - 1) + [True]
                assert "nowhere the strongest" in str(found[0].error)
        with pytest.raises(BadValue, match="nowhere the strongest"):
            heatlens.explain(dense, black, target="light")

    @pytest.mark.parametrize("size", [1, 3])
    @pytest.mark.parametrize("count", [1, 3, 20])
    def test_what_is_wrong_with_every_photo_is_raised_and_soon(self, size: int, count: int) -> None:
        model, asked = subject(), []
        handle = model.model.register_forward_hook(lambda *_: asked.append(1))
        with pytest.raises(BadValue, match="the model has no class 9"):
            heatlens.explain(model, [photo(8, 8, seed) for seed in range(count)], target=9, batch_size=size)
        handle.remove()
        assert len(asked) <= 12

    def test_an_error_of_another_library_is_no_reason_to_lose_the_others(self) -> None:
        class Picky(Gap):
            def forward(self, x: Tensor) -> Tensor:
                if bool((x[:, :, 0, 0] > 0.99).any()):
                    raise RuntimeError("too bright")
                return super().forward(x)

        model = Subject("picky", Picky().eval(), subject().preprocessing, layers=("relu",))
        bright_photo, dark = np.full((32, 32, 3), 255, np.uint8), np.zeros((32, 32, 3), np.uint8)
        found = heatlens.explain(model, [bright_photo, dark, bright_photo], method="grad_cam", target=1)
        assert [bool(e) for e in found] == [False, True, False]
        assert "too bright" in str(found[0].error)

    def test_measures_too(self, folder: Path) -> None:
        (folder / "text.png").write_text("no photo")
        found = heatlens.measure(subject(), str(folder / "*.png"), "complexity", method=["grad_cam", "fem"])
        assert [bool(values) for values in found] == [True] * 4 + [False] * 2
        truths = [heatlens.Truth(boxes=((0, 0, n, n),)) for n in (4, 99, 8)]
        good = heatlens.measure(subject(), [folder / "a.png", folder / "c.jpg"], "energy_in_box", truths=truths[::2])
        with_bad = heatlens.measure(subject(), [folder / "a.png", 3, folder / "c.jpg"], "energy_in_box", truths=truths)
        assert with_bad[0] == pytest.approx(good[0])
        assert with_bad[2] == pytest.approx(good[1])
        assert not with_bad[1]


class TestHow:
    def test_a_function_is_a_method(self) -> None:
        def strongest_channel(activations: Tensor) -> Tensor:
            return activations.amax(1)

        found = heatlens.explain(subject(), photo(20, 20), method=strongest_channel)
        assert found.method == "strongest_channel"
        image, _ = subject().prepare(found.photo)
        model = subject().model
        expected = model.relu(model.body(image)).amax(1)[0]
        assert np.allclose(found.raw, expected.detach().numpy(), atol=1e-6)
        named = heatlens.explain(subject(), photo(20, 20), method=lambda gradients: gradients.abs().sum(1))
        assert named.method == "<lambda>"

    def test_settings_reach_the_methods_that_have_them(self) -> None:
        found = heatlens.explain(
            subject(), photo(20, 20), method=["eigen_cam", "grad_cam"], settings={"centred": "true"}
        )
        assert [dict(e.recipe.settings) for e in found] == [{"centred": True}, {}]

    def test_several_layers_are_fused(self) -> None:
        both = heatlens.explain(
            subject(), photo(32, 32), method="hires_cam", target=0, layers=["body.0", "relu"], fuse="maximum"
        )
        assert both.raw.shape == (32, 32)
        assert both.recipe.layers == ("body.0", "relu")
        assert both.label[1] == "hires_cam · body.0, relu · maximum"

    def test_labels_tell_recipes_of_one_method_apart(self) -> None:
        asked = [
            heatlens.Recipe("eigen_cam", layers=("relu",)),
            heatlens.Recipe("eigen_cam", (("centred", True),), ("relu",)),
            heatlens.Recipe("eigen_cam", layers=("relu",), average="flips:factors=0.5+1"),
            heatlens.Recipe("eigen_cam", layers=("body.0",)),
            "fast",
        ]
        assert [e.label[1] for e in heatlens.explain(subject(), photo(32, 32), method=asked)] == [
            "eigen_cam · relu",
            "eigen_cam:centred=True · relu",
            "eigen_cam · relu · flips:factors=0.5+1",
            "eigen_cam · body.0",
            "fast · relu, body.1",
        ]

    def test_averages(self) -> None:
        plain, flipped = (
            heatlens.explain(subject(), photo(32, 32), method="grad_cam", target=1, average=average)
            for average in (None, "flips")
        )
        assert flipped.index == plain.index
        assert not np.allclose(flipped.map, plain.map)

    def test_half_precision_is_close(self) -> None:
        full, half = (
            heatlens.explain(subject(), photo(32, 32), method="hires_cam", target=1, precision=precision)
            for precision in ("fp32", "bf16")
        )
        assert half.raw.dtype == np.float32
        assert not np.array_equal(half.raw, full.raw)
        assert np.abs(half.raw - full.raw).max() < 0.03 * np.abs(full.raw).max()
        with pytest.raises(BadValue, match=r"precision 'fp8'\. Expected one of fp32"):
            heatlens.explain(subject(), photo(8, 8), precision="fp8")

    def test_progress_is_told(self) -> None:
        told: list[tuple[int, int]] = []
        heatlens.explain(subject(), [photo(8, 8)] * 3, batch_size=2, progress=lambda *at: told.append(at))
        assert told[-1] == (3, 3)


class TestWarnings:
    def test_assumed_preprocessing(self) -> None:
        torch.manual_seed(0)
        model = Gap().eval()
        found = heatlens.explain(model, photo(20, 20))
        assert found.warnings == ("assumed preprocessing: 224x224, ImageNet mean and std",)
        known = heatlens.load(model, mean=0.5, std=0.5, size=32)
        assert heatlens.explain(known, photo(20, 20)).warnings == ()

    def test_a_blank_map_says_why(self) -> None:
        found = heatlens.explain(bright(), photo(32, 32), method="grad_cam", target="dark")
        assert not found.map.any()
        assert len(found.warnings) == 1
        assert "grad_cam: the map is blank: no gradient that speaks for the target" in found.warnings[0]
        assert "hires_cam also shows" in found.warnings[0]

    def test_a_dead_layer_is_named(self) -> None:
        found = heatlens.explain(bright(), np.zeros((32, 32, 3), np.uint8), method="hires_cam", target=0)
        assert found.warnings == ("hires_cam: the map is blank because layer 'look' returned only zeros",)

    def test_a_map_that_is_nowhere_positive_says_so(self) -> None:
        """Before a ReLU the mean channel may be negative everywhere: a uniformly blue picture."""
        net = nn.Sequential(
            nn.Conv2d(3, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
        ).eval()
        nn.init.constant_(net[0].weight, -1.0)
        nn.init.constant_(net[0].bias, -0.5)
        found = heatlens.explain(
            heatlens.load(net, mean=0, std=1, size=32), photo(32, 32), method="dummy_cam", layers="0"
        )
        assert found.map.max() < 0
        assert not found.has_peak
        assert found.record()["peak"] is None
        assert found.warnings == (
            "dummy_cam: the map is nowhere above zero, so that nothing in it speaks for anything; a layer "
            "behind a ReLU has a map that is nowhere negative",
        )
        against = heatlens.explain(bright(), photo(32, 32), method="hires_cam", target="dark")
        assert against.warnings == (
            "hires_cam: the map is nowhere above zero, so that nothing in it speaks for the target",
        )

    def test_a_layer_of_one_place_says_so(self) -> None:
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
        loaded = heatlens.load(net.eval(), mean=0.5, std=0.5, size=32)
        found = heatlens.explain(loaded, photo(32, 32), method="hires_cam", layers="2")
        assert found.warnings == (
            "hires_cam: the map is the same everywhere: layer '2' has one place. Use a layer before the pooling",
        )

    def test_a_map_that_tells_no_place_from_another_says_so(self) -> None:
        even = np.full((32, 32, 3), 200, np.uint8)
        found = heatlens.explain(bright(), even, method="dummy_cam")
        assert found.warnings == (
            "dummy_cam: the map is the same everywhere: nothing in it tells one place from another",
        )

    def test_what_is_said_of_one_photo_is_not_said_of_its_neighbours(self) -> None:
        photos = [photo(32, 32), np.zeros((32, 32, 3), np.uint8), photo(32, 32)]
        said = [one.warnings for one in heatlens.explain(bright(), photos, method="hires_cam", target=0)]
        assert said == [(), ("hires_cam: the map is blank because layer 'look' returned only zeros",), ()]

    def test_a_method_that_does_not_hold_still_says_so(self) -> None:
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).eval()
        loaded = heatlens.load(net, mean=0.5, std=0.5, size=32)
        for absolute, said in ((True, 0), (False, 1)):
            found = heatlens.explain(
                loaded, photo(32, 32), method="xgrad_cam", target=1, layers="0", settings={"absolute": absolute}
            )
            assert len([w for w in found.warnings if "next to nothing" in w]) == said, found.warnings

    def test_half_precision_says_how_far_it_moves_such_maps(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(notes, "half_precision", lambda: {"hires_cam": {"bf16": 0.3}, "layer_cam": {"bf16": 0.02}})
        said = {
            (one.method, precision): one.warnings
            for precision in ("fp32", "bf16")
            for one in heatlens.explain(
                subject(), photo(32, 32), method=["hires_cam", "layer_cam"], target=1, precision=precision
            )
        }
        assert said.pop(("hires_cam", "bf16")) == (
            "hires_cam: in bf16 a map was measured to lie up to 0.3 of its peak from that of fp32",
        )
        assert not any(said.values()), said


class TestSaving:
    @pytest.fixture
    def found(self) -> Explanation:
        return heatlens.explain(subject(), photo(24, 30), method="eigen_cam", target="hen")

    @pytest.mark.parametrize("ending", [".png", ".jpg", ".webp", ".PNG"])
    def test_pictures(self, found: Explanation, ending: str, tmp_path: Path) -> None:
        path = found.save(tmp_path / f"new folder/picture{ending}")
        with Image.open(path) as picture:
            assert picture.width >= 448
            assert np.asarray(picture.convert("RGB")).std() > 5

    def test_maps(self, found: Explanation, tmp_path: Path) -> None:
        assert np.array_equal(np.load(found.save(tmp_path / "map.npy")), found.map)

    def test_records(self, found: Explanation, tmp_path: Path) -> None:
        record = json.loads(found.save(str(tmp_path / "record.json")).read_text("utf-8"))
        assert record == {
            "photo": "photo",
            "model": "gap",
            "method": "eigen_cam",
            "recipe": "eigen_cam layers=relu",
            "settings": {},
            "layers": ["relu"],
            "target": {"index": 3, "name": "hen"},
            "score": found.score,
            "probability": found.probability,
            "peak": list(found.peak),
            "files": [],
            "warnings": [],
        }

    def test_nothing_half_written_stays(self, found: Explanation, tmp_path: Path, monkeypatch: Any) -> None:
        def full(*args: Any, **options: Any) -> None:
            raise OSError("No space left on device")

        (tmp_path / "map.npy").write_bytes(b"old")
        monkeypatch.setattr("os.replace", full)
        monkeypatch.setattr("pathlib.Path.replace", full)
        with pytest.raises(HeatlensError, match="No space left"):
            found.save(tmp_path / "map.npy", overwrite=True)
        assert (tmp_path / "map.npy").read_bytes() == b"old"
        assert [p.name for p in tmp_path.iterdir()] == ["map.npy"]

    @pytest.mark.parametrize("kind", ["png", "jpg", "webp", "tif", "npy", "json"])
    def test_another_file_stays_unless_asked(self, found: Explanation, kind: str, tmp_path: Path) -> None:
        path = found.save(tmp_path / f"it.{kind}")
        before = path.read_bytes()
        assert found.save(path) == path  # the same again
        other = heatlens.explain(subject(), photo(24, 30), method="hires_cam", target="cat")
        with pytest.raises(FileThere, match=r"is there already, and holds something else\. .* overwrite=True"):
            other.save(path)
        assert path.read_bytes() == before
        other.save(path, overwrite=True)
        assert path.read_bytes() != before
        assert [p.name for p in tmp_path.iterdir()] == [path.name]

    def test_the_photo_is_not_lost(self, tmp_path: Path) -> None:
        Image.fromarray(photo(24, 30)).save(tmp_path / "cat.png")
        with pytest.raises(FileThere):
            heatlens.explain(subject(), tmp_path / "cat.png").save(tmp_path / "cat.png")

    def test_a_record_names_its_photo_from_its_own_folder(self, tmp_path: Path, monkeypatch: Any) -> None:
        monkeypatch.chdir(tmp_path)
        Path("photos").mkdir()
        Image.fromarray(photo(24, 30)).save("photos/cat.png")
        found = heatlens.explain(subject(), "photos/cat.png")
        assert found.record()["photo"] == "photos/cat.png"
        said = json.loads(found.save("deep/er/cat.json").read_text("utf-8"))
        assert said["photo"] == "../../photos/cat.png"

    @pytest.mark.parametrize("name", ["map", "map.txt", "map.gif2"])
    def test_unknown_endings(self, found: Explanation, name: str, tmp_path: Path) -> None:
        with pytest.raises(BadValue, match=r"an ending of \.png"):
            found.save(tmp_path / name)

    def test_notebooks_see_a_picture(self, found: Explanation) -> None:
        assert found._repr_png_().startswith(b"\x89PNG")
        assert repr(found).startswith("Explanation(photo: 'hen', probability 0.")

    def test_overlay_is_as_large_as_the_photo(self, found: Explanation) -> None:
        assert found.overlay().size == (30, 24)
        assert found.overlay(peak=True, cmap="jet", alpha=0.3).size == (30, 24)


class TestRefusals:
    def test_weights_that_are_not_numbers(self) -> None:
        model = subject()
        with torch.no_grad():
            model.model.head.weight[0, 0] = float("nan")
        with pytest.raises(NotFinite, match=r"the weights 'head.weight' of Gap contain NaN or infinity"):
            heatlens.explain(model, photo(8, 8))

    def test_the_last_block_of_a_transformer(self) -> None:
        model = heatlens.load(
            "timm/vit_tiny_patch16_224", weights="none", img_size=32, depth=2, embed_dim=24, num_heads=2, num_classes=3
        )
        torch.nn.init.normal_(model.model.head.weight)
        with pytest.raises(ScoreIndifferent) as refused:
            heatlens.explain(model, photo(32, 32), layers="blocks.1", target=1)
        assert str(refused.value) == (
            "the score of class 1 does not depend on the patches of layer 'blocks.1': "
            "there only the class token reaches the output. Use 'blocks.1.norm1'."
        )

    def test_cam_without_a_linear_head(self) -> None:
        with pytest.raises(EvidenceMissing, match="cam needs a head that is one linear layer"):
            heatlens.explain(subject(), photo(8, 8), method="cam", layers="body.0")


def test_a_map_shown_from_its_lowest_value_on_is_not_signed(photo_of_noise: "np.ndarray[Any, Any]") -> None:
    for target in ("cat", "negative:cat"):
        e = heatlens.explain(subject(), photo_of_noise, method="recipro_cam", target=target)
        assert not e.signed
        assert e.map[e.seen].min() >= 0


@pytest.fixture
def photo_of_noise() -> "np.ndarray[Any, Any]":
    return np.random.default_rng(0).integers(0, 256, (32, 40, 3), dtype=np.uint8)


class Trunk(nn.Module):
    """Features and no head, as a backbone gives them: (n, 5)."""

    num_classes = 0

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).mean((2, 3))


class Detector(nn.Module):
    """Finds nothing in any photo."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.ReLU())

    def forward(self, x: Tensor) -> list[dict[str, Tensor]]:
        said = self.body(x)
        nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.long)}
        return [{**nothing, "scores": one.mean() * torch.zeros(0)} for one in said]


class TestNoClass:
    """A method that knows no class asks for none: neither a target nor names, whatever the model says."""

    def asked(self, kind: str) -> Subject:
        shown = Preprocessing(size=(32, 32), mean=(0.5,) * 3, std=(0.5,) * 3)
        if kind == "timm":
            return heatlens.load("timm/resnet10t", weights="none", num_classes=0, size=64)
        return Subject(kind, {"trunk": Trunk, "detector": Detector}[kind]().eval(), shown, layers=("body",))

    @pytest.mark.parametrize("method", ["eigen_cam", "fem", "kpca_cam", "deep_feature_factorisation", "random_cam"])
    @pytest.mark.parametrize("kind", ["detector", "timm"])
    def test_the_answer_says_so(self, kind: str, method: str, tmp_path: Path) -> None:
        found = heatlens.explain(self.asked(kind), photo(40, 60), method=method)
        assert (found.name, found.index, found.score, found.probability) == ("no class", None, None, None)
        assert found.predictions == ()
        assert found.map.shape == (40, 60)
        assert found.label[0] == "no class"
        record = json.loads(found.save(tmp_path / "it.json").read_text("utf-8"))
        assert (record["target"], record["score"]) == ({"index": None, "name": "no class"}, None)
        assert [f.score for f in found.findings()] == [None] * len(found.boxes())

    def test_beside_one_that_needs_a_target_it_is_asked_for(self) -> None:
        for methods in ("grad_cam", ["eigen_cam", "grad_cam"]):
            with pytest.raises(HeatlensError, match=r"no detection|detections, so"):
                heatlens.explain(self.asked("detector"), photo(32, 32), method=methods)

    def test_the_map_is_the_one_beside_any_target(self) -> None:
        trunk, picture = self.asked("trunk"), photo(32, 32)
        free = heatlens.explain(trunk, picture, method="eigen_cam")
        aimed = heatlens.explain(trunk, picture, method="eigen_cam", target=lambda out: out[:, 2])
        assert np.array_equal(free.raw, aimed.raw)
        assert aimed.name == "<lambda>"
        assert aimed.score is not None

    def test_with_classes_it_says_what_is_predicted(self) -> None:
        model, picture = subject(), photo(32, 32)
        found = heatlens.explain(model, picture, method="eigen_cam")
        assert found.name == found.predictions[0][0]
        assert found.score is not None

    def test_tensors_layers_and_averages(self) -> None:
        x = torch.rand(2, 3, 32, 32)
        for kind in ("detector", "trunk"):
            found = heatlens.attribute(self.asked(kind), x, method=["eigen_cam", "fem"], average="noise:samples=2")
            assert [maps.shape for maps in found.values()] == [(2, 32, 32)] * 2
        each = heatlens.attribute(self.asked("trunk"), x, method="fem", layers=["body.0", "body"], fuse=None)
        assert list(each) == ["body.0", "body"]


def test_large_photos_are_not_held_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as make `HELD` bytes are looked at together; the answers are those of one batch."""
    from heatlens.asking import batches

    photos = [np.full((40, 50, 3), 20 * k, np.uint8) for k in range(5)]
    expected = heatlens.explain("bundled", photos)
    sizes: list[int] = []
    answers = batches._answers
    monkeypatch.setattr(batches, "HELD", 2 * 40 * 50 * 3 - 1)
    monkeypatch.setattr(
        batches, "_answers", lambda held, answer, failed: sizes.append(len(held)) or answers(held, answer, failed)
    )
    found = heatlens.explain("bundled", photos)
    assert sizes == [2, 2, 1]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.raw, other.raw, atol=1e-4)
