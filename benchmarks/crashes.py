"""Computers that die while they drive a machine: real processes, killed, beside a controller that lives on.

The controller runs here, in real time, as a machine quicker than most; the sender is a child that opens it
as a socket and is killed with SIGKILL, at a moment nobody chose or at a named point of its own work.
``python -m benchmarks.crashes`` is the nursery: it imports all a sender needs once and forks a child for each
line of JSON on its standard input, so that a thousand deaths cost no thousand starts.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from benchmarks.course import Course, Truth, course, lies, tool_x_mm
from benchmarks.measure import ROOT, environment
from fabctl.record.process import born
from fabctl.record.run import run_folders, write_run
from fabctl.record.space import full_sync, reserve_space
from fabctl.record.statement import Statement, statement
from fabctl.shop.machine import Machine, load_machine
from fabctl.sim.controller import Controller, Options

MACHINE = "router-3018"
QUICKER = {
    "max_rate_mm_min": 18000,
    "acceleration_mm_s2": 5000,
    "steps_per_mm": 100,
    "spin_up_s": 0.1,
}
"""What a run of seconds needs, in the place of what the machine's own description says."""
BAUD = 1_000_000
FEED_MM_MIN = 12_000
LINES = 900
PAUSE_AT = 600
HOLD_AT = 300
ABORT_AT = 700
LIMIT_S = 60.0
AT_ONCE = 6
SETTLE_S = 0.02
LINGER_S = 2.0
"""Longer than a guard needs to notice a death and to stop the machine."""
ENDED = "ended"
"""A file that stands in the folder of a sender that came to its end alive."""
_CHUNK = 4096


class LivingMachine:
    """A virtual controller on a socket that lives on when its host dies, and keeps what it was told.

    Parameters
    ----------
    machine : Machine
        Which one.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
        self.raw = bytearray()
        self._controller: Controller | None = None
        self._gone_mm: float | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def truth(self) -> Truth:
        """Wait until nothing moves any more, and return what it knows."""
        self._stop.set()
        self._thread.join(LIMIT_S)
        controller = self._controller
        if controller is None:
            return Truth(b"", 0.0, 0.0)
        before = self._x_mm()
        while (due_s := controller.idle_s()) < float("inf"):
            controller.advance(due_s)
            controller.board.transmitter.take()
        gone = before if self._gone_mm is None else self._gone_mm
        return Truth(bytes(self.raw), gone, self._x_mm())

    def _x_mm(self) -> float:
        return tool_x_mm(self._controller) if self._controller else 0.0

    def _run(self) -> None:
        with self._listener:
            while not select.select([self._listener], [], [], 0.05)[0]:
                if self._stop.is_set():
                    return
            peer, _ = self._listener.accept()
        with peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._serve(peer)

    def _serve(self, peer: socket.socket) -> None:
        # a board starts when its port is opened
        controller = self._controller = Controller(self._machine.settings(), Options(baud=BAUD))
        began_s = time.monotonic()
        with contextlib.suppress(OSError):
            while not self._stop.is_set():
                controller.advance(time.monotonic() - began_s)
                if data := controller.board.transmitter.take():
                    peer.sendall(data)
                if not select.select([peer], [], [], 0.001)[0]:
                    continue
                if not (heard := peer.recv(_CHUNK)):
                    break
                self.raw += heard
                controller.receive(heard)
        controller.advance(time.monotonic() - began_s)
        self._gone_mm = self._x_mm()


class Nursery:
    """A process that forks a sender for whoever asks; a context manager.

    Examples
    --------
    >>> with Nursery() as nursery:  # doctest: +SKIP
    ...     pid = nursery.start({"do": "send", "argv": ["--version"]})
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.crashes"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment(),
        )

    def start(self, task: Mapping[str, Any]) -> int:
        """Fork a child for a task and return its number."""
        with self._lock:
            if self._process.stdin is None or self._process.stdout is None:
                raise RuntimeError("no pipes to the nursery")
            self._process.stdin.write(json.dumps(task) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=LIMIT_S)


@dataclass
class Death:
    """One death and what was found afterwards.

    Parameters
    ----------
    how : str
        How it came to it.
    state : str
        What `fabctl status` says.
    died : bool
        Whether the sender was killed before its own end.
    untrue : list of str
        What is said and not true.
    """

    how: str
    state: str
    died: bool
    untrue: list[str] = field(default_factory=list)


def die(
    nursery: Nursery,
    folder: Path,
    task: Mapping[str, Any],
    kill_after_s: float | None = None,
    feed_mm_min: int = FEED_MM_MIN,
    linger_s: float = 0.0,
) -> Death:
    """Let a sender work on a machine until it is dead or done, and compare what is said with what is true.

    Parameters
    ----------
    nursery : Nursery
        Where it comes from.
    folder : Path
        Made here: for the program, the runs and the sender's words.
    task : mapping
        What the child does; port and folder are added.
    kill_after_s : float, optional
        When to kill it, s after its start; None when it kills itself, or shall come to its end.
    feed_mm_min : int
        How fast it goes, mm/min.
    linger_s : float
        How long to look afterwards whether anything starts by itself, s.
    """
    folder.mkdir(parents=True)
    pause_at = PAUSE_AT if task["do"] == "carry out" else None
    (folder / "course.nc").write_bytes(course(LINES, pause_at, feed_mm_min))
    machine = LivingMachine(_quick_machine(folder))
    pid = nursery.start({**task, "folder": str(folder), "port": machine.url})
    token = born(pid)
    if kill_after_s is not None:
        _wait(lambda: born(pid) != token, kill_after_s)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _wait(lambda: born(pid) != token, LIMIT_S)
    # what the dead one had sent is still on its way
    time.sleep(SETTLE_S)
    arrived = machine.raw.count(b"\n")
    time.sleep(linger_s)
    truth = machine.truth()
    said = [statement(run) for run in run_folders(folder / "runs")]
    how = str(task.get("point") or f"after {kill_after_s or LIMIT_S:.3f} s")
    died = not (folder / ENDED).exists()
    untrue = list(_untrue(said, truth))
    if truth.raw.count(b"\n") > arrived:
        untrue.append("lines were sent after the sender had died")
    return Death(how, said[0].state if said else "no run", died, untrue)


def _quick_machine(folder: Path) -> Machine:
    """Describe a machine as the shipped one, only quicker."""
    path = folder / f"{MACHINE}.toml"
    text = (ROOT / "firmware_profiles" / "machines" / path.name).read_text(encoding="utf-8")
    for key, value in QUICKER.items():
        text = re.sub(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.MULTILINE)
    path.write_text(text, encoding="utf-8")
    return load_machine(str(path))


def _untrue(said: Sequence[Statement], truth: Truth) -> Iterator[str]:
    program = said[0].folder / "program.nc" if said else None
    if program is None or not program.exists():
        if b"G1" in truth.raw:
            yield "lines were sent, and there is no record of them"
        return
    yield from lies(said[0], Course.of(program.read_bytes()), truth)
    if (said[0].folder / "run.json").exists() and said[0].state in {"crashed", "not started"}:
        yield "there is a summary, and no end in the journal"


def _wait(over: Callable[[], bool], limit_s: float) -> None:
    deadline_s = time.monotonic() + limit_s
    while not over() and time.monotonic() < deadline_s:
        time.sleep(0.001)


def main() -> None:
    """Be the nursery."""
    import serial.urlhandler.protocol_socket  # noqa: F401

    import fabctl.cli.send
    import fabctl.daemon.recorded
    import fabctl.job.check
    import fabctl.job.run
    import fabctl.program.write  # noqa: F401 - what a sender needs, once for all of them

    # whoever dies is not waited for
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            _live(json.loads(line))
        print(pid, flush=True)


def _live(task: Mapping[str, Any]) -> None:
    """Be a child: do one task, never return."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    code = 1
    try:
        folder = Path(task["folder"])
        words = os.open(folder / "words", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(words, 1)
        os.dup2(words, 2)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - the parent's belongs to the parent
        os.environ["XDG_STATE_HOME"] = str(folder / "state")
        code = {"send": _send, "carry out": _carry_out}[task["do"]](task, folder)
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        (Path(task["folder"]) / ENDED).touch()
        os._exit(code)


def _send(task: Mapping[str, Any], folder: Path) -> int:
    """Run the real command."""
    from fabctl.cli.main import main as fabctl

    program, out = str(folder / "course.nc"), str(folder / "runs")
    try:
        profile = str(folder / f"{MACHINE}.toml")
        fabctl(["send", program, "-m", profile, "--confirm", MACHINE, "--port", task["port"], "--out", out])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def _carry_out(task: Mapping[str, Any], folder: Path) -> int:
    """Run what the command runs, with a person who holds once, goes on, and arms the second section."""
    from fabctl.daemon.recorded import Watchers
    from fabctl.job.check import inspect, load_program, rewritten
    from fabctl.job.folder import Work
    from fabctl.job.run import Bench, carry_out
    from fabctl.stream.port import open_port
    from fabctl.stream.run import Progress
    from fabctl.stream.stops import Operator

    if task["point"]:
        die_at(task["point"])
    machine = load_machine(str(folder / f"{MACHINE}.toml"))
    report = inspect(load_program(folder / "course.nc"), machine, None)
    program, permit = rewritten(report, None)
    operator, held = Operator(), list[Progress]()

    def _progress(now: Progress) -> None:
        if now.executed > HOLD_AT and not held:
            held.append(now)
            operator.hold()
        if now.state == "Hold:0":
            operator.resume()
        if task.get("abort") and now.executed > ABORT_AT:
            operator.abort()

    work = Work(program, machine, permit, title="course")
    port = open_port(task["port"])
    watchers = Watchers(operator, lambda _pause: True, _progress)
    carry_out(work, Bench(port), watchers, root=folder / "runs", check_first=True)
    return 0


def die_at(point: str) -> None:
    """Make this process kill itself at a named point; see `points`."""
    import fabctl.daemon.recorded
    from fabctl.record.framing import decode_record
    from fabctl.record.journal import Journal

    place, _, wanted = point.partition(": ")
    seen: Counter[str] = Counter()
    written: list[str] = []

    def _here(where: str, name: str) -> None:
        if (where, name) == (place, wanted):
            os.kill(os.getpid(), signal.SIGKILL)

    def _write(number: int, raw: bytes) -> int:
        kind = (decode_record(raw) or {"kind": "closed"})["kind"]
        seen[kind] += 1
        name = f"{kind} {seen[kind]}"
        _here("before the write", name)
        if (place, wanted) == ("half written", name):
            os.write(number, raw[: len(raw) // 2])
            _here("half written", name)
        taken = os.write(number, raw)
        _here("after the write", name)
        written.append(name)
        return taken

    def _sync(number: int) -> None:
        full_sync(number)
        for name in written:
            _here("after the sync", name)
        written.clear()

    def _reserve(number: int, start: int, size: int) -> int:
        _here("before the room", "journal")
        end = reserve_space(number, start, size)
        _here("after the room", "journal")
        return end

    def _write_run(*given: Any) -> Path:
        _here("before the write", "summary")
        path = write_run(*given)
        _here("after the write", "summary")
        return path

    # the seams are the journal's own; only who stands behind them by default is another one here
    defaults: dict[str, Any] = Journal.__init__.__kwdefaults__ or {}
    defaults |= {"write": _write, "sync": _sync, "reserve": _reserve}
    setattr(fabctl.daemon.recorded, "write_run", _write_run)  # noqa: B010 - it is not exported


def at_random(
    nursery: Nursery, folder: Path, deaths: int, seed: int, feed_mm_min: int = FEED_MM_MIN
) -> list[Death]:
    """Kill `fabctl send` at moments spread over all of its life.

    Parameters
    ----------
    nursery : Nursery
        Where the senders come from.
    folder : Path
        For all of them.
    deaths : int
        How many.
    seed : int
        Of the moments.
    feed_mm_min : int
        How fast it goes, mm/min.
    """
    began_s = time.monotonic()
    whole = die(nursery, folder / "whole", {"do": "send"}, feed_mm_min=feed_mm_min)
    life_s = time.monotonic() - began_s
    if whole.state != "done" or whole.untrue:
        raise RuntimeError(f"the run that nobody killed: {whole}")
    moments = [random.Random(seed * 100_003 + k).uniform(0.0, life_s) for k in range(deaths)]

    def _one(number: int) -> Death:
        return die(nursery, folder / str(number), {"do": "send"}, moments[number], feed_mm_min)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(_one, range(deaths)))


def at_points(nursery: Nursery, folder: Path, names: Sequence[str]) -> list[Death]:
    """Let a sender kill itself at each of the named points.

    Parameters
    ----------
    nursery : Nursery
        Where the senders come from.
    folder : Path
        For all of them.
    names : sequence of str
        Of `points`.
    """

    def _one(number: int) -> Death:
        point = names[number]
        task = {"do": "carry out", "point": point, "abort": point.endswith("stop 1")}
        return die(nursery, folder / f"point-{number}", task)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(_one, range(len(names))))


def points(*, homes: bool = False) -> tuple[str, ...]:
    """Name the points at which a run can be cut off between two steps of its record.

    Parameters
    ----------
    homes : bool
        Whether it homes first; its points are the last ones.
    """
    kinds = ["planned", "connected", "checked", "armed", "started", "hold", "resume", "pause", "section"]
    kinds += ["stop", "end", "closed"]
    names = [*(f"{kind} 1" for kind in kinds), "ahead 1", "ahead 2", "ahead 3", "progress 1", "progress 4"]
    names += ["homed 1"] if homes else []
    places = ("before the write", "half written", "after the write", "after the sync")
    own = [f"{place}: journal" for place in ("before the room", "after the room")]
    own += [f"{place}: summary" for place in ("before the write", "after the write")]
    return (*own, *(f"{place}: {name}" for name in names for place in places))


if __name__ == "__main__":
    main()
