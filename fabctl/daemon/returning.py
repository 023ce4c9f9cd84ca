"""Compare what a controller says before the first line with what the journal of an earlier run says."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from fabctl.errors import RefusedError
from fabctl.shop.machine import Machine
from fabctl.stream.limits import tolerance_mm

Point = tuple[float, float, float]
Facts = Mapping[str, Any]

OFFSET_MM = 0.0015
"""Offsets are printed with three decimals: more than this apart, and they are not the same."""
OFFSETS = ("G54", "G92", "TLO")
"""What moves the work zero of a program of ours."""


@dataclass(frozen=True)
class Stood:
    """Where work zero and tool were when a run ended, machine coordinates.

    Parameters
    ----------
    zero_mm : (x, y, z)
    place_mm : (x, y, z), optional
    """

    zero_mm: Point
    place_mm: Point | None = None


def stood(latest: Mapping[str, Facts]) -> Stood | None:
    """Find in a journal's latest records where work zero and tool were, machine coordinates.

    Parameters
    ----------
    latest : mapping of str to mapping
        The latest record of each kind.
    """
    ordered = [latest.get(kind, {}) for kind in ("end", "section", "started", "armed", "zeroed")]
    places = [(_point(facts.get("mpos_mm")), _point(facts.get("work_mm"))) for facts in ordered]
    # a tool that was measured in a pause moved the zero last, whatever was told before
    zeros = [_point(facts.get("zero_mm")) for facts in (latest.get("measured", {}), *ordered)]
    zeros += [_less(mpos, work) for mpos, work in places if mpos is not None and work is not None]
    zero = next((known for known in zeros if known is not None), None)
    if zero is None:
        return None
    found = (mpos or (_less(zero, work, -1.0) if work else None) for mpos, work in places)
    return Stood(zero, next((place for place in found if place is not None), None))


def _point(value: Any) -> Point | None:
    return (float(value[0]), float(value[1]), float(value[2])) if value is not None else None


def _less(point: Point, other: Point, times: float = 1.0) -> Point:
    x, y, z = (a - times * b for a, b in zip(point, other, strict=True))
    return (x, y, z)


@dataclass
class Guard:
    """Compares what the controller says before the first line with what the journal of the run says.

    Parameters
    ----------
    machine : Machine
    there : Stood or None
        Where work zero and tool were; None when no journal says.
    offsets : mapping
        The controller's stored offsets when that run was armed.
    top_mm : float, optional
        The way back's first height, work coordinates: a tool above it would go down first.
    """

    machine: Machine
    there: Stood | None
    offsets: Mapping[str, Any]
    top_mm: float | None = None
    seen: dict[str, Facts] = field(default_factory=dict)

    def __call__(self, kind: str, facts: Facts) -> None:
        """Take a transition; at ``armed`` compare.

        Raises
        ------
        RefusedError
            When work zero, offsets or the tool's place are not what they were. Nothing was sent.
        """
        self.seen[kind] = facts
        if kind != "armed":
            return
        if self.there is not None:
            self._same_zero(self.there)
            self._same_offsets()
            if not self.machine.homing:
                self._same_place(self.there)
        self._below_top(facts)

    @property
    def facts(self) -> dict[str, Any]:
        """What a work order keeps of it."""
        there = None if self.there is None else asdict(self.there)
        return {"there": there, "offsets": dict(self.offsets), "top_mm": self.top_mm}

    def _same_zero(self, there: Stood) -> None:
        now = stood(self.seen)
        if now is None:
            raise self._refused("the controller does not say where work zero is", "connect again")
        axes = 3 if self.machine.has_z else 2
        if math.dist(now.zero_mm[:axes], there.zero_mm[:axes]) > OFFSET_MM:
            raise self._refused(
                f"work zero has moved: it is at {_text(now.zero_mm)} in machine coordinates and was at "
                f"{_text(there.zero_mm)}",
                "set it back to where it was, then resume",
            )

    def _same_offsets(self) -> None:
        was = self.offsets
        now = self.seen["armed"].get("offsets") or {}
        for name in OFFSETS:
            before, after = was.get(name), now.get(name)
            if before is None or after is None:
                continue
            if math.dist(_row(before), _row(after)) > OFFSET_MM:
                raise self._refused(
                    f"{name} is {_text(after)} and was {_text(before)}", f"set {name} back, then resume"
                )

    def _same_place(self, there: Stood) -> None:
        now = stood(self.seen)
        if now is None or now.place_mm is None or there.place_mm is None:
            raise self._refused("the controller does not say where the tool is", "connect again")
        if math.dist(now.place_mm, there.place_mm) > tolerance_mm(self.machine):
            raise self._refused(
                f"the controller shows machine position {_text(now.place_mm)} and the run ended at "
                f"{_text(there.place_mm)}: it was moved, or it was reset and no longer knows",
                "touch off work zero by hand where it was, then `fabctl run FILE --from LINE`",
            )

    def _below_top(self, facts: Facts) -> None:
        work = _point(facts.get("work_mm"))
        if self.top_mm is None or work is None:
            return
        if work[2] > self.top_mm + tolerance_mm(self.machine):
            raise self._refused(
                f"the tool stands at Z{work[2]:.3f}, above Z{self.top_mm:.3f} where the way back begins: "
                "the first move would go down",
                f"lower it by hand to Z{self.top_mm:.3f} or a little below, away from clamps",
            )

    def _refused(self, problem: str, remedy: str) -> RefusedError:
        return RefusedError(problem, file=self.machine.name, remedy=remedy)


def _text(values: Sequence[float]) -> str:
    return " ".join(f"{value:.3f}" for value in _row(values))


def _row(values: Any) -> tuple[float, ...]:
    return tuple(values) if isinstance(values, list | tuple) else (values,)


def guard_from(machine: Machine, facts: Mapping[str, Any]) -> Guard:
    """Make the guard that a work order keeps.

    Parameters
    ----------
    machine : Machine
        Where the run is to go on.
    facts : mapping
        As `Guard.facts` returned them.
    """
    there = facts["there"]
    place = _point(there["place_mm"]) if there else None
    stood_there = Stood(_point(there["zero_mm"]) or (0.0, 0.0, 0.0), place) if there else None
    return Guard(machine, stood_there, facts["offsets"], facts["top_mm"])
