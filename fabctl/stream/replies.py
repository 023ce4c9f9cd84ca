"""What a controller says: one frozen value for each kind of line. `fabctl.stream.grammar` reads them.

Source: gnea/grbl v1.1, grbl/report.c and doc/markdown/interface.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

Point = tuple[float, float, float]


class State(StrEnum):
    """What a status report says the controller is doing."""

    IDLE = "Idle"
    RUN = "Run"
    HOLD_DONE = "Hold:0"
    HOLD_BRAKING = "Hold:1"
    JOG = "Jog"
    ALARM = "Alarm"
    DOOR_CLOSED = "Door:0"
    DOOR_OPEN = "Door:1"
    DOOR_BRAKING = "Door:2"
    DOOR_RESUMING = "Door:3"
    CHECK = "Check"
    HOME = "Home"
    SLEEP = "Sleep"


STANDING: frozenset[State] = frozenset(
    {State.IDLE, State.HOLD_DONE, State.DOOR_CLOSED, State.DOOR_OPEN, State.CHECK, State.SLEEP}
)
"""States in which no axis moves and a reset loses no step."""


@dataclass(frozen=True, slots=True)
class Ok:
    """A line was parsed and, if it moves, queued: not cut."""


@dataclass(frozen=True, slots=True)
class Error:
    """A line was refused, and Grbl goes on with the next one; the firmware profile says what it means."""

    code: int


@dataclass(frozen=True, slots=True)
class Alarm:
    """The controller locked itself; the firmware profile says why and whether position is lost."""

    code: int


class Status(NamedTuple):
    """A status report; what the controller left out is None.

    Parameters
    ----------
    state : State
        What it is doing.
    mpos_mm, wpos_mm, wco_mm : (x, y, z) float
        Machine position, work position, work coordinate offset, mm.
    blocks_free, bytes_free : int
        Room in the planner and in the receive ring.
    line : int
        The N word being executed.
    feed_mm_min, speed : float
        The present feed, and the spindle's rpm or the beam's S.
    overrides : (feed, rapid, spindle) int
        In per cent.
    pins : str
        Letters of the inputs that are active; "" when none.
    accessories : str
        S spindle clockwise, C counter-clockwise, F flood, M mist; "" when the report could have said and
        did not.
    measured_rpm : float
        What the spindle really turns, where the board measures it.
    """

    state: State
    mpos_mm: Point | None = None
    wpos_mm: Point | None = None
    wco_mm: Point | None = None
    blocks_free: int | None = None
    bytes_free: int | None = None
    line: int | None = None
    feed_mm_min: float | None = None
    speed: float | None = None
    overrides: tuple[int, int, int] | None = None
    pins: str = ""
    accessories: str | None = None
    measured_rpm: float | None = None


@dataclass(frozen=True, slots=True)
class Banner:
    """The controller started; `asked` when we reset it ourselves."""

    firmware: str
    version: str
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """A ``[MSG:…]`` for a person, or an ``[echo:…]``."""

    text: str


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of ``$$``."""

    number: int
    value: float


@dataclass(frozen=True, slots=True)
class TextSetting:
    """One line of ``$$`` that is no number; grblHAL has some: an address, a name, ``N/A``."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class StartupLine:
    """One line of ``$N`` or its like: what the controller runs by itself at each start."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class StartupRan:
    """A start-up line was run by the controller itself, unasked."""

    text: str
    answer: str


@dataclass(frozen=True, slots=True)
class ParserState:
    """``[GC:…]``: the modal words, in the controller's order."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Offset:
    """One line of ``$#`` with three axes: G54 … G59, G28, G30, G92."""

    name: str
    xyz_mm: Point


@dataclass(frozen=True, slots=True)
class ToolLength:
    """``[TLO:…]``."""

    length_mm: float


@dataclass(frozen=True, slots=True)
class Probe:
    """``[PRB:…]``: where the probe touched, machine coordinates; believe it only when `touched`."""

    xyz_mm: Point
    touched: bool


@dataclass(frozen=True, slots=True)
class Version:
    """``[VER:…]``: the firmware's version and the note stored with ``$I=``."""

    version: str
    note: str


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """``[OPT:…]``: compile options, usable planner blocks, bytes of the receive ring; None when not said."""

    letters: str
    blocks: int | None = None
    ring_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A line in brackets that the firmware's profile names, and that changes nothing."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Help:
    """The answer to a lone ``$``."""

    text: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A line outside the grammar: the link is at fault, or this is no Grbl."""

    raw: bytes


Reply = (
    Ok
    | Error
    | Alarm
    | Status
    | Banner
    | Message
    | Setting
    | TextSetting
    | StartupLine
    | StartupRan
    | ParserState
    | Offset
    | ToolLength
    | Probe
    | Version
    | BuildOptions
    | Note
    | Help
    | Unknown
)

OK = Ok()
