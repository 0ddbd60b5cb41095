"""Words as they come and go: requests in one line, names that are no UTF-8, the mark on files."""

from functools import cache
from typing import Any
from unicodedata import category

from .errors import BadValue

MARK = "made by heatlens"
"""By which its own files are known: PNG's and TIFF's Software, JPEG's comment, WebP's EXIF, a field of JSON and XML."""


def read_request(spec: str) -> tuple[str, dict[str, str]]:
    """The name, and the settings as they are written, of a request such as "noise:samples=16,sigma=0.1"."""
    name, _, rest = spec.partition(":")
    given = {}
    for word in filter(None, rest.split(",")):
        key, equals, value = (part.strip() for part in word.partition("="))
        if not equals:
            raise BadValue(f"{word!r} in {spec!r}", "setting=value")
        given[key] = value
    return name, given


def readable(text: str) -> str:
    """A text that can be shown and stored: what is no UTF-8 in the name of a file becomes `\\udcff`."""
    return text.encode("utf-8", "backslashreplace").decode()


def shown(text: str) -> str:
    """A text as a terminal may have it: control characters, and what turns the direction of writing, as `\\u001b`."""
    return "".join(c if c in "\n\t" or not _controls(c) else f"\\u{ord(c):04x}" for c in text)


def _controls(character: str) -> bool:
    return category(character) in ("Cc", "Cf", "Zl", "Zp") and character not in "\u200d\ufe0f"


@cache
def spelling(name: str) -> str:
    """One spelling of every name: `GradCAM++`, `grad-cam-pp` and `grad_cam_pp` are the same."""
    plain = name.lower().replace("plusplus", "pp").replace("++", "pp")
    return "".join(c for c in plain if c.isalnum())


def worded(value: Any) -> str:
    """A setting as a person writes it: several numbers are joined by a plus."""
    return "+".join(map(str, value)) if isinstance(value, tuple) else str(value)
