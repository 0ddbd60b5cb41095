"""heatlens methods, layers, models, classes and the help."""

import os
import re
import subprocess
import sys
import time
from importlib.resources import files
from typing import Any

import click
import pytest

import heatlens
from heatlens.cli import cli
from heatlens.metrics.contents import all_metrics
from heatlens.recipes.shipped import RECIPES

pytestmark = pytest.mark.usefixtures("model")


def test_every_method_with_paper_needs_settings_and_cost(run: Any) -> None:
    said = run("methods")
    assert said.code == 0
    blocks = dict(block.split("\n", 1) for block in said.out.strip().split("\n\n"))
    assert sorted(blocks) == heatlens.methods()
    for block in blocks.values():
        keys = [line.split()[0] for line in block.splitlines() if line[2] != " "]
        assert keys == ["paper", "needs", "settings", "cost"]
        assert max(map(len, block.splitlines())) <= 110
    assert "arXiv:1710.11063" in blocks["grad_cam_pp"]
    assert "activations, gradients" in blocks["grad_cam_pp"]
    assert "1 forward + 1 backward" in blocks["grad_cam_pp"]


def test_one_method_however_it_is_spelt_and_a_short_table(run: Any) -> None:
    assert run("methods", "Grad-CAM++").out.startswith("grad_cam_pp\n")
    rows = run("methods", "--short").out.splitlines()
    assert [row.split()[0] for row in rows] == heatlens.methods()
    assert len({row.index("1 forward") for row in rows}) == 1
    wrong = run("methods", "gradcamm")
    assert (wrong.code, wrong.out) == (2, "")
    assert "No method is called 'gradcamm'. Close: " in wrong.err


def test_every_recipe_with_its_parts_and_cost(run: Any) -> None:
    said = run("recipes")
    assert said.code == 0
    blocks = dict(block.split("\n", 1) for block in said.out.strip().split("\n\n"))
    assert list(blocks) == list(RECIPES)
    for name, block in blocks.items():
        keys = [line[:10].strip() for line in block.splitlines() if line[2] != " "]
        assert keys == ["fusion", *(f"part {i + 1}" for i in range(len(RECIPES[name].parts))), "cost"]
        assert block.endswith(RECIPES[name].cost)
    assert run("recipes", "Precise").out.startswith("precise\n")
    wrong = run("recipes", "precice")
    assert (wrong.code, wrong.out) == (2, "")
    assert "No recipe is called 'precice'. Close: precise" in wrong.err


def test_every_metric_with_source_needs_settings_and_which_way_is_better(run: Any) -> None:
    said = run("metrics")
    assert said.code == 0
    blocks = dict(block.split("\n", 1) for block in said.out.strip().split("\n\n"))
    assert list(blocks) == [metric.name for metric in all_metrics()]
    for block in blocks.values():
        keys = [line.split()[0] for line in block.splitlines() if line[2] != " "]
        assert keys == ["source", "needs", "settings", "better"]
        assert max(map(len, block.splitlines())) <= 110
    assert "arXiv:1806.07421" in blocks["deletion"]
    assert "images, attribution, confidence_under" in blocks["deletion"]
    assert "step=224" in blocks["deletion"]
    assert blocks["deletion"].endswith("better    lower")
    assert blocks["pointing_game"].endswith("better    higher, needs the truth about the photos")
    rows = run("metrics", "Deletion", "max-sensitivity", "--short").out.splitlines()
    assert rows == ["deletion         lower is better", "max_sensitivity  lower is better"]
    wrong = run("metrics", "deletoin")
    assert (wrong.code, wrong.out) == (2, "")
    assert "No metric is called 'deletoin'. Close: deletion" in wrong.err


def test_layers_are_a_table_with_the_recommended_one_marked(run: Any) -> None:
    said = run("layers", "tiny", "--size", "32")
    assert said.out.splitlines() == [
        "  #  layer   type        output     map",
        "  0  body.0  Conv2d      1x8x32x32  32x32",
        "  1  body.1  ReLU        1x8x32x32  32x32",
        "  2  body.2  MaxPool2d   1x8x16x16  16x16",
        "  3  body.3  Conv2d      1x6x16x16  16x16",
        "  4  body    Sequential  1x6x16x16  16x16",
        "* 5  relu    ReLU        1x6x16x16  16x16",
        "     head    Linear      1x4        none",
        "* recommended: what is declared for this model",
    ]
    some = run("layers", "tiny", "--filter", "head").out.splitlines()
    assert [row.split()[:3] for row in some[1:-1]] == [["*", "5", "relu"], ["head", "Linear", "1x4"]]
    found = run("layers", "torchvision/squeezenet1_1", "--weights", "none", "--size", "64", "--filter", "12").out
    assert re.search(r"\n\* \d+ +features ", found)
    assert found.endswith("* recommended: the last layer whose map still carries gradient\n")
    assert run("layers", "nosuch").code == 2


def test_classes_with_what_else_they_are_called(run: Any) -> None:
    assert run("classes", "tiny").out.splitlines() == ["    0  cat", "    1  dog", "    2  cow", "    3  hen"]
    known = run("classes", "torchvision/squeezenet1_1", "--filter", "tiger cat").out
    assert known == "  282  tiger cat  (n02123159)\n"
    unnamed = run("classes", "torchvision/squeezenet1_1", "--model-arg", "num_classes=3")
    assert unnamed.out == "the classes of this model have no names; explain them by index\n"


def test_the_classes_of_the_bundled_model(run: Any) -> None:
    if not files("heatlens.models.bundled").joinpath("bundled_cnn.safetensors").is_file():
        pytest.skip("the bundled weights are not in this checkout")
    assert "  cat  (" in run("classes", "bundled").out


def test_models_by_library(run: Any) -> None:
    every = run("models")
    assert "and files: NAME.onnx, NAME.pt2, NAME.torchscript, caffe/deploy.prototxt" in every.err
    every = every.out.splitlines()
    assert "torchvision/resnet50" in every
    assert "timm/vit_tiny_patch16_224" in every
    some = run("models", "torchvision", "--filter", "resnet15").out.splitlines()
    assert some == ["torchvision/resnet152"]
    assert "torchvision/fasterrcnn_resnet50_fpn" in every
    told = run("models", "transformers").err
    assert told.startswith("transformers/NAME of the hub, or transformers/FOLDER: beit, ")
    assert " clip, " in told
    wrong = run("models", "torchvison")
    assert wrong.code == 2
    assert "No library is called 'torchvison'. Close: torchvision" in wrong.err


@pytest.mark.parametrize("command", [[], *([name] for name in cli.commands)])
def test_help_says_something_about_every_option(run: Any, command: list[str]) -> None:
    said = run(*command, "--help")
    assert said.code == 0
    assert said.out.startswith("Usage: heatlens")
    for param in cli.commands[command[0]].params if command else []:
        assert isinstance(param, click.Argument) or param.help, param.name


def test_the_version(run: Any) -> None:
    assert run("--version").out == f"heatlens, version {heatlens.__version__}\n"


def test_an_unknown_command(run: Any) -> None:
    said = run("explian")
    assert said.code == 2
    assert "No such command 'explian'" in said.err


HELP = """
import sys, time
start = time.perf_counter()
from heatlens.cli import cli
for words in ([], *([name] for name in cli.commands)):
    cli([*words, "--help"], standalone_mode=False)
took = time.perf_counter() - start
heavy = sorted({"torch", "torchvision", "timm", "numpy", "PIL", "matplotlib", "tqdm"} & set(sys.modules))
print(heavy, took, file=sys.stderr)
"""


def test_help_of_all_commands_loads_nothing_heavy_and_comes_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True)
    heavy, took = done.stderr.rsplit(" ", 1)
    assert heavy == "[]"
    assert float(took) < 0.5


def test_a_closed_pipe_ends_quietly() -> None:
    reading, writing = os.pipe()
    words = [sys.executable, "-c", "from heatlens.cli import main; main()", "methods"]
    process = subprocess.Popen(words, stdout=writing, stderr=subprocess.PIPE)
    os.close(reading)
    os.close(writing)
    start = time.monotonic()
    _, err = process.communicate(timeout=120)
    assert err == b""
    assert time.monotonic() - start < 120
