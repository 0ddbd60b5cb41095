"""What commands say while they work: a line per explanation, a bar on long work, failures on stderr."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...words.errors import HeatlensError
from ..terminal import echo

if TYPE_CHECKING:
    from ...asking.explanation import Explanation
    from ...engine.forward.batching import Progress
    from ...recipes.recipe import Recipe

_LONGEST = 40
"""A longer name of a target is cut."""


@contextmanager
def reading(what: str, *, quiet: bool = False) -> "Iterator[Progress]":
    """While open, a bar shows how far it is, once that takes longer than a second."""
    from tqdm import tqdm

    with tqdm(desc=what, delay=1, leave=False, disable=True if quiet else None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress


class Voice:
    """Talks above the progress bar; with `quiet` only of failures."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self._bar: Any = None

    @contextmanager
    def counting(self, photos: int) -> Iterator[None]:
        """While open, a bar shows how many photos are done, once that takes longer than a second."""
        from tqdm import tqdm

        off = True if self.quiet else None  # None: only where somebody watches
        with tqdm(total=photos, unit="photo", delay=1, miniters=0, leave=False, disable=off) as self._bar:
            yield

    def done(self, photos: int) -> None:
        self._bar.update(photos)

    def step(self, done: int, total: int) -> None:
        """Progress inside a batch, for methods that take many passes."""
        self._bar.set_postfix_str(f"step {done} of {total}" if done < total else "", refresh=False)
        self._bar.update(0)

    def tell(self, explanations: "Sequence[Explanation]", words: Sequence[str]) -> None:
        """What the model predicts for one photo, and a line per explanation, which ends with words about it."""
        photo = explanations[0].photo
        for warning in dict.fromkeys(w for e in explanations for w in e.warnings):
            self.say(f"{photo.name}: {warning}", err=True, fg="yellow")
        seen = ", ".join(f"{name} {likely:.1%}" for name, likely in explanations[0].predictions)
        self.say(f"{photo.name}: {seen or 'no class scores'}")
        methods = _told_apart(explanations)
        rows = [(m, _cut(e.name), _peak(e), said) for m, e, said in zip(methods, explanations, words, strict=True)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            self.say("  " + "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())

    def failure(self, path: Path, error: Exception) -> None:
        """Say why a photo failed, in one line, whatever it did to whatever library."""
        first = (str(error).splitlines() or [""])[0]
        said = str(error) if isinstance(error, HeatlensError) else f"{type(error).__name__}: {first}"
        self._echo(f"heatlens: {said if str(path) in said else f'{path}: {said}'}", err=True)

    def say(self, text: str, *, err: bool = False, **style: Any) -> None:
        if not self.quiet:
            self._echo(text, err=err, **style)

    def _echo(self, text: str, *, err: bool, **style: Any) -> None:
        with nullcontext() if self._bar is None else self._bar.external_write_mode():
            echo(text, err=err, **style)


def _peak(explanation: "Explanation") -> str:
    return f"peak at {explanation.peak}" if explanation.has_peak else "no peak"


def _told_apart(explanations: "Sequence[Explanation]") -> list[str]:
    """The methods, and what several of one name differ in."""
    from ...recipes.naming import told_apart

    recipes: list[Recipe] = []
    for e in explanations:
        recipes += [e.recipe] if e.recipe not in recipes else []
    names = told_apart(recipes)
    return [names[recipes.index(e.recipe)] for e in explanations]


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
