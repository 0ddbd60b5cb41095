"""The parts of the documentation that are made from the code: `make docs`.

Pages: `docs/methods.md` and `docs/metrics.md` as wholes, and in other pages what stands between
`<!-- made: NAME -->` and `<!-- end -->`.
Pictures: `docs/gallery/`, by the bundled model on photos that scikit-image ships.  A test keeps the pages current.
"""

import re
import sys
from collections.abc import Callable
from functools import partial
from inspect import getdoc, getmodule
from pathlib import Path
from textwrap import dedent
from typing import Any

import click

import heatlens
from heatlens.methods.contents import METHODS
from heatlens.metrics.contents import all_metrics
from heatlens.recipes.averages import AVERAGES
from heatlens.recipes.fusion import FUSIONS
from heatlens.recipes.naming import recipe_in_full
from heatlens.recipes.shipped import RECIPES
from heatlens.targets import KINDS
from heatlens.words.errors import HeatlensError
from heatlens.words.metric import METRIC_EVIDENCE, Metric
from heatlens.words.signature import EVIDENCE, Entry, needs, settings
from heatlens.words.wording import spelling, worded

DOCS = Path(__file__).parent
ROOT = DOCS.parent
heatlens.methods()  # fills the registry
ENTRIES = [METHODS[name] for name in sorted(METHODS)]


# pages


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    cells = [head, tuple("---" for _ in head), *(tuple(c.replace("|", "\\|") for c in row) for row in rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def methods_page() -> str:
    """The whole of docs/methods.md."""
    head = ("method", "needs", "settings", "passes", "signed")
    rows = [
        (f"[`{e.name}`](#{e.name})", _words(needs(e.function)), _knobs(e.function), e.cost, "yes" if e.signed else "")
        for e in ENTRIES
    ]
    return (
        "\n\n".join(
            [
                "# Methods",
                "This page is made from the code: `make docs`. A method's positional parameters name the *evidence* it "
                "needs, its keyword-only parameters are its *settings*; the words are explained in "
                "[vocabulary](vocabulary.md). Names are forgiving: `GradCAM++`, `grad-cam-pp`, `grad_cam_pp` are one. "
                "Several methods asked for together share the forward pass and the backward pass. `summing=eigen` is "
                "eigen-smoothing. *Signed*: negative values mean something, and are drawn in a colour of their own.",
                table(head, rows),
                *map(_described, ENTRIES),
                "# Fusions",
                "How the maps of several layers become one: `fuse=…`, `--fuse …`.",
                table(("fusion", "formula"), [(f"`{name}`", _first(f)) for name, f in FUSIONS.items()]),
                "# Averages",
                "The same question asked of several versions of a photo: `average=…`, `--average …`.",
                table(
                    ("average", "what", "settings"),
                    [(f"`{name}`", _first(kind), _fields(kind)) for name, kind in AVERAGES.items()],
                ),
                "# Recipes",
                "Several of all these in one, chosen by [measurement](benchmark.md): `--recipe …`, or `method=…` in "
                "Python. `contrast` explains a class against those that are like it. A view counts as many passes as "
                "a picture of the usual size would cost.",
                recipes(),
            ]
        )
        + "\n"
    )


def recipes() -> str:
    """The recipes that ship, their parts and costs."""
    rows = [(f"`{name}`", f"`{r.fuse}`", _parts(r), r.cost) for name, r in RECIPES.items()]
    return table(("recipe", "fusion", "parts", "passes"), rows)


def _parts(recipe: "heatlens.Recipe") -> str:
    return "<br>".join(f"`{recipe_in_full(part)}`" for part in recipe.parts)


def _described(entry: Entry) -> str:
    """The file's own words: the paper, the equations, the choices."""
    facts = [f"needs {_words(needs(entry.function))}", entry.cost]
    facts += [f"settings {_knobs(entry.function)}"] if settings(entry.function) else []
    facts += ["signed"] if entry.signed else []
    meant = {"convolutions": "every convolution", "stages": "the last of every resolution"}.get(entry.layers)
    facts += [f"layers when none is named: {meant}, fused by `{entry.fuse}`"] if meant else []
    facts += ["the photos of a batch are explained together"] if entry.joint else []
    facts += ["shown from its lowest to its highest value"] if entry.display == "range" else []
    return _written(f"## {entry.name}", entry.function, facts)


def _written(title: str, function: Callable[..., Any], facts: list[str]) -> str:
    """A file's own words under a title, and what is known of its function."""
    paper, _, rest = (getdoc(getmodule(function)) or "").partition("\n\n")
    parts = [title, " ".join(paper.split())]
    for paragraph in filter(None, rest.split("\n\n")):
        equations = paragraph.startswith(" ")
        parts.append(f"```text\n{dedent(paragraph)}\n```" if equations else " ".join(paragraph.split()))
    return "\n\n".join([*parts, " · ".join(facts)])


def metrics_page() -> str:
    """The whole of docs/metrics.md."""
    head = ("metric", "better", "needs", "settings")
    rows = [
        (f"[`{m.name}`](#{m.name})", m.better, _words(needs(m.function)), _knobs(m.function)) for m in all_metrics()
    ]
    words = [(f"`{word}`", meaning) for word, meaning in METRIC_EVIDENCE.items()]
    parts = [
        "# Metrics",
        "This page is made from the code: `make docs`. A metric is a function like a [method](methods.md): its "
        "positional parameters name what it needs to know, its keyword-only parameters are its settings, written "
        '`"deletion:step=448"`; several numbers are joined by a plus. [How far can a map be trusted?]'
        "(how-to/trust.md) uses them on a photo, [measure on a data set](how-to/evaluate.md) on many.",
        table(head, rows),
        "Metrics that weigh a map or mask with it ask for the *heat* L = ReLU(x) / max x, so that what speaks against "
        "the class is no heat; of a method that is displayed by its range it is (x - min) / (max - min). Metrics that "
        "order pixels or need signs ask for the *attribution*, the map as the method gave it. The class is settled on "
        "the unchanged photo and stays. Equal pixels come in raster order.",
        table(("word", "meaning"), words),
        *(_written(f"## {m.name}", m.function, _metric_facts(m)) for m in all_metrics()),
    ]
    return "\n\n".join(parts) + "\n"


def _metric_facts(metric: Metric) -> list[str]:
    facts = [f"{metric.better} is better", f"needs {_words(needs(metric.function))}"]
    return facts + ([f"settings {_knobs(metric.function)}"] if settings(metric.function) else [])


def costs() -> str:
    """The methods by what they cost."""
    by_cost: dict[str, list[str]] = {}
    for entry in sorted(ENTRIES, key=lambda e: (e.cost.count("+"), e.cost)):
        by_cost.setdefault(entry.cost, []).append(f"[`{entry.name}`](docs/methods.md#{entry.name})")
    return table(("passes through the network", "methods"), [(cost, ", ".join(n)) for cost, n in by_cost.items()])


def evidence() -> str:
    """The words that methods may ask for."""
    asked = {word: [e.name for e in ENTRIES if word in needs(e.function)] for word in EVIDENCE}
    rows = [(f"`{word}`", meaning, str(len(asked[word]))) for word, meaning in EVIDENCE.items()]
    return table(("word", "meaning", "methods that ask"), rows)


def kinds() -> str:
    """The kinds of targets that have a word."""
    written = {kind: kind.written.format(kind=kind.name).replace(" or ", "` or `") for kind in KINDS.values()}
    return table(("written", "what is explained"), [(f"`{said}`", kind.meaning) for kind, said in written.items()])


PEERS = {
    "pytorch_grad_cam": "GradCAM HiResCAM GradCAMElementWise GradCAMPlusPlus XGradCAM LayerCAM EigenCAM EigenGradCAM "
    "SegEigenCAM KPCA_CAM FEM ShapleyCAM AblationCAM ScoreCAM FullGrad RandomCAM",
    "torchcam": "CAM ScoreCAM SSCAM ISCAM GradCAM GradCAMpp SmoothGradCAMpp XGradCAM LayerCAM LeGrad",
}
"""The methods of other libraries, as they call them."""


def same_names(peer: str) -> str:
    """Which of a library's methods are here under the same name."""
    known = {spelling(name) for name in METHODS}
    here = {name: spelling(name) in known for name in PEERS[peer].split()}
    lists = [", ".join(f"`{name}`" for name, found in here.items() if found is wanted) for wanted in (True, False)]
    return f"Here under the same names: {lists[0]}." + (f" Not here yet: {lists[1]}." if lists[1] else "")


MADE: dict[str, Callable[[], str]] = {
    "costs": costs,
    "evidence": evidence,
    "kinds": kinds,
    "recipes": recipes,
    **{peer: partial(same_names, peer) for peer in PEERS},
}
_MARKED = re.compile(r"<!-- made: (\w+) -->\n.*?<!-- end -->", re.DOTALL)


def filled(text: str) -> str:
    """A page with everything between its marks made anew."""
    return _MARKED.sub(lambda m: f"<!-- made: {m[1]} -->\n{MADE[m[1]]()}\n<!-- end -->", text)


def pages() -> dict[Path, str]:
    """Every page that holds something made, as it should be."""
    found = {DOCS / "methods.md": methods_page(), DOCS / "metrics.md": metrics_page()}
    for page in [ROOT / "README.md", *DOCS.rglob("*.md")]:
        text = page.read_text("utf-8")
        if page not in found and "<!-- made: " in text:
            found[page] = filled(text)
    return found


def _words(words: tuple[str, ...]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _knobs(function: Callable[..., Any]) -> str:
    return ", ".join(f"`{key}={worded(value)}`" for key, value in settings(function).items())


def _fields(kind: Any) -> str:
    made = kind()
    return ", ".join(f"`{key}={_typed(getattr(made, key))}`" for key in kind.__dataclass_fields__)


def _typed(value: Any) -> str:
    return "+".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _first(thing: Any) -> str:
    return " ".join((getdoc(thing) or "").partition("\n\n")[0].split())


# pictures

SIDE = 300
"""The longer side of a picture in the gallery."""
SHOWN = ("grad_cam", "hires_cam", "grad_cam_pp", "layer_cam", "eigen_cam", "ablation_cam", "recipro_cam")
TARGETS = ["cat", "dog", "contrast:cat,against=dog", "negative:cat"]
Cells = list[tuple[Any, str, str]]


def pictures(subject: "heatlens.Subject") -> dict[str, Any]:
    """Every picture of the gallery by its file's name."""
    from skimage import data

    cat, coffee = data.chelsea(), data.coffee()
    return {
        "first.jpg": _page(_first_cells(subject, cat) + _first_cells(subject, coffee)),
        "cat-methods.jpg": _page(_asked(subject, cat, method=list(SHOWN))),
        "coffee-methods.jpg": _page(_asked(subject, coffee, method=list(SHOWN))),
        "targets.jpg": _page(_asked(subject, cat, target=TARGETS)[1:]),
        "layers.jpg": _page(_layers(subject, cat), columns=4),
        "averages.jpg": _page(_averages(subject, cat)),
        "recipes.jpg": _page(_asked(subject, cat, method=["grad_cam", *RECIPES])[1:]),
        "boxes.jpg": _page([cell for photo in (cat, coffee) for cell in _boxes(subject, photo)], columns=4),
    }


def _first_cells(subject: "heatlens.Subject", photo: Any) -> Cells:
    from PIL import Image

    e = heatlens.explain(subject, photo)
    said = ", ".join(f"{name} {p:.0%}" for name, p in e.predictions[:2])
    return [(Image.fromarray(photo), "a photo", said), (e.overlay(side=SIDE, peak=True), f"why {e.name}?", e.label[1])]


def _boxes(subject: "heatlens.Subject", photo: Any) -> Cells:
    """The box on the photo, and the map that it comes from."""
    from heatlens.images import boxed

    e = heatlens.explain(subject, photo, method="hires_cam")
    boxes = e.boxes(threshold=0.5)
    drawn = boxed(e.photo.image(), [(box, (230, 159, 0), e.name) for box in boxes])
    return [(drawn, "boxes(threshold=0.5)", "half of the maximum"), (e.overlay(side=SIDE, boxes=boxes), *e.label)]


def _asked(subject: "heatlens.Subject", photo: Any, **question: Any) -> Cells:
    from PIL import Image

    found = heatlens.explain(subject, photo, **question)
    return [(Image.fromarray(photo), "photo", subject.name), *((e.overlay(side=SIDE), *e.label) for e in found)]


def _layers(subject: "heatlens.Subject", photo: Any) -> Cells:
    names = ["stages.0", "stages.1", "stages.2"]
    one = [heatlens.explain(subject, photo, method="layer_cam", layers=name) for name in names]
    fused = heatlens.explain(subject, photo, method="layer_cam", layers=names, fuse="tanh_maximum")
    return [(e.overlay(side=SIDE), e.name, e.label[1]) for e in one] + [
        (fused.overlay(side=SIDE), fused.name, "layer_cam · all three, tanh_maximum")
    ]


def _averages(subject: "heatlens.Subject", photo: Any) -> Cells:
    asked: dict[str, dict[str, Any]] = {
        "plain": {},
        "average=flips": {"average": "flips"},
        "average=noise": {"average": "noise"},
        "summing=eigen": {"settings": {"summing": "eigen"}},
    }
    found = {words: heatlens.explain(subject, photo, **question) for words, question in asked.items()}
    return [(e.overlay(side=SIDE), e.name, f"grad_cam · {words}") for words, e in found.items()]


def _page(cells: Cells, columns: int | None = None) -> Any:
    from heatlens.images import grid

    return grid(cells, side=SIDE, columns=columns or 4)


def main() -> int:
    """Write what is not current; tell which."""
    for page, text in pages().items():
        if not page.exists() or page.read_text("utf-8") != text:
            page.write_text(text, "utf-8")
            click.echo(f"{page.relative_to(ROOT)} is new")
    try:
        subject = heatlens.load("bundled")
        made = pictures(subject)
    except HeatlensError as error:
        click.echo(f"no pictures: {error}", err=True)
        return 1
    for name, picture in made.items():
        file = DOCS / "gallery" / name
        file.parent.mkdir(exist_ok=True)
        picture.save(file, quality=86, optimize=True)
        click.echo(f"{file.relative_to(ROOT)}: {file.stat().st_size // 1024} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
