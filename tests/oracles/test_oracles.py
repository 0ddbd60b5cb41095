"""Every method against its paper's equations written as plain loops, in float64."""

import pytest
import torch

import heatlens.methods  # noqa: F401  fills the registry
import oracles.activation
import oracles.attention
import oracles.backward
import oracles.gradient
import oracles.perturbation
import oracles.pictures  # noqa: F401  each registers its oracles
from heatlens.methods.contents import METHODS, find_method
from heatlens.words.signature import settings
from helpers.evidence import network, run
from oracles.loops import ORACLES, Oracle

NETWORKS = {
    "1-D": network(1, seed=1),
    "2-D": network(2, seed=2),
    "3-D": network(3, seed=3, channels=4),
    "signed": network(2, signed=True, seed=4),
    "piecewise linear": network(2, tail="relu", seed=5),
    "mean and linear": network(2, tail="gap", seed=6),
}


def _title(one: Oracle) -> str:
    return " ".join([one.method, *(f"{key}={value}" for key, value in one.settings.items())])


@pytest.mark.parametrize("one", ORACLES, ids=map(_title, ORACLES))
def test_the_method_is_its_equations(one: Oracle) -> None:
    shown = 0
    for title, evidence in NETWORKS.items():
        ours = run(find_method(one.method), evidence, **one.settings)
        for n, m in enumerate(ours):
            loops = torch.as_tensor(one.loops(evidence, n, **one.settings))
            torch.testing.assert_close(m, loops, rtol=1e-8, atol=1e-9, msg=lambda m, title=title: f"{title}: {m}")
            shown += bool(loops.abs().max() > 0)
    assert shown >= len(NETWORKS), "blank maps check nothing"


def test_every_method_has_an_oracle() -> None:
    assert {one.method for one in ORACLES} == set(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_every_setting_has_an_oracle_away_from_its_default(name: str) -> None:
    for key, default in settings(METHODS[name].function).items():
        tried = {one.settings.get(key, default) for one in ORACLES if one.method == name}
        assert tried - {default}, f"no oracle of {name} sets {key}"


def test_the_networks_have_scores_of_both_signs_and_slopes_that_vary() -> None:
    scores = torch.cat([e.scores(e.activations) for e in NETWORKS.values()])
    assert scores.min() < 0 < scores.max()
    for title, e in NETWORKS.items():
        varies = e.gradients.flatten(2).std(2).max() > 1e-3
        assert varies == (title != "mean and linear")
        assert (e.activations.min() < 0) == (title == "signed")
