"""One run of `heatlens explain`: the request is checked, photos are explained in batches, files and words come out."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import (
    BadValue,
    EvidenceMissing,
    HeatlensError,
    LayerNotReached,
    LayoutUnclear,
    MissingExtra,
    NotFinite,
    UnknownName,
)
from .options import pairs, subject_from
from .voice import Voice

if TYPE_CHECKING:
    from ..explanation import Explanation
    from ..images import Photo

KINDS = ("png", "grid", "npy", "json")
_REQUEST = (UnknownName, BadValue, EvidenceMissing, LayerNotReached, LayoutUnclear, MissingExtra)
"""What is wrong with the request and would be with every photo."""


class Work:
    """What was asked, what came out."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self._voice = Voice(options["quiet"])
        self.out = Path(options["out"]).expanduser()
        self.records: list[dict[str, Any]] = []
        self.failed = 0
        self._names: dict[Path | None, str] = {}
        self._settings = pairs("--set", options["settings"])
        self._kinds = [kind.strip() for kind in options["save"].split(",") if kind.strip()]
        self._targets = [*options["target"], *(f"#{k + 1}" for k in range(options["top"] or 0))] or [None]
        self._look = {key: options[key] for key in ("cmap", "alpha") if options[key] is not None}
        self._look |= {"contour": list(options["contour"])} if options["contour"] else {}
        self._look |= {"peak": True} if options["peak"] else {}

    def run(self, patterns: tuple[str, ...]) -> int:
        """0: every photo is done; 1: some failed; 2: none could be done."""
        from ..images import find_photos, unique_names

        found = find_photos(patterns)
        self._check()
        self._names = dict(zip(found, unique_names(path.stem for path in found), strict=True))
        size = len(found) if self._joint else int(self.options["batch_size"])
        try:
            with self._voice.counting(len(found)):
                for batch in self._batches(found, size):
                    self._explain(batch)
                    self._voice.done(len(batch))
        finally:
            self._write_records()
        return 0 if not self.failed else 1 if self.records else 2

    def _check(self) -> None:
        """Everything that can be wrong with the request, before any photo is read."""
        import numpy as np

        from ..engine.capture import find_layers
        from ..images import colourise
        from ..recipe import recipes

        for kind in self._kinds:
            if kind not in KINDS:
                raise BadValue(f"--save {kind}", f"some of {', '.join(KINDS)}, joined by commas")
        asked = recipes(*self._recipe())
        if "cmap" in self._look:
            colourise(np.zeros((1, 1)), cmap=self._look["cmap"])
        self._joint = any(recipe.entry.joint for recipe in asked)
        self.subject = subject_from(self.options["model"], self.options)
        find_layers(self.subject.model, self.options["layers"])
        for target in self._targets:
            self.subject.target(target)

    def _batches(self, paths: list[Path], size: int) -> "Iterator[list[Photo]]":
        """The photos that can be read, in batches; the others are reported."""
        from ..images import read_photo

        batch: list[Photo] = []
        for path in paths:
            try:
                batch.append(read_photo(path))
            except HeatlensError as error:
                self._report(path, error)
                self._voice.done(1)
            if len(batch) == size:
                yield batch
                batch = []
        if batch:
            yield batch

    def _explain(self, photos: "list[Photo]") -> None:
        """A batch; if it fails as a whole, photo by photo, so that one cannot spoil the others."""
        try:
            self._explain_together(photos)
        except _REQUEST:
            raise
        except HeatlensError as error:
            if len(photos) == 1:
                self._report(photos[0].path, error)
                return
            failures = [failure for photo in photos if (failure := self._alone(photo)) is not None]
            said = {str(e) for _, e in failures}
            if isinstance(error, NotFinite) and len(failures) == len(photos) and len(said) == 1:
                raise error from None  # it is the model
            for photo, e in failures:
                self._report(photo.path, e)

    def _alone(self, photo: "Photo") -> "tuple[Photo, HeatlensError] | None":
        try:
            self._explain_together([photo])
        except HeatlensError as error:
            return photo, error
        return None

    def _explain_together(self, photos: "list[Photo]") -> None:
        from ..ask import explain

        method, settings, layers, fuse, average = self._recipe()
        found = explain(
            self.subject,
            photos,
            method=method,
            target=self._targets,
            layers=layers,
            fuse=fuse,
            average=average,
            settings=settings,
            batch_size=len(photos),
            precision=self.options["precision"],
            progress=self._voice.step,
        )
        for photo in photos:
            self._write(photo, [e for e in found if e.photo is photo])

    def _write(self, photo: "Photo", explanations: "list[Explanation]") -> None:
        """The files of one photo, and what is said about it."""
        from ..images import unique_names

        stem = self._names[photo.path]
        words = unique_names(f"{stem}-{e.method}-{e.name}" for e in explanations)
        page = [self._grid(stem, photo, explanations)] if "grid" in self._kinds else []
        for explanation, name in zip(explanations, words, strict=True):
            files = [
                explanation.save(self.out / f"{name}.{kind}", **(self._look if kind == "png" else {}))
                for kind in self._kinds
                if kind != "grid"
            ]
            self.records.append({**explanation.record(), "files": [str(file) for file in [*files, *page]]})
        self._voice.tell(explanations, self.records[-len(explanations) :])

    def _grid(self, stem: str, photo: "Photo", explanations: "list[Explanation]") -> Path:
        from ..images import colour_bar, grid, save_image

        bars = [colour_bar(cmap=self._look.get("cmap"), signed=s) for s in sorted({e.signed for e in explanations})]
        cells = [(e.overlay(side=448, **self._look), *e.label) for e in explanations]
        page = grid([(photo.image(), photo.name, self.subject.name), *cells], bar=bars)
        return save_image(self.out / f"{stem}.png", page)

    def _write_records(self) -> None:
        from ..images import save_json

        if self.records:
            path = save_json(self.out / "explanations.json", self.records)
            count = len(self.records)
            self._voice.say(f"{count} explanation{'s' * (count > 1)} in {path}")

    def _report(self, path: Path | None, error: HeatlensError) -> None:
        self.failed += 1
        self._voice.failure(path, error)

    def _recipe(self) -> tuple[list[str], dict[str, str], list[str] | None, str | None, str | None]:
        options = self.options
        layers = list(options["layers"]) or None
        return list(options["method"]), self._settings, layers, options["fuse"], options["average"]
