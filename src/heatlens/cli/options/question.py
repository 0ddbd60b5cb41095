"""Options that several commands share: what is asked of a model, and how the work is done."""

from typing import Any

import click

from .model import F, with_options

_RECIPE_OPTIONS = (
    click.option(
        "--method",
        "-M",
        metavar="NAME",
        multiple=True,
        help="How; repeatable. All of them: heatlens methods.  [default: grad_cam]",
    ),
    click.option(
        "--recipe",
        metavar="NAME",
        multiple=True,
        help="How, in several steps chosen by measurement; repeatable. All of them: heatlens recipes.",
    ),
    click.option(
        "--layers",
        "-l",
        metavar="NAME",
        multiple=True,
        help="Where: heatlens layers MODEL; repeatable, several are fused. A name, a number of that list, all, "
        "stage:-1, stage:-3..-1 or layer2..layer4.  [default: the recommended one]",
    ),
    click.option(
        "--fuse",
        metavar="NAME",
        default="auto",
        help="Of several layers: mean, maximum, product, tanh_maximum; none: a map of each.  [default: the method's]",
    ),
    click.option(
        "--average",
        metavar="NAME",
        help="Over flips, noise, path, scales or crops; with settings: noise:samples=16,sigma=0.1.",
    ),
    click.option(
        "--negative", is_flag=True, help="Show what speaks against, too, whatever the method shows by itself."
    ),
    click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting of the method; repeatable."),
)


def recipe_options(command: F) -> F:
    """Add the options that say how a map is made."""
    return with_options(_RECIPE_OPTIONS, command)


def methods_of(options: dict[str, Any]) -> list[str]:
    """The methods and recipes that the options ask for; a recipe is asked for like a method."""
    from ...recipes.shipped import find_recipe

    for name in options["recipe"]:
        find_recipe(name)
    return [*options["method"], *options["recipe"]] or ["grad_cam"]


_ASKING_OPTIONS = (
    click.option(
        "--model",
        "-m",
        metavar="NAME",
        default="bundled",
        show_default=True,
        help="bundled, torchvision/NAME, timm/NAME, transformers/NAME (or FOLDER), … All of them: heatlens models.",
    ),
    recipe_options,
    click.option(
        "--target",
        "-t",
        metavar="CLASS",
        multiple=True,
        help="What: a class by name, index or wnid, '#2' for the second prediction, 'contrast:CLASS', "
        "'probability:CLASS', 'rest:CLASS', 'negative:CLASS', 'sum:CLASS+CLASS', 'region:CLASS' (segmentation), "
        "'box:CLASS', 'box:CLASS#2' or 'box:#1' (detection), 'value:OUTPUT' (regression), 'similar:FILE', or a text "
        "(CLIP); repeatable.  [default: the prediction]",
    ),
    click.option("--top", type=click.IntRange(1), metavar="K", help="The K strongest predictions."),
)

_RUNNING_OPTIONS = (
    click.option(
        "--batch-size", type=click.IntRange(1), metavar="N", default=8, show_default=True, help="Photos at once."
    ),
    click.option(
        "--precision",
        type=click.Choice(["fp32", "bf16", "fp16"]),
        default="fp32",
        show_default=True,
        help="Of the network.",
    ),
    click.option(
        "--compile",
        is_flag=True,
        help="Compile the network (torch.compile) for methods that ask it thousands of times.",
    ),
)


overwrite_option = click.option("--overwrite", is_flag=True, help="Replace files that hold something else.")


def asking_options(command: F) -> F:
    """Add the options that say which model is asked what, and how."""
    return with_options(_ASKING_OPTIONS, command)


def running_options(command: F) -> F:
    """Add the options that say how the work is done."""
    return with_options(_RUNNING_OPTIONS, command)
