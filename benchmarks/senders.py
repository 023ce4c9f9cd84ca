"""Senders that stream one dense job to one terminal, each in a process of its own, and say what it took.

``python -m benchmarks.senders '{"sender": …, "url": …, "job": …, "lines": …}'`` prints JSON.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.dense import JOBS, Dense
from benchmarks.measure import ROOT, environment

PATIENCE_S = 600.0
POLL_S = 0.2


@dataclass
class Span:
    """CPU and wall time between two moments of this process, s."""

    cpu_s: float = 0.0
    wall_s: float = 0.0

    def begin(self) -> None:
        self.cpu_s, self.wall_s = -time.process_time(), -time.monotonic()

    def end(self) -> None:
        self.cpu_s += time.process_time()
        self.wall_s += time.monotonic()


def stream(sender: str, url: str, job: str, lines: int) -> dict[str, Any]:
    """Let a sender stream a job in a process of its own; return what it says."""
    what = json.dumps({"sender": sender, "url": url, "job": job, "lines": lines})
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.senders", what],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def fabctl(url: str, job: Dense) -> dict[str, Any]:
    """Send as `fabctl run` does: permit, polls at 5 Hz, the position compared with the path at every one."""
    from fabctl.stream.port import open_port
    from fabctl.stream.run import Hooks, Order
    from fabctl.stream.sender import run
    from fabctl.stream.text import read_text

    span, port = Span(), open_port(url)

    def told(kind: str, facts: object) -> None:
        del facts
        if kind == "started":
            span.begin()

    order = Order(job.text, job.machine, job.permit, legs=job.legs(), home=False, here_mm=(0.0, 0.0, 0.0))
    before = time.process_time()
    read_text(job.text, job.machine.firmware.line_limit_chars)
    read = time.process_time() - before
    result = run(port, order, Hooks(transition=told))
    span.end()
    port.close()
    # as for the peer: reading the text counts, meeting the controller does not
    whole = read + span.cpu_s
    return {"end": result.end_state.value, "reason": result.reason, "whole_cpu_s": whole} | vars(span)


@contextmanager
def _opened(url: str) -> Iterator[int]:
    descriptor = os.open(url, os.O_RDWR | os.O_NOCTTY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def send_response(url: str, job: Dense) -> dict[str, Any]:
    """Send a line, wait for its answer, send the next: the least loop that does so, polled at 5 Hz."""
    span = Span()
    with _opened(url) as descriptor:
        rest = _answer(descriptor, b"\x18", b"help]\r\n")
        rest = _answer(descriptor, b"G10L20P1X0Y0Z0\n", b"ok\r\n", rest)
        span.begin()
        polled_s = 0.0
        for line in job.text.splitlines(keepends=True):
            if time.monotonic() - polled_s > POLL_S:
                os.write(descriptor, b"?")
                polled_s = time.monotonic()
            rest = _answer(descriptor, line, b"ok\r\n", rest)
        rest = _answer(descriptor, b"G4P0.01\n", b"ok\r\n", rest)
        span.end()
    return {"end": "done", "reason": ""} | vars(span)


def _answer(descriptor: int, line: bytes, answer: bytes, rest: bytes = b"") -> bytes:
    """Write a line and wait for its answer; return what came after it."""
    os.write(descriptor, line)
    while True:
        head, found, tail = rest.partition(answer)
        if found:
            return tail
        if b"error" in head or b"ALARM" in head or not select.select([descriptor], [], [], PATIENCE_S)[0]:
            raise RuntimeError(f"{line!r}: {head!r}")
        rest += os.read(descriptor, 4096)


def grbl_streamer(url: str, job: Dense) -> dict[str, Any]:
    """Send with grbl-streamer by character counting, its own poll thread at 5 Hz, as its README shows."""
    from grbl_streamer import GrblStreamer

    booted, finished = threading.Event(), threading.Event()
    span, errors = Span(), []

    def heard(event: str, *data: Any) -> None:
        if event == "on_boot":
            booted.set()
        elif event == "on_job_completed":
            finished.set()
        elif event in {"on_error", "on_alarm"}:
            errors.append(repr(data))

    grbl = GrblStreamer(heard)
    grbl.setup_logging()
    grbl.cnect(url, 115200)
    if not booted.wait(10):
        raise RuntimeError("grbl-streamer saw no banner")
    grbl.poll_start()
    time.sleep(1.5)  # it asks for settings, offsets and parser state by itself
    before = time.process_time()
    for lines in (["G10L20P1X0Y0Z0"], [*job.lines, "G4P0.01"]):
        grbl.job_new()
        grbl.write(lines)
        finished.clear()
        span.begin()
        grbl.job_run()
        if not finished.wait(PATIENCE_S):
            raise RuntimeError("grbl-streamer did not finish")
        span.end()
    whole = time.process_time() - before
    grbl.disconnect()
    reason = errors[0] if errors else ""
    return {"end": "error" if errors else "done", "reason": reason, "whole_cpu_s": whole} | vars(span)


SENDERS: dict[str, Callable[[str, Dense], dict[str, Any]]] = {
    "fabctl": fabctl,
    "send_response": send_response,
    "grbl_streamer": grbl_streamer,
}


def main(arguments: Sequence[str]) -> int:
    """Stream one job."""
    what = json.loads(arguments[0])
    job = JOBS[what["job"]](what["lines"])
    print(json.dumps(SENDERS[what["sender"]](what["url"], job)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
