"""The table of facts: cases, their steps, and on what each of them depends."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from fabctl.shop.dialect import Behaviour
from fabctl.shop.firmware import Firmware
from fabctl.shop.schema import ABSENT, Key, Table, check

FILE = Path(__file__).with_name("facts.toml")

NEEDS: dict[str, str] = {
    "motion": "moves the machine a few millimetres: --motion",
    "outputs": "switches spindle, beam or coolant: --outputs",
    "eeprom": "stores something in the controller and puts it back: --eeprom",
    "bench": "takes a wiring, a travel or a patience that only the virtual controller has",
}
"""What a case may need, and how a person allows it."""


def _range(name: str, meaning: str) -> Key:
    return Key(name, "numbers", meaning, default=ABSENT, count=2, low=-1e6, high=1e6)


STATUS = Table(
    (
        Key("state", "text", "a regular expression for the state"),
        Key("report", "text", "a regular expression for the whole report", default=".*"),
        Key("within", "number", "s until it must be so", default=5.0, low=0, high=600),
        Key("silent", "flag", "or no answer at all", default=False),
        _range("after", "s after the step began"),
        _range("x", "machine position, from where the case began, mm"),
        _range("y", "machine position, from where the case began, mm"),
        _range("z", "machine position, from where the case began, mm"),
        _range("speed", "feed reported, mm/min"),
        _range("spindle", "spindle speed or beam reported"),
    )
)

STEP = Table(
    (
        Key("send", "text", "what is sent", default=""),
        Key("wait", "number", "s to listen before anything is judged", default=0.0, low=0, high=7200),
        Key("expect", "texts", "regular expressions that must come in this order", default=()),
        Key("within", "number", "s until they must have come", default=2.0, low=0, high=600),
        Key("never", "text", "a regular expression no line may match", default=""),
        Key("count", "text", "a regular expression to be counted", default=""),
        Key("least", "integer", "fewest lines that may match", default=0, low=0, high=1000),
        Key("most", "integer", "most lines that may match", default=0, low=0, high=1000),
        Key("status", "table", "what `?` must say", default=ABSENT, table=STATUS),
        _range("power", "PWM duty, 0 to 1"),
    )
)

BENCH = Table(
    (
        Key("blank_eeprom", "flag", "a board straight from the factory", default=ABSENT),
        Key("homed", "flag", "it was homed before", default=ABSENT),
        Key("start_mm", "numbers", "where it stands", default=ABSENT, count=3),
        Key("switches", "flag", "there are limit switches", default=ABSENT),
        Key("probe_z_mm", "number", "where the plate lies", default=ABSENT),
        Key("probe_closed", "flag", "the probe touches from the beginning", default=ABSENT),
        Key("stuck_axes", "numbers", "axes whose switch never closes", default=ABSENT),
        Key("closed_axes", "numbers", "axes whose switch never opens", default=ABSENT),
    )
)

CASE = Table(
    (
        Key("row", "text", "row of the list of facts"),
        Key("name", "text", "the fact"),
        Key("needs", "texts", "what a person must allow", default=(), choices=tuple(NEEDS)),
        Key("only", "texts", "firmware profiles it speaks of", default=()),
        Key("when", "texts", "behaviours that must hold, or with - must not", default=()),
        Key("settings", "texts", "what the controller must be set to", default=()),
        Key("bench", "table", "how the virtual controller is made", default={}, table=BENCH),
        Key("reset", "flag", "begin after the banner, unlocked", default=True),
        Key("steps", "tables", "the exchanges", table=STEP),
    )
)

ELSEWHERE = Table(
    (
        Key("row", "text", "row of the list of facts"),
        Key("reason", "text", "why no exchange of bytes shows it"),
    )
)

FACTS = Table(
    (
        Key("case", "tables", "the cases", table=CASE),
        Key("elsewhere", "tables", "rows without a case", default=(), table=ELSEWHERE),
    )
)
"""Schema of facts.toml."""

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a status report must say; see `STATUS`."""

    state: str
    report: str = ".*"
    within_s: float = 5.0
    silent: bool = False
    after_s: Range | None = None
    figures: Mapping[str, Range] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One exchange; see `STEP`."""

    send: bytes = b""
    wait_s: float = 0.0
    expect: tuple[str, ...] = ()
    within_s: float = 2.0
    never: str = ""
    count: str = ""
    least: int = 0
    most: int = 0
    status: Wanted | None = None
    power: Range | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One fact and how it is shown; see `CASE`.

    Parameters
    ----------
    settings : dict of int to float
        What the controller must be set to.
    bench : dict
        How the virtual controller is made, the keys of `BENCH` that are given.
    """

    row: str
    name: str
    steps: tuple[Step, ...]
    needs: frozenset[str] = frozenset()
    only: tuple[str, ...] = ()
    when: tuple[str, ...] = ()
    settings: Mapping[int, float] = field(default_factory=dict)
    bench: Mapping[str, Any] = field(default_factory=dict)
    reset: bool = True

    def speaks_of(self, firmware: Firmware) -> bool:
        """Tell whether the case is a fact of this firmware."""
        return not self.only or firmware.name in self.only

    def holds_where(self, behaviour: Behaviour) -> bool:
        """Tell whether this firmware does what the case takes for granted."""
        return all(
            bool(getattr(behaviour, name.removeprefix("-"))) is not name.startswith("-") for name in self.when
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """The whole table.

    Parameters
    ----------
    cases : tuple of Case
        In the order of the rows.
    elsewhere : dict of str to str
        Rows without a case, and why.
    """

    cases: tuple[Case, ...]
    elsewhere: Mapping[str, str]


@cache
def load_facts() -> Facts:
    """Read and check the table that comes with fabctl.

    Raises
    ------
    ProfileError
        With everything that is wrong in it.
    """
    values = check(tomllib.loads(FILE.read_text(encoding="utf-8")), FACTS, file=str(FILE))
    return Facts(
        tuple(_case(row) for row in values["case"]),
        {row["row"]: row["reason"] for row in values["elsewhere"]},
    )


def _case(row: Mapping[str, Any]) -> Case:
    settings = (text.removeprefix("$").split("=") for text in row["settings"])
    return Case(
        row["row"],
        row["name"],
        tuple(_step(step) for step in row["steps"]),
        needs=frozenset(row["needs"]),
        only=tuple(row["only"]),
        when=tuple(row["when"]),
        settings={int(number): float(value) for number, value in settings},
        bench={key: value for key, value in row["bench"].items() if value is not None},
        reset=row["reset"],
    )


def _step(row: Mapping[str, Any]) -> Step:
    return Step(
        send=unescaped(row["send"]),
        wait_s=row["wait"],
        expect=tuple(row["expect"]),
        within_s=row["within"],
        never=row["never"],
        count=row["count"],
        least=row["least"],
        most=row["most"],
        status=_wanted(row["status"]) if row["status"] else None,
        power=_pair(row["power"]),
    )


def _wanted(row: Mapping[str, Any]) -> Wanted:
    figures = {name: _pair(row[name]) for name in ("x", "y", "z", "speed", "spindle")}
    return Wanted(
        row["state"],
        report=row["report"],
        within_s=row["within"],
        silent=row["silent"],
        after_s=_pair(row["after"]),
        figures={name: pair for name, pair in figures.items() if pair is not None},
    )


def _pair(values: tuple[float, ...] | None) -> Range | None:
    return None if values is None else (values[0], values[1])


def unescaped(text: str) -> bytes:
    r"""Return the bytes of a text of the table.

    Examples
    --------
    >>> unescaped(r"(\xC3\xA0)\n")
    b'(\xc3\xa0)\n'
    """
    pieces = re.split(r"\\(n|x[0-9A-F]{2})", text)
    codes = (b"\n" if code == "n" else bytes([int(code[1:], 16)]) for code in pieces[1::2])
    plain = (piece.encode("ascii") for piece in pieces[::2])
    return next(plain) + b"".join(code + piece for code, piece in zip(codes, plain, strict=True))
