"""The local engine: this process, or several on this machine."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from multiprocessing.queues import SimpleQueue

import torch

from ..requests.request import Request, Unit
from ..results.rows import Row
from .lost_workers import Losses
from .unit import Worker

Done = Iterator[tuple[Unit, list[Row]]]
"""Units with their rows, in whatever order they are finished."""

_worker: list[Worker] = []
"""The worker of a worker process."""


def local(request: Request, units: Sequence[Unit], *, workers: int = 1, device: str = "cpu") -> Done:
    """Work on units in this process, or in `workers` of them; a worker that is killed is replaced.

    device: one, or several joined by commas, each of which gets a process of its own, and as many as there are workers.
    """
    devices = [one.strip() for one in device.split(",")]
    if max(workers, len(devices)) == 1:
        worker = Worker(request, device)
        return ((unit, worker.rows(unit)) for unit in units)
    return _processes(request.sent(), units, max(workers, len(devices)), devices)


def _processes(request: Request, units: Sequence[Unit], workers: int, devices: Sequence[str]) -> Done:
    context = multiprocessing.get_context("spawn")
    left = {unit.name: unit for unit in units}
    losses = Losses()
    while left:
        alive, life = context.Pipe(duplex=False)
        free = context.SimpleQueue()
        for worker in range(workers):
            free.put(devices[worker % len(devices)])
        pool = ProcessPoolExecutor(workers, context, _begin, (request, free, alive, _threads(workers)))
        try:
            for unit, rows in _finished(pool, list(left.values()), workers):
                del left[unit.name]
                yield unit, rows
        except BrokenProcessPool:
            for unit in list(left.values())[:workers]:
                losses.add(unit)
        finally:
            life.close()
            pool.shutdown(cancel_futures=True)
            alive.close()


def _finished(pool: ProcessPoolExecutor, units: Sequence[Unit], workers: int) -> Done:
    """Two units per worker are under way, so that nobody waits and little is held."""
    queue = iter(units)
    running: dict[Future[list[Row]], Unit] = {}
    while True:
        while len(running) < 2 * workers and (unit := next(queue, None)) is not None:
            running[pool.submit(_work, unit)] = unit
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            yield running.pop(future), future.result()


def _threads(workers: int) -> int:
    """The cores, shared out."""
    return max(1, torch.get_num_threads() // workers)


def _begin(request: Request, free: "SimpleQueue[str]", alive: Connection, threads: int) -> None:
    """A worker process, on a device that is free.

    It leaves the keyboard to its parent, and ends when that lets go of the pipe or dies.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(alive,), daemon=True).start()
    torch.set_num_threads(threads)
    _worker.append(Worker(request, free.get()))


def _end_with(parent: Connection) -> None:
    parent.poll(None)
    os._exit(1)


def _work(unit: Unit) -> list[Row]:
    return _worker[0].rows(unit)
