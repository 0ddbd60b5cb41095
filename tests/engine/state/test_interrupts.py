"""Ctrl-C at any moment leaves the model as found, and threads wait for models that share parts."""

import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import _get_current_function_mode_stack

import heatlens
from engine.state.test_state import IMAGES, a_users_model, assert_unchanged, fingerprint
from heatlens.engine.attention.unfused import attending
from heatlens.engine.forward.capture import capture
from heatlens.engine.forward.inputs import Inputs
from heatlens.engine.replay.behind_layer import Tail
from heatlens.engine.replay.replay import Recorder
from heatlens.engine.rules.rules import biases, guided, modified, relevant, rescaled
from heatlens.engine.state.answered import answered_by
from heatlens.engine.state.evaluating import _BORROWED, evaluating
from helpers.networks import Gap

BORROWING = ("engine/state/evaluating.py", "engine/state/interrupts.py", "engine/forward/capture.py")
UNCHANGING = {"_follow", "_product", "_note", "_fused", "enter", "leave"}
"""Functions in changing files that only note what they see."""
METHODS = ("grad_cam", "ablation_cam", "smooth_grad_cam_pp")


def interrupted(work: Callable[[], Any], at: int, changing: tuple[str, ...] = BORROWING) -> tuple[bool, int]:
    """Run it with a SIGINT at the given bytecode of the changing files; whether it came, and how many there were."""
    count = 0

    def inside(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        if event == "opcode":
            count += 1
            if count == at:
                signal.raise_signal(signal.SIGINT)
        return inside

    def outside(frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code.co_name in UNCHANGING or not frame.f_code.co_filename.endswith(changing):
            return None
        frame.f_trace_opcodes = True
        return inside

    before = sys.gettrace()
    sys.settrace(outside)
    try:
        work()
    except KeyboardInterrupt:
        return True, count
    finally:
        sys.settrace(before)
    time.sleep(0.02)
    return False, count


def test_an_interrupt_at_every_bytecode_leaves_the_model_as_found() -> None:
    model = a_users_model(Gap)
    before, handler = fingerprint(model), signal.getsignal(signal.SIGINT)

    def work() -> None:
        with evaluating(model), capture({"body": model.body}, graph=True) as seen:
            model(IMAGES)
        assert seen

    came, total = interrupted(work, -1)
    assert not came
    assert total > 400
    for at in range(1, total + 1):
        came, _ = interrupted(work, at)
        assert came, f"the interrupt at bytecode {at} was lost"
        assert_unchanged(before, fingerprint(model))
        assert signal.getsignal(signal.SIGINT) is handler
        assert not _BORROWED


class Attends(nn.Module):
    """Tokens that attend to each other, beside what `a_users_model` asks of a model."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 6, 6), nn.Flatten(2))
        self.attention, self.head = nn.MultiheadAttention(4, 2, batch_first=True), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.body(x).transpose(1, 2)
        return self.head(self.attention(tokens, tokens, tokens)[0].mean(1))


def replaying(model: Any) -> None:
    recorder = Recorder(model, model.body)
    with recorder.recording():
        model(IMAGES)
    with answered_by({"body": model.body, "relu": model.relu}, lambda _, forward: lambda *args: forward(*args) * 1):
        model(IMAGES)


def replacing(model: Any) -> None:
    recorder = Recorder(model, model.body)
    with recorder.recording():
        outputs = model(IMAGES)
    tail = Tail(model, model.body, Inputs((IMAGES,)), outputs, recorder)
    tail._full(model.body(IMAGES)[:1], [0])


def ruling(model: Any) -> None:
    with torch.enable_grad():
        images = IMAGES.clone().requires_grad_()
        for rule in (modified("attn_lrp"), relevant(), rescaled(), guided(), biases()):
            with rule:
                out = model(images)
            torch.autograd.grad(out.sum(), images)


def attending_to(model: Any) -> None:
    with torch.enable_grad(), attending(model) as found:
        model(IMAGES.clone().requires_grad_())
    assert found


CHANGES: dict[str, tuple[Callable[[], nn.Module], Callable[[Any], None], tuple[str, ...], int]] = {
    "replay": (Gap, replaying, ("engine/replay/replay.py", "engine/state/answered.py"), 300),
    "replacement": (Gap, replacing, ("engine/replay/behind_layer.py",), 200),
    "rules": (Gap, ruling, ("engine/rules/rules.py",), 100),
    "attention": (Attends, attending_to, ("engine/attention/unfused.py",), 300),
}


@pytest.mark.parametrize("what", CHANGES)
def test_an_interrupt_at_every_bytecode_of_replay_rules_and_attention(what: str) -> None:
    make, change, files, least = CHANGES[what]
    model = a_users_model(make)
    before, handler, modes = (
        fingerprint(model),
        signal.getsignal(signal.SIGINT),
        len(_get_current_function_mode_stack()),
    )

    def work() -> None:
        with evaluating(model):
            change(model)

    came, total = interrupted(work, -1, files)
    assert not came
    assert total > least
    for at in range(1, total + 1):
        came, _ = interrupted(work, at, files)
        assert came, f"the interrupt at bytecode {at} of {total} was lost"
        assert_unchanged(before, fingerprint(model))
        assert len(_get_current_function_mode_stack()) == modes, f"a mode stays open at bytecode {at}"
        assert signal.getsignal(signal.SIGINT) is handler


def alarmed(work: Callable[[], Any], after: float) -> bool:
    """Run it with a SIGINT after so many seconds; whether it came."""
    was = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        signal.setitimer(signal.ITIMER_REAL, after)
        work()
        time.sleep(after + 0.05)
    except KeyboardInterrupt:
        return True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, was)
    return False


@pytest.mark.parametrize("method", METHODS)
def test_interrupts_at_any_time_leave_the_model_as_found(method: str) -> None:
    model = a_users_model(Gap)
    before = fingerprint(model)
    took = 1.0
    for _ in range(3):
        began = time.perf_counter()
        heatlens.attribute(model, IMAGES, method=method, target=1, layers="body")
        took = min(took, time.perf_counter() - began)
    came = 0
    for share in range(1, 41):

        def work() -> None:
            heatlens.attribute(model, IMAGES, method=method, target=1, layers="body")

        came += alarmed(work, took * share / 40)
        assert_unchanged(before, fingerprint(model))
    assert came == 40


def test_whoever_waits_for_a_model_can_be_interrupted() -> None:
    model, there, done = Gap().eval(), threading.Event(), threading.Event()

    def hold() -> None:
        with evaluating(model):
            there.set()
            done.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    there.wait(20)
    timer = threading.Timer(0.2, lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT))
    timer.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        heatlens.attribute(model, IMAGES, layers="body", target=1)
    assert time.monotonic() - began < 5
    done.set()
    thread.join()
    heatlens.attribute(model, IMAGES, layers="body", target=1)
    assert not _BORROWED


class Sharing(nn.Module):
    """Another head on the same body."""

    def __init__(self, whole: Gap, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.body, self.head = whole.body, nn.Linear(whole.head.in_features, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).relu().mean((2, 3)))


def test_threads_with_models_that_share_parts_get_their_own_maps() -> None:
    whole = Gap().eval()
    models = [Sharing(whole, seed).train() for seed in range(3)]
    expected = [heatlens.attribute(m, IMAGES, layers="body", target=1, method="layer_cam") for m in models]
    wrong: list[int] = []

    def work(index: int) -> None:
        for _ in range(40):
            got = heatlens.attribute(models[index], IMAGES, layers="body", target=1, method="layer_cam")
            if not torch.allclose(got, expected[index], atol=1e-5):
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert all(m.training for m in models)
