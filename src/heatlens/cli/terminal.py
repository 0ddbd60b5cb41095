"""The one place where commands speak: what comes from files and models is text, never a command to the terminal."""

from typing import Any

import click

from ..words.wording import shown


def echo(text: str, *, err: bool = False, **style: Any) -> None:
    """Print a text with its control characters written out.  style: of `click.style`."""
    plain = shown(text)
    click.echo(click.style(plain, **style) if style else plain, err=err)
