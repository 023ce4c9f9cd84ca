"""A shop for a campaign: quicker machines than most, boards in real time, one daemon that keeps them all."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from struct import Struct
from typing import Any

from benchmarks.fault_jobs import Setup, machine_of, setup_on
from benchmarks.kept_boards import Boards, BoardSpec, boards
from benchmarks.measure import ROOT, environment
from fabctl.daemon.client import Line
from fabctl.errors import LinkError
from fabctl.record.workorder import LEGS_NAME, PROGRAM_NAME, WorkOrder, write_work_order
from fabctl.shop.machine import Machine, load_machine
from fabctl.shop.permit import machine_digest
from fabctl.stream.leg import Leg
from fabctl.stream.legs import CLOCKWISE, COUNTERCLOCKWISE, LEG_FORMAT, STRAIGHT, legs_head

MACHINES = ROOT / "firmware_profiles" / "machines"
CONNECT_S = 20.0
END_S = 30.0
PACES = {"drill": 5.0}
PACE = 2.0
"""How much quicker than written a job's feeds are, where `PACES` does not say."""
QUICKER: Mapping[str, tuple[tuple[str, float, float], ...]] = {
    "router-3018": (("max_rate_mm_min", 0, 6000), ("acceleration_mm_s2", 0, 800), ("steps_per_mm", 0, 200)),
    "laser-400": (("locate_mm_min", 0, 1500), ("seek_mm_min", 0, 5000)),
    "pen-plotter-a3": (("locate_mm_min", 0, 1200), ("seek_mm_min", 0, 4000)),
    "plywood-router-600x900": (
        ("acceleration_mm_s2", 0, 1500),
        ("max_rate_mm_min", 2000, 4000),
        ("locate_mm_min", 0, 1500),
        ("seek_mm_min", 0, 4000),
    ),
}
"""What jobs of seconds need: a key of a machine's description, what it must be below, and its value then."""
JOBS = ("router", "raster-homing", "burn-homing", "drill", "tools-homing")


def quick_machine(base: str, name: str, folder: Path, low: str = "") -> Machine:
    """Describe a machine as a shipped one, only quicker and under another name.

    Parameters
    ----------
    base, name : str
        Of the shipped machine, and of this one.
    folder : Path
        Where it is written.
    low : str
        Axes that home to their low end, where the shipped one says nothing.
    """
    path = folder / f"{name}.toml"
    text = (MACHINES / f"{base}.toml").read_text(encoding="utf-8")
    text = text.replace(f'name = "{base}"', f'name = "{name}"')
    for key, below, value in QUICKER[base]:

        def _raised(found: re.Match[str], below: float = below, value: float = value) -> str:
            now = float(found[2])
            return found[0] if below and now >= below else f"{found[1]}{value:g}"

        text = re.sub(rf"^({key} = )([\d.]+)", _raised, text, flags=re.MULTILINE)
    for axis in low:
        text = text.replace(f"[axes.{axis}]\n", f'[axes.{axis}]\nhome = "min"\n')
    path.write_text(text, encoding="utf-8")
    return load_machine(str(path))


def quick_setup(job: str, name: str, folder: Path) -> Setup:
    """Return a job on a quick machine of its own."""
    return setup_on(job, quick_machine(machine_of(job), name, folder), PACES.get(job, PACE))


def lay_out_job(folder: Path, setup: Setup) -> Path:
    """Write the folder of a run as a keeper takes it."""
    return lay_out_text(folder, setup.machine, setup.job.text, setup.job.legs, setup.name)


def lay_out_text(folder: Path, machine: Machine, text: bytes, legs: Sequence[Leg], title: str) -> Path:
    """Write a program with its planned legs as a keeper takes it."""
    folder.mkdir(parents=True)
    (folder / PROGRAM_NAME).write_bytes(text)
    digest, leg = sha256(text).hexdigest(), Struct(LEG_FORMAT)
    rows = b"".join(leg.pack(*_row(one)) for one in legs)
    (folder / LEGS_NAME).write_bytes(legs_head(digest) + rows)
    write_work_order(
        folder, WorkOrder(title, title, machine.name, machine_digest(machine), digest, text.count(b"\n"))
    )
    return folder


def _row(leg: Leg) -> tuple[float, ...]:
    turn = CLOCKWISE if leg.clockwise else COUNTERCLOCKWISE
    rapid = leg.feed_mm_min is None or leg.feed_mm_min == float("inf")
    return (
        leg.number,
        STRAIGHT if leg.centre_mm is None else turn,
        rapid,
        0,
        *leg.end_mm,
        *(leg.centre_mm or (0.0, 0.0)),
        0.0 if rapid else leg.feed_mm_min or 0.0,
        leg.power or 0.0,
    )


@dataclass
class Shop:
    """A daemon at work on boards in real time.

    Parameters
    ----------
    scratch : Path
        Everything of it; gone afterwards.
    machines : sequence of Machine
        What it keeps, in the boards' order.
    boards : Boards
    process : subprocess.Popen
        The daemon.
    """

    scratch: Path
    machines: Sequence[Machine]
    boards: Boards
    process: subprocess.Popen[bytes]

    @property
    def runs(self) -> Path:
        """Where runs stand."""
        return self.scratch / "runs"

    @property
    def guard_log(self) -> Path:
        """What the guard writes."""
        return self.scratch / "fabctl" / "runs" / "guard.jsonl"

    def line(self, index: int) -> Line:
        """Open a line to one machine."""
        return Line(self.machines[index].name, self.scratch / "fabctl" / "machines")

    def restart(self, *wrapper: str) -> None:
        """Start a daemon in the place of one that is gone."""
        self.process = start_daemon(self.scratch, self.machines, self.boards.urls, wrapper)

    def await_connected(self, index: int, limit_s: float = CONNECT_S) -> dict[str, Any] | None:
        """Wait until a machine is connected, and return what is known of it; None when it never is."""
        until_s = time.monotonic() + limit_s
        while time.monotonic() < until_s and self.process.poll() is None:
            with contextlib.suppress(LinkError), self.line(index) as line:
                said = line.ask("status", limit_s=5)
                if said["connected"] and said["state"] != "unknown":
                    return said
            time.sleep(0.1)
        return None

    def trouble(self, index: int) -> str:
        """Return what the daemon says is wrong with a machine."""
        try:
            with self.line(index) as line:
                return str(line.ask("status", limit_s=5)["trouble"])
        except LinkError as error:
            return error.problem

    def status(self) -> dict[str, dict[str, Any]]:
        """Return what `fabctl status` says of every run, by its name."""
        command = [sys.executable, "-m", "fabctl", "status", "--all", "--json", "--out", str(self.runs)]
        done = subprocess.run(
            command, cwd=ROOT, env=_environment(self.scratch), capture_output=True, check=True, timeout=60
        )
        return {row["name"]: row for row in json.loads(done.stdout)}

    def end(self) -> bool:
        """Ask the daemon to end; tell whether it did, in its time and in order."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(END_S) == 0
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return False


def _environment(scratch: Path) -> dict[str, str]:
    places = ("XDG_RUNTIME_DIR", "XDG_DATA_HOME", "XDG_STATE_HOME")
    return environment() | dict.fromkeys(places, str(scratch))


def start_daemon(
    scratch: Path, machines: Sequence[Machine], urls: Sequence[str], wrapper: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    """Start `fabctl machine serve`; `wrapper` stands between the interpreter and its words."""
    named = zip(machines, urls, strict=True)
    pairs = [f"{scratch / machine.name}.toml={url}" for machine, url in named]
    with (scratch / "daemon.err").open("ab") as words:
        return subprocess.Popen(
            [sys.executable, *(wrapper or ("-m", "fabctl")), "machine", "serve", *pairs],
            cwd=ROOT,
            env=_environment(scratch),
            stderr=words,
        )


@contextmanager
def shop(
    machines: Sequence[Machine], specs: Sequence[BoardSpec], scratch: Path, wrapper: Sequence[str] = ()
) -> Iterator[Shop]:
    """Keep machines on boards in real time while the context lasts; the boards' truth is there afterwards."""
    with boards(specs, scratch) as served:
        it = Shop(scratch, machines, served, start_daemon(scratch, machines, served.urls, wrapper))
        try:
            yield it
        finally:
            it.end()


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a folder with a path short enough for local sockets."""
    with ExitStack() as stack:
        place = stack.enter_context(tempfile.TemporaryDirectory(prefix="fab-", ignore_cleanup_errors=True))
        os.chmod(place, 0o700)  # noqa: PTH101 - what the sockets' folder must be
        yield Path(place)
