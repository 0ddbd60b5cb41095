"""What one look at the network tells, and how many passes it costs."""

import pytest
import torch
from torch import Tensor, nn

import heatlens
from heatlens.engine.evidence.evidence import Evidence
from heatlens.engine.forward.inputs import Inputs
from heatlens.engine.passes.scene import Options, Scene
from heatlens.engine.state.evaluating import evaluating
from heatlens.models.reading.layouts import ChannelsFirst
from heatlens.targets import Logit, Probability
from heatlens.words.errors import (
    BadSetting,
    BadValue,
    EvidenceMissing,
    LayerNotReached,
    NotFinite,
    ScoreIndifferent,
    UnknownName,
)
from heatlens.words.signature import EVIDENCE
from helpers.networks import Gap, timm_model, torchvision_model


class Curved(nn.Module):
    """A smooth tail, so that second derivatives are not zero."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 5, 3, padding=1)
        self.act = nn.ReLU(inplace)
        self.tail = nn.Conv2d(5, 4, 3)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.tail(self.act(self.stem(x)))).mean((2, 3)))


@pytest.fixture
def curved() -> Curved:
    torch.manual_seed(1)
    return Curved().double().eval()


@pytest.fixture
def images() -> Tensor:
    return torch.rand(2, 3, 6, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def scene_of(model: nn.Module, images: Tensor, *layers: str, **options: object) -> Scene:
    return Scene(
        model,
        Inputs((images,)),
        layers,
        lambda layer, said, shown: ChannelsFirst(),
        torch.zeros_like(images),
        Options(**options),  # type: ignore[arg-type]
    )


def tail_of(model: Curved, stack: Tensor) -> Tensor:
    """The network behind `stem`, written out."""
    return model.head(torch.tanh(model.tail(stack.clamp(min=0))).mean((2, 3)))


def test_evidence_is_the_vocabulary() -> None:
    public = {name for name in vars(Evidence) if not name.startswith("_")}
    assert public == set(EVIDENCE)
    assert len(EVIDENCE) < 16


def test_activations_and_gradients_are_those_of_the_tail(curved: Curved, images: Tensor) -> None:
    stack = curved.stem(images).detach().requires_grad_()
    expected = torch.autograd.grad(tail_of(curved, stack)[:, 2].sum(), stack)[0]
    with evaluating(curved):
        evidence = Evidence(scene_of(curved, images, "stem").under([Logit(2)] * 2), "stem")
        torch.testing.assert_close(evidence.activations, stack.detach())
        torch.testing.assert_close(evidence.gradients, expected)


def test_in_place_operations_behind_a_layer_do_not_change_what_was_seen(images: Tensor) -> None:
    torch.manual_seed(1)
    clean = Curved(inplace=False).double().eval()
    torch.manual_seed(1)
    dirty = Curved(inplace=True).double().eval()
    found = {}
    for name, model in (("clean", clean), ("dirty", dirty)):
        with evaluating(model):
            evidence = Evidence(scene_of(model, images, "stem").under([Logit(0)] * 2), "stem")
            found[name] = evidence.activations.clone(), evidence.gradients.clone()
    assert (found["clean"][0] < 0).any()
    torch.testing.assert_close(found["dirty"], found["clean"])


def test_nothing_before_the_first_layer_is_differentiated(curved: Curved, images: Tensor) -> None:
    seen = []
    curved.stem.register_forward_hook(lambda m, a, o: seen.append((torch.is_grad_enabled(), o.requires_grad)))
    curved.tail.register_forward_hook(lambda m, a, o: seen.append((torch.is_grad_enabled(), o.requires_grad)))
    with evaluating(curved):
        scene_of(curved, images, "act")
    assert seen == [(False, False), (True, True)]
    assert torch.is_grad_enabled()


def test_second_derivatives(curved: Curved, images: Tensor) -> None:
    stack = curved.stem(images).detach()
    direction = torch.rand_like(stack)
    _, expected = torch.autograd.functional.hvp(lambda a: tail_of(curved, a)[:, 1].sum(), stack, direction)
    with evaluating(curved):
        evidence = Evidence(scene_of(curved, images, "stem", curvature=True).under([Logit(1)] * 2), "stem")
        got = evidence.curvature(direction)
    assert expected.abs().max() > 1e-4
    torch.testing.assert_close(got, expected)


def test_scores_and_gradients_with_other_activations(curved: Curved, images: Tensor) -> None:
    stack = curved.stem(images).detach()
    factors = torch.tensor([0.0, 0.3, 1.7], dtype=torch.float64)
    varied = [(stack * factor).requires_grad_() for factor in factors]
    scores = [tail_of(curved, v)[:, 0] for v in varied]
    expected = torch.stack([torch.autograd.grad(y.sum(), v)[0] for y, v in zip(scores, varied, strict=True)]).mean(0)
    with evaluating(curved):
        scene = scene_of(curved, images, "stem", tails=frozenset({"stem"}))
        evidence = Evidence(scene.under([Logit(0)] * 2), "stem")
        assert scene.tail("stem").way == "expanded"
        vary = lambda a, k: a * factors[k].reshape(-1, 1, 1, 1)  # noqa: E731
        torch.testing.assert_close(evidence.score_with(vary, 3), torch.stack(scores, 1).detach())
        torch.testing.assert_close(evidence.gradients_with(vary, 3), expected)


def test_perturbed_pictures(curved: Curved, images: Tensor) -> None:
    others = [images * 0.5, images.flip(-1)]
    with evaluating(curved):
        evidence = Evidence(scene_of(curved, images, "stem").under([Logit(0)] * 2), "stem")
        got = list(evidence.perturbed(others))
    for (activations, gradients), picture in zip(got, others, strict=True):
        stack = curved.stem(picture).detach().requires_grad_()
        torch.testing.assert_close(activations, stack.detach())
        torch.testing.assert_close(gradients, torch.autograd.grad(tail_of(curved, stack)[:, 0].sum(), stack)[0])


def test_class_weights_of_a_linear_head() -> None:
    model, images = Gap().eval(), torch.rand(2, 3, 12, 12)
    with evaluating(model):
        scene = scene_of(model, images, "relu")
        logit = Evidence(scene.under([Logit(3), Logit(1)]), "relu").class_weights
        torch.testing.assert_close(logit, model.head.weight[[3, 1]].detach())
        p = model(images).softmax(1)
        contrast = torch.stack([p[i, 2] * (model.head.weight[2] - p[i] @ model.head.weight) for i in range(2)])
        torch.testing.assert_close(Evidence(scene.under([Probability(2)] * 2), "relu").class_weights, contrast.detach())


@pytest.mark.parametrize("size", [64, 80])
def test_cam_behind_a_relu_that_no_module_is(size: int) -> None:
    """torchvision's DenseNet rectifies its features by a function: mean(w ReLU(A)) + b is the score."""
    model, _ = torchvision_model("densenet121")
    images = torch.randn(2, 3, size, size + 32, generator=torch.Generator().manual_seed(0))
    maps = heatlens.attribute(model, images, method="cam", target=[5, 9], layers="features", upsample=False)
    with torch.no_grad():
        features, logits = model.features(images), model(images)
    assert (features < 0).any()
    W, b = model.classifier.weight[[5, 9]].detach(), model.classifier.bias[[5, 9]].detach()
    torch.testing.assert_close(maps.mean((1, 2)) + b, logits[[0, 1], [5, 9]], rtol=1e-4, atol=1e-4)
    expected = torch.einsum("nc,nchw->nhw", W, features.clamp(min=0))
    torch.testing.assert_close(maps, expected, rtol=1e-4, atol=1e-5)
    composed = heatlens.attribute(model, images, method=heatlens.compose(weight="class", rectify=False),
                                  target=[5, 9], layers="features", upsample=False)  # fmt: skip
    torch.testing.assert_close(composed, maps)


def test_class_weights_are_refused_where_the_head_is_not_linear(curved: Curved, images: Tensor) -> None:
    with evaluating(curved), pytest.raises(EvidenceMissing, match=r"cam needs a head.*global average pooling") as error:
        Evidence(scene_of(curved, images, "act").under([Logit(0)] * 2), "act").class_weights  # noqa: B018
    assert "grad_cam" in str(error.value)


class Counted(Gap):
    """Counts its forward passes, and the backward passes that reach the head."""

    forwards = 0
    backwards = 0

    def forward(self, x: Tensor) -> Tensor:
        self.forwards += 1
        logits = super().forward(x)
        if logits.requires_grad:
            logits.register_hook(self._count)
        return logits

    def _count(self, gradient: Tensor) -> None:
        self.backwards += 1


def test_one_forward_and_one_backward_a_target_for_all_layers_and_methods() -> None:
    model = Counted().eval()
    subject = heatlens.load(model, size=12)
    methods = ["grad_cam", "grad_cam_pp", "layer_cam", "xgrad_cam", "hires_cam", "eigen_cam", "eigen_grad_cam", "fem"]
    photo = torch.rand(3, 12, 12)
    found = heatlens.explain(subject, [photo] * 3, method=methods, target=[0, 1, 2], layers=["body.0", "body", "relu"])
    assert len(found) == 3 * len(methods) * 3
    assert (model.forwards, model.backwards) == (1, 3)


def test_methods_without_gradients_build_no_graph() -> None:
    model = Counted().eval()
    heatlens.attribute(model, torch.rand(1, 3, 12, 12), method=["eigen_cam", "fem", "dummy_cam"], layers="body")
    assert (model.forwards, model.backwards) == (1, 0)


@pytest.mark.parametrize("method", ["recipro_cam", "ablation_cam", "layer_integrated_gradients", "shapley_cam"])
def test_replayed_methods_need_no_second_full_pass(method: str) -> None:
    model = Gap().eval()
    stems: list[int] = []
    model.body[0].register_forward_pre_hook(lambda m, a: stems.append(len(a[0])))
    ran: list[int] = []
    forward = model.body[0]._conv_forward
    model.body[0]._conv_forward = lambda *a: (ran.append(1), forward(*a))[1]  # type: ignore[method-assign]
    heatlens.attribute(model, torch.rand(1, 3, 12, 12), method=method, layers="body", target=0)
    assert ran == [1]


def test_unknown_layer() -> None:
    with pytest.raises(UnknownName, match=r"Gap has no layer 'boddy'\. Close: body.*heatlens layers"):
        heatlens.attribute(Gap(), torch.rand(1, 3, 12, 12), layers="boddy")


class Idle(Gap):
    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Conv2d(3, 4, 1)
        self.aside = nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        self.aside(x)
        return super().forward(x)


def test_a_layer_that_did_not_run() -> None:
    with pytest.raises(LayerNotReached, match=r"Idle did not go through layer 'spare'.*heatlens layers"):
        heatlens.attribute(Idle(), torch.rand(1, 3, 12, 12), layers="spare")


def test_a_score_that_does_not_depend_on_the_layer() -> None:
    with pytest.raises(ScoreIndifferent, match=r"does not depend on layer 'aside'\. Use 'body'"):
        heatlens.attribute(Idle(), torch.rand(1, 3, 12, 12), layers="aside")


def test_the_dead_last_block_of_a_vision_transformer() -> None:
    model, images = timm_model("deit_tiny_patch16_224", img_size=64)
    with pytest.raises(ScoreIndifferent, match=r"patches of layer 'blocks\.11'.*Use 'blocks\.11\.norm1'"):
        heatlens.attribute(model, images, layers="blocks.11")


def test_weights_that_are_not_numbers() -> None:
    model = Gap()
    with torch.no_grad():
        model.body[3].weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(NotFinite, match=r"weights 'body\.3\.weight' of Gap contain NaN"):
        heatlens.attribute(model, torch.rand(1, 3, 12, 12), layers="body")


def test_inputs_that_are_not_numbers() -> None:
    with pytest.raises(NotFinite, match=r"Gap returned NaN or infinity.*preprocessing"):
        heatlens.attribute(Gap(), torch.full((1, 3, 12, 12), float("nan")), layers="body")


class SwitchesGradientsOff(Gap):
    """As some libraries do: a prefix under its own no_grad block, which ends by restoring the mode it met."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            stack = self.body(x)
        return self.head(self.relu(stack).mean((2, 3)))


def test_a_model_with_a_no_grad_block_of_its_own() -> None:
    torch.manual_seed(3)
    plain = Gap().eval()
    odd = SwitchesGradientsOff().eval()
    odd.load_state_dict(plain.state_dict())
    images = torch.rand(1, 3, 12, 12)
    expected = heatlens.attribute(plain, images, layers="body.3", target=0)
    torch.testing.assert_close(heatlens.attribute(odd, images, layers="body.3", target=0), expected)


class Shared(nn.Module):
    """One ReLU in three places."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.relu(self.c(self.relu(self.b(self.relu(self.a(x)))))).mean((2, 3)))


def test_a_module_used_several_times_is_asked_about_and_its_last_call_can_be_named() -> None:
    torch.manual_seed(4)
    model, images = Shared().eval(), torch.rand(2, 3, 8, 8)
    stack = model.c(model.b(model.a(images).relu()).relu()).relu()
    expected = torch.einsum("k,nkhw->nhw", model.head.weight[1], stack).clamp(min=0) / 64
    with pytest.raises(BadSetting, match="relu@0 or relu@1 or relu@2"):
        heatlens.attribute(model, images, layers="relu", target=1)
    got = heatlens.attribute(model, images, layers="relu@2", target=1, upsample=False)
    torch.testing.assert_close(got, expected.detach())
    drop = torch.stack([(model.head.weight[1, k] * stack[:, k].mean((1, 2))) for k in range(3)], 1)
    y = model(images)[:, 1]
    ablation = ((drop / y.abs()[:, None])[..., None, None] * stack).sum(1).clamp(min=0)
    got = heatlens.attribute(model, images, method="ablation_cam", layers="relu@2", target=1, upsample=False)
    torch.testing.assert_close(got, ablation.detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layers", ["body", None])
def test_a_model_that_refuses_its_input(layers: str | None) -> None:
    with pytest.raises(BadValue, match=r"Gap cannot be run on an input of shape \(1, 5, 12, 12\): .*channels.*size="):
        heatlens.attribute(Gap(), torch.rand(1, 5, 12, 12), layers=layers)
