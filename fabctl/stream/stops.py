"""How a run can end: one table of causes, what is sent for each, and the best that can be said after.

docs/stops.md shows the same table; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Protocol


class EndState(StrEnum):
    """The three ways a run ends; there is no fourth."""

    DONE = "done"
    KNOWN = "stopped, position known"
    UNKNOWN = "stopped, position unknown"


class Answer(Enum):
    """What is sent when a run ends. None of these moves the machine anywhere."""

    NONE = "nothing"
    HOLD = "`!`, poll until `Hold:0`, Ctrl-X, verify"
    RESET = "Ctrl-X at once, verify"
    RELEASE = "Ctrl-X, verify: the controller stands already"


@dataclass(frozen=True, slots=True)
class StopRule:
    """One row of the table.

    Parameters
    ----------
    seen : str
        What the sender saw.
    answer : Answer
        What it sends.
    best : EndState
        What it may claim when all that is verified afterwards holds; else position is unknown.
    remedy : str
        What a person does next.
    """

    seen: str
    answer: Answer
    best: EndState
    remedy: str


class Cause(StrEnum):
    """Why a run ended."""

    DONE = "done"
    OPERATOR_ABORT = "operator abort"
    OPERATOR_RESET = "operator reset"
    DECLINED = "section declined"
    HELD = "held from outside"
    ERROR = "error"
    ALARM_KNOWN = "alarm, position kept"
    ALARM_LOST = "alarm, position lost"
    RESTART = "unasked restart"
    UNKNOWN_REPLY = "unknown reply"
    STRAY_ANSWER = "stray answer"
    STATE_JUMP = "impossible state"
    SLEEP = "asleep"
    STALL = "stall"
    SILENCE = "silence"
    PORT_LOST = "port lost"
    OFF_PATH = "off the path"
    BEAM_STANDING = "beam standing still"
    WRONG_END = "wrong end position"
    LEFT_OVER = "bytes left over"
    HEAD_ON = "head still on"
    NOT_AS_PLANNED = "not as planned"
    PROBE = "probe not believed"
    INTERRUPTED = "sender interrupted"


READY = "start again when ready"
EMERGENCY = "use the emergency stop"
_LINK = "look at cable, earthing and other programs on the port; the part is not to be trusted"

_UNLOCK = "while it is locked, `fabctl machine unlock NAME --position kept` is your word that nothing moved"

ALARMS = {
    "ALARM:2": "look where the way leaves the travel and where the work zero is; " + _UNLOCK,
    "ALARM:4": _UNLOCK
    + "; then lift the tool off the plate and start farther from it: the probe must be open "
    "before it starts; if nothing touches, look where clip and plate or their wires do",
    "ALARM:5": _UNLOCK
    + "; then look that the clip is on the tool, both wires are plugged in and the plate lies "
    "in the way, and start closer to it, or let it go farther (--depth of `fabctl machine probe`)",
}
"""What a person does after an alarm that keeps the position, where its number says more than its row.

Source: Grbl 1.1 doc/csv/alarm_codes_en_US.csv; grblHAL and FluidNC number these three alike.
"""

STOPS: dict[Cause, StopRule] = {
    Cause.DONE: StopRule(
        "every line answered, `Idle`, buffers empty, position is the program's end, head off",
        Answer.NONE,
        EndState.DONE,
        "",
    ),
    Cause.OPERATOR_ABORT: StopRule("the operator asked for an abort", Answer.HOLD, EndState.KNOWN, READY),
    Cause.OPERATOR_RESET: StopRule(
        "the operator asked for a reset at once; position stays known only if the machine stood still",
        Answer.RESET,
        EndState.KNOWN,
        READY,
    ),
    Cause.DECLINED: StopRule("a section was not armed by the operator", Answer.HOLD, EndState.KNOWN, READY),
    Cause.HELD: StopRule(
        "a hold or an open door that nobody here asked for, and ten minutes without a resume",
        Answer.HOLD,
        EndState.KNOWN,
        "look who pressed hold or opened the door; if nobody did, the link changed a byte: look at the cable",
    ),
    Cause.ERROR: StopRule(
        "first `error:N` to any line",
        Answer.HOLD,
        EndState.KNOWN,
        "check the program for this machine; if it passes, the link changed a byte: look at the cable",
    ),
    Cause.ALARM_KNOWN: StopRule(
        "`ALARM:N` after which the position is still true (soft limit, probe)",
        Answer.RELEASE,
        EndState.KNOWN,
        "look where the way leaves the travel and where the work zero is, or why the probe did not touch; "
        + _UNLOCK,
    ),
    Cause.ALARM_LOST: StopRule(
        "`ALARM:N` after which it is not (limit switch, reset in motion, homing)",
        Answer.RESET,
        EndState.UNKNOWN,
        "look at the switches and what stands in the way",
    ),
    Cause.RESTART: StopRule(
        "a start-up banner nobody asked for",
        Answer.RESET,
        EndState.UNKNOWN,
        "look at the controller's power supply and USB cable",
    ),
    Cause.UNKNOWN_REPLY: StopRule("a reply outside Grbl's grammar", Answer.HOLD, EndState.KNOWN, _LINK),
    Cause.STRAY_ANSWER: StopRule(
        "an answer to a line that was never sent", Answer.HOLD, EndState.KNOWN, _LINK
    ),
    Cause.STATE_JUMP: StopRule(
        "a state that cannot follow the one before", Answer.RESET, EndState.UNKNOWN, _LINK
    ),
    Cause.SLEEP: StopRule(
        "the controller went to sleep: motors off",
        Answer.RESET,
        EndState.UNKNOWN,
        "look what sent it to sleep; its motors were off",
    ),
    Cause.STALL: StopRule(
        "`Idle` or an unchanged position with unanswered lines, no dwell among them",
        Answer.HOLD,
        EndState.KNOWN,
        "an answer or a line was lost on the way: " + _LINK,
    ),
    Cause.SILENCE: StopRule(
        "no answer to `?`, or none to a command in its time",
        Answer.RESET,
        EndState.UNKNOWN,
        "use the emergency stop if anything still moves or turns",
    ),
    Cause.PORT_LOST: StopRule(
        "the port failed while reading or writing",
        Answer.RESET,
        EndState.UNKNOWN,
        "use the emergency stop: the controller runs its buffers out and may leave the head on",
    ),
    Cause.OFF_PATH: StopRule(
        "a position off every planned move between the last proven and the last sent line",
        Answer.HOLD,
        EndState.KNOWN,
        _LINK,
    ),
    Cause.BEAM_STANDING: StopRule(
        "beam on (M3) while the head stands still",
        Answer.HOLD,
        EndState.KNOWN,
        "use M4 on a laser; look why the stream starved",
    ),
    Cause.WRONG_END: StopRule(
        "all answered and `Idle`, but not where the program ends", Answer.HOLD, EndState.KNOWN, _LINK
    ),
    Cause.LEFT_OVER: StopRule(
        "all answered and `Idle`, but the controller's buffers are not empty",
        Answer.HOLD,
        EndState.KNOWN,
        _LINK,
    ),
    Cause.HEAD_ON: StopRule(
        "the program ended, or paused for a person, with the head on",
        Answer.HOLD,
        EndState.KNOWN,
        "end the program, and each section, with M5",
    ),
    Cause.PROBE: StopRule(
        "a touch outside the expected band, two touches that disagree, or a probe closed too early",
        Answer.HOLD,
        EndState.KNOWN,
        "clean plate and tool, look at the probe's clip and wire, and probe again",
    ),
    Cause.NOT_AS_PLANNED: StopRule(
        "a feed, speed or power that no move under way was planned with",
        Answer.HOLD,
        EndState.KNOWN,
        _LINK,
    ),
    Cause.INTERRUPTED: StopRule(
        "the sender itself failed: disk full, a bug, Ctrl-C outside its handler",
        Answer.HOLD,
        EndState.KNOWN,
        "see the error that came with it",
    ),
}
"""What is done for each cause; the only place where that is decided."""


def remedy_for(
    cause: Cause,
    end: EndState,
    *,
    head_off: bool | None = True,
    machine: str = "NAME",
    homing: bool | None = None,
    reason: str = "",
) -> str:
    """Say what a person does next: about the head, about the cause, about the position.

    Nobody is sent to look for a position that is known, and nobody starts again while it is not.

    Parameters
    ----------
    cause : Cause
    end : EndState
    head_off : bool or None
        Whether the head was seen to be off; None when that could not be found out.
    machine : str
        Its name, for the commands.
    homing : bool or None
        Whether it has switches to home to; None when whoever asks does not know.
    reason : str
        What was seen: the number of an alarm at its beginning says more than that it was one.

    Examples
    --------
    >>> remedy_for(Cause.OPERATOR_RESET, EndState.KNOWN)
    'start again when ready'
    >>> remedy_for(Cause.OPERATOR_RESET, EndState.UNKNOWN, machine="router-3018", homing=True)
    'find the position anew: `fabctl machine home router-3018`'
    """
    remedy, steps = STOPS[cause].remedy, []
    if cause is Cause.ALARM_KNOWN:
        remedy = ALARMS.get(reason.partition(": ")[0], remedy)
    if head_off is False or (head_off is None and not remedy.startswith(EMERGENCY)):
        steps.append(f"{EMERGENCY}: the head {'may be' if head_off is None else 'is'} on")
    if remedy != READY or end is EndState.KNOWN:
        steps.append(remedy.replace("NAME", machine))
    if end is EndState.UNKNOWN:
        steps.append("find the position anew: " + _find_anew(machine, homing=homing))
    return "; ".join(steps)


def _find_anew(machine: str, *, homing: bool | None) -> str:
    home, zero = f"`fabctl machine home {machine}`", f"`fabctl machine zero {machine} x y z` at a known place"
    return {True: home, False: zero, None: f"{home}, or without switches {zero}"}[homing]


def stops_table() -> str:
    """Write the table as docs/stops.md shows it.

    Examples
    --------
    >>> stops_table().splitlines()[0]
    '| cause | what is seen | what is sent | best end state |'
    """
    rows = [f"| {cause} | {rule.seen} | {rule.answer.value} | {rule.best} |" for cause, rule in STOPS.items()]
    return "\n".join(["| cause | what is seen | what is sent | best end state |", "|---|---|---|---|", *rows])


class Which(StrEnum):
    """Which tool is in the head when one is measured in a pause."""

    OLD = "old"
    NEW = "new"


class Key(Protocol):
    """A key that is held, as a jog that lasts knows it."""

    def renew(self) -> None:
        """Say that it is still held."""
        ...

    def let_go(self) -> None:
        """Say that it is not."""
        ...


class Operator:
    """The operator's hand on a run; each method may be called from a signal handler or another thread.

    Parameters
    ----------
    wake : callable, optional
        Called after each request, so that a waiting sender looks at once; the sender sets it.
    """

    def __init__(self, wake: Callable[[], None] | None = None) -> None:
        self.wake = wake
        self.wants_hold = False
        self.wants_resume = False
        self.wants_abort = False
        self.wants_reset = False
        self.key: Key | None = None
        self.wants_overrides: dict[str, int] = {}
        self.wants_measure: Which | None = None

    @property
    def wants_stop(self) -> bool:
        """Whether a hold, an abort or a reset is asked for."""
        return self.wants_hold or self.wants_abort or self.wants_reset

    def hold(self) -> None:
        """Ask for a feed hold: brake along the path, keep position, head off."""
        self.wants_resume = False
        self.wants_hold = True
        self._tell()

    def resume(self) -> None:
        """Ask to go on from a hold, once braking is done."""
        self.wants_hold = False
        self.wants_resume = True
        self._tell()

    def abort(self) -> None:
        """Ask for the clean end: hold, wait until the machine stands, reset. Position stays known."""
        self.wants_abort = True
        self._tell()

    def reset(self) -> None:
        """Ask for a soft reset at once. Not an emergency stop: that is a switch in the power line."""
        self.wants_reset = True
        self._tell()

    def override(self, **shares: int) -> None:
        """Ask for other overrides: ``feed``, ``rapid`` or ``speed`` in per cent of what the program says."""
        self.wants_overrides = {**self.wants_overrides, **shares}
        self._tell()

    def measure(self, which: str) -> None:
        """Ask to touch the plate with the ``old`` or the ``new`` tool; only in a pause of a run."""
        self.wants_measure = Which(which)
        self._tell()

    def renew(self) -> None:
        """Say that the key of a continuous jog is still held; without such a jog it says nothing."""
        if self.key is not None:
            self.key.renew()

    def let_go(self) -> None:
        """Say that it is let go: the jog is cancelled at once; without such a jog it says nothing."""
        if self.key is not None:
            self.key.let_go()
        self._tell()

    def _tell(self) -> None:
        if self.wake is not None:
            self.wake()
