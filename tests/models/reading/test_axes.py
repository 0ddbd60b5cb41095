"""Where channels, frames and steps lie is read from what models declare and compute: hand-written HiResCAM."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import heatlens
from heatlens.words.errors import HeatlensError, LayoutUnclear
from helpers.networks import lively


def by_hand(layer: nn.Module, run: Callable[[], Tensor], pick: Callable[[Any], Tensor] = lambda out: out) -> Tensor:
    """Gradient times activation of what the layer says, as the layer lays it out."""
    seen: list[Tensor] = []
    handle = layer.register_forward_hook(lambda module, args, out: seen.append(pick(out)))
    try:
        score = run()
    finally:
        handle.remove()
    (slope,) = torch.autograd.grad(score.sum(), seen[-1])
    return (slope * seen[-1]).detach()


def same(got: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-6 * float(expected.abs().max()) + 1e-9)


ASK: dict[str, Any] = {"target": 1, "method": "hires_cam", "upsample": False}


class Clip(nn.Module):
    """(n, t, 3, h, w): frames through one 2-D trunk, then over time."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(channels, 8, 3, 2, 1), nn.ReLU())
        self.lstm = nn.LSTM(8, 8, batch_first=True)
        self.fc = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        features = self.trunk(x.flatten(0, 1)).mean((2, 3)).unflatten(0, x.shape[:2])
        scores: Tensor = self.fc(self.lstm(features)[0][:, -1])
        return scores


@pytest.mark.parametrize("frames", [5, 3], ids=["5 frames", "as many frames as colours"])
@pytest.mark.parametrize("clips", [1, 2])
@pytest.mark.parametrize("layers", ["trunk", None])
def test_frames_folded_into_the_batch_have_a_map_each(frames: int, clips: int, layers: str | None) -> None:
    torch.manual_seed(0)
    net, x = Clip().eval(), torch.rand(clips, frames, 3, 16, 16)
    expected = by_hand(net.trunk, lambda: net(x)[:, 1]).sum(1).unflatten(0, (clips, frames))
    same(heatlens.attribute(net, x, layers=layers, **ASK), expected)
    assert heatlens.attribute(net, x, layers=layers, target=1).shape == (clips, frames, 16, 16)


class Views(nn.Module):
    """(n, views, 3, h, w) to the maximum over the views (MVCNN)."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU())
        self.fc = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        seen = self.trunk(x.flatten(0, 1)).mean((2, 3))
        scores: Tensor = self.fc(seen.view(*x.shape[:2], -1).amax(1))
        return scores


@pytest.mark.parametrize("layers", ["trunk", None])
def test_every_view_has_a_map(layers: str | None) -> None:
    torch.manual_seed(0)
    net, x = Views().eval(), torch.rand(2, 4, 3, 32, 32)
    expected = by_hand(net.trunk, lambda: net(x)[:, 1]).sum(1).unflatten(0, (2, 4))
    same(heatlens.attribute(net, x, layers=layers, **ASK), expected)


def test_channels_of_folded_frames_can_be_silenced() -> None:
    """Ablation-CAM on all frames at once: (y - y_k) / y weighs channel k."""
    torch.manual_seed(0)
    net, x = Views().eval(), torch.rand(1, 4, 3, 16, 16)
    A = net.trunk(x[0]).detach()

    def score(changed: Tensor) -> Tensor:
        return net.fc(changed.mean((2, 3)).amax(0))[1].detach()

    whole, expected = score(A), torch.zeros(4, 7, 7)
    for k in range(8):
        without = A.clone()
        without[:, k] = 0
        expected += (whole - score(without)) / whole.abs() * A[:, k]
    found = heatlens.attribute(net, x, layers="trunk", target=1, method="ablation_cam", upsample=False)
    same(found[0], expected.clamp(min=0))


@pytest.mark.parametrize(
    "method", ["score_cam", "recipro_cam", "layer_integrated_gradients", "relevance_cam", "lift_cam"]
)
def test_every_kind_of_method_runs_on_folded_frames(method: str) -> None:
    torch.manual_seed(0)
    net, x = Views().eval(), torch.rand(2, 4, 3, 16, 16)
    together = heatlens.attribute(net, x, layers="trunk", target=1, method=method)
    assert together.shape == (2, 4, 16, 16)
    alone = heatlens.attribute(net, x[1:], layers="trunk", target=1, method=method)
    torch.testing.assert_close(together[1:], alone)


@pytest.mark.parametrize("method", ["occlusion", "rise"])
def test_pictures_of_clips_keep_their_axes(method: str) -> None:
    torch.manual_seed(0)
    net, x = Views().eval(), torch.rand(2, 4, 3, 16, 16)
    assert heatlens.attribute(net, x, target=1, method=method, settings=_small(method)).shape == (2, 4, 16, 16)


def _small(method: str) -> dict[str, Any]:
    return {"window": 8, "stride": 8} if method == "occlusion" else {"samples": 4}


class ChannelsInFront(nn.Module):
    """(n, c, t, h, w): 3-D convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 6, 3, padding=1)
        self.fc = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.conv(x).relu().mean((2, 3, 4)))
        return scores


def test_clips_with_their_channels_in_front_stay_as_they_are() -> None:
    torch.manual_seed(0)
    net, x = ChannelsInFront().eval(), torch.rand(2, 3, 3, 8, 8)
    same(heatlens.attribute(net, x, layers="conv", **ASK), by_hand(net.conv, lambda: net(x)[:, 1]).sum(1))


class Normalising(Clip):
    """What its first step is given is not the clip itself."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x * 2 - 1)


def test_where_two_axes_could_be_the_channels_it_is_asked() -> None:
    torch.manual_seed(0)
    net, x = Normalising().eval(), torch.rand(1, 3, 3, 16, 16)
    with pytest.raises(LayoutUnclear, match=r"axis 1 or 2 could hold the 3 channels.*axes=") as refused:
        heatlens.attribute(net, x, layers="trunk", target=1)
    assert len(str(refused.value).splitlines()) == 1
    expected = by_hand(net.trunk, lambda: net(x)[:, 1]).sum(1)[None]
    same(heatlens.attribute(heatlens.load(net, axes="ntchw"), x, layers="trunk", **ASK), expected)
    assert heatlens.attribute(net, x.expand(1, 3, 3, 16, 16)[:, [0, 1, 2, 0]], target=1).shape == (1, 4, 16, 16)


@pytest.mark.parametrize("axes", ["nchw", "tnchw", "nthwx", "ncchw"])
def test_axes_that_are_not_the_images_own(axes: str) -> None:
    with pytest.raises(HeatlensError, match=f"axes='{axes}' for images of shape"):
        heatlens.attribute(heatlens.load(Clip().eval(), axes=axes), torch.rand(1, 5, 3, 16, 16), target=1)


class LastFirst(nn.Module):
    """Pictures (n, h, w, 3), turned inside."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.fc = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.conv(x.permute(0, 3, 1, 2)).relu().mean((2, 3)))
        return scores


def test_pictures_with_their_channels_last() -> None:
    torch.manual_seed(0)
    net, x = LastFirst().eval(), torch.rand(2, 12, 10, 3)
    same(heatlens.attribute(net, x, layers="conv", **ASK), by_hand(net.conv, lambda: net(x)[:, 1]).sum(1))
    assert heatlens.attribute(net, x, target=1, method="occlusion", settings=_small("occlusion")).shape == (2, 12, 10)


TRANSFORMERS: dict[str, tuple[str, str, Callable[[Tensor], Tensor]]] = {
    "VideoMAE": ("videomae.encoder.layer.1", "tubelet_size", lambda t: t.sum(-1).unflatten(1, (4, 4, 4))),
    "Vivit": ("vivit.layers.1.layernorm_before", "tubelet_size", lambda t: t[:, 1:].sum(-1).unflatten(1, (4, 4, 4))),
    "Timesformer": (
        "timesformer.encoder.layer.1.layernorm_before",
        "",
        lambda t: t[:, 1:].sum(-1).reshape(2, 8, 4, 4),
    ),
}


def video(name: str) -> nn.Module:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    extra = {"VideoMAE": {"tubelet_size": 2}, "Vivit": {"tubelet_size": [2, 16, 16]}}.get(name, {})
    config = getattr(transformers, f"{name}Config")(
        image_size=64, patch_size=16, num_frames=8, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, num_labels=5, **extra,
    )  # fmt: skip
    model: nn.Module = getattr(transformers, f"{name}ForVideoClassification")(config).eval()
    for weights in model.parameters():
        if weights.ndim > 1:
            nn.init.normal_(weights, std=0.2)
    return model


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_video_transformers(name: str) -> None:
    """(n, frames, channels, h, w) in, (n, frames, h, w) out; the default layer is found in the last block."""
    model, clips = video(name), torch.rand(2, 8, 3, 64, 64)
    layer, _, laid = TRANSFORMERS[name]
    expected = laid(by_hand(model.get_submodule(layer), lambda: model(pixel_values=clips).logits[:, 1], _tensor))
    same(heatlens.attribute(model, pixel_values=clips, layers=layer, **ASK), expected)
    assert heatlens.attribute(model, pixel_values=clips, target=1).shape == (2, 8, 64, 64)
    (default,) = heatlens.load(model).default_layers()
    assert default in (layer, "videomae", "videomae.encoder")


def test_a_block_of_timesformer_keeps_the_frames_of_a_place_together() -> None:
    model, clips = video("Timesformer"), torch.rand(2, 8, 3, 64, 64)
    block = model.get_submodule("timesformer.encoder.layer.0")
    flow = by_hand(block, lambda: model(pixel_values=clips).logits[:, 1], _tensor)
    expected = flow[:, 1:].sum(-1).unflatten(1, (4, 4, 8)).movedim(3, 1)
    same(heatlens.attribute(model, pixel_values=clips, layers=block, **ASK), expected)


def _tensor(out: Any) -> Tensor:
    return out if isinstance(out, Tensor) else out[0]


EMBEDDINGS = {
    "VideoMAE": "videomae.embeddings.patch_embeddings",
    "Vivit": "vivit.embeddings",
    "Timesformer": "timesformer.embeddings",
}


@pytest.mark.parametrize(("name", "embedding"), EMBEDDINGS.items())
def test_a_token_lies_where_its_patch_is(name: str, embedding: str) -> None:
    """Only the token of the patch that changes changes: found by trying, whatever the order is said to be."""
    model, clip = video(name), torch.rand(1, 8, 3, 64, 64)
    changed = clip.clone()
    changed[0, 6:8, :, 16:32, 48:64] = 0  # frames 6 and 7, second row, last column
    with torch.no_grad():
        first, second = (model.get_submodule(embedding)(x) for x in (clip, changed))
    subject = heatlens.load(model)
    layout = subject.layout(embedding, first, subject.shown((), {"pixel_values": clip}).images)
    moved = (layout.to_stack(first) - layout.to_stack(second)).abs().sum(1)[0] > 1e-6
    times = [3] if name != "Timesformer" else [6, 7]
    assert moved.nonzero().tolist() == [[t, 1, 3] for t in times]


class Series(nn.Module):
    """(n, steps, features) through a recurrent layer."""

    def __init__(self, batch_first: bool = True, hidden: int = 6) -> None:
        super().__init__()
        self.rnn = nn.GRU(4, hidden, batch_first=batch_first)
        self.fc = nn.Linear(hidden, 3)
        self.batch_first = batch_first

    def forward(self, x: Tensor) -> Tensor:
        out = self.rnn(x if self.batch_first else x.transpose(0, 1))[0]
        scores: Tensor = self.fc(out.mean(1 if self.batch_first else 0))
        return scores


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize(("steps", "hidden"), [(10, 6), (6, 6), (2, 6), (4, 4)])
@pytest.mark.parametrize("layers", ["rnn", None])
def test_the_places_of_a_series_are_its_steps(batch_first: bool, steps: int, hidden: int, layers: str | None) -> None:
    torch.manual_seed(0)
    net, x = Series(batch_first, hidden).eval(), torch.rand(2, steps, 4)
    found = by_hand(net.rnn, lambda: net(x)[:, 1], lambda out: out[0]).sum(2)
    same(heatlens.attribute(net, x, layers=layers, **ASK), found if batch_first else found.T)
    assert heatlens.attribute(net, x, layers=layers, target=1).shape == (2, steps)


class Mixed(nn.Module):
    """A series with its channels in front, turned for the recurrent layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv1d(4, 8, 3, 2, 1), nn.ReLU())
        self.rnn = nn.LSTM(8, 5, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.rnn(self.conv(x).transpose(1, 2))[0].mean(1))
        return scores


@pytest.mark.parametrize("length", [32, 20, 16])
def test_convolutions_and_recurrent_layers_have_their_channels_on_different_axes(length: int) -> None:
    torch.manual_seed(0)
    net, x = Mixed().eval(), torch.rand(2, 4, length)
    same(heatlens.attribute(net, x, layers="conv", **ASK), by_hand(net.conv, lambda: net(x)[:, 1]).sum(1))
    same(heatlens.attribute(net, x, layers="conv.1", **ASK), by_hand(net.conv[1], lambda: net(x)[:, 1]).sum(1))
    expected = by_hand(net.rnn, lambda: net(x)[:, 1], lambda out: out[0]).sum(2)
    same(heatlens.attribute(net, x, layers="rnn", **ASK), expected)
    assert heatlens.load(net).default_layers(x) == ("rnn",)
    assert heatlens.attribute(net, x, layers="rnn", target=1, method="ablation_cam").shape == (2, length)


class SeriesTransformer(nn.Module):
    """(n, steps, features), a dense layer in front of the encoder."""

    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        self.embed = nn.Linear(4, 16)
        block = nn.TransformerEncoderLayer(16, 2, 32, batch_first=batch_first, norm_first=True)
        self.encoder = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)
        self.fc = nn.Linear(16, 3)
        self.batch_first = batch_first

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x if self.batch_first else x.transpose(0, 1))
        scores: Tensor = self.fc(self.encoder(tokens).mean(1 if self.batch_first else 0))
        return scores


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("steps", [10, 16, 4])
def test_the_places_of_a_transformer_s_series_are_its_steps(batch_first: bool, steps: int) -> None:
    torch.manual_seed(0)
    net, x = SeriesTransformer(batch_first).eval(), torch.rand(2, steps, 4)
    layer = net.encoder.layers[1]
    found = by_hand(layer, lambda: net(x)[:, 1]).sum(2)
    same(heatlens.attribute(net, x, layers=layer, **ASK), found if batch_first else found.T)
    assert heatlens.attribute(net, x, target=1).shape == (2, steps)
    replayed = heatlens.attribute(net, x, layers=layer, target=1, method="recipro_cam", upsample=False)
    assert replayed.shape == (2, steps)


class Free(nn.Module):
    """A series whose layer declares nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Identity()
        self.weight = nn.Parameter(torch.rand(4, 8))

    def forward(self, x: Tensor) -> Tensor:
        return (self.body(x).transpose(1, 2) @ self.weight).mean(1)


def test_a_series_that_nobody_declares_is_asked_about() -> None:
    net, x = Free().eval(), torch.rand(2, 4, 10)
    with pytest.raises(LayoutUnclear, match="channels_last=True, or False"):
        heatlens.attribute(net, x, layers="body", target=1)
    first = heatlens.attribute(heatlens.load(net, channels_last=False), x, layers="body", **ASK)
    same(first, by_hand(net.body, lambda: net(x.requires_grad_())[:, 1]).sum(1))


class Ocr(nn.Module):
    """A picture read from left to right: (n, 1, h, w) -> (steps, n, letters)."""

    def __init__(self) -> None:
        super().__init__()
        self.cnn = nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU(), nn.AvgPool2d((16, 1)))
        self.rnn = nn.LSTM(8, 8)
        self.fc = nn.Linear(8, 11)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.rnn(self.cnn(x).squeeze(2).permute(2, 0, 1))[0])
        return scores


def letter(out: Tensor) -> Tensor:
    return out[5, :, 3]


@pytest.mark.parametrize("layer", ["rnn", "fc"])
def test_a_sequence_stays_a_sequence(layer: str) -> None:
    torch.manual_seed(0)
    net, x = Ocr().eval(), torch.rand(2, 1, 32, 64)
    expected = by_hand(net.get_submodule(layer), lambda: letter(net(x)), _tensor).sum(2).T
    found = heatlens.attribute(net, x, layers=layer, target=letter, method="hires_cam", upsample=False)
    assert found.shape == (2, 32)
    same(found, expected)
    with pytest.raises(LayoutUnclear, match=r"a sequence of 32 steps.*upsample=False.*grid=\(1, 32\)"):
        heatlens.attribute(net, x, layers=layer, target=letter)
    laid = heatlens.attribute(heatlens.load(net, grid=(1, 32)), x, layers=layer, target=letter)
    assert laid.shape == (2, 32, 64)
    assert heatlens.load(net).default_layers(x) == ("cnn",)


def test_a_sequence_is_no_picture_of_a_photo() -> None:
    net = nn.Sequential(Ocr(), nn.Flatten(0, 0)).eval()
    net[0].cnn[0] = nn.Conv2d(3, 8, 3, 2, 1)
    subject = heatlens.load(net, size=(32, 64), mean=0, std=1)
    with pytest.raises(LayoutUnclear, match="a sequence of 32 steps, which is no picture"):
        heatlens.explain(subject, torch.rand(3, 32, 64), layers="0.rnn", target=letter)


class Frames(nn.Module):
    """Frames one after the other through one trunk."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU())
        self.fc = nn.Linear(4, 2)

    def forward(self, clip: Tensor) -> Tensor:
        seen = [self.trunk(clip[:, t]).mean((2, 3)) * (t + 1) for t in range(clip.shape[1])]
        scores: Tensor = self.fc(torch.stack(seen).sum(0))
        return scores


def test_a_loop_over_frames_has_a_run_for_each() -> None:
    torch.manual_seed(0)
    net, clips = Frames().eval(), torch.rand(2, 5, 3, 8, 8)
    with pytest.raises(HeatlensError, match="runs 5 times in one pass"):
        heatlens.attribute(net, clips, target=1)
    found = heatlens.attribute(net, clips, layers="trunk@all", fuse=None, **ASK)
    for t, one in enumerate(found.values()):
        A = net.trunk(clips[:, t]).detach()
        same(one, (A * net.fc.weight[1].detach()[None, :, None, None]).sum(1) * (t + 1) / 16)
    assert heatlens.attribute(net, clips, target=1, layers="trunk@2").shape == (2, 8, 8)


def test_photos_of_usual_networks_are_as_before() -> None:
    from torchvision.models import resnet18

    net, images = resnet18(num_classes=3), torch.rand(2, 3, 64, 48)
    lively(net, images)
    same(heatlens.attribute(net, images, layers="layer4", **ASK), by_hand(net.layer4, lambda: net(images)[:, 1]).sum(1))
