"""Weights from files: what fits is loaded, nothing is ever run."""

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import heatlens
from heatlens.words.errors import ModelUnavailable


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


STATE = network(1).state_dict()


def saved(tmp_path: Path, what: Any, name: str = "weights.pt") -> Path:
    torch.save(what, tmp_path / name)
    return tmp_path / name


def prefixed(prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + key: value for key, value in STATE.items()}


@pytest.mark.parametrize(
    "what",
    [
        STATE,
        {"state_dict": STATE, "epoch": 7},
        {"model": STATE, "optimizer": {"state": {}}, "args": {"lr": 0.1}},
        {"checkpoint": 1, "model_state_dict": {"state_dict": STATE}},
        prefixed("module."),
        prefixed("_orig_mod."),
        prefixed("module._orig_mod."),
        prefixed("_orig_mod.module."),
        {"state_dict": prefixed("module.model.")},
        {**STATE, "epoch": 3},
        {k: v.half() for k, v in STATE.items()},
        {k: v for k, v in STATE.items() if "num_batches" not in k},
    ],
)
def test_state_dicts_in_their_usual_wrappings(what: Any, tmp_path: Path) -> None:
    subject = heatlens.load(network(), weights=saved(tmp_path, what))
    got = subject.model.state_dict()
    assert torch.allclose(got["0.weight"], STATE["0.weight"], atol=1e-3)
    assert torch.allclose(got["3.bias"], STATE["3.bias"], atol=1e-3)


def test_safetensors_and_text_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file(STATE, tmp_path / "weights.safetensors")
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in (tmp_path / "weights.safetensors", str(tmp_path / "weights.safetensors"), "~/weights.safetensors"):
        assert torch.equal(heatlens.load(network(), weights=path).model.state_dict()["0.weight"], STATE["0.weight"])


class Trap:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("trapped"),))


@pytest.mark.parametrize("what", [Trap(), {"state_dict": STATE, "note": Trap()}, network()])
def test_a_file_that_would_run_code_is_refused_and_runs_none(
    what: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelUnavailable) as refused:
        heatlens.load(network(), weights=saved(tmp_path, what))
    assert "weights.pt holds Python objects, which heatlens does not load because they can run code" in str(
        refused.value
    )
    assert "torch.save(model.state_dict(), …)" in str(refused.value)
    assert not (tmp_path / "trapped").exists()


def test_a_bare_pickle_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.pkl").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ModelUnavailable, match=r"old\.pkl"):
        heatlens.load(network(), weights=tmp_path / "old.pkl")
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"0.weight": torch.zeros(5, 3, 3, 3)}, "1 of another shape (first: 0.weight is (5, 3, 3, 3))"),
        ({"0.weight": None}, "1 missing (first: 0.weight)"),
        ({"4.weight": torch.zeros(1)}, "1 not in the model (first: 4.weight)"),
        ({"0.weight": None, "0.wait": torch.zeros(1)}, "1 missing (first: 0.weight); 1 not in the model"),
    ],
)
def test_what_does_not_fit_is_listed(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    state = {k: v for k, v in {**STATE, **change}.items() if v is not None}
    model = network()
    before = model.state_dict()["3.weight"].clone()
    with pytest.raises(ModelUnavailable) as refused:
        heatlens.load(model, weights=saved(tmp_path, state))
    assert f"weights.pt does not fit Sequential: {words}" in str(refused.value)
    assert torch.equal(model.state_dict()["3.weight"], before)


@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
@pytest.mark.parametrize("kept", [0, 40, -20])
def test_a_cut_file_is_said_to_be_damaged(ending: str, kept: int, tmp_path: Path) -> None:
    whole = tmp_path / f"whole{ending}"
    save_file(STATE, whole) if ending == ".safetensors" else torch.save(STATE, whole)
    (tmp_path / f"cut{ending}").write_bytes(whole.read_bytes()[:kept])
    with pytest.raises(ModelUnavailable) as refused:
        heatlens.load(network(), weights=tmp_path / f"cut{ending}")
    assert f"cut{ending}" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_file_a_folder_and_an_empty_dict(tmp_path: Path) -> None:
    with pytest.raises(
        ModelUnavailable, match=r"no weights file '.*gone\.pt'\. Expected a \.safetensors, \.pt or \.pth"
    ):
        heatlens.load(network(), weights=tmp_path / "gone.pt")
    with pytest.raises(ModelUnavailable, match="no weights file"):
        heatlens.load(network(), weights=tmp_path)
    with pytest.raises(ModelUnavailable, match="holds no tensors by name"):
        heatlens.load(network(), weights=saved(tmp_path, {}))
    with pytest.raises(ModelUnavailable, match="holds no tensors by name"):
        heatlens.load(network(), weights=saved(tmp_path, torch.zeros(3)))
