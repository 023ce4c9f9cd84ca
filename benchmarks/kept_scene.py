"""A daemon under way with machines that live on: what happens to it, and what is said and true afterwards."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.course import Truth, lies
from benchmarks.fault_judge import ALLOWED_MM
from benchmarks.kept_boards import Known
from benchmarks.kept_machines import Bench, draw_benches, links_of
from benchmarks.kept_shop import Shop, scratch_folder, shop
from fabctl.daemon.client import Line
from fabctl.errors import FabctlError, LinkError
from fabctl.record.statement import Statement
from fabctl.stream.stops import EndState

HOLD_AT, ABORT_AT = 150, 350
LIMIT_S = 60.0
HELD_S = 0.6
"""The guard's hold byte is at the far end of the wire within this time."""
GUARD_LIMIT_S = 15.0
SILENCE_S = 0.5
GUARDED_S = 1.5
LOST_MM = 0.1
STOOD_S = 0.02
RESET_REST_S = 0.05
HOMING_REST_S = 1.0
"""In homing Grbl looks after the debounce of a switch, and makes the steps it has prepared by then."""
LOOK_S = 1.0
"""How long a new daemon is watched for whether it starts something by itself."""


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
    machine : str
        What it was made like.
    switches : bool
        Whether it homes.
    homing : bool
        Whether it was homing when the daemon died or hung.
    """

    how: str
    state: str = "no run"
    untrue: list[str] = field(default_factory=list)
    held_s: float | None = None
    machine: str = ""
    switches: bool = False
    homing: bool = False


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


@dataclass
class Scene:
    """A daemon under way, and what came of it.

    Parameters
    ----------
    it : Shop
    benches : list of Bench
    hands : list of Hand
    restarts : bool
        Whether the boards restart when their port is opened, as most do.
    asked_s : float
        When the runs were asked for.
    struck_s : float
        Just before it was killed or stopped, s on the host's monotonic clock.
    gone_s : float
        Just after.
    stood_s : float
        How long it stood still before it went on; infinity when it never did.
    restart_s : float
        When the next daemon was started; infinity when none was.
    again : dict of int to dict
        What the run that was asked for after the restart came to, by machine.
    killed_s : float
        When one that had gone on was killed after all; infinity when none was.
    held_limit_s : float
        Within this time the guard's hold byte must be there.
    """

    it: Shop
    benches: list[Bench]
    hands: list[Hand]
    restarts: bool = True
    asked_s: float = 0.0
    struck_s: float = math.inf
    gone_s: float = math.inf
    stood_s: float = math.inf
    restart_s: float = math.inf
    killed_s: float = math.inf
    held_limit_s: float = HELD_S
    how: str = ""
    untrue: list[list[str]] = field(default_factory=list)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    again: dict[int, dict[str, Any]] = field(default_factory=dict)


Strike = Callable[[Scene], None]


def play(
    strike: Strike,
    count: int,
    how: str,
    *,
    seed: str,
    restarts: bool = True,
    whole: bool = False,
    wrapper: Sequence[str] = (),
    held_limit_s: float = HELD_S,
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
    seed : str
        Decides which machines they are.
    restarts : bool
        Whether the boards restart when their port is opened.
    whole : bool
        As for `Pattern`.
    wrapper : sequence of str
        What stands between the interpreter and the daemon's words.
    held_limit_s : float
        Within this time the guard's hold byte must be there.
    """
    with scratch_folder() as scratch:
        benches = draw_benches(seed, count, scratch, whole=whole)
        links = links_of(benches, scratch, restarts=restarts)
        specs = [bench.spec(link) for bench, link in zip(benches, links, strict=True)]
        with shop([bench.machine for bench in benches], specs, scratch, wrapper) as it:
            for index in range(count):
                if it.await_connected(index) is None:
                    raise RuntimeError(f"machine {index} was never connected: {it.trouble(index)}")
            hands = [Hand(it.line(index), how.endswith("stop 1"), whole) for index in range(count)]
            with ThreadPoolExecutor(count) as pool:
                list(pool.map(lambda bench, hand: bench.make_ready(hand.line), benches, hands))
                untrue: list[list[str]] = [[] for _ in benches]
                scene = Scene(it, benches, hands, restarts, time.monotonic(), how=how, untrue=untrue)
                scene.held_limit_s = held_limit_s
                folders = [bench.lay_out(it.runs / f"run-{index}") for index, bench in enumerate(benches)]
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
                _kill_after_all(scene)
            it.end()
        return [_judged(scene, index, known) for index, known in enumerate(it.boards.known)]


def _kill_after_all(scene: Scene) -> None:
    """Kill a daemon that had hung and gone on: its machines must be guarded as before."""
    # a port that was lost is looked for every two seconds, a guard that has acted is replaced when it is done
    for index in range(len(scene.it.machines)):
        until_s = time.monotonic() + GUARD_LIMIT_S
        while (said := scene.it.await_connected(index)) and said["unguarded"] and time.monotonic() < until_s:
            time.sleep(0.05)
    scene.killed_s = time.monotonic()
    scene.it.process.kill()
    scene.it.process.wait()
    time.sleep(GUARDED_S)


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
    it, untrue, bench = scene.it, scene.untrue[index], scene.benches[index]
    if it.await_connected(index) is None:
        untrue.append(f"not connected after the restart: {it.trouble(index)}")
        return
    time.sleep(LOOK_S)
    with it.line(index) as line:
        said = line.ask("status", limit_s=5)
        if said["doing"] or said["state"] not in {"Idle", "Alarm"}:
            untrue.append(f"after the restart it does {said['doing']} by itself, {said['state']}")
        again = bench.pattern.copy(it.runs / f"run-{index}-again", bench.machine)
        answer = _begin_and_abort(line, again)
        if bench.machine.homing:
            scene.again[index] = answer if "error" in answer else answer["result"]
            if said["homed"]:
                untrue.append("nobody homed it after the restart, and it counts as homed")
        else:
            untrue += _zero_wanted(scene, index, line, answer)


def _zero_wanted(scene: Scene, index: int, line: Line, answer: dict[str, Any]) -> Iterator[str]:
    """Say whether a machine without switches ran with its position lost, or not with its zero set anew."""
    state = scene.rows.get(f"run-{index}", {}).get("state", "no run")
    lost = scene.restarts or state in {"crashed", "stopped, position unknown"}
    problem = str(answer.get("error", {}).get("problem", ""))
    if lost and "is not known" not in problem:
        yield f"{state}, and after the restart the next run was answered: {problem or 'done'}"
    if not problem:
        return
    line.ask("zero", here_mm=dict.fromkeys("XYZ", 0.0), limit_s=LIMIT_S)
    answer = _begin_and_abort(line, scene.it.runs / f"run-{index}-again")
    if "error" in answer:
        yield f"the zero was set anew, and the run was refused: {answer['error']['problem']}"


def _begin_and_abort(line: Line, folder: Path) -> dict[str, Any]:
    """Ask for a run, abort it once it is under way, and return the answer."""
    number = line.say("run", folder=str(folder))
    while True:
        answer = line.hear(LIMIT_S)
        if answer.get("id") == number:
            return answer
        if answer.get("event") == "progress":
            line.say("abort")


def _judged(scene: Scene, index: int, known: Known) -> Try:
    row, bench = scene.rows.get(f"run-{index}"), scene.benches[index]
    found = Try(scene.how, row["state"] if row else "no run", scene.untrue[index])
    found.machine, found.switches = bench.machine.title, bench.machine.homing
    struck_s, gone_s = known.clock_s(scene.struck_s), known.clock_s(scene.gone_s)
    restart_s = known.clock_s(min(scene.restart_s, known.began_s + known.trace.end_s + 1.0))
    asked_s = known.clock_s(scene.asked_s)
    found.homing = _homing(known, struck_s)
    raw = b"".join(data for at, data in known.raw if asked_s < at < restart_s)
    # the course begins where it stood then; nothing of it is to be seen while it homes
    places_mm = known.trace.position(np.array([asked_s, gone_s, restart_s]))[:, 0]
    x_mm, rest_mm = (max(0.0, float(at - places_mm[0])) for at in places_mm[1:])
    hold_s = known.heard(b"!", struck_s)
    found.held_s = hold_s - struck_s if math.isfinite(hold_s) else None
    goes_on = math.isfinite(scene.stood_s)
    if row is not None:
        # a reset in motion costs steps that were counted: there nothing is said to be known
        seen_mm = rest_mm + LOST_MM if goes_on else x_mm
        said = _said(row, scene.it.runs)
        try:
            found.untrue += lies(said, bench.pattern.course, Truth(raw, seen_mm, rest_mm))
        except ValueError as error:
            found.untrue.append(f"it got lines that are not the program: {error}")
    if scene.stood_s > SILENCE_S and (found.held_s is None or found.held_s > scene.held_limit_s):
        found.untrue.append(f"not held in time: {found.held_s}")
    if found.held_s is not None and scene.stood_s > SILENCE_S:
        found.untrue += _moved_on(known, struck_s + found.held_s, restart_s)
    if row is not None and not goes_on:
        found.untrue += _guarded(row, known, struck_s, restart_s)
    if goes_on:
        found.untrue += _goes_on(scene, index, known, found)
    if index in scene.again:
        found.untrue += _homed_again(known, restart_s, scene.again[index])
    if known.head_on:
        found.untrue.append("the head is on")
    return found


def _homing(known: Known, at_s: float) -> bool:
    """Tell whether a machine was homing at a moment: asked for, not done, and not reset since."""
    asked_s = max((at for at, data in known.raw if b"$H\n" in data and at < at_s), default=math.inf)
    homed = any(event.name == "homed" and asked_s < event.time_s < at_s for event in known.trace.events)
    return asked_s < at_s and not homed and known.heard(b"\x18", asked_s) >= at_s


def _homed_again(known: Known, restart_s: float, answer: dict[str, Any]) -> Iterator[str]:
    """Say whether a machine with switches ran on under a new daemon before it was homed, or not truly."""
    later = [(at, data) for at, data in known.raw if at > restart_s]
    homed_s = next((event.time_s for event in known.trace.events if event.name == "homed"
                    and event.time_s > restart_s), math.inf)  # fmt: skip
    early = b"".join(data for at, data in later if at < homed_s)
    lines = [line.lstrip(b"\x18?!~") for line in early.split(b"\n")[:-1]]
    if any(line and not line.startswith(b"$") for line in lines):
        yield f"after the restart it got lines before it was homed: {lines[-1]!r}"
    if "error" in answer:
        yield f"after the restart the next run was not taken: {answer['error']['problem']}"
    elif answer["result"]["end_state"] not in {EndState.KNOWN.value, EndState.DONE.value}:
        yield f"homed anew and aborted, and it ended as {answer['result']['end_state']}"
    else:
        yield from _where(answer, known)


def _where(answer: dict[str, Any], known: Known) -> Iterator[str]:
    """Say whether a position that is said to be known is wrong."""
    off_mm = math.dist(answer["result"]["mpos_mm"], known.trace.xyz_mm[-1])
    if off_mm > ALLOWED_MM:
        yield f"position known, and {off_mm:.3f} mm wrong"


def _guarded(row: dict[str, Any], known: Known, since_s: float, until_s: float) -> Iterator[str]:
    """Compare what `fabctl status` says of the guard with what the machine knows."""
    if row["state"] == "crashed" and not row["guard"]:
        yield "the guard held and reset it, and `fabctl status` does not say so"
    # the daemon itself may have reset it in its last moments: the guard's is the last one
    resets = (at for at, data in known.raw if since_s <= at < until_s and b"\x18" in data)
    reset_s = max(resets, default=math.inf)
    if row["guard"] == EndState.KNOWN.value and math.isfinite(reset_s):
        made = np.diff(known.trace.position(np.array([reset_s - STOOD_S, reset_s + STOOD_S])), axis=0)
        if np.abs(made).max() > 0:
            yield "the guard says that the position is known, and reset it in motion"
        if _homing(known, reset_s):
            yield "the guard says that the position is known, and reset it while it was homing"


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
    rest_s = reset_s + (HOMING_REST_S if _homing(known, reset_s) else RESET_REST_S)
    moved = math.dist(known.trace.position(rest_s), known.trace.position(max(rest_s, until_s)))
    if moved > 0:
        yield f"it moved {moved:.3f} mm after the guard's reset"


def _goes_on(scene: Scene, index: int, known: Known, found: Try) -> Iterator[str]:
    """Compare the answer of a daemon that went on with what `fabctl status` says."""
    hand = scene.hands[index]
    if not hand.answer:
        yield f"the run was not answered: {hand.error}"
    elif hand.answer["result"]["end_state"] != found.state:
        yield f"the reply says {hand.answer['result']['end_state']}, `fabctl status` {found.state}"
    elif found.state == "stopped, position known":
        yield from _where(hand.answer, known)
    if scene.stood_s < SILENCE_S - 0.15 and found.state != "done":
        yield f"it stood still for {scene.stood_s:.2f} s only, and the run ended as {found.state}"
    again_s = known.clock_s(scene.killed_s)
    if known.heard(b"!", again_s) - again_s > scene.held_limit_s:
        yield "it had gone on, was killed, and nobody held the machine"


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
