"""What `heatlens locate` makes: photos with boxes, `boxes.json`, annotations in the forms of COCO and Pascal VOC."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .pictures import kinds_of

if TYPE_CHECKING:
    from ..explanation import Explanation
    from ..localize import Finding, Located

KINDS = ("png", "heat", "none")
_COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))
"""Told apart with any eyes (Okabe & Ito, Color Universal Design, 2008); one per class, in the order of its finding."""


class Places:
    """Boxes of explanations."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.out = Path(options["out"]).expanduser()
        self._how = {key: options[key] for key in ("threshold", "pick", "refine") if options[key] is not None}
        self._save = options["save"]
        self._formats = options["formats"]
        self._records: list[dict[str, Any]] = []
        self._located: dict[str, Located] = {}
        self._colours: dict[str, tuple[int, int, int]] = {}

    def check(self) -> None:
        import numpy as np

        from ..localize import search

        self._kinds = kinds_of(self._save, KINDS)
        search(np.ones((8, 8), np.float32), np.zeros((8, 8, 3), np.uint8), **self._how)

    def add(self, stem: str, explanations: "list[Explanation]") -> list[str]:
        from ..localize import Located

        found = [e.findings(**self._how) for e in explanations]
        pictures = self._drawn(stem, explanations, found)
        for explanation, findings, files in zip(explanations, found, pictures, strict=True):
            self._records.append(_record(explanation, findings, files))
        photo = explanations[0].photo
        every = [finding for findings in found for finding in findings]
        self._located[stem] = Located(str(photo.path or photo.name), (photo.height, photo.width), every)
        return [_said(findings, files) for findings, files in zip(found, pictures, strict=True)]

    def finish(self) -> str:
        from ..images import save_json, write_bytes
        from ..localize import coco, voc

        if not self._records:
            return ""
        path = save_json(self.out / "boxes.json", self._records)
        if "coco" in self._formats:
            save_json(self.out / "coco.json", coco(list(self._located.values())))
        if "voc" in self._formats:
            for stem, photo in self._located.items():
                write_bytes(self.out / f"{stem}.xml", voc(photo))
        count = sum(len(record["boxes"]) for record in self._records)
        return f"{count} box{'es' * (count != 1)} in {path}"

    def _drawn(self, stem: str, explanations: "list[Explanation]", found: "list[list[Finding]]") -> list[list[str]]:
        """The pictures that show each explanation's boxes: the photo with all of them, its own map."""
        from ..images import boxed, save_image, unique_names

        files: list[list[str]] = [[] for _ in explanations]
        if "png" in self._kinds:
            labelled = [(f.box, self._colour(f.name), _label(f)) for findings in found for f in findings]
            page = save_image(self.out / f"{stem}.png", boxed(explanations[0].photo.image(), labelled))
            files = [[str(page)] for _ in explanations]
        if "heat" in self._kinds:
            words = unique_names(f"{stem}-{e.method}-{e.name}" for e in explanations)
            for e, findings, name, own in zip(explanations, found, words, files, strict=True):
                own.append(str(e.save(self.out / f"{name}.png", boxes=[f.box for f in findings])))
        return files

    def _colour(self, name: str) -> tuple[int, int, int]:
        return self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])


def _label(finding: "Finding") -> str:
    return finding.name if finding.probability is None else f"{finding.name} {finding.probability:.0%}"


def _record(explanation: "Explanation", findings: "list[Finding]", files: list[str]) -> dict[str, Any]:
    photo = explanation.photo
    boxes = [{"box": list(f.box), "score": f.score} for f in findings]
    size = {"width": photo.width, "height": photo.height}
    return {**explanation.record(), **size, "boxes": boxes, "files": files}


def _said(findings: "list[Finding]", files: list[str]) -> str:
    shown = " ".join("({:.0f}, {:.0f}, {:.0f}, {:.0f})".format(*f.box) for f in findings[:3])
    more = f" and {len(findings) - 3} more" if len(findings) > 3 else ""
    return " ".join([f"boxes {shown}{more}" if findings else "no box", *files])
