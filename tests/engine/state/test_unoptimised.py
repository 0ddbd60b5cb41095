"""Models that compile, checkpoint or write over their parts, or were made in inference mode, are like plain ones."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.utils.checkpoint as checkpoints
from torch import Tensor, nn

import heatlens
from heatlens.engine.state.evaluating import evaluating
from heatlens.words.errors import BadValue, EvidenceMissing, ScoreIndifferent

IMAGES = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
METHODS = ["grad_cam", "hires_cam", "layer_cam", "full_grad", "guided_backprop", "ablation_cam", "score_cam", "rise",
           "integrated_grad_cam", "layer_integrated_gradients", "shapley_cam", "relevance_cam", "lift_cam"]  # fmt: skip


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 6, 3, 2, 1)
        self.body = nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.body(self.stem(x)).mean((2, 3)))
        return scores


PLAIN = Net().eval()


def maps(model: nn.Module, method: str = "grad_cam", layers: Any = None, images: Tensor = IMAGES) -> Tensor:
    settings = {"samples": 6} if method in ("rise", "integrated_grad_cam") else {}
    settings = {"steps": 4} if method in ("integrated_grad_cam", "layer_integrated_gradients") else settings
    found: Tensor = heatlens.attribute(model, images, target=1, method=method, layers=layers, settings=settings)
    return found


def same(got: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-6)


class Around(nn.Module):
    """A network inside one's own."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.net(x)
        return scores


def compiled(how: str) -> nn.Module:
    net = Net().eval()
    if how == "in place":
        net.compile(backend="aot_eager")
        whole: nn.Module = Around(net)
    elif how == "a part":
        net.body = torch.compile(net.body, backend="aot_eager")  # type: ignore[assignment]
        whole = Around(net)
    else:
        whole = Around(torch.compile(net, backend="aot_eager"))  # type: ignore[arg-type]
    with torch.no_grad():
        whole(IMAGES)  # what was compiled before anybody hooked it
    return whole.eval()


@pytest.mark.parametrize("how", ["a module", "in place", "a part"])
@pytest.mark.parametrize("method", METHODS)
def test_compiled_parts(how: str, method: str) -> None:
    same(maps(compiled(how), method), maps(PLAIN, method, "body"))


@pytest.mark.parametrize("how", ["a module", "in place", "a part"])
def test_layers_of_compiled_parts_have_the_names_of_the_network(how: str) -> None:
    model = compiled(how)
    same(maps(model, layers="net.stem"), maps(PLAIN, layers="stem"))
    same(maps(model, layers="net.body.0"), maps(PLAIN, layers="body.0"))
    same(maps(model, layers=model.net.body), maps(PLAIN, layers="body"))


def test_what_is_compiled_stays_compiled() -> None:
    model = compiled("a module")
    maps(model)
    assert hasattr(model.net, "_orig_mod")
    counter = torch._dynamo.testing.CompileCounter()
    again = torch.compile(lambda x: x + 1, backend=counter)
    again(torch.ones(2))
    assert counter.frame_count == 1  # nothing keeps the compiler off


class Checkpointed(Net):
    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.reentrant = reentrant

    def forward(self, x: Tensor) -> Tensor:
        seen: Any = checkpoints.checkpoint(self.body, self.stem(x), use_reentrant=self.reentrant)
        scores: Tensor = self.fc(seen.mean((2, 3)))
        return scores


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.filterwarnings("ignore")
def test_checkpointed_parts(reentrant: bool, method: str) -> None:
    model = Checkpointed(reentrant).eval()
    for layer in ("stem", "body.0", "body"):
        same(maps(model, method, layer), maps(PLAIN, method, layer))


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpoints_are_put_back_and_work_in_training(reentrant: bool) -> None:
    own = checkpoints.CheckpointFunction, checkpoints._checkpoint_hook
    model = Checkpointed(reentrant).train()
    maps(model)
    assert (checkpoints.CheckpointFunction, checkpoints._checkpoint_hook) == own
    ran: list[int] = []
    model.body[0].register_forward_hook(lambda module, args, out: ran.append(1))
    with evaluating(PLAIN):  # another model is looked into meanwhile
        pass
    model(IMAGES.clone().requires_grad_()).sum().backward()
    assert len(ran) == 2  # run again for the backward pass
    assert model.body[0].weight.grad is not None


def test_after_an_exception_checkpoints_are_put_back() -> None:
    own = checkpoints.CheckpointFunction
    with pytest.raises(ZeroDivisionError), evaluating(PLAIN):
        raise ZeroDivisionError
    assert checkpoints.CheckpointFunction is own


class Detecting(nn.Module):
    """A head that writes into its own outputs, and returns (a tensor, a list)."""

    def __init__(self, write: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.SiLU())
        self.head = nn.Conv2d(8, 7, 1)
        self.write = write

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        raw = self.head(self.body(x)).flatten(2).mT
        y = raw.sigmoid()
        if self.write:
            y[..., :2] = y[..., :2] * 2 - 0.5
            y[..., 2:4] = (y[..., 2:4] * 2) ** 2
        else:
            y = torch.cat([y[..., :2] * 2 - 0.5, (y[..., 2:4] * 2) ** 2, y[..., 4:]], 2)
        return y, [raw]


def object_score(out: Any) -> Tensor:
    return (out[0][..., 4] * out[0][..., 5]).amax(1)


def width(out: Any) -> Tensor:
    return out[0][:, 3, 2]


@pytest.mark.parametrize("target", [object_score, width])
@pytest.mark.parametrize("method", ["grad_cam", "full_grad", "layer_integrated_gradients", "ablation_cam", "opti_cam",
                                    "shapley_cam", "integrated_grad_cam"])  # fmt: skip
def test_heads_that_write_into_their_outputs(target: Callable[[Any], Tensor], method: str) -> None:
    ask: dict[str, Any] = {"target": target, "method": method, "layers": "body"}
    writing, plain = (heatlens.attribute(Detecting(write).eval(), IMAGES, **ask) for write in (True, False))
    same(writing, plain)


def test_the_second_time_a_model_that_writes_costs_one_pass() -> None:
    model = Detecting(True).eval()
    ran: list[int] = []
    model.body[0].register_forward_hook(lambda module, args, out: ran.append(1))
    for expected in (2, 1):
        ran.clear()
        heatlens.attribute(model, IMAGES, target=object_score, layers="body")
        assert len(ran) == expected


class Splitting(Detecting):
    """Writes into what it split, which torch allows only without gradients."""

    def forward(self, x: Tensor) -> Any:
        first, second = super().forward(x)[0].chunk(2)
        first += 1
        return torch.cat([first, second])


def test_writing_that_cannot_be_followed_is_one_line() -> None:
    with pytest.raises(EvidenceMissing, match="in-place operation") as refused:
        heatlens.attribute(Splitting(False).eval(), IMAGES, target=lambda out: out[..., 4].amax(1), layers="body")
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("method", METHODS)
def test_images_made_in_inference_mode(method: str) -> None:
    with torch.inference_mode():
        images = IMAGES * 1
    assert images.is_inference()
    same(maps(PLAIN, method, "body", images), maps(PLAIN, method, "body"))


@pytest.mark.parametrize("method", METHODS)
def test_networks_made_in_inference_mode(method: str) -> None:
    with torch.inference_mode():
        model = Net().eval()
    weights = dict((*model.named_parameters(), *model.named_buffers()))
    same(maps(model, method, "body"), maps(PLAIN, method, "body"))
    now = dict((*model.named_parameters(), *model.named_buffers()))
    assert all(now[name] is t for name, t in weights.items())


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_a_caller_in_another_mode(mode: Any) -> None:
    expected = maps(PLAIN, "full_grad")
    with mode():
        same(maps(PLAIN, "full_grad"), expected)


def test_whole_numbers_are_refused_with_the_true_reason() -> None:
    with pytest.raises(BadValue, match=r"images of type torch\.uint8.*images\.float\(\) / 255"):
        heatlens.attribute(PLAIN, (IMAGES * 255).byte(), target=1)


class Cut(Net):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def forward(self, x: Tensor) -> Tensor:
        features = self.body(self.stem(x)).mean((2, 3))
        if self.how == "detach":
            return self.fc(features.detach())
        if self.how == "numpy":
            return torch.from_numpy(self.fc(features).detach().numpy())
        with torch.no_grad():
            return self.fc(features)


@pytest.mark.parametrize("how", ["detach", "numpy", "no_grad"])
@pytest.mark.parametrize("layers", ["body", None])
def test_a_graph_that_is_cut_is_told_from_a_score_that_does_not_care(how: str, layers: str | None) -> None:
    with pytest.raises(ScoreIndifferent, match=r"the graph is cut.*\.detach\(\).*without gradients"):
        maps(Cut(how).eval(), layers=layers)
    same(maps(Cut(how).eval(), "ablation_cam", "body"), maps(PLAIN, "ablation_cam", "body"))


class Careless(Net):
    def forward(self, x: Tensor) -> Tensor:
        self.body(self.stem(x))
        scores: Tensor = self.fc(torch.ones(len(x), 8))
        return scores


def test_a_score_that_does_not_depend_on_the_layer() -> None:
    with pytest.raises(ScoreIndifferent, match="does not depend on layer 'body'"):
        maps(Careless().eval(), layers="body")


def test_float_networks_with_room_for_int8() -> None:
    from torchvision.models.quantization import resnet18

    model = resnet18(weights=None, quantize=False, num_classes=4).eval()
    from torchvision.models import resnet18 as usual

    twin = usual(num_classes=4).eval()
    twin.load_state_dict(model.state_dict(), strict=False)
    images = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(model(images), twin(images))
    for method in ("grad_cam", "ablation_cam"):
        found, expected = (heatlens.attribute(m, images, target=1, method=method) for m in (model, twin))
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv1d(3, 6, 3, padding=1)
        self.rnn = nn.LSTM(6, 8, batch_first=True)
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.rnn(self.conv(x).transpose(1, 2))[0].mean(1))
        return scores


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_recurrent_layers_on_cuda_have_a_backward_pass() -> None:
    model, series = Recurrent().eval(), torch.rand(2, 3, 20)
    expected = heatlens.attribute(model, series, target=1, layers="conv")
    found = heatlens.attribute(model.cuda(), series, target=1, layers="conv")
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-3, atol=1e-5)


def test_cudnn_is_off_for_recurrent_layers_on_cuda_and_on_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no GPU: what would be done on one."""
    seen: list[bool] = []
    monkeypatch.setattr("heatlens.engine.state.unoptimised.on_cuda", lambda module: True)
    for model, off in ((Recurrent().eval(), True), (PLAIN, False)):
        with evaluating(model):
            seen.append(torch.backends.cudnn.enabled is not off)
        seen.append(torch.backends.cudnn.enabled)
    assert seen == [True] * 4
