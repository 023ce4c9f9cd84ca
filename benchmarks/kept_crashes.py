"""Daemons that die or hang with machines under way: ``python -m benchmarks.kept_crashes [--kills N] …``.

`fabctl machine serve` keeps sixteen machines on virtual controllers in real time, which live on; every run is
asked for over its socket. It is killed with SIGKILL at a moment nobody chose, kills itself at a named point
of its own work, or is stopped with SIGSTOP and goes on later. Afterwards: what `fabctl status` says is held
against what the machines know, the guard's `!` is timed at the far end, and a new daemon is started.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.campaigns import WHAT, record_campaign
from benchmarks.course import Course, Truth, course, lies
from benchmarks.crashes import die_at, points
from benchmarks.kept_boards import BoardSpec, Known
from benchmarks.kept_shop import Shop, quick_machine, scratch_folder, shop
from fabctl.daemon.client import Line
from fabctl.errors import FabctlError, LinkError
from fabctl.job.check import inspect, load_program, rewritten
from fabctl.job.folder import Work, lay_out
from fabctl.record.statement import Statement
from fabctl.record.workorder import LEGS_NAME, ORDER_NAME, PROGRAM_NAME
from fabctl.shop.machine import Machine
from fabctl.shop.permit import machine_digest

MACHINE = "router-3018"
COUNT = 16
COUNT_AT_POINTS = 4
LINES, PAUSE_AT, HOLD_AT, ABORT_AT = 500, 300, 150, 350
FEED_MM_MIN = 4000
LIFE_S = 6.0
"""A little longer than the runs take: some kills come after their end."""
LIMIT_S = 60.0
HELD_S = 0.6
"""The guard's hold byte is at the far end of the wire within this time."""
GUARD_LIMIT_S = 15.0
SILENCE_S = 0.5
LOOK_S = 1.0
"""How long a new daemon is watched for whether it starts something by itself."""
SAID_GUARD = (
    "From `kill -9`, or a standstill, of a daemon with machines under way until the guard's `!` is read at "
    "the far end of each wire: `killed` and `hung` on boards that only keep time, with `python -m "
    "benchmarks.guards --write`; the others on virtual controllers and beside other work, with `python -m "
    "benchmarks.kept_crashes --write`. A daemon that goes on after a standstill of up to four seconds finds "
    "machines that were held and reset: nothing moves any more, and every end it then names is true."
)


@dataclass
class Try:
    """One machine of one daemon that died or hung, and what was found.

    Parameters
    ----------
    how : str
        How it came to it.
    state : str
        What `fabctl status` says of its run.
    untrue : list of str
        What is said and not true, and every promise that was broken.
    held_s : float or None
        From the death until the guard's hold byte; None when none came.
    """

    how: str
    state: str = "no run"
    untrue: list[str] = field(default_factory=list)
    held_s: float | None = None


@dataclass
class Hand:
    """A person at one machine: asks for the run, holds once and goes on, arms the second section.

    Parameters
    ----------
    line : Line
    aborts : bool
        Whether they end it before its end.
    holds : bool
    """

    line: Line
    aborts: bool = False
    holds: bool = True
    answer: dict[str, Any] = field(default_factory=dict)
    error: FabctlError | None = None

    def run(self, folder: Path) -> None:
        """Ask for the run and stay until its end, or the daemon's."""
        try:
            self.answer = self.line.ask("run", folder=str(folder), event=self._event, limit_s=LIMIT_S)
        except FabctlError as error:
            self.error = error

    def _event(self, said: dict[str, Any]) -> None:
        with contextlib.suppress(LinkError):
            if said["event"] == "pause":
                self.line.say("answer", section=said["section"], yes=True)
            elif said["event"] == "progress" and not said["checking"]:
                self._look(said)

    def _look(self, said: dict[str, Any]) -> None:
        if said["state"] == "Hold:0":
            self.line.say("resume")
        elif self.holds and said["executed"] > HOLD_AT:
            self.holds = False
            self.line.say("hold")
        elif self.aborts and said["executed"] > ABORT_AT:
            self.aborts = False
            self.line.say("abort")


class Pattern:
    """A run's folder made once, and copied for each machine.

    Parameters
    ----------
    folder : Path
        Made here.
    whole : bool
        Whether it has a check pass first and a pause in its middle.
    """

    def __init__(self, folder: Path, *, whole: bool) -> None:
        folder.mkdir()
        machine = quick_machine(MACHINE, "pattern", folder)
        (folder / "course.nc").write_bytes(course(LINES, PAUSE_AT if whole else None, FEED_MM_MIN))
        program, permit = rewritten(inspect(load_program(folder / "course.nc"), machine, None), None)
        self._folder = folder
        lay_out(folder, Work(program, machine, permit, title="course"), check_first=whole)
        self.course = Course.of((folder / PROGRAM_NAME).read_bytes())

    def copy(self, folder: Path, machine: Machine) -> Path:
        """Lay the run out for a machine."""
        folder.mkdir(parents=True)
        for name in (PROGRAM_NAME, LEGS_NAME):
            shutil.copyfile(self._folder / name, folder / name)
        order = json.loads((self._folder / ORDER_NAME).read_text(encoding="utf-8"))
        order |= {"machine": machine.name, "machine_sha256": machine_digest(machine)}
        (folder / ORDER_NAME).write_text(json.dumps(order), encoding="utf-8")
        return folder


@dataclass
class Scene:
    """A daemon under way, and what came of it.

    Parameters
    ----------
    it : Shop
    hands : list of Hand
    struck_s : float
        When it was killed or stopped, s on the host's monotonic clock.
    stood_s : float
        How long it stood still before it went on; infinity when it never did.
    restart_s : float
        When the next daemon was started; infinity when none was.
    """

    it: Shop
    pattern: Pattern
    hands: list[Hand]
    struck_s: float = math.inf
    stood_s: float = math.inf
    restart_s: float = math.inf
    how: str = ""
    untrue: list[list[str]] = field(default_factory=list)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)


Strike = Callable[[Scene], None]


def play(
    strike: Strike, count: int, how: str, *, whole: bool = False, wrapper: Sequence[str] = ()
) -> list[Try]:
    """Keep machines, ask for a run on each, let something happen to the daemon, and judge.

    Parameters
    ----------
    strike : callable
        Lets the daemon die or hang, and notes when.
    count : int
        Machines.
    how : str
        For the record.
    whole : bool
        As for `Pattern`.
    wrapper : sequence of str
        What stands between the interpreter and the daemon's words.
    """
    with scratch_folder() as scratch:
        pattern = Pattern(scratch / "pattern", whole=whole)
        machines = [quick_machine(MACHINE, f"bench-{index}", scratch) for index in range(count)]
        specs = [BoardSpec("", machine.settings()) for machine in machines]
        with shop(machines, specs, scratch, wrapper) as it:
            for index in range(count):
                if it.await_connected(index) is None:
                    raise RuntimeError(f"machine {index} was never connected: {it.trouble(index)}")
            hands = [Hand(it.line(index), how.endswith("stop 1"), whole) for index in range(count)]
            scene = Scene(it, pattern, hands, how=how, untrue=[[] for _ in machines])
            with ThreadPoolExecutor(count) as pool:
                folders = [
                    pattern.copy(it.runs / f"run-{index}", machine) for index, machine in enumerate(machines)
                ]
                asked = [pool.submit(hand.run, folder) for hand, folder in zip(hands, folders, strict=True)]
                strike(scene)
                for done in asked:
                    done.result()
            for hand in hands:
                hand.line.close()
            if it.process.poll() is not None:
                _after_the_death(scene)
            else:
                scene.rows = it.status()
            it.end()
        return [_judged(scene, index, known) for index, known in enumerate(it.boards.known)]


def _after_the_death(scene: Scene) -> None:
    """Wait for the guard, look at what is said, start anew, and ask for a run that must be refused."""
    it = scene.it
    until_s = time.monotonic() + GUARD_LIMIT_S
    while not it.guard_log.exists() and time.monotonic() < until_s:
        time.sleep(0.02)
    scene.rows = it.status()
    scene.restart_s = time.monotonic()
    it.restart()
    count = len(it.machines)
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda index: _ask_again(scene, index), range(count)))


def _ask_again(scene: Scene, index: int) -> None:
    it, untrue = scene.it, scene.untrue[index]
    if it.await_connected(index) is None:
        untrue.append(f"not connected after the restart: {it.trouble(index)}")
        return
    time.sleep(LOOK_S)
    state = scene.rows.get(f"run-{index}", {}).get("state", "no run")
    with it.line(index) as line:
        said = line.ask("status", limit_s=5)
        if said["doing"] or said["state"] not in {"Idle", "Alarm"}:
            untrue.append(f"after the restart it does {said['doing']} by itself, {said['state']}")
        again = scene.pattern.copy(it.runs / f"run-{index}-again", it.machines[index])
        number = line.say("run", folder=str(again))
        answer: dict[str, Any] = {}
        while answer.get("id") != number:
            answer = line.hear(LIMIT_S)
            if answer.get("event") == "progress":
                line.say("abort")
        if "error" not in answer and state in {"crashed", "stopped, position unknown"}:
            untrue.append(f"{state}, and after the restart the next run was taken")


def _judged(scene: Scene, index: int, known: Known) -> Try:
    row = scene.rows.get(f"run-{index}")
    found = Try(scene.how, row["state"] if row else "no run", scene.untrue[index])
    struck_s = known.clock_s(scene.struck_s)
    restart_s = known.clock_s(min(scene.restart_s, known.began_s + known.trace.end_s + 1.0))
    raw = b"".join(data for at, data in known.raw if at < restart_s)
    x_mm, rest_mm = (float(known.trace.position(at)[0]) for at in (struck_s, restart_s))
    hold_s = known.heard(b"!", struck_s)
    found.held_s = hold_s - struck_s if math.isfinite(hold_s) else None
    goes_on = math.isfinite(scene.stood_s)
    if row is not None:
        seen_mm = rest_mm if goes_on else x_mm
        said = _said(row, scene.it.runs)
        try:
            found.untrue += lies(said, scene.pattern.course, Truth(raw, seen_mm, rest_mm))
        except ValueError as error:
            found.untrue.append(f"it got lines that are not the program: {error}")
    if scene.stood_s > SILENCE_S and (found.held_s is None or found.held_s > HELD_S):
        found.untrue.append(f"not held in time: {found.held_s}")
    if found.held_s is not None and scene.stood_s > SILENCE_S:
        found.untrue += _moved_on(known, struck_s + found.held_s, restart_s)
    if goes_on:
        found.untrue += _goes_on(scene, index, found)
    if known.head_on:
        found.untrue.append("the head is on")
    return found


def _moved_on(known: Known, held_s: float, until_s: float) -> Iterator[str]:
    """Say whether it moved after the guard's reset, or got lines of a program then."""
    reset_s = known.heard(b"\x18", held_s)
    if not math.isfinite(reset_s):
        yield "held, and never reset"
        return
    late = b"".join(data for at, data in known.raw if reset_s < at < until_s)
    lines = [line for line in late.split(b"\n")[:-1] if line.lstrip(b"\x18?!~")[:1] not in {b"$", b""}]
    if lines:
        yield f"{len(lines)} lines came after the guard's reset: {lines[0]!r}"
    moved = math.dist(known.trace.position(reset_s + 0.05), known.trace.position(until_s))
    if moved > 0:
        yield f"it moved {moved:.3f} mm after the guard's reset"


def _goes_on(scene: Scene, index: int, found: Try) -> Iterator[str]:
    """Compare the answer of a daemon that went on with what `fabctl status` says."""
    hand = scene.hands[index]
    if not hand.answer:
        yield f"the run was not answered: {hand.error}"
    elif hand.answer["result"]["end_state"] != found.state:
        yield f"the reply says {hand.answer['result']['end_state']}, `fabctl status` {found.state}"
    if scene.stood_s > SILENCE_S + 0.1 and found.state == "stopped, position known":
        # the guard's reset came from outside: who goes on cannot know that it came in standstill
        return
    if scene.stood_s < SILENCE_S - 0.15 and found.state != "done":
        yield f"it stood still for {scene.stood_s:.2f} s only, and the run ended as {found.state}"


def _said(row: dict[str, Any], runs: Path) -> Statement:
    return Statement(
        row["name"],
        runs / row["name"],
        state=row["state"],
        at_least=row["executed_at_least"],
        at_most=row["executed_at_most"],
        lines=row["lines"],
        whole=row["journal_whole"],
        work_mm=row["work_mm"],
    )


def killed_at_random(seed: int) -> list[Try]:
    """Kill a daemon of sixteen machines at a moment of its runs' life."""
    after_s = random.Random(f"kept-kill/{seed}").uniform(0.0, LIFE_S)

    def _strike(scene: Scene) -> None:
        time.sleep(after_s)
        _signal(scene, signal.SIGKILL)
        scene.it.process.wait()

    return play(_strike, COUNT, f"killed after {after_s:.2f} s")


def killed_at(point: str) -> list[Try]:
    """Let a daemon kill itself at a named point of one of its runs."""

    def _strike(scene: Scene) -> None:
        scene.it.process.wait(LIMIT_S)
        # the moment itself is not known to a hundredth of a second: the latency is not counted
        scene.struck_s = time.monotonic()
        scene.stood_s = math.inf

    wrapper = ("-m", "benchmarks.kept_crashes", "--die-at", point)
    return play(_strike, COUNT_AT_POINTS, point, whole=True, wrapper=wrapper)


def hung(seed: int, *, goes_on: bool) -> list[Try]:
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
    return play(_strike, COUNT, how)


def _signal(scene: Scene, number: signal.Signals) -> None:
    scene.it.process.send_signal(number)
    scene.struck_s = time.monotonic()


TASKS: dict[str, Callable[[int], list[Try]]] = {
    "killed": killed_at_random,
    "point": lambda number: killed_at(points()[number]),
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


def record(found: dict[str, list[Try]]) -> None:
    """Keep the figures of all that was done."""
    names = {
        "killed": "kill-9-of-the-daemon-at-a-random-moment",
        "point": "kill-9-of-the-daemon-at-a-named-point",
    }
    for task, tries in found.items():
        states = Counter(one.state for one in tries)
        if task in names:
            figures = {
                "tries": len(tries),
                "untrue": sum(bool(one.untrue) for one in tries),
                "said_crashed": states["crashed"],
                "said_ended": sum(n for state, n in states.items() if state.startswith(("done", "stopped"))),
                "said_not_started": sum(states[state] for state in ("no run", "no journal", "not started")),
            }
            record_campaign(f"journal/{names[task]}", figures)
        if task != "point":
            _record_guard(task, tries)
    record_campaign("guard", {WHAT: SAID_GUARD})


def _record_guard(task: str, tries: Sequence[Try]) -> None:
    late = sorted(one.held_s for one in tries if one.held_s is not None)
    row = {"killed": "killed-at-random", "hung": "hung-at-random", "gone-on": "hung-and-gone-on"}[task]
    figures: dict[str, Any] = {
        "kills": len(tries) // COUNT,
        "machines": COUNT,
        "machines_not_held": len(tries) - len(late),
        "median_s": round(late[len(late) // 2], 4),
        "p99_s": round(late[int(len(late) * 0.99)], 4),
        "worst_s": round(late[-1], 4),
        "untrue": sum(bool(one.untrue) for one in tries),
    }
    if task == "gone-on":
        # a standstill of less than half a second is nothing to a guard
        figures["machines_not_held"] = sum("not held" in lie for one in tries for lie in one.untrue)
    record_campaign(f"guard/{row}", figures)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 1 when something untrue was said."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["--die-at"]:
        return _die_as_a_daemon(given[1], given[2:])
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kept_crashes", description=__doc__)
    parser.add_argument("--kills", type=int, default=63, metavar="N", help="of sixteen machines each")
    parser.add_argument("--points", type=int, default=len(points()), metavar="N")
    parser.add_argument("--hangs", type=int, default=50, metavar="N")
    parser.add_argument("--goes-on", type=int, default=60, metavar="N")
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

    def _tell(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    found = {
        task: campaign(task, count, options.keep, options.at_once, _tell)
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
