"""From ``kill -9`` of the sender until the guard's hold byte is on the wire of every machine it sent to.

``python -m benchmarks.guards [--kills N] [--write]`` keeps machines under way from one daemon, kills it, or
makes it hang, at a random moment, and notes when each board hears `!`, on the host's monotonic clock in
another process.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.campaigns import WHAT, record_campaign
from benchmarks.kept import kept, run_folder
from benchmarks.kept_crashes import SAID_GUARD
from fabctl.daemon.haste import come_first

KILLS = 100
COUNT = 4
PER_S = 376.0
LINES = 20_000
GUARD_S = 3.0


def measure(kills: int, *, hang: bool = False, seed: int = 0) -> dict[str, Any]:
    """Kill so often, each time a daemon of its own, and return the latencies' figures, s.

    Parameters
    ----------
    kills : int
        How often.
    hang : bool
        Whether the daemon only stands still (SIGSTOP) instead: its ports stay open, its heart stops.
    """
    come_first()
    rng = random.Random(seed)
    late: list[float] = []
    missing = 0
    for _ in range(kills):
        killed_s, heard_s = _kill_once(rng.uniform(0.1, 1.5), hang=hang)
        found = [next((s - killed_s for s in holds if s >= killed_s), None) for holds in heard_s]
        missing += found.count(None)
        late += [latency for latency in found if latency is not None]
    late.sort()
    return {
        "kills": kills,
        "machines": COUNT,
        "machines_not_held": missing,
        "median_s": round(late[len(late) // 2], 4),
        "p99_s": round(late[int(len(late) * 0.99)], 4),
        "worst_s": round(late[-1], 4),
    }


def _kill_once(after_s: float, *, hang: bool) -> tuple[float, list[list[float]]]:
    with kept(COUNT, per_s=PER_S, prompt=True) as it:
        peers = []
        for index, machine in enumerate(it.machines):
            folder = run_folder(it.scratch / "runs" / str(index), machine, LINES)
            peers.append(it.line(index))
            peers[-1].say("run", folder=str(folder))
        for peer in peers:
            while peer.hear(30.0).get("event") != "progress":
                pass
        time.sleep(after_s)
        killed_s = time.monotonic()
        it.process.send_signal(signal.SIGSTOP if hang else signal.SIGKILL)
        time.sleep(GUARD_S)
        it.process.kill()
        it.process.wait()
        for peer in peers:
            peer.close()
    return killed_s, it.far.said["holds_s"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and keep the figures if asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guards", description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--write", action="store_true", help="keep the figures for docs/reliability.md")
    options = parser.parse_args(arguments)
    for row, hang in (("killed", False), ("hung", True)):
        found = measure(options.kills, hang=hang)
        for key, value in found.items():
            print(f"{key:>18} {value}")
        if options.write:
            record_campaign(f"guard/{row}", found)
    if options.write:
        record_campaign("guard", {WHAT: SAID_GUARD})
    return 0


if __name__ == "__main__":
    sys.exit(main())
