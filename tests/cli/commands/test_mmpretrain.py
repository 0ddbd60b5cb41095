"""What MMPretrain's vis_cam.py does, on this command line; and Caffe's networks."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cli.conftest import Run
from heatlens.models.libraries.mmpretrain.configs import parsed_options
from helpers.caffe_files import written

CONFIG = """
model = dict(
    type='ImageClassifier',
    backbone=dict(type='VisionTransformer', arch='deit-tiny', img_size=64, patch_size=16),
    head=dict(type='VisionTransformerClsHead', num_classes=3, in_channels=192, init_cfg=None),
    data_preprocessor=dict(mean=[123., 116., 103.], std=[58., 57., 57.], to_rgb=True),
)
test_dataloader = dict(dataset=dict(type='CustomDataset', pipeline=[
    dict(type='LoadImageFromFile'), dict(type='ResizeEdge', scale=72, edge='short'),
    dict(type='CenterCrop', crop_size=64), dict(type='PackInputs'),
]))
"""


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 96, 3), np.uint8)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_every_option_of_vis_cam(run: Run, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CONFIG)
    model = ["mmpretrain", "--config", "mine.py", "--weights", "none", "--cfg-options", "model.head.num_classes=5"]
    shown = run("layers", *model)  # --preview-model
    assert shown.code == 0
    assert "backbone.layers.11.ln1" in shown.out
    asked: Any = run(
        "explain", photo, "--model", *model, "--method", "grad_cam", "--target", 4, "--set", "summing=eigen",
        "--average", "flips", "--layers", "backbone.layers.10.ln1", "--prefix-tokens", 1, "--device", "cpu",
        "--out", "out", "--save", "png,json,npy",
    )  # fmt: skip
    assert asked.code == 0, asked.err
    said = json.loads((tmp_path / "out" / "explanations.json").read_text())
    text = json.dumps(said)
    assert "backbone.layers.10.ln1" in text
    assert "eigen" in text
    assert list((tmp_path / "out").rglob("*.png"))


def test_config_options_are_mmpretrains_own(run: Run, photo: Path, tmp_path: Path) -> None:
    """Several after one --cfg-options, lists in every spelling, `none` a word and None nothing."""
    from mmengine.config import Config, DictAction

    said = ["a.b=x,y", "c=[x,y]", "d=[(a,b),(1,2.5)]", "e=none", "f=None", "g=true", "h=1e-3", "i=k=v", "j=-1"]
    expected: dict[str, Any] = {}
    for word in said:
        key, _, value = word.partition("=")
        expected[key] = DictAction._parse_iterable(value)
    assert parsed_options(tuple(said)) == expected
    assert expected["d"] == [("a", "b"), (1, 2.5)]
    (tmp_path / "mine.py").write_text(CONFIG)
    options = ["model.head.num_classes=2", "test_dataloader.dataset.classes=ant,bee", "model.head.topk=(1,)"]
    asked = run("explain", photo, "--model", "mmpretrain", "--config", "mine.py", "--weights", "none",
                "--cfg-options", *options, photo, "--target", "bee")  # fmt: skip
    assert asked.code == 0, asked.err
    assert "  bee  " in asked.out
    for wrong, reason in (("a", "Expected KEY=VAL"), ("a=[(1]", "Imbalanced brackets")):
        refused = run("layers", "mmpretrain", "--config", "mine.py", "--cfg-options", wrong)
        assert (refused.code, reason in refused.err) == (2, True), refused.err
    assert Config.fromfile("mine.py").model.head.num_classes == 3


def test_a_file_behind_config_options_is_a_photo(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CONFIG)
    Image.new("RGB", (70, 70), (200, 30, 30)).save(tmp_path / "a=b.png")
    words = ["--model", "mmpretrain", "--config", "mine.py", "--weights", "none", "--save", "json"]
    asked = run("explain", *words, "--cfg-options", "model.head.num_classes=4", "a=b.png")
    assert asked.code == 0, asked.err
    assert asked.out.startswith("a=b: ")


def test_prefix_tokens_that_do_not_fit_end_the_command(run: Run, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CONFIG)
    model = ["mmpretrain", "--config", "mine.py", "--weights", "none", "--prefix-tokens", 3]
    said = run("explain", photo, "--model", *model)
    assert said.code == 2
    assert "17 tokens do not show which grid they lie on; declared are prefix_tokens=3" in said.err


def test_transparent_pixels(run: Run, tmp_path: Path) -> None:
    """MMPretrain drops transparency; --transparency white lays it on white for the model, too."""
    (tmp_path / "mine.py").write_text(CONFIG)
    clear = np.zeros((80, 80, 4), np.uint8)
    clear[20:50, 30:70] = (10, 200, 90, 255)
    solid = clear.copy()
    solid[..., 3] = 255
    for name, pixels in (("clear", clear), ("solid", solid)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    words = [
        "--model",
        "mmpretrain",
        "--config",
        "mine.py",
        "--weights",
        "none",
        "--method",
        "hires_cam",
        "--target",
        1,
    ]

    def score(photo: str, *more: str) -> float:
        out = tmp_path / "-".join([photo, *more])
        said = run("explain", f"{photo}.png", *words, *more, "--save", "json", "--out", out)
        assert said.code == 0, said.err
        return float(json.loads((out / "explanations.json").read_text())[0]["score"])

    torch.manual_seed(0)
    dropped = score("clear")
    torch.manual_seed(0)
    assert dropped == score("solid")
    torch.manual_seed(0)
    assert dropped != score("clear", "--transparency", "white")


def test_a_caffe_network(run: Run, photo: Path, tmp_path: Path) -> None:
    files = written(
        tmp_path,
        """input: "data" input_dim: 1 input_dim: 3 input_dim: 32 input_dim: 32
        layer { name: "c" type: "Convolution" bottom: "data" top: "c"
          convolution_param { num_output: 4 kernel_size: 3 } }
        layer { name: "r" type: "ReLU" bottom: "c" top: "c" }
        layer { name: "gap" type: "Pooling" bottom: "c" top: "gap" pooling_param { pool: AVE global_pooling: true } }
        layer { name: "fc" type: "InnerProduct" bottom: "gap" top: "fc" inner_product_param { num_output: 3 } }""",
    )
    shown = run("layers", f"caffe/{files[0]}", "--weights", files[1])
    assert "gap" in shown.out
    asked = run("explain", photo, "--model", files[0], "--weights", files[1], "--method", "cam", "--average", "crops")
    assert asked.code == 0, asked.err
    broken = run("explain", photo, "--model", files[0], "--weights", photo)
    assert broken.code != 0
    assert "is damaged or something else" in broken.err
