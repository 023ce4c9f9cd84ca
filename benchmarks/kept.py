"""Kept machines on boards that only keep time: `fabctl machine serve` as its own process."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from struct import Struct
from typing import Any

from benchmarks.beats import dump_of
from benchmarks.far_end import FarEnd, far_end
from benchmarks.kept_shop import start_daemon
from benchmarks.measure import ROOT
from fabctl.daemon.client import Line
from fabctl.errors import LinkError
from fabctl.record.workorder import LEGS_NAME, PROGRAM_NAME, WorkOrder, write_work_order
from fabctl.shop.machine import Machine, load_machine
from fabctl.shop.permit import machine_digest
from fabctl.stream.legs import LEG_FORMAT, STRAIGHT, legs_head

PATTERN = ROOT / "firmware_profiles" / "machines" / "router-3018.toml"
CONNECT_S = 60.0
ROW = 400
"""Steps before the tool turns back."""
FEED_MM_MIN = 2000


@dataclass
class Kept:
    """A daemon at work.

    Parameters
    ----------
    process : subprocess.Popen
        The daemon.
    machines : tuple of Machine
        What it keeps.
    places : Path
        Where its machines are found.
    far : FarEnd
        The boards.
    scratch : Path
        For run folders; gone afterwards.
    """

    process: subprocess.Popen[bytes]
    machines: tuple[Machine, ...]
    places: Path
    far: FarEnd
    scratch: Path

    def line(self, index: int) -> Line:
        """Open a line to one machine."""
        return Line(self.machines[index].name, self.places)

    def cpu_s(self) -> float:
        """Return the CPU time the daemon has taken, all threads, user and system, s."""
        return cpu_of(self.process.pid)


def cpu_of(pid: int) -> float:
    """Return the CPU time of a process, s; Linux."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def kept(count: int, *, per_s: float, prompt: bool = False) -> Iterator[Kept]:
    """Keep so many machines, connected and idle, while the context lasts.

    Parameters
    ----------
    count : int
        1 … 16.
    per_s : float
        Lines each board swallows a second.
    prompt : bool
        Whether the boards look at once at what comes, and note when.
    """
    with ExitStack() as stack:
        # a local socket's path is short
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fab-")))
        machines = tuple(_machine(scratch, index) for index in range(count))
        dump = dump_of(machines[0].settings())
        far = stack.enter_context(far_end(kind="beats", count=count, per_s=per_s, dump=dump, prompt=prompt))
        process = start_daemon(scratch, machines, far.urls)
        stack.callback(_end, process)
        it = Kept(process, machines, scratch / "fabctl" / "machines", far, scratch)
        for index in range(count):
            _await_connected(it, index)
        yield it


def _machine(scratch: Path, index: int) -> Machine:
    path = scratch / f"bench-{index}.toml"
    text = PATTERN.read_text(encoding="utf-8").replace('name = "router-3018"', f'name = "bench-{index}"')
    path.write_text(text, encoding="utf-8")
    return load_machine(str(path))


def _await_connected(it: Kept, index: int) -> None:
    until_s = time.monotonic() + CONNECT_S
    while time.monotonic() < until_s and it.process.poll() is None:
        try:
            with it.line(index) as line:
                if line.ask("status", limit_s=5)["state"] == "Idle":
                    return
        except LinkError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"machine {index} was never connected")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        process.wait(30)


def run_folder(folder: Path, machine: Machine, lines: int, step_mm: float = 0.1) -> Path:
    """Lay out a run of so many lines, short steps to and fro; nothing of it is ever held in memory.

    Parameters
    ----------
    folder : Path
        Made here.
    machine : Machine
        What it is for.
    lines : int
        Of the program, three of them before the first move.
    step_mm : float
        Of each line.
    """
    folder.mkdir(parents=True)
    digest, leg = sha256(), Struct(LEG_FORMAT)
    with (folder / PROGRAM_NAME).open("wb") as file:
        for piece in _texts(lines, step_mm):
            digest.update(piece)
            file.write(piece)
    named = digest.hexdigest()
    with (folder / LEGS_NAME).open("wb") as file:
        file.write(legs_head(named))
        for number in range(4, lines + 1):
            x = step_mm * _place(number - 4)
            file.write(leg.pack(number, STRAIGHT, 0, 0, x, 0.0, 0.0, 0.0, 0.0, FEED_MM_MIN, 0.0))
    order = WorkOrder("steps", "steps", machine.name, machine_digest(machine), named, lines)
    write_work_order(folder, order)
    return folder


def _texts(lines: int, step_mm: float) -> Iterator[bytes]:
    yield f"G21\nG90\nG1F{FEED_MM_MIN}\n".encode()
    # a line is a few bytes: so many at a time make a piece
    for first in range(0, lines - 3, 10_000):
        last = min(first + 10_000, lines - 3)
        yield "".join(f"X{step_mm * _place(index):.3g}\n" for index in range(first, last)).encode()


def _place(index: int) -> int:
    row, along = divmod(index, ROW)
    return along + 1 if row % 2 == 0 else ROW - 1 - along


def results(lines: Sequence[Line], numbers: Sequence[int], limit_s: float) -> list[dict[str, Any]]:
    """Wait for the replies to requests, each on its own line."""
    found = []
    until_s = time.monotonic() + limit_s
    for line, number in zip(lines, numbers, strict=True):
        while True:
            said = line.hear(until_s - time.monotonic())
            if said.get("id") == number:
                found.append(said.get("result") or said)
                break
    return found
