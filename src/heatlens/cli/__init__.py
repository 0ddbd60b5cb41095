"""The command line.  Commands load torch when they run, not when they are listed."""

import sys
import warnings
from io import TextIOWrapper
from typing import Any

import click

from ..words.errors import HeatlensError, HeatlensWarning
from ..words.version import __version__
from ..words.wording import shown
from .commands.boxes import boxes
from .commands.classes import classes
from .commands.describe import describe
from .commands.evaluate import evaluate, table
from .commands.explain import explain
from .commands.layers import layers
from .commands.locate import locate
from .commands.methods import methods
from .commands.metrics import metrics
from .commands.models import models
from .commands.recipes import recipes
from .terminal import echo


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="heatlens")
def cli() -> None:
    """See where a vision model looks."""


for command in (explain, locate, boxes, describe, evaluate, table, methods, recipes, metrics, layers, models, classes):
    cli.add_command(command)


def main() -> None:
    """Exit codes: 0 done, 1 some photos failed, 2 the request could not be carried out, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files may be in no encoding at all
    warnings.showwarning = _warned
    try:
        code = cli(prog_name="heatlens", standalone_mode=False)
    except click.ClickException as error:
        error.message = shown(error.message)  # type: ignore[misc]
        error.show()
        sys.exit(2)
    except HeatlensError as error:
        echo(f"heatlens: {error}", err=True)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        echo("heatlens: interrupted; what is written stays", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)


def _warned(message: Warning | str, category: type[Warning], *where: Any, **others: Any) -> None:
    """What a person should know, in one line; what other libraries say to programmers is not for them."""
    if issubclass(category, HeatlensWarning):
        echo(f"heatlens: {message}", err=True)
