"""What other packages add, by the entry points that they declare: methods, metrics, libraries of models.

In their pyproject.toml: `[project.entry-points."heatlens.methods"]`, then `gentle_cam = "theirs.gentle:gentle_cam"`.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any
from warnings import warn

from .errors import BadValue, HeatlensWarning
from .wording import spelling


def extensions(group: str, taken: Iterable[str] = ()) -> Mapping[str, EntryPoint]:
    """What installed packages add to a group, by name, nothing loaded; names that heatlens has stay its own."""
    own = {spelling(name) for name in taken}
    found = {}
    for name, point in _points(group).items():
        if spelling(name) in own:
            warn(f"{name!r} of {point.value} is not used: heatlens has {name!r} itself", HeatlensWarning, stacklevel=2)
        else:
            found[name] = point
    return found


def loaded(point: EntryPoint) -> Any:
    """What the entry point stands for.  Raises `BadValue` where its package cannot give it."""
    try:
        return point.load()
    except Exception as error:  # whatever the code of others raises while it is imported
        why = f"{type(error).__name__}: {error}"
        raise BadValue(f"{point.name!r} of {point.value} cannot be loaded: {why}", "a package that imports") from error


def all_loaded(points: Mapping[str, EntryPoint]) -> Iterator[tuple[EntryPoint, Any]]:
    """Each with what it stands for; one that cannot be loaded is left out with a warning, so that the others work."""
    for point in points.values():
        try:
            yield point, loaded(point)
        except BadValue as error:
            warn(str(error), HeatlensWarning, stacklevel=2)


@cache
def _points(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in sorted(entry_points(group=group), key=lambda point: point.value)}
