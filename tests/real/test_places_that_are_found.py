"""What `heatlens locate` goes by where nobody says otherwise was the best of what was tried, on photos with boxes.

docs/how-to/locate.md has the numbers of all photos; here are every eighth of them for MobileNetV2.
"""

from typing import Any

import pytest
from benchmarks.found import Asked, asked, right, subjects, told, whole

from heatlens.localize import LEAST_PROBABLE, USUAL

EVERY = {"bundled": 1, "mobilenetv2_100": 8}


@pytest.fixture(scope="module")
def found(data: Any) -> dict[str, list[Asked]]:
    return {name: list(asked(subject, data.folder, EVERY[name])) for name, subject in subjects().items()}


@pytest.mark.parametrize("name", list(EVERY))
def test_the_usual_share_finds_as_many_as_any_other_and_less_often_the_whole_photo(found: Any, name: str) -> None:
    hits, all_of_it = right(found[name]), whole(found[name])
    best = max(hits.values())
    assert best - hits[USUAL] <= 2 / len(found[name]) + 1e-9
    assert hits[USUAL] > hits[0.1]
    assert hits[USUAL] > hits[0.6] + 0.1
    assert all_of_it[USUAL] <= 0.6 * all_of_it[0.2]


def test_what_is_there_is_found_and_what_is_not_is_not(found: Any) -> None:
    """The difference, over both networks, is the largest of all."""
    chances = {name: told(rows) for name, rows in found.items()}
    gains = {p: sum(there - absent for there, absent in (c[p] for c in chances.values())) for p in chances["bundled"]}
    assert gains[LEAST_PROBABLE] >= max(gains.values()) - 0.02
    assert all(c[LEAST_PROBABLE][0] > 0.9 for c in chances.values())
    assert all(c[LEAST_PROBABLE][1] < 0.06 for c in chances.values())
