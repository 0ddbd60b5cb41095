"""A walk over more than sixty architectures: loaded, read, explained, and as docs/models.md says."""

from collections import Counter

import pytest
import torch
from torch import nn

from walk.architectures import CASES
from walk.case import Case
from walk.even import make_even
from walk.page import layer_cell, space_cell, written
from walk.walking import LIKE, pictures, walk

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.library}-{case.model}".replace(" ", "_"))
def test_a_network_is_read(case: Case) -> None:
    row = walk(case)
    assert row.maps.ndim > 2
    assert row.maps[0].numel() > 3
    assert bool(row.maps.isfinite().all())
    assert bool(row.maps.flatten(1).any(1).all())
    assert float(row.maps.std()) > 1e-3 * float(row.maps.abs().max())  # not the same everywhere
    if row.gradients:
        assert row.steepest > 0
    if row.gradients and len(row.layers) == 1:  # where Grad-CAM shows nothing, there is nothing positive
        largest = float(row.weighed.abs().max())
        torch.testing.assert_close(row.first, row.weighed.relu(), rtol=1e-4, atol=1e-6 * largest)
    if not case.sided:
        assert row.likeness >= LIKE
    told = written()[case.library, case.model.partition("/")[2] or case.model]
    assert told[2:4] == (layer_cell(row.layers), space_cell(row)), "the page is old: make models"


def test_the_page_has_these_networks_and_no_others() -> None:
    assert list(written()) == [(case.library, case.model.partition("/")[2] or case.model) for case in CASES]
    assert len(CASES) >= 60
    assert len(Counter(case.library for case in CASES)) >= 8


def test_the_law_of_mirrors_can_fail() -> None:
    """A stride that begins at the left, and a kernel that knows left from right, are found out."""
    torch.manual_seed(0)
    images = pictures(Case("none", "none", 16))
    kernel = nn.Conv2d(3, 4, 3, padding=1)
    assert not torch.allclose(kernel(images[:1]).flip(-1), kernel(images[1:]), atol=1e-3)
    make_even(kernel)
    torch.testing.assert_close(kernel(images[:1]).flip(-1), kernel(images[1:]))
    strided = make_even(nn.Conv2d(3, 4, 3, stride=2, padding=1))
    assert not torch.allclose(strided(images[:1]).flip(-1), strided(images[1:]), atol=1e-3)
