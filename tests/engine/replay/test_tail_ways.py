"""The three ways to a tail: each is taken where the cheaper one is not exact, and all give the same."""

import copy

import pytest
import torch
from torch import Tensor, nn

from heatlens.engine.forward.inputs import Inputs
from heatlens.engine.replay.behind_layer import Tail
from heatlens.engine.replay.replay import Recorder
from heatlens.engine.state.evaluating import evaluating
from heatlens.words.trees import main_tensor
from helpers.networks import Gap


def folded(stack: Tensor) -> Tensor:
    """(n, c, 8, 8) -> (4 n, 16, c): four windows an image, along the batch dimension, as Swin does."""
    windows = stack.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 4, 5, 1)
    return windows.reshape(len(stack) * 4, 16, stack.shape[1])


class Windows(nn.Module):
    """What is remembered of the gate has no batch dimension of images."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(3, 4)
        self.layer = nn.Conv2d(3, 4, 1)
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.gate(folded(x))
        mixed = gate * folded(self.layer(x)).tanh()
        return self.head(mixed.reshape(len(x), 64, 4).mean(1))


class Moody(nn.Module):
    """What runs before the layer differs from pass to pass."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)
        self.layer = nn.Conv2d(4, 4, 1)
        self.head = nn.Linear(4, 5)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        first = self.b if self.calls > 1 and self.calls % 2 else self.a
        return self.head(self.layer(first(x)).relu().mean((2, 3)))


class WritesIntoMemory(nn.Module):
    """A remembered output is written into behind the layer."""

    def __init__(self) -> None:
        super().__init__()
        self.skip = nn.Conv2d(3, 4, 1)
        self.layer = nn.Conv2d(3, 4, 1)
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        skip = self.skip(x)
        said = self.layer(x)
        skip += said
        return self.head(skip.relu_().mean((2, 3)))


def tail_of(model: nn.Module, layer: str, images: Tensor) -> tuple[Tail, Tensor]:
    recorder = Recorder(model, model.get_submodule(layer))
    with recorder.recording():
        outputs = model(images)
    assert recorder.calls > 0
    found: list[Tensor] = []
    handle = model.get_submodule(layer).register_forward_hook(lambda m, a, o: found.append(main_tensor(o).clone()))
    model(images)
    handle.remove()
    return Tail(model, model.get_submodule(layer), Inputs((images,)), outputs, recorder), found[-1]


def test_the_scenes_own_memory_is_expanded_where_that_is_exact() -> None:
    model, images = Gap(inplace=True).eval(), torch.rand(3, 3, 8, 8)
    with evaluating(model):
        tail, said = tail_of(model, "body", images)
        assert tail.way == "expanded"
        expected = model.head((said[1:2] * torch.tensor([0.0, 2.0]).reshape(2, 1, 1, 1)).relu().mean((2, 3)))
        torch.testing.assert_close(tail(said[1:2] * torch.tensor([0.0, 2.0]).reshape(2, 1, 1, 1), 1), expected)


def test_a_pass_is_recorded_at_size_where_the_batch_is_folded() -> None:
    torch.manual_seed(0)
    model, images = Windows().eval(), torch.rand(1, 3, 8, 8)
    with evaluating(model):
        tail, said = tail_of(model, "layer", images)
        assert tail.way == "recorded"
        for copies in (3, 2, 5):
            varied = torch.rand(copies, *said.shape[1:])
            gate = model.gate(folded(images)).repeat(copies, 1, 1)
            expected = model.head((gate * folded(varied).tanh()).reshape(copies, 64, 4).mean(1))
            torch.testing.assert_close(tail(varied, 0), expected)


def test_full_passes_where_nothing_recorded_stays_true() -> None:
    torch.manual_seed(0)
    model, images = Moody().eval(), torch.rand(2, 3, 8, 8)
    with evaluating(model):
        tail, _ = tail_of(model, "layer", images)
        assert tail.way == "full"


def test_a_tail_that_takes_another_path_later_falls_back() -> None:
    torch.manual_seed(0)
    model, images = Gap().eval(), torch.rand(1, 3, 8, 8)
    with evaluating(model):
        tail, said = tail_of(model, "body.3", images)
        assert tail.way == "expanded"
        same = copy.deepcopy(model.body[0])
        model.body[0] = same  # the one that is remembered is no longer asked
        torch.testing.assert_close(tail(said.clone(), 0), model(images))
        assert tail.way == "full"


@pytest.mark.parametrize("way", ["expanded", "recorded", "full"])
@pytest.mark.parametrize("layer", ["body.0", "body", "relu"])
def test_all_ways_agree(way: str, layer: str) -> None:
    torch.manual_seed(0)
    model, images = Gap(inplace=True).eval(), torch.rand(2, 3, 8, 8)
    behind = {
        "body.0": lambda a: model.head(model.body[3](model.body[2](a.relu())).relu().mean((2, 3))),
        "body": lambda a: model.head(a.relu().mean((2, 3))),
        "relu": lambda a: model.head(a.mean((2, 3))),
    }
    with evaluating(model):
        tail, said = tail_of(model, layer, images)
        tail.way = way
        for image, copies in ((0, 4), (1, 4), (1, 3)):
            varied = said[image : image + 1] * torch.rand(copies, 1, 1, 1)
            torch.testing.assert_close(tail(varied.clone(), image), behind[layer](varied))


def test_what_is_written_into_later_is_lent_as_a_copy() -> None:
    torch.manual_seed(0)
    model, images = WritesIntoMemory().eval(), torch.rand(2, 3, 8, 8)
    with evaluating(model):
        tail, said = tail_of(model, "layer", images)
        assert tail.way == "expanded"
        varied = torch.rand(3, *said.shape[1:])
        expected = model.head((model.skip(images[:1]) + varied).relu().mean((2, 3)))
        for _ in range(2):  # the memory must survive the first replay
            torch.testing.assert_close(tail(varied.clone(), 0), expected)


def test_a_replay_that_raises_leaves_every_forward_in_place() -> None:
    model, images = Gap().eval(), torch.rand(1, 3, 8, 8)
    with evaluating(model):
        tail, said = tail_of(model, "body", images)
        with pytest.raises(RuntimeError):
            tail(torch.rand(2, 99, 4, 4), 0)
        assert all("forward" not in module.__dict__ for module in model.modules())
        torch.testing.assert_close(tail(said.clone(), 0), model(images))


def test_a_forward_that_the_user_put_on_an_instance_is_kept() -> None:
    model, images = Gap().eval(), torch.rand(1, 3, 8, 8)
    original = model.body.forward
    mine = lambda x: original(x) * 2  # noqa: E731
    model.body.forward = mine  # type: ignore[method-assign]
    with evaluating(model):
        tail, said = tail_of(model, "relu", images)
        torch.testing.assert_close(tail(said.clone(), 0), model(images))
    assert model.body.forward is mine
