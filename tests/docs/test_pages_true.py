"""What pages say about the code is so: made parts, floors, words, links, pictures."""

import ast
import io
import re
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

import heatlens
from heatlens.methods.contents import METHODS
from heatlens.metrics.contents import all_metrics
from heatlens.words.metric import METRIC_EVIDENCE
from heatlens.words.signature import EVIDENCE
from helpers.pages import PAGES, ROOT, named, prose

SOURCE = ROOT / "src" / "heatlens"
_LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")


@pytest.fixture(scope="module")
def make() -> ModuleType:
    spec = spec_from_file_location("docs_make", ROOT / "docs" / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_made_pages_are_current(make: ModuleType) -> None:
    for page, text in make.pages().items():
        assert page.read_text("utf-8") == text, f"{named(page)} is old: make docs"


def test_pictures_are_current(make: ModuleType) -> None:
    """As far as one can see: rounding, and what JPEG makes of it, differ from machine to machine."""
    pytest.importorskip("skimage")
    made = make.pictures(heatlens.load("bundled"))
    gallery = ROOT / "docs" / "gallery"
    assert set(made) <= {file.name for file in gallery.iterdir()}
    for name, picture in made.items():
        kept = np.asarray(Image.open(gallery / name).convert("RGB"), np.float32)
        out = io.BytesIO()
        picture.convert("RGB").save(out, "JPEG", quality=86)
        now = np.asarray(Image.open(out), np.float32)
        assert kept.shape == now.shape, f"{name} is old: make docs"
        assert np.percentile(np.abs(kept - now), 99.9) < 12, f"{name} is old: make docs"


def test_every_method_and_word_of_evidence_is_on_its_page(make: ModuleType) -> None:
    page = make.methods_page()
    assert [name for name in heatlens.methods() if f"\n## {name}\n" not in page] == []
    assert [word for word in EVIDENCE if f"`{word}`" not in make.evidence()] == []
    assert all(entry.paper for entry in METHODS.values())


def test_every_metric_and_what_it_may_ask_is_on_its_page(make: ModuleType) -> None:
    page = make.metrics_page()
    assert [m.name for m in all_metrics() if f"\n## {m.name}\n" not in page] == []
    assert [word for word in METRIC_EVIDENCE if f"| `{word}` |" not in page] == []
    assert all(m.source for m in all_metrics())


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    for path, anchor in _LINK.findall(prose(page)):
        if path.startswith(("http:", "https:")):
            continue
        there = (page.parent / path).resolve() if path else page
        name = there.relative_to(ROOT).as_posix()
        assert there.exists(), f"{named(page)}: no {name}"
        if anchor and there.exists():
            assert anchor in _anchors(there), f"{named(page)}: no #{anchor} in {name}"


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_page_can_be_reached() -> None:
    linked = {
        (page.parent / path).resolve()
        for page in PAGES
        for path, _ in _LINK.findall(prose(page))
        if path.endswith(".md")
    }
    assert [named(page) for page in PAGES if page.name != "README.md" and page not in linked] == []


def test_the_gallery_is_small() -> None:
    files = list((ROOT / "docs" / "gallery").glob("*"))
    assert sum(file.stat().st_size for file in files) < 1_500_000


# words


def _words() -> list[tuple[str, str]]:
    text = (ROOT / "docs" / "vocabulary.md").read_text("utf-8")
    rows = [row.strip("|").split(" | ") for row in text.splitlines() if row.startswith("| ")]
    return [(cells[0].strip(), cells[-1].strip().strip("`")) for cells in rows[2:]]


def test_every_word_is_explained_once() -> None:
    words = [word for word, _ in _words()]
    assert len(words) > 30
    assert len(set(words)) == len(words)


@pytest.mark.parametrize(("word", "home"), [(w, h) for w, h in _words() if h], ids=lambda x: x.replace(" ", "-"))
def test_words_live_where_the_page_says(word: str, home: str) -> None:
    _found(home)


def _found(dotted: str) -> Any:
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            thing: Any = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for name in parts[length:]:
            thing = getattr(thing, name)
        return thing
    raise AssertionError(f"nothing is called {dotted}")


def test_words_that_are_not_used_name_nothing() -> None:
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            name = getattr(node, "name", None) or getattr(node, "arg", None) or getattr(node, "id", None) or ""
            assert not re.search("saliency|extractor|feature_?map|explainer", str(name).lower()), f"{file}: {name}"
