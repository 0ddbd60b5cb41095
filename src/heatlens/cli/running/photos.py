"""One run over photos: the request is checked, photos are explained in batches, what comes out is handed on."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ...words.errors import FileThere
from ..options.model import pairs, subject_from
from ..options.question import methods_of
from .progress import Voice

if TYPE_CHECKING:
    from ...asking.batches import FailedPhoto
    from ...asking.explanation import Explanation


_NAMED = 5
"""So many photos that failed are named at the end."""


class Results(Protocol):
    """What a command makes of explanations."""

    def check(self) -> None:
        """Raise what is wrong with the request, before any photo is read."""

    def stems(self, photos: list[Path]) -> list[str]:
        """What the files of each photo are called."""

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
        self.failed: list[Path] = []
        self._settings = pairs("--set", options["settings"])
        self._targets = [*options["target"], *(f"#{k + 1}" for k in range(options["top"] or 0))] or [None]

    def run(self, patterns: tuple[str, ...]) -> int:
        """0: every photo is done; 1: some failed; 2: none could be done."""
        from ...images import find_photos

        found = find_photos(patterns)
        self._check()
        names = self._results.stems(found)
        try:
            with self._voice.counting(len(found)):
                answers = self._answers(found)
                for path, name in zip(found, names, strict=True):
                    self._told(path, name, next(answers))
                    self._voice.done(1)
        finally:
            if said := self._results.finish():
                self._voice.say(said + self._without())
        return 0 if not self.failed else 1 if self.explained else 2

    def _check(self) -> None:
        """Everything that can be wrong with the request, before any photo is read."""
        from ...asking.explaining import wanted_of
        from ...recipes.asked import recipes

        self._results.check()
        options = self.options
        fused = [*options["layers"]], options["fuse"], options["average"], options["negative"]
        self._asked = recipes(methods_of(options), self._settings, *fused)
        self.subject = subject_from(options["model"], options)
        self.subject.named_layers(options["layers"])
        self._wanted = wanted_of(self.subject, self._targets)

    def _answers(self, found: list[Path]) -> "Iterator[list[Explanation] | FailedPhoto]":
        from ...asking.explain import explanations
        from ...asking.given import precision_of
        from ...asking.request import Wishes

        options = self.options
        precision = precision_of(options["precision"])
        wishes = Wishes(False, False, precision, self._voice.step, options["compile"])
        return explanations(self.subject, found, self._asked, self._wanted, wishes, options["batch_size"])

    def _told(self, path: Path, name: str, answer: "list[Explanation] | FailedPhoto") -> None:
        """Nothing of the answer is held when this returns: the next photo may be large."""
        if isinstance(answer, list):
            self._keep(path, name, answer)
        else:
            self._report(path, answer.error)

    def _keep(self, path: Path, name: str, explanations: "list[Explanation]") -> None:
        try:
            words = self._results.add(name, explanations)
        except FileThere as error:
            if not self.explained:
                raise  # before hours of work whose results would not be written either
            self._report(path, error)
            return
        self.explained += len(explanations)
        self._voice.tell(explanations, words)

    def _report(self, path: Path, error: Exception) -> None:
        self.failed.append(path)
        self._voice.failure(path, error)

    def _without(self) -> str:
        """Which photos are missing among the results."""
        if not self.failed:
            return ""
        more = f" and {len(self.failed) - _NAMED} more" if len(self.failed) > _NAMED else ""
        return f", without {', '.join(map(str, self.failed[:_NAMED]))}{more}"
