"""Probabilities that a network returns are read as such, and its maps are those of the logit: hand-written Grad-CAM."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import heatlens
from heatlens.words.errors import BadValue

IMAGES = torch.randint(0, 256, (2, 3, 20, 20), generator=torch.Generator().manual_seed(0)) / 255
PHOTO = IMAGES[0]


class Net(nn.Module):
    """Features, their mean, one linear layer, and an ending that turns (features, scores) into what is returned."""

    def __init__(self, classes: int, end: Callable[[Tensor, Tensor], Any], bias: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(classes)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU())
        self.fc = nn.Linear(8, classes)
        self.end = end
        with torch.no_grad():
            self.fc.weight.mul_(9)
            self.fc.bias.add_(bias)

    def forward(self, x: Tensor) -> Any:
        features = self.body(x).mean((2, 3))
        return self.end(features, self.fc(features))


def logits(net: Net, images: Tensor) -> Tensor:
    return net.fc(net.body(images).mean((2, 3)))


def hires(net: Net, images: Tensor, score: Callable[[Tensor], Tensor]) -> Tensor:
    """The sum over channels of gradient times activation, of a score of the logits, by hand."""
    A = net.body(images).detach().requires_grad_()
    (slope,) = torch.autograd.grad(score(net.fc(A.mean((2, 3)))).sum(), A)
    return (slope * A).sum(1).detach()


def explained(net: Net, **options: Any) -> Any:
    subject = heatlens.load(net.eval(), size=20, mean=0, std=1, **options)
    return heatlens.explain(subject, PHOTO, method="hires_cam", layers="body")


SIGMOIDS: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "module": lambda f, z: nn.Sigmoid()(z),
    "function": lambda f, z: torch.sigmoid(z),
    "method": lambda f, z: z.sigmoid(),
    "in place": lambda f, z: z.sigmoid_(),
    "without its axis": lambda f, z: z.sigmoid().squeeze(1),
}


@pytest.mark.parametrize("end", SIGMOIDS.values(), ids=SIGMOIDS)
@pytest.mark.parametrize("bias", [-3.0, 3.0])
def test_one_output_behind_a_sigmoid(end: Any, bias: float) -> None:
    net = Net(1, end, bias)
    answer = explained(net, classes=["healthy", "ill"])
    z = logits(net, PHOTO[None])[0, 0].detach()
    p = float(z.sigmoid())
    assert answer.name == ("ill" if p > 0.5 else "healthy")
    assert answer.probability == pytest.approx(max(p, 1 - p), abs=1e-5)
    assert answer.score == pytest.approx(abs(float(z)), abs=1e-4)
    sign = 1 if p > 0.5 else -1
    torch.testing.assert_close(
        torch.from_numpy(answer.raw), hires(net, PHOTO[None], lambda z: sign * z[:, 0])[0], rtol=1e-3, atol=1e-5
    )
    assert any("behind a sigmoid" in said for said in answer.warnings)


@pytest.mark.parametrize("method", ["eigen_cam", "occlusion"])
def test_a_sigmoid_is_seen_without_a_graph(method: str) -> None:
    net = Net(1, SIGMOIDS["function"], -3.0)
    subject = heatlens.load(net.eval(), size=20, mean=0, std=1)
    answer = heatlens.explain(
        subject, PHOTO, method=method, settings={"window": 10, "stride": 10} if method == "occlusion" else None
    )
    assert answer.probability == pytest.approx(float(1 - logits(net, PHOTO[None]).sigmoid()), abs=1e-5)


def test_a_logit_between_0_and_1_is_a_logit() -> None:
    net = Net(1, lambda f, z: z)
    with torch.no_grad():
        net.fc.bias.add_(0.4 - logits(net, PHOTO[None])[0, 0])
    answer = explained(net)
    assert answer.score == pytest.approx(0.4, abs=1e-5)
    assert answer.probability == pytest.approx(1 / (1 + 2.718281828**-0.4), abs=1e-5)
    assert not any("probabilities" in said for said in answer.warnings)


def test_a_person_may_say_what_the_numbers_are() -> None:
    net = Net(1, lambda f, z: 1 - torch.sigmoid(-z), -3.0)  # no sigmoid returns these
    z = float(logits(net, PHOTO[None])[0, 0])
    assert explained(net, scores="sigmoid").probability == pytest.approx(1 - 1 / (1 + 2.718281828**-z), abs=1e-4)
    sigmoid = Net(1, SIGMOIDS["function"], -3.0)
    p = float(logits(sigmoid, PHOTO[None]).sigmoid())
    assert explained(sigmoid, scores="logits").score == pytest.approx(p, abs=1e-5)


@pytest.mark.parametrize("end", [lambda f, z: z.softmax(1), lambda f, z: nn.Softmax(1)(z)], ids=["function", "module"])
def test_a_softmax_inside(end: Any) -> None:
    net = Net(3, end)
    answer = explained(net)
    z = logits(net, PHOTO[None])[0].detach()
    assert answer.index == int(z.argmax())
    assert answer.probability == pytest.approx(float(z.softmax(0).max()), abs=1e-5)
    assert answer.score == pytest.approx(float(z.log_softmax(0).max()), abs=1e-5)
    expected = hires(net, PHOTO[None], lambda z: z.log_softmax(1)[:, answer.index])[0]
    torch.testing.assert_close(torch.from_numpy(answer.raw), expected, rtol=1e-3, atol=1e-5)
    assert any("probabilities that sum to 1" in said for said in answer.warnings)


def test_probabilities_that_are_summed_up_into_groups() -> None:
    """What ends in a product of matrices may be probabilities all the same."""
    groups = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    net = Net(4, lambda _, y: y.softmax(1) @ groups).eval()
    found = heatlens.attribute(net, IMAGES, method="hires_cam", target=1, layers="body", upsample=False)
    expected = hires(net, IMAGES, lambda y: (y.softmax(1) @ groups)[:, 1].log())
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_labels_behind_sigmoids() -> None:
    net = Net(4, lambda f, z: z.sigmoid())
    answer = explained(net)
    z = logits(net, PHOTO[None])[0].detach()
    assert answer.probability == pytest.approx(float(z.sigmoid().max()), abs=1e-5)
    assert [p for _, p in answer.predictions] == pytest.approx(
        z.sigmoid().sort(descending=True).values.tolist(), abs=1e-5
    )
    expected = hires(net, PHOTO[None], lambda z: z[:, answer.index])[0]
    torch.testing.assert_close(torch.from_numpy(answer.raw), expected, rtol=1e-3, atol=1e-5)


def test_labels_that_are_declared() -> None:
    net = Net(4, lambda f, z: z)
    z = logits(net, PHOTO[None])[0].detach()
    assert explained(net, scores="multilabel").probability == pytest.approx(float(z.sigmoid().max()), abs=1e-6)
    assert explained(net).probability == pytest.approx(float(z.softmax(0).max()), abs=1e-6)


def test_probabilities_beside_their_logits() -> None:
    """As YOLOv8's classifiers return them."""
    net = Net(3, lambda f, z: (z.softmax(1), z))
    answer = explained(net)
    z = logits(net, PHOTO[None])[0].detach()
    assert answer.score == pytest.approx(float(z.max()), abs=1e-5)
    assert answer.probability == pytest.approx(float(z.softmax(0).max()), abs=1e-5)
    expected = hires(net, PHOTO[None], lambda z: z[:, answer.index])[0]
    torch.testing.assert_close(torch.from_numpy(answer.raw), expected, rtol=1e-3, atol=1e-5)


def test_an_embedding_beside_the_logits() -> None:
    net = Net(3, lambda f, z: (f, z))
    with pytest.raises(BadValue, match=r"returns 2 tensors: 0 \(1, 8\), 1 \(1, 3\)"):
        explained(net)
    z = logits(net, PHOTO[None])[0].detach()
    for options in ({"output": 1}, {"classes": ["cat", "dog", "cup"]}):
        answer = explained(net, **options)
        assert answer.index == int(z.argmax())
        assert answer.score == pytest.approx(float(z.max()), abs=1e-5)
    feature = explained(net, output=0)
    assert feature.score == pytest.approx(float(net.body(PHOTO[None]).mean((2, 3)).max()), abs=1e-5)


def test_a_function_of_several_outputs_needs_no_choice() -> None:
    net = Net(3, lambda f, z: {"embedding": f, "scores": z}).eval()
    maps = heatlens.attribute(
        net, IMAGES, layers="body", method="hires_cam", upsample=False, target=lambda out: out["scores"][:, 2]
    )
    torch.testing.assert_close(maps, hires(net, IMAGES, lambda z: z[:, 2]), rtol=1e-4, atol=1e-6)
    answer = heatlens.explain(
        heatlens.load(net, size=20, mean=0, std=1), PHOTO, layers="body", target=lambda out: out["scores"][:, 2]
    )
    assert answer.score == pytest.approx(float(logits(net, PHOTO[None])[0, 2]), abs=1e-5)
    assert answer.predictions == ()


def test_the_default_layer_is_found_with_several_outputs() -> None:
    net = Net(3, lambda f, z: (f, z)).eval()
    assert heatlens.load(net, size=20).default_layers(IMAGES) == ("body",)
    assert heatlens.load(net, size=20, output=1).default_layers(IMAGES) == ("body",)


def test_scores_are_read_alike_in_every_view_and_every_picture() -> None:
    """An average of views and methods that show pictures ask for the same number: the logit."""
    net = Net(1, SIGMOIDS["function"], -1.0).eval()
    bare = Net(1, lambda f, z: z, -1.0).eval()
    for options in ({"average": "flips"}, {"method": "occlusion", "settings": {"window": 10, "stride": 10}}):
        found = [heatlens.attribute(one, IMAGES, target=1, layers="body", **options) for one in (net, bare)]
        torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("end", [SIGMOIDS["function"], lambda f, z: z.softmax(1)], ids=["sigmoid", "softmax"])
def test_cam_finds_the_head_behind_probabilities(end: Any) -> None:
    net = Net(1 if end is SIGMOIDS["function"] else 3, end).eval()
    cam, by_hand = (
        heatlens.attribute(net, IMAGES, target=1, layers="body", method=method, upsample=False)
        for method in ("cam", "hires_cam")
    )
    places = 81
    torch.testing.assert_close(cam, by_hand * places, rtol=1e-3, atol=1e-4)


def test_a_sigmoid_in_files_that_left_python(tmp_path: Any) -> None:
    net = Net(1, SIGMOIDS["function"], -3.0).eval()
    p = float(1 - logits(net, PHOTO[None]).sigmoid())
    script = tmp_path / "net.torchscript"
    torch.jit.trace(net, IMAGES).save(str(script))
    found = heatlens.explain(
        heatlens.load(str(script), size=20, mean=0, std=1),
        PHOTO,
        method="occlusion",
        settings={"window": 10, "stride": 10},
    )
    assert found.probability == pytest.approx(p, abs=1e-4)
    program = torch.export.export(net, (IMAGES,), dynamic_shapes=({0: torch.export.Dim("n", min=1)},))
    found = heatlens.explain(heatlens.load(program, size=20, mean=0, std=1), PHOTO)
    assert found.probability == pytest.approx(p, abs=1e-4)
