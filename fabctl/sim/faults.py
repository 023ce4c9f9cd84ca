"""What can go wrong at and around the virtual controller: a table of kinds, and the words that ask for them.

A fault is asked for as ``kind:parameter=value:…``, several with commas between. The table says what `at`
counts; left out, `at` is drawn from the kind's span by the port's seed, so that a seed alone is a script.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import Enum

from fabctl.errors import InputError

FOR_EVER = 0.0
"""A duration of nothing means: it does not end by itself."""


class Count(Enum):
    """What `at` counts, and between which two a fault strikes when `at` is left to the seed."""

    SENT = ("bytes to the controller", 100.0, 2500.0)
    HEARD = ("bytes to the host", 1500.0, 5000.0)
    ANSWERS = ("answers", 5.0, 80.0)
    SECONDS = ("s since power-on", 0.1, 20.0)
    ALWAYS = ("nothing: it holds from power-on", 0.0, 0.0)

    @property
    def text(self) -> str:
        """What is counted, for a person."""
        return self.value[0]


class Seen(Enum):
    """Whether a host on the other end can notice."""

    WIRE = "yes"
    PARTLY = "where it leaves the path, stops or alarms; a changed feed or power word only by its report"
    NEVER = "no: Grbl itself does not know"
    NOTHING = "nothing is wrong"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that shapes a fault: its default, its range, and what it is."""

    default: float
    low: float
    high: float
    what: str


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    Parameters
    ----------
    name : str
        As it is asked for.
    count : Count
        What `at` counts.
    what : str
        What happens.
    seen : Seen
        Whether the host can notice it.
    parameters : mapping of str to Parameter
        Beside `at` and `every`, which all kinds with a moment take.
    """

    name: str
    count: Count
    what: str
    seen: Seen = Seen.WIRE
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault that is asked for.

    Parameters
    ----------
    kind : Kind
    at : float, optional
        When, in what the kind counts; drawn by the seed when None.
    every : float
        Mean distance to the next one, drawn by the seed; 0 is once.
    values : mapping of str to float
        All parameters of the kind.

    Examples
    --------
    >>> fault = parse_faults("ok-late:at=40:delay_s=2")[0]
    >>> fault.kind.name, fault.at, fault.values
    ('ok-late', 40.0, {'delay_s': 2.0})
    """

    kind: Kind
    at: float | None = None
    every: float = 0.0
    values: Mapping[str, float] = field(default_factory=dict)


_BYTES = {"bytes": Parameter(4, 1, 256, "how many")}
_PACKET = {"bytes": Parameter(64, 1, 4096, "how many")}
_AXIS = {"axis": Parameter(0, 0, 2, "0 is X, 1 Y, 2 Z")}
_BOOT = {"boot_s": Parameter(0.1, 0, 30, "how long it hears and says nothing")}
_LATER = {"for_s": Parameter(FOR_EVER, 0, 3600, "until it is as before; 0 is never")}


def _wire(count: Count, prefix: str, whose: str, seen: Seen) -> tuple[Kind, ...]:
    return (
        Kind(f"{prefix}byte-lost", count, f"a byte {whose} is lost", seen),
        Kind(f"{prefix}byte-flipped", count, f"one bit of a byte {whose} is the other way round", seen),
        Kind(f"{prefix}byte-doubled", count, f"a byte {whose} comes twice", seen),
        Kind(f"{prefix}burst", count, f"bytes {whose} become any others", seen, _BYTES),
        Kind(f"{prefix}noise", count, f"any bytes come between those {whose}", seen, _BYTES),
        Kind(f"{prefix}packet-lost", count, f"a run of bytes {whose} is lost", seen, _PACKET),
        Kind(f"{prefix}newline-lost", count, f"the next line end {whose} is lost", seen),
        Kind(f"{prefix}line-lost", count, f"the next whole line {whose} is lost", seen),
        Kind(f"{prefix}line-doubled", count, f"the next whole line {whose} comes twice", seen),
    )


_ANSWERS = (
    Kind("ok-lost", Count.ANSWERS, "an answer is lost"),
    Kind("ok-doubled", Count.ANSWERS, "an answer comes twice"),
    Kind("ok-garbled", Count.ANSWERS, "an answer is not readable"),
    Kind(
        "ok-late",
        Count.ANSWERS,
        "an answer, and all after it, come late",
        Seen.NOTHING,
        {"delay_s": Parameter(1.0, 0.001, 600, "how late")},
    ),
    Kind(
        "ok-error",
        Count.ANSWERS,
        "a good line is carried out and answered with an error",
        parameters={"code": Parameter(20, 1, 99, "which error")},
    ),
    Kind("status-mute", Count.SECONDS, "`?` is no longer answered, lines are", parameters=_LATER),
    Kind("false-alarm", Count.SECONDS, "`ALARM:N` on the line without an alarm",
         parameters={"code": Parameter(1, 1, 99, "which alarm")}),
    Kind("false-banner", Count.SECONDS, "a start-up banner on the line without a start"),
)  # fmt: skip

_BOARD = (
    Kind("reboot", Count.SECONDS, "the controller restarts: position forgotten, banner", parameters=_BOOT),
    Kind("reboot-silent", Count.SECONDS, "the controller restarts, unsaid", Seen.PARTLY, _BOOT),
    Kind("banner-lost", Count.SECONDS, "the controller restarts; its banner is lost", Seen.PARTLY, _BOOT),
    Kind("reset-button", Count.SECONDS, "somebody presses reset at the machine"),
    Kind("power-cut", Count.SECONDS, "the controller's power fails: head and motors off, no more answers"),
    Kind("frozen", Count.SECONDS, "the main program hangs: no answers; prepared steps run out"),
    Kind(
        "slow",
        Count.SECONDS,
        "computing takes longer from now on",
        Seen.NOTHING,
        {"times": Parameter(5, 1, 100, "how many times longer than on an 8-bit board")},
    ),
    Kind(
        "deaf",
        Count.SECONDS,
        "interrupts are off, as while EEPROM is written: bytes are lost",
        parameters={"for_s": Parameter(0.05, 0.001, 10, "how long")},
    ),
    Kind(
        "ring-small",
        Count.ALWAYS,
        "the receive ring is smaller than the controller says",
        parameters={"bytes": Parameter(64, 8, 127, "its true size")},
    ),
    Kind("alarm", Count.SECONDS, "the controller alarms by itself, as from a spike on a limit switch's wire",
         parameters={"code": Parameter(1, 1, 9, "which alarm")}),
    Kind("feed-knob", Count.SECONDS, "somebody turns the feed down a tenth at the machine", Seen.NOTHING),
)  # fmt: skip

_MACHINE = (
    Kind("limit-closes", Count.SECONDS, "a limit switch closes", Seen.PARTLY, _AXIS | _LATER),
    Kind("limit-stuck", Count.ALWAYS, "a limit switch never closes", Seen.PARTLY, _AXIS),
    Kind("limit-jammed", Count.ALWAYS, "a limit switch is closed from the start", Seen.PARTLY, _AXIS),
    Kind("probe-closed", Count.ALWAYS, "the probe's circuit is closed from the start"),
    Kind("probe-dead", Count.ALWAYS, "the probe's circuit never closes"),
    Kind(
        "door",
        Count.SECONDS,
        "the door opens",
        parameters={"for_s": Parameter(2, 0, 3600, "until it shuts; 0 is never")},
    ),
    Kind(
        "hold-button",
        Count.SECONDS,
        "somebody presses hold at the machine, and start later",
        parameters={"for_s": Parameter(2, 0, 3600, "until start is pressed; 0 is never")},
    ),
    Kind("start-button", Count.SECONDS, "somebody presses start at the machine", Seen.NOTHING),
    Kind("axis-stuck", Count.SECONDS, "an axis no longer moves", Seen.NEVER, _AXIS | _LATER),
    Kind(
        "steps-lost",
        Count.SECONDS,
        "an axis loses steps",
        Seen.NEVER,
        _AXIS | {"steps": Parameter(200, 1, 1e6, "how many")},
    ),
    Kind("spindle-dead", Count.ALWAYS, "the head never comes on, whatever is commanded", Seen.NEVER),
)  # fmt: skip

_HOST = (
    Kind("usb-gone", Count.SECONDS, "the port fails for good; the controller runs on"),
    Kind(
        "usb-renamed",
        Count.SECONDS,
        "the port fails; the controller runs on and comes back under another name",
        parameters={"after_s": Parameter(2, 0, 3600, "until it is back")},
    ),
    Kind("write-fails", Count.SECONDS, "writing to the port fails, reading goes on"),
    Kind(
        "latency",
        Count.ALWAYS,
        "the adapter hands bytes over only now and then",
        Seen.NOTHING,
        {"ms": Parameter(16, 0, 1000, "how often")},
    ),
    Kind(
        "jitter",
        Count.ALWAYS,
        "replies come up to so much later, none before another",
        Seen.NOTHING,
        {"ms": Parameter(10, 0, 1000, "at most")},
    ),
    Kind(
        "host-stall",
        Count.SECONDS,
        "the host's program gets no time; controller and planner run dry",
        Seen.NOTHING,
        {"for_s": Parameter(3, 0.01, 600, "how long")},
    ),
    Kind(
        "clock-jump",
        Count.SECONDS,
        "the host's clock jumps forward",
        Seen.NOTHING,
        {"by_s": Parameter(3600, 0.001, 1e9, "how far")},
    ),
    Kind("echo", Count.SECONDS, "the host hears its own bytes", parameters=_LATER),
)

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        *_wire(Count.SENT, "", "to the controller", Seen.PARTLY),
        *_wire(Count.HEARD, "reply-", "to the host", Seen.WIRE),
        *_ANSWERS,
        *_BOARD,
        *_MACHINE,
        *_HOST,
    )
}
"""All kinds by name; docs/virtual-controller.md shows the same table, a test compares the two."""

_MOMENT = {
    "at": Parameter(0, 0, 1e12, "when"),
    "every": Parameter(0, 0, 1e12, "again after so many more, on average"),
}
_NUMBER = re.compile(r"-?(?:\d+(?:\.\d*)?(?:e\d+)?|\.\d+)")


def parse_faults(text: str) -> tuple[Fault, ...]:
    """Read what is asked for.

    Parameters
    ----------
    text : str
        ``byte-lost,ok-late:at=40:delay_s=2``; empty is none.

    Raises
    ------
    InputError
        At an unknown kind or parameter, or a value out of range; the nearest known name is told.

    Examples
    --------
    >>> [fault.kind.name for fault in parse_faults("byte-lost, reboot:at=12.5")]
    ['byte-lost', 'reboot']
    >>> parse_faults("ok-last")
    Traceback (most recent call last):
    fabctl.errors.InputError: faults: "ok-last" is no kind of fault. Remedy: did you mean "ok-lost"?
    """
    asked = [part.strip() for part in text.split(",")] if text.strip() else []
    return tuple(_fault(part) for part in asked)


def _fault(text: str) -> Fault:
    name, *rest = text.split(":")
    kind = KINDS.get(name)
    if kind is None:
        raise InputError(f'"{name}" is no kind of fault', place="faults", remedy=nearest(name, KINDS))
    known = dict(kind.parameters) if kind.count is Count.ALWAYS else _MOMENT | dict(kind.parameters)
    given: dict[str, float] = {}
    for part in rest:
        key, _, value = part.partition("=")
        if key not in known or key in given:
            raise InputError(
                f'{name} takes no parameter "{key}"' if key not in known else f"{name} has {key} twice",
                place="faults",
                remedy=nearest(key, known) if key not in known else "give it once",
            )
        given[key] = number(f"{name}:{key}", value, known[key])
    at, every = given.pop("at", None), given.pop("every", 0.0)
    return Fault(kind, at, every, {key: p.default for key, p in kind.parameters.items()} | given)


def number(name: str, text: str, parameter: Parameter) -> float:
    """Read a number and check its range.

    Raises
    ------
    InputError
        When it is none, or out of range.
    """
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not parameter.low <= value <= parameter.high:
        raise InputError(
            f"{name}={text}: {parameter.what}: not within {parameter.low:g} … {parameter.high:g}",
            place="faults",
            remedy="give a number in that range",
        )
    return value


def nearest(name: str, known: Collection[str]) -> str:
    """Say which known name is meant, or list them all."""
    near = get_close_matches(name, known, n=1, cutoff=0.4)
    return f'did you mean "{near[0]}"?' if near else "there are: " + ", ".join(known)


def faults_table() -> str:
    """Write the table as docs/virtual-controller.md shows it.

    Examples
    --------
    >>> faults_table().splitlines()[2].split(" | ")[0]
    '| `byte-lost`'
    """
    rows = [
        f"| `{kind.name}` | {kind.what} | {kind.count.text} | {_parameters(kind)} | {kind.seen.value} |"
        for kind in KINDS.values()
    ]
    head = ["| kind | what happens | `at` counts | parameters | seen by a host |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows])


def _parameters(kind: Kind) -> str:
    return "; ".join(f"`{name}={p.default:g}` {p.what}" for name, p in kind.parameters.items()) or "–"
