"""The Ray engine: the same units, worked on by actors wherever the cluster has room for them.

Actors hold the models; units go to those that are ready, and back to the front of the queue when an actor, or the node
under it, dies.  A new actor is asked for in its place and joins when there is room for one, so that the loss of a node
costs its units' time and nothing else, and a node that comes back is used.  Rows come back to this process, which alone
writes: a unit is done when its part is there, however often it was begun.
"""

import os
import re
import socket
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ...words.errors import BadValue
from ...words.optional import require
from ..requests.request import Request, Unit
from .local import Done
from .lost_workers import ATTEMPTS, Losses, WorkerLost
from .unit import Worker

_PATIENCE = 10
"""Seconds until a cluster's machine has to answer."""


def on_ray(
    request: Request,
    units: Sequence[Unit],
    *,
    workers: int | None = None,
    device: str = "cpu",
    address: str | None = None,
) -> Done:
    """Work on units on a Ray cluster, `workers` actors at a time; None: one per GPU, or per CPU where there is none.

    address: of a running cluster, else that of the environment (RAY_ADDRESS), else one is started here.
    """
    with _connected(address):
        each = _each(device)
        staff = Staff(request.sent(), device, each)
        for _ in range(min(len(units), workers or _room(each))):
            staff.hire()
        try:
            yield from _worked(staff, units)
        finally:
            staff.dismiss()


@dataclass
class Staff:
    """The actors: those on their way, those at work."""

    request: Request
    device: str
    each: dict[str, float]
    """What an actor takes of the cluster."""
    starting: dict[Any, Any] = field(default_factory=dict)
    busy: dict[Any, tuple[Any, Unit]] = field(default_factory=dict)
    failed: int = 0
    """Actors that died before they were ready, since one last was."""

    def hire(self) -> None:
        kind = require("ray").remote(Worker).options(**self.each, max_restarts=0, scheduling_strategy="SPREAD")
        actor = kind.remote(self.request, self.device)
        self.starting[actor.ready.remote()] = actor

    def give(self, actor: Any, unit: Unit) -> None:
        self.busy[actor.rows.remote(unit)] = actor, unit

    def finished(self) -> list[Any]:
        """What came back, whether well or not."""
        done: list[Any] = require("ray").wait([*self.starting, *self.busy], num_returns=1)[0]
        return done

    def replace(self, actor: Any) -> None:
        """An actor that cannot be reached is not waited for."""
        require("ray").kill(actor, no_restart=True)
        self.hire()

    def dismiss(self) -> None:
        for actor in [*self.starting.values(), *(actor for actor, _ in self.busy.values())]:
            require("ray").kill(actor, no_restart=True)


def _worked(staff: Staff, units: Sequence[Unit]) -> Done:
    queue, losses = deque(units), Losses()
    idle: list[Any] = []
    while queue or staff.busy:
        while queue and idle:
            staff.give(idle.pop(), queue.popleft())
        for reference in staff.finished():
            if reference in staff.starting:
                idle += _arrived(staff, reference)
                continue
            actor, unit = staff.busy.pop(reference)
            try:
                rows = _result(reference)
            except _Gone:
                queue.appendleft(unit)
                staff.replace(actor)
                losses.add(unit)
            else:
                idle.append(actor)
                yield unit, rows


def _arrived(staff: Staff, reference: Any) -> list[Any]:
    """The actor, if it is ready to work."""
    actor = staff.starting.pop(reference)
    try:
        _result(reference)
    except _Gone as gone:
        staff.failed += 1
        if staff.failed >= ATTEMPTS:
            raise WorkerLost(
                f"{ATTEMPTS} workers in a row died before they were ready: {gone}",
                "nodes with heatlens and its extra ray installed",
            ) from None
        staff.replace(actor)
        return []
    staff.failed = 0
    return [actor]


class _Gone(Exception):
    """An actor or its node died, or cannot be reached."""


def _result(reference: Any) -> Any:
    """What an actor returned; what it raised is raised here."""
    ray = require("ray")
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        raise _Gone(str(error).strip().splitlines()[0]) from None


@contextmanager
def _connected(address: str | None) -> Iterator[None]:
    ray = require("ray")
    if ray.is_initialized():
        yield
        return
    try:
        _reach(address or os.environ.get("RAY_ADDRESS"))
        ray.init(
            address=address, log_to_driver=False, logging_level="error", include_dashboard=None if address else False
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise BadValue(
            f"no Ray cluster answers at {address or os.environ.get('RAY_ADDRESS')}: {str(error).splitlines()[0]}",
            "the address that ray start printed, and the cluster's token (RAY_AUTH_MODE, RAY_AUTH_TOKEN)",
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


def _reach(address: str | None) -> None:
    """Raise OSError where nobody listens at HOST:PORT: Ray itself would try for minutes."""
    if found := re.fullmatch(r"([^/\s]+):(\d+)", address or ""):
        socket.create_connection((found[1].strip("[]"), int(found[2])), timeout=_PATIENCE).close()


def _each(device: str) -> dict[str, float]:
    if "," in device:
        raise BadValue(f"the devices {device} on Ray", "cuda, or cpu", "Ray gives each worker a GPU of its own")
    return {"num_cpus": 1, "num_gpus": 1} if device.startswith("cuda") else {"num_cpus": 1}


def _room(each: dict[str, float]) -> int:
    """How many actors the cluster has room for."""
    kind = "GPU" if "num_gpus" in each else "CPU"
    room = int(require("ray").cluster_resources().get(kind, 0))
    if room < 1:
        raise BadValue(f"the Ray cluster has no {kind}", "at least one", "Choose another --device, or add a node")
    return room
