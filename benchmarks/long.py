"""A program of five million lines, streamed from disk: what it costs in memory.

The daemon keeps one machine whose board answers at once, and carries out a run of fifty thousand lines, then,
in a fresh process, one of five million. Its peak memory is the kernel's high-water mark.

``python -m benchmarks.long --write`` keeps the figures for docs/reliability.md as well.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.campaigns import record_campaign
from benchmarks.kept import cpu_of, kept, results, run_folder
from fabctl.daemon.haste import come_first

SHORT, LONG = 50_000, 5_000_000
LIMIT_S = 1800.0
STEP_MM = 0.001
"""Short enough that a board which answers at once seems no faster than its motors."""


def run(scale: float) -> dict[str, Any]:
    """Measure the row."""
    come_first()
    short, long = measure(max(1000, round(SHORT * scale))), measure(max(2000, round(LONG * scale)))
    return {
        "name": "long",
        "what": f"{long['lines']:,} lines from disk through the daemon to a board that answers at once",
        "scale": scale,
        "missing": [],
        "ours_s": long["taken_s"],
        "peak_mb": long["peak_mb"],
        "lines": long["lines"],
        "lines_per_s": long["lines"] / long["taken_s"],
        "cpu_us_a_line": long["cpu_us"],
        "short_lines": short["lines"],
        "short_peak_mb": short["peak_mb"],
        "grown_mb": long["peak_mb"] - short["peak_mb"],
    }


def measure(lines: int) -> dict[str, Any]:
    """Run so many lines in a daemon of its own."""
    with kept(1, per_s=float("inf"), prompt=True) as it:
        folder = run_folder(it.scratch / "runs" / "0", it.machines[0], lines, STEP_MM)
        began_s, cpu_s = time.monotonic(), cpu_of(it.process.pid)
        with it.line(0) as line:
            (end,) = results([line], [line.say("run", folder=str(folder))], LIMIT_S)
        taken_s, cpu_s = time.monotonic() - began_s, cpu_of(it.process.pid) - cpu_s
        peak_mb = _peak_mb(it.process.pid)
    if end.get("result", {}).get("end_state") != "done":
        raise RuntimeError(f"the run was not done: {end}")
    return {"lines": lines, "peak_mb": peak_mb, "taken_s": taken_s, "cpu_us": 1e6 * cpu_s / lines}


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and keep the figures if asked."""
    row = run(1.0)
    found = {
        "what": "Peak memory of the daemon for a run streamed from disk, program, planned path and journal. "
        "Again with `python -m benchmarks.long --write`.",
        "lines": row["lines"],
        "peak_mb": round(row["peak_mb"], 1),
        "lines_of_the_short_run": row["short_lines"],
        "peak_mb_of_the_short_run": round(row["short_peak_mb"], 1),
        "grown_mb": round(row["grown_mb"], 1),
    }
    for key, value in found.items():
        print(f"{key:>26} {value}")
    if "--write" in arguments:
        record_campaign("memory", found)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
