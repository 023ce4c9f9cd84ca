"""Daemons that die or hang with machines under way: ``python -m benchmarks.kept_crashes [--kills N] …``.

`fabctl machine serve` keeps sixteen machines on virtual controllers in real time, which live on; every run is
asked for over its socket. It is killed with SIGKILL at a moment nobody chose, kills itself at a named point
of its own work, or is stopped with SIGSTOP and goes on later. Afterwards: what `fabctl status` says is held
against what the machines know, the guard's `!` is timed at the far end, and a new daemon is started.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.campaigns import WHAT, record_campaign
from benchmarks.course import WHAT as SAID_JOURNAL
from benchmarks.crashes import die_at, points
from benchmarks.fault_campaign import tell
from benchmarks.kept_scene import HELD_S, LIMIT_S, SILENCE_S, Scene, Try, play

COUNT = 16
KILLS, HANGS = 63, 60
COUNT_AT_POINTS = 4
POINTS = points(homes=True)
BLUR_S = 0.1
LIFE_S = 8.0
"""Kills are spread over so many seconds from when the runs were asked for; ends are among the points."""
SAID_GUARD = (
    "From `kill -9`, or a standstill, of a daemon with machines under way until the guard's `!` is read at "
    "the far end of each wire: `killed` and `hung` on boards that only keep time, with `python -m "
    "benchmarks.guards --write`; the others on virtual controllers and beside other work, with `python -m "
    "benchmarks.kept_crashes --write`. A daemon that goes on after a standstill of up to four seconds finds "
    "machines that were held and reset: nothing moves any more, and every end it then names is true."
)


def killed_at_random(seed: int, count: int = COUNT, held_limit_s: float = HELD_S) -> list[Try]:
    """Kill a daemon at a moment of its runs' life."""
    after_s = random.Random(f"kept-kill/{seed}").uniform(0.0, LIFE_S)

    def _strike(scene: Scene) -> None:
        time.sleep(after_s)
        _signal(scene, signal.SIGKILL)
        scene.it.process.wait()

    how = f"killed after {after_s:.2f} s"
    return play(_strike, count, how, seed=f"kill/{seed}", restarts=seed % 2 == 0, held_limit_s=held_limit_s)


def killed_at(point: str, held_limit_s: float = HELD_S) -> list[Try]:
    """Let a daemon kill itself at a named point of one of its runs."""

    def _strike(scene: Scene) -> None:
        scene.it.process.wait(LIMIT_S)
        # the moment itself is not known to a hundredth of a second: its latency is not among the guard's
        scene.gone_s = time.monotonic()
        scene.struck_s = scene.gone_s - BLUR_S

    wrapper = ("-m", "benchmarks.kept_crashes", "--die-at", point)
    return play(
        _strike,
        COUNT_AT_POINTS,
        point,
        seed=f"point/{point}",
        whole=True,
        wrapper=wrapper,
        held_limit_s=held_limit_s,
    )


def hung(seed: int, *, goes_on: bool, count: int = COUNT, held_limit_s: float = HELD_S) -> list[Try]:
    """Let a daemon stand still in the middle of its runs; then it is killed, or goes on."""
    dice = random.Random(f"kept-hang/{seed}")
    after_s = dice.uniform(0.3, 3.0)
    # most around the half second in which the guard makes up its mind
    for_s = dice.choice((dice.uniform(0.05, 0.45), dice.gauss(0.5, 0.02), dice.uniform(0.6, 4.0)))

    def _strike(scene: Scene) -> None:
        time.sleep(after_s)
        _signal(scene, signal.SIGSTOP)
        time.sleep(for_s if goes_on else 1.5)
        scene.it.process.send_signal(signal.SIGCONT if goes_on else signal.SIGKILL)
        if goes_on:
            scene.stood_s = time.monotonic() - scene.struck_s
        else:
            scene.it.process.wait()

    how = f"hung for {for_s:.2f} s, and gone on" if goes_on else "hung, then killed"
    return play(_strike, count, how, seed=f"hang/{seed}", restarts=seed % 2 == 0, held_limit_s=held_limit_s)


def _signal(scene: Scene, number: signal.Signals) -> None:
    # who is put aside between the two must not find that the guard was there before
    scene.struck_s = time.monotonic()
    scene.it.process.send_signal(number)
    scene.gone_s = time.monotonic()


TASKS: dict[str, Callable[[int], list[Try]]] = {
    "killed": killed_at_random,
    "point": lambda number: killed_at(POINTS[number]),
    "hung": lambda seed: hung(seed, goes_on=False),
    "gone-on": lambda seed: hung(seed, goes_on=True),
}


def kept_tries(task: str, number: int, folder: Path | None) -> list[Try]:
    """Do one of `TASKS`, or read what was kept of it."""
    path = None if folder is None else folder / f"{task}-{number}.json"
    if path is not None and path.exists():
        return [Try(**kept) for kept in json.loads(path.read_text(encoding="utf-8"))]
    tries = TASKS[task](number)
    if path is not None:
        path.write_text(json.dumps([asdict(one) for one in tries]), encoding="utf-8")
    return tries


def campaign(
    task: str,
    count: int,
    folder: Path | None = None,
    at_once: int = 1,
    tell: Callable[[str], None] = print,
) -> list[Try]:
    """Do one of `TASKS` so often.

    Parameters
    ----------
    task : str
    count : int
    folder : Path, optional
        Where what is done is kept.
    at_once : int
        Daemons beside each other.
    tell : callable
        Told of each daemon.
    """
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    found: list[Try] = []
    with ThreadPoolExecutor(at_once) as pool:
        done = pool.map(lambda number: kept_tries(task, number, folder), range(count))
        for number, tries in enumerate(done):
            found += tries
            wrong = Counter(lie for one in tries for lie in one.untrue)
            worst = max((one.held_s or 0.0 for one in tries), default=0.0)
            tell(f"{task} {number}: {tries[0].how}; held in {worst:.3f} s {dict(wrong) or ''}")
    return found


def rows(found: dict[str, list[Try]]) -> dict[str, dict[str, Any]]:
    """Return the figures of all that was done, by the name of their row.

    Parameters
    ----------
    found : dict of str to list of Try
        By task.
    """
    names = {
        "killed": "kill-9-of-the-daemon-at-a-random-moment",
        "point": "kill-9-of-the-daemon-at-a-named-point",
    }
    told: dict[str, dict[str, Any]] = {}
    for task, tries in found.items():
        states = Counter(one.state for one in tries)
        if task in names:
            told[f"journal/{names[task]}"] = {
                "tries": len(tries),
                "untrue": sum(bool(one.untrue) for one in tries),
                "said_crashed": states["crashed"],
                "said_ended": sum(n for state, n in states.items() if state.startswith(("done", "stopped"))),
                "said_not_started": sum(states[state] for state in ("no run", "no journal", "not started")),
                **_with_switches(tries),
            }
        if task != "point":
            row = {"killed": "killed-at-random", "hung": "hung-at-random", "gone-on": "hung-and-gone-on"}[
                task
            ]
            told[f"guard/{row}"] = _of_guard(task, tries)
    return told


def record(found: dict[str, list[Try]]) -> None:
    """Keep the figures of all that was done."""
    for name, figures in rows(found).items():
        record_campaign(name, figures)
    record_campaign("journal", {WHAT: SAID_JOURNAL})
    record_campaign("guard", {WHAT: SAID_GUARD})


def _with_switches(tries: Sequence[Try]) -> dict[str, int]:
    """Count the machines that home, and those that were homing just then."""
    return {
        "with_switches": sum(one.switches for one in tries),
        "while_homing": sum(one.homing for one in tries),
    }


def _of_guard(task: str, tries: Sequence[Try]) -> dict[str, Any]:
    # a standstill of less than half a second is nothing to a guard
    long = [one for one in tries if task != "gone-on" or _stood_s(one.how) > SILENCE_S]
    late = sorted(one.held_s for one in long if one.held_s is not None)
    return {
        "kills": len(long) // COUNT,
        "machines": COUNT,
        "machines_not_held": len(long) - len(late),
        "median_s": round(late[len(late) // 2], 4),
        "p99_s": round(late[int(len(late) * 0.99)], 4),
        "worst_s": round(late[-1], 4),
        "too_short_for_a_guard": (len(tries) - len(long)) // COUNT,
        "untrue": sum(bool(one.untrue) for one in tries),
        **_with_switches(tries),
    }


def _stood_s(how: str) -> float:
    """Read from its record how long a daemon stood still."""
    found = re.search(r"hung for ([\d.]+) s", how)
    return float(found[1]) if found else 0.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 1 when something untrue was said."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["--die-at"]:
        return _die_as_a_daemon(given[1], given[2:])
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kept_crashes", description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS, metavar="N", help="of sixteen machines each")
    parser.add_argument("--points", type=int, default=len(POINTS), metavar="N")
    parser.add_argument("--hangs", type=int, default=HANGS, metavar="N")
    parser.add_argument("--goes-on", type=int, default=HANGS, metavar="N")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep what is done, and go on from there")
    parser.add_argument("--at-once", type=int, default=1, metavar="N", help="daemons beside each other")
    parser.add_argument("--write", action="store_true", help="write the figures of docs/reliability.md")
    options = parser.parse_args(given)
    wanted = {
        "killed": options.kills,
        "point": options.points,
        "hung": options.hangs,
        "gone-on": options.goes_on,
    }

    found = {
        task: campaign(task, count, options.keep, options.at_once, tell)
        for task, count in wanted.items()
        if count
    }
    if options.write:
        record(found)
    untrue = [one for tries in found.values() for one in tries if one.untrue]
    print(f"{sum(map(len, found.values()))} tries, {len(untrue)} of them untrue")
    return 1 if untrue else 0


def _die_as_a_daemon(point: str, words: Sequence[str]) -> int:
    from fabctl.cli.main import main as fabctl

    die_at(point)
    try:
        fabctl(list(words))
    except SystemExit as end:
        return int(end.code or 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
