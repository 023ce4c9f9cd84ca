"""Grbl's own settings: read a ``$$`` list, and say where a machine differs from its profile."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fabctl.errors import ProfileError
from fabctl.shop.library import MAX_BYTES
from fabctl.shop.machine import Machine
from fabctl.shop.schema import Problem, refuse, shown
from fabctl.units import MM_PER_INCH

MEANING: dict[int, str] = {
    0: "step pulse, µs",
    1: "step idle delay, ms",
    2: "step pulse invert, mask",
    3: "direction invert, mask",
    4: "step enable invert",
    5: "limit pins invert",
    6: "probe pin invert",
    10: "status report, mask",
    11: "junction deviation, mm",
    12: "arc tolerance, mm",
    13: "report in inches",
    20: "soft limits",
    21: "hard limits",
    22: "homing cycle",
    23: "homing direction invert, mask",
    24: "homing locate rate, mm/min",
    25: "homing seek rate, mm/min",
    26: "homing debounce, ms",
    27: "homing pull-off, mm",
    30: "S at full speed or power",
    31: "S at slowest speed or power",
    32: "laser mode",
    **{100 + axis: f"{name} steps/mm" for axis, name in enumerate("XYZ")},
    **{110 + axis: f"{name} maximum rate, mm/min" for axis, name in enumerate("XYZ")},
    **{120 + axis: f"{name} acceleration, mm/s²" for axis, name in enumerate("XYZ")},
    **{130 + axis: f"{name} travel, mm" for axis, name in enumerate("XYZ")},
}
"""What each setting of Grbl 1.1 is, with its unit. Source: Grbl 1.1 doc/csv."""

_POSITIVE = frozenset({11, 12, 24, 25, 27, 30, *range(100, 103), *range(110, 113), *range(120, 123)})
_NEEDED = frozenset({100, 101, 110, 111, 120, 121, 130, 131})
_SETTING = re.compile(r"\$\s*([A-Za-z0-9_]+)\s*=\s*([^;(]*)")

MOST_CONTRADICTIONS = 5
"""More settings given twice with different values are the lists of several machines in one file."""

CHANGES_NOTHING = frozenset({0, 10})
"""Settings that may differ without a change in what is cut."""


@dataclass(frozen=True, slots=True)
class Settings:
    """A controller's settings as a ``$$`` list gave them.

    Parameters
    ----------
    values : mapping of int to float
        By number, in the units of `MEANING`: Grbl stores mm whatever ``$13`` says.
    notes : tuple of str
        What was skipped or said twice, with its line.
    source : str
        Where the list came from.
    """

    values: Mapping[int, float]
    notes: tuple[str, ...] = ()
    source: str = ""

    @property
    def reports_inches(self) -> bool:
        """Whether positions in status reports are inches (``$13=1``)."""
        return self.values.get(13, 0) == 1

    def position_mm(self, reported: float) -> float:
        """Return a position of a status report in mm.

        Examples
        --------
        >>> Settings({13: 1}).position_mm(2.0), Settings({13: 0}).position_mm(2.0)
        (50.8, 2.0)
        """
        return reported * MM_PER_INCH if self.reports_inches else reported

    @property
    def travel_mm(self) -> tuple[float, float, float]:
        """Travel of X, Y and Z, mm; 0 for an axis the list does not name."""
        return self.values.get(130, 0.0), self.values.get(131, 0.0), self.values.get(132, 0.0)


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting that is not what the profile implies; ``seen`` is None when the list lacks it."""

    number: int
    expected: float
    seen: float | None

    def __str__(self) -> str:
        seen = "missing" if self.seen is None else f"{self.seen:g}"
        return f"${self.number} ({MEANING[self.number]}): {seen}, the profile says {self.expected:g}"


def read_settings(path: str | Path) -> Settings:
    """Read a file of settings, as a terminal or a sender saved it.

    Parameters
    ----------
    path : str or Path
        Text with lines ``$110=5000``; comments in ``;`` or parentheses and other lines are passed over.

    Raises
    ------
    ProfileError
        When the file cannot be read, or with everything that is wrong in it.
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES)
    except OSError as error:
        raise ProfileError(
            f"cannot be read: {error.strerror or error}", file=str(path), remedy="check the path"
        ) from error
    return parse_settings(raw.decode("utf-8", errors="replace"), source=str(path))


def parse_settings(text: str, *, source: str = "$$") -> Settings:
    """Read a list of settings.

    Parameters
    ----------
    text : str
        What ``$$`` answered.
    source : str
        Where it came from, for messages.

    Returns
    -------
    Settings
        Unknown numbers and a value given twice are noted (the last counts, as on the controller).

    Raises
    ------
    ProfileError
        Listing every value that is no number, negative or 0 where it must not be, and every setting
        without which the work area or the motion is unknown.

    Examples
    --------
    >>> parse_settings("$100=80 (x, step/mm)", source="a.set")
    Traceback (most recent call last):
    fabctl.errors.ProfileError: a.set: 7 problems: ...
    """
    values: dict[int, float] = {}
    lines: dict[int, int] = {}
    notes: list[str] = []
    twice: list[str] = []
    problems: list[Problem] = []
    # A list has some 35 lines; each is judged by itself, in the order of the file.
    for line, name, written in _assignments(text):
        number = int(name) if name.isdecimal() and len(name) < 6 else -1
        if number not in MEANING:
            notes.append(f"line {line}: ${name} is no setting of Grbl 1.1: passed over")
            continue
        value = _number(written)
        if wrong := _wrong(number, value):
            problems.append(Problem(f"line {line}, ${number}", f"{shown(written)} {wrong}", MEANING[number]))
            lines[number] = line
            continue
        if number in values and values[number] != value:
            again = f"${number} = {value:g} again, line {lines[number]} says {values[number]:g}"
            twice.append(f"line {line}: {again}; the last one counts")
        values[number], lines[number] = value, line
    problems += [
        Problem(f"${number}", f"missing: {MEANING[number]} is unknown", "a line of the whole $$ list")
        for number in sorted(_NEEDED - set(lines))
    ]
    if len(twice) > MOST_CONTRADICTIONS:
        several = f"{len(twice)} settings stand twice with other values, the first: {twice[0]}"
        problems.append(Problem("", several, "the list of one machine"))
    refuse(problems, file=source, remedy="save the whole answer to $$ of one controller anew")
    return Settings(dict(sorted(values.items())), (*notes, *twice), source)


def _assignments(text: str) -> Iterator[tuple[int, str, str]]:
    for line, content in enumerate(text.splitlines(), 1):
        match = _SETTING.match(content.strip())
        if match:
            yield line, match.group(1), match.group(2).strip()


def _number(written: str) -> float:
    plain = re.fullmatch(r"[-+]?(?:\d+\.?\d*|\.\d+)", written)
    return float(written) if plain and len(written) <= 20 else math.nan


def _wrong(number: int, value: float) -> str:
    if math.isnan(value):
        return "is not a number"
    if value < 0:
        return "is negative"
    return "must be more than 0" if number in _POSITIVE and value == 0 else ""


def compare(machine: Machine, settings: Settings) -> tuple[Difference, ...]:
    """Return where a controller's settings are not what the machine's profile implies.

    Parameters
    ----------
    machine : Machine
        The profile.
    settings : Settings
        What the controller says.

    Returns
    -------
    tuple of Difference
        By number; equal as far as Grbl prints (three decimals of a 24-bit float) is the same, and
        settings that change nothing in what is cut (`CHANGES_NOTHING`) are left out.
    """
    found = []
    rules = machine.firmware.settings
    for number, expected in rules.wanted(machine.settings()).items():
        seen = settings.values.get(number)
        if number in CHANGES_NOTHING:
            continue
        if not rules.agree(number, expected, seen):
            found.append(Difference(number, expected, seen))
    return tuple(found)
