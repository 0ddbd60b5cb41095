"""What `heatlens explain` makes: a labelled picture, a map, a record per explanation, and `explanations.json`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...words.errors import BadValue
from .names import LONGEST, FileNames
from .records import Records

if TYPE_CHECKING:
    from PIL.Image import Image

    from ...asking.explanation import Explanation

KINDS = ("png", "grid", "npy", "json")


def kinds_of(text: str, known: tuple[str, ...]) -> list[str]:
    """What --save names, joined by commas; raises BadValue."""
    kinds = [kind.strip() for kind in text.split(",") if kind.strip()]
    for kind in kinds:
        if kind not in known:
            raise BadValue(f"--save {kind}", f"some of {', '.join(known)}, joined by commas")
    return kinds


def look_of(options: dict[str, Any]) -> dict[str, Any]:
    """How heat is drawn."""
    look: dict[str, Any] = {key: options[key] for key in ("cmap", "alpha", "title") if options[key] is not None}
    look |= {"contour": list(options["contour"])} if options["contour"] else {}
    return look | ({"peak": True} if options["peak"] else {})


def check_look(look: dict[str, Any]) -> None:
    """Raise what is wrong with it."""
    import numpy as np

    from ...asking.captions import WORDS, titled
    from ...images import colourise

    titled(look.get("title", ""), dict.fromkeys(WORDS, ""))

    if "cmap" in look:
        colourise(np.zeros((1, 1)), cmap=look["cmap"])


class Pictures:
    """Files of explanations."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.out = Path(options["out"]).expanduser()
        self._records = Records(self.out / "explanations.json")
        self._names = FileNames(options)
        self._save, self._overwrite = options["save"], options["overwrite"]
        self._look = look_of(options)

    def check(self) -> None:
        self._kinds = kinds_of(self._save, KINDS)
        check_look(self._look)

    def stems(self, photos: list[Path]) -> list[str]:
        return self._records.stems(photos)

    def add(self, stem: str, explanations: "list[Explanation]") -> list[str]:
        from ...images import unique_names

        names = unique_names((self._names.of(stem, e) for e in explanations), LONGEST)
        page = [self._grid(stem, explanations)] if "grid" in self._kinds else []
        return [
            self._kept(stem, explanation, name, page) for explanation, name in zip(explanations, names, strict=True)
        ]

    def finish(self) -> str:
        count = len(self._records.write())
        return f"{count} explanation{'s' * (count > 1)} in {self._records.path}" if count else ""

    def _kept(self, stem: str, explanation: "Explanation", name: str, page: list[Path]) -> str:
        """Write what shows one map; words that say where."""
        files = [
            explanation.save(
                self.out / f"{name}.{kind}", overwrite=self._overwrite, **(self._look if kind == "png" else {})
            )
            for kind in self._kinds
            if kind != "grid"
        ]
        self._records.add(entry(self._records, explanation, stem, name, [*files, *page]))
        return " ".join(map(str, [*files, *page]))

    def _grid(self, stem: str, explanations: "list[Explanation]") -> Path:
        from ...images import save_image

        path = self.out / f"{self._names.of_all(stem, explanations, 'grid')}.png"
        return save_image(path, page_of(explanations, self._look), overwrite=self._overwrite)


def page_of(explanations: "list[Explanation]", look: dict[str, Any]) -> "Image":
    """One picture of a photo and all its maps."""
    from ...images import colour_bar, grid

    drawn = {key: value for key, value in look.items() if key != "title"}
    bars = [colour_bar(cmap=look.get("cmap"), signed=s) for s in sorted({e.signed for e in explanations})]
    cells = [(e.overlay(side=448, **drawn), *e.labelled(look.get("title"))) for e in explanations]
    photo = explanations[0].photo
    return grid([(photo.image(), photo.name, explanations[0].model), *cells], bar=bars)


def entry(records: Records, explanation: "Explanation", stem: str, name: str, files: list[Path]) -> dict[str, Any]:
    """What the JSON says of one map.  name: unlike that of any other map."""
    photo = explanation.photo.path or explanation.photo.name
    return {
        "id": name,
        "stem": stem,
        **explanation.record(),
        "photo": records.relative(photo),
        "files": [records.relative(file) for file in files],
    }
