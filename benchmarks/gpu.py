"""heatlens and its peers on a graphics card: `python -m benchmarks gpu` writes docs/performance-gpu.md in five minutes.

Contenders take turns; the device is waited for before and after each, so that what is timed is the work and not its
launch.  A race ends when its share of the time is up.
"""

import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models import resnet18, resnet50

import heatlens
from heatlens.images import Preprocessing
from heatlens.models import Subject

from . import peers, timing
from .foundation import TEN
from .page import table
from .timing import Row, Work

PAGE = Path(__file__).parents[1] / "docs" / "performance-gpu.md"
NOT_RUN = """# Performance on a graphics card

**Not run yet.** `python -m benchmarks gpu` measures heatlens beside its peers on one card and writes this page, in
about five minutes and unattended; where there is no card it says so and ends. What holds without one is in
[performance](performance.md).
"""
BATCHES = (1, 8, 64)
_MOST = 1000
"""Rounds of a race."""


@dataclass(frozen=True)
class Size:
    """How large the races are."""

    network: Callable[[], nn.Module] = lambda: resnet50(weights=None)
    small: Callable[[], nn.Module] = lambda: resnet18(weights=None)
    side: int = 224
    batches: tuple[int, ...] = BATCHES
    photos: int = 512
    seconds: float = 15.0
    """Of one race."""


@dataclass(frozen=True)
class Finding:
    """One race, and what was aimed at."""

    name: str
    rows: list[Row]
    aim: str
    met: bool | None
    """None where there is nothing to compare with."""


def measure(device: torch.device, size: Size) -> Iterator[Finding]:
    """Race by race."""
    torch.manual_seed(0)
    large, small = size.network().eval().to(device), size.small().eval().to(device)
    for batch in size.batches:
        images = torch.rand(batch, 3, size.side, size.side, device=device)
        most = 1.10 if batch == 1 else 1.05
        yield _against_the_pass(f"Grad-CAM, batch {batch}", large, images, "grad_cam", most, size, peered=True)
        yield _against_the_pass(f"Ten gradient methods, batch {batch}", large, images, TEN, 1.6, size)
        yield _against_the_pass(f"Eigen-CAM, batch {batch}", large, images, "eigen_cam", 1.3, size)
        yield _memory(f"Peak memory of Grad-CAM, batch {batch}", large, images)
    one = torch.rand(1, 3, size.side, size.side, device=device)
    yield _against_peers("Ablation-CAM, the smaller network", small, one, ("ablation_cam", "AblationCAM"), 5, size)
    yield _against_peers("Score-CAM, the smaller network", small, one, ("score_cam", "ScoreCAM"), 3, size)
    subject = Subject("large", large, Preprocessing((size.side, size.side)), layers=("layer4",))
    with TemporaryDirectory() as folder:
        photos = _photos(Path(folder), size.photos)
        yield _photos_a_second(subject, photos, size)
        yield _evaluated(subject, photos[: size.photos // 4], size)


def _against_the_pass(
    name: str,
    model: nn.Module,
    images: Tensor,
    method: str | list[str],
    most: float,
    size: Size,
    *,
    peered: bool = False,
) -> Finding:
    contenders = {
        "plain forward pass": peers.plain(model, images),
        "heatlens": peers.ours(model, images, "layer4", method),
    }
    if peered and find_spec("captum"):
        contenders["captum"] = peers.captum(model, images, "layer4")
    if peered and find_spec("torchcam"):
        contenders["torch-cam"] = peers.torch_cam(model, images, "layer4")
    if peered:
        contenders["pytorch-grad-cam"] = peers.pytorch_grad_cam(model, images, "layer4", ["GradCAM"])
    rows = race(contenders, images.device, size.seconds)
    return Finding(name, rows, f"at most {most:g} x the pass", rows[1].ratio <= most)


def _against_peers(
    name: str, model: nn.Module, images: Tensor, called: tuple[str, str], least: float, size: Size
) -> Finding:
    """called: the method, as we and as they call it."""
    contenders = {
        "heatlens": peers.ours(model, images, "layer4", called[0]),
        "pytorch-grad-cam": peers.pytorch_grad_cam(model, images, "layer4", [called[1]]),
    }
    if called[1] == "ScoreCAM" and find_spec("torchcam"):
        contenders["torch-cam"] = peers.torch_cam(model, images, "layer4", called[1])
    rows = race(contenders, images.device, size.seconds)
    return Finding(name, rows, f"{least:g} x the best peer", min(row.ratio for row in rows[1:]) >= least)


def _photos_a_second(subject: Subject, photos: list[Path], size: Size) -> Finding:
    work = lambda: heatlens.explain(subject, photos, target=1, batch_size=64)  # noqa: E731
    (row,) = race({"heatlens.explain, one method, files to maps": work}, subject.device, size.seconds)
    rate = len(photos) / row.seconds
    return Finding(f"{rate:,.0f} photos a second explained", [row], "1,500 on 16 cores and one card", rate >= 1500)


def _evaluated(subject: Subject, photos: list[Path], size: Size) -> Finding:
    """Insertion asks the network about 32 pictures of each photo; the bare network is shown as many."""
    pictures = 32
    shown = torch.rand(64, 3, size.side, size.side, device=subject.device)
    bare = peers.plain(subject.model, shown)
    step = size.side**2 // (pictures - 1)

    def all_bare() -> None:
        for _ in range(max(1, len(photos) * pictures // len(shown))):
            bare()

    work = lambda: heatlens.measure(subject, [*photos], f"insertion:step={step}", target=1, batch_size=64)  # noqa: E731
    rows = race({"the bare network": all_bare, "heatlens.measure, insertion": work}, subject.device, size.seconds)
    share = 1 / rows[1].ratio
    return Finding(f"Insertion at {share:.0%} of the bare network's rate", rows, "at least 40 %", share >= 0.4)


def _memory(name: str, model: nn.Module, images: Tensor) -> Finding:
    """Against a pass that keeps what the network behind the layer needs, and its backward pass."""
    aim = "at most 1.3 x the tail's own"
    if images.device.type != "cuda":
        return Finding(name, [], aim, None)

    def tail() -> None:
        said: list[Tensor] = []

        def keep(module: nn.Module, args: Any, out: Tensor) -> Tensor:
            said.append(_leaf(out))
            return said[0]

        handle = model.get_submodule("layer4").register_forward_hook(keep)
        torch.autograd.grad(model(images)[:, 1].sum(), said[0])
        handle.remove()

    model.requires_grad_(False)
    ours, own = (_peak(work, images.device) for work in (peers.ours(model, images, "layer4", "grad_cam"), tail))
    told = f"{name}: {ours / 2**20:,.0f} MB, {own / 2**20:,.0f} MB the tail"
    return Finding(told, [], aim, ours <= 1.3 * own)


def _leaf(out: Tensor) -> Tensor:
    return out.detach().requires_grad_()


def _peak(work: Work, device: torch.device) -> int:
    work()
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    work()
    return torch.cuda.max_memory_allocated(device) - before


def _photos(folder: Path, count: int) -> list[Path]:
    """JPEG files of 640 x 480 with something in them."""
    random, paths = np.random.default_rng(0), []
    for i in range(count):
        coarse = Image.fromarray(random.integers(0, 255, (12, 16, 3), np.uint8))
        coarse.resize((640, 480), Image.Resampling.BICUBIC).save(folder / f"{i}.jpg", quality=90)
        paths.append(folder / f"{i}.jpg")
    return paths


def race(contenders: dict[str, Work], device: torch.device, seconds: float) -> list[Row]:
    """Turns until the time is up; the device is waited for before and after each."""
    return timing.race(contenders, _MOST, seconds=seconds, wait=lambda: _wait(device))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def page(machine: str, found: list[Finding]) -> str:
    """The page, goals first."""
    met = {True: "met", False: "**missed**", None: "not measured here"}
    goals = [f"| {one.name} | {one.aim} | {met[one.met]} |" for one in found]
    made = f"Made by `python -m benchmarks gpu`. Machine: {machine}. Weights are random."
    parts = ["# Performance on a graphics card", made, "\n".join(["| | aim | |", "|---|---|---|", *goals])]
    parts += [f"## {one.name}\n\n{table(one.rows)}" for one in found if one.rows]
    return "\n\n".join(parts) + "\n"


def run(device: str = "cuda", size: Size | None = None, path: Path = PAGE) -> bool:
    """Measure and write the page; whether there was a card."""
    if device == "cuda" and not torch.cuda.is_available():
        click.echo("no GPU")
        return False
    where = torch.device(device)
    found: list[Finding] = []
    for one in measure(where, size or Size()):
        click.echo(f"{one.name}: {one.aim}: {'' if one.met is None else 'met' if one.met else 'missed'}")
        found.append(one)
    path.write_text(page(_machine(where), found), "utf-8")
    return True


def _machine(device: torch.device) -> str:
    card: Any = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return f"{card}, torch {torch.__version__}, python {platform.python_version()}"
