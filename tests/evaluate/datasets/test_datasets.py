"""Every form of data set, written here in miniature, with a truth that is known by hand."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from evaluate.conftest import write_noise
from heatlens.evaluate import Dataset, Item, Selection, open_dataset, read_subset
from heatlens.evaluate.datasets.dataset import class_index, dataset
from heatlens.evaluate.datasets.opening import recognised
from heatlens.targets import Classes
from heatlens.words.errors import BadPhoto, BadValue, HeatlensError, UnknownName

PETS = Classes(("cat", "dog", "cow"), (("kitty",), (), ()), (("n02121808",), ("n02084071",), ("n01887787",)))


def lines(path: Path, *rows: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n", "utf-8")
    return path


def mask(path: Path, rows: list[list[int]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(rows, np.uint8)).save(path)
    return path


def one(data: Dataset, name: str) -> Item:
    (found,) = [item for item in data.items if item.name == name]
    return found.read()


# forms


def folder(path: Path) -> Path:
    write_noise(path / "dog" / "a.jpg", 0)
    write_noise(path / "cat" / "deep" / "b.png", 1)
    write_noise(path / "loose.png", 2)
    write_noise(path / "cat" / ".hidden.png", 3)
    lines(path / "cat" / "notes.txt", "no photo")
    return path


def test_image_folder(tmp_path: Path) -> None:
    data = open_dataset(folder(tmp_path))
    assert [item.name for item in data.items] == ["cat/deep/b.png", "dog/a.jpg", "loose.png"]
    assert one(data, "dog/a.jpg").truth(PETS).label == 1
    assert one(data, "dog/a.jpg").truth(Classes()).label == 1  # its place in sorted order
    assert one(data, "cat/deep/b.png").truth(PETS).label == 0
    assert one(data, "loose.png").truth(PETS).label is None
    assert one(data, "dog/a.jpg").photo.is_file()


def spreadsheet(path: Path) -> Path:
    return lines(
        path / "labels.csv",
        "file,wnid,class_index,x0,y0,x1,y1,mask,note",
        'a.png,n02084071,207,1.5,2,11,12,,"with, comma"',
        "a.png,n02084071,207,3,4,5,6,,",
        "b/c.png,n02121808,281,,,,,b/c-mask.png,",
        "d.png,n02121808,281,0,0,4,4,,",
        "d.png,n02084071,207,5,5,9,9,,",
    )


def test_csv(tmp_path: Path) -> None:
    data = open_dataset(spreadsheet(tmp_path))
    assert [item.name for item in data.items] == ["a.png", "b/c.png", "d.png#n02084071", "d.png#n02121808"]
    assert one(data, "a.png").truth(PETS).boxes == ((1.5, 2, 11, 12), (3, 4, 5, 6))
    assert one(data, "a.png").truth(PETS).label == 1
    assert one(data, "a.png").truth(Classes()).label == 207
    mask(tmp_path / "b/c-mask.png", [[0, 255]])
    boxless = one(data, "b/c.png").truth(PETS)
    assert (boxless.label, boxless.boxes, np.asarray(boxless.mask).tolist()) == (0, (), [[0, 1]])
    both = one(data, "d.png#n02084071")
    assert (both.photo, both.boxes) == (tmp_path / "d.png", ((5, 5, 9, 9),))
    elsewhere = open_dataset(f"csv:{tmp_path / 'labels.csv'}", root=tmp_path / "there")
    assert elsewhere.items[0].photo == tmp_path / "there" / "a.png"


def test_masks_of_a_csv_are_read_as_those_of_a_folder_and_go_together(tmp_path: Path) -> None:
    mask(tmp_path / "one.png", [[0, 255, 0, 0]])
    mask(tmp_path / "two.png", [[0, 255, 9, 0]])  # 255 is not judged here
    mask(tmp_path / "other.png", [[1, 0, 0]])
    rows = ("a.png,dog,one.png", "a.png,dog,two.png", "a.png,dog,", "b.png,dog,two.png", "c.png,dog,one.png")
    data = open_dataset(lines(tmp_path / "labels.csv", "file,class,mask", *rows, "c.png,dog,other.png"))
    assert np.asarray(one(data, "a.png").mask).tolist() == [[0, 1, 1, 0]]
    assert np.asarray(one(data, "b.png").mask).tolist() == [[0, 255, 1, 0]]
    with pytest.raises(BadValue, match=r"masks of c\.png differ in size"):
        one(data, "c.png")


@pytest.mark.parametrize("row", ["a.png,dog,1,2,3", "a.png,dog,1,2,x,4", ",dog,1,2,3,4"])
def test_a_line_that_is_wrong_is_named(tmp_path: Path, row: str) -> None:
    path = lines(tmp_path / "boxes.csv", "file,class,x0,y0,x1,y1", "b.png,dog,1,2,3,4", row)
    with pytest.raises(BadValue, match="line 3 of"):
        open_dataset(path)


def test_a_box_that_is_none_is_an_error_of_its_photo(tmp_path: Path) -> None:
    path = lines(tmp_path / "boxes.csv", "photo,label,x0,y0,x1,y1", "a.png,2,5,5,5,9", "b.png,2,5,5,6,9")
    data = open_dataset(path)
    assert one(data, "b.png").truth(PETS).label == 2
    with pytest.raises(BadValue, match="box"):
        one(data, "a.png").truth(PETS)


def voc(name: str, *objects: tuple[str, int, int, int, int]) -> str:
    found = "".join(
        f"<object><name>{n}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>"
        for n, a, b, c, d in objects
    )
    return (
        f"<annotation><filename>{name}</filename><size><width>30</width><height>24</height></size>{found}</annotation>"
    )


def ilsvrc(path: Path) -> Path:
    for number, objects in {
        1: [("n02084071", 0, 0, 9, 4), ("n02084071", 10, 2, 12, 3)],
        2: [("n02121808", 3, 4, 5, 6)],
        3: [],
    }.items():
        stem = f"ILSVRC2012_val_{number:08d}"
        write_noise(path / "val" / f"{stem}.JPEG", number)
        lines(path / "bbox" / f"{stem}.xml", voc(stem, *objects))
    write_noise(path / "val" / "ILSVRC2012_val_00000004.JPEG", 4)
    lines(path / "blacklist.txt", "2", "36")
    return path


def test_ilsvrc(tmp_path: Path) -> None:
    data = open_dataset(ilsvrc(tmp_path), photos="val", blacklist="blacklist.txt")
    assert len(data) == 4
    first = one(data, "ILSVRC2012_val_00000001.JPEG").truth(PETS)
    assert (first.label, first.boxes) == (1, ((0, 0, 10, 5), (10, 2, 13, 4)))  # the last pixel is inside
    second = one(data, "ILSVRC2012_val_00000002.JPEG").truth(PETS)
    assert (second.label, second.boxes) == (0, ())
    for name in ("ILSVRC2012_val_00000003.JPEG", "ILSVRC2012_val_00000004.JPEG"):
        with pytest.raises(BadValue, match=r"no object|no annotation"):
            one(data, name)


def cub(path: Path) -> Path:
    for photo in ("001.Cat_bird/a.jpg", "002.Dog/b.jpg", "002.Dog/c.jpg"):
        write_noise(path / "images" / photo, 0, (2, 3))
    lines(path / "images.txt", "1 001.Cat_bird/a.jpg", "2 002.Dog/b.jpg", "3 002.Dog/c.jpg")
    lines(path / "bounding_boxes.txt", "1 0.0 0.0 2.0 2.0", "2 1.0 0.0 2.0 1.5", "3 0.0 0.0 1.0 1.0")
    lines(path / "image_class_labels.txt", "1 1", "2 2", "3 2")
    lines(path / "train_test_split.txt", "1 1", "2 0", "3 0")
    lines(path / "classes.txt", "1 001.Cat_bird", "2 002.Dog")
    mask(path / "segmentations/002.Dog/b.png", [[0, 127, 128], [51, 255, 204]])
    return path


def test_cub(tmp_path: Path) -> None:
    data = open_dataset(cub(tmp_path))
    assert [item.name for item in data.items] == ["002.Dog/b.jpg", "002.Dog/c.jpg"]
    found = one(data, "002.Dog/b.jpg").truth(PETS)
    assert (found.label, found.boxes) == (1, ((1.0, 0.0, 3.0, 1.5),))
    assert found.mask is not None
    assert np.array_equal(found.mask, [[0, 0, 1], [0, 1, 1]])
    assert one(data, "002.Dog/c.jpg").truth(Classes()).label == 1  # counted from 0
    assert [i.name for i in open_dataset(tmp_path, split="train").items] == ["001.Cat_bird/a.jpg"]
    assert len(open_dataset(tmp_path, split="all")) == 3


def coco(path: Path) -> Path:
    square = [1.0, 1.0, 4.0, 1.0, 4.0, 3.0, 1.0, 3.0]
    told = {
        "images": [
            {"id": 7, "file_name": "a.jpg", "height": 4, "width": 6},
            {"id": 8, "file_name": "b.jpg", "height": 4, "width": 6},
        ],
        "categories": [{"id": 18, "name": "dog"}, {"id": 3, "name": "cat"}],
        "annotations": [
            {"image_id": 7, "category_id": 18, "bbox": [1.0, 1.0, 3.0, 2.0], "segmentation": [square], "iscrowd": 0},
            {"image_id": 7, "category_id": 18, "bbox": [0, 0, 6, 4], "iscrowd": 1,
             "segmentation": {"size": [4, 6], "counts": [16, 8]}},
            {"image_id": 7, "category_id": 3, "bbox": [0.5, 0.0, 1.0, 2.0], "segmentation": [square], "iscrowd": 0},
            {"image_id": 8, "category_id": 3, "bbox": [2, 2, 2, 2], "segmentation": [square], "iscrowd": 0},
        ],
    }  # fmt: skip
    return lines(path / "instances.json", json.dumps(told))


def test_coco(tmp_path: Path) -> None:
    data = open_dataset(coco(tmp_path), root=tmp_path / "photos")
    assert [item.name for item in data.items] == ["a.jpg#cat", "a.jpg#dog", "b.jpg"]
    dog = one(data, "a.jpg#dog")
    assert (dog.truth(PETS).label, dog.boxes, dog.mask) == (1, ((1.0, 1.0, 4.0, 3.0),), None)
    assert dog.photo == tmp_path / "photos" / "a.jpg"
    assert one(data, "a.jpg#cat").truth(Classes()).label == 0  # place among the sorted ids
    drawn = one(open_dataset(coco(tmp_path), masks="true"), "a.jpg#dog").mask
    assert drawn is not None
    # columns first: 16 of nothing are four columns, then two columns of crowd; the polygon's inside is 1 to 4, 1 to 3
    assert np.array_equal(
        drawn, [[0, 0, 0, 0, 255, 255], [0, 1, 1, 1, 255, 255], [0, 1, 1, 1, 255, 255], [0, 0, 0, 0, 255, 255]]
    )


def test_an_object_that_is_not_drawn_is_an_error_of_its_photo(tmp_path: Path) -> None:
    told = json.loads(coco(tmp_path).read_text())
    for drawing in ([], [[1, 2]], None, {"size": [3, 3], "counts": "zz"}, {"size": [10**6, 10**6], "counts": "0"}):
        told["annotations"][-1]["segmentation"] = drawing
        data = open_dataset(lines(tmp_path / "instances.json", json.dumps(told)), masks="true")
        assert one(data, "a.jpg#dog").mask is not None
        with pytest.raises(BadValue, match=r"an object on b\.jpg is not drawn"):
            one(data, "b.jpg")


def test_an_enormous_drawing_is_an_error_of_its_photo(tmp_path: Path) -> None:
    told = json.loads(coco(tmp_path).read_text())
    told["images"][1].update(height=10**7, width=10**7)
    data = open_dataset(lines(tmp_path / "instances.json", json.dumps(told)), masks="true")
    assert one(data, "a.jpg#dog").mask is not None
    with pytest.raises(BadValue, match=r"b\.jpg is said to have 100,000,000,000,000 pixels.*HEATLENS_MAX_PHOTO_PIXELS"):
        one(data, "b.jpg")


def wsol(path: Path) -> Path:
    lines(path / "image_ids.txt", "val/a.jpg", "val/b.jpg")
    lines(path / "class_labels.txt", "val/a.jpg,2", "val/b.jpg,0")
    lines(path / "image_sizes.txt", "val/a.jpg,30,24", "val/b.jpg,4,2")
    lines(
        path / "localization.txt",
        "val/a.jpg,1,2,20,21",
        "val/a.jpg,3,3,4,4",
        "val/b.jpg,m/1.png,m/ignored.png",
        "val/b.jpg,m/2.png,",
    )
    mask(path / "m/1.png", [[255, 0], [0, 0]])
    mask(path / "m/2.png", [[0, 0, 255, 0], [0, 0, 0, 0]])
    mask(path / "m/ignored.png", [[255, 255, 255, 255], [0, 0, 0, 255]])
    return path


def test_wsol_metadata(tmp_path: Path) -> None:
    data = open_dataset(wsol(tmp_path), root=tmp_path / "photos", masks=tmp_path)
    boxed = one(data, "val/a.jpg")
    assert boxed.truth(PETS).label == 2
    assert boxed.boxes == ((1, 2, 20, 21), (3, 3, 4, 4))
    assert boxed.photo == tmp_path / "photos/val/a.jpg"
    masked = one(data, "val/b.jpg")
    assert masked.mask is not None
    assert np.array_equal(masked.mask, [[1, 1, 1, 255], [0, 0, 0, 255]])  # 1.png at half the size
    lines(tmp_path / "image_sizes.txt", "val/a.jpg,30,24", "val/b.jpg,4000000,2000000")
    with pytest.raises(BadValue, match=r"val/b\.jpg is said to have 8,000,000,000,000 pixels"):
        one(open_dataset(tmp_path, masks=tmp_path), "val/b.jpg")
    lines(tmp_path / "image_ids.txt", "val/a.jpg", "val/c,d.jpg")
    with pytest.raises(BadValue, match=r"val/c in .* has no class"):
        open_dataset(tmp_path)


def masks(path: Path) -> Path:
    for name in ("dog/a.jpg", "dog/b.jpg", "c.jpg"):
        write_noise(path / "images" / name, 0, (2, 2))
    mask(path / "masks/dog/a.png", [[0, 255], [255, 0]])
    mask(path / "masks/dog/b.png", [[0, 15], [255, 0]])
    return path


def test_mask_folder(tmp_path: Path) -> None:
    data = open_dataset(masks(tmp_path))
    plain, judged = one(data, "dog/a.jpg"), one(data, "dog/b.jpg")
    assert plain.truth(PETS).label == 1
    assert np.array_equal(np.asarray(plain.mask), [[0, 1], [1, 0]])
    assert np.array_equal(np.asarray(judged.mask), [[0, 1], [255, 0]])
    with pytest.raises(BadValue, match="no mask"):
        one(data, "c.jpg")
    (tmp_path / "masks/dog/a.png").write_text("no picture")
    with pytest.raises(BadPhoto, match="mask"):
        one(data, "dog/a.jpg")


@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_a_mask_with_soft_edges_is_an_object_from_half_on(tmp_path: Path, ending: str) -> None:
    write_noise(tmp_path / "images/a.png", 0, (64, 64))
    y, x = np.mgrid[:64, :64]
    soft = (255 * (20 - np.hypot(y - 32, x - 32)).clip(-4, 4) / 8 + 127.5).astype(np.uint8)
    (tmp_path / "masks").mkdir()
    Image.fromarray(soft).save(tmp_path / f"masks/a{ending}", quality=95)
    found = np.asarray(one(open_dataset(tmp_path), "a.png").mask)
    assert set(np.unique(found)) == {0, 1}
    assert (found != (soft >= 128)).mean() < 0.01


FORMS: dict[str, Callable[[Path], Path]] = {
    "folder": folder, "csv": spreadsheet, "ilsvrc": ilsvrc, "cub": cub, "coco": coco, "wsol": wsol, "masks": masks,
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_forms_are_recognised_and_travel(tmp_path: Path, form: str) -> None:
    path = FORMS[form](tmp_path)
    assert recognised(path) == form
    there = open_dataset(f"{form}:{path}")
    here = open_dataset(path)
    assert [i.name for i in here.items] == [i.name for i in there.items]
    assert pickle.loads(pickle.dumps(here)).items[0].name == here.items[0].name


@pytest.mark.parametrize(
    ("what", "options", "words"),
    [
        ("nowhere", {}, "there is no nowhere"),
        ("csv:nowhere.csv", {}, "there is no nowhere.csv"),
        (".", {}, "holds no photo"),
        (".", {"rot": "x"}, "no option 'rot'"),
        ("some.txt", {}, "no form that is known"),
        ("csv:some.txt", {}, "no column 'file'"),
        ("coco:some.txt", {}, "cannot be read"),
        ("coco:other.json", {}, "not in the form of COCO"),
        ("cub:.", {"split": "dev"}, "one of 'test', 'train', 'all'"),
        ("wsol:.", {}, "class_labels.txt cannot be read"),
        ("ilsvrc:.", {}, "no .xml"),
    ],
)
def test_mistakes_are_said(tmp_path: Path, monkeypatch: Any, what: str, options: dict[str, str], words: str) -> None:
    monkeypatch.chdir(tmp_path)
    lines(tmp_path / "some.txt", "some,text")
    lines(tmp_path / "other.json", '{"images": 3}')
    with pytest.raises(HeatlensError) as error:
        open_dataset(what, **options)
    assert words in str(error.value)


# classes


@pytest.mark.parametrize(
    ("labels", "classes", "index"),
    [
        (("kitty", 7), PETS, 0),
        (("n01887787", 7), PETS, 2),
        (("n01887787", 7), Classes(), 7),
        (("n01887787", 1), Classes(("a", "b")), 1),  # a list without wnids cannot judge one
        ((2,), PETS, 2),
        (("Dog", "kitty"), PETS, 1),
    ],
)
def test_classes_are_found(labels: tuple[Any, ...], classes: Classes, index: int) -> None:
    assert class_index(labels, classes) == index


@pytest.mark.parametrize("labels", [("whale", 1), ("n99999999", 1), (3,), (-1,), ()])
def test_an_index_of_another_list_is_not_believed(labels: tuple[Any, ...]) -> None:
    item = Item("a", Path("a"), labels)
    assert item.truth(PETS).label is None
    with pytest.raises((UnknownName, BadValue)):
        item.truth(PETS, needs_label=True)


# selection


def numbered(count: int) -> Dataset:
    return dataset("numbers", [Item(f"{'even' if i % 2 == 0 else 'odd'}/{i}.png", Path()) for i in range(count)])


def test_halves_are_disjoint_and_whole() -> None:
    whole = numbered(9)
    halves = [Selection(every=2, start=s).of(whole) for s in (0, 1)]
    assert sorted(i.name for half in halves for i in half.items) == [i.name for i in whole.items]
    assert [i.name for i in halves[1].items] == ["even/2.png", "even/6.png", "odd/1.png", "odd/5.png"]
    assert [i.name for i in Selection(match="odd/*", limit=2).of(whole).items] == ["odd/1.png", "odd/3.png"]


def test_a_subset_names_photos(tmp_path: Path) -> None:
    file = lines(tmp_path / "hard.txt", "odd/3.png,0.25", "", "even/0.png")
    assert [i.name for i in Selection(subset=read_subset(file)).of(numbered(9)).items] == ["even/0.png", "odd/3.png"]
    with pytest.raises(UnknownName, match="odd/33"):
        Selection(subset=("odd/33.png",)).of(numbered(9))
    with pytest.raises(BadValue, match="leaves no photo"):
        Selection(start=9).of(numbered(9))
    with pytest.raises(BadValue, match="every=0"):
        Selection(every=0)


def test_a_subset_takes_all_classes_of_a_photo(tmp_path: Path) -> None:
    data = open_dataset(spreadsheet(tmp_path))
    assert len(Selection(subset=("d.png",)).of(data)) == 2
    with pytest.raises(BadValue, match="twice"):
        dataset("x", [Item("a", Path()), Item("a", Path())])
