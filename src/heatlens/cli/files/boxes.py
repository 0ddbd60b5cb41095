"""What `heatlens locate` makes: photos with boxes, `boxes.json`, annotations in the forms of other tools."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .annotations import Annotations
from .names import LONGEST, FileNames
from .pictures import entry, kinds_of
from .records import Record, Records

if TYPE_CHECKING:
    from ...asking.explanation import Explanation
    from ...images import Box, Photo
    from ...localize import Finding

_HOW = ("threshold", "pick", "refine", "min_probability")
_EVERYTHING = 0.98
KINDS = ("png", "heat", "none")
_COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))
"""Told apart with any eyes (Okabe & Ito, Color Universal Design, 2008); one per class, in the order of its finding."""


class Places:
    """Boxes of explanations."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.out = Path(options["out"]).expanduser()
        self._how = {key: options[key] for key in _HOW if options[key] is not None}
        self._names = FileNames(options)
        self._records = Records(self.out / "boxes.json")
        self._save, self._overwrite = options["save"], options["overwrite"]
        self._annotations = Annotations(self.out, options["formats"], self._overwrite)
        self._found = 0
        self._colours: dict[str, tuple[int, int, int]] = {}

    def check(self) -> None:
        import numpy as np

        from ...localize import search

        self._kinds = kinds_of(self._save, KINDS)
        how = {key: value for key, value in self._how.items() if key != "min_probability"}
        search(np.ones((8, 8), np.float32), np.zeros((8, 8, 3), np.uint8), **how)
        self._annotations.check()

    def stems(self, photos: list[Path]) -> list[str]:
        return self._records.stems(photos)

    def add(self, stem: str, explanations: "list[Explanation]") -> list[str]:
        from ...images import unique_names

        found = [e.findings(**self._how) for e in explanations]
        names = unique_names((self._names.with_places(stem, e) for e in explanations), LONGEST)
        self._annotate(stem, explanations[0].photo, [finding for findings in found for finding in findings])
        pictures = self._drawn(stem, explanations, found, names)
        for e, findings, files, name in zip(explanations, found, pictures, names, strict=True):
            self._records.add({**entry(self._records, e, stem, name, files), **_places(e, findings), "how": self._how})
            self._found += len(findings)
        return [_said(*told) for told in zip(explanations, found, pictures, strict=True)]

    def finish(self) -> str:
        if not self._records.write(self._annotations.write):
            return ""
        count = self._found
        said = f"{count} box{'es' * (count != 1)} in" if count else "nothing found;"
        return f"{said} {self._records.path}"

    def _annotate(self, stem: str, photo: "Photo", findings: "list[Finding]") -> None:
        """The photo in the other forms; `FileThere` where they say something else of it."""
        from ...localize import Located

        file = self._records.relative(photo.path or photo.name)
        self._annotations.add(stem, Located(file, (photo.height, photo.width), findings))

    def _drawn(
        self, stem: str, explanations: "list[Explanation]", found: "list[list[Finding]]", names: list[str]
    ) -> list[list[Path]]:
        """The pictures that show each explanation's boxes: the photo with all of them, its own map."""
        from ...images import boxed, save_image

        files: list[list[Path]] = [[] for _ in explanations]
        if "png" in self._kinds:
            labelled = [(f.box, self._colour(f.name), _label(f)) for findings in found for f in findings]
            path = self.out / f"{self._names.of_all(stem, explanations, 'boxes')}.png"
            page = save_image(path, boxed(explanations[0].photo.image(), labelled), overwrite=self._overwrite)
            files = [[page] for _ in explanations]
        if "heat" in self._kinds:
            for e, findings, name, own in zip(explanations, found, names, files, strict=True):
                boxes = [f.box for f in findings]
                own.append(e.save(self.out / f"{name}-heat.png", overwrite=self._overwrite, boxes=boxes))
        return files

    def _colour(self, name: str) -> tuple[int, int, int]:
        return self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])


def _label(finding: "Finding") -> str:
    return finding.name if finding.probability is None else f"{finding.name} {_percent(finding.probability)}"


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.095 else f"{share:.1%}"


def _places(explanation: "Explanation", findings: "list[Finding]") -> Record:
    photo = explanation.photo
    boxes = [{"box": list(f.box), "score": f.score, "heat": f.heat} for f in findings]
    return {"width": photo.width, "height": photo.height, "boxes": boxes}


def _said(explanation: "Explanation", findings: "list[Finding]", files: list[Path]) -> str:
    shown = " ".join("({:.0f}, {:.0f}, {:.0f}, {:.0f})".format(*f.box) for f in findings[:3])
    more = f" and {len(findings) - 3} more" if len(findings) > 3 else ""
    likely = explanation.probability
    nothing = "nothing found" if likely is None else f"nothing found, probability {_percent(likely)}"
    everything = ", all that the model saw" if any(_covers(f.box, explanation) for f in findings) else ""
    return " ".join([f"boxes {shown}{more}{everything}" if findings else nothing, *map(str, files)])


def _covers(box: "Box", explanation: "Explanation") -> bool:
    """Whether a box leaves nothing out, so that the map tells of no place."""
    x0, y0, x1, y1 = box
    return (x1 - x0) * (y1 - y0) >= _EVERYTHING * float(explanation.seen.sum())
