"""Acts by hand under every kind of fault: none of them lies about the machine, moves it afterwards, or hangs.

``python -m benchmarks.by_hand`` runs them all, ``--record`` keeps the figures.
"""

from __future__ import annotations

import argparse
import functools
import math
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.campaigns import record_campaign
from benchmarks.fault_runs import HangError, Recorder
from fabctl.errors import LinkError, RefusedError
from fabctl.shop.machine import Machine, load_machine
from fabctl.sim.controller import Options
from fabctl.sim.faults import KINDS, Count, Fault, Kind, Seen
from fabctl.sim.plant import Wiring
from fabctl.sim.port import SimPort
from fabctl.stream.controller import connect
from fabctl.stream.frame import Box, trace_box
from fabctl.stream.jog import DeadMan, jog_along, jog_step
from fabctl.stream.link import Link
from fabctl.stream.manual import Ended, by_hand
from fabctl.stream.override import Overrides, set_overrides
from fabctl.stream.prepare import home_machine
from fabctl.stream.probe import Feeler, measure_tool, touch_plate
from fabctl.stream.run import Hooks
from fabctl.stream.stops import EndState
from fabctl.stream.survey import Grid, survey
from fabctl.stream.touch import touch_off
from fabctl.stream.turns import drive

ALLOWED_MM = 0.05
AFTER_S = 5.0
HELD_S = 1.0
PLATE_MM, SURFACE_MM = 1.5, -4.0
WHAT = "every act by hand under every kind of fault: python -m benchmarks.by_hand --record"
SKIPPED = frozenset({"spindle-dead", "usb-renamed"})
"""Kinds that have nothing to do with acts by hand, or outlive the port."""

Doing = Coroutine[Any, Any, Any]
Act = Callable[[Link, Machine], Doing]
Truth = Callable[["Stage", Any], bool]


@dataclass(frozen=True)
class Deed:
    """An act, the machine it is done with, and what must be true when it says done."""

    name: str
    act: Act
    true: Truth
    machine: str = "router-3018"


@dataclass
class Stage:
    """A virtual machine with a touch plate, and a person's view of it."""

    machine: Machine
    port: SimPort
    wire: Recorder
    start_mm: np.ndarray[Any, Any]

    def at(self) -> np.ndarray[Any, Any]:
        """Where the tool truly is, mm."""
        return np.array(self.port.controller.board.plant.position_mm())

    def g54(self) -> np.ndarray[Any, Any]:
        """The work zero that the controller has truly stored, mm."""
        return np.array(self.port.controller.board.settings.coords[0])


@dataclass
class Verdict:
    """How one run ended, and what promises it broke."""

    end: str
    lies: list[str] = field(default_factory=list)


def _same(a: object, b: object) -> bool:
    return bool(np.all(np.abs(np.subtract(a, b)) <= ALLOWED_MM))


def _framed(stage: Stage, _found: Any) -> bool:
    path = stage.port.trace.xyz_mm
    near = [np.abs(path[:, :2] - corner).max(axis=1).min() for corner in ((0, 0), (8, 0), (8, 6), (0, 6))]
    return bool(max(near) <= ALLOWED_MM) and _same(stage.at(), (0, 0, 3))


def _jog(link: Link, machine: Machine) -> Doing:
    return jog_step(link, machine, (3.0, -2.0, 1.0))


def _hold_key(link: Link, machine: Machine) -> Doing:
    key = DeadMan(link.port.clock_s, HELD_S)
    key.renew()
    return jog_along(link, machine, (1.0, 0.5, 0.0), key)


def _zero(link: Link, machine: Machine) -> Doing:
    return touch_off(link, machine, {"X": 5.0, "Z": -1.0}, "G54", Hooks())


def _plate(link: Link, machine: Machine) -> Doing:
    return touch_plate(link, machine, PLATE_MM, Feeler(8.0, 400.0, 100.0))


def _tool(link: Link, machine: Machine) -> Doing:
    return measure_tool(link, machine, Feeler(8.0, 400.0, 100.0), reference_mm=-6.0)


def _frame(link: Link, machine: Machine) -> Doing:
    return trace_box(link, machine, Box((0, 0), (8, 6), 3.0))


def _survey(link: Link, machine: Machine) -> Doing:
    grid = Grid((0, 0), (6, 4), 2, 2, 2.0, 5.0)
    return survey(link, machine, grid, Feeler(8.0, 600.0, 200.0))


def _override(link: Link, machine: Machine) -> Doing:
    del machine
    return set_overrides(link, feed=128, rapid=50)


def _home(link: Link, machine: Machine) -> Doing:
    return home_machine(link, machine, machine.settings(), Hooks())


def _stands_at(x: float, y: float, z: float) -> Truth:
    return lambda stage, _found: _same(stage.at(), (x, y, z))


def _zero_at(x: float, y: float, z: float) -> Truth:
    return lambda stage, _found: _same(stage.g54(), (x, y, z))


def _finds(wanted: object) -> Truth:
    return lambda _stage, found: bool(found == wanted)


DEEDS = (
    Deed("step", _jog, _stands_at(3, -2, 1)),
    Deed("held-key", _hold_key, lambda stage, found: _same(stage.at(), found.mpos_mm)),
    Deed("zero", _zero, _zero_at(-5, 0, 1)),
    Deed("plate", _plate, _zero_at(0, 0, SURFACE_MM - PLATE_MM)),
    Deed("tool", _tool, _zero_at(0, 0, SURFACE_MM + 6.0)),
    Deed("frame", _frame, _framed),
    Deed("survey", _survey, lambda _stage, found: _same(found.heights_mm, SURFACE_MM)),
    Deed("overrides", _override, _finds(Overrides(128, 50, 100))),
    Deed(
        "home",
        _home,
        lambda stage, _found: _same(stage.at(), stage.machine.homed_mm),
        "plywood-router-600x900",
    ),
)


def _stage(deed: Deed, faults: tuple[Fault, ...], seed: int) -> Stage:
    machine = load_machine(deed.machine)
    start = (-60.0, -60.0, -20.0) if machine.homing else (0.0, 0.0, 0.0)
    wiring = Wiring(switches=machine.homing, probe_z_mm=SURFACE_MM)
    options = Options(start_mm=start, wiring=wiring)
    port = SimPort(machine.settings(), options, seed=seed, faults=faults)
    return Stage(machine, port, Recorder(port), np.array(start))


@functools.cache
def _window(name: str) -> dict[Count, tuple[float, float]]:
    """Measure between which counts a sound act runs."""
    deed = next(deed for deed in DEEDS if deed.name == name)
    stage = _stage(deed, (), 0)
    wire = stage.wire

    def counts() -> dict[Count, float]:
        return dict(wire.sizes) | {Count.SECONDS: stage.port.controller.clock_s}

    link, _ = drive(wire, connect(wire, stage.machine))
    before = counts()
    ended = drive(wire, by_hand(link, stage.machine, deed.act(link, stage.machine)))
    if ended.end_state is not EndState.DONE or not deed.true(stage, ended.value):
        raise RuntimeError(f"{name} does not even work without a fault: {ended}")
    after = counts()
    return {count: (before[count], max(after[count], before[count] + 1)) for count in before}


def try_one(deed: Deed, kind: Kind, seed: int) -> Verdict:
    """Do one act with one fault somewhere in it.

    Parameters
    ----------
    deed : Deed
    kind : Kind
    seed : int
        Of when it strikes, and of all the fault leaves open.

    Returns
    -------
    Verdict
    """
    dice = random.Random(f"{deed.name} {kind.name} {seed}")
    at = None
    if kind.count is not Count.ALWAYS:
        low, high = _window(deed.name)[kind.count]
        at = (
            dice.uniform(low, high)
            if kind.count is Count.SECONDS
            else float(dice.randint(int(low) + 1, int(high)))
        )
    values = {name: parameter.default for name, parameter in kind.parameters.items()}
    stage = _stage(deed, (Fault(kind, at, 0.0, values),), seed)
    wire = stage.wire
    ended: Ended[Any] | None = None
    try:
        link, _ = drive(wire, connect(wire, stage.machine))
        ended = drive(wire, by_hand(link, stage.machine, deed.act(link, stage.machine)))
    except RefusedError:
        return _after(Verdict("refused"), stage, None, kind)
    except LinkError:
        return _after(Verdict("no connection"), stage, None, kind)
    except HangError:
        return Verdict("hangs", ["hangs"])
    return _judged(deed, stage, ended, kind)


def _judged(deed: Deed, stage: Stage, ended: Ended[Any], kind: Kind) -> Verdict:
    verdict = Verdict(str(ended.end_state))
    if ended.end_state is EndState.DONE and not deed.true(stage, ended.value):
        verdict.lies.append(f"done, and it is not true: at {stage.at()}, G54 {stage.g54()}, {ended.value}")
    if ended.end_state is not EndState.UNKNOWN and deed.name != "home":
        said = ended.outcome.mpos_mm
        if said is None or not _same(stage.at(), said):
            verdict.lies.append(f"position known as {said}, and it is {stage.at()}")
    verdict.lies = [f"{ended.cause}, {ended.reason}: {lie}" for lie in verdict.lies]
    return _after(verdict, stage, ended, kind)


def _after(verdict: Verdict, stage: Stage, ended: Ended[Any] | None, kind: Kind) -> Verdict:
    """Wait, and see whether anything moves that was said to stand."""
    lost = ended is not None and ended.end_state is EndState.UNKNOWN
    before = stage.at()
    stage.port.controller.advance(stage.port.controller.clock_s + AFTER_S)
    if not lost and math.dist(before, stage.at()) > ALLOWED_MM:
        verdict.lies.append("it moved after its end")
    if kind.seen is Seen.NEVER:
        verdict.lies.clear()
    return verdict


def campaign(seeds: int, first: int = 0) -> Iterator[tuple[Deed, Kind, int, Verdict]]:
    """Do every act under every kind of fault, so many times each."""
    for deed in DEEDS:
        for kind in KINDS.values():
            if kind.name in SKIPPED:
                continue
            for seed in range(first, first + seeds):
                yield deed, kind, seed, try_one(deed, kind, seed)


def main() -> None:
    """Run the campaign and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=25)
    parser.add_argument("--record", action="store_true")
    asked = parser.parse_args()
    ends: Counter[str] = Counter()
    lies = 0
    per_deed: dict[str, Counter[str]] = {}
    for deed, kind, seed, verdict in campaign(asked.seeds):
        ends[verdict.end] += 1
        per_deed.setdefault(deed.name, Counter())[verdict.end] += 1
        for lie in verdict.lies:
            lies += 1
            print(f"{deed.name} / {kind.name} / seed {seed}: {lie}")
    total = sum(ends.values())
    print(f"{total} runs, {lies} lies:", dict(ends))
    if not asked.record:
        return
    for name, found in per_deed.items():
        figures = {
            "runs": sum(found.values()),
            "done": found["done"],
            "known": found[str(EndState.KNOWN)],
            "unknown": found[str(EndState.UNKNOWN)],
            "refused": found["refused"] + found["no connection"],
            "hangs": found["hangs"],
        }
        record_campaign(f"by-hand/{name}", figures)
    kinds = len(KINDS) - len(SKIPPED)
    record_campaign(
        "by-hand-in-all", {"what": WHAT, "runs": total, "kinds": kinds, "lies": lies, "hangs": ends["hangs"]}
    )


if __name__ == "__main__":
    main()
