"""heatlens.attribute: tensors in, maps out."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import heatlens
from heatlens.errors import BadValue, HeatlensError
from heatlens.targets import Logit
from networks import Gap


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
