"""Run the races and write what came out."""

import json
import os
import platform
from dataclasses import asdict
from pathlib import Path

import click
import torch

from . import foundation, gpu, page, perturbation


def machine() -> dict[str, str]:
    """What the numbers were measured on, without naming it."""
    return {
        "processor": f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


RACES = {**foundation.RACES, **perturbation.RACES}


@click.command()
@click.argument("where", type=click.Choice(["cpu", "gpu"]), default="cpu")
@click.option("--rounds", default=15, show_default=True)
@click.option("--only", default="", help="Races whose name contains this.")
@click.option("--out", default="benchmarks/results.json", show_default=True)
def main(where: str, rounds: int, only: str, out: str) -> None:
    """Race heatlens against its peers on the processor, or all in five minutes on a gpu; ratios matter, not seconds."""
    if where == "gpu":
        gpu.run()
        return
    path = Path(out)
    kept = json.loads(path.read_text())["races"] if path.exists() else {}
    for name in [name for name in RACES if only.lower() in name.lower()]:
        rows = RACES[name](rounds)
        click.echo(f"\n{name}\n\n{page.table(rows)}")
        kept[name] = [asdict(row) for row in rows]
        results = {"machine": machine(), "races": {race: kept[race] for race in RACES if race in kept}}
        path.write_text(json.dumps(results, indent=1) + "\n")
        page.write(results)


if __name__ == "__main__":
    main()
