"""What stands behind ``sim://``: the words after the question mark."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from fabctl.errors import InputError
from fabctl.sim.controller import Options
from fabctl.sim.faults import Fault, Parameter, nearest, number, parse_faults

SCHEME = "sim://"


@dataclass(frozen=True, slots=True)
class SimUrl:
    """A virtual controller as asked for.

    Parameters
    ----------
    text : str
        The whole URL.
    machine : str
        Whose settings the controller has; empty for whoever opens the port to decide.
    faults : tuple of Fault
        In the order given.
    seed : int
        Of all that the faults leave open.
    options : Options
        How the controller differs from an ideal one.
    """

    text: str
    machine: str
    faults: tuple[Fault, ...]
    seed: int
    options: Options


@dataclass(frozen=True, slots=True)
class _Key:
    """A word the URL may hold: which option it sets, its range, and what it is."""

    option: str
    range: Parameter
    make: Callable[[float], Any]


_NUMBERS: dict[str, _Key] = {
    "seed": _Key("", Parameter(0, 0, 2**63, "of all that the faults leave open"), int),
    "latency_ms": _Key(
        "latency_s", Parameter(0, 0, 1000, "how often a USB adapter hands bytes over"), lambda v: v / 1000
    ),
    "delay_ms": _Key("delay_s", Parameter(0, 0, 10_000, "plain delay each way"), lambda v: v / 1000),
    "baud": _Key("baud", Parameter(115_200, 300, 10_000_000, "bits a second"), int),
    "cpu": _Key("cpu_model", Parameter(1, 0, 1, "1: computing takes the time of an 8-bit board"), bool),
    "homed": _Key("homed", Parameter(0, 0, 1, "1: homed before, knows its position"), bool),
    "plate_mm": _Key(
        "plate_mm",
        Parameter(0, -1000, 1000, "machine Z of a plate that closes the probe's circuit; none when left out"),
        float,
    ),
    "blank": _Key("blank_eeprom", Parameter(0, 0, 1, "1: straight from the factory"), bool),
}
_TEXTS = {"machine": "whose settings it has", "faults": "what goes wrong, see below"}


def parse_url(text: str, options: Options | None = None) -> SimUrl:
    """Read a ``sim://`` URL.

    Parameters
    ----------
    text : str
        ``sim://`` or ``sim://?faults=byte-lost,ok-late:at=40&seed=7&latency_ms=16``.
    options : Options, optional
        What holds for keys the URL does not name.

    Raises
    ------
    InputError
        At unknown, doubled or unreadable keys; the nearest known one is told.

    Examples
    --------
    >>> asked = parse_url("sim://?faults=byte-lost,reboot:at=12.5&seed=7&latency_ms=16")
    >>> [fault.kind.name for fault in asked.faults], asked.seed, asked.options.latency_s
    (['byte-lost', 'reboot'], 7, 0.016)
    """
    if not text.startswith(SCHEME):
        raise InputError(f"{text} is no {SCHEME} URL", remedy=f"begin it with {SCHEME}")
    before, _, query = text.removeprefix(SCHEME).partition("?")
    if before.strip("/"):
        raise InputError(f'"{before}" after {SCHEME}', file=text, remedy=f"write {SCHEME}?machine={before}")
    words = _words(text, query)
    changes, numbers = {}, {}
    for name, value in words.items():
        if name in _NUMBERS:
            key = _NUMBERS[name]
            numbers[name] = key.make(number(name, value, key.range))
            if key.option:
                changes[key.option] = numbers[name]
    return SimUrl(
        text,
        words.get("machine", ""),
        parse_faults(words.get("faults", "")),
        int(numbers.get("seed", 0)),
        replace(options or Options(), **changes),
    )


def _words(text: str, query: str) -> dict[str, str]:
    words: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in _NUMBERS and name not in _TEXTS:
            raise InputError(
                f'"{name}" is no key of {SCHEME}', file=text, remedy=nearest(name, (*_TEXTS, *_NUMBERS))
            )
        if name in words:
            raise InputError(f"{name} is there twice", file=text, remedy="give it once")
        words[name] = value
    return words


def url_table() -> str:
    """Write the keys as docs/virtual-controller.md shows them.

    Examples
    --------
    >>> url_table().splitlines()[0]
    '| key | meaning | range |'
    """
    rows = [f"| `{name}` | {what} | – |" for name, what in _TEXTS.items()]
    rows += [
        f"| `{name}` | {key.range.what} | {key.range.low:.10g} … {key.range.high:.10g} |"
        for name, key in _NUMBERS.items()
    ]
    return "\n".join(["| key | meaning | range |", "|---|---|---|", *rows])
