"""Models that cannot give all the evidence that a torch module gives: which words, and why."""

from dataclasses import dataclass
from importlib import import_module

from ..errors import EvidenceMissing
from ..registry import EVIDENCE, METHODS, Entry, needs

DERIVATIVES = frozenset(
    {"gradients", "perturbed", "gradients_with", "curvature", "full_gradients", "propagated", "class_weights"}
)
"""What is had only by looking at derivatives, or into modules of torch."""
LAYERS = frozenset(EVIDENCE) - {"images", "baseline", "enlarge", "score_under"}
"""What is had only by looking at a layer."""


@dataclass(frozen=True)
class Lacking:
    """The evidence that a model does not give."""

    words: frozenset[str]
    why: str
    """As in "an ONNX Runtime session has none"."""

    def stops(self, entry: Entry) -> str:
        """The evidence that the method would need and does not get; empty where it works."""
        missing = [word for word in needs(entry.function) if word in self.words]
        if not missing and entry.optimises and "gradients" in self.words:
            return "gradients"
        return missing[0] if missing else ""

    def check(self, entry: Entry) -> None:
        """`EvidenceMissing`, with the methods that work, for one that does not."""
        if word := self.stops(entry):
            spoken = "gradients" if word in DERIVATIVES and "gradients" in self.words else word
            raise EvidenceMissing(
                f"{entry.name} needs {spoken}; {self.why}", "", f"Methods that work: {', '.join(self.working())}"
            )

    def working(self) -> list[str]:
        """The methods that work all the same."""
        import_module("heatlens.methods")
        return [name for name, entry in sorted(METHODS.items()) if not self.stops(entry)]
