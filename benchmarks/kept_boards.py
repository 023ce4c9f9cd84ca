"""Virtual controllers in real time, many in one process of their own: the far end of a daemon's ports.

``python -m benchmarks.kept_boards FILE`` reads from a file of JSON what to serve, puts a link to each board's
wire where it says, prints a line, and serves until its standard input ends. A line of JSON there arms faults
in a board at work. At the end it writes what each machine knows, pickled, into the file's folder: an oracle
that shares nothing with the daemon, and lives on when that is killed.
"""

from __future__ import annotations

import contextlib
import gc
import json
import math
import os
import pickle
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT, environment
from fabctl.daemon.haste import come_first
from fabctl.sim.controller import Controller, Options
from fabctl.sim.faults import KINDS, Count, Fault
from fabctl.sim.mischief import Mischief
from fabctl.sim.outputs import FULL_DUTY
from fabctl.sim.trace import Trace

TURN_MOST_S = 0.01
CHUNK_BYTES = 4096
STOPS = (b"!", b"\x18")
REST_S = 30.0
"""How long a machine is left alone at the end, virtual s."""
SPEC = "boards.json"
TRUTHS = "truths.pickle"


@dataclass(frozen=True)
class BoardSpec:
    """A board to serve.

    Parameters
    ----------
    link : str
        Where its wire is found: a symbolic link to a pseudo-terminal, or empty for a socket.
    settings : dict of int to float
    options : dict
        Of `Options`.
    faults : sequence of dict
        From power-on, as `fault_facts` writes them.
    seed : int
    """

    link: str
    settings: Mapping[int, float]
    options: Mapping[str, Any] = field(default_factory=dict)
    faults: Sequence[Mapping[str, Any]] = ()
    seed: int = 0


@dataclass
class Known:
    """What a machine knows at the end; times in s on its own clock, which began at `began_s`.

    Parameters
    ----------
    trace : Trace
    began_s, began_wall_s : float
        The host's monotonic clock and its calendar when the board's clock was zero.
    raw : list of (float, bytes)
        What came from the host, and when.
    banners : list of (float, bool)
        When a start-up banner left, and whether a reset or the end of check mode had asked for it.
    gone : bool
        The port was taken away, the power cut, the program hangs, or a byte that was to stop the machine was
        lost on its way: what a host sends has no effect.
    head_on : bool
    end_mm : (x, y, z)
        Where it stood when the host had gone, before it was left alone.
    late_s : float
        The longest an answer waited for this process.
    opened_s : list of float
        When a host connected (sockets only).
    """

    trace: Trace
    began_s: float
    began_wall_s: float
    raw: list[tuple[float, bytes]]
    banners: list[tuple[float, bool]]
    gone: bool = False
    head_on: bool = False
    end_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    late_s: float = 0.0
    opened_s: list[float] = field(default_factory=list)

    def clock_s(self, monotonic_s: float) -> float:
        """Return a moment of the host's monotonic clock on the board's own."""
        return monotonic_s - self.began_s

    def of_wall_s(self, wall_s: float) -> float:
        """Return a moment of the host's calendar on the board's own clock."""
        return wall_s - self.began_wall_s

    def heard(self, byte: bytes, since_s: float = 0.0) -> float:
        """Return when a byte first came since a moment; infinity when it did not."""
        return next((at for at, data in self.raw if at >= since_s and byte in data), math.inf)


def fault_facts(fault: Fault) -> dict[str, Any]:
    """Return a fault as JSON."""
    return {"kind": fault.kind.name, "at": fault.at, "values": dict(fault.values)}


class _Pty:
    """A pseudo-terminal behind a link that stays when its name changes, as the system's by-id names do."""

    def __init__(self, link: Path) -> None:
        import pty
        import tty

        self._link = link
        self.descriptor, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self.descriptor, False)
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(self._slave))

    def write(self, data: bytes) -> None:
        # with nobody reading, the terminal fills up and bytes are lost, as on a real wire
        with contextlib.suppress(OSError):
            os.write(self.descriptor, data)

    def read(self) -> bytes:
        with contextlib.suppress(OSError):
            return os.read(self.descriptor, CHUNK_BYTES)
        return b""

    def close(self) -> None:
        self._link.unlink(missing_ok=True)
        os.close(self.descriptor)
        os.close(self._slave)


class _Socket:
    """A socket that one host at a time may open; the board restarts at each opening, as most boards do."""

    def __init__(self, link: Path) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._peer: socket.socket | None = None
        self.opened = False
        number = self._listener.getsockname()[1]
        link.write_text(f"socket://127.0.0.1:{number}", encoding="ascii")

    @property
    def descriptor(self) -> int:
        return (self._peer or self._listener).fileno()

    def write(self, data: bytes) -> None:
        if self._peer is not None:
            with contextlib.suppress(OSError):
                self._peer.sendall(data)

    def read(self) -> bytes:
        if self._peer is None:
            self._peer, _ = self._listener.accept()
            self._peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.opened = True
            return b""
        try:
            data = self._peer.recv(CHUNK_BYTES)
        except OSError:
            data = b""
        if not data:
            self._peer.close()
            self._peer = None
        return data

    def close(self) -> None:
        if self._peer is not None:
            self._peer.close()
        self._listener.close()


class Board:
    """One controller on its wire, in real time."""

    def __init__(self, spec: Mapping[str, Any], link: Path) -> None:
        options = dict(spec["options"])
        if options.get("start_mm") is not None:
            options["start_mm"] = tuple(options["start_mm"])
        settings = {int(number): value for number, value in spec["settings"].items()}
        self._pty = bool(spec["link"])
        self._where = Path(spec["link"]) if spec["link"] else link
        self.controller = Controller(settings, Options(**options))
        self._swallowed = False
        self.mischief = self._mischief(_faults(spec["faults"], 0.0), spec["seed"])
        self.wire: _Pty | _Socket | None = self._new_wire()
        self.known = Known(self.controller.trace, time.monotonic(), time.time(), [], [])
        self._resets = 1
        self._gone = False

    def _new_wire(self) -> _Pty | _Socket:
        return _Pty(self._where) if self._pty else _Socket(self._where)

    def arm(self, faults: Sequence[Mapping[str, Any]], seed: int) -> None:
        """Let faults wait for their moment, counted from now."""
        self.mischief = self._mischief(_faults(faults, self.controller.clock_s), seed)

    def _mischief(self, faults: tuple[Fault, ...], seed: int) -> Mischief:
        """Let faults spoil what comes, and note whether one swallows what was to stop the machine."""
        mischief = Mischief(self.controller, faults, seed)
        spoil = self.controller.spoil

        def _watched(data: bytes) -> bytes:
            out = data if spoil is None else spoil(data)
            self._swallowed = self._swallowed or any(out.count(byte) < data.count(byte) for byte in STOPS)
            return out

        self.controller.spoil = _watched
        return mischief

    @property
    def _now_s(self) -> float:
        return time.monotonic() - self.known.began_s

    def turn(self) -> float:
        """Do what is due, and return when something is again, s on the board's clock."""
        now_s, transmitter = self._now_s, self.controller.board.transmitter
        self.controller.advance(now_s)
        self._mind_the_cable(now_s)
        due_s = transmitter.due_s()
        if due_s <= now_s:
            self.known.late_s = max(self.known.late_s, now_s - due_s)
            data = transmitter.take()
            self._note_banner(data)
            if self.wire is not None:
                self.wire.write(data)
        return self.controller.idle_s() + self.known.began_s

    def hear(self) -> None:
        """Take in what the host has sent."""
        if self.wire is None:
            return
        data = self.wire.read()
        now_s = self._now_s
        self.controller.advance(now_s)
        if isinstance(self.wire, _Socket) and self.wire.opened:
            self.wire.opened = False
            self.known.opened_s.append(now_s)
            self.controller.power_cycle()
            self._resets += 1
        if data and not self.mischief.writes_fail:
            self.known.raw.append((now_s, data))
            self._resets += data.count(b"\x18") + data.count(b"$C\n")
            self.controller.receive(data)

    def _note_banner(self, data: bytes) -> None:
        if b"Grbl 1.1h ['$' for help]" in data:
            self.known.banners.append((self._now_s, self._resets > 0))
            self._resets = 0

    def _mind_the_cable(self, now_s: float) -> None:
        mischief = self.mischief
        if not mischief.gone:
            return
        self._gone = True
        if self.wire is not None:
            self.wire.close()
            self.wire = None
        if now_s >= mischief.back_s:
            self.wire = self._new_wire()
            mischief.gone, mischief.back_s = False, math.inf

    def end(self) -> Known:
        """Leave the machine alone, and return what it knows."""
        known, controller = self.known, self.controller
        controller.advance(self._now_s)
        known.end_mm = controller.board.plant.position_mm()
        known.gone = self._gone or self._swallowed or self.mischief.writes_fail or controller.frozen
        controller.advance(controller.clock_s + REST_S)
        known.head_on = controller.board.outputs.pwm / FULL_DUTY > 0 and controller.trace.head_works
        if self.wire is not None:
            self.wire.close()
        return known


def _faults(facts: Sequence[Mapping[str, Any]], now_s: float) -> tuple[Fault, ...]:
    found = []
    for fact in facts:
        kind = KINDS[fact["kind"]]
        at = fact["at"]
        if kind.count is Count.SECONDS and at is not None:
            at += now_s
        found.append(Fault(kind, at, 0.0, fact["values"]))
    return tuple(found)


def serve(specs: Sequence[Mapping[str, Any]], folder: Path) -> list[Known]:
    """Serve boards until standard input ends."""
    boards = [Board(spec, folder / f"url-{index}") for index, spec in enumerate(specs)]
    print("ready", flush=True)
    gc.freeze()
    commands = sys.stdin.fileno()
    os.set_blocking(commands, False)
    rest = b""
    while True:
        due_s = min(board.turn() for board in boards)
        wait_s = min(TURN_MOST_S, max(0.0, due_s - time.monotonic()))
        wires = {board.wire.descriptor: board for board in boards if board.wire is not None}
        ready, _, _ = select.select([*wires, commands], [], [], wait_s)
        for descriptor in ready:
            if descriptor != commands:
                wires[descriptor].hear()
        if commands in ready:
            data = os.read(commands, CHUNK_BYTES)
            *lines, rest = (rest + data).split(b"\n")
            for line in map(json.loads, lines):
                boards[line["board"]].arm(line["faults"], line["seed"])
            if not data:
                break
    return [board.end() for board in boards]


@dataclass
class Boards:
    """Boards at work, seen from here.

    Parameters
    ----------
    urls : list of str
        What a daemon opens.
    known : list of Known
        What each machine knew at the end; empty before.
    """

    process: subprocess.Popen[bytes]
    urls: list[str]
    known: list[Known] = field(default_factory=list)

    def arm(self, board: int, faults: Sequence[Fault], seed: int) -> None:
        """Let faults wait for their moment in one board, counted from now."""
        line = {"board": board, "faults": [fault_facts(fault) for fault in faults], "seed": seed}
        if self.process.stdin is None:
            raise RuntimeError("no pipe to the boards")
        self.process.stdin.write(json.dumps(line).encode() + b"\n")
        self.process.stdin.flush()


@contextmanager
def boards(specs: Sequence[BoardSpec], folder: Path) -> Iterator[Boards]:
    """Serve boards while the context lasts; on leaving, take what they know.

    Parameters
    ----------
    specs : sequence of BoardSpec
    folder : Path
        For files between the processes.
    """
    (folder / SPEC).write_text(json.dumps([asdict(spec) for spec in specs]), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.kept_boards", str(folder / SPEC)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=environment(),
    )
    try:
        if process.stdout is None or process.stdout.readline() != b"ready\n":
            raise RuntimeError("the boards did not start")
        urls = [
            spec.link or (folder / f"url-{index}").read_text(encoding="ascii")
            for index, spec in enumerate(specs)
        ]
        served = Boards(process, urls)
        yield served
    finally:
        process.communicate(timeout=120)
    served.known = pickle.loads((folder / TRUTHS).read_bytes())  # noqa: S301 - our own, of this minute


def main(arguments: Sequence[str]) -> int:
    """Serve what a file says."""
    path = Path(arguments[0])
    # hardware waits for no other work
    come_first()
    known = serve(json.loads(path.read_text(encoding="utf-8")), path.parent)
    (path.parent / TRUTHS).write_bytes(pickle.dumps(known))
    return 0


if __name__ == "__main__":
    # pickled under the name others import
    from benchmarks.kept_boards import main as served_main

    sys.exit(served_main(sys.argv[1:]))
