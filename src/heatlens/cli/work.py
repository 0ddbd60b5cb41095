"""One run over photos: the request is checked, photos are explained in batches, what comes out is handed on."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

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
from .asking import methods_of
from .options import pairs, subject_from
from .voice import Voice

if TYPE_CHECKING:
    from ..explanation import Explanation
    from ..images import Photo

_REQUEST = (UnknownName, BadValue, EvidenceMissing, LayerNotReached, LayoutUnclear, MissingExtra)
"""What is wrong with the request and would be with every photo."""


class Results(Protocol):
    """What a command makes of explanations."""

    def check(self) -> None:
        """Raise what is wrong with the request, before any photo is read."""

    def add(self, stem: str, explanations: "list[Explanation]") -> list[str]:
        """Keep the explanations of one photo; words for each of them.  stem: what its files are called."""

    def finish(self) -> str:
        """Write what is about all photos; a line that says so, or nothing."""


class Work:
    """What was asked, and how far it is."""

    def __init__(self, options: dict[str, Any], results: Results) -> None:
        self.options = options
        self._results = results
        self._voice = Voice(options["quiet"])
        self.explained = 0
        self.failed = 0
        self._names: dict[Path | None, str] = {}
        self._settings = pairs("--set", options["settings"])
        self._targets = [*options["target"], *(f"#{k + 1}" for k in range(options["top"] or 0))] or [None]

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
            if said := self._results.finish():
                self._voice.say(said)
        return 0 if not self.failed else 1 if self.explained else 2

    def _check(self) -> None:
        """Everything that can be wrong with the request, before any photo is read."""
        from ..recipe import recipes

        self._results.check()
        asked = recipes(*self._recipe())
        self._joint = any(recipe.entry.joint for recipe in asked)
        self.subject = subject_from(self.options["model"], self.options)
        self.subject.named_layers(self.options["layers"])
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
            compile=self.options["compile"],
            progress=self._voice.step,
        )
        for photo in photos:
            self._keep([e for e in found if e.photo is photo])

    def _keep(self, explanations: "list[Explanation]") -> None:
        words = self._results.add(self._names[explanations[0].photo.path], explanations)
        self.explained += len(explanations)
        self._voice.tell(explanations, words)

    def _report(self, path: Path | None, error: HeatlensError) -> None:
        self.failed += 1
        self._voice.failure(path, error)

    def _recipe(self) -> tuple[list[str], dict[str, str], list[str] | None, str | None, str | None]:
        options = self.options
        layers = list(options["layers"]) or None
        return methods_of(options), self._settings, layers, options["fuse"], options["average"]
