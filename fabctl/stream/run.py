"""What a run is given, what it tells while it goes, and what it says at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from fabctl.errors import StoppedError, StoppedKnownError, StoppedUnknownError
from fabctl.shop.machine import Machine
from fabctl.shop.permit import Permit
from fabctl.stream.leg import Leg
from fabctl.stream.replies import Point
from fabctl.stream.stops import Cause, EndState, Operator, remedy_for

Fact = str | int | float | bool | None | tuple[float, ...] | tuple[str, ...] | Mapping[str, Point]
Written = Callable[[], bool]
"""Says whether a transition is on disk; raises when it never will be."""


@dataclass(frozen=True, slots=True)
class Order:
    """One program for one machine.

    Parameters
    ----------
    program : bytes or Path
        The text that was checked, or the file that holds it: it is read a piece at a time.
    machine : Machine
        Where it runs.
    permit : Permit
        What `check` gave for exactly these two.
    legs : iterable of Leg
        The planned moves in work coordinates, in order; without them neither progress in executed lines
        nor straying from the path can be told.
    end_mm : (x, y, z) float, optional
        Where the program ends, work coordinates, mm; the end of the legs when not given.
    box_mm : tuple of 6 float, optional
        Lowest x, y, z and highest x, y, z of all moves, work coordinates, mm: on a homed machine compared
        with its travel before anything moves.
    here_mm : (x, y, z) float, optional
        Work coordinates to give to the point where the tool stands (after homing), through G10 L20 in
        G54. None keeps the zero the controller has stored.
    home : bool, optional
        Whether to home first; None does when the machine has switches and is not known to be homed.
    check_first : bool
        Whether to send the whole program through the controller's check mode before anything moves.
    """

    program: bytes | Path
    machine: Machine
    permit: Permit
    legs: Iterable[Leg] = ()
    end_mm: Point | None = None
    box_mm: tuple[float, ...] | None = None
    here_mm: Point | None = None
    home: bool | None = None
    check_first: bool = False


class Progress(NamedTuple):
    """How far a run is.

    Parameters
    ----------
    sent, acknowledged : int
        Last line on the wire, last line the controller has parsed.
    executed, at_most : int
        Last line surely wholly executed, and last line possibly begun.
    lines : int
        Lines of the program.
    state : str
        As the controller reports it.
    work_mm : (x, y, z) float or None
        Tool point, work coordinates, mm.
    feed_mm_min, speed : float or None
        As reported.
    elapsed_s : float
        Since the first line, on the port's clock.
    checking : bool
        In check mode: nothing moves.
    journal_short : bool
        Whether the disk is so full that the journal no longer writes progress, only transitions and bounds.
    """

    sent: int
    acknowledged: int
    executed: int
    at_most: int
    lines: int
    state: str
    work_mm: Point | None
    feed_mm_min: float | None
    speed: float | None
    elapsed_s: float
    checking: bool = False
    journal_short: bool = False

    def facts(self) -> dict[str, Fact]:
        """Return all of it by name."""
        return self._asdict()


@dataclass(frozen=True, slots=True)
class Pause:
    """A place in the program where a person acts: tool change, turning the stock.

    Parameters
    ----------
    section : int
        The section that comes next; the first is 1.
    line : int
        The line of the program that asks for it.
    note : str
        That line as written.
    """

    section: int
    line: int
    note: str


def _refuse_all(pause: Pause) -> bool:
    return pause.section == 1


def _ignore_progress(progress: Progress) -> None:
    del progress


def _ignore_sending(number: int) -> None:
    del number


def _ignore_transition(kind: str, facts: Mapping[str, Fact]) -> None:
    del kind, facts


@dataclass(frozen=True, slots=True)
class Hooks:
    """Whom the sender asks and tells. An exception from any of them ends the run by the table.

    Parameters
    ----------
    operator : Operator
        Requests to hold, resume, abort or reset.
    arm : callable
        Asked at each pause, with the machine idle and the head off, until it answers other than None;
        False ends the run.
    progress : callable
        Told at each status report.
    sending : callable
        Told a line's number *before* it, or it and some before it, are written to the port; False means
        not yet, ask again.
    transition : callable
        Told of each transition *before* what depends on it happens: connected, homed, zeroed, checked,
        armed, started, section, hold, resume, stop, end. A journal writes it to disk and returns None, or
        a function that says whether it is there by now.
    """

    operator: Operator = field(default_factory=Operator)
    arm: Callable[[Pause], bool | None] = _refuse_all
    progress: Callable[[Progress], None] = _ignore_progress
    sending: Callable[[int], bool | None] = _ignore_sending
    transition: Callable[[str, Mapping[str, Fact]], Written | None] = _ignore_transition


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended.

    Parameters
    ----------
    end_state : EndState
        One of the three.
    cause : Cause
        Which row of the table.
    reason : str
        What was seen, for a person; empty when done.
    sent, acknowledged, executed, at_most : int
        As in `Progress`.
    lines : int
        Lines of the program.
    duration_s : float
        From the first line to the end, on the port's clock.
    head_off : bool or None
        Whether spindle or beam is commanded off; None when that could not be found out: say so.
    mpos_mm, work_mm : (x, y, z) float or None
        Last position reported, machine and work coordinates.
    notes : tuple of str
        What else a person should know.
    """

    end_state: EndState
    cause: Cause
    reason: str
    sent: int
    acknowledged: int
    executed: int
    at_most: int
    lines: int
    duration_s: float
    head_off: bool | None
    mpos_mm: Point | None
    work_mm: Point | None
    notes: tuple[str, ...] = ()

    def error(
        self, file: str = "", *, machine: str = "NAME", homing: bool | None = None
    ) -> StoppedError | None:
        """Return the error a caller raises for this end, or None when the run is done.

        Parameters
        ----------
        file : str
            The program as the person named it.
        machine, homing
            As for `remedy_for`.
        """
        if self.end_state is EndState.DONE:
            return None
        kind = StoppedKnownError if self.end_state is EndState.KNOWN else StoppedUnknownError
        head = {True: "head off", False: "THE HEAD IS STILL ON", None: "the head could not be seen to be off"}
        return kind(
            f"{self.end_state}: {self.reason}; {head[self.head_off]}",
            file=file,
            place=f"line {self.executed + 1} of {self.lines}",
            remedy=remedy_for(
                self.cause,
                self.end_state,
                head_off=self.head_off,
                machine=machine,
                homing=homing,
                reason=self.reason,
            ),
        )
