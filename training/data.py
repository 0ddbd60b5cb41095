"""Tiny-ImageNet photos, decoded once from the tar files into uint8 tensors and kept in the work folder."""

import argparse
import io
import json
import os
import tarfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

CLASSES_FILE = Path(__file__).parents[1] / "src" / "heatlens" / "models" / "bundled" / "classes.json"
TRAIN_TAR = "train/tiny_imagenet_86_train.tar"
VAL_TAR = "train/tiny_imagenet_86_val.tar"


class Classes(NamedTuple):
    """The merged classes; a fine class is one wnid, in sorted order."""

    names: list[str]
    wnids: list[str]
    merged_of: Tensor  # (fine,) index of the merged class


class Photos(NamedTuple):
    """Decoded photos: images (n, 3, 64, 64) uint8, fine labels (n,), boxes (n, 4) half-open x0 y0 x1 y1."""

    images: Tensor
    fine: Tensor
    boxes: Tensor


def read_classes(path: Path = CLASSES_FILE) -> Classes:
    """Read the mapping from wnids to the merged classes."""
    entries = json.loads(path.read_text(encoding="utf-8"))
    owner = {wnid: index for index, entry in enumerate(entries) for wnid in entry["wnids"]}
    wnids = sorted(owner)
    return Classes([entry["name"] for entry in entries], wnids, torch.tensor([owner[wnid] for wnid in wnids]))


def data_folder(given: str | None) -> Path:
    """The data folder: the argument, else the environment variable HEATLENS_DATA."""
    folder = given or os.environ.get("HEATLENS_DATA")
    if not folder:
        raise SystemExit("no data folder: pass --data DIR or set HEATLENS_DATA")
    return Path(folder)


def add_folders(parser: argparse.ArgumentParser) -> None:
    """The two folders every script needs."""
    parser.add_argument("--data", help="folder with train/, weights/ and images/ (or HEATLENS_DATA)")
    parser.add_argument("--work", type=Path, required=True, help="folder for caches, checkpoints and logs")


def _decode(blob: bytes) -> Tensor:
    pixels = np.array(Image.open(io.BytesIO(blob)).convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1)


def _boxes(text: str, first: int) -> dict[str, list[int]]:
    """Lines of `name ... x0 y0 x1 y1`; the last pixel is inside, so one is added."""
    rows = [line.split() for line in text.splitlines() if line.strip()]
    return {row[0]: [int(v) + (i > 1) for i, v in enumerate(row[first : first + 4])] for row in rows}


def _read_train(path: Path, wnids: list[str]) -> Photos:
    images, fine, boxes, table = [], [], [], {}
    with tarfile.open(path) as tar:
        members = [member for member in tar.getmembers() if member.isfile()]
        for member in members:
            if member.name.endswith("_boxes.txt"):
                table.update(_boxes(_bytes(tar, member).decode(), 1))
        for member in tqdm([m for m in members if m.name.endswith(".JPEG")], desc="train photos"):
            name = Path(member.name)
            images.append(_decode(_bytes(tar, member)))
            fine.append(wnids.index(name.name.split("_")[0]))
            boxes.append(table[name.name])
    return Photos(torch.stack(images), torch.tensor(fine), torch.tensor(boxes))


def _read_val(path: Path, wnids: list[str]) -> Photos:
    images, fine, boxes = [], [], []
    with tarfile.open(path) as tar:
        members = {Path(member.name).name: member for member in tar.getmembers() if member.isfile()}
        text = _bytes(tar, members["val_annotations.txt"]).decode()
        table = _boxes(text, 2)
        for row in tqdm([line.split() for line in text.splitlines()], desc="val photos"):
            images.append(_decode(_bytes(tar, members[row[0]])))
            fine.append(wnids.index(row[1]))
            boxes.append(table[row[0]])
    return Photos(torch.stack(images), torch.tensor(fine), torch.tensor(boxes))


def _bytes(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = tar.extractfile(member)
    if stream is None:
        raise ValueError(f"{member.name} is not a file in {tar.name!r}")
    return stream.read()


def load_photos(data: Path, work: Path, split: str) -> Photos:
    """The photos of `train` or `val`, from the cache in `work` where there is one."""
    cache = work / f"{split}.pt"
    if not cache.exists():
        work.mkdir(parents=True, exist_ok=True)
        wnids = read_classes().wnids
        photos = _read_train(data / TRAIN_TAR, wnids) if split == "train" else _read_val(data / VAL_TAR, wnids)
        torch.save(photos._asdict(), cache)
    return Photos(**torch.load(cache))
