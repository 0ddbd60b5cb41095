"""Optional packages: asked for by name, and missed with the exact line that installs them."""

from importlib import import_module
from types import ModuleType

from .errors import MissingExtra

_EXTRA = {
    "skimage": "superpixels",
    "sklearn": "clusters",
    "scipy": "localize",
    "cv2": "grabcut",
    "pyarrow": "evaluate",
    "pycocotools": "coco",
    "nibabel": "volumes",
}


def require(module: str, *, extra: str | None = None) -> ModuleType:
    """The module; `MissingExtra` with the install line where it is absent.

    extra: what brings the module for this purpose, where another extra does too.
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        extra = extra or _EXTRA.get(package, package)
        raise MissingExtra(
            f"the package {package} is not installed", f"the extra {extra!r}", f'Run: pip install "heatlens[{extra}]"'
        ) from None
