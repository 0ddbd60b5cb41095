"""What libraries and files declare of their scores: sigmoids inside are cut or read, labels have a sigmoid each."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import heatlens

IMAGES = torch.randint(0, 256, (2, 3, 32, 32), generator=torch.Generator().manual_seed(0)) / 255
PHOTO = IMAGES[0]


class Net(nn.Module):
    """Ends in a sigmoid for each of its outputs."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        torch.manual_seed(outputs)
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.fc = nn.Linear(6, outputs)

    def logits(self, x: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.conv(x).relu().mean((2, 3)) * 5)
        return scores

    def forward(self, x: Tensor) -> Tensor:
        return self.logits(x).sigmoid()


@pytest.mark.parametrize("runtime", ["torch", "onnxruntime"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_a_sigmoid_at_the_end_of_an_onnx_file(outputs: int, runtime: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    net, path = Net(outputs).eval(), tmp_path / "net.onnx"
    torch.onnx.export(net, (IMAGES[:1],), path, dynamo=False)
    subject = heatlens.load(str(path), runtime=runtime, mean=0, std=1)
    assert subject.remarks[:1] == ("the scores are what enters the final sigmoid",)
    torch.testing.assert_close(subject.model(IMAGES[:1]), net.logits(IMAGES[:1]), rtol=1e-4, atol=1e-5)
    z = net.logits(PHOTO[None])[0].detach()
    answer = heatlens.explain(subject, PHOTO, method="eigen_cam")
    if outputs == 1:
        assert answer.probability == pytest.approx(float(z[0].abs().sigmoid()), abs=1e-4)
    else:
        assert [p for _, p in answer.predictions] == pytest.approx(sorted(z.sigmoid().tolist(), reverse=True), abs=1e-4)


@pytest.mark.parametrize("units", [1, 3])
@pytest.mark.parametrize("as_a_layer", [False, True])
def test_a_sigmoid_at_the_end_of_a_keras_model(units: int, as_a_layer: bool) -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    if keras.config.backend() != "torch":
        pytest.skip("Keras runs on another backend than torch")
    keras.utils.set_random_seed(0)
    own = keras.layers
    last = own.Dense(units, activation=None if as_a_layer else "sigmoid")
    ends = [own.Activation("sigmoid")] if as_a_layer else []
    conv = own.Conv2D(8, 3, activation="relu", name="conv")
    model = keras.Sequential([keras.Input((32, 32, 3)), conv, own.GlobalAveragePooling2D(), last, *ends])
    last.bias.assign([-3.0] * units)
    subject = heatlens.load(model)
    assert subject.remarks == ("the scores are what enters the final sigmoid",)
    p = model(IMAGES.movedim(1, -1)[:1])[0].detach()
    torch.testing.assert_close(subject.model(IMAGES[:1]).sigmoid()[0], p)
    answer = heatlens.explain(subject, PHOTO, method="hires_cam")
    expected = float(1 - p[0]) if units == 1 else float(p.max())
    assert answer.probability == pytest.approx(expected, abs=1e-4)
    A = conv(IMAGES.movedim(1, -1)[:1]).detach()
    by_hand = (A * last.kernel.value[:, answer.index if units > 1 else 0]).sum(-1)[0].detach() / (30 * 30)
    sign = 1 if units > 1 else -1
    torch.testing.assert_close(torch.from_numpy(answer.raw), sign * by_hand, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("problem", "several"), [("multi_label_classification", True), (None, False)])
def test_labels_of_transformers(problem: str | None, several: bool) -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        image_size=32, patch_size=16, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        num_labels=4, problem_type=problem,
    )  # fmt: skip
    model = transformers.ViTForImageClassification(config).eval()
    z = model(PHOTO[None]).logits[0].detach()
    answer = heatlens.explain(heatlens.load(model, size=32, mean=0, std=1), PHOTO)
    expected = z.sigmoid() if several else z.softmax(0)
    assert answer.probability == pytest.approx(float(expected.max()), abs=1e-5)


@pytest.mark.parametrize(("kind", "several"), [("MultiLabelLinearClsHead", True), ("LinearClsHead", False)])
@pytest.mark.filterwarnings("ignore")
def test_labels_of_mmpretrain(kind: str, several: bool) -> None:
    pytest.importorskip("mmpretrain")
    config: dict[str, Any] = {
        "model": {
            "type": "ImageClassifier",
            "backbone": {"type": "ResNet", "depth": 18},
            "neck": {"type": "GlobalAveragePooling"},
            "head": {"type": kind, "num_classes": 5, "in_channels": 512},
        }
    }
    from mmengine.config import Config

    subject = heatlens.load("mmpretrain", weights="none", config=Config(config), size=32)
    answer = heatlens.explain(subject, PHOTO)
    z = subject.model(subject.ready(subject.prepare(answer.photo)[0]))[0].detach()
    expected = z.sigmoid() if several else z.softmax(0)
    assert answer.probability == pytest.approx(float(expected.max()), abs=1e-5)
