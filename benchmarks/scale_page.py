"""docs/scale.md: what was measured, then what follows from it and under which assumptions."""

from typing import Any

NETWORK = "mobilenetv2_100"
TWENTY = (
    "cam", "grad_cam", "grad_cam_pp", "hires_cam", "xgrad_cam", "layer_cam", "grad_cam_element_wise", "eigen_cam",
    "eigen_grad_cam", "zoom_cam", "full_grad", "shapley_cam", "recipro_cam", "lift_cam", "ablation_cam",
    "layer_integrated_gradients", "integrated_grad_cam", "smooth_grad_cam_pp", "score_cam", "opti_cam",
)  # fmt: skip
QUICK = ("grad_cam", "layer_cam", "ablation_cam")
PLACES = ("pointing_game", "max_box_acc", "max_box_acc_v2", "energy_in_box")
PHOTOS = 50_000
SPEEDS = {"1,000 (assumed)": 1_000, "3,000 (assumed)": 3_000, "9,888 (RTX 3090)": 9_888, "11,768 (RTX 4090)": 11_768}
"""Forward passes per second and GPU.  The last two: timm's results/benchmark-infer-amp-nhwc-pt240-cu124-rtx3090.csv and
-rtx4090.csv, mobilenetv2_100."""
GPUS = (1, 8, 64)


def page(measured: dict[str, Any], cost: dict[str, Any]) -> str:
    """The page, from the throughput by workers and the costs of a network's methods."""
    every = sorted((took, name) for name, took in cost["methods"].items() if took is not None)
    runs = measured["runs"]
    sections = [
        _INTRO.format(cores=measured["cores"], photos=measured["photos"], quick=", ".join(QUICK)),
        _rows(
            ("engine", "workers", "photos per second", "seconds until all work", "load of the machine"),
            [(r["engine"], r["workers"], f"{r['rate']:.2f}", f"{r['start']:.0f}", f"{r['load']:.1f}") for r in runs],
        ),
        _COSTS.format(network=NETWORK, forward=1000 * cost["forward"]),
        _rows(
            ("method", "seconds of one core", "forward passes"),
            [(name, f"{took:.3f}", f"{took / cost['forward']:.0f}") for took, name in every],
        ),
        *_large(cost),
    ]
    return "\n\n".join(section.strip() for section in sections) + "\n"


def _large(cost: dict[str, Any]) -> list[str]:
    passes = {name: cost["methods"][name] / cost["forward"] for name in TWENTY}
    total = sum(passes.values())
    metrics = sum(cost["metrics"][name] or 0 for name in PLACES)
    said = _LARGE.format(
        photos=f"{PHOTOS:,}",
        count=len(TWENTY),
        names=", ".join(TWENTY),
        total=total,
        metrics=1000 * metrics,
        days=PHOTOS * (total * cost["forward"] + len(TWENTY) * metrics) / 86400,
        hungry=max(TWENTY, key=lambda name: passes[name]),
        share=max(passes.values()) / total,
    )
    table = _rows(
        ("forward passes per second and GPU", *(f"{n} GPU{'s' * (n > 1)}" for n in GPUS)),
        [(name, *(_spoken(PHOTOS * total / speed / n) for n in GPUS)) for name, speed in SPEEDS.items()],
    )
    return [said, table, _METRICS.format(hours=PHOTOS * len(TWENTY) * metrics / 3600)]


def _rows(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _spoken(seconds: float) -> str:
    if seconds < 3600:
        minutes = max(1, round(seconds / 60))
        return f"{minutes} minute{'s' * (minutes > 1)}"
    return f"{seconds / 86400:.1f} days" if seconds > 2 * 86400 else f"{seconds / 3600:.1f} hours"


_INTRO = """# Scale

Made by `python -m benchmarks.scale`: first what was measured, then what follows from it, and what is only assumed.
No GPU was at hand.

## Workers

Measured on a machine with {cores} cores (its load before each run is in the table): {photos} ImageNet photos, the
methods {quick}, four metrics of places, one thread per worker. With two cores more than two
workers cannot be faster. That a cluster of two nodes on one machine gives the same table, also when a worker and then a
node is killed, is a test; how a cluster of many machines does is not measured. Workers share nothing but the disk that
photos are read from, and send back only rows, so the work itself divides evenly; what remains is the time until the
last worker is done with its last part.
"""

_COSTS = """## Methods

Measured for one photo alone on `{network}`, in processor time of one core, which other work on the machine changes
less than the clock, by up to a half. A forward pass of one photo takes {forward:.0f} ms. Each method has its own
settings, and includes reading the photo and the forward pass; in one request methods share that pass, and gradient
methods the backward pass too.
"""

_LARGE = """## {photos} photos and {count} methods

{names}.

Together these cost as much as {total:,.0f} forward passes for each photo, {share:.0%} of it `{hungry}` alone, and
{metrics:.0f} ms for the four metrics of places of each map: {days:,.0f} days of one core. That is measured for one
photo and multiplied.

For GPUs it is an extrapolation: nothing here ran on one. Assumed: a method costs as many forward passes there as here
(probably fewer, since the many pictures of one photo fill a batch); the work divides evenly; photos are read and
metrics computed by the processor meanwhile. The two speeds with a card's name are what timm publishes for this network
(results/benchmark-infer-amp-nhwc-pt240-cu124: half precision, channels last, batches of 1,024 and 512): the most that
can be hoped for, since evaluation also has smaller batches and backward passes. Methods that ask for a score per
channel grow with the channels: a network with 2,048 instead of 1,280 asks `score_cam` and `ablation_cam` 1.6 times as
often.
"""

_METRICS = """The metrics of places run on the processor: {hours:,.0f} hours of one core together, to be divided by the
cores that stand beside the GPUs.
"""
