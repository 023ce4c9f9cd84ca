"""A journal on a memory card: how long a loop waits for syncs that take half a second."""

from __future__ import annotations

import os
import time
from pathlib import Path

from fabctl.record.journal import Journal

WHAT = (
    "A loop lets lines go at a machine's pace for ten seconds, each sync of the journal takes as long as "
    "said: the share of that time a line had to wait for its announcement, and the longest the journal "
    "kept the loop. `pytest -m campaign tests/record/test_slow_disk.py`."
)
"""For the page of the figures."""
TURN_S = 0.002
REPORT_S = 0.2


class _Now:
    """Counts as a sender gives them."""

    acknowledged = 0
    work_mm = (0.0, 0.0, 0.0)
    speed = 0.0
    state = "Run"

    def __init__(self, line: int) -> None:
        self.sent = self.executed = self.at_most = line


def send_slowly_synced(folder: Path, sync_s: float, lines_s: float, seconds: float) -> dict[str, float]:
    """Let a loop send lines at a pace while every sync of its journal takes so long.

    Parameters
    ----------
    folder : Path
        For the journal.
    sync_s : float
        How long a sync takes, s.
    lines_s : float
        How many lines a second the machine takes.
    seconds : float
        How long.

    Returns
    -------
    dict
        ``lines`` that were let through, ``held_back_percent`` of the time from its first line on the
        machine could have taken a line that was not yet announced, ``first_line_ms`` after
        which it got the first, ``longest_call_ms`` a call of the journal's took.
    """

    def _sync(number: int) -> None:
        time.sleep(sync_s)
        os.fsync(number)

    journal = Journal(folder, sync=_sync)
    journal.transition("armed", {"lines": 10**9})
    asked_s = time.perf_counter()
    journal.begin_transition("started", {})
    while not journal.may_send(1):
        time.sleep(TURN_S)
    first_ms = 1e3 * (time.perf_counter() - asked_s)
    began_s = turn_s = time.perf_counter()
    line, due, held_s, longest_s, reported_s = 0, 0.0, 0.0, 0.0, 0.0
    while turn_s - began_s < seconds:
        held = False
        while line < due and not held:
            call_s = time.perf_counter()
            held = not journal.may_send(line + 1)
            longest_s = max(longest_s, time.perf_counter() - call_s)
            line += not held
        if turn_s - reported_s > REPORT_S:
            reported_s = call_s = time.perf_counter()
            journal.progress(_Now(line))
            longest_s = max(longest_s, time.perf_counter() - call_s)
        time.sleep(TURN_S)
        last_s, turn_s = turn_s, time.perf_counter()
        # a machine that was held back goes on from there: it does not catch up
        due = line + 1 if held else due + (turn_s - last_s) * lines_s
        held_s += (turn_s - last_s) * held
    journal.close()
    return {
        "lines": line,
        "sync_ms": sync_s * 1e3,
        "lines_s": lines_s,
        "first_line_ms": round(first_ms, 1),
        "held_back_percent": round(100 * held_s / seconds, 2),
        "longest_call_ms": round(1e3 * longest_s, 3),
    }
