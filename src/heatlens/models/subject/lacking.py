"""Models that cannot give all the evidence that a torch module gives: what they give, and why no more."""

from dataclasses import dataclass
from importlib import import_module

from ...methods.contents import METHODS
from ...words.errors import EvidenceMissing
from ...words.signature import Entry, needs

PICTURES = frozenset({"images", "baseline", "enlarge", "score_under"})
"""What a network gives that only answers."""
LAYERS = PICTURES | {"activations", "score_with"}
"""What a network gives whose layers can be read and replaced."""
SLOPES = LAYERS | {"gradients", "perturbed", "gradients_with"}
"""What a network gives whose layers have gradients too."""
_DERIVATIVES = frozenset({"gradients", "perturbed", "gradients_with", "curvature", "full_gradients", "propagated"})


@dataclass(frozen=True)
class Lacking:
    """A model that gives less evidence than a torch module."""

    gives: frozenset[str]
    why: str
    """As in "an ONNX Runtime session has none"."""

    def stops(self, entry: Entry) -> str:
        """The evidence that the method would need and does not get; empty where it works."""
        missing = [word for word in needs(entry.function) if word not in self.gives]
        if entry.optimises and "gradients" not in self.gives:
            return "gradients"
        return missing[0] if missing else ""

    def check(self, entry: Entry) -> None:
        """`EvidenceMissing`, with the methods that work, for one that does not."""
        if word := self.stops(entry):
            spoken = "gradients" if word in _DERIVATIVES and "gradients" not in self.gives else word
            raise EvidenceMissing(
                f"{entry.name} needs {spoken}; {self.why}", "", f"Methods that work: {', '.join(self.working())}"
            )

    def working(self) -> list[str]:
        """The methods that work all the same."""
        import_module("heatlens.methods")
        return [name for name, entry in sorted(METHODS.items()) if not self.stops(entry)]
