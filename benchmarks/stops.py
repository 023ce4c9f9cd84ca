"""From the operator's wish to stop until the byte is on the wire, while the same host plans and previews.

``python -m benchmarks.stops [--stops N] [--quiet] [--write]`` keeps sixteen machines under way from one
daemon at the rate of an 8-bit board each, and holds and resumes them again and again. A stop is timed from
before the request is written to the daemon's socket until the hold byte is read at the other end of the
machine's pseudo-terminal, in another process, on the host's monotonic clock. Meanwhile two processes plan a
job and draw previews without a pause, so that both cores are always busy; both ends of the measurement come
first on the processors, as the daemon does, so that their own waits are not counted. ``--write`` keeps the
figures for docs/reliability.md.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.campaigns import record_campaign
from benchmarks.kept import Kept, kept, results, run_folder
from benchmarks.measure import ROOT, environment
from fabctl.daemon.client import Line
from fabctl.daemon.haste import come_first
from fabctl.record.workorder import LEGS_NAME, PROGRAM_NAME

STOPS = 10_000
COUNT = 16
PER_S = 376.0
LINES = 300_000
"""More than a campaign lets a machine cut."""
HEAR_S = 30.0
BUSY = {
    "plan": ["plan", "stool", "-o", "{out}.nc"],
    "preview": ["preview", "stool", "-o", "{out}.png"],
}
"""What runs beside: command lines without the program's name."""

# ordinary work: it does not inherit that those who measure come first
_LOOP = """
import os, subprocess, sys
if hasattr(os, "sched_setscheduler"):
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
while True:
    subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
"""


def measure(stops: int, *, busy: bool = True, seed: int = 0) -> dict[str, Any]:
    """Stop and resume so often, and return the latencies' figures, ms."""
    come_first()
    with kept(COUNT, per_s=PER_S, prompt=True) as it:
        peers = _start(it)
        with busy_host() if busy else _nothing():
            asked_s = _stop_again_and_again(peers, stops, random.Random(seed))
        asked = [peer.say("abort") for peer in peers]
        results(peers, asked, HEAR_S)
        for peer in peers:
            peer.close()
    heard_s = it.far.said["holds_s"]
    return figures(asked_s, heard_s) | {"machines": COUNT, "host_busy": busy}


def figures(asked_s: Sequence[Sequence[float]], heard_s: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Pair each request with its byte and sum up.

    Parameters
    ----------
    asked_s, heard_s : sequence of sequence of float
        For each machine when a stop was asked for and when a hold byte came, s, in order; the abort that
        ends a machine's run may have sent more.

    Examples
    --------
    >>> figures([[1.0, 2.0]], [[1.001, 2.003, 9.0]])["worst_ms"]
    3.0
    """
    late = sorted(
        heard - asked
        for asks, hears in zip(asked_s, heard_s, strict=True)
        for asked, heard in zip(asks, hears, strict=False)
    )
    lost = sum(max(0, len(asks) - len(hears)) for asks, hears in zip(asked_s, heard_s, strict=True))
    early = sum(latency < 0 for latency in late)
    return {
        "stops": len(late),
        "bytes_missing": lost + early,
        "median_ms": round(1000 * late[len(late) // 2], 3),
        "p99_ms": round(1000 * late[int(len(late) * 0.99)], 3),
        "p99_9_ms": round(1000 * late[int(len(late) * 0.999)], 3),
        "worst_ms": round(1000 * late[-1], 3),
        "over_20_ms": sum(latency > 0.02 for latency in late),
        "over_50_ms": sum(latency > 0.05 for latency in late),
    }


def _start(it: Kept) -> list[Line]:
    """Set all machines to work on the same program and wait until they move."""
    first = run_folder(it.scratch / "runs" / "0", it.machines[0], LINES)
    peers = []
    for index, machine in enumerate(it.machines):
        folder = it.scratch / "runs" / str(index)
        if index:
            # one program for all: its run folder differs in what machine it is for
            run_folder(folder, machine, 4)
            for name in (PROGRAM_NAME, LEGS_NAME):
                (folder / name).unlink()
                os.link(first / name, folder / name)
            order = (first / "work-order.json").read_text(encoding="utf-8")
            mine = (folder / "work-order.json").read_text(encoding="utf-8")
            (folder / "work-order.json").write_text(_for(order, mine), encoding="utf-8")
        peers.append(it.line(index))
        peers[-1].say("run", folder=str(folder))
    for peer in peers:
        _hear(peer, _runs)
    return peers


def _for(order: str, mine: str) -> str:
    """Return a work order with the machine of another."""
    other = json.loads(mine)
    return json.dumps(json.loads(order) | {key: other[key] for key in ("machine", "machine_sha256")})


def _stop_again_and_again(peers: Sequence[Line], stops: int, rng: random.Random) -> list[list[float]]:
    asked_s: list[list[float]] = [[] for _ in peers]
    for _ in range(-(-stops // len(peers))):
        for index, peer in enumerate(peers):
            time.sleep(rng.uniform(0.0005, 0.006))
            asked_s[index].append(time.monotonic())
            peer.say("hold")
        for peer in peers:
            _hear(peer, lambda said: said.get("event") == "phase" and said["kind"] == "hold")
            peer.say("resume")
        for peer in peers:
            _hear(peer, lambda said: said.get("event") == "phase" and said["kind"] == "resume")
            _hear(peer, _runs)
    return asked_s


def _runs(said: dict[str, Any]) -> bool:
    return said.get("event") == "progress" and said["state"] == "Run"


def _hear(peer: Line, wanted: Callable[[dict[str, Any]], bool]) -> None:
    """Read on until something wanted comes."""
    while not wanted(said := peer.hear(HEAR_S)):
        if "error" in said or said.get("event") in {"ended", "trouble"}:
            raise RuntimeError(f"a run ended in the middle of the measurement: {said}")


@contextmanager
def busy_host() -> Iterator[None]:
    """Plan and preview without a pause, each in a process of its own, while the context lasts."""
    with tempfile.TemporaryDirectory() as out:
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", _LOOP, sys.executable, "-m", "fabctl"]
                + [word.replace("{out}", f"{out}/{name}") for word in words],
                cwd=ROOT,
                env=environment() | {"XDG_DATA_HOME": out},
                start_new_session=True,
            )
            for name, words in BUSY.items()
        ]
        try:
            yield
        finally:
            for process in processes:
                os.killpg(process.pid, 15)
                process.wait()


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and keep the figures if asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stops", description=__doc__)
    parser.add_argument("--stops", type=int, default=STOPS)
    parser.add_argument("--quiet", action="store_true", help="nothing else runs on the host")
    parser.add_argument("--write", action="store_true", help="keep the figures for docs/reliability.md")
    options = parser.parse_args(arguments)
    found = measure(options.stops, busy=not options.quiet)
    for key, value in found.items():
        print(f"{key:>16} {value}")
    if options.write:
        what = (
            "From a request to hold on the daemon's socket until the byte is read at the far end of the "
            f"wire, {COUNT} machines under way at {PER_S:g} lines/s each, while two other processes plan and "
            "preview without a pause on two cores. Again with `python -m benchmarks.stops --write`."
        )
        record_campaign("stop-latency", {"what": what} | found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
