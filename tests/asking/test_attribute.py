"""heatlens.attribute: tensors in, maps out."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import heatlens
from heatlens import Recipe
from heatlens.recipes.averages import Flips, find_average
from heatlens.recipes.naming import counted
from heatlens.targets import Logit
from heatlens.words.errors import BadValue, HeatlensError
from helpers.networks import Gap


def gap(seed: int = 0, **options: Any) -> Gap:
    torch.manual_seed(seed)
    return Gap(**options).eval()


def images(*shape: int) -> Tensor:
    return torch.rand(shape or (3, 3, 12, 16), generator=torch.Generator().manual_seed(0))


def hires_by_hand(model: Gap, x: Tensor, targets: list[int]) -> Tensor:
    """sum_k A_k dy/dA_k at `relu`: with y = w . mean(A), the gradient is w_k / places."""
    with torch.no_grad():
        stack = model.relu(model.body(x))
        weights = model.head.weight[targets]
        return torch.einsum("nkhw,nk->nhw", stack, weights) / (stack.shape[2] * stack.shape[3])


def test_maps_are_signed_raw_and_at_the_layers_resolution_when_asked() -> None:
    model, x = gap(), images()
    got = heatlens.attribute(model, x, method="hires_cam", target=2, layers="relu", upsample=False)
    assert got.shape == (3, 6, 8)
    assert torch.allclose(got, hires_by_hand(model, x, [2, 2, 2]), atol=1e-6)
    every = [heatlens.attribute(model, x, method="hires_cam", target=c, layers="relu") for c in range(4)]
    assert bool((torch.stack(every) < 0).any())


def test_upsampling_is_bilinear_with_half_pixel_centres() -> None:
    model, x = gap(), images()
    expected = nn.functional.interpolate(
        hires_by_hand(model, x, [1, 1, 1])[:, None], (12, 16), mode="bilinear", align_corners=False
    )[:, 0]
    got = heatlens.attribute(model, x, method="hires_cam", target=1, layers="relu")
    assert torch.allclose(got, expected, atol=1e-6)


def test_every_image_has_its_own_target() -> None:
    model, x = gap(), images()
    got = heatlens.attribute(model, x, method="hires_cam", target=[3, "#1", 0], layers="relu", upsample=False)
    predicted = int(model(x)[1].argmax())
    assert torch.allclose(got, hires_by_hand(model, x, [3, predicted, 0]), atol=1e-6)
    with pytest.raises(BadValue, match=r"2 targets for 3 inputs\. Expected one target for all, or one per input"):
        heatlens.attribute(model, x, target=[0, 1])


def test_a_list_of_methods_is_a_dict_from_one_pass() -> None:
    model, x = gap(), images()
    passes = []
    handle = model.head.register_forward_hook(lambda *args: passes.append(1))
    got = heatlens.attribute(model, x, method=["hires_cam", "Grad-CAM++", "eigencam"], target=1, layers="relu")
    handle.remove()
    assert list(got) == ["hires_cam", "grad_cam_pp", "eigen_cam"]
    assert len(passes) == 1
    for name, maps in got.items():
        assert torch.equal(maps, heatlens.attribute(model, x, method=name, target=1, layers="relu"))


def test_the_class_is_not_chosen_again_for_a_flipped_image() -> None:
    """The left half speaks for class 0, the right half for class 1: the flipped image has another prediction."""

    class Halves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 1, bias=False)
            nn.init.ones_(self.conv.weight)

        def forward(self, x: Tensor) -> Tensor:
            a = self.conv(x)
            return torch.stack([a[..., :4].sum((1, 2, 3)), a[..., 4:].sum((1, 2, 3))], 1)

    x = torch.zeros(1, 1, 4, 8)
    x[..., :4] = 1.0
    x[..., 4:] = 0.25
    model = Halves().eval()
    assert (int(model(x).argmax()), int(model(x.flip(-1)).argmax())) == (0, 1)
    got = heatlens.attribute(model, x, method="hires_cam", layers="conv", average="flips", upsample=False)
    # class 0 reads the left half: of the image itself, and of its mirror image, put back, the right half
    assert torch.allclose(got, torch.ones(1, 4, 8) / 2)
    noisy = heatlens.attribute(model, x, method="hires_cam", layers="conv", average="noise:samples=3,sigma=0.01")
    assert bool((noisy[..., :4] > 0.5).all())
    assert bool((noisy[..., 4:] == 0).all())


class TestInputs:
    def test_keyword_arguments_reach_the_model(self) -> None:
        class Scaled(Gap):
            def forward(self, x: Tensor, scale: float = 1.0, bias: Tensor | None = None) -> Tensor:
                out = super().forward(x * scale)
                return out if bias is None else out + bias

        torch.manual_seed(0)
        model, x = Scaled().eval(), images()
        got = heatlens.attribute(model, x, scale=2.0, bias=torch.ones(4), method="hires_cam", target=0, layers="relu")
        assert torch.allclose(got, heatlens.attribute(model, 2 * x, method="hires_cam", target=0, layers="relu"))

    def test_several_inputs_and_images_by_keyword(self) -> None:
        class Two(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.one, self.other = gap(1), gap(2)

            def forward(self, image: Tensor, depth: Tensor) -> dict[str, Tensor]:
                return {"logits": self.one(image) + self.other(depth)}

        model, x, y = Two().eval(), images(), images(3, 3, 8, 8)
        got = heatlens.attribute(model, x, y, method="hires_cam", target=1, layers="one.relu", upsample=False)
        assert torch.allclose(got, hires_by_hand(model.one, x, [1, 1, 1]), atol=1e-6)
        named = heatlens.attribute(
            model, image=x, depth=y, method="hires_cam", target=1, layers="other.relu", upsample=False
        )
        assert torch.allclose(named, hires_by_hand(model.other, y, [1, 1, 1]), atol=1e-6)

    @pytest.mark.parametrize(
        "method", ["grad_cam", "hires_cam", "layer_cam", "grad_cam_pp", "eigen_cam", "ablation_cam"]
    )
    @pytest.mark.parametrize("dimensions", [1, 3])
    def test_one_and_three_dimensions(self, dimensions: int, method: str) -> None:
        conv, pool = {1: (nn.Conv1d, nn.AvgPool1d), 3: (nn.Conv3d, nn.AvgPool3d)}[dimensions]
        torch.manual_seed(0)
        model = nn.Sequential(conv(2, 5, 3, padding=1), nn.ReLU(), pool(2), nn.Flatten(2)).eval()

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body, self.head = model, nn.Linear(5, 3)

            def forward(self, x: Tensor) -> Tensor:
                return self.head(self.body(x).mean(2))

        size = (12,) if dimensions == 1 else (4, 6, 8)
        x = images(2, 2, *size)
        got = heatlens.attribute(Net().eval(), x, method=method, layers="body.2", target=1)
        assert got.shape == (2, *size)
        assert bool(got.isfinite().all())
        small = heatlens.attribute(Net().eval(), x, method=method, layers="body.2", target=1, upsample=False)
        assert small.shape == (2, *(s // 2 for s in size))

    @pytest.mark.parametrize("given", [(), (3,), (torch.zeros(4),), ("cat.png",)])
    def test_what_holds_no_images_is_refused(self, given: tuple[Any, ...]) -> None:
        with pytest.raises(
            BadValue, match=r"no tensor of images among the inputs. Expected a tensor \(n, channels, \*size\)"
        ):
            heatlens.attribute(gap(), *given)

    def test_no_images_are_refused(self) -> None:
        with pytest.raises(BadValue, match=r"a batch of 0 images\. Expected at least one image"):
            heatlens.attribute(gap(), images()[:0])

    def test_integers_and_other_types_are_converted_to_the_models(self) -> None:
        model = gap().double()
        got = heatlens.attribute(model, images(), method="hires_cam", target=1, layers="relu")
        assert got.dtype == torch.float64


class TestDifferentiable:
    @pytest.mark.parametrize("method", ["grad_cam", "hires_cam", "layer_cam", "xgrad_cam", "dummy_cam"])
    def test_the_gradient_of_the_map_equals_finite_differences(self, method: str) -> None:
        torch.manual_seed(3)
        model = nn.Sequential(
            nn.Conv2d(1, 3, 3), nn.Softplus(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 2)
        )
        model = nn.Sequential(model, nn.Tanh()).double().eval()
        x = torch.rand(1, 1, 5, 6, dtype=torch.float64, requires_grad=True)

        def total(pixels: Tensor) -> Tensor:
            maps = heatlens.attribute(
                model, pixels, method=method, target=1, layers="0.1", differentiable=True, upsample=False
            )
            return (maps**2).sum()

        slope = torch.autograd.grad(total(x), x)[0]
        assert bool(slope.any())
        h = 1e-6
        for at in [(0, 0, 0, 0), (0, 0, 2, 3), (0, 0, 4, 5)]:
            step = torch.zeros_like(x)
            step[at] = h
            difference = (total(x + step) - total(x - step)).item() / (2 * h)
            assert slope[at].item() == pytest.approx(difference, rel=1e-4, abs=1e-9)

    def test_the_weights_can_be_trained_through_the_map(self) -> None:
        model = gap()
        maps = heatlens.attribute(model, images(), method="hires_cam", target=1, layers="relu", differentiable=True)
        maps.sum().backward()
        assert model.head.weight.grad is not None
        assert bool(model.head.weight.grad[1].any())
        assert not bool(model.head.weight.grad[0].any())

    def test_maps_are_detached_unless_asked(self) -> None:
        x = images().requires_grad_()
        got = heatlens.attribute(gap(), x, method="hires_cam", target=1)
        assert not got.requires_grad
        assert x.grad is None


class TestCallers:
    def test_frozen_parameters_no_grad_and_inference_mode(self) -> None:
        model, x = gap(), images()
        expected = hires_by_hand(model, x, [1, 1, 1])
        for parameter in model.parameters():
            parameter.requires_grad_(False)

        def got() -> Tensor:
            return heatlens.attribute(model, x, method="hires_cam", target=1, layers="relu", upsample=False)

        assert torch.allclose(got(), expected, atol=1e-6)
        with torch.no_grad():
            assert torch.allclose(got(), expected, atol=1e-6)
        with torch.inference_mode():
            assert torch.allclose(got(), expected, atol=1e-6)
            inside = torch.rand(1, 3, 8, 8)
            assert heatlens.attribute(model, inside, target=1).shape == (1, 8, 8)
        assert not any(p.requires_grad for p in model.parameters())

    def test_the_model_is_explained_in_eval_mode_and_given_back_as_it_was(self) -> None:
        model = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.9), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
        x = images()
        expected = heatlens.attribute(model.eval(), x, method="hires_cam", target=0, layers="1")
        model.train()
        model[2].eval()
        before = {key: value.clone() for key, value in model.state_dict().items()}
        got = heatlens.attribute(model, x, method="hires_cam", target=0, layers="1")
        assert torch.equal(got, expected)
        assert [m.training for m in model] == [True, True, False, True, True]
        assert model.training
        assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
        assert all(p.grad is None for p in model.parameters())
        assert not any(m._forward_hooks for m in model.modules())

    def test_the_random_state_is_not_touched(self) -> None:
        torch.manual_seed(5)
        expected = torch.rand(3)
        torch.manual_seed(5)
        heatlens.attribute(gap_without_seeding(), images(), average="noise:samples=2", target=1)
        assert torch.equal(torch.rand(3), expected)


_READY = gap()


def gap_without_seeding() -> Gap:
    return _READY


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "gradcamm"}, "Close: "),
        ({"method": 7}, "the method 7. Expected a method's name or a function"),
        ({"layers": "layer4"}, "Gap has no layer 'layer4'"),
        ({"layers": ["relu", "heed"]}, "Close: head"),
        ({"layers": "head"}, "layer 'head' returns a tensor of shape (3, 4)"),
        ({"target": 4}, "the model has no class 4. Expected an index from 0 to 3"),
        ({"target": "cat"}, "the model's classes have no names"),
        ({"settings": {"gamma": 1}}, "grad_cam has no setting 'gamma'"),
        ({"fuse": "median"}, "No fusion is called 'median'"),
        ({"average": "flip"}, "Close: flips"),
        ({"precision": "int8"}, "precision 'int8'"),
        ({"target": lambda out: torch.ones(3)}, "does not depend on layer"),
    ],
)
def test_mistakes_are_answered_with_advice(options: dict[str, Any], words: str) -> None:
    with pytest.raises(HeatlensError) as refused:
        heatlens.attribute(gap(), images(), **options)
    assert words in str(refused.value)


def test_one_logit_models() -> None:
    torch.manual_seed(0)
    model, x = Gap(classes=1).eval(), images()
    for_it = heatlens.attribute(model, x, method="hires_cam", target=1, layers="relu", upsample=False)
    against = heatlens.attribute(model, x, method="hires_cam", target=0, layers="relu", upsample=False)
    assert torch.allclose(for_it, hires_by_hand(model, x, [0, 0, 0]), atol=1e-6)
    assert torch.allclose(against, -for_it, atol=1e-6)


def test_targets_and_negative_evidence() -> None:
    model, x = gap(), images()

    def of(target: Any) -> Tensor:
        return heatlens.attribute(model, x, method="hires_cam", target=target, layers="relu", upsample=False)

    assert torch.allclose(of("negative:1"), -of(1))
    assert torch.allclose(of("sum:1+2"), of(1) + of(2), atol=1e-6)
    assert torch.allclose(of("contrast:1,against=0+2,gamma=0.5"), of(1) - 0.25 * (of(0) + of(2)), atol=1e-6)
    assert torch.equal(of(Logit(3)), of(3))


class TestEveryMapIsReturned:
    """A list of methods gives a map for each, in the order asked, under names that tell them apart."""

    def got(self, *methods: Any, **options: Any) -> dict[str, Tensor]:
        found: dict[str, Tensor] = heatlens.attribute(
            gap(), images(), method=list(methods), target=1, **{"layers": "relu", **options}
        )
        return found

    def test_two_recipes_of_one_method(self) -> None:
        at = [Recipe("grad_cam", layers=(name,)) for name in ("relu", "body.0")]
        found = self.got(*at, layers=None)
        assert list(found) == ["grad_cam layers=relu", "grad_cam layers=body.0"]
        for layer, maps in zip(("relu", "body.0"), found.values(), strict=True):
            assert torch.equal(maps, heatlens.attribute(gap(), images(), target=1, layers=layer))

    def test_only_what_differs_and_is_not_as_usual_is_said(self) -> None:
        plain, averaged, centred = (
            Recipe("eigen_cam", layers=("relu", "body.0"), **how)
            for how in (
                {},
                {"average": "noise:samples=3,sigma=0.1"},
                {"settings": (("centred", True),), "fuse": "product"},
            )
        )
        assert list(self.got(plain, averaged, centred, "grad_cam", layers=None)) == [
            "eigen_cam",
            "eigen_cam average=noise:samples=3,sigma=0.1",
            "eigen_cam:centred=True fuse=product",
            "grad_cam",
        ]
        values = [Recipe("eigen_cam", (("centred", value),), ("relu",)) for value in (True, False)]
        assert list(self.got(*values, layers=None)) == ["eigen_cam:centred=True", "eigen_cam"]
        found = self.got(*(Recipe("fem", average=Flips(f)) for f in ((1.0,), (0.5, 1.0))), layers=None)
        assert list(found) == ["fem average=flips:factors=1.0", "fem average=flips:factors=0.5+1.0"]
        assert find_average("flips:factors=0.5+1.0") == Flips((0.5, 1.0))

    def test_two_lambdas_and_two_functions_of_one_name(self) -> None:
        def first() -> Any:
            def mine(activations: Tensor) -> Tensor:
                return activations.amax(1)

            return mine

        def second() -> Any:
            def mine(activations: Tensor) -> Tensor:
                return activations.amin(1)

            return mine

        found = self.got(
            lambda activations: activations.sum(1), first(), lambda activations: activations.mean(1), second()
        )
        assert list(found) == ["<lambda>", "mine", "<lambda>-2", "mine-2"]
        said = gap().relu(gap().body(images()))
        for maps, expected in zip(found.values(), (said.sum(1), said.amax(1), said.mean(1), said.amin(1)), strict=True):
            assert torch.allclose(maps, nn.functional.interpolate(expected[:, None], (12, 16), mode="bilinear")[:, 0])

    def test_one_asked_twice_is_there_twice(self) -> None:
        found = self.got("grad_cam", "GradCAM", "fem", "grad-cam")
        assert list(found) == ["grad_cam", "grad_cam-2", "fem", "grad_cam-3"]
        assert torch.equal(found["grad_cam"], found["grad_cam-3"])

    def test_names_that_look_counted_stay_theirs(self) -> None:
        assert counted(["a", "a-2", "a", "a"]) == ["a", "a-2", "a-3", "a-4"]

    def test_recipes_with_parts(self) -> None:
        parts = Recipe("grad_cam", layers=("relu",)), Recipe("layer_cam", layers=("body.0",))
        mine = [Recipe("mine", parts=parts, fuse=fuse) for fuse in ("mean", "product")]
        assert list(self.got(*mine, "fast", layers=None)) == ["mine fuse=mean", "mine fuse=product", "fast"]


class TestAMapOfEachLayer:
    def test_of_one_method_by_the_layers_names(self) -> None:
        model, x = gap(), images()
        found = heatlens.attribute(model, x, layers=["relu", "body.0"], fuse=None, target=1)
        assert list(found) == ["relu", "body.0"]
        for layer, maps in found.items():
            assert torch.equal(maps, heatlens.attribute(model, x, layers=layer, target=1))
        native = heatlens.attribute(model, x, layers=["relu", "body.0"], fuse="none", target=1, upsample=False)
        assert [tuple(maps.shape[1:]) for maps in native.values()] == [(6, 8), (12, 16)]

    def test_however_the_layers_are_named_and_in_one_pass(self) -> None:
        model, x, passes = gap(), images(), []
        heatlens.attribute(model, x)  # the layers are found
        for layers, names in (
            ("all", ["body.0", "body.1", "body.2", "body.3", "body", "relu"]),
            ([model.relu, model.body[0]], ["relu", "body.0"]),
            ([0, -1], ["body.0", "relu"]),
            ("0..2", ["body.0", "body.1", "body.2"]),
            ("stage:-2..-1", ["body.1", "body"]),
            ("relu", ["relu"]),
            (None, ["body"]),
        ):
            assert list(heatlens.attribute(model, x, layers=layers, fuse=None, target=0)) == names
        handle = model.head.register_forward_hook(lambda *_: passes.append(1))
        subject = heatlens.load(model, layers=("relu",))
        heatlens.attribute(subject, x, layers=["relu", "body.0"], method=["grad_cam", "fem"], fuse=None, target=0)
        handle.remove()
        assert len(passes) == 1

    def test_of_several_methods(self) -> None:
        model, x = gap(), images()
        found = heatlens.attribute(model, x, layers=["relu", "body.0"], method=["grad_cam", "fem"], fuse=None, target=1)
        assert list(found) == [f"{m} layers={layer}" for m in ("grad_cam", "fem") for layer in ("relu", "body.0")]
        assert torch.equal(found["fem layers=body.0"], heatlens.attribute(model, x, layers="body.0", method="fem"))

    def test_the_layers_that_a_method_is_meant_for(self) -> None:
        found = heatlens.attribute(gap(), images(), method="zoom_cam", fuse=None, target=1)
        assert list(found) == ["body.0", "body.3"]

    def test_of_a_recipe_and_of_its_parts(self) -> None:
        model, x = gap(), images()
        parts = Recipe("grad_cam", layers=("relu",)), Recipe("layer_cam", layers=("body.0", "relu"), fuse=None)
        fused = heatlens.attribute(model, x, method=Recipe("mine", parts=parts, fuse="mean"), target=1)
        apart = heatlens.attribute(model, x, method=Recipe("mine", parts=parts, fuse=None), target=1)
        assert list(apart) == ["grad_cam", "layer_cam layers=body.0", "layer_cam layers=relu"]
        scaled = [maps / maps.abs().amax((1, 2), keepdim=True) for maps in apart.values()]
        assert torch.allclose(fused, torch.stack(scaled).mean(0), atol=1e-6)

    def test_the_usual_fusion_is_what_it_was(self) -> None:
        model, x, at = gap(), images(), ["relu", "body.0"]
        usual = heatlens.attribute(model, x, layers=at, target=1)
        assert torch.equal(usual, heatlens.attribute(model, x, layers=at, target=1, fuse="mean"))
        assert torch.equal(usual, heatlens.attribute(model, x, layers=at, target=1, fuse="auto"))
        zoom = heatlens.attribute(model, x, method="zoom_cam", layers=at, target=1)
        assert torch.equal(zoom, heatlens.attribute(model, x, method="zoom_cam", layers=at, target=1, fuse="maximum"))

    def test_explain_gives_one_after_the_other(self) -> None:
        pixels = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
        subject = heatlens.load(gap(), size=32, mean=0.5, std=0.5)
        found = heatlens.explain(
            subject, pixels, method=["grad_cam", "fem"], target=[0, 1], layers=["relu", "body.0"], fuse=None
        )
        assert [(e.method, e.recipe.layers, e.index) for e in found] == [
            (method, (layer,), index) for method in ("grad_cam", "fem") for layer in ("relu", "body.0")
            for index in (0, 1)
        ]  # fmt: skip
        (again,) = heatlens.explain(subject, pixels, method=[found[2].recipe], target=0)
        assert np.array_equal(again.raw, found[2].raw)
        assert isinstance(heatlens.explain(subject, pixels, layers="relu", fuse=None), list)
        values = heatlens.measure(subject, pixels, "complexity", layers=["relu", "body.0"], fuse=None)
        assert len(values) == 2


def test_no_method_at_all() -> None:
    with pytest.raises(BadValue, match="no method"):
        heatlens.attribute(gap(), images(), method=[])
