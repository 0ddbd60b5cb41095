"""How evaluation scales: photos per second by number of workers, what a large one would take; writes docs/scale.md.

python -m benchmarks.scale
"""

import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import torch

from heatlens.evaluate import Request, Selection, open_dataset, run
from heatlens.recipes.recipe import Recipe

from . import costs, scale_page
from .networks import data_folder, networks

PAGE = Path(__file__).parents[1] / "docs" / "scale.md"
KEPT = Path(__file__).parent / "scale.json"


def throughput(engine: Any, workers: int, photos: int, out: Path) -> dict[str, Any]:
    """Photos per second from the first finished part on, when every worker has begun; wall clock."""
    data = Selection(match="ilsvrc_val/*", limit=photos).of(
        open_dataset(f"csv:{data_folder() / 'images' / 'labels.csv'}")
    )
    request = Request(
        data,
        networks((scale_page.NETWORK,)),
        tuple(map(Recipe, scale_page.QUICK)),
        scale_page.PLACES,
        "label",
        batch_size=4,
        part_size=4,
    )
    moments: list[float] = []
    begin = time.perf_counter()
    run(request, out, engine=engine, workers=workers, watch=lambda n, rows: moments.append(time.perf_counter()))
    first, last = moments[workers], moments[-1]  # the first tells what was there before
    rate = 4 * (len(moments) - 1 - workers) / (last - first)
    return {"engine": engine, "workers": workers, "rate": rate, "start": first - begin, "load": os.getloadavg()[0]}


@click.command()
@click.option("--photos", default=64, show_default=True, help="For the throughput.")
@click.option("--page-only", is_flag=True, help="Write the page from what was measured before.")
def main(photos: int, page_only: bool) -> None:
    """Measure the costs of methods, the throughput by number of workers, and write docs/scale.md."""
    torch.set_num_threads(1)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if not page_only:
        data = open_dataset(f"csv:{data_folder() / 'images' / 'labels.csv'}")
        item = Selection(match="ilsvrc_val/*", limit=1).of(data).items[0]
        for model in networks((scale_page.NETWORK,)):
            costs.measure(model, item, scale_page.TWENTY, scale_page.PLACES, click.echo)
        found = []
        for engine, workers in (("local", 1), ("local", 2), ("ray", 1), ("ray", 2)):
            folder = Path(tempfile.mkdtemp(prefix="heatlens"))
            found.append(throughput(engine, workers, photos, folder / "out"))
            shutil.rmtree(folder)
            click.echo(str(found[-1]))
        KEPT.write_text(
            json.dumps({"cores": os.cpu_count(), "photos": photos, "runs": found}, indent=1) + "\n", "utf-8"
        )
    PAGE.write_text(scale_page.page(json.loads(KEPT.read_text("utf-8")), costs.kept()[scale_page.NETWORK]), "utf-8")
    click.echo(str(PAGE))


if __name__ == "__main__":
    main()
