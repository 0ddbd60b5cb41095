"""Requests in one line: "noise:samples=16,sigma=0.1"."""

from .errors import BadValue


def read_request(spec: str) -> tuple[str, dict[str, str]]:
    """The name, and the settings as they are written."""
    name, _, rest = spec.partition(":")
    given = {}
    for word in filter(None, rest.split(",")):
        key, equals, value = (part.strip() for part in word.partition("="))
        if not equals:
            raise BadValue(f"{word!r} in {spec!r}", "setting=value")
        given[key] = value
    return name, given
