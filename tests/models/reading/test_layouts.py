"""How outputs are read as channels over a space, and written back."""

from typing import Any

import pytest
import torch

from heatlens.models.reading.layouts import ChannelsFirst, ChannelsLast, Reading, Tokens
from heatlens.models.reading.sequences import Frames, Steps
from heatlens.words.errors import LayoutUnclear

CASES: list[tuple[Reading, tuple[int, ...], int, tuple[int, ...], Any]] = [
    # declared, shape of the output, images, their size, the layout
    (Reading(), (2, 8, 7, 7), 2, (224, 224), ChannelsFirst()),
    (Reading(), (2, 8, 4, 6), 2, (64, 96), ChannelsFirst()),
    (Reading(), (2, 4, 6, 32), 2, (64, 96), ChannelsLast()),
    (Reading(), (2, 7, 7, 768), 2, (224, 224), ChannelsLast()),
    (Reading(channels_last=True), (2, 8, 8, 8), 2, (64, 64), ChannelsLast()),
    (Reading(channels_last=False), (2, 7, 7, 768), 2, (224, 224), ChannelsFirst()),
    (Reading(), (2, 8, 1, 1), 2, (64, 96), ChannelsFirst()),
    (Reading(channels_last=False), (3, 5, 20), 3, (100,), ChannelsFirst()),
    (Reading(channels_last=True), (3, 20, 5), 3, (100,), Steps()),
    (Reading(channels_last=True, prefix_tokens=1), (3, 20, 5), 3, (100,), Steps(prefix=1)),
    (Reading(), (20, 3, 5), 3, (100,), Steps(sequence_first=True)),
    (Reading(), (6, 8, 4, 4), 1, (6, 32, 32), Frames(ChannelsFirst(), 6)),
    (Reading(), (6, 4, 4, 8), 1, (6, 32, 32), Frames(ChannelsLast(), 6)),
    (Reading(patch=(16, 16)), (6, 1 + 4, 8), 1, (6, 32, 32), Frames(Tokens((2, 2), 1), 6)),
    (Reading(patch=(2, 16, 16)), (2, 3 * 4, 8), 2, (6, 32, 32), Tokens((3, 2, 2), 0)),
    (Reading(patch=(16, 16), time_last=True), (2, 1 + 6 * 4, 8), 2, (6, 32, 32), Tokens((6, 2, 2), 1, time_last=True)),
    (Reading(patch=(16, 16), time_last=False), (2, 6 * 4, 8), 2, (6, 32, 32), Tokens((6, 2, 2), 0)),
    (Reading(), (1, 5, 2, 3, 4), 1, (8, 12, 16), ChannelsFirst()),
    (Reading(), (1, 2, 3, 4, 40), 1, (8, 12, 16), ChannelsLast()),
    (Reading(), (2, 49, 8), 2, (224, 224), Tokens((7, 7), 0)),
    (Reading(), (2, 50, 8), 2, (224, 224), Tokens((7, 7), 1)),
    (Reading(), (2, 198, 8), 2, (224, 224), Tokens((14, 14), 2)),
    (Reading(), (2, 5 + 15, 8), 2, (42, 70), Tokens((3, 5), 5)),
    (Reading(patch=(16, 16)), (2, 24 + 1, 8), 2, (64, 96), Tokens((4, 6), 1)),
    (Reading(patch=(4, 4)), (2, 24, 8), 2, (64, 96), Tokens((4, 6), 0)),  # two merges after the patches
    (Reading(prefix_tokens=4, patch=(14, 14)), (1, 4 + 9, 8), 1, (42, 42), Tokens((3, 3), 4)),
    (Reading(prefix_tokens=1), (1, 9, 8), 1, (42, 42), Tokens((3, 3), 0)),  # a layer behind which it was dropped
    (Reading(grid=(2, 8)), (1, 16, 5), 1, (64, 64), Tokens((2, 8), 0)),
    (Reading(grid=(2, 8), prefix_tokens=3), (1, 19, 5), 1, (64, 64), Tokens((2, 8), 3)),
    (Reading(), (50, 2, 8), 2, (224, 224), Tokens((7, 7), 1, sequence_first=True)),
]


@pytest.mark.parametrize(("reading", "shape", "images", "size", "layout"), CASES)
def test_the_layout_follows_from_shapes_and_declarations(
    reading: Reading, shape: tuple[int, ...], images: int, size: tuple[int, ...], layout: Any
) -> None:
    assert reading.layout("x", shape, images, size) == layout


@pytest.mark.parametrize(("reading", "shape", "images", "size", "layout"), CASES)
def test_what_is_read_is_written_back(
    reading: Reading, shape: tuple[int, ...], images: int, size: tuple[int, ...], layout: Any
) -> None:
    said = torch.rand(shape)
    stack = layout.to_stack(said)
    assert stack.shape[0] == images
    assert stack.ndim == 2 + len(size)
    assert torch.equal(layout.from_stack(stack, said), said)
    assert torch.equal(layout.to_stack(layout.from_stack(stack + 1, said)), stack + 1)


def test_tokens_lie_row_by_row_behind_the_prefix() -> None:
    said = torch.arange(8.0).reshape(1, 8, 1)
    assert Tokens((2, 3), 2).to_stack(said)[0, 0].tolist() == [[2, 3, 4], [5, 6, 7]]


def test_prefix_tokens_and_what_lies_behind_the_grid_stay() -> None:
    said = torch.arange(9.0).reshape(1, 9, 1)
    written = Tokens((2, 3), 2).from_stack(torch.full((1, 1, 2, 3), -1.0), said)
    assert written.flatten().tolist() == [0, 1, -1, -1, -1, -1, -1, -1, 8]


@pytest.mark.parametrize(
    ("reading", "shape", "size", "words"),
    [
        (Reading(), (1, 430, 8), (64, 64), "430 tokens do not show which grid they lie on"),
        (Reading(grid=(5, 5)), (1, 24, 8), (64, 64), "24 tokens do not show"),
        (Reading(prefix_tokens=30, grid=(2, 2)), (1, 24, 8), (64, 64), "24 tokens do not show"),
    ],
)
def test_an_unclear_grid_asks_for_prefix_tokens_and_grid(reading: Reading, shape: Any, size: Any, words: str) -> None:
    with pytest.raises(LayoutUnclear) as refused:
        reading.layout("blocks.3", shape, 1, size)
    assert words in str(refused.value)
    assert "layer 'blocks.3'" in str(refused.value)
    assert "prefix_tokens=… and grid=(rows, columns)" in str(refused.value)


def test_tokens_whose_frames_lie_together() -> None:
    """Two frames of three places in a row: the sequence is place by place, each with its frames."""
    said = torch.arange(1.0, 7.0).reshape(1, 6, 1)
    stack = Tokens((2, 1, 3), time_last=True).to_stack(said)
    assert stack[0, 0].tolist() == [[[1, 3, 5]], [[2, 4, 6]]]


def test_frames_are_taken_out_of_the_batch() -> None:
    said = torch.arange(12.0).reshape(6, 2, 1, 1)
    stack = Frames(ChannelsFirst(), 3).to_stack(said)
    assert stack.shape == (2, 2, 3, 1, 1)
    assert stack[1, :, :, 0, 0].tolist() == [[6, 8, 10], [7, 9, 11]]
    assert torch.equal(Frames(ChannelsFirst(), 3).from_stack(stack, said), said)


@pytest.mark.parametrize(
    ("reading", "shape", "batch", "size", "words"),
    [
        (
            Reading(),
            (3, 5, 20),
            3,
            (100,),
            "either axis could be the channels. Expected to be told. Say channels_last=",
        ),
        (Reading(), (12, 8, 4, 4), 2, (6, 32, 32), "frames of 2 clips in one batch"),
        (Reading(patch=(16, 16)), (1, 6 * 4, 8), 1, (6, 32, 32), "say time_last=False"),
    ],
)
def test_what_shapes_do_not_tell_is_asked(reading: Reading, shape: Any, batch: int, size: Any, words: str) -> None:
    with pytest.raises(LayoutUnclear) as refused:
        reading.layout("x", shape, batch, size)
    assert words.lower() in str(refused.value).lower()


@pytest.mark.parametrize("shape", [(), (2,), (2, 10), (7, 8, 9), (4, 3, 5, 5), (2, 3, 4, 5, 6)])
def test_a_shape_without_a_space_names_itself_and_what_would_do(shape: tuple[int, ...]) -> None:
    with pytest.raises(LayoutUnclear) as refused:
        Reading().layout("head", shape, 2, (64, 64))
    assert f"layer 'head' returns a tensor of shape {shape} for 2 image(s) of size (64, 64)" in str(refused.value)
    assert "heatlens layers MODEL" in str(refused.value)
