"""docs/performance.md, from what was measured."""

from pathlib import Path
from typing import Any

from .timing import Row

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"

_INTRO = """# Performance

Made by `make bench`: heatlens and its peers asked the same question in turns, within one run. A row's ratio is the
median over the rounds of its time by the time of the table's first row in the same round, so that a machine whose
speed drifts does not matter much; the quartiles say how noisy it was. Seconds are medians and belong to this machine.
Weights are random: they do not change the cost.

What is behind the numbers:

- One forward pass serves all methods and layers, without a graph up to the first layer that is looked at; one
  backward pass per target runs from the score to that layer and no further.
- Methods that change a layer replay only what follows it, everything before it answering from memory.
- Methods that change the picture ask a private copy of the network, with batch norms folded into convolutions and
  channels last, after checking that it gives the same outputs to 1e-5; pictures are made a few at a time.
- `precision="bf16"` autocasts the network; maps are computed in single precision.
"""


def table(rows: list[Row]) -> str:
    """A race in Markdown."""
    lines = ["| | median seconds | × the first | quartiles |", "|---|---|---|---|"]
    lines += [f"| {r.name} | {r.seconds:.3f} | {r.ratio:.3f} | {r.low:.3f} – {r.high:.3f} |" for r in rows]
    return "\n".join(lines)


def write(results: dict[str, Any]) -> None:
    """The page of all races that were run."""
    machine = "; ".join(f"{key} {value}" for key, value in results["machine"].items())
    parts = [_INTRO, f"Machine: {machine}. Shared with other work, so single figures are noisy."]
    for name, rows in results["races"].items():
        parts.append(f"## {name}\n\n{table([Row(**row) for row in rows])}")
    PAGE.write_text("\n\n".join(part.strip() for part in parts) + "\n", "utf-8")
