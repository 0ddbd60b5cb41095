"""Chunks: sized to memory, halved when it runs out, reported."""

import pytest
import torch

import heatlens
from heatlens.engine.forward.batching import chunk_size, chunked, out_of_memory
from heatlens.words.errors import HeatlensWarning, NotEnoughMemory
from helpers.networks import Gap


def test_every_item_once_in_order() -> None:
    assert list(chunked(lambda a, b: list(range(a, b)), 7, 3)) == [[0, 1, 2], [3, 4, 5], [6]]


def test_out_of_memory_halves_the_chunk_and_carries_on() -> None:
    tried: list[tuple[int, int]] = []

    def work(start: int, stop: int) -> list[int]:
        tried.append((start, stop))
        if stop - start > 2:
            raise torch.OutOfMemoryError("no")
        return list(range(start, stop))

    with pytest.warns(HeatlensWarning, match="memory ran out; variations: 2 at a time"):
        assert [i for part in chunked(work, 9, 8) for i in part] == list(range(9))
    assert tried[:3] == [(0, 8), (0, 4), (0, 2)]


def test_out_of_memory_for_a_single_item_is_raised() -> None:
    def work(start: int, stop: int) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes")

    with pytest.raises(NotEnoughMemory, match="memory ran out for variations, one at a time"):
        list(chunked(work, 4, 4))


def test_other_errors_are_not_taken_for_memory() -> None:
    assert not out_of_memory(RuntimeError("size mismatch"))
    with pytest.raises(RuntimeError, match="size mismatch"):
        list(chunked(lambda a, b: (_ for _ in ()).throw(RuntimeError("size mismatch")), 4, 2))


def test_progress_goes_to_the_end() -> None:
    seen: list[tuple[int, int]] = []
    list(chunked(lambda a, b: None, 5, 2, lambda done, total: seen.append((done, total))))
    assert seen == [(2, 5), (4, 5), (5, 5)]


def test_chunks_shrink_with_what_they_hold() -> None:
    cpu = torch.device("cpu")
    assert chunk_size(1 << 10, cpu) > chunk_size(1 << 20, cpu) >= 1
    assert chunk_size(1 << 40, cpu) == 1


@pytest.mark.parametrize("method", ["ablation_cam", "recipro_cam", "layer_integrated_gradients"])
def test_the_chunk_size_does_not_change_a_map(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model, images = Gap().eval().double(), torch.rand(2, 3, 12, 12, dtype=torch.float64)
    found = []
    for size in (1, 2, 3, 64):
        monkeypatch.setattr("heatlens.engine.evidence.replays.chunk_size", lambda *_, size=size: size)
        found.append(heatlens.attribute(model, images, method=method, layers="body", target=1))
    for maps in found[1:]:
        torch.testing.assert_close(maps, found[0])
