"""How still maps hold on trained networks, how far half precision moves them, and which sign of a component is right.

    python -m benchmarks.conditioning            measures all three and writes docs/conditioning.md

Noise has a standard deviation of a thousandth of the photos' range.  What half precision costs is kept in
`src/heatlens/asking/half_precision.json`, from which explanations in half precision say it.
"""

import csv
import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor
from tqdm import tqdm

import heatlens
from heatlens.images import read_photo
from heatlens.methods.contents import METHODS
from heatlens.words.errors import HeatlensError
from heatlens.words.notation import centred_places, decided, principal, resize_maps, strength, unit_scale

from .networks import data_folder, networks

heatlens.methods()  # fills the registry
ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "conditioning.md"
HALVES = ROOT / "src" / "heatlens" / "asking" / "half_precision.json"
MEASURED = Path(__file__).parent / "conditioning.json"
NOISE, LAW = 1e-3, 0.98
PHOTOS = ["photos/both_dog_cat.png", "ilsvrc_val/ILSVRC2012_val_00000965.JPEG"]
FEWER: dict[str, dict[str, Any]] = {
    "cameras": {"scales": 2, "largest": 1.5},
    "is_cam": {"steps": 1},
    "lime": {"samples": 200},
    "occlusion": {"window": 64, "stride": 32},
    "rise": {"samples": 100},
    "smooth_full_grad": {"samples": 3},
    "tis": {"masks": 256},
    "ss_cam": {"samples": 1},
}
"""Fewer pictures than by default."""
LONG = (
    "is_cam", "ss_cam", "poly_cam", "score_cam", "g_score_cam", "vit_cx", "tis", "rise", "lime", "cameras", "opti_cam",
    "occlusion", "fd_cam", "cluster_cam", "cosine_cam", "group_cam",
)  # fmt: skip
"""Methods of hundreds of pictures: of one photo, by the network that ships and the transformer."""
SIGNED_LAYERS = {
    "mobilenetv2_100": ("conv_head", "blocks.6", "blocks.5"),
    "mobilenet_v2": ("features.18.0", "features.17", "features.14"),
    "squeezenet1_1": ("features.12", "features.9"),
    "deit_tiny": ("blocks.11.norm1", "blocks.10", "blocks.7"),
}
RULES: dict[str, Callable[[Tensor], Tensor]] = {
    "sum of the channels": lambda places: places.sum(2),
    "strength of the places": strength,
}


def subjects() -> dict[str, heatlens.Subject]:
    return {"bundled": heatlens.load("bundled"), **{one.name: one.load("cpu") for one in networks()}}


def shown(subject: heatlens.Subject, names: list[str]) -> Tensor:
    return torch.cat([subject.prepare(read_photo(data_folder() / "images" / name))[0] for name in names])


def maps(subject: heatlens.Subject, images: Tensor, method: str, classes: list[int], **how: Any) -> Tensor:
    """(n, places), in double precision whatever the network's."""
    asked = {"target": classes, "settings": FEWER.get(method, {}), "upsample": False, **how}
    return heatlens.attribute(subject, images, method=method, **asked).double().flatten(1)


def correlation(a: Tensor, b: Tensor) -> float:
    """The least of the images'; 1 where both maps are the same constant."""
    a, b = (x - x.mean(1, keepdim=True) for x in (a, b))
    length = a.norm(dim=1) * b.norm(dim=1)
    return float(torch.where(length > 0, (a * b).sum(1) / length, torch.isclose(a, b).all(1).double()).min())


def distance(a: Tensor, b: Tensor) -> float:
    """The largest, as a share of each map's largest magnitude."""
    return float((unit_scale(a) - unit_scale(b)).abs().max())


def steadiness(subject: heatlens.Subject, photos: list[str], method: str) -> dict[str, float]:
    """Under noise, against double precision and against bfloat16."""
    images = shown(subject, photos)
    with torch.no_grad():
        classes = subject.model(images).argmax(1).tolist()
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    noisy = images + NOISE * (images.amax() - images.amin()) * noise
    double = replace(subject, model=deepcopy(subject.model).double(), _found={})
    plain = maps(subject, images, method, classes)
    return {
        "correlation": correlation(plain, maps(subject, noisy, method, classes)),
        "double": distance(plain, maps(double, images.double(), method, classes)),
        "bf16": distance(plain, maps(subject, images, method, classes, precision="bf16")),
    }


def studied() -> dict[str, dict[str, dict[str, float]]]:
    """Method -> network -> what was measured; what is there already is not measured again."""
    kept = measured_before()
    known: dict[str, dict[str, dict[str, float]]] = kept["methods"]
    for name, subject in subjects().items():
        for method in tqdm(sorted(METHODS), desc=name):
            pictures = method in LONG
            if name in known.get(method, {}) or (pictures and name not in ("bundled", "deit_tiny")):
                continue
            try:
                known.setdefault(method, {})[name] = steadiness(subject, PHOTOS[:1] if pictures else PHOTOS, method)
            except HeatlensError:
                continue
            keep(kept)
    return {method: rows for method, rows in known.items() if rows}


def measured_before() -> dict[str, Any]:
    """What other runs found: of methods, and of signs."""
    found: dict[str, Any] = {"methods": {}, "signs": []}
    return json.loads(MEASURED.read_text("utf-8")) if MEASURED.exists() else found


def keep(found: dict[str, Any]) -> None:
    MEASURED.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", "utf-8")


def component(rule: str, *, centred: bool) -> Callable[[Tensor], Tensor]:
    """A method: the first component of the activations, its sign by a rule."""

    def ruled(activations: Tensor) -> Tensor:
        places = activations.flatten(2).mT
        beside = RULES[rule](centred_places(places) if centred else places)
        along = decided(principal(activations, centred=centred).flatten(1), beside)
        return along.reshape(len(along), *activations.shape[2:])

    return ruled


def signs() -> list[tuple[str, ...]]:
    """(network and layer, centred, one share a rule): how often the component's peak is on the object."""
    kept = measured_before()
    if kept["signs"]:
        return kept["signs"]
    truths = boxed()
    rows: list[tuple[str, ...]] = kept["signs"]
    for name, layers in SIGNED_LAYERS.items():
        subject = subjects()[name]
        for layer in tqdm(layers, desc=name):
            for centred in (False, True):
                methods = [component(rule, centred=centred) for rule in RULES]
                hits = [0, 0]
                for photo, boxes in truths.items():
                    looked = {"method": methods, "layers": layer, "upsample": False}
                    found = heatlens.attribute(subject, shown(subject, [photo]), **looked).values()
                    hits = [hit + on_object(m, boxes) for hit, m in zip(hits, found, strict=True)]
                shares = [f"{hit / len(truths):.2f}" for hit in hits]
                rows.append((f"{name} `{layer}`", "yes" if centred else "", *shares))
    keep(kept)
    return rows


def boxed() -> dict[str, list[tuple[float, ...]]]:
    """Every sixteenth validation photo and all hard ones, with their boxes."""
    found: dict[str, list[tuple[float, ...]]] = {}
    folder = data_folder() / "images"
    with (folder / "labels.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["x0"] and row["file"].startswith("ilsvrc_val/"):
                corners = tuple(float(row[key]) for key in ("x0", "y0", "x1", "y1"))
                found.setdefault(row["file"], []).append(corners)
    hard = {line.partition(",")[0] for line in (folder / "hard_subset.txt").read_text("utf-8").split()}
    return {name: found[name] for name in sorted({*sorted(found)[::16], *hard})}


def on_object(m: Tensor, boxes: list[tuple[float, ...]]) -> bool:
    """Whether the peak of a map (1, h, w), at the size of the photo, is in a box."""
    large = resize_maps(m, (227, 227))[0]
    y, x = divmod(int(large.argmax()), 227)
    return any(x0 <= x + 0.5 < x1 and y0 <= y + 0.5 < y1 for x0, y0, x1, y1 in boxes)


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, tuple("---" for _ in head), *rows))


def page(measured: dict[str, dict[str, dict[str, float]]], sides: list[tuple[str, ...]]) -> str:
    """docs/conditioning.md."""
    names = ["bundled", *(one.name for one in networks())]
    held = [
        (f"[`{method}`](methods.md#{method})", *(_cell(rows.get(name), "correlation") for name in names))
        for method, rows in sorted(measured.items())
    ]
    far = [
        (
            f"`{method}`",
            f"{max(r['double'] for r in rows.values()):.1g}",
            f"{max(r['bf16'] for r in rows.values()):.2g}",
        )
        for method, rows in sorted(measured.items())
    ]
    return TEXT.format(
        held=table(("method", *names), held),
        far=table(("method", "double precision", "bf16"), far),
        sides=table(("layer", "centred", *RULES), sides),
    )


def _cell(found: dict[str, float] | None, key: str) -> str:
    if found is None:
        return ""
    return f"{found[key]:.4f}" if found[key] >= LAW else f"**{found[key]:.2f}**"


TEXT = """# How still maps hold

This page is made by `python -m benchmarks.conditioning`. A map that changes when the photo changes by a thousandth
of its range is a map of rounding and chance. The law of the whole registry, in `tests/laws` on small networks and
in `tests/real` on trained ones: under such noise the map keeps a correlation of at least 0.98, and it lies within
0.02 of the map in double precision. The methods that cannot are named there with the reason, and their explanations
carry it as a warning.

## Under noise

The least correlation of a map with that of the photo under noise, two photos a network; of methods that show
hundreds of pictures one photo, fewer pictures than by default, and two networks. Below 0.98 in bold; an empty cell
is a method that the network has no use for, or that was not asked.

{held}

A transformer's own slopes at its image change so: the plain gradient of DeiT-tiny keeps 0.81 to 0.87. What reads
them far in front of the blocks cannot hold still; `average="noise"` and `smooth_full_grad` do.

## Precision

The largest distance of a map from that in double precision, and from that of a network under bfloat16, as a share
of the map's largest value. An explanation in half precision says it where it is more than 0.02.

{far}

## The sign of a component

A singular value decomposition leaves the sign of a component open. How often the peak is on the object, on 78
photos, half of them with small objects off the middle, by two rules: the map goes with the sum of the channels, or
it is high where the places' vectors of channels are long. Eigen-CAM, EigenGrad-CAM and KPCA-CAM take the second.
Eigen-smoothing keeps the first, since what it smooths is that sum. A third rule, low at the border, points better
still, and was not taken: it knows where objects usually are, not what the network says.

{sides}
"""


@click.command()
def main() -> None:
    """Measure what is not there yet, and write the page and what explanations say of half precision."""
    measured = studied()
    halves = {m: {"bf16": round(max(r["bf16"] for r in rows.values()), 3)} for m, rows in sorted(measured.items())}
    HALVES.write_text(json.dumps(halves, indent=1) + "\n", "utf-8")
    PAGE.write_text(page(measured, signs()), "utf-8")


if __name__ == "__main__":
    main()
