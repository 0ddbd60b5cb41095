"""What an evaluation is asked, as a value: it is written beside the results, and travels to workers."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ... import models
from ...asking.parts import wanted
from ...metrics.criterion import Criterion, find_criterion
from ...models import Subject
from ...models.files.class_files import read_class_file
from ...recipes.naming import recipe_in_full, recipe_name
from ...recipes.recipe import Recipe
from ...words.bounds import at_least
from ...words.errors import BadValue
from ...words.signature import needs
from ..datasets.dataset import Dataset, Item


@dataclass(frozen=True)
class ModelRequest:
    """A model as words: what `heatlens.load` is given.  Workers load it themselves; no network is pickled."""

    name: str
    """What its rows say; the request's models have different ones."""
    model: str
    weights: str | None = None
    options: tuple[tuple[str, Any], ...] = ()

    def load(self, device: str) -> Subject:
        return models.load(self.model, self.weights, device=device, **dict(self.options))

    def record(self) -> dict[str, Any]:
        """What the results depend on: the words, and what is in the file of the weights."""
        file = Path(self.weights).expanduser() if self.weights else None
        digest = _sha256(file) if file is not None and file.is_file() else None
        options = {key: _plain(value) for key, value in self.options}
        if isinstance(names := options.get("classes"), str):
            options["classes"] = _sha256_of(repr(read_class_file(names)))
        return {"name": self.name, "model": self.model, "weights": digest or self.weights, "options": options}


@dataclass(frozen=True)
class Request:
    """Data set x models x recipes x metrics, and how the work is cut."""

    data: Dataset
    models: tuple[ModelRequest | Subject, ...]
    recipes: tuple[Recipe, ...]
    criteria: tuple[Criterion | str, ...]
    target: Literal["label"] | str | int | None = None
    """None: what each photo is predicted as; "label": its true class; else any target of `heatlens.explain`."""
    seed: int = 0
    precision: str | None = None
    batch_size: int = 8
    part_size: int = 16
    """Photos that are finished and written together."""

    def __post_init__(self) -> None:
        at_least(1, batch_size=self.batch_size, part_size=self.part_size)
        asked = {
            "model": [model.name for model in self.models],
            "recipe": [recipe_name(recipe) for recipe in self.recipes],
            "metric": [find_criterion(criterion).name for criterion in self.criteria],
        }
        if several := next((recipe for recipe in self.recipes if recipe.apart), None):
            raise BadValue(
                f"the recipe {recipe_name(several)}, whose layers are not fused", "one recipe of each", "Use each_layer"
            )
        for kind, names in asked.items():
            if not names:
                raise BadValue(f"no {kind} to evaluate", "at least one")
            if twice := {name for name in names if names.count(name) > 1}:
                raise BadValue(f"the {kind} {min(twice)} is asked for twice", "each once")

    @property
    def units(self) -> "list[Unit]":
        """The work in pieces, each of which becomes a part of the table: model by model, photos in order."""
        starts = range(0, len(self.data), self.part_size)
        return [Unit(m, s, self.data.items[at : at + self.part_size]) for m in range(len(self.models))
                for s, at in enumerate(starts)]  # fmt: skip

    def sent(self) -> "Request":
        """The request as workers need it: words instead of metrics, no photos.  A network that is built stays here."""
        if built := [model.name for model in self.models if isinstance(model, Subject)]:
            raise BadValue(f"several workers for the model {built[0]}, which is built", "a name and weights to load")
        criteria = tuple(find_criterion(criterion).name for criterion in self.criteria)
        return replace(self, data=replace(self.data, items=()), criteria=criteria)

    def record(self) -> dict[str, Any]:
        """The request in plain values.  Two requests with equal records give equal tables."""
        items = self.data.items
        photos = "\n".join(item.name for item in items)
        return {
            "photos": {"count": len(self.data), "sha256": _sha256_of(photos)},
            "files": {str(file): _size_and_hash(file) for file in dict.fromkeys(item.photo for item in items)},
            "truth": _sha256_of(repr([(item.labels, item.boxes) for item in items])),
            "models": [m.record() if isinstance(m, ModelRequest) else {"name": m.name} for m in self.models],
            "recipes": [recipe_name(recipe) for recipe in self.recipes],
            "recipes in full": [recipe_in_full(recipe) for recipe in self.recipes],
            "metrics": [find_criterion(criterion).name for criterion in self.criteria],
            "target": self.target,
            "seed": self.seed,
            "precision": self.precision,
            "batch_size": self.batch_size,
            "part_size": self.part_size,
        }


@dataclass(frozen=True)
class Unit:
    """One piece of the work: a few photos for one model."""

    model: int
    shard: int
    items: tuple[Item, ...]

    @property
    def name(self) -> str:
        """Of its part; the same whoever works on it."""
        return f"{self.model:02d}-{self.shard:06d}.parquet"


def each_layer(recipes: Sequence[Recipe], models: Sequence[ModelRequest | Subject]) -> tuple[Recipe, ...]:
    """The recipes, those whose layers (or parts) are not fused as one of each; which these are, the models are asked.

    Raises `BadValue` where the layers have other names in one model than in another.
    """
    if not any(recipe.apart for recipe in recipes):
        return tuple(recipes)
    found = {tuple(_each_layer(recipes, model)) for model in models}
    if len(found) > 1:
        names = ", ".join(model.name for model in models)
        raise BadValue(f"a map of each layer for {names}, whose layers have other names", "one model at a time")
    return found.pop() if found else ()


def _each_layer(recipes: Sequence[Recipe], model: ModelRequest | Subject) -> Iterator[Recipe]:
    subject = model.load("cpu") if isinstance(model, ModelRequest) else model
    for recipe in recipes:
        shown = subject.shown((subject.blank(),))
        yield from [one.recipe for one in wanted(subject, shown, [recipe])] if recipe.apart else [recipe]


def with_centre(recipes: Sequence[Recipe], criteria: Iterable[Criterion]) -> tuple[Recipe, ...]:
    """The recipes, and the centre of the photo beside them where places are measured: what a map has to beat."""
    local = any({"boxes", "masks"} & set(needs(criterion.metric.function)) for criterion in criteria)
    there = any(recipe.method == "centre" for recipe in recipes)
    return (*recipes, Recipe("centre")) if local and not there else tuple(recipes)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _sha256_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _size_and_hash(file: Path) -> list[Any] | None:
    """What tells a photo from another of its name; nothing where it cannot be read."""
    try:
        return [file.stat().st_size, _sha256(file)]
    except OSError:
        return None


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
