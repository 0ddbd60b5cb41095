"""Guided Grad-CAM in colour as pytorch-grad-cam has it, LIME's superpixels as class_activation_mapping draws them."""

from typing import Any

import numpy as np
import pytest
import torch
from skimage.segmentation import mark_boundaries, slic

import heatlens
from heatlens.asking.guided import in_colour
from heatlens.images import prepare, read_photo
from heatlens.words.errors import BadValue
from helpers.networks import lively, torchvision_model

peer = pytest.importorskip("pytorch_grad_cam")
from pytorch_grad_cam.utils.image import deprocess_image, show_cam_on_image  # noqa: E402, F401
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # noqa: E402


@pytest.fixture(scope="module")
def subject() -> heatlens.Subject:
    model, _ = torchvision_model("resnet18", size=96)
    return heatlens.load(lively(model, torch.randn(4, 3, 96, 96)), size=96, mean=0.5, std=0.25, resize="squash")


PHOTO = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)


def of_the_peer(subject: heatlens.Subject) -> tuple[Any, Any]:
    """cam.py: the guided gradients (h, w, 3), and Grad-CAM in [0, 1]."""
    image, _ = prepare(read_photo(PHOTO), subject.preprocessing)
    images = image[None]
    with peer.GradCAM(model=subject.model, target_layers=[subject.model.layer4]) as cam:
        where = cam(input_tensor=images.clone(), targets=[ClassifierOutputTarget(3)])[0]
    from copy import deepcopy

    guided = peer.GuidedBackpropReLUModel(model=deepcopy(subject.model), device="cpu")
    return guided(images.clone(), target_category=3), where


def test_guided_grad_cam_in_colour(subject: heatlens.Subject) -> None:
    gradients, where = of_the_peer(subject)
    found = heatlens.guided(subject, PHOTO, target=3, layers="layer4")
    np.testing.assert_allclose(found.gradients.transpose(1, 2, 0), gradients, atol=1e-5 * np.abs(gradients).max())
    np.testing.assert_allclose(found.map, where, atol=1e-4)
    for ours, theirs in (
        (found.picture(), deprocess_image(np.stack([where] * 3, axis=-1) * gradients)),
        (found.picture(alone=True), deprocess_image(gradients)),
    ):
        assert np.abs(np.asarray(ours).astype(int) - theirs).max() <= 1
        assert np.asarray(ours).std() > 5


def test_colours_of_other_orders_and_of_grey() -> None:
    values = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    assert (in_colour(values, "BGR") == in_colour(values)[..., ::-1]).all()
    grey = in_colour(values[:1])
    assert grey.shape == (4, 5, 3)
    assert (grey[..., 0] == grey[..., 2]).all()
    assert (in_colour(np.zeros((3, 2, 2), np.float32)) == 127).all()
    net = torch.nn.Sequential(
        torch.nn.Conv2d(5, 2, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    )
    with pytest.raises(BadValue):
        heatlens.guided(net.eval(), PHOTO)


def test_superpixels_are_those_that_lime_hides(subject: heatlens.Subject) -> None:
    found = heatlens.superpixels(subject, PHOTO, count=12)
    image, _ = prepare(read_photo(PHOTO), subject.preprocessing)
    labels = slic(image.movedim(0, -1).numpy(), n_segments=12, start_label=0)
    labels = np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
    at = [np.floor((np.arange(length) + 0.5) * 96 / length).astype(int) for length in (90, 120)]
    assert (found.labels == labels[np.ix_(*at)]).all()
    assert found.count == labels.max() + 1
    drawn = (mark_boundaries(PHOTO, found.labels + 1) * 255).round().astype(np.uint8)
    assert (np.asarray(found.picture()) == drawn).all()
    lime = heatlens.explain(subject, PHOTO, target=3, method="lime", settings={"superpixels": 12, "samples": 40})
    values = [set(lime.raw[labels == label].ravel().tolist()) for label in range(found.count)]
    assert max(map(len, values)) == 1


def test_what_the_model_does_not_see_is_in_no_superpixel(subject: heatlens.Subject) -> None:
    cropped = heatlens.superpixels(subject.overridden(resize="crop", size=48, shorter_side=96), PHOTO, count=9)
    assert (cropped.labels[:, 0] == -1).all()
    assert cropped.labels[45, 60] >= 0
    with pytest.raises(BadValue, match="count=0"):
        heatlens.superpixels(subject, PHOTO, count=0)
