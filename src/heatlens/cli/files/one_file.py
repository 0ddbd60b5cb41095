"""What `heatlens explain --out cat.png` makes: that file and no other."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...words.errors import BadValue
from .pictures import check_look, look_of, page_of

if TYPE_CHECKING:
    from ...asking.explanation import Explanation

_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".npy", ".json")


def is_file(out: str) -> bool:
    """Whether a person names a file and no folder."""
    return Path(out).suffix.lower() in _ENDINGS and not Path(out).expanduser().is_dir()


class OneFile:
    """The picture, map or record of the one explanation, or the page of several."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.out = Path(options["out"]).expanduser()
        self._overwrite, self._look = options["overwrite"], look_of(options)
        self._page = options["save"] == "grid"
        if options["save"] not in ("png", "grid"):
            raise BadValue(f"--save {options['save']} with --out {self.out}", "a folder, or the file's own ending")

    def check(self) -> None:
        check_look(self._look)

    def stems(self, photos: list[Path]) -> list[str]:
        if len(photos) > 1:
            raise self._several(f"{len(photos)} photos")
        return [photo.stem for photo in photos]

    def add(self, stem: str, explanations: "list[Explanation]") -> list[str]:
        from ...images import save_image

        if self._page:
            made = save_image(self.out, page_of(explanations, self._look), overwrite=self._overwrite)
            return [str(made)] * len(explanations)
        if len(explanations) > 1:
            raise self._several(f"{len(explanations)} maps")
        look = self._look if self.out.suffix.lower() not in (".npy", ".json") else {}
        return [str(explanations[0].save(self.out, overwrite=self._overwrite, **look))]

    def finish(self) -> str:
        return ""

    def _several(self, what: str) -> BadValue:
        return BadValue(
            f"the one file {self.out} for {what}", "a folder, or --save grid for one page of a photo's maps"
        )
