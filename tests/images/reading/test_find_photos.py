"""Files, folders and patterns name photos."""

import os
from pathlib import Path

import pytest
from PIL import Image

from heatlens.images import find_photos, made_here, read_photo, save_image
from heatlens.words.errors import BadPhoto


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deep").mkdir()
    for name in ("b.JPG", "a.png", "notes.txt", ".hidden.png", "c [1].webp", "deep/d.jpeg"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    return tmp_path


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_a_folder_gives_its_own_photos_sorted(folder: Path) -> None:
    assert names(find_photos([folder])) == ["a.png", "b.JPG", "c [1].webp"]


def test_globs(folder: Path) -> None:
    assert names(find_photos([str(folder / "*.png")])) == ["a.png"]
    assert names(find_photos(str(folder / "**" / "*"))) == ["a.png", "b.JPG", "c [1].webp", "d.jpeg"]


def test_a_file_is_taken_at_its_word_whatever_its_ending_or_brackets(folder: Path) -> None:
    assert names(find_photos([folder / "notes.txt", folder / "c [1].webp"])) == ["notes.txt", "c [1].webp"]


def test_each_photo_once_in_the_order_named(folder: Path) -> None:
    assert names(find_photos([folder / "b.JPG", folder, folder / "a.png"])) == ["b.JPG", "a.png", "c [1].webp"]


def test_a_missing_one_among_others_stays_and_reading_reports_it(folder: Path) -> None:
    found = find_photos([folder / "a.png", folder / "lost.png", "https://example.org/cat.jpg"])
    assert names(found) == ["a.png", "lost.png", "cat.jpg"]
    with pytest.raises(BadPhoto, match="no file"):
        read_photo(found[1])
    with pytest.raises(BadPhoto, match="Download it first"):
        read_photo(found[2])


def test_nothing_found(folder: Path) -> None:
    for patterns, words in (
        ([], "No photo was named"),
        ([folder / "lost.png"], "No photo is found at .*lost.png"),
        ([folder / "*.bmp", "x.png"], "nor 1 more"),
        ([folder / "folder.png"], "holds no photo"),
        (["https://example.org/cat.jpg"], "Download it first"),
    ):
        with pytest.raises(BadPhoto, match=words):
            find_photos(patterns)


def test_pictures_that_heatlens_made_are_no_photos_unless_they_are_named(folder: Path) -> None:
    ours = [save_image(folder / f"ours.{kind}", Image.new("RGB", (900, 700))) for kind in ("png", "jpg", "webp", "tif")]
    assert names(find_photos(folder)) == ["a.png", "b.JPG", "c [1].webp"]
    assert names(find_photos(str(folder / "*.*"))) == ["a.png", "b.JPG", "c [1].webp"]
    assert find_photos([folder, *ours])[3:] == ours
    with pytest.raises(BadPhoto, match="none that heatlens made"):
        find_photos(str(folder / "ours*"))


def test_a_picture_of_another_program_that_was_edited_is_a_photo(folder: Path) -> None:
    for kind in ("png", "jpg", "webp", "tif"):
        Image.new("RGB", (40, 30)).save(folder / f"theirs.{kind}")
        assert not made_here(folder / f"theirs.{kind}")
    assert not made_here(folder / "gone.png")
    assert not made_here(folder)


def test_a_folder_that_may_not_be_read_is_reported_beside_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    monkeypatch.setattr(os, "access", lambda *_: False)
    found = find_photos([folder / "a.png", folder / "deep"])
    assert names(found) == ["a.png", "deep"]
    with pytest.raises(BadPhoto, match="deep may not be read"):
        read_photo(found[1])
