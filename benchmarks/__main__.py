"""Run the races and write what came out."""

import json
import os
import platform
from dataclasses import asdict
from pathlib import Path

import click
import torch

from . import foundation, perturbation
from .timing import Row


def machine() -> dict[str, str]:
    """What the numbers were measured on, without naming it."""
    return {
        "processor": f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def table(rows: list[Row]) -> str:
    lines = ["| | median seconds | × the first | quartiles |", "|---|---|---|---|"]
    lines += [f"| {r.name} | {r.seconds:.3f} | {r.ratio:.2f} | {r.low:.2f} – {r.high:.2f} |" for r in rows]
    return "\n".join(lines)


RACES = {**foundation.RACES, **perturbation.RACES}


@click.command()
@click.option("--rounds", default=15, show_default=True)
@click.option("--only", default="", help="Races whose name contains this.")
@click.option("--out", default="benchmarks/results.json", show_default=True)
def main(rounds: int, only: str, out: str) -> None:
    """Race heatlens against its peers; seconds depend on the machine, ratios hardly."""
    path = Path(out)
    kept = json.loads(path.read_text())["races"] if path.exists() else {}
    for name in [name for name in RACES if only.lower() in name.lower()]:
        rows = RACES[name](rounds)
        click.echo(f"\n{name}\n\n{table(rows)}")
        kept[name] = [asdict(row) for row in rows]
        path.write_text(json.dumps({"machine": machine(), "races": kept}, indent=1) + "\n")


if __name__ == "__main__":
    main()
