"""Opening a model file that someone found runs nothing that is in it, and ends in one line."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import heatlens
from heatlens.models.files.checkpoints import load_state
from heatlens.models.files.exported.formulas import canonical
from heatlens.words.errors import BadValue, HeatlensError, ModelUnavailable
from safety import crafted

pytestmark = pytest.mark.filterwarnings("ignore")
PHOTO = np.linspace(0, 1, 32 * 32 * 3, dtype=np.float32).reshape(32, 32, 3)
CONFIG = {
    "model": {
        "type": "ImageClassifier",
        "backbone": {"type": "MobileNetV2", "widen_factor": 0.1},
        "neck": {"type": "GlobalAveragePooling"},
        "head": {"type": "LinearClsHead", "num_classes": 3, "in_channels": 1280},
    },
    "test_dataloader": {"dataset": {"type": "CustomDataset", "pipeline": [{"type": "LoadImageFromFile"}]}},
}


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "executed"


def opened(file: Path, **options: Any) -> heatlens.Subject:
    subject = heatlens.load(str(file), **options)
    method = "grad_cam" if file.suffix == ".pt2" else "occlusion"
    heatlens.explain(subject, PHOTO, method=method, settings={"window": 16} if method == "occlusion" else None)
    return subject


def test_programs_that_would_do_more_than_compute_are_refused_in_one_line(tmp_path: Path, marker: Path) -> None:
    names = []
    for name, content in crafted.programs(marker):
        file = tmp_path / f"{name}.pt2"
        file.write_bytes(content)
        with pytest.raises(ModelUnavailable) as caught:
            opened(file)
        assert "\n" not in str(caught.value)
        assert f"{name}.pt2" in str(caught.value)
        assert not marker.exists(), name
        names.append(name)
    assert len(names) == len(set(names)) > 20
    assert "antigravity" not in sys.modules


def test_the_crafted_program_runs_code_where_nobody_checks(tmp_path: Path, marker: Path) -> None:
    """So that the test above cannot pass because the trap is broken."""
    file = tmp_path / "formula.pt2"
    file.write_bytes(dict(crafted.programs(marker))["formula"])
    torch.export.load(file)
    assert marker.exists()


def test_sample_inputs_and_guards_are_not_read(tmp_path: Path, marker: Path) -> None:
    members = dict(crafted.unpacked(crafted.program()))
    model = next(name for name in members if name.endswith("models/model.json"))
    inputs = next(name for name in members if "/sample_inputs/" in name)
    members[inputs] = crafted.saved(crafted.Trap(marker))
    members[model] = json.dumps({**json.loads(members[model]), "guards_code": [crafted.payload(marker)]}).encode()
    (tmp_path / "sampled.pt2").write_bytes(crafted.packed(list(members.items())))
    opened(tmp_path / "sampled.pt2")
    assert not marker.exists()


def test_formulas_of_sizes_are_written_anew() -> None:
    symbol = "Symbol('s77', positive=True, integer=True)"
    for kept in (
        symbol,
        f"Mul(Integer(4), {symbol})",
        "s0*s1 + 2",
        "FloorDiv(s0, 2)",
        "Eq(s0, 3)",
        "s0**2",
        "Max(1, s0)",
    ):
        assert canonical(kept).replace(" ", "") == kept.replace(" ", "")
    for wrong in ("s0.real", "f(s0)", "[s0]", "s0 if s0 else 1", "'s0'", "9**9**9", "2**99", "Pow(2, 99)", "1e400", "é",
                  "Symbol('a b')",
                  "__import__('os')", "Symbol('x', positive=s0)", "(" * 999 + "1" + ")" * 999, "s0 and s1", "lambda: 1",
                  "s0 := 1", "Symbol", "9" * 5000, ""):  # fmt: skip
        with pytest.raises(ValueError, match=r"."):
            canonical(wrong)


def test_torchscript_that_touches_files_is_refused_before_anything_runs(tmp_path: Path, marker: Path) -> None:
    names = []
    for name, content in crafted.scripts(marker):
        file = tmp_path / f"{name}.ts"
        file.write_bytes(content)
        with pytest.raises(ModelUnavailable) as caught:
            opened(file, size=(32, 32))
        assert "\n" not in str(caught.value)
        assert not marker.exists(), name
        names.append(name)
    assert len(names) > 8
    (tmp_path / "plain.ts").write_bytes(crafted.script())
    opened(tmp_path / "plain.ts", size=(32, 32))


def test_checkpoints_that_are_no_tensors_by_name_are_refused_in_one_line(tmp_path: Path, marker: Path) -> None:
    network = crafted.Small()
    for name, content in crafted.states(marker, network.state_dict()):
        file = tmp_path / f"{name}.pth"
        file.write_bytes(content)
        with pytest.raises(ModelUnavailable) as caught:
            load_state(network, file)
        assert "\n" not in str(caught.value)
        assert not marker.exists(), name
    torch.save(
        {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in network.state_dict().items()}}, tmp_path / "good.pth"
    )
    load_state(network, tmp_path / "good.pth")


def config(folder: Path, content: Any, name: str = "config.json") -> Path:
    file = folder / name
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def test_configs_are_read_and_not_run(tmp_path: Path, marker: Path) -> None:
    yaml = pytest.importorskip("yaml")
    pytest.importorskip("mmpretrain")
    values = "\n".join(f"{key} = {value!r}" for key, value in CONFIG.items())

    def with_neck(**neck: Any) -> Any:
        return {**CONFIG, "model": {**CONFIG["model"], "neck": neck}}

    (tmp_path / "base.py").write_text(f"{crafted.payload(marker)}\n")
    laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
    )
    tagged = f'canary: !!python/object/apply:builtins.eval ["{crafted.payload(marker)}"]\n'
    crafted_configs = {
        "program.py": f"{crafted.payload(marker)}\n{values}",
        "call.py": f"{values}\nx = dict(a=[{crafted.payload(marker)}])",
        "imports.py": f"import os\n{values}",
        "lazy.py": f"from mmengine.config import read_base\nwith read_base():\n    from .base import *\n{values}",
        "tag.yaml": yaml.safe_dump(CONFIG) + tagged,
        "laughs.yaml": yaml.safe_dump(CONFIG) + laughs,
        "base.json": {**CONFIG, "_base_": "base.py"},
        "custom.json": {**CONFIG, "custom_imports": {"imports": ["antigravity"]}},
        "function.json": with_neck(type="os.mkdir", path=str(marker)),
        "module.json": with_neck(type="antigravity.Kind"),
        "scope.json": with_neck(type="antigravity.registry.X"),
        "dataset.json": {**CONFIG, "test_dataloader": {"dataset": {"type": "antigravity.Kind"}}},
        "list.json": [CONFIG],
        "word.json": {**CONFIG, "model": "ImageClassifier"},
        "none.json": {"model": None},
        "nested.json": "[" * 100_000,
        "itself.json": {**CONFIG, "_base_": "itself.json"},
        "wide.json": {
            **CONFIG,
            "model": {**CONFIG["model"], "backbone": {"type": "MobileNetV2", "widen_factor": 400.0}},
        },
    }
    for name, content in crafted_configs.items():
        file = config(tmp_path, content, name)
        with pytest.raises(HeatlensError) as caught:
            heatlens.load("mmpretrain", "none", config=file)
        assert "\n" not in str(caught.value)
        assert not marker.exists(), name
    assert "antigravity" not in sys.modules
    for name in ("program.py", "imports.py", "function.json"):
        with pytest.raises(BadValue, match=r"Give trust=True \(on the command line: --trust\) to run it"):
            heatlens.load("mmpretrain", "none", config=tmp_path / name)
    heatlens.load("mmpretrain", "none", config=tmp_path / "imports.py", trust=True)


def test_configs_of_values_need_no_trust(tmp_path: Path) -> None:
    pytest.importorskip("mmpretrain")
    values = "\n".join(f"{key} = {value!r}" for key, value in CONFIG.items())
    config(tmp_path, f"{values}\n", "parent.py")
    child = config(
        tmp_path, "_base_ = ['parent.py']\nwide = 2\nmodel = dict(head=dict(num_classes=2 * wide + 1))\n", "child.py"
    )
    assert heatlens.load("mmpretrain", "none", config=child).model.head.num_classes == 5
    replaced = config(tmp_path, "_base_ = 'parent.py'\nmodel = dict(head=dict(_delete_=True, type='LinearClsHead', "
                      "num_classes=7, in_channels=1280))\n", "replaced.py")  # fmt: skip
    assert heatlens.load("mmpretrain", "none", config=replaced).model.head.num_classes == 7


def test_limits_are_stated_and_can_be_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "net.pt2"
    file.write_bytes(crafted.program())
    monkeypatch.setenv("HEATLENS_MAX_MODEL_BYTES", "1000")
    with pytest.raises(
        ModelUnavailable, match=r"Expected at most 1,000\. If you trust it, set HEATLENS_MAX_MODEL_BYTES"
    ):
        heatlens.load(str(file))
    monkeypatch.setenv("HEATLENS_MAX_MODEL_BYTES", "many")
    with pytest.raises(BadValue, match="HEATLENS_MAX_MODEL_BYTES='many'"):
        heatlens.load(str(file))
    monkeypatch.setenv("HEATLENS_MAX_MODEL_BYTES", "10_000_000")
    heatlens.load(str(file))


def test_members_of_odd_names_are_refused(tmp_path: Path) -> None:
    members = crafted.unpacked(crafted.program())
    for odd in ("other/models/model.json", "net/a\\b", "net/\x1b[31m"):
        file = tmp_path / "odd.pt2"
        file.write_bytes(crafted.packed([*members, (odd, b"")]))
        with pytest.raises(ModelUnavailable, match="which torch did not write"):
            heatlens.load(str(file))
