"""torchvision beyond classification: detectors, segmentation, video."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision import models as library

import heatlens
from heatlens.models.reading.padding import Padding, Trimmed
from heatlens.targets import Box, Region
from heatlens.words.errors import BadValue
from helpers.networks import lively

SIZE = {"min_size": 128, "max_size": 192}
RCNN = {"box_score_thresh": 0.0, "rpn_post_nms_top_n_test": 8, "box_detections_per_img": 3, **SIZE}
DENSE = {"score_thresh": 0.0, "detections_per_img": 8}
FPN = [f"backbone.fpn.layer_blocks.{i}" for i in range(4)]
RETINA = [*FPN[:3], "backbone.fpn.extra_blocks.p6", "backbone.fpn.extra_blocks.p7"]
SSD = [f"backbone.extra.{i}" for i in range(4)]
DETECTORS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "fasterrcnn_resnet50_fpn": (RCNN, FPN),
    "fasterrcnn_mobilenet_v3_large_320_fpn": (RCNN, FPN[:2]),
    "maskrcnn_resnet50_fpn": (RCNN, FPN),
    "keypointrcnn_resnet50_fpn": (RCNN, FPN),
    "retinanet_resnet50_fpn": ({**DENSE, **SIZE}, RETINA),
    "fcos_resnet50_fpn": ({**DENSE, **SIZE}, RETINA),
    "ssd300_vgg16": ({**DENSE, "topk_candidates": 20}, ["backbone.features", *SSD]),
    "ssdlite320_mobilenet_v3_large": (DENSE, ["backbone.features.0", "backbone.features.1", *SSD[:3]]),
}
torch.manual_seed(0)
IMAGES = torch.rand(1, 3, 96, 130)


@cache
def detector(name: str) -> Any:
    """A subject with random weights that let signals through."""
    torch.manual_seed(0)
    subject = heatlens.load(
        f"torchvision/{name}", weights="none", num_classes=2 if "key" in name else 7, **DETECTORS[name][0]
    )
    lively(subject.model, torch.cat([IMAGES, IMAGES.flip(-1)]))
    return subject


@pytest.mark.parametrize("name", DETECTORS)
def test_detectors_are_explained_by_their_strongest_detection(name: str) -> None:
    subject = detector(name)
    assert list(subject.default_layers(IMAGES)) == DETECTORS[name][1]
    photo = Image.fromarray((IMAGES[0].permute(1, 2, 0) * 255).byte().numpy())
    with torch.no_grad():
        score = float(subject.model(list(subject.prepare(heatlens.images.read_photo(photo))[0]))[0]["scores"].max())
    found, *others = heatlens.explain(subject, photo)
    assert [e.target.rank for e in others] == list(range(1, 1 + len(others)))
    assert isinstance(found.target, Box)
    assert found.predictions == ()
    assert found.map.shape == (96, 130)
    assert bool((found.raw != 0).any())
    assert found.score == pytest.approx(score, rel=1e-4)


@pytest.mark.parametrize(
    "name", ["fasterrcnn_mobilenet_v3_large_320_fpn", "ssdlite320_mobilenet_v3_large", "fcos_resnet50_fpn"]
)
def test_the_map_is_the_library_s_own_gradient(name: str) -> None:
    subject, layer = detector(name), DETECTORS[name][1][0]
    module = subject.model.get_submodule(layer)
    seen: list[Tensor] = []
    handle = module.register_forward_hook(lambda m, a, out: seen.append(out))
    found = subject.model(list(IMAGES))[0]
    handle.remove()
    best = int(found["scores"].argmax())
    slope = torch.autograd.grad(found["scores"][best], seen[0])[0]
    whole = (seen[0] * slope).sum(1)
    maps = heatlens.attribute(subject, IMAGES, method="hires_cam", layers=layer, upsample=False)
    kept = maps.shape[1:]
    if "ssd" in name:
        assert kept == whole.shape[1:]
    else:  # 96 x 130 became 128 x 173, and was padded to 128 x 192
        assert kept == (whole.shape[1], round(whole.shape[2] * 173 / 192))
    torch.testing.assert_close(maps, whole[:, : kept[0], : kept[1]], rtol=1e-3, atol=1e-7)


def test_replays_of_a_detector_equal_full_passes() -> None:
    subject = detector("ssdlite320_mobilenet_v3_large")
    layer, images = "backbone.extra.1", torch.cat([IMAGES, IMAGES.flip(-1)])
    module = subject.model.get_submodule(layer)
    with torch.no_grad():
        found = subject.model(list(images[1:]))[0]
    box = Box().settle([found])
    channels: list[float] = []
    for k in range(4):

        def without(m: Any, a: Any, out: Tensor, k: int = k) -> Tensor:
            changed = out.clone()
            changed[:, k] = 0
            return changed

        handle = module.register_forward_hook(without)
        with torch.no_grad():
            channels.append(float(box(subject.model(list(images[1:])))))
        handle.remove()

    def probe(activations: Tensor, score_with: Any) -> Tensor:
        def vary(stack: Tensor, k: Tensor) -> Tensor:
            keep = torch.ones(len(k), stack.shape[1], 1, 1)
            keep[torch.arange(len(k)), k] = 0
            return stack * keep

        return score_with(vary, 4)[:, :, None]

    ours = heatlens.attribute(subject, images, method=probe, layers=layer, target=[None, box], upsample=False)
    assert ours[1, :, 0].tolist() == pytest.approx(channels, rel=1e-3)


def test_two_images_have_detections_of_their_own() -> None:
    subject, images = detector("ssdlite320_mobilenet_v3_large"), torch.cat([IMAGES, torch.rand(1, 3, 96, 130)])
    together = heatlens.attribute(subject, images, method="layer_cam")
    for n in (0, 1):
        alone = heatlens.attribute(subject, images[n : n + 1], method="layer_cam")
        torch.testing.assert_close(together[n : n + 1], alone, rtol=1e-3, atol=1e-6)


def test_photos_of_their_own_sizes_go_together() -> None:
    subject = detector("ssdlite320_mobilenet_v3_large")
    photos = [
        np.random.default_rng(n).integers(0, 255, size, np.uint8) for n, size in enumerate([(60, 90, 3), (80, 50, 3)])
    ]
    found = heatlens.explain(subject, photos, target="box:#1")
    assert [e.map.shape for e in found] == [(60, 90), (80, 50)]


def test_a_detector_sees_the_photo_s_own_pixels_and_knows_coco_s_names() -> None:
    subject = heatlens.load("torchvision/ssdlite320_mobilenet_v3_large", weights="none")
    pixels = np.random.default_rng(0).integers(0, 255, (37, 51, 3), np.uint8)
    image, placement = subject.prepare(heatlens.images.read_photo(pixels))
    torch.testing.assert_close(image[0], torch.from_numpy(pixels).permute(2, 0, 1) / 255)
    assert placement.input_size == (37, 51)
    entry = library.get_model_weights("ssdlite320_mobilenet_v3_large").DEFAULT
    assert subject.classes.names == tuple(entry.meta["categories"])
    assert subject.target("dog") == Box(entry.meta["categories"].index("dog"))
    assert subject.target("box:dog#2,of=left") == Box(18, rank=1, of="left")
    with pytest.raises(BadValue, match="no detection #1 of class 18 in this image"):
        heatlens.explain(detector("ssdlite320_mobilenet_v3_large"), pixels, target=Box(18))


def test_padding_is_left_out_by_torchvision_s_own_arithmetic() -> None:
    from torchvision.models.detection.transform import GeneralizedRCNNTransform

    padding = Padding(128, 192, 32)
    transform = GeneralizedRCNNTransform(128, 192, [0.0] * 3, [1.0] * 3).eval()
    for size in [(96, 130), (130, 96), (50, 400), (128, 128), (97, 101)]:
        batch, _ = transform([torch.rand(3, *size)])
        inside, padded = batch.image_sizes[0], batch.tensors.shape[2:]
        space = (padded[0] // 4, padded[1] // 4)
        expected = tuple(max(1, round(n * i / p)) for n, i, p in zip(space, inside, padded, strict=True))
        assert padding.shown(size, space) == expected


def test_what_lies_on_the_padding_stays_what_it_is() -> None:
    said = torch.arange(24.0).reshape(1, 2, 3, 4)
    layout = Trimmed((3, 2))
    assert layout.to_stack(said).shape == (1, 2, 3, 2)
    changed = layout.from_stack(torch.zeros(1, 2, 3, 2), said)
    assert not changed[..., :2].any()
    assert torch.equal(changed[..., 2:], said[..., 2:])


# segmentation

SEGMENTATION = {
    "fcn_resnet50": ("backbone.layer4", (8, 12)),
    "deeplabv3_mobilenet_v3_large": ("backbone.16", (4, 6)),
    "lraspp_mobilenet_v3_large": ("backbone.16", (4, 6)),
}


@pytest.mark.parametrize("name", SEGMENTATION)
def test_segmentation_is_explained_by_region(name: str) -> None:
    layer, grid = SEGMENTATION[name]
    torch.manual_seed(0)
    images = torch.rand(2, 3, 64, 96)
    subject = heatlens.load(f"torchvision/{name}", weights="none", num_classes=5, aux_loss=True) if "fcn" in name else (
        heatlens.load(f"torchvision/{name}", weights="none", num_classes=5)
    )  # fmt: skip
    lively(subject.model, images)
    assert subject.default_layers(images) == (layer,)
    seen: list[Tensor] = []
    handle = subject.model.get_submodule(layer).register_forward_hook(lambda m, a, out: seen.append(out))
    out = subject.model(images)["out"]
    handle.remove()
    score = torch.zeros(())
    for one in out:
        strongest = one.argmax(0)
        index = int(strongest.flatten().bincount().argmax())
        score = score + one[index][strongest == index].mean()
    slope = torch.autograd.grad(score, seen[0])[0]
    expected = (seen[0] * slope).sum(1)
    found = heatlens.attribute(subject, images, method="hires_cam", upsample=False)
    assert found.shape == (2, *grid)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-7)


def test_segmentation_keeps_proportions_and_leaves_the_background_out() -> None:
    subject = heatlens.load("torchvision/lraspp_mobilenet_v3_large", weights="none")
    assert subject.classes.names[:2] == ("__background__", "aeroplane")
    assert subject.usual == Region(background=0)
    assert subject.target("dog") == Region(12, background=0)
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8))
    image, placement = subject.prepare(heatlens.images.read_photo(photo))
    preset = library.get_model_weights("lraspp_mobilenet_v3_large").DEFAULT.transforms()
    assert image.shape[1:] == preset(photo).shape == (3, 520, 780)
    torch.testing.assert_close(image[0], preset(photo), atol=0.02, rtol=0)
    assert placement.input_size == (520, 780)
    assert subject.overridden(size=64).prepare(heatlens.images.read_photo(photo))[0].shape == (1, 3, 64, 64)


# video

VIDEO: dict[str, tuple[tuple[int, ...], str, tuple[int, ...]]] = {
    "r3d_18": ((8, 32, 48), "layer4", (1, 2, 3)),
    "mc3_18": ((4, 32, 48), "layer4", (4, 2, 3)),
    "r2plus1d_18": ((8, 32, 48), "layer4", (1, 2, 3)),
    "swin3d_t": ((8, 64, 96), "norm", (4, 2, 3)),
}


@pytest.mark.parametrize("name", VIDEO)
def test_clips_have_maps_over_time(name: str) -> None:
    size, layer, grid = VIDEO[name]
    torch.manual_seed(0)
    clips = torch.rand(1, 3, *size)
    subject = heatlens.load(f"torchvision/{name}", weights="none", num_classes=7)
    lively(subject.model, clips)
    assert subject.default_layers(clips) == (layer,)
    seen: list[Tensor] = []
    handle = subject.model.get_submodule(layer).register_forward_hook(lambda m, a, out: seen.append(out))
    logits = subject.model(clips)
    handle.remove()
    product = seen[0] * torch.autograd.grad(logits.max(), seen[0])[0]
    expected = product.sum(-1 if "swin" in name else 1)
    maps = heatlens.attribute(subject, clips, method="hires_cam", upsample=False)
    assert maps.shape == (1, *grid)
    torch.testing.assert_close(maps, expected, rtol=1e-3, atol=1e-6)
    assert heatlens.attribute(subject, clips).shape == (1, *size)


def test_mvit_s_tokens_lie_on_a_grid_of_pictures() -> None:
    from torchvision.models.video.mvit import MSBlockConfig, MViT

    blocks = [
        MSBlockConfig(1, 8, 8, [], [3, 3, 3], [], [1, 2, 2]),
        MSBlockConfig(1, 8, 8, [3, 3, 3], [3, 3, 3], [1, 2, 2], [1, 1, 1]),
        MSBlockConfig(1, 8, 8, [], [3, 3, 3], [], [1, 1, 1]),
    ]
    torch.manual_seed(0)
    model = MViT((32, 32), 8, blocks, residual_pool=False, residual_with_cls_embed=False, rel_pos_embed=False,
                 proj_after_attn=False, num_classes=5).eval()  # fmt: skip
    from heatlens.models.libraries.torchvision_tasks import fitted
    from heatlens.targets import Classes

    preset = library.get_model_weights("mvit_v1_b").DEFAULT.transforms()
    subject, clips = fitted("mvit", model, preset, Classes()), torch.rand(1, 3, 8, 32, 32)
    (layer,) = subject.default_layers(clips)
    assert layer == "blocks.2.norm1"
    seen: list[Tensor] = []
    handle = model.get_submodule(layer).register_forward_hook(lambda m, a, out: seen.append(out))
    logits = model(clips)
    handle.remove()
    product = (seen[0] * torch.autograd.grad(logits.max(), seen[0])[0]).sum(2)
    maps = heatlens.attribute(subject, clips, method="hires_cam", upsample=False)
    assert maps.shape == (1, 4, 4, 4)  # 8 frames by 2, 32 pixels by 4 and once by 2
    torch.testing.assert_close(maps.flatten(1), product[:, 1:], rtol=1e-3, atol=1e-7)


def test_a_photo_for_a_video_network_is_refused_with_what_to_do() -> None:
    subject = heatlens.load("torchvision/r3d_18", weights="none")
    assert subject.classes.names[0] == "abseiling"
    assert subject.blank().shape == (1, 3, 16, 112, 112)
    with pytest.raises(BadValue, match=r"a photo for torchvision/r3d_18, which looks at clips.*heatlens\.attribute"):
        heatlens.explain(subject, np.zeros((40, 40, 3), np.uint8))
