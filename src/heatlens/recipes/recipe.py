"""What is asked, as values: a method with its settings, the layers, their fusion, the average."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NoReturn

from ..methods.contents import as_entry
from ..words.signature import Entry, Method, needs
from .averages import Average, find_average
from .fusion import Fusion, find_fusion

AUTO = "auto"
"""A fusion that is left to the method."""
_TAIL = frozenset({"score_with", "gradients_with", "propagated"})
_WITHOUT_TARGET = frozenset({"activations", "images", "baseline", "enlarge"})
_AT_LAYERS = frozenset(
    {"activations", "gradients", "class_weights", "perturbed", "score_with", "gradients_with", "curvature"}
)
_GRAPH = frozenset({"gradients", "curvature"})


@dataclass(frozen=True, repr=False)
class Recipe:
    """How a map is made, apart from the model, the photo and the target.  Prints, compares and travels as a value."""

    method: str | Method = "grad_cam"
    settings: tuple[tuple[str, Any], ...] = ()
    layers: tuple[Any, ...] = ()
    """Names, modules, numbers, `all`, stages or ranges; in an answer names.

    Empty: the model's recommended layer, or what the method is meant for."""
    fuse: str | Fusion | None = AUTO
    """How several layers combine; "auto": as the method declares; None: each layer, or part, gives a map of its own."""
    average: str | Average | None = None
    contrast: bool = False
    """Whether a class is explained against those that are like it (`targets.Contrast`), not by itself."""
    parts: "tuple[Recipe, ...]" = ()
    """Recipes whose maps are fused to one; `method` is the name of the whole."""
    negative: bool = False
    """Whether what speaks against the target counts below zero also where the method shows only what speaks for it."""

    def __repr__(self) -> str:
        """What is not as usual; of parts how many there are."""
        method = repr(self.method) if isinstance(self.method, str) else self.entry.name
        others = [f for f in fields(self) if f.name not in ("method", "parts")]
        said = [f"{f.name}={getattr(self, f.name)!r}" for f in others if getattr(self, f.name) != f.default]
        return f"Recipe({', '.join([method, *([f'{len(self.parts)} parts'] if self.parts else []), *said])})"

    @property
    def entry(self) -> Entry:
        return Entry(str(self.method), _of_parts) if self.parts else as_entry(self.method)

    @property
    def fusion(self) -> Fusion:
        return find_fusion(self.entry.fuse if self.fuse is None or self.fuse in (AUTO, "none") else self.fuse)

    @property
    def apart(self) -> bool:
        """Whether each of its layers, or parts, gives a map of its own."""
        return self.fuse is None or self.fuse == "none"

    @property
    def needs(self) -> frozenset[str]:
        return frozenset(needs(self.entry.function))

    @property
    def differentiates(self) -> bool:
        return bool(self.needs & _GRAPH)

    @property
    def knows_target(self) -> bool:
        """Whether the map depends on what is explained."""
        return not self.needs <= _WITHOUT_TARGET

    @property
    def knows_class(self) -> bool:
        """Whether what is explained matters for more than which tokens the network reads in the end."""
        return not self.needs <= _WITHOUT_TARGET | {"attention"}

    @property
    def doubled(self) -> bool:
        """Whether its map is the target's less that of the target's opposite."""
        return self.negative and self.knows_class and not self.entry.signed and self.entry.display == "peak"

    @property
    def needs_layers(self) -> bool:
        """Whether it cannot do without a layer that has a map."""
        return bool(self.needs & _AT_LAYERS)

    @property
    def replays(self) -> bool:
        return bool(self.needs & _TAIL)

    @property
    def cost(self) -> str:
        """Passes through the network in words; a view counts as many as a picture of the usual size would cost."""
        groups: dict[Average | None, list[Recipe]] = {None: []}
        for part in self.parts or (self,):
            groups.setdefault(find_average(part.average), []).append(part)
        plain = groups.pop(None)
        views = [f"{_views(average)} x ({_passes(parts)})" for average, parts in groups.items()]
        return " + ".join([_passes(plain) if plain else "1 forward", *views])


def _views(average: Average | None) -> str:
    passes = getattr(average, "passes", None)
    return "views" if passes is None else f"{passes:g}"


def _passes(parts: "Sequence[Recipe]") -> str:
    """Of recipes that share a look: what each adds, and a backward pass for each of the targets."""
    targets = len({part.contrast for part in parts if part.differentiates})
    terms = dict.fromkeys(term for part in parts for term in part.entry.cost.split(" + "))
    return " + ".join(f"{targets} backward" if term == "1 backward" else term for term in terms)


def _of_parts() -> NoReturn:
    """A recipe that has parts has no function of its own."""
    raise TypeError(_of_parts.__doc__)
