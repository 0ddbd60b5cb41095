"""Adding a thing is one file and one line, tried in a copy of the package; another package adds without any line."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

from architecture.source import ROOT

SHARED = """
import heatlens, torch, json, sys
from heatlens.models import Subject
from heatlens.images import Preprocessing
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1),
                            torch.nn.Flatten(), torch.nn.Linear(4, 3)).eval()
images = torch.rand(2, 3, 16, 16)
subject = Subject("mine", model, Preprocessing((16, 16)), layers=("1",))
"""


@dataclass(frozen=True)
class Thing:
    """What is added: its file, the one line, and code that uses it by its name."""

    file: str
    text: str
    page: str
    line: str
    use: str


THINGS = {
    "a method": Thing(
        "methods/plain_sum.py",
        '''\
"""A sum."""

from ..words.signature import method


@method
def plain_sum(activations, *, power: float = 1.0):
    return (activations**power).sum(1)
''',
        "methods/contents.py",
        "from .plain_sum import plain_sum as plain_sum",
        """\
maps = heatlens.attribute(subject, images, method='Plain-Sum', settings={'power': 2.0}, upsample=False)
assert torch.equal(maps, (model[:2](images) ** 2).sum(1))
assert 'plain_sum' in heatlens.methods()
""",
    ),
    "a metric": Thing(
        "metrics/warmth.py",
        '''\
"""A mean."""

from ..words.metric import metric


@metric(better="lower")
def warmth(heat, *, scale: float = 1.0):
    return heat.flatten(1).mean(1) * scale
''',
        "metrics/contents.py",
        "from .warmth import warmth as warmth",
        """\
import numpy as np
random = np.random.default_rng(0)
photo = (random.random((16, 16, 3)) * 255).astype('uint8')
one, two = heatlens.measure(subject, photo, ['warmth', 'warmth:scale=2']).values()
assert abs(two - 2 * one) < 1e-6
assert one > 0
""",
    ),
    "a target": Thing(
        "targets/total.py",
        '''\
"""All scores."""

from .kind import Kind
from .outputs import class_logits


def _made(asked):
    return lambda outputs: class_logits(outputs).sum(1)


TOTAL = Kind("total", "the sum of all scores", _made, "total:")
''',
        "targets/kinds.py",
        "from .total import TOTAL as TOTAL",
        """\
maps = heatlens.attribute(subject, images, target='total:')
same = heatlens.attribute(subject, images, target=lambda out: out.sum(1))
assert torch.equal(maps, same)
""",
    ),
    "an average": Thing(
        "recipes/averages/bright.py",
        '''\
"""Brighter pictures."""

from dataclasses import dataclass
from typing import ClassVar

from .views import unchanged


@dataclass(frozen=True)
class Bright:
    by: float = 2.0
    scaled: ClassVar[bool] = False
    passes: ClassVar[float] = 1

    def views(self, images, baseline):
        yield images * self.by, unchanged
''',
        "recipes/averages/__init__.py",
        "from .bright import Bright as Bright",
        """\
maps = heatlens.attribute(subject, images, average='bright:by=3', target=1)
assert torch.allclose(maps, heatlens.attribute(subject, images * 3, target=1))
""",
    ),
    "a library of models": Thing(
        "models/libraries/tiny.py",
        '''\
"""Tiny networks."""

from torch import nn

from ..subject.library import Library


def tiny(name, weights=None, **options):
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


TINY = Library("tiny", tiny, lambda: ["one", "two"])
''',
        "models/loading.py",
        "from .libraries.tiny import TINY as TINY",
        """\
from heatlens.models.loading import names_by_library
assert names_by_library('tiny')['tiny']() == ['one', 'two']
assert heatlens.load('tiny/one').name == 'tiny/one'
""",
    ),
    "a kind of picture": Thing(
        "images/reading/grey_text.py",
        '''\
"""Grey pictures as text."""

import numpy as np

from .kind import PictureKind


def _decode(file, what):
    rows = [line.split() for line in file.read().decode()[5:].splitlines() if line]
    return np.repeat(np.array(rows, np.uint8)[..., None], 3, axis=2)


GREY_TEXT = PictureKind((".grey",), lambda begin: begin.startswith(b"GREY"), _decode)
''',
        "images/reading/kinds.py",
        "from .grey_text import GREY_TEXT as GREY_TEXT",
        """\
from pathlib import Path
from heatlens.images import find_photos, read_photo
Path('a.grey').write_text('GREY\\n0 128\\n255 7\\n')
assert read_photo('a.grey').pixels[:, :, 0].tolist() == [[0, 128], [255, 7]]
assert len(find_photos('.')) == 1
""",
    ),
    "a form of output": Thing(
        "localize/formats/lines.py",
        '''\
"""A line for a box."""

from .form import Form


def _write(photos):
    return "".join(f"{f.name} {f.box}\\n" for photo in photos for f in photo.findings).encode()


LINES = Form("lines", "txt", _write)
''',
        "localize/formats/__init__.py",
        "from .lines import LINES as LINES",
        """\
import numpy as np
from PIL import Image
from heatlens.cli import cli
random = np.random.default_rng(0)
Image.fromarray((random.random((64, 64, 3)) * 255).astype('uint8')).save('a.png')
cli(['locate', 'a.png', '-m', 'bundled', '--format', 'lines', '-q', '-t', 'cat', '--min-probability', '0'],
    standalone_mode=False)
assert open('heatlens-out/a.txt').read().startswith('cat (')
""",
    ),
}


def run(code: str, folder: Path, *paths: Path) -> None:
    script = f"import sys\nsys.path[:0] = {json.dumps(list(map(str, paths)))}\n{SHARED}{code}\n"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("what", THINGS)
def test_adding_is_one_file_and_one_line(what: str, tmp_path: Path) -> None:
    thing, package = THINGS[what], tmp_path / "src" / "heatlens"
    copytree(ROOT, package, ignore=ignore_patterns("__pycache__"))
    (package / thing.file).write_text(thing.text)
    page = package / thing.page
    before = page.read_text("utf-8")
    first = next(line for line in before.splitlines() if line.startswith("from .") and " as " in line)
    page.write_text(before.replace(first, f"{thing.line}\n{first}", 1), "utf-8")
    assert len(page.read_text("utf-8").splitlines()) == len(before.splitlines()) + 1
    run(f"assert heatlens.__file__.startswith({str(package)!r})\n{thing.use}", tmp_path, tmp_path / "src")


PLUGIN = """
import torch

def bright_places(activations, *, power: float = 1.0):
    return activations.amax(1) ** power

def spread(heat):
    return heat.flatten(1).std(1)

def network(name, weights=None, **options):
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
"""
POINTS = """
[heatlens.methods]
bright_places = theirs:bright_places
broken = theirs_that_is_not_there:f
grad_cam = theirs:bright_places
[heatlens.metrics]
spread = theirs:spread
[heatlens.models]
theirs = theirs:network
"""
USE = """
import warnings
from heatlens.metrics.contents import all_metrics
from heatlens.words.errors import BadValue
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    maps = heatlens.attribute(subject, images, method="Bright-Places", settings={"power": 2.0}, upsample=False)
    assert torch.equal(maps, model[:2](images).amax(1) ** 2)
    assert {"bright_places", "broken"} <= set(heatlens.methods())
    assert not torch.equal(heatlens.attribute(subject, images, method="grad_cam", upsample=False), maps)
assert any("heatlens has 'grad_cam' itself" in str(one.message) for one in said)
try:
    heatlens.attribute(subject, images, method="broken")
except BadValue as error:
    assert "'broken' of theirs_that_is_not_there:f cannot be loaded: ModuleNotFoundError" in str(error)
else:
    raise SystemExit("a broken package was not noticed")
warnings.simplefilter("ignore")
assert "spread" in [metric.name for metric in all_metrics()]
assert heatlens.measure(subject, (images[0] * 255).byte(), "spread")["spread"] > 0
assert heatlens.load("theirs/any").name == "theirs/any"
"""


def test_another_package_adds_by_entry_points(tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text(PLUGIN)
    about = tmp_path / "theirs-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(POINTS)
    run(USE, tmp_path, tmp_path, ROOT.parent)
