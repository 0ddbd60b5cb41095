"""Options that several commands share: which model, and what a person knows better about it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ...words.errors import BadValue

if TYPE_CHECKING:
    from ...models import Subject

_SECTIONS = {
    "What is shown": (
        "method",
        "recipe",
        "target",
        "metric",
        "top",
        "layers",
        "fuse",
        "average",
        "negative",
        "settings",
    ),
    "What is found": ("threshold", "pick", "refine", "min_probability"),
    "Which photos": ("dataset_arg", "match", "subset", "every", "start", "limit"),
    "Output": (
        "out",
        "overwrite",
        "save",
        "formats",
        "cmap",
        "alpha",
        "contour",
        "peak",
        "title",
        "quiet",
        "form",
        "per_class",
        "rows",
        "curves",
    ),
    "Running": ("engine", "workers", "address", "seed", "part_size", "device", "batch_size", "precision", "compile"),
}

_PAIR = re.compile(r"[A-Za-z_][\w.]*=")
F = TypeVar("F", bound=Callable[..., Any])

_MODEL_OPTIONS = (
    click.option("--weights", metavar="FILE|NAME", help="A file, a published name, or none for random."),
    click.option("--mean", metavar="X[,X,X]", help="Mean that is subtracted, per channel or one for all."),
    click.option("--std", metavar="X[,X,X]", help="Standard deviation, per channel or one for all."),
    click.option("--size", metavar="N|HxW", help="Size of the model's input."),
    click.option("--resize", type=click.Choice(["crop", "squash", "pad"]), help="How the photo is fitted."),
    click.option("--interpolation", metavar="NAME", help="bilinear, bicubic, nearest, …"),
    click.option(
        "--transparency", type=click.Choice(["white", "dropped"]), help="What transparent pixels show the model."
    ),
    click.option("--class-names", metavar="FILE", help="Class names, one per line; also as in Places or ImageNet."),
    click.option("--prefix-tokens", type=int, metavar="N", help="Class, distillation and register tokens."),
    click.option("--grid", metavar="HxW", help="Grid of the patch tokens."),
    click.option("--config", metavar="FILE", help="MMPretrain: the config file of the model."),
    click.option(
        "--cfg-options",
        multiple=True,
        metavar="KEY=VAL …",
        help="MMPretrain: model.head.num_classes=3, KEY=a,b, KEY=[(a,b)] …",
    ),
    click.option("--trust", is_flag=True, help="MMPretrain: run a config that is a program, if you know its author."),
    click.option("--model-arg", multiple=True, metavar="KEY=VALUE", help="Argument of the model, e.g. pad_type=same."),
    click.option(
        "--device",
        default="auto",
        metavar="NAME",
        help="cpu, cuda, cuda:1, mps; auto: a GPU if there is one; of evaluate several, cuda:0,cuda:1.",
    ),
)


def model_options(command: F) -> F:
    """Add the options that `subject_from` reads."""
    return with_options(_MODEL_OPTIONS, command)


def with_options(options: tuple[Callable[[F], F], ...], command: F) -> F:
    """The command with all these options, listed in this order."""
    for option in reversed(options):
        command = option(command)
    return command


def subject_from(model: str, options: dict[str, Any]) -> "Subject":
    """The subject that the model options describe."""
    from ...models import load

    if "," in options["device"]:
        raise BadValue(f"--device {options['device']}", "one device", "heatlens evaluate works on several")
    return load(model, options["weights"], device=device_from(options["device"]), **load_options(options))


def load_options(options: dict[str, Any]) -> dict[str, Any]:
    """What `heatlens.load` is given beside the model, its weights and the device."""
    overrides = {
        "mean": _numbers("mean", options["mean"], float),
        "std": _numbers("std", options["std"], float),
        "size": _numbers("size", options["size"], int),
        "grid": _numbers("grid", options["grid"], int),
        "resize": options["resize"],
        "interpolation": options["interpolation"],
        "transparency": options["transparency"],
        "prefix_tokens": options["prefix_tokens"],
        "classes": options["class_names"],
    }
    given = {key: value for key, value in overrides.items() if value is not None}
    arguments = pairs("--model-arg", options["model_arg"])
    if options["trust"]:
        given["trust"] = True
    if options["config"]:
        given["config"] = options["config"]
    if options["cfg_options"]:
        from ...models.libraries.mmpretrain.configs import parsed_options

        pairs("--cfg-options", options["cfg_options"])
        given["cfg_options"] = parsed_options(options["cfg_options"])
    return {**given, **_typed(arguments)}


class Sections(click.Command):
    """A command whose options are listed by what they are about."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Several KEY=VAL may follow one --cfg-options, as MMPretrain's own tools have it."""
        return super().parse_args(ctx, _each_with("--cfg-options", args))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {title: [] for title in (*_SECTIONS, "Model", "Other")}
        for param in self.get_params(ctx):
            title = next((title for title, names in _SECTIONS.items() if param.name in names), "Model")
            title = "Other" if {"--help", "--filter"} & set(param.opts) else title
            if isinstance(param, click.Option) and (record := param.get_help_record(ctx)) is not None:
                sections[title].append(record)
        for title in ("What is shown", "What is found", "Which photos", "Model", "Output", "Running", "Other"):
            if sections[title]:
                with formatter.section(title):
                    formatter.write_dl(sections[title], col_max=26)


def _each_with(option: str, args: list[str]) -> list[str]:
    """The words with the option before each KEY=VAL that follows it; what is a file stays a photo."""
    said: list[str] = []
    inside = False
    for word in args:
        another = inside and _PAIR.match(word) is not None and not Path(word).exists()
        said += [option, word] if another and said[-1] != option else [word]
        inside = word == option or another
    return said


def pairs(option: str, given: tuple[str, ...]) -> dict[str, str]:
    """key=value, repeatedly."""
    found = dict(text.partition("=")[::2] for text in given)
    for text in given:
        if "=" not in text:
            raise BadValue(f"{option} {text!r}", "KEY=VALUE")
    return found


def _typed(arguments: dict[str, str]) -> dict[str, Any]:
    """Numbers and truth values as such, everything else as text."""
    from ast import literal_eval

    def read(text: str) -> Any:
        try:
            return literal_eval({"true": "True", "false": "False", "none": "None"}.get(text.lower(), text))
        except (ValueError, SyntaxError):
            return text

    return {key: read(value) for key, value in arguments.items()}


def _numbers(name: str, text: str | None, kind: type) -> Any:
    if text is None:
        return None
    try:
        found = tuple(kind(part) for part in text.lower().replace("x", ",").split(","))
    except ValueError:
        raise BadValue(
            f"--{name} {text!r}", "numbers such as 0.5 or 0.485,0.456,0.406, sizes such as 224 or 224x320"
        ) from None
    return found[0] if len(found) == 1 else found


def device_from(name: str) -> str:
    """The device of a name; `auto` is a GPU if there is one."""
    import torch

    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "cpu"
