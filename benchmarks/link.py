"""Throughput of the link: dense jobs over a pseudo-terminal to a controller as slow as an 8-bit board.

The far end is the virtual controller in real time, in a process of its own, with the computing time of an
ATmega328P for every line and 0, 1 or 16 ms between two hand-overs of a USB adapter. Each sender is a process
of its own as well, and polls: we ten times a second, peers five times; senders take turns. A figure is lines
a second between the first and the last step of the tool, on the controller's own clock. All processes of the
row come first on the processors where the account may (`fabctl.daemon.haste`), peers and controller like us;
a run whose controller process still had to wait for a core is repeated.

*The controller's own limit* is the same job on the same controller in virtual time with nothing between it
and the text: bytes take no time on the wire, answers arrive at once, and the ring is filled up at every one.
"""

from __future__ import annotations

import importlib.util
import math
import statistics
import sys
from collections.abc import Iterator
from typing import Any

from benchmarks.dense import JOBS, LINES, Dense
from benchmarks.far_end import far_end
from benchmarks.senders import stream
from fabctl.daemon.haste import come_first
from fabctl.sim.controller import Options
from fabctl.sim.port import SimPort

LATENCIES_MS = (0, 1, 16)
WINDOW_BYTES = 127
WIRE_BAUD = 115_200
NO_WIRE_BAUD = WIRE_BAUD * 1000
RETRIES = 3
TIMES = 3
"""Each streams a job so often, in turns, and the median counts: CPU time of seconds is a rough figure."""
SLOW_SHARE = 0.25
"""Of its lines a send-response sender is given so many: it takes half a minute a job otherwise."""
PEERS = ("send_response", "grbl_streamer")


def limit_per_s(job: Dense, baud: int = NO_WIRE_BAUD) -> float:
    """Return the moving lines a second of a controller that never waits for its text.

    Parameters
    ----------
    job : Dense
        What it is given.
    baud : int
        With the wire's own speed the bytes still take their time on it.
    """
    port = SimPort(job.machine.settings(), Options(cpu_model=True, baud=baud, homed=True))
    port.read(1.0)
    port.write(b"G10L20P1X0Y0Z0\n")
    port.read(1.0)
    lines = [line.replace(" ", "").encode() + b"\n" for line in job.lines]
    sent = answered = in_flight = 0
    while answered < len(lines):
        while sent < len(lines) and _fits(in_flight, lines[sent]):
            port.write(lines[sent])
            in_flight += len(lines[sent])
            sent += 1
        for word in port.read(60.0).split():
            if word != b"ok":
                raise RuntimeError(f"the ideal sender heard {word!r}")
            in_flight -= len(lines[answered])
            answered += 1
    port.close()
    first_s, last_s = port.trace.motion_span_s()
    return len(job.ends_mm) / (last_s - first_s)


def _fits(in_flight: int, line: bytes) -> bool:
    return in_flight + len(line) <= WINDOW_BYTES


def measure(sender: str, name: str, latency_ms: float, lines: int) -> dict[str, Any]:
    """Stream one job once; repeat while the controller process could not keep real time."""
    job = JOBS[name](lines)
    options = {"cpu_model": True, "latency_s": latency_ms / 1000, "homed": True}
    repeated = -1
    while repeated < RETRIES - 1:
        repeated += 1
        with far_end(kind="virtual", settings=job.machine.settings(), options=options) as end:
            said = stream(sender, end.urls[0], name, lines)
        if not end.was_late:
            break
    wrong_mm = math.dist(end.said["end_mm"], job.ends_mm[-1])
    if said["end"] != "done" or wrong_mm > 0.01:
        raise RuntimeError(f"{sender}, {name}, {latency_ms} ms: {said}, {wrong_mm:.3f} mm off at the end")
    return {
        "per_s": len(job.ends_mm) / end.said["moved_s"],
        "cpu_us": said["cpu_s"] / len(job.lines) * 1e6,
        "whole_cpu_us": said.get("whole_cpu_s", said["cpu_s"]) / len(job.lines) * 1e6,
        "late_p99_ms": end.said["late_p99_s"] * 1000,
        "late": end.was_late,
        "repeated": repeated,
    }


def contenders() -> tuple[list[str], list[str]]:
    """Return who takes part, we first, and who is missing."""
    missing = [] if importlib.util.find_spec("grbl_streamer") else ["grbl_streamer"]
    return ["fabctl", *(peer for peer in PEERS if peer not in missing)], missing


def run(scale: float) -> dict[str, Any]:
    """Measure the row."""
    come_first()
    lines = max(150, round(LINES * scale))
    there, missing = contenders()
    cases = []
    for name in JOBS:
        limit, wire = (limit_per_s(JOBS[name](lines), baud) for baud in (NO_WIRE_BAUD, WIRE_BAUD))
        for latency_ms in LATENCIES_MS:
            case: dict[str, Any] = {"job": name, "latency_ms": latency_ms, "limit_per_s": limit}
            case |= {"wire_limit_per_s": wire, "bytes_a_line": JOBS[name](lines).bytes_a_line}
            case |= _medians(there, name, latency_ms, lines)
            cases.append(case)
            shares = (f"{sender} {100 * case[sender]['per_s'] / limit:.1f} %" for sender in there)
            print(f"  {name}, {latency_ms} ms: {', '.join(shares)}", file=sys.stderr, flush=True)
    return {
        "name": "link",
        "what": f"{lines} dense lines each of {len(JOBS)} jobs to an 8-bit controller on a pseudo-terminal, "
        f"`?` at 10 Hz (peers 5 Hz), 0, 1 and 16 ms of latency",
        "scale": scale,
        "missing": missing,
        "lines": lines,
        **{f"ratio_{peer}": _ratio(cases, peer) for peer in PEERS},
        **dict(_figures(cases, there)),
        "cases": cases,
    }


def _medians(there: list[str], name: str, latency_ms: float, lines: int) -> dict[str, dict[str, Any]]:
    """Stream one job with each sender, in turns; return the medians of what each took."""
    few, found = max(150, round(lines * SLOW_SHARE)), {sender: [] for sender in there}
    for turn in range(TIMES):
        for sender, runs in found.items():
            # who waits for every answer takes half a minute a job
            if sender != "send_response":
                runs.append(measure(sender, name, latency_ms, lines))
            elif turn == 0:
                runs.append(measure(sender, name, latency_ms, few))
    return {sender: _median(runs) for sender, runs in found.items()}


def _median(runs: list[dict[str, Any]]) -> dict[str, Any]:
    figures = {key: statistics.median(run[key] for run in runs) for key in runs[0] if key != "late"}
    return figures | {"late": any(run["late"] for run in runs)}


def _ratio(cases: list[dict[str, Any]], peer: str) -> float | None:
    """Return the median of how many times the peer's lines a second ours are, all jobs and latencies."""
    found = [case["fabctl"]["per_s"] / case[peer]["per_s"] for case in cases if peer in case]
    return statistics.median(found) if found else None


def _figures(cases: list[dict[str, Any]], there: list[str]) -> Iterator[tuple[str, float | bool]]:
    for latency_ms in LATENCIES_MS:
        part = [case for case in cases if case["latency_ms"] == latency_ms]
        for case in part:
            share = 100 * case["fabctl"]["per_s"] / case["limit_per_s"]
            yield f"{case['job']}_{latency_ms}ms_percent_of_limit", share
        for sender in there:
            yield (
                f"{sender}_{latency_ms}ms_lines_per_s",
                statistics.median(case[sender]["per_s"] for case in part),
            )
            yield (
                f"{sender}_{latency_ms}ms_cpu_us_a_line",
                statistics.median(case[sender]["cpu_us"] for case in part),
            )
        for peer in set(there) & {"grbl_streamer"}:
            ratios = (case[peer]["whole_cpu_us"] / case["fabctl"]["whole_cpu_us"] for case in part)
            yield f"cpu_ratio_{peer}_{latency_ms}ms", statistics.median(ratios)
    yield "late_runs", sum(case[sender]["late"] for case in cases for sender in there)
