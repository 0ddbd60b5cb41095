"""Other backward rules, scores of pictures, bias terms, and the swift copy."""

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import heatlens
from heatlens.engine.copies.fast_copy import swift_copy
from heatlens.engine.evidence.evidence import Evidence
from heatlens.engine.forward.inputs import Inputs
from heatlens.engine.passes.scene import Options, Scene
from heatlens.engine.state.evaluating import evaluating
from heatlens.models.reading.layouts import ChannelsFirst
from heatlens.targets import Logit
from heatlens.words.errors import EvidenceMissing
from helpers.networks import Gap, timm_model, torchvision_model


def evidence_of(model: nn.Module, images: Tensor, layer: str, target: int = 1) -> Evidence:
    scene = Scene(
        model,
        Inputs((images,)),
        [layer],
        lambda name, said, shown: ChannelsFirst(),
        torch.zeros_like(images),
        Options(tails=frozenset({layer})),
    )
    return Evidence(scene.under([Logit(target)] * len(images)), layer)


class TwoLayers(nn.Module):
    """y = v . relu(W relu(U x)), small enough to follow by hand; the ReLU in every spelling."""

    def __init__(self, relu: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.u, self.w = nn.Conv2d(1, 2, 1, bias=False), nn.Conv2d(2, 2, 1, bias=False)
        self.relu = relu
        with torch.no_grad():
            self.u.weight.copy_(torch.tensor([[1.0], [-2.0]]).reshape(2, 1, 1, 1))
            self.w.weight.copy_(torch.tensor([[3.0, -1.0], [-4.0, 5.0]]).reshape(2, 2, 1, 1))
        self.v = nn.Parameter(torch.tensor([[2.0, -1.0], [0.0, 0.0]]))

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.w(self.relu(self.u(x)))).sum((2, 3)) @ self.v.T


def in_place(x: Tensor) -> Tensor:
    F.relu_(x)
    return x


SPELLINGS = [
    F.relu, torch.relu, nn.ReLU(), nn.ReLU(inplace=True), Tensor.relu, torch.relu_, in_place, lambda x: x.clamp(min=0),
    lambda x: torch.clamp(x, 0), lambda x: x.clamp_min_(0), lambda x: F.relu(input=x),
]  # fmt: skip


@pytest.mark.parametrize("relu", SPELLINGS)
def test_guided_backpropagation_by_hand(relu: Callable[[Tensor], Tensor]) -> None:
    # x = 1: u = (1, -2) -> (1, 0); w = (3, -4) -> (3, 0).  Back from v = (2, -1): at the second ReLU (2, 0);
    # through w: (6, -2); at the first ReLU (6, 0); through u: 6.
    # x = -1: u = (-1, 2) -> (0, 2); w = (-2, 10) -> (0, 10).  Back: at the second ReLU (0, 0), as -1 is not positive.
    model, images = TwoLayers(relu).eval(), torch.tensor([[[[1.0, -1.0]]]])
    with evaluating(model):
        found = evidence_of(model, images, "u", target=0).propagated("guided")
    torch.testing.assert_close(found, torch.tensor([[[[6.0, 0.0]]]]))


CLIPPING = [
    nn.ReLU6(), nn.ReLU6(inplace=True), nn.Hardtanh(0, 6), lambda x: F.hardtanh_(x, 0.0, 6.0), lambda x: x.clamp(0, 6),
]  # fmt: skip


@pytest.mark.parametrize("relu", CLIPPING)
def test_a_rectifier_that_clips_is_a_relu_where_it_passes(relu: Callable[[Tensor], Tensor]) -> None:
    # x = 1 as above.  x = -1: w = (-2, 10) is beyond 6.  x = 3: u = (3, -6) -> (3, 0); w = (9, -12): none of it passes.
    # x = 0.5: u = (0.5, -1) -> (0.5, 0); w = (1.5, -2) -> back (2, 0), (6, -2), 6.
    model, images = TwoLayers(relu).eval(), torch.tensor([[[[1.0, -1.0, 3.0, 0.5]]]])
    with evaluating(model):
        found = evidence_of(model, images, "u", target=0).propagated("guided")
    torch.testing.assert_close(found, torch.tensor([[[[6.0, 0.0, 0.0, 6.0]]]]))


def test_a_hardtanh_is_a_rectifier_between_its_bounds() -> None:
    model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.Hardtanh(), nn.Flatten(), nn.Linear(4, 2, bias=False))
    with torch.no_grad():
        model[0].weight.fill_(1.0)
        model[3].weight.copy_(torch.tensor([[1.0, 2.0, -3.0, 4.0], [0.0, 0.0, 0.0, 0.0]]))
    images = torch.tensor([[[[-0.5, -2.0, 0.5, 0.7]]]])
    with evaluating(model):
        found = evidence_of(model, images, "0", target=0).propagated("guided")
    torch.testing.assert_close(found, torch.tensor([[[[1.0, 0.0, 0.0, 4.0]]]]))


@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v3_small"])
def test_guided_backpropagation_on_networks_of_today(name: str) -> None:
    """One of ReLU6 alone, and one with ReLUs beside hard swishes."""
    model, images = torchvision_model(name)
    with evaluating(model):
        found = evidence_of(model, images, "features").propagated("guided")
    assert found.shape == images.shape
    assert found.flatten(1).any(1).all()


def test_guided_backpropagation_is_the_gradient_where_nothing_is_negative() -> None:
    torch.manual_seed(0)
    model, images = Gap(inplace=True).eval(), torch.rand(2, 3, 8, 8)
    with torch.no_grad():
        for weights in model.parameters():
            weights.abs_()
    leaf = images.clone().requires_grad_()
    (expected,) = torch.autograd.grad(model(leaf)[:, 1].sum(), leaf)
    with evaluating(model):
        torch.testing.assert_close(evidence_of(model, images, "body").propagated("guided"), expected)


@pytest.mark.parametrize("other", [nn.Tanh, nn.GELU, nn.SiLU])
def test_guided_backpropagation_needs_relus(other: Callable[[], nn.Module]) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), other(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with evaluating(model), pytest.raises(EvidenceMissing, match=r"rule for ReLUs.*grad_cam"):
        evidence_of(model, torch.rand(1, 3, 4, 4), "0").propagated("guided")


class Tail(nn.Module):
    """A stem, then a tail with max pooling and several nonlinearities."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 5, 3, padding=1)
        self.tail = nn.Sequential(
            nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(5, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(24, 7), nn.ReLU(),
            nn.Linear(7, 4),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.tail(self.stem(x))


def test_rescaled_contributions_are_complete() -> None:
    torch.manual_seed(0)
    model, images = Tail().double().eval(), torch.rand(3, 3, 8, 8, dtype=torch.float64)
    with evaluating(model):
        found = evidence_of(model, images, "stem").propagated("rescale")
        stack = model.stem(images)
        change = model.tail(stack)[:, 1] - model.tail(torch.zeros_like(stack))[:, 1]
    assert change.abs().min() > 1e-3
    torch.testing.assert_close(found.sum((1, 2, 3)), change)


def test_the_pools_reference_may_be_anywhere() -> None:
    """A dense layer's biases before the pool: the reference differs from place to place and has maxima of its own."""
    torch.manual_seed(0)
    model, images = Tail().double().eval(), torch.rand(3, 3, 8, 8, dtype=torch.float64)
    model.tail = nn.Sequential(
        nn.Flatten(), nn.Linear(320, 192), nn.Unflatten(1, (3, 8, 8)), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(48, 4)
    ).double()
    with evaluating(model):
        found = evidence_of(model, images, "stem").propagated("rescale")
        stack = model.stem(images)
        change = model.tail(stack)[:, 1] - model.tail(torch.zeros_like(stack))[:, 1]
    torch.testing.assert_close(found.sum((1, 2, 3)), change)


def test_a_pool_multiplies_no_difference() -> None:
    """A maximum that hardly moved beside a reference that fell far: what fell goes to where it fell."""
    model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1, 2, bias=False)).double()
    images = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]], dtype=torch.float64)
    with torch.no_grad():
        model[0].weight.fill_(1e-9)
        model[0].bias.fill_(0.0)
        model[3].weight.copy_(torch.tensor([[0.0], [2.0]]))

    class Shifted(nn.Module):
        """A silent layer has its maximum at another place than the layer."""

        def __init__(self) -> None:
            super().__init__()
            self.stem, self.rest = model[0], model[1:]

        def forward(self, x: Tensor) -> Tensor:
            stack = self.stem(x)
            silent = (stack < 1e-12).all(3, True).all(2, True)
            return self.rest(stack + silent * torch.tensor([[0.0, 5.0], [0.0, 0.0]]).double())

    with evaluating(model):
        found = evidence_of(Shifted().eval(), images, "stem").propagated("rescale")
    assert found.abs().max() <= 2e-9


def test_rescaled_contributions_are_captums() -> None:
    deep_lift = pytest.importorskip("captum.attr").DeepLift
    torch.manual_seed(0)
    model, images = Tail().double().eval(), torch.rand(2, 3, 8, 8, dtype=torch.float64)
    model.tail = nn.Sequential(*[m for m in model.tail if not isinstance(m, nn.MaxPool2d)])
    model.tail[4] = nn.Linear(6 * 36, 7).double()
    stack = model.stem(images).detach()
    expected = deep_lift(copy.deepcopy(model.tail)).attribute(stack, torch.zeros_like(stack), target=2)
    with evaluating(model):
        found = evidence_of(model, images, "stem", target=2).propagated("rescale")
    torch.testing.assert_close(found, expected.detach())


def test_rescaled_contributions_of_a_linear_tail() -> None:
    torch.manual_seed(0)
    model, images = Gap().eval(), torch.rand(2, 3, 8, 8)
    with evaluating(model):
        found = evidence_of(model, images, "relu").propagated("rescale")
        stack = model.body(images).relu()
    torch.testing.assert_close(found, model.head.weight[1].reshape(-1, 1, 1).detach() * stack / 16)


def test_relevance_on_global_average_pooling_and_one_linear_layer() -> None:
    torch.manual_seed(0)
    model, images = Gap(classes=4).double().eval(), torch.rand(2, 3, 8, 8, dtype=torch.float64)
    model.head.bias = None
    with evaluating(model):
        found = evidence_of(model, images, "relu").propagated("relevance")
        stack = model.body(images).relu()
    share = model.head.weight.clamp(min=0)[:, None, :, None, None] * stack  # (classes, n, c, h, w)
    share = share / share.sum((2, 3, 4), keepdim=True)
    start = torch.full((4, 1, 1, 1, 1), -0.25, dtype=torch.float64)
    start[1] = 1
    torch.testing.assert_close(found, (start * share).sum(0).detach())


class Residual(nn.Module):
    """Bias-free, with a batch norm, a shortcut, a pooling: relevance must not be lost on the way."""

    def __init__(self, inplace: bool) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, bias=False)
        self.a, self.b = nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.Conv2d(6, 6, 3, padding=1, bias=False)
        self.norm, self.relu = nn.BatchNorm2d(6), nn.ReLU(inplace)
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(6, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.stem(x))
        out = self.norm(self.b(self.relu(self.a(x))))
        out += x
        return self.head(torch.flatten(self.pool(self.relu(out)), 1))


@pytest.mark.parametrize("inplace", [False, True])
def test_relevance_is_conserved(inplace: bool) -> None:
    torch.manual_seed(0)
    model, images = Residual(inplace).double().eval(), torch.rand(2, 3, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        for module in (model.b, model.a, model.head):
            module.weight.abs_()  # every output then has something positive to be shared
    with evaluating(model):
        found = evidence_of(model, images, "stem").propagated("relevance")
    torch.testing.assert_close(found.sum((1, 2, 3)), torch.full((2,), 1 - 2 / 3, dtype=torch.float64))


def test_relevance_of_dense_layers_over_places() -> None:
    """Channels last: one hidden layer with a bias, by hand."""

    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.dense, self.head = (
                nn.Conv2d(3, 4, 2, stride=2),
                nn.Linear(4, 5),
                nn.Linear(5, 3, bias=False),
            )

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.dense(self.body(x).movedim(1, -1)).mean((1, 2)))

    torch.manual_seed(0)
    model, images = Last().double().eval(), torch.rand(2, 3, 10, 6, dtype=torch.float64)  # as high as it has channels
    with evaluating(model):
        found = evidence_of(model, images, "body").propagated("relevance")
        A = model.body(images).movedim(1, -1).detach()
        z = model.dense(A).detach()
    mean = z.mean((1, 2))

    def zplus(x: Tensor, w: Tensor, bias: Tensor | float, R: Tensor) -> Tensor:
        up, down = x.clamp(min=0)[..., None, :] * w.clamp(min=0), x.clamp(max=0)[..., None, :] * w.clamp(max=0)
        share = (up + down) / ((up + down).sum(-1) + bias)[..., None]
        return (share * R[..., None]).sum(-2)

    start = torch.tensor([-1 / 3, 1.0, -1 / 3], dtype=torch.float64).expand(2, 3)
    hidden = zplus(mean, model.head.weight.detach(), 0.0, start)
    spread = z / z.sum((1, 2), keepdim=True) * hidden[:, None, None]
    expected = zplus(A, model.dense.weight.detach(), model.dense.bias.detach().clamp(min=0), spread)
    torch.testing.assert_close(found, expected.movedim(-1, 1))


def test_relevance_has_no_rule_for_attention() -> None:
    model, images = timm_model("deit_tiny_patch16_224", size=32, img_size=32)
    with evaluating(model), pytest.raises(EvidenceMissing, match=r"no rule for attention.*Use attn_lrp"):
        evidence_of(model, images, "blocks.10").propagated("relevance")


PRECISE = ["attn_lrp", "guided_backprop", "guided_grad_cam", "relevance_cam", "lift_cam"]


@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("name", ["resnet18", "bundled"])
def test_rules_hold_in_any_precision(name: str, kind: torch.dtype) -> None:
    model, images = torchvision_model("resnet18")
    if name == "bundled":
        model = heatlens.load("bundled").model
    expected = heatlens.attribute(model.double(), images.double(), method=PRECISE)
    found = heatlens.attribute(model.to(kind), images.to(kind), method=PRECISE)
    steady = 0.9 if kind in (torch.bfloat16, torch.float16) else 0.99999
    for method, maps in found.items():
        assert maps.dtype == (torch.float64 if kind == torch.float64 else torch.float32)
        alike = torch.cosine_similarity(maps.double().flatten(1), expected[method].flatten(1))
        assert alike.min() > steady, (method, alike)


def test_rules_hold_under_autocast() -> None:
    model, images = heatlens.load("bundled").model, torch.rand(2, 3, 128, 128)
    expected = heatlens.attribute(model, images, method=PRECISE, target=3)
    for method, maps in heatlens.attribute(model, images, method=PRECISE, target=3, precision="bf16").items():
        assert torch.cosine_similarity(maps.flatten(1), expected[method].flatten(1)).min() > 0.98, method


BEHIND = ["convnext_atto", "efficientnet_b0", "mobilenetv3_small_050", "test_resnet"]


@pytest.mark.parametrize("name", BEHIND)
def test_relevance_cam_knows_what_networks_of_today_run_behind_a_layer(name: str) -> None:
    """Norms, gates and smooth activations: what is not lost to biases arrives."""
    model, images = timm_model(name)
    model = model.double()
    with torch.no_grad():
        for module in model.modules():
            if getattr(module, "bias", None) is not None:
                module.bias.zero_()
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.zero_()
    layer = {"convnext_atto": "stages.3.blocks.0"}.get(
        name, "blocks.4" if "net" in name and name != "test_resnet" else "layer3"
    )
    found = heatlens.attribute(model, images.double(), method="relevance_cam", target=1, layers=layer, upsample=False)
    assert found.isfinite().all()
    assert found.flatten(1).any(1).all()


@pytest.mark.parametrize("name", ["resnet18", "vgg11", "squeezenet1_1"])
def test_full_gradients_are_complete(name: str) -> None:
    model, images = torchvision_model(name, size=64)
    model, images = model.double(), images.double()
    with evaluating(model):
        terms = evidence_of(model, images, "layer4" if name == "resnet18" else "features").full_gradients()
        y = model(images)[:, 1]
    assert terms[0].shape == images.shape
    torch.testing.assert_close(torch.stack([t.flatten(1).sum(1) for t in terms]).sum(0), y)


def test_full_gradients_of_dense_layers_over_places() -> None:
    """Channels last, as in Swin and ConvNeXt, and as tokens: every term has its channels second."""

    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.dense = nn.Conv2d(3, 4, 2, stride=2), nn.Linear(4, 5)
            self.tokens, self.head = nn.Linear(5, 7), nn.Linear(7, 3)

        def forward(self, x: Tensor) -> Tensor:
            places = self.dense(self.body(x).relu().movedim(1, -1)).relu()
            return self.head(self.tokens(places.flatten(1, 2)).relu().mean(1))

    torch.manual_seed(0)
    model, images = Last().double().eval(), torch.rand(2, 3, 8, 6, dtype=torch.float64)
    with evaluating(model):
        terms = evidence_of(model, images, "body").full_gradients()
        y = model(images)[:, 1]
    assert [tuple(term.shape[1:]) for term in terms] == [(3, 8, 6), (4, 4, 3), (5, 4, 3), (7, 12), (3,)]
    torch.testing.assert_close(torch.stack([t.flatten(1).sum(1) for t in terms]).sum(0), y)


def test_full_gradients_of_other_pictures() -> None:
    torch.manual_seed(0)
    model, images = Gap().double().eval(), torch.rand(2, 3, 8, 8, dtype=torch.float64)
    with evaluating(model):
        evidence = evidence_of(model, images, "body")
        terms = evidence.full_gradients(images.flip(-1) * 2)
        y = model(images.flip(-1) * 2)[:, 1]
    torch.testing.assert_close(torch.stack([t.flatten(1).sum(1) for t in terms]).sum(0), y)


def test_scores_of_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk may hold pictures of both images."""
    monkeypatch.setattr("heatlens.engine.evidence.scoring.picture_chunk", lambda images: 20)
    torch.manual_seed(0)
    model, images = Gap().eval(), torch.rand(2, 3, 8, 8)
    masks = torch.rand(50, 1, 8, 8)
    asked: list[int] = []

    def pictures(i: Tensor, k: Tensor) -> Tensor:
        asked.append(len(k))
        return images[i] * masks[k]

    with evaluating(model):
        evidence = evidence_of(model, images, "body")
        logits = evidence.score_under(pictures, 50)
        likely = evidence.score_under(pictures, 50, probability=True)
        expected = torch.stack([torch.cat([model(x * m[None]) for m in masks]) for x in images])
    assert max(asked) < 50, "pictures are made a few at a time"
    torch.testing.assert_close(logits, expected[..., 1])
    torch.testing.assert_close(likely, expected.softmax(2)[..., 1])


def test_scores_of_pictures_can_be_differentiated() -> None:
    torch.manual_seed(0)
    model, images = Gap().double().eval(), torch.rand(1, 3, 8, 8, dtype=torch.float64)
    mask = torch.rand(1, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    with evaluating(model):
        evidence = evidence_of(model, images, "body")
        with torch.enable_grad():
            score = evidence.score_under(lambda i, k: images[i] * mask, 1)
            (found,) = torch.autograd.grad(score.sum(), mask)
            (expected,) = torch.autograd.grad(model(images * mask)[:, 1].sum(), mask)
    torch.testing.assert_close(found, expected)


def test_probabilities_need_a_class() -> None:
    model, images = Gap().eval(), torch.rand(1, 3, 8, 8)
    with evaluating(model):
        scene = Scene(
            model, Inputs((images,)), ["body"], lambda name, said, shown: ChannelsFirst(), images, Options(graph=False)
        )
        evidence = Evidence(scene.under([lambda out: out[:, 0]]), "body")
        with pytest.raises(EvidenceMissing, match=r"names no class"):
            evidence.score_under(lambda i, k: images, 1, probability=True)
        torch.testing.assert_close(evidence.score_under(lambda i, k: images, 1), model(images)[:, :1])


def norms(model: nn.Module) -> int:
    return sum(isinstance(m, nn.BatchNorm2d) for m in model.modules())


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "densenet121", "googlenet"])
def test_the_swift_copy_says_the_same(name: str) -> None:
    model, images = torchvision_model(name, size=64)
    model, images = model.double(), images.double()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with evaluating(model):
        swift = swift_copy(model, Inputs((images,)))
        assert swift is not model
        assert norms(swift) < norms(model)
        expected = model(images)
        torch.testing.assert_close(swift(images), expected)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_the_swift_copy_keeps_the_activations_that_norms_bring() -> None:
    """timm's norms hold the ReLU that follows."""
    model, images = timm_model("mobilenetv2_050")
    model, images = model.double(), images.double()
    with evaluating(model):
        swift = swift_copy(model, Inputs((images,)))
        assert norms(model) > 0
        assert norms(swift) == 0
        torch.testing.assert_close(swift(images), model(images))


def test_the_swift_copy_does_not_call_the_users_hooks() -> None:
    model, images = Gap().eval(), torch.rand(1, 3, 8, 8)
    calls: list[int] = []
    model.body.register_forward_hook(lambda *_: calls.append(1))
    with evaluating(model):
        swift = swift_copy(model, Inputs((images,)))
        calls.clear()
        swift(images)
    assert calls == []
    assert len(model.body._forward_hooks) == 1


class Uncopyable(Gap):
    def __deepcopy__(self, memo: object) -> "Uncopyable":
        raise TypeError("no copies")


def test_a_model_that_cannot_be_copied_is_used_as_it_is() -> None:
    model = Uncopyable().eval()
    with evaluating(model):
        assert swift_copy(model, Inputs((torch.rand(1, 3, 8, 8),))) is model


def test_a_norm_that_is_not_behind_its_convolution_alone_is_not_folded() -> None:
    class Twice(nn.Module):
        """The convolution's output is used beside the norm as well."""

        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm, self.head = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x)
            return self.head((self.norm(y) + y).mean((2, 3)))

    model = Twice().eval()
    with torch.no_grad():
        model.norm.running_mean.fill_(0.3)
        model.norm.running_var.fill_(2.0)
    with evaluating(model):
        assert swift_copy(model, Inputs((torch.rand(1, 3, 8, 8),))) is model


def test_a_transformer_has_a_swift_copy_too() -> None:
    model, images = timm_model("deit_tiny_patch16_224", img_size=64)
    with evaluating(model):
        swift = swift_copy(model, Inputs((images,)))
        torch.testing.assert_close(swift(images), model(images), rtol=1e-4, atol=1e-5)
