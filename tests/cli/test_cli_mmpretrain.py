"""What MMPretrain's vis_cam.py does, on this command line; and Caffe's networks."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from caffe_files import written
from cli.conftest import Run

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
