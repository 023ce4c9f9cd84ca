"""The far end of a wire, a process of its own: the virtual controller in real time, or a metronome.

``python -m benchmarks.far_end '{"kind": …}'`` prints the terminal's path, serves until its standard input
ends, and prints what it saw as JSON. It says how late it ran: a controller whose process had to wait for a
core is another controller, and its run does not count.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks.measure import ROOT, environment
from fabctl.sim.controller import Controller, Options

LONGEST_WAIT_S = 0.02
CHUNK_BYTES = 4096
LATE_S = 0.004
"""A board's ring holds lines for 20 ms or more; so much later at the 99th percentile a run is repeated."""


@dataclass
class FarEnd:
    """A far end that was started, seen from here.

    Parameters
    ----------
    urls : tuple of str
        The terminals a sender opens.
    said : dict
        What it reported after its end.
    """

    urls: tuple[str, ...]
    said: dict[str, Any] = field(default_factory=dict)

    @property
    def was_late(self) -> bool:
        """Whether it could not keep real time."""
        return bool(self.said.get("late_p99_s", 0.0) > LATE_S)


@contextmanager
def far_end(**what: Any) -> Iterator[FarEnd]:
    """Start a far end; on leaving, end it and take what it reports."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.far_end", json.dumps(what)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment(),
    )
    if process.stdout is None:
        raise RuntimeError("no pipe to the far end")
    end = FarEnd(tuple(json.loads(process.stdout.readline())))
    try:
        yield end
    finally:
        rest, _ = process.communicate(timeout=60)
        if rest.strip():
            end.said.update(json.loads(rest))


class Terminal:
    """The far end's side of a pseudo-terminal."""

    def __init__(self) -> None:
        import pty
        import tty

        self.master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self.master, False)
        self.url = os.ttyname(self._slave)

    def write(self, data: bytes) -> None:
        # with nobody reading, the terminal fills up and bytes are lost, as on a real wire
        with contextlib.suppress(BlockingIOError):
            os.write(self.master, data)

    def read(self) -> bytes:
        with contextlib.suppress(BlockingIOError):
            return os.read(self.master, CHUNK_BYTES)
        return b""


@dataclass
class Arrivals:
    """When bytes worth noting came, on the host's monotonic clock, s."""

    watched: bytes = b"!"
    holds_s: list[float] = field(default_factory=list)

    def note(self, data: bytes) -> None:
        if any(byte in data for byte in self.watched):
            now_s = time.monotonic()
            self.holds_s += [now_s] * sum(data.count(byte) for byte in self.watched)


def serve_virtual(what: dict[str, Any]) -> dict[str, Any]:
    """Serve the virtual controller in real time until standard input ends."""
    options = Options(**what.get("options", {}))
    settings = {int(number): value for number, value in what.get("settings", {}).items()}
    controller, terminal, arrivals = Controller(settings, options), Terminal(), Arrivals()
    print(json.dumps([terminal.url]), flush=True)
    began_s = time.monotonic() - controller.clock_s
    transmitter, late = controller.board.transmitter, []
    gc.freeze()
    while True:
        now_s = time.monotonic() - began_s
        controller.advance(now_s)
        due_s = transmitter.due_s()
        if due_s <= now_s:
            late.append(now_s - due_s)
            terminal.write(transmitter.take())
        wait_s = min(LONGEST_WAIT_S, max(0.0, controller.idle_s() - (time.monotonic() - began_s)))
        ready, _, _ = select.select([terminal.master, sys.stdin], [], [], wait_s)
        if terminal.master in ready:
            heard = terminal.read()
            arrivals.note(heard)
            controller.advance(time.monotonic() - began_s)
            controller.receive(heard)
        if sys.stdin in ready:
            break
    return _told(controller, late) | {"holds_s": arrivals.holds_s}


def _told(controller: Controller, late: list[float]) -> dict[str, Any]:
    first_s, last_s = controller.trace.motion_span_s()
    late.sort()
    return {
        "moved_s": last_s - first_s,
        "end_mm": controller.trace.work_xyz_mm[-1].tolist(),
        "most_in_ring": controller.board.receiver.most_in_ring,
        "dropped": controller.board.receiver.dropped,
        "late_p50_s": late[len(late) // 2] if late else 0.0,
        "late_p99_s": late[int(len(late) * 0.99)] if late else 0.0,
        "late_max_s": late[-1] if late else 0.0,
        "cpu_s": time.process_time(),
    }


def _serve_beats(what: dict[str, Any]) -> dict[str, Any]:
    from benchmarks.beats import serve_beats

    return serve_beats(what)


KINDS = {"virtual": serve_virtual, "beats": _serve_beats}


def main(arguments: Sequence[str]) -> int:
    """Serve one far end."""
    what = json.loads(arguments[0])
    said = KINDS[what.pop("kind")](what)
    print(json.dumps(said), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
