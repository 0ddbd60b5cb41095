"""What a method costs on a network: seconds of one core for one photo, beside those of a forward pass."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from heatlens import Subject
from heatlens.evaluate import Item, ModelRequest
from heatlens.images import read_photo
from heatlens.measuring.measured import measured
from heatlens.metrics.criterion import find_criterion
from heatlens.recipes.asked import recipes
from heatlens.words.errors import HeatlensError

KEPT = Path(__file__).parent / "costs.json"
_CHEAP = "complexity"
"""A metric that costs nothing beside the map."""


_LONG = 5.0
"""Seconds from which one try is enough."""


def seconds(work: Callable[[], Any], least: float = 0.5) -> float:
    """Of one core: processor time, which other work changes less than the clock; the best of a few tries."""
    found: list[float] = []
    while not found or sum(found) < least or (len(found) < 3 and found[0] < _LONG):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def kept() -> dict[str, dict[str, Any]]:
    """What was measured before: network -> forward, methods, metrics."""
    return json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}


def measure(
    model: ModelRequest, item: Item, methods: Sequence[str], metrics: Sequence[str], say: Callable[[str], None]
) -> None:
    """Add the costs of a network to what is kept, method by method, so that a second start carries on."""
    subject = model.load("cpu")
    known = kept().get(model.name, {})
    found = {"forward": known.get("forward") or _forward(subject, item), "methods": {}, "metrics": {}} | known
    _keep(model.name, found)
    for kind, names in (("methods", methods), ("metrics", metrics)):
        for name in [name for name in names if name not in found[kind]]:
            found[kind][name] = _method(subject, item, name) if kind == "methods" else _metric(subject, item, name)
            _keep(model.name, found)
            took = found[kind][name]
            say(f"{model.name:16} {name:28} " + ("not for this network" if took is None else f"{took:9.3f} s"))


def _keep(name: str, found: dict[str, Any]) -> None:
    KEPT.write_text(json.dumps({**kept(), name: found}, indent=1) + "\n", "utf-8")


def _forward(subject: Subject, item: Item) -> float:
    image, _ = subject.prepare(read_photo(item.photo))
    with torch.inference_mode():
        subject.model(image)
        return seconds(lambda: subject.model(image), 3)


def _asked(subject: Subject, item: Item, recipe: str, metric: str) -> Callable[[], Any]:
    photo, truth = read_photo(item.photo), item.truth(subject.classes)
    asked = recipes(recipe, {})
    return lambda: measured(subject, [photo], asked, [find_criterion(metric)], [truth], target=truth.label)


def _method(subject: Subject, item: Item, name: str) -> float | None:
    try:
        return seconds(_asked(subject, item, name, _CHEAP))
    except HeatlensError:
        return None


def _metric(subject: Subject, item: Item, name: str) -> float:
    """Beyond what the map costs; of a metric that explains again, with the cheapest of methods."""
    return max(
        0.0, seconds(_asked(subject, item, "grad_cam", name)) - seconds(_asked(subject, item, "grad_cam", _CHEAP))
    )
