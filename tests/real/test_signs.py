"""The sign of a principal component, where activations have both: high on the object, not on what is around it."""

from typing import Any

import pytest
import torch

import heatlens
from heatlens.images import read_photo
from heatlens.words.notation import resize_maps

LAYERS = [
    ("torchvision/mobilenet_v2", "torchvision_mobilenet_v2", {}, "features.18.0"),
    ("torchvision/mobilenet_v2", "torchvision_mobilenet_v2", {}, "features.17"),
    ("timm/mobilenetv2_100", "mobilenetv2_100", {"pad_type": "same"}, "conv_head"),
]


@pytest.mark.parametrize(("name", "weights", "options", "layer"), LAYERS, ids=[f"{n} {la}" for n, _, _, la in LAYERS])
@pytest.mark.parametrize("method", ["eigen_cam", "kpca_cam"])
def test_the_object_is_where_the_map_is_high(
    data: Any, name: str, weights: str, options: dict[str, Any], layer: str, method: str
) -> None:
    subject = heatlens.load(name, data.weights(weights), mean=0.5, std=0.5, resize="squash", size=224, **options)
    objects = dict(list(data.objects().items())[::40])
    images = torch.cat([subject.prepare(read_photo(data.photo(photo)))[0] for photo in objects])
    maps = resize_maps(heatlens.attribute(subject, images, method=method, layers=layer, upsample=False), (227, 227))
    above = below = 0
    for m, (_, boxes) in zip(maps, objects.values(), strict=True):
        for extreme, count in ((int(m.argmax()), 1), (int(m.argmin()), 0)):
            hit = data.on_object((extreme % 227 + 0.5, extreme // 227 + 0.5), boxes)
            above, below = above + hit * count, below + hit * (1 - count)
    assert above >= 0.8 * len(maps), (above, below)
    assert above > below + 0.3 * len(maps), (above, below)
