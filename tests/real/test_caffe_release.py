"""The deploy files of the CAM release, with random weights: what OpenCV's importer computes, and CAM on them."""

from pathlib import Path
from typing import Any

import pytest
import torch

import heatlens
from helpers.caffe_files import opencv, written

LAYERS = {
    "alexnetplusCAM_imagenet": ("relu7", "fc9", (11, 11)),
    "alexnetplusCAM_places205": ("relu7", "fc9", (11, 11)),
    "googlenetCAM_places205": ("CAM_relu", "CAM_fc", (14, 14)),
    "vgg16CAM": ("CAM_relu", "CAM_fc", (14, 14)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_releases_networks(name: str, data: Any, tmp_path: Path) -> None:
    layer, head, space = LAYERS[name]
    prototxt = (data.folder / "caffe" / f"deploy_{name}.prototxt").read_text()
    files = written(tmp_path, prototxt, old="layers {" in prototxt)
    subject = heatlens.load(f"caffe/{files[0]}", weights=files[1])
    assert subject.default_layers() == (layer,)
    image, _ = subject.prepare(heatlens.images.read_photo(data.photo("ilsvrc_val_misc/ILSVRC2012_val_00000001.JPEG")))
    scores = subject.model(image).detach()
    spread = float(scores.std())
    assert spread > 0.01
    torch.testing.assert_close(scores, opencv(files, image, head), rtol=0, atol=1e-4 * spread)
    torch.testing.assert_close(scores.softmax(1), opencv(files, image), rtol=1e-3, atol=1e-6)
    # METHODS: the mean of the map plus the bias is the score
    maps = heatlens.attribute(subject, image, method="cam", target=7, upsample=False)
    bias = subject.model.get_submodule(head).bias
    assert maps.shape == (1, *space)
    torch.testing.assert_close(maps.mean((1, 2)) + bias[7].detach(), scores[:, 7], rtol=0, atol=1e-4 * spread)
