"""A short fine-tuning on real photos: it learns, it can be interrupted, and CAM is exact on what comes out."""

import signal
import tarfile
from pathlib import Path
from typing import Any

import pytest
import torch
from training.fine_tune import Run, Settings, fine_tune

import heatlens

CLASSES = 3
EACH = 16


@pytest.fixture(scope="module")
def photos(data: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few photos of each of a few classes."""
    folder, wanted = tmp_path_factory.mktemp("photos"), {}
    with tarfile.open(data.folder / "train" / "tiny_imagenet_86_train.tar") as tar:
        for member in tar:
            parts = Path(member.name).parts
            if not member.name.endswith(".JPEG") or (parts[-2] not in wanted and len(wanted) == CLASSES):
                continue
            if wanted.setdefault(parts[-2], 0) < EACH:
                wanted[parts[-2]] += 1
                (folder / parts[-2]).mkdir(exist_ok=True)
                (folder / parts[-2] / parts[-1]).write_bytes(tar.extractfile(member).read())  # type: ignore[union-attr]
            elif len(wanted) == CLASSES and min(wanted.values()) == EACH:
                break
    return folder


def test_fine_tuned_cam_is_the_closed_form(photos: Path, data: Any, tmp_path: Path, monkeypatch: Any) -> None:
    weights = str(data.weights("squeezenet1_1_gluon_fp32"))
    settings = Settings(
        "torchvision/squeezenet1_1", weights, epochs=2, batch=8, rate=0.002, channels=32,
        trunk_rate=0.0,
    )  # fmt: skip
    learn, losses = Run.learn, []

    def interrupted(run: Run, images: torch.Tensor, classes: torch.Tensor) -> float:
        losses.append(learn(run, images, classes))
        if run.step == 5:
            signal.raise_signal(signal.SIGINT)
        return losses[-1]

    monkeypatch.setattr(Run, "learn", interrupted)
    assert fine_tune(photos, tmp_path, settings) is None  # Ctrl-C after five steps
    net: Any = fine_tune(photos, tmp_path, settings)  # the same command goes on
    assert len(losses) == 2 * (CLASSES * EACH // 8)
    assert sum(losses[-4:]) < 0.7 * sum(losses[:4])  # it learned

    names = sorted(folder.name for folder in photos.iterdir())
    again = heatlens.cam_head(heatlens.load(settings.model, settings.weights), names, channels=32)
    subject = heatlens.load(again, weights=tmp_path / "model.safetensors", classes=names)
    image, _ = heatlens.load(settings.model, "none").prepare(
        heatlens.images.read_photo(data.photo("photos/both_dog_cat.png"))
    )
    for c in range(CLASSES):
        maps = heatlens.attribute(subject, image, method="cam", target=c, upsample=False)
        score = net(image)[0, c].detach()
        # METHODS 2.3: mean_ij L_c + b_c = y_c
        torch.testing.assert_close(maps.mean() + net.head.bias[c].detach(), score, rtol=1e-4, atol=1e-5)
        assert bool(maps.any())
