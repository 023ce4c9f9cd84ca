"""The strict grammar of what Grbl 1.1 says, one line to one frozen value.

A line outside the grammar becomes `Unknown`: the link is at fault then, and nothing is guessed.

Source: gnea/grbl v1.1, grbl/report.c and doc/markdown/interface.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

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


@dataclass(frozen=True, slots=True)
class Status:
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
class StartupLine:
    """One line of ``$N``: what the controller runs by itself at each start."""

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
    """``[OPT:…]``: compile options, usable planner blocks, bytes of the receive ring."""

    letters: str
    blocks: int
    ring_bytes: int


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
    | StartupLine
    | StartupRan
    | ParserState
    | Offset
    | ToolLength
    | Probe
    | Version
    | BuildOptions
    | Help
    | Unknown
)

OK = Ok()
_NUMBER = r"-?\d{1,7}(?:\.\d{1,5})?"
_TRIPLE = rf"({_NUMBER}),({_NUMBER}),({_NUMBER})"
_STATES = {state.value: state for state in State}


def parse_reply(raw: bytes) -> Reply:
    r"""Read one line without its line ending.

    Parameters
    ----------
    raw : bytes
        What came between two newlines, carriage return removed.

    Returns
    -------
    Reply
        `Unknown` for everything outside the grammar.

    Examples
    --------
    >>> parse_reply(b"error:20")
    Error(code=20)
    >>> parse_reply(b"<Hold:1|MPos:1.000,2.500,-3.000|FS:120,8000>").mpos_mm
    (1.0, 2.5, -3.0)
    >>> parse_reply(b"okk")
    Unknown(raw=b'okk')
    """
    if raw == b"ok":
        return OK
    if not raw.isascii() or not raw:
        return Unknown(raw)
    text = raw.decode("ascii")
    if text[0] == "<":
        return _status(text) or Unknown(raw)
    for pattern, make in _FORMS:
        match = pattern.fullmatch(text)
        if match:
            return make(*match.groups())
    return Unknown(raw)


def _point(x: str, y: str, z: str) -> Point:
    return float(x), float(y), float(z)


def _settle_feed(fields: dict[str, object], feed: str, speed: str | None = None) -> None:
    fields["feed_mm_min"] = float(feed)
    if speed is not None:
        fields["speed"] = float(speed)


def _settle_buffer(fields: dict[str, object], blocks: str, ring: str) -> None:
    fields["blocks_free"], fields["bytes_free"] = int(blocks), int(ring)


def _settle_overrides(fields: dict[str, object], *percents: str) -> None:
    fields["overrides"] = tuple(int(percent) for percent in percents)
    # Grbl writes A: only beside Ov:, and only when something is on
    fields.setdefault("accessories", "")


def _place(key: str) -> Callable[..., None]:
    def settle(fields: dict[str, object], x: str, y: str, z: str) -> None:
        fields[key] = _point(x, y, z)

    return settle


def _keep(key: str, kind: Callable[[str], object] = str) -> Callable[..., None]:
    def settle(fields: dict[str, object], text: str) -> None:
        fields[key] = kind(text)

    return settle


_FIELDS: dict[str, tuple[re.Pattern[str], Callable[..., None]]] = {
    "MPos": (re.compile(_TRIPLE), _place("mpos_mm")),
    "WPos": (re.compile(_TRIPLE), _place("wpos_mm")),
    "WCO": (re.compile(_TRIPLE), _place("wco_mm")),
    "FS": (re.compile(rf"({_NUMBER}),({_NUMBER})"), _settle_feed),
    "F": (re.compile(rf"({_NUMBER})"), _settle_feed),
    "Bf": (re.compile(r"(\d{1,4}),(\d{1,5})"), _settle_buffer),
    "Ov": (re.compile(r"(\d{1,3}),(\d{1,3}),(\d{1,3})"), _settle_overrides),
    "Ln": (re.compile(r"(\d{1,9})"), _keep("line", int)),
    "Pn": (re.compile(r"([XYZPDHRS]{1,8})"), _keep("pins")),
    "A": (re.compile(r"([SCFM]{1,4})"), _keep("accessories")),
}


def _status(text: str) -> Status | None:
    if text[-1] != ">":
        return None
    head, *parts = text[1:-1].split("|")
    state = _STATES.get(head)
    fields: dict[str, object] = {}
    seen: set[str] = set()
    for part in parts:
        name, _, value = part.partition(":")
        pattern, settle = _FIELDS.get(name, (None, None))
        match = pattern.fullmatch(value) if pattern else None
        if match is None or settle is None or name in seen:
            return None
        seen.add(name)
        settle(fields, *match.groups())
    if state is None or ("MPos" in seen) == ("WPos" in seen):
        return None
    return Status(state, **fields)  # type: ignore[arg-type]  # the table above gives each field its type


def _probe(x: str, y: str, z: str, touched: str) -> Probe:
    return Probe(_point(x, y, z), touched == "1")


_FORMS: tuple[tuple[re.Pattern[str], Callable[..., Reply]], ...] = (
    (re.compile(r"error:(\d{1,3})"), lambda code: Error(int(code))),
    (re.compile(r"ALARM:(\d{1,3})"), lambda code: Alarm(int(code))),
    (re.compile(rf"\$(\d{{1,4}})=({_NUMBER})"), lambda number, value: Setting(int(number), float(value))),
    (re.compile(r"\$N(\d)=(.*)"), lambda index, line: StartupLine(int(index), line)),
    (re.compile(r">(.*):(ok|error:\d{1,3})"), StartupRan),
    (re.compile(r"(Grbl) (\d+\.\d+[a-z]?) \['\$' for help\]"), Banner),
    (re.compile(r"\[(?:MSG|echo): ?(.*)\]"), Message),
    (re.compile(r"\[GC:([GMTFS0-9. -]+)\]"), lambda words: ParserState(tuple(words.split()))),
    (re.compile(rf"\[(G5[4-9]|G28|G30|G92):{_TRIPLE}\]"), lambda name, *xyz: Offset(name, _point(*xyz))),
    (re.compile(rf"\[TLO:({_NUMBER})\]"), lambda length: ToolLength(float(length))),
    (re.compile(rf"\[PRB:{_TRIPLE}:([01])\]"), _probe),
    (re.compile(r"\[VER:([^:]*):(.*)\]"), Version),
    (
        re.compile(r"\[OPT:([^,]*),(\d{1,4}),(\d{1,5})\]"),
        lambda letters, blocks, ring: BuildOptions(letters, int(blocks), int(ring)),
    ),
    (re.compile(r"\[HLP:(.*)\]"), Help),
)
