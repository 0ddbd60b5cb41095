"""A dense head swapped for global average pooling and one linear layer, as the CAM paper does it."""

import pytest
import torch
from torch import nn

import heatlens
from heatlens.words.errors import BadValue
from helpers.networks import Gap


@pytest.mark.parametrize(
    ("name", "last", "space", "inputs"),
    [
        ("alexnet", "features.10", (13, 13), 256),  # the paper: conv5, 13x13
        ("vgg16", "features.28", (14, 14), 512),  # conv5-3, 14x14
        ("googlenet", "inception4e.branch4.1.bn", (14, 14), 832),  # inception4e, 14x14
    ],
)
def test_the_papers_recipes(name: str, last: str, space: tuple[int, int], inputs: int) -> None:
    from torchvision import models

    extra = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    with torch.device("meta"):
        model = models.get_model(name, weights=None, **extra)
    model = model.to_empty(device="cpu").eval()
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data.fill_(0.01)
    made = heatlens.cam_head(model, 7)
    convolution = made.features[0]
    assert (convolution.kernel_size, convolution.stride, convolution.padding) == ((3, 3), (1, 1), (1, 1))
    assert (convolution.in_channels, convolution.out_channels) == (inputs, 1024)
    assert (made.head.in_features, made.head.out_features) == (1024, 7)
    assert [key.rpartition(".")[0] for key in made.trunk.state_dict()][-1] == last
    maps = heatlens.attribute(made, torch.rand(1, 3, 224, 224), method="cam", target=0, upsample=False)
    assert maps.shape == (1, *space)


class Dense(nn.Module):
    """Convolutions, a pooling, and a dense head over all places: not CAM-able."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.more = nn.Sequential(nn.Conv2d(8, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(6 * 8 * 8, 16), nn.ReLU(), nn.Linear(16, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.more(self.body(x)))


@pytest.fixture
def dense() -> nn.Module:
    torch.manual_seed(0)
    return Dense().train()


def test_any_network_with_a_dense_head(dense: nn.Module) -> None:
    subject = heatlens.load(dense, size=32)
    before = {key: value.clone() for key, value in dense.state_dict().items()}
    images = torch.rand(2, 3, 32, 32)
    with pytest.raises(heatlens.HeatlensError, match="cam needs a head"):
        heatlens.attribute(subject, images, method="cam")
    made = heatlens.cam_head(subject, ["a", "b", "c", "d"], channels=9)
    maps = heatlens.attribute(made, images, method="cam", target=2, upsample=False)
    assert maps.shape == (2, 16, 16)  # before the last pooling
    torch.testing.assert_close(maps.mean((1, 2)) + made.head.bias[2].detach(), made(images)[:, 2].detach())
    # the trunk computes what the network computed there
    features = dense.eval().more[:3](dense.body(images))
    torch.testing.assert_close(made.trunk(images), features)
    # and the network is as it was, also after the new one has been trained
    dense.train()
    made.train()(images).sum().backward()
    torch.optim.SGD(made.parameters(), 0.1).step()
    assert all(torch.equal(value, before[key]) for key, value in dense.state_dict().items())
    assert dense.training
    assert all(p.grad is None for p in dense.parameters())


def test_without_a_convolution_and_at_a_layer(dense: nn.Module) -> None:
    made = heatlens.cam_head(heatlens.load(dense, size=32), 5, layer="body.1", channels=None)
    assert len(made.features) == 0
    assert made.head.in_features == 8
    assert made(torch.rand(1, 3, 32, 32)).shape == (1, 5)
    maps = heatlens.attribute(made, torch.rand(1, 3, 32, 32), method="cam", target=1, upsample=False)
    assert maps.shape == (1, 32, 32)


def test_other_dimensions_types_and_places() -> None:
    double = heatlens.cam_head(heatlens.load(Gap().double(), size=32), 2, channels=4)
    assert double.head.weight.dtype == torch.float64


class Deciding(Dense):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x if float(x.sum()) > 0 else -x)


def test_what_cannot_be_done_says_so(dense: nn.Module) -> None:
    subject = heatlens.load(dense, size=32)
    with pytest.raises(BadValue, match=r"has no layer .head\.1. that returns channels first over a space"):
        heatlens.cam_head(subject, 2, layer="head.1")
    with pytest.raises(BadValue, match="0 classes"):
        heatlens.cam_head(subject, 0)
    with pytest.raises(BadValue, match="the code of Deciding cannot be traced"):
        heatlens.cam_head(heatlens.load(Deciding(), size=32), 2)
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2))
    with pytest.raises(BadValue, match="has no last layer that returns channels first"):
        heatlens.cam_head(heatlens.load(flat, size=32), 2)
