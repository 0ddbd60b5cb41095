"""The model is given back exactly as it was, also when it raises in the middle."""

import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import heatlens
from helpers.networks import Gap

IMAGES = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(5))
METHODS = ["grad_cam", "eigen_cam", "ablation_cam", "shapley_cam", "smooth_grad_cam_pp", "layer_integrated_gradients"]


class Fragile(Gap):
    """Raises in the tail, behind the layer that is looked at, from the given call on."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.left = calls

    def forward(self, x: Tensor) -> Tensor:
        stack = self.body(x)
        self.left -= 1
        if self.left < 0:
            raise ArithmeticError("broken on purpose")
        return self.head(self.relu(stack).mean((2, 3)))


def fingerprint(model: nn.Module) -> dict[str, Any]:
    """Everything about a model that a caller could have changed."""
    return {
        "tensors": {k: v.clone() for k, v in [*model.named_parameters(), *model.named_buffers()]},
        "identity": {k: id(v) for k, v in [*model.named_parameters(), *model.named_buffers()]},
        "requires_grad": {k: p.requires_grad for k, p in model.named_parameters()},
        "grad": {k: None if p.grad is None else p.grad.clone() for k, p in model.named_parameters()},
        "training": {k: m.training for k, m in model.named_modules()},
        "hooks": {
            k: (len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks))
            for k, m in model.named_modules()
        },
        "attributes": {k: sorted(m.__dict__) for k, m in model.named_modules()},
        "modules": {k: id(m) for k, m in model.named_modules()},
        "rng": torch.get_rng_state(),
        "grad mode": torch.is_grad_enabled(),
        "inference mode": torch.is_inference_mode_enabled(),
    }


def assert_unchanged(before: dict[str, Any], after: dict[str, Any]) -> None:
    for key, value in before.items():
        if key in ("tensors", "grad"):
            assert value.keys() == after[key].keys()
            for name, tensor in value.items():
                same = torch.equal(tensor, after[key][name]) if tensor is not None else after[key][name] is None
                assert same, f"{key} of {name} changed"
        else:
            assert bool(torch.equal(value, after[key]) if isinstance(value, Tensor) else value == after[key]), key


def a_users_model(make: Callable[[], nn.Module]) -> nn.Module:
    """Half in train mode, one parameter frozen, one gradient in place."""
    torch.manual_seed(0)
    model = make().train()
    model.body[0].eval()
    model.head.bias.requires_grad_(False)
    model.head.weight.grad = torch.ones_like(model.head.weight)
    return model


@pytest.mark.parametrize("method", METHODS)
def test_left_as_found(method: str) -> None:
    model = a_users_model(Gap)
    before = fingerprint(model)
    heatlens.attribute(model, IMAGES, method=method, target=1, layers="body")
    assert_unchanged(before, fingerprint(model))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("calls", [0, 1, 2])
def test_left_as_found_when_the_model_raises(method: str, calls: int) -> None:
    model = a_users_model(lambda: Fragile(calls))
    before = fingerprint(model)
    try:
        heatlens.attribute(model, IMAGES, method=method, target=1, layers="body")
    except ArithmeticError:
        model.left = calls
        assert_unchanged(before, fingerprint(model))
    else:
        assert model.left >= 0, "the model was run often enough to raise, yet nothing was raised"


def test_a_model_that_raises_is_not_hidden() -> None:
    with pytest.raises(ArithmeticError, match="on purpose"):
        heatlens.attribute(Fragile(0), torch.rand(1, 3, 12, 12), layers="body")


def test_the_users_hooks_survive_and_fire() -> None:
    model = Gap().eval()
    calls: list[int] = []
    model.body.register_forward_hook(lambda *_: calls.append(1))
    heatlens.attribute(model, torch.rand(1, 3, 12, 12), layers="body")
    assert len(calls) == 1
    model(torch.rand(1, 3, 12, 12))
    assert len(calls) == 2


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_whatever_mode_the_caller_is_in(mode: Callable[[], Any]) -> None:
    model = Gap().eval()
    images = torch.rand(2, 3, 12, 12)
    expected = heatlens.attribute(model, images, layers="body", target=1)
    with mode():
        inside = images * 1  # an inference tensor in inference mode
        got = heatlens.attribute(model, inside, layers="body", target=1)
    torch.testing.assert_close(got.clone(), expected)


def test_frozen_parameters_do_not_matter() -> None:
    model = Gap().eval()
    images = torch.rand(2, 3, 12, 12)
    expected = heatlens.attribute(model, images, layers="body", target=1)
    model.requires_grad_(False)
    torch.testing.assert_close(heatlens.attribute(model, images, layers="body", target=1), expected)


def test_a_hundred_calls_leak_nothing() -> None:
    model = Gap().eval()
    images = torch.rand(1, 3, 12, 12)

    def tensors() -> int:
        gc.collect()
        return sum(isinstance(o, Tensor) for o in gc.get_objects())

    def call() -> None:
        heatlens.attribute(model, images, method=["grad_cam", "ablation_cam", "shapley_cam"], layers="body", target=0)

    call()
    before = tensors()
    for _ in range(100):
        call()
    assert tensors() <= before


def test_threads_share_a_model() -> None:
    model = Gap().eval()
    batches = [torch.rand(1, 3, 12, 12) for _ in range(4)]
    expected = [heatlens.attribute(model, x, method="ablation_cam", target=1, layers="body") for x in batches]
    found: dict[int, Tensor] = {}

    def work(i: int) -> None:
        for _ in range(5):
            found[i] = heatlens.attribute(model, batches[i], method="ablation_cam", target=1, layers="body")

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, maps in enumerate(expected):
        torch.testing.assert_close(found[i], maps)


def test_interrupting_leaves_the_model_as_found(monkeypatch: pytest.MonkeyPatch) -> None:
    model = a_users_model(Gap)
    before = fingerprint(model)

    def interrupted(outputs: Tensor) -> Tensor:
        if len(outputs) > 1:
            raise KeyboardInterrupt
        return outputs[:, 0]

    with pytest.raises(KeyboardInterrupt):
        heatlens.attribute(model, IMAGES[:1], method="ablation_cam", target=interrupted, layers="body")
    assert_unchanged(before, fingerprint(model))


def test_a_half_precision_model_explains_like_its_float_self() -> None:
    torch.manual_seed(0)
    model, images = Gap().eval(), torch.rand(2, 3, 32, 32)
    methods = ["grad_cam", "eigen_cam", "layer_cam", "ablation_cam"]
    expected = heatlens.attribute(model, images, method=methods, target=1, layers="body")
    for dtype in (torch.bfloat16, torch.float16):
        got = heatlens.attribute(model.to(dtype), images, method=methods, target=1, layers="body")
        for name, maps in got.items():
            assert maps.dtype == torch.float32
            cosine = torch.cosine_similarity(maps.flatten(1), expected[name].flatten(1))
            assert cosine.min() > 0.99, (name, dtype, cosine)
