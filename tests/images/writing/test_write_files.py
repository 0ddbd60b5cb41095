"""Files are whole or not there."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from heatlens.images import safe_name, save_array, save_image, save_json, unique_names, write_bytes
from heatlens.words.errors import BadValue, FileThere
from heatlens.words.wording import readable


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_folders_are_made_and_the_path_is_returned(tmp_path: Path) -> None:
    path = write_bytes(tmp_path / "a" / "b" / "c.bin", b"whole")
    assert path == tmp_path / "a" / "b" / "c.bin"
    assert path.read_bytes() == b"whole"
    assert files(tmp_path) == ["a", "b", "c.bin"]


def test_an_older_file_is_replaced(tmp_path: Path) -> None:
    write_bytes(tmp_path / "x", b"older and longer")
    write_bytes(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"new"


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_others_may_read_what_the_umask_allows(tmp_path: Path) -> None:
    (tmp_path / "ordinary").touch()
    written = write_bytes(tmp_path / "ours", b"")
    assert written.stat().st_mode == (tmp_path / "ordinary").stat().st_mode


@pytest.mark.parametrize("ending", ["png", "jpg", "JPEG", "webp", "tif"])
def test_pictures(tmp_path: Path, ending: str) -> None:
    path = save_image(tmp_path / f"p.{ending}", Image.new("RGBA", (30, 20), (200, 10, 10, 255)))
    with Image.open(path) as image:
        assert image.size == (30, 20)
        assert np.abs(np.array(image.convert("RGB")).astype(int) - [200, 10, 10]).max() < 6


def test_arrays(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(np.load(save_array(tmp_path / "a.npy", array)), array)
    np.testing.assert_array_equal(
        np.load(save_array(tmp_path / "t.npy", torch.from_numpy(array).requires_grad_())), array
    )
    half = torch.tensor([0.5, 2.0], dtype=torch.bfloat16)
    assert np.load(save_array(tmp_path / "h.npy", half)).tolist() == [0.5, 2.0]
    assert files(tmp_path) == ["a.npy", "h.npy", "t.npy"]


def test_json_is_readable_and_takes_numbers_of_every_library(tmp_path: Path) -> None:
    path = save_json(tmp_path / "e.json", [{
        "photo": Path("Bär.png"), "score": np.float32(0.5), "index": np.int64(3), "peak": torch.tensor([1, 2]),
        "map": np.eye(2),
    }])  # fmt: skip
    text = path.read_text(encoding="utf-8")
    assert json.loads(text) == [
        {"photo": "Bär.png", "score": 0.5, "index": 3, "peak": [1, 2], "map": [[1.0, 0.0], [0.0, 1.0]]}
    ]
    assert "Bär" in text
    assert text.endswith("]\n")


@pytest.mark.parametrize("value", [float("nan"), {"a": float("inf")}, object(), {1: {2}}])
def test_what_json_cannot_hold_leaves_no_file(tmp_path: Path, value: object) -> None:
    with pytest.raises(BadValue, match=r"cannot be written.*finite"):
        save_json(tmp_path / "e.json", value)
    assert files(tmp_path) == []


def test_endings_that_are_no_picture(tmp_path: Path) -> None:
    for name in ("p.xyz", "p"):
        with pytest.raises(BadValue, match=r"ending of \.png"):
            save_image(tmp_path / name, Image.new("RGB", (2, 2)))
    with pytest.raises(BadValue, match=r"Try \.png"):
        save_image(tmp_path / "long.jpg", Image.new("RGB", (70_000, 1)))
    assert files(tmp_path) == []


def test_a_folder_a_file_in_the_way_and_impossible_names(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    for name, words in {
        "": "is a folder.*Add a file name",
        "file/inside.png": "cannot be written.*stands where a folder is needed",
        "file/deep/inside.png": "cannot be written.*stands where a folder is needed",
        "x" * 300: "cannot be written.*Check the name",
        "null\0": "cannot be written",
    }.items():
        with pytest.raises(BadValue, match=words):
            write_bytes(tmp_path / name, b"data")
    assert files(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"kept"


def test_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(BadValue, match=r"Permission denied.*change its permissions"):
        write_bytes(tmp_path / "x", b"data")
    assert files(tmp_path) == []


FULL = """
import resource, sys
from pathlib import Path
import numpy as np
from heatlens.words.errors import BadValue
from heatlens.images.writing.write import save_array, write_bytes
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
for write in (lambda: write_bytes(sys.argv[1], bytes(5000)), lambda: save_array(sys.argv[1], np.zeros(5000))):
    try:
        write()
    except BadValue as error:
        assert "space on the disk" in str(error), error
    else:
        sys.exit("it was written")
"""


@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")
def test_a_disk_that_is_full_leaves_the_older_file_and_no_half(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(b"older")
    done = subprocess.run([sys.executable, "-c", FULL, tmp_path / "x.npy"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert files(tmp_path) == ["x.npy"]
    assert (tmp_path / "x.npy").read_bytes() == b"older"


def test_an_interruption_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(tmp_path / "x", b"data")
    assert files(tmp_path) == []


@pytest.mark.parametrize(("text", "name"), [
    ("tiger cat", "tiger_cat"),
    ("Grad-CAM++", "Grad-CAM++"),
    ("a/b\\c:d*e?f", "a_b_c_d_e_f"),
    ("Bär · кошка 猫", "Bär_кошка_猫"),
    ("../../etc/passwd", "etc_passwd"),
    (".hidden", "hidden"),
    ("layer4.2", "layer4.2"),
    ("", "unnamed"),
    ("///", "unnamed"),
    ("CON", "CON_"),
    ("nul.txt", "nul.txt_"),
    ("ends with dot.", "ends_with_dot"),
    ("a\0b\nc", "a_b_c"),
    ("e\u0301", "é"),
])  # fmt: skip
def test_safe_names(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_long_names_are_cut_between_letters() -> None:
    assert safe_name("x" * 500) == "x" * 100
    assert safe_name("猫" * 500) == "猫" * 33  # three bytes each
    assert len(safe_name("ж" * 500, limit=11).encode()) == 10


def test_names_that_would_fall_together_are_numbered(tmp_path: Path) -> None:
    assert unique_names(["cat", "dog", "Cat", "cat", "cat-2"]) == ["cat", "dog", "Cat-2", "cat-3", "cat-2-2"]
    names = unique_names(["x" * 300] * 12)
    assert len(set(names)) == 12
    assert max(map(len, names)) <= 100
    for name in unique_names(["a/b", "a:b", "", "", "猫"]):
        write_bytes(tmp_path / name, b"")
    assert len(files(tmp_path)) == 5


class TestWithoutOverwriting:
    """A file that is there is never replaced by another one."""

    def test_another_file_stays_and_the_same_one_is_no_error(self, tmp_path: Path) -> None:
        path = write_bytes(tmp_path / "x", b"mine", overwrite=False)
        assert write_bytes(path, b"mine", overwrite=False) == path
        with pytest.raises(FileThere, match=r"x is there already, and holds something else\. .*--overwrite"):
            write_bytes(path, b"yours", overwrite=False)
        assert path.read_bytes() == b"mine"
        assert files(tmp_path) == ["x"]

    def test_pictures_maps_and_json_too(self, tmp_path: Path) -> None:
        black, white = (Image.new("RGB", (3, 2), colour) for colour in ("black", "white"))
        save_image(tmp_path / "p.png", black, overwrite=False)
        save_image(tmp_path / "p.png", black, overwrite=False)
        save_array(tmp_path / "a.npy", np.zeros(3), overwrite=False)
        save_json(tmp_path / "j.json", [1], overwrite=False)
        for again in (
            lambda: save_image(tmp_path / "p.png", white, overwrite=False),
            lambda: save_array(tmp_path / "a.npy", np.ones(3), overwrite=False),
            lambda: save_json(tmp_path / "j.json", [2], overwrite=False),
        ):
            with pytest.raises(FileThere):
                again()
        assert np.load(tmp_path / "a.npy").tolist() == [0, 0, 0]

    def test_the_same_to_rounding_is_the_same(self, tmp_path: Path) -> None:
        """As of another batch, processor or number of threads."""
        noise = np.random.default_rng(0).integers(0, 200, (20, 30, 3), np.uint8)
        maps = np.linspace(-1, 1, 60, dtype=np.float32).reshape(6, 10)
        record = {"score": 12.345678, "probability": 0.974, "peak": [253, 206], "name": "cat"}
        for name, save, first, rounded, other in (
            ("p.png", save_image, noise, noise + 3, noise + 20),
            ("a.npy", save_array, maps, maps + 1e-5, maps + 0.01),
            ("b.npy", save_array, maps, maps, maps[:5]),
            ("j.json", save_json, record, {**record, "score": 12.345679}, {**record, "probability": 0.984}),
            ("k.json", save_json, record, {**record, "score": 12.34}, {**record, "name": "dog"}),
            ("m.json", save_json, record, record, {**record, "peak": [254, 206]}),
            ("l.json", save_json, [1.5], [1.5], [1.5, 2]),
        ):
            as_given = Image.fromarray if save is save_image else lambda given: given
            path = save(tmp_path / name, as_given(first), overwrite=False)
            before = path.read_bytes()
            save(path, as_given(rounded), overwrite=False)
            assert path.read_bytes() == before
            with pytest.raises(FileThere):
                save(path, as_given(other), overwrite=False)
        for name in ("p.png", "a.npy"):
            (tmp_path / name).write_bytes(b"mine")
        with pytest.raises(FileThere):
            save_image(tmp_path / "p.png", Image.fromarray(noise), overwrite=False)
        with pytest.raises(FileThere):
            save_array(tmp_path / "a.npy", maps, overwrite=False)

    def test_where_the_file_system_has_no_links(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def none(*_: object) -> None:
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr(os, "link", none)
        assert write_bytes(tmp_path / "x", b"mine", overwrite=False).read_bytes() == b"mine"
        with pytest.raises(FileThere):
            write_bytes(tmp_path / "x", b"yours", overwrite=False)
        monkeypatch.setattr(os, "replace", none)
        with pytest.raises(BadValue, match="not supported"):
            write_bytes(tmp_path / "y", b"mine", overwrite=False)
        assert files(tmp_path) == ["x"]

    def test_of_many_writers_at_once_one_wins_and_the_others_hear_of_it(self, tmp_path: Path) -> None:
        def write(number: int) -> bool:
            try:
                write_bytes(tmp_path / "x", bytes([number]) * 50_000, overwrite=False)
            except FileThere:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(write, range(32)))
        assert won.count(True) == 1
        assert (tmp_path / "x").read_bytes() == bytes([won.index(True)]) * 50_000
        assert files(tmp_path) == ["x"]


def test_names_that_are_no_utf_8_come_back_from_json(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    path = save_json(tmp_path / "e.json", {"photo": name})
    assert json.loads(path.read_text("utf-8")) == {"photo": name}
    assert readable(name) == "caf\\udce9.jpg"
    assert readable("Bär") == "Bär"
