"""Sixteen machines at the full rate of an 8-bit board, kept by one daemon: what that costs the host."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.kept import Kept, cpu_of, kept, results, run_folder
from fabctl.daemon.haste import come_first

COUNTS = (1, 4, 16)
PER_S = 376.0
"""Lines a second of a raster on a stock Grbl 1.1h, 8-bit, by character counting."""
RUN_S = 12.0


def run(scale: float) -> dict[str, Any]:
    """Measure the row."""
    come_first()
    lines = max(500, round(PER_S * RUN_S * scale))
    cases = [measure(count, lines) for count in COUNTS]
    most = cases[-1]
    return {
        "name": "machines",
        "what": f"{COUNTS[-1]} machines at {PER_S:g} lines/s each from one daemon, journals, path and all",
        "scale": scale,
        "ours_s": most["cpu_s"],
        "missing": [],
        "lines": lines * COUNTS[-1],
        **{f"core_percent_{case['count']}": case["core_percent"] for case in cases},
        **{f"cpu_us_a_line_{case['count']}": case["cpu_us"] for case in cases},
        **{f"ring_dry_percent_{case['count']}": case["dry_percent"] for case in cases},
        "most_bytes_in_flight": max(case["most_bytes"] for case in cases),
        "cases": cases,
    }


def measure(count: int, lines: int) -> dict[str, Any]:
    """Run one program on each of so many machines at once."""
    with kept(count, per_s=PER_S) as it:
        taken_s, cpu_s, ends = _stream(it, lines)
    wrong = [end for end in ends if end.get("result", {}).get("end_state") != "done"]
    if wrong:
        raise RuntimeError(f"{len(wrong)} of {count} runs were not done: {wrong[0]}")
    return {
        "count": count,
        "cpu_s": cpu_s,
        "core_percent": 100 * cpu_s / taken_s,
        "cpu_us": 1e6 * cpu_s / (count * lines),
        "dry_percent": 100 * it.far.said["dry"] / it.far.said["answered"],
        "most_bytes": it.far.said["most_waiting_bytes"],
        "late_p99_ms": 1000 * it.far.said["late_p99_s"],
    }


def _stream(it: Kept, lines: int) -> tuple[float, float, list[dict[str, Any]]]:
    machines = range(len(it.machines))
    folders = [run_folder(it.scratch / "runs" / str(i), it.machines[i], lines) for i in machines]
    peers = [it.line(index) for index in machines]
    began_s, cpu_s = time.monotonic(), cpu_of(it.process.pid)
    asked = [peer.say("run", folder=str(folder)) for peer, folder in zip(peers, folders, strict=True)]
    ends = results(peers, asked, lines / PER_S * 5 + 60)
    taken_s, cpu_s = time.monotonic() - began_s, cpu_of(it.process.pid) - cpu_s
    for peer in peers:
        peer.close()
    return taken_s, cpu_s, ends
