"""A kept machine: the daemon as its own process, a virtual controller behind a pseudo-terminal."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from fabctl.daemon.client import Line
from fabctl.errors import LinkError
from fabctl.job.check import approve
from fabctl.job.folder import Work, lay_out
from fabctl.program.write import write
from fabctl.shop.machine import load_machine
from fabctl.sim.controller import Options
from fabctl.sim.serve import serve_pty
from fabctl.toolpath.moves import FEED, MOVE, RAPID, Toolpath

NAME = "router-3018"


@dataclass
class Kept:
    """A daemon that keeps one machine, and where it is found."""

    process: subprocess.Popen
    folder: Path
    runs: Path
    machine: object
    served: object

    def line(self) -> Line:
        return Line(NAME, self.folder)

    def end(self, number=signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)

    def run_folder(self, name="a", *, ways=2, feed=1500.0) -> Path:
        """Lay out a job: some ways of 20 mm to and fro with the spindle on."""
        rows = np.zeros(2 + ways, MOVE)
        rows["motion"] = FEED
        rows["motion"][:1] = RAPID
        rows["xyz"][:, 2] = 1.0
        rows["xyz"][0, 2] = 5.0
        rows["xyz"][2::2, 0] = 20.0
        rows["feed"][1:] = feed
        rows["power"][1:] = 0.5
        # nobody waits here for a true spindle
        quick = replace(self.machine, head=replace(self.machine.head, spin_up_s=0.2))
        program = write(Toolpath(rows), quick)
        _, permit = approve(program, self.machine, None)
        folder = self.runs / name
        folder.mkdir(parents=True)
        lay_out(folder, Work(program, self.machine, permit, title=name))
        return folder


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A router kept by `fabctl machine serve`, connected and idle; for all that leave it so."""
    with keeping(tmp_path_factory.mktemp("kept")) as it:
        yield it


@pytest.fixture
def ending(tmp_path):
    """As `kept`, for a test that ends the daemon."""
    with keeping(tmp_path) as it:
        yield it


@contextmanager
def keeping(tmp_path):
    """Keep a machine while the context lasts."""
    if sys.platform == "win32":
        pytest.skip("pseudo-terminals are a POSIX thing")
    machine = load_machine(NAME)
    with (
        serve_pty(machine.settings(), Options()) as served,
        daemon_at(tmp_path, served.url, machine, served) as it,
    ):
        yield it


@contextmanager
def daemon_at(tmp_path, url, machine, served, program=("-m", "fabctl")):
    """Keep what stands at an address while the context lasts."""
    # a local socket's path is short
    short = Path(os.environ.get("TMPDIR", "/tmp")) / f"fab-{os.getpid()}-{time.monotonic_ns() % 10**9}"  # noqa: S108
    environment = os.environ | {"XDG_RUNTIME_DIR": str(short), "XDG_DATA_HOME": str(tmp_path)}
    short.mkdir(mode=0o700)
    process = subprocess.Popen(
        [sys.executable, *program, "machine", "serve", f"{NAME}={url}"],
        env=environment,
        stderr=subprocess.PIPE,
    )
    it = Kept(process, short / "fabctl" / "machines", tmp_path / "runs", machine, served)
    try:
        await_connected(it)
        yield it
    finally:
        if process.poll() is None:
            it.end()
        process.stderr.close()
        shutil.rmtree(short)


def await_connected(it: Kept, limit_s: float = 20.0) -> dict:
    """Wait until the daemon has met the controller."""
    until_s = time.monotonic() + limit_s
    while time.monotonic() < until_s:
        try:
            with it.line() as line:
                said = line.ask("status", limit_s=5)
                if said["connected"] and said["state"] == "Idle":
                    return said
        except LinkError:
            pass
        time.sleep(0.05)
    raise AssertionError(it.process.stderr.read() if it.process.poll() is not None else "never connected")
