"""Photos answered in batches: one that cannot be answered spoils no other, and its place says why."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, NoReturn, TypeVar

from ..images import Photo, read_photo
from ..words.errors import BadPhoto, HeatlensError, NotInPhoto
from ..words.wording import readable

T = TypeVar("T")
Answer = Callable[[dict[int, Photo]], Sequence[T]]
"""From the photos of a batch, by their places among all, to what is said of each."""
_ENOUGH = 8
"""So many photos that fail alike, and none that does not: it is not the photos."""


HELD = 256 * 2**20
"""Bytes of photos that are looked at together; what is larger goes in smaller batches."""


@dataclass(frozen=True, eq=False)
class FailedPhoto:
    """What stands in a list in the place of a photo that got no answer.  It is false: `[e for e in found if e]`."""

    photo: Any
    """As it was given: a path, an image, an array, …"""
    error: Exception
    """Why; mostly a `HeatlensError`."""

    def __bool__(self) -> bool:
        return False

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_") or name in ("photo", "error"):  # asked for while a copy is being made
            raise AttributeError(name)
        raise AttributeError(f"no {name!r} of a photo that failed: {self!r}")

    def __repr__(self) -> str:
        return f"FailedPhoto({_named(self.photo)}: {self.error})"


def answered(
    sources: Sequence[Any],
    size: int,
    answer: Answer[T],
    read: Callable[[Any], Any] = read_photo,
    *,
    together: bool = False,
) -> Iterator[T | FailedPhoto]:
    """What is answered of each photo, in their order, or why nothing is; a batch that fails is tried photo by photo.

    Large photos make smaller batches, unless all are to be answered together.
    An error that all photos have in common is not theirs, and is raised: that of the request, or of the model.
    """
    doubt = _Doubt()
    held: list[T | FailedPhoto] = []
    for batch in _in_batches(sources, len(sources) if together else size, read, inf if together else HELD):
        held += _batch(sources, batch, answer, doubt)
        batch.clear()  # not held while the next ones are read, which may be as large
        while doubt.answered and held:
            yield held.pop(0)
    doubt.end()
    yield from held


def in_order(places: Iterable[list[T] | FailedPhoto], each: int) -> list[T | FailedPhoto]:
    """One list of all answers; a photo that failed fills as many places as another has, `each` where none has any."""
    known = list(places)
    each = max((len(place) for place in known if isinstance(place, list)), default=each)
    return [one for place in known for one in (place if isinstance(place, list) else [place] * each)]


class _Doubt:
    """Whose fault it is, as long as nothing has been answered."""

    def __init__(self) -> None:
        self.answered = False
        self._first: Exception | None = None
        self._said = Counter[str]()

    def failed(self, photo: Any, error: Exception) -> FailedPhoto:
        """A photo that failed; raises the error where so many others had the same."""
        if not isinstance(error, BadPhoto | NotInPhoto):
            self._first = self._first or error
            self._said[str(error)] += 1
            if not self.answered and self._said[str(error)] >= _ENOUGH:
                raise error
        if isinstance(error, HeatlensError):  # says it all in words; its frames would hold tensors
            error.__cause__ = error.__context__ = error.__traceback__ = None
        return FailedPhoto(photo, error)

    def end(self) -> None:
        """Raises what was wrong where nothing was answered, and not because of the photos."""
        if self._first is not None and not self.answered:
            raise self._first


def _in_batches(
    sources: Sequence[Any], size: int, reading: Callable[[Any], Any], most: float
) -> Iterator[dict[int, Any]]:
    """Photos by their places: `size` of them, or so many that they hold more than `most` bytes."""
    batch: dict[int, Any] = {}
    held = 0
    for place, source in enumerate(sources):
        batch[place] = _read(source, reading)
        held += bytes_of(batch[place])
        if len(batch) == size or held > most:
            yield batch
            batch, held = {}, 0
    if batch:
        yield batch


def bytes_of(photo: object) -> int:
    """What a photo or volume holds; nothing for one that failed."""
    held = getattr(photo, "pixels", None) if isinstance(photo, Photo) else getattr(photo, "voxels", None)
    return 0 if isinstance(photo, FailedPhoto) or held is None else int(held.nbytes)


def _batch(sources: Sequence[Any], read: dict[int, Any], answer: Answer[T], doubt: _Doubt) -> list[T | FailedPhoto]:
    photos = {place: photo for place, photo in read.items() if not isinstance(photo, FailedPhoto)}
    found = _answers(photos, answer, lambda place, error: doubt.failed(sources[place], error))
    doubt.answered |= any(not isinstance(one, FailedPhoto) for one in found.values())
    unread = {place: one for place, one in read.items() if isinstance(one, FailedPhoto)}
    return [(unread | found)[place] for place in read]


def _answers(
    photos: dict[int, Photo], answer: Answer[T], failed: Callable[[int, Exception], FailedPhoto]
) -> dict[int, T | FailedPhoto]:
    """By place; together, or one by one where that fails."""
    if not photos:
        return {}
    try:
        return dict(zip(photos, answer(photos), strict=True))
    except Exception as error:  # whatever one photo does to one library
        if len(photos) == 1:
            return {place: failed(place, error) for place in photos}
        alone = [_answers({place: photo}, answer, failed) for place, photo in photos.items()]
        return {place: one for each in alone for place, one in each.items()}


def _read(source: Any, reading: Callable[[Any], Any]) -> Any:
    try:
        return reading(source)
    except HeatlensError as error:
        return FailedPhoto(source, error)


def _named(source: Any) -> str:
    if isinstance(source, Photo):
        return source.name
    return readable(os.fsdecode(source)) if isinstance(source, str | os.PathLike) else f"a {type(source).__name__}"
