"""What may be sent when: the states of a controller, the lines and real-time bytes each of them takes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, IntEnum

from fabctl.stream.replies import State

_ALONE = re.compile(r"\$(?!J=)|G0*10(?![0-9.])|G0*(?:28|30)\.1")


class Realtime(IntEnum):
    """Bytes the controller takes out of the stream and obeys at once, wherever they stand."""

    STATUS = 0x3F
    HOLD = 0x21
    START = 0x7E
    RESET = 0x18
    DOOR = 0x84
    JOG_CANCEL = 0x85
    FEED_100 = 0x90
    FEED_UP_10 = 0x91
    FEED_DOWN_10 = 0x92
    FEED_UP_1 = 0x93
    FEED_DOWN_1 = 0x94
    RAPID_100 = 0x95
    RAPID_50 = 0x96
    RAPID_25 = 0x97
    SPEED_100 = 0x99
    SPEED_UP_10 = 0x9A
    SPEED_DOWN_10 = 0x9B
    SPEED_UP_1 = 0x9C
    SPEED_DOWN_1 = 0x9D
    SPINDLE_STOP = 0x9E


class Lines(Enum):
    """Which lines a state takes."""

    ANY = "any line"
    PROGRAM = "G-code, no $ commands"
    JOGS = "$J= only"
    SYSTEM = "$ commands only"
    NONE = "no line"


@dataclass(frozen=True, slots=True)
class Rule:
    """What may be sent in a state, and what the next report may say without a reset between.

    Parameters
    ----------
    lines : Lines
        Which lines are taken.
    realtime : frozenset of Realtime
        Which bytes have a meaning beyond those that always have one.
    reaches : frozenset of State
        States a later report may name. Reports are samples: a short state may be skipped.
    """

    lines: Lines
    realtime: frozenset[Realtime]
    reaches: frozenset[State]


ALWAYS: frozenset[Realtime] = frozenset({Realtime.STATUS, Realtime.HOLD, Realtime.RESET, Realtime.DOOR})
"""Bytes that are safe in every state; in some they do nothing."""

_OVERRIDES = frozenset(code for code in Realtime if 0x90 <= code <= 0x9D)
_RESUME = frozenset({Realtime.START})
_STOP_TOOL = frozenset({Realtime.SPINDLE_STOP})
# in Idle it does nothing, but a jog may have begun since the last report
_CANCEL = frozenset({Realtime.JOG_CANCEL})
_HOLDS = frozenset({State.HOLD_DONE, State.HOLD_BRAKING})
_DOORS = frozenset({State.DOOR_CLOSED, State.DOOR_OPEN, State.DOOR_BRAKING, State.DOOR_RESUMING})
_WORKING = frozenset({State.IDLE, State.RUN, State.JOG}) | _HOLDS | _DOORS
_ENDS = frozenset({State.ALARM, State.SLEEP})

# The rule: what may be sent hangs on the state the controller last reported and on nothing else, and a
# state is left only as this table says. Alarm ends by $X, $H or a reset, Check by a reset ($C makes one),
# Sleep by a reset, Hold and Door by a cycle start, Hold only after braking is done. A reset, asked or not,
# forgets the state: until the next report only real-time bytes may be sent.
RULES: dict[State, Rule] = {
    State.IDLE: Rule(Lines.ANY, _OVERRIDES | _RESUME | _CANCEL, _WORKING | _ENDS | {State.CHECK, State.HOME}),
    State.RUN: Rule(Lines.PROGRAM, _OVERRIDES, _WORKING | _ENDS),
    State.HOLD_DONE: Rule(Lines.NONE, _OVERRIDES | _RESUME | _STOP_TOOL, _WORKING | _ENDS),
    State.HOLD_BRAKING: Rule(Lines.NONE, _OVERRIDES, _WORKING | _ENDS),
    State.JOG: Rule(Lines.JOGS, _CANCEL, _WORKING | _ENDS),
    State.ALARM: Rule(Lines.SYSTEM, frozenset(), _ENDS | {State.IDLE, State.HOME} | _DOORS),
    State.DOOR_CLOSED: Rule(Lines.NONE, _RESUME, _WORKING | _ENDS),
    State.DOOR_OPEN: Rule(Lines.NONE, frozenset(), _WORKING | _ENDS),
    State.DOOR_BRAKING: Rule(Lines.NONE, frozenset(), _WORKING | _ENDS),
    State.DOOR_RESUMING: Rule(Lines.NONE, frozenset(), _WORKING | _ENDS),
    State.CHECK: Rule(Lines.ANY, frozenset(), frozenset({State.CHECK, State.ALARM})),
    State.HOME: Rule(Lines.NONE, frozenset(), _DOORS | {State.HOME, State.IDLE, State.ALARM}),
    State.SLEEP: Rule(Lines.NONE, frozenset(), frozenset({State.SLEEP})),
}


def needs_alone(line: bytes) -> bool:
    """Tell whether the controller may write its EEPROM for a line, and be deaf meanwhile.

    Examples
    --------
    >>> needs_alone(b"G10L20P1X0"), needs_alone(b"$100=80"), needs_alone(b"G1X10")
    (True, True, False)
    """
    if b"$" not in line and b"G" not in line and b"g" not in line:
        return False
    return _ALONE.search(line.decode("ascii").upper().replace(" ", "")) is not None


def takes(lines: Lines, line: bytes) -> bool:
    """Tell whether a line is of a kind.

    Examples
    --------
    >>> takes(Lines.PROGRAM, b"G1X1"), takes(Lines.JOGS, b"$J=X1F9"), takes(Lines.SYSTEM, b"$J=X1F9")
    (True, True, False)
    """
    system = line.lstrip().startswith(b"$")
    jog = system and line.replace(b" ", b"").upper().startswith(b"$J=")
    match lines:
        case Lines.ANY:
            return True
        case Lines.PROGRAM:
            return not system
        case Lines.JOGS:
            return jog
        case Lines.SYSTEM:
            return system and not jog
        case Lines.NONE:
            return False
