"""What methods return, looked at before anybody believes it."""

from torch import Tensor

from ..recipes.recipe import Recipe
from ..words.errors import BadValue, NotFinite
from ..words.notation import Maps


def checked(maps: object, recipe: Recipe, layer: str, images: Tensor) -> Maps:
    """What a method returned, if it is a map of every image."""
    if not isinstance(maps, Tensor) or not maps.is_floating_point():
        found = str(maps.dtype) if isinstance(maps, Tensor) else f"a {type(maps).__name__}"
        do = "Return torch.from_numpy(…) of it" if type(maps).__module__ == "numpy" else ""
        raise BadValue(f"the method {recipe.entry.name} returned {found}", "a tensor of floats (n, *space)", do)
    if maps.ndim < 2 or len(maps) != len(images):
        raise BadValue(
            f"the method {recipe.entry.name} returned {tuple(maps.shape)} for {len(images)} images",
            f"maps ({len(images)}, *space)",
        )
    if not bool(maps.isfinite().all()):
        raise not_finite(recipe, layer)
    return maps


def not_finite(recipe: Recipe, layer: str) -> NotFinite:
    """The error for a map that came out as no numbers."""
    where = f" at layer {layer!r}" if layer else ""
    return NotFinite(f"{recipe.entry.name}{where} came out as NaN or infinity", "finite activations")
