"""Box and point figures against what a hand finds; Grad-CAM's closed form against autograd."""

import numpy as np
import pytest
import torch
from training.evaluate import rate, read_photo
from training.localisation import box_hits, draw, gaussian, grad_cams, largest_box, overlap, peaks, points_inside
from training.student import normalise

from heatlens.models.bundled.networks import BundledCNN


def test_the_box_is_drawn_around_the_largest_component() -> None:
    mask = np.zeros((6, 8), bool)
    mask[0, 0] = True
    mask[2:5, 3:7] = True
    assert largest_box(mask) == (3, 2, 7, 5)
    assert largest_box(np.zeros((3, 3), bool)) is None


def test_overlap_of_two_boxes() -> None:
    assert overlap((0, 0, 4, 2), np.array([2.0, 0, 6, 2])) == pytest.approx(4 / 12)
    assert overlap((0, 0, 1, 1), np.array([2.0, 2, 3, 3])) == 0


def test_a_point_on_the_far_edge_is_outside() -> None:
    boxes = np.array([[2.0, 1, 5, 4]] * 3)
    assert points_inside(np.array([[2.0, 1], [5, 3], [4, 3]]), boxes).tolist() == [1, 0, 1]


def test_the_peak_is_given_as_x_and_y() -> None:
    maps = np.zeros((1, 4, 6))
    maps[0, 3, 1] = 1
    assert peaks(maps).tolist() == [[1, 3]]


def test_one_threshold_serves_the_whole_set() -> None:
    hits, threshold = box_hits([draw(gaussian(64))] * 2, np.array([[16.0, 16, 48, 48], [0, 0, 4, 4]]))
    assert hits.tolist() == [1, 0]
    assert 0 < threshold < 1


def test_the_closed_form_is_grad_cam_at_the_neck() -> None:
    torch.manual_seed(0)
    network = BundledCNN(classes=5).eval()
    photos = torch.randint(0, 256, (1, 3, 128, 128), dtype=torch.uint8)
    stack = network.features(normalise(photos.float() / 255)).detach().requires_grad_()
    score = network.head(network.flatten(network.pool(stack)))[0, 3]
    weights = torch.autograd.grad(score, stack)[0].mean((2, 3), keepdim=True)
    by_autograd = torch.nn.functional.interpolate((weights * stack).sum(1, keepdim=True).relu(), 128, mode="bilinear")
    closed = grad_cams(network, photos, torch.tensor([3]))
    assert torch.allclose(closed / closed.max(), (by_autograd / by_autograd.max())[0].detach(), atol=1e-5)


def test_a_photo_is_cropped_in_the_middle_or_squashed() -> None:
    photo = np.zeros((128, 256, 3), np.uint8)
    photo[:, 64:192] = 200
    assert read_photo(photo, crop=True).min() == 200
    squashed = read_photo(photo)[0, 0, 64]
    assert (squashed[0], squashed[64], squashed[127]) == (0, 200, 0)


def test_rates_are_printed_with_their_counts() -> None:
    assert rate([True, True, False, True]) == "3 of 4 (75%)"
