"""How good the shipped file is: validation photos over all and per class, and full-size photos from `images/`.

A full-size photo counts for a merged class by its wnid, and by a plain name too: every breed of dog is a dog.
"""

import argparse
import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from heatlens.models.bundled.networks import BundledCNN
from training.data import Classes, add_folders, data_folder, load_photos, read_classes
from training.export import WEIGHTS_FILE
from training.student import SIZE, normalise, predict

BY_NAME = {"dog": range(151, 269), "cat": range(281, 286), "bird": [*range(7, 25), *range(80, 101), *range(127, 147)]}


class Photo(NamedTuple):
    """A full-size photo, the merged classes it shows, and whether one of its own wnids was trained on."""

    name: str
    shows: set[int]
    trained: bool
    pixels: Tensor  # (1, 3, SIZE, SIZE) uint8


def load_shipped(path: Path = WEIGHTS_FILE) -> BundledCNN:
    """The network with the shipped weights, in float32 and eval mode."""
    network = BundledCNN(len(read_classes().names))
    network.load_state_dict(load_file(path))
    return network.float().eval()


def read_photo(source: Path | np.ndarray, size: int = SIZE, crop: bool = False) -> Tensor:
    """(1, 3, size, size) uint8: the shorter side resized and the centre cut out, or the whole photo squashed."""
    photo = (Image.fromarray(source) if isinstance(source, np.ndarray) else Image.open(source)).convert("RGB")
    if crop:
        scale = size / min(photo.size)
        photo = photo.resize([max(size, round(side * scale)) for side in photo.size], Image.Resampling.BILINEAR)
        left, top = ((side - size) // 2 for side in photo.size)
        photo = photo.crop((left, top, left + size, top + size))
    else:
        photo = photo.resize((size, size), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None]


def _merged(classes: Classes, wnid: str, index: int) -> int | None:
    if wnid in classes.wnids:
        return int(classes.merged_of[classes.wnids.index(wnid)])
    return next((classes.names.index(name) for name, members in BY_NAME.items() if index in members), None)


def full_size(images: Path, folder: str, classes: Classes, crop: bool) -> list[Photo]:
    """The photos of one folder that show at least one merged class."""
    shows: dict[str, set[int]] = {}
    trained: dict[str, bool] = {}
    with (images / "labels.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            merged = _merged(classes, row["wnid"], int(row["class_index"]))
            if row["file"].startswith(folder + "/") and merged is not None:
                shows.setdefault(row["file"], set()).add(merged)
                trained[row["file"]] = trained.get(row["file"], False) or row["wnid"] in classes.wnids
    return [Photo(name, shows[name], trained[name], read_photo(images / name, crop=crop)) for name in shows]


def best(network: nn.Module, pixels: Tensor, count: int = 3) -> list[tuple[int, float]]:
    """The best classes of one photo with their probabilities."""
    with torch.inference_mode():
        chances = network(normalise(pixels.float() / 255)).softmax(1)[0]
    top = chances.topk(count)
    return list(zip(top.indices.tolist(), top.values.tolist(), strict=True))


def rate(hits: Iterable[bool]) -> str:
    """`7 of 9 (78 %)`."""
    found = list(hits)
    return f"{sum(found)} of {len(found)} ({sum(found) / max(1, len(found)):.0%})"


def report_photos(network: nn.Module, found: list[Photo], title: str, each: bool) -> None:
    """Print how often a shown class is first, and among the first three."""
    names, rows = read_classes().names, []
    for photo in found:
        first = best(network, photo.pixels)
        rows.append((photo, [index for index, _ in first]))
        if each:
            named = ", ".join(f"{names[index]} {chance:.0%}" for index, chance in first)
            print(f"  {'+' if photo.shows & set(rows[-1][1]) else '-'} {photo.name}: {named}")
    for counted, some in (("own wnids", [r for r in rows if r[0].trained]), ("by name too", rows)):
        top3, top1 = rate(bool(p.shows & set(f)) for p, f in some), rate(f[0] in p.shows for p, f in some)
        print(f"{title}, {counted}: top-3 {top3}, top-1 {top1}")


def report_validation(network: nn.Module, data: Path, work: Path, classes: Classes) -> dict[str, float]:
    """Print top-1 over all validation photos, and per class; the accuracy of each class."""
    photos = load_photos(data, work, "val")
    labels, scores = classes.merged_of[photos.fine], predict(network, photos.images)
    right = (scores.argmax(1) == labels).float()
    top3 = (scores.topk(3, 1).indices == labels[:, None]).any(1).float().mean()
    per_class = {name: float(right[labels == index].mean()) for index, name in enumerate(classes.names)}
    mean = sum(per_class.values()) / len(per_class)
    print(f"validation: top-1 {right.mean():.2%}, top-3 {top3:.2%}, mean over classes {mean:.2%}")
    ranked = sorted(per_class.items(), key=lambda pair: pair[1])
    print("  " + ", ".join(f"{name} {value:.0%}" for name, value in ranked))
    return per_class


def main() -> None:
    """Print everything and keep the per-class accuracy in the work folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_folders(parser)
    parser.add_argument("--weights", type=Path, default=WEIGHTS_FILE)
    parser.add_argument("--each", action="store_true", help="also print every photo of images/photos")
    arguments = parser.parse_args()
    data, classes, network = data_folder(arguments.data), read_classes(), load_shipped(arguments.weights)
    per_class = report_validation(network, data, arguments.work, classes)
    (arguments.work / "per_class.json").write_text(json.dumps(per_class, indent=1), encoding="utf-8")
    for folder in ("photos", "ilsvrc_val", "nips2017_ccby"):
        for crop in (False, True):
            found = full_size(data / "images", folder, classes, crop)
            title = f"{folder}, {'crop' if crop else 'squash'}"
            report_photos(network, found, title, arguments.each and folder == "photos")


if __name__ == "__main__":
    main()
