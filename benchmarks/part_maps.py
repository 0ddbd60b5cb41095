"""The maps that the search for recipes puts together: every part, at every size and in the mirror, of every photo."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d
from tqdm import tqdm

import heatlens
from heatlens import Recipe, Subject
from heatlens.evaluate import Item, Selection, open_dataset
from heatlens.images import read_photo
from heatlens.recipes.averages import Scales

from .networks import data_folder, networks

SIDE = 112
"""Of the maps that are kept; boxes are measured at half of it."""
SIZES = (1.0, 1.5, 2.0, 2.5)
PARTS = {
    f"{method}@{stage}{'~' * contrast}": Recipe(method, layers=(f"stage:{stage}",), contrast=contrast)
    for (method, stage), contrast in product(
        (
            ("grad_cam", -1),
            ("layer_cam", -1),
            ("eigen_grad_cam", -1),
            ("layer_cam", -2),
            ("hires_cam", -2),
            ("layer_cam", -3),
            ("hires_cam", -3),
            ("layer_cam", -4),
        ),
        (False, True),
    )
} | {"full_grad": Recipe("full_grad")}
"""Candidates; ~ marks those that explain a class against those that are like it."""
OTHERS = 3
"""Of the photos whose middle is inside a box every so many are looked at."""


@dataclass(frozen=True, eq=False)
class Bank:
    """The maps of all photos, and where things are."""

    maps: np.ndarray[Any, Any]
    """(photos, parts, sizes, 2, SIDE, SIDE) of 16 bits: each view's map by its largest magnitude; mirrored last."""
    boxes: list[Tensor]
    """In pixels of the kept maps."""
    off: Tensor
    """Whether the middle of each photo lies outside them."""

    def part(self, name: str, views: Scales) -> Tensor:
        """(photos, SIDE, SIDE): the mean over the views."""
        sizes = [SIZES.index(size) for size in views.factors]
        chosen = self.maps[:, list(PARTS).index(name), sizes][:, :, : 1 + views.mirrored]
        return torch.from_numpy(chosen.astype(np.float32).mean((1, 2)))


def look(subject: Subject, item: Item) -> np.ndarray[Any, Any]:
    """(parts, sizes, 2, SIDE, SIDE): the photo and its mirror image as one batch, all parts from the same passes."""
    image, _ = subject.prepare(read_photo(item.photo))
    label = item.truth(subject.classes, needs_label=True).label
    asked = [
        Recipe(f"{name} {size:g}", parts=(replace(part, average=f"scales:factors={size:g}"),), fuse="mean")
        for name, part in PARTS.items()
        for size in SIZES
    ]
    found = heatlens.attribute(subject, torch.cat([image, image.flip(-1)]), method=asked, target=label)
    maps = torch.stack([found[recipe.method] for recipe in asked])
    maps = torch.stack([maps[:, 0], maps[:, 1].flip(-1)], 1)
    small = adaptive_avg_pool2d(maps, SIDE)
    return small.reshape(len(PARTS), len(SIZES), 2, SIDE, SIDE).to(torch.float16).numpy()


def look_at_all(out: Path, network: str, items: Sequence[Item], workers: int) -> Bank:
    """Look at those that are not kept yet."""
    out.mkdir(parents=True, exist_ok=True)
    left = [item for item in items if not _kept(out, item).exists()]
    with ProcessPoolExecutor(workers, initializer=_begin, initargs=(network,)) as pool:
        done = pool.map(partial(_look_and_keep, out), left)
        for _ in tqdm(done, total=len(left), unit="photo", desc="looking"):
            pass
    maps = np.stack([np.load(_kept(out, item)) for item in items])
    return Bank(maps, [_boxes(item) for item in items], torch.tensor([not in_the_middle(item) for item in items]))


_HELD: list[Subject] = []
"""The network of this process."""


def _begin(network: str) -> None:
    torch.set_num_threads(1)
    _HELD.append(networks((network,))[0].load("cpu"))


def _look_and_keep(out: Path, item: Item) -> None:
    path = _kept(out, item)
    begun = path.with_suffix(".part")
    with begun.open("wb") as file:
        np.save(file, look(_HELD[0], item))
    begun.replace(path)


def _kept(out: Path, item: Item) -> Path:
    return out / f"{Path(item.name).stem}.npy"


def chosen_photos() -> list[Item]:
    """The photos that recipes are chosen on."""
    labels = open_dataset(f"csv:{data_folder() / 'images' / 'labels.csv'}")
    items = Selection(match="ilsvrc_val/*", every=2).of(labels).items
    others = [item for item in items if in_the_middle(item)]
    return [item for item in items if not in_the_middle(item) or item in others[::OTHERS]]


def in_the_middle(item: Item) -> bool:
    """Whether the middle of the photo lies in a box."""
    photo = read_photo(item.photo)
    x, y = photo.width / 2, photo.height / 2
    return any(x0 <= x < x1 and y0 <= y < y1 for x0, y0, x1, y1 in item.boxes)


def _boxes(item: Item) -> Tensor:
    photo = read_photo(item.photo)
    scale = torch.tensor([SIDE / photo.width, SIDE / photo.height] * 2)
    return torch.tensor(item.boxes, dtype=torch.float32) * scale
