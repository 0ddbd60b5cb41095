"""What is asked, as values: a method with its settings, the layers, their fusion, the average."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NoReturn

from ..methods.contents import as_entry
from ..words.errors import BadValue, unknown
from ..words.signature import Entry, Method, checked_settings, needs, settings
from ..words.wording import spelling
from .averages import Average, find_average
from .fusion import Fusion, find_fusion
from .layers import Named, several

AUTO = "auto"
"""A fusion that is left to the method."""
_TAIL = frozenset({"score_with", "gradients_with", "propagated"})
_WITHOUT_TARGET = frozenset({"activations", "images", "baseline", "enlarge"})
_AT_LAYERS = frozenset(
    {"activations", "gradients", "class_weights", "perturbed", "score_with", "gradients_with", "curvature"}
)
_GRAPH = frozenset({"gradients", "curvature"})


@dataclass(frozen=True)
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


def recipes(
    method: "str | Method | Recipe | Sequence[str | Method | Recipe]",
    given: Mapping[str, Any],
    layers: Named | Sequence[Named] | None = None,
    fuse: str | Fusion | None = AUTO,
    average: str | Average | None = None,
    negative: bool = False,
) -> list[Recipe]:
    """One recipe per method; each setting goes to the methods that have it, and must belong to one."""
    methods: list[Any] = [_named(m) for m in (method if isinstance(method, list | tuple) else [method])]
    if not methods:
        raise BadValue("no method", "at least one", "All names: heatlens methods")
    entries = [m.entry if isinstance(m, Recipe) else as_entry(m) for m in methods]
    known = {key for entry in entries for key in settings(entry.function)}
    for key in given:
        if key not in known:
            raise unknown(
                "setting", key, sorted(known), "heatlens methods", owner=" and ".join(e.name for e in entries)
            )
    at = several(layers)
    averaged = find_average(average)
    if fuse not in (None, AUTO, "none"):
        find_fusion(fuse)
    if (at or fuse != AUTO or averaged or negative) and all(isinstance(m, Recipe) for m in methods):
        raise BadValue(
            f"layers, a fusion, an average or negative for {entries[0].name}", "a method; a recipe has its own"
        )
    return [
        m
        if isinstance(m, Recipe)
        else Recipe(_plain(m, entry), _own(entry, given), at, fuse, averaged, negative=negative)
        for m, entry in zip(methods, entries, strict=True)
    ]


def _named(method: Any) -> Any:
    """The recipe that ships under a name; anything else as it is."""
    if not isinstance(method, str):
        return method
    return next((recipe for name, recipe in RECIPES.items() if spelling(name) == spelling(method)), method)


def find_recipe(name: str) -> Recipe:
    """The recipe that ships under a name; raises `UnknownName`."""
    found = _named(name)
    if not isinstance(found, Recipe):
        raise unknown("recipe", name, RECIPES)
    return found


def _plain(method: str | Method, entry: Entry) -> str | Method:
    """One spelling for registered methods; a person's own function stays itself."""
    return entry.name if isinstance(method, str) else method


def _own(entry: Entry, given: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    known = settings(entry.function)
    return tuple(checked_settings(entry, {k: v for k, v in given.items() if k in known}).items())


_TWO, _FOUR = (f"scales:factors={sizes},mirrored=true" for sizes in ("1+1.5", "1+1.5+2+2.5"))


def _part(method: str, stage: int, average: str | None = None, *, contrast: bool = False) -> Recipe:
    return Recipe(method, layers=(f"stage:{stage}",), average=average, contrast=contrast)


RECIPES: MappingProxyType[str, Recipe] = MappingProxyType(
    {
        "fast": Recipe(
            "fast",
            fuse="geometric",
            parts=(_part("grad_cam", -1, contrast=True), _part("layer_cam", -4, contrast=True)),
        ),
        "balanced": Recipe(
            "balanced",
            fuse="geometric",
            parts=(
                _part("grad_cam", -1, _TWO, contrast=True),
                _part("layer_cam", -3, _TWO, contrast=True),
                _part("hires_cam", -3, _TWO),
                _part("layer_cam", -4, _TWO, contrast=True),
            ),
        ),
        "precise": Recipe(
            "precise",
            fuse="geometric",
            parts=(
                _part("grad_cam", -1, _FOUR),
                _part("grad_cam", -1, _FOUR, contrast=True),
                _part("layer_cam", -2, _FOUR, contrast=True),
                _part("layer_cam", -4, _FOUR, contrast=True),
            ),
        ),
    }
)
"""Recipes that were chosen by measurement, as the best for what they cost; docs/benchmark.md says by which."""
