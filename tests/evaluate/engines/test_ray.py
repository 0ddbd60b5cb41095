"""The Ray engine on one machine: a cluster of two nodes, a worker and then a whole node killed in the middle."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from evaluate.conftest import write_noise
from heatlens.evaluate import ModelRequest, Request, open_dataset, read_rows, run
from heatlens.evaluate.results.rows import PARTS
from heatlens.recipes.recipe import Recipe
from heatlens.words.errors import BadValue

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are looked up in /proc")

PHOTOS = 40
PATIENCE = 120.0
"""Seconds that one step may take on a busy machine."""


@dataclass
class Node:
    """One node of a cluster: every process that carries its mark in the environment."""

    mark: str
    started: subprocess.Popen[str]

    def processes(self) -> list[int]:
        found = []
        for environ in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):
                if f"HEATLENS_TEST_NODE={self.mark}".encode() in environ.read_bytes():
                    found.append(int(environ.parent.name))
        return found

    def workers(self) -> list[int]:
        """The actors, which Ray names after their class."""
        return [pid for pid in self.processes() if "ray::Worker" in _title(pid)]

    def kill(self) -> None:
        for _ in range(100):  # what dies may have started something meanwhile
            alive = self.processes()
            for pid in alive:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.started.poll()
            if not alive:
                return
            time.sleep(0.05)


def _title(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


@dataclass
class Cluster:
    folder: Path
    nodes: list[Node] = field(default_factory=list)

    def add(self, *words: str) -> Node:
        """Start a node with one CPU, and wait until it says that it runs."""
        mark = secrets.token_hex(8)
        ray = Path(sys.executable).with_name("ray")
        command = [str(ray), "start", "--block", "--num-cpus=1", "--num-gpus=0", "--disable-usage-stats", *words]
        log = (self.folder / f"{len(self.nodes)}.log").open("w+")
        environment = {**os.environ, "HEATLENS_TEST_NODE": mark}
        started = subprocess.Popen(command, env=environment, stdout=log, stderr=log, text=True, start_new_session=True)
        node = Node(mark, started)
        self.nodes.append(node)
        until(lambda: "Ray runtime started" in Path(log.name).read_text())
        return node

    @property
    def address(self) -> str:
        text = (self.folder / "0.log").read_text()
        return text.partition("--address='")[2].partition("'")[0]


def until(true: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A head; whatever was started is ended by pid."""
    with tempfile.TemporaryDirectory(prefix="hl", ignore_cleanup_errors=True) as short:  # sockets need short names
        made = Cluster(Path(short))
        try:
            made.add("--head", "--port=0", "--include-dashboard=false", f"--temp-dir={short}/ray")
            yield made
        finally:
            for node in reversed(made.nodes):
                node.kill()
                node.started.wait(30)


@pytest.fixture
def request_(tmp_path: Path) -> Request:
    for i in range(PHOTOS):
        write_noise(tmp_path / "photos" / f"{i:02d}.png", i)
    (tmp_path / "photos" / "07.png").write_text("no photo")
    data = open_dataset(f"folder:{tmp_path / 'photos'}")
    return Request(
        data,
        (ModelRequest("m", "bundled"),),
        (Recipe("grad_cam"), Recipe("eigen_cam")),
        ("deletion:step=1024",),
        part_size=2,
    )


def test_a_worker_and_a_node_are_lost_and_nothing_else(
    request_: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Begun on a cluster of two nodes, carried on by one of them, finished by this process: the table is the same."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(16))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    out, seen = tmp_path / "out", []
    with cluster() as made:
        second = made.add(f"--address={made.address}")
        first = made.nodes[0]

        def disturb(photos: int, rows: list[Any]) -> None:
            seen.append((photos, len(rows)))
            if len(seen) == 3:  # the first tells what was there before
                until(lambda: first.workers() and second.workers())
                os.kill(first.workers()[0], signal.SIGKILL)
            if len(seen) == 8:
                until(second.workers)
                second.kill()

        run(request_, out, engine="ray", address=made.address, watch=disturb)
        assert second.processes() == []
    assert seen == [(0, 0), *[(2, 4)] * (PHOTOS // 2)]  # every part came once
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    whole = run(request_, tmp_path / "whole")
    (sorted((out / PARTS).iterdir())[4]).unlink()  # what Ray began, one process can finish
    run(request_, out)
    torch.set_num_threads(before)
    tables = [read_rows(folder).drop_columns(["seconds"]).to_pylist() for folder in (out, whole)]
    assert tables[0] == tables[1]
    assert len({(r["photo"], r["recipe"]) for r in tables[0]}) == len(tables[0]) == 2 * PHOTOS
    assert sum(1 for r in tables[0] if r["error"]) == 2


def test_no_cluster_is_said(request_: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.init", _refused)
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        there = f"127.0.0.1:{somebody.getsockname()[1]}"
        with pytest.raises(BadValue, match=f"no Ray cluster answers at {there}: no token"):
            run(request_, tmp_path / "out", engine="ray", address=there)


@pytest.mark.parametrize("how", ["option", "environment"])
def test_where_nobody_listens_ray_is_not_asked(
    request_: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        nowhere = f"127.0.0.1:{somebody.getsockname()[1]}"
    monkeypatch.setattr("ray.init", _refused)
    if how == "environment":
        monkeypatch.setenv("RAY_ADDRESS", nowhere)
    with pytest.raises(BadValue, match=f"no Ray cluster answers at {nowhere}: .*refused"):
        run(request_, tmp_path / "out", engine="ray", address=nowhere if how == "option" else None)


def _refused(**_: Any) -> None:
    raise ConnectionError("no token")
