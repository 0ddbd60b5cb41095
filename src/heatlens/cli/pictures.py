"""What `heatlens explain` makes: a labelled picture, a map, a record per explanation, and `explanations.json`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadValue

if TYPE_CHECKING:
    from ..explanation import Explanation

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
    look: dict[str, Any] = {key: options[key] for key in ("cmap", "alpha") if options[key] is not None}
    look |= {"contour": list(options["contour"])} if options["contour"] else {}
    return look | ({"peak": True} if options["peak"] else {})


def check_look(look: dict[str, Any]) -> None:
    """Raise what is wrong with it."""
    import numpy as np

    from ..images import colourise

    if "cmap" in look:
        colourise(np.zeros((1, 1)), cmap=look["cmap"])


class Pictures:
    """Files of explanations."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.out = Path(options["out"]).expanduser()
        self.records: list[dict[str, Any]] = []
        self._save = options["save"]
        self._look = look_of(options)

    def check(self) -> None:
        self._kinds = kinds_of(self._save, KINDS)
        check_look(self._look)

    def add(self, stem: str, explanations: "list[Explanation]") -> list[str]:
        from ..images import unique_names

        words = unique_names(f"{stem}-{e.method}-{e.name}" for e in explanations)
        page = [self._grid(stem, explanations)] if "grid" in self._kinds else []
        said = []
        for explanation, name in zip(explanations, words, strict=True):
            files = [
                explanation.save(self.out / f"{name}.{kind}", **(self._look if kind == "png" else {}))
                for kind in self._kinds
                if kind != "grid"
            ]
            self.records.append({**explanation.record(), "files": [str(file) for file in [*files, *page]]})
            said.append(" ".join(self.records[-1]["files"]))
        return said

    def finish(self) -> str:
        from ..images import save_json

        if not self.records:
            return ""
        path = save_json(self.out / "explanations.json", self.records)
        count = len(self.records)
        return f"{count} explanation{'s' * (count > 1)} in {path}"

    def _grid(self, stem: str, explanations: "list[Explanation]") -> Path:
        from ..images import colour_bar, grid, save_image

        bars = [colour_bar(cmap=self._look.get("cmap"), signed=s) for s in sorted({e.signed for e in explanations})]
        cells = [(e.overlay(side=448, **self._look), *e.label) for e in explanations]
        photo = explanations[0].photo
        page = grid([(photo.image(), photo.name, explanations[0].model), *cells], bar=bars)
        return save_image(self.out / f"{stem}.png", page)
