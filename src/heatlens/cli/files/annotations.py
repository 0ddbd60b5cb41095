"""Boxes in the forms of other tools, in a file for each photo or in one for all."""

from pathlib import Path
from typing import TYPE_CHECKING

from ...words.errors import FileThere

if TYPE_CHECKING:
    from ...localize import Form, Located

_ROUNDING = 1e-3


class Annotations:
    """The files of all forms that are asked for."""

    def __init__(self, out: Path, names: tuple[str, ...], overwrite: bool) -> None:
        self._out, self._names, self._overwrite = out, names, overwrite

    def check(self) -> None:
        """Look at what is there already; raises `FileThere` where it is not ours."""
        from ...localize import FORMS

        forms = [FORMS[name] for name in self._names]
        self._single = [form for form in forms if form.read is None]
        shared = [form for form in forms if form.read is not None]
        self._shared = [
            AnnotationFile(form, self._out / f"{form.name}.{form.ending}", self._overwrite) for form in shared
        ]
        for file in self._shared:
            file.check()

    def add(self, stem: str, located: "Located") -> None:
        """The boxes of a photo; `FileThere` where a file says something else of it."""
        from ...images import write_bytes

        for file in self._shared:
            file.add(located)
        for form in self._single:
            write_bytes(self._out / f"{stem}.{form.ending}", form.write([located]), overwrite=self._overwrite)

    def write(self) -> None:
        """The files that hold all photos."""
        for file in self._shared:
            file.write()


class AnnotationFile:
    """One file of annotations of all photos: every run adds its photos, and leaves others as they are."""

    def __init__(self, form: "Form", path: Path, overwrite: bool) -> None:
        self._form, self.path, self._overwrite = form, path, overwrite
        self._there: dict[str, Located] = {}
        self._new: dict[str, Located] = {}

    def check(self) -> None:
        """Look at what is there already; raises BadValue where it is not ours."""
        self._there = self._read()

    def add(self, located: "Located") -> None:
        """Keep the findings of a photo; raises `FileThere` where others are known of it."""
        known = self._there.get(located.file, located)
        if not self._overwrite and not _alike(known, located):
            raise FileThere(
                f"{self.path} has other boxes of {located.file}",
                "a photo that it does not have",
                "Allow it: --overwrite",
            )
        self._new[located.file] = located

    def write(self) -> None:
        """All photos, those of this run in the place of what was known of them."""
        from ...images import write_bytes

        if self._new:
            write_bytes(self.path, self._form.write([*(self._read() | self._new).values()]))

    def _read(self) -> "dict[str, Located]":
        from ...images import made_here

        if not self.path.exists() or self._form.read is None:
            return {}
        try:
            photos = self._form.read(self.path.read_bytes()) if made_here(self.path) else None
        except (OSError, ValueError, KeyError, TypeError):
            photos = None
        if photos is None:
            raise FileThere(
                f"{self.path} is there already, and heatlens did not make it",
                "a file to add to",
                "Choose another --out",
            )
        return {photo.file: photo for photo in photos}


def _alike(one: "Located", other: "Located") -> bool:
    """Whether they find the same, to the rounding of another batch."""

    def near(a: float | None, b: float | None) -> bool:
        return a == b or (a is not None and b is not None and abs(a - b) <= _ROUNDING)

    return len(one.findings) == len(other.findings) and all(
        (a.box, a.name) == (b.box, b.name) and near(a.score, b.score) and near(a.heat, b.heat)
        for a, b in zip(one.findings, other.findings, strict=True)
    )
