"""The pages a person reads, and what can be run in them: fenced blocks, with what their opening line says."""

import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block: ```python, ```console, ```console no-run, …"""

    kind: str
    marks: tuple[str, ...]
    body: str
    line: int
    """Of its first line, counted from 1."""


def named(page: Path) -> str:
    """The page as a person finds it."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """Every fenced block of a page, in order."""
    text = page.read_text("utf-8")
    found = []
    for match in _FENCE.finditer(text):
        kind, *marks = match["info"].split() or [""]
        found.append(Block(kind, tuple(marks), match["body"], text.count("\n", 0, match.start("body")) + 1))
    return found


def commands(block: Block) -> list[str]:
    """The lines behind a `$ `, continued ones joined."""
    lines = block.body.replace("\\\n", " ").splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text("utf-8"))


def bundled_is_there() -> bool:
    """Whether the small trained model is in the package (not so in a checkout from before it was trained)."""
    return any(file.name.endswith(".safetensors") for file in files("heatlens.models.bundled").iterdir())
