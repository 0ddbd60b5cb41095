"""What a user can get wrong, or a model can refuse.  Every message says: got, expected, what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class HeatlensError(Exception):
    """The base of everything heatlens raises on purpose; catch this one."""

    def __init__(self, got: str, expected: str = "", do: str = "") -> None:
        self.got, self.expected, self.do = got, expected, do
        super().__init__(" ".join(_sentence(part) for part in (got, _asked(expected), _begun(do)) if part))

    def __reduce__(self) -> tuple[type["HeatlensError"], tuple[str, str, str]]:
        return type(self), (self.got, self.expected, self.do)


def _asked(expected: str) -> str:
    """What was expected, as the beginning of a sentence where it is only a phrase."""
    spoken = not expected or expected.startswith(("Expected", "Close:", "There are:"))
    return expected if spoken else f"Expected {expected}"


def _begun(text: str) -> str:
    return text[:1].upper() + text[1:]


def _sentence(text: str) -> str:
    return f"{text.rstrip('. ')}."


class HeatlensWarning(UserWarning):
    """What a person should know, and nothing failed."""


class UnknownName(HeatlensError):
    """A method, layer, class, model, fusion or setting that does not exist."""


class BadValue(HeatlensError):
    """A value that cannot be used where it was given."""


class BadSetting(BadValue):
    """A setting that is out of its range, whatever the photo."""


class FileThere(BadValue):
    """A file of that name exists, and nobody allowed it to be overwritten."""


class BadPhoto(HeatlensError):
    """A file or an object that cannot be read as a photo."""


class NotInPhoto(BadValue):
    """What is asked of this photo is not there, and may be in another one."""


class EvidenceMissing(HeatlensError):
    """The method needs something that this model or this layer cannot give."""


class LayerNotReached(HeatlensError):
    """The layer exists, but the forward pass did not go through it."""


class LayoutUnclear(HeatlensError):
    """The layer's output cannot be read as channels over a space."""


class ScoreIndifferent(HeatlensError):
    """The score does not depend on the layer, so there is nothing to explain there."""


class NotFinite(HeatlensError):
    """NaN or infinity where a number is needed."""


class MissingExtra(HeatlensError):
    """An optional package is not installed."""


class NotEnoughMemory(HeatlensError):
    """What cannot be made smaller does not fit into memory."""


class ModelUnavailable(HeatlensError):
    """The model or its weights cannot be had: no such file, no network, damaged."""


def unknown(kind: str, name: str, names: Iterable[str], all_names: str = "", *, owner: str = "") -> UnknownName:
    """The error for a misspelt name: `owner` has no `kind` called `name`, the close ones, where to see all."""
    known = list(names)
    low = {n.lower(): n for n in known}
    close = [low[n] for n in get_close_matches(name.lower(), low, 4, 0.5)]
    expected = f"Close: {', '.join(close)}" if close else f"There are: {', '.join(known[:12])}" if known else ""
    got = f"{owner} has no {kind} {name!r}" if owner else f"No {kind} is called {name!r}"
    return UnknownName(got, expected, f"All names: {all_names}" if all_names else "")
