"""Check a TOML file against a table of keys and name everything that is wrong with it at once.

A schema is a `Table` of `Key` rows and `Rule` rows. The same rows check the files, fill the defaults
and are compared with docs/profiles.md by the tests, so a key that exists is a key that is documented.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final, Literal

from fabctl.errors import ProfileError

Kind = Literal[
    "number", "integer", "flag", "text", "name", "path", "numbers", "pairs", "texts", "table", "tables"
]

REQUIRED: Final = object()
"""The default of a key that must be written."""

ABSENT: Final = None
"""The default of a key or table that may be left out and then has no value."""

UNITS: dict[str, str] = {
    "decimals_mm": "",
    "_mm_min": "mm/min",
    "_m_min": "m/min",
    "_mm_s2": "mm/s²",
    "_j_mm2": "J/mm²",
    "_j_mm": "J/mm",
    "_kg_m3": "kg/m³",
    "_per_mm": "1/mm",
    "_mm": "mm",
    "_deg": "deg",
    "_rpm": "rpm",
    "_ms": "ms",
    "_us": "µs",
    "_s": "s",
    "_w": "W",
    "_nm": "nm",
    "_hz": "Hz",
    "_rad": "rad",
    "_bytes": "bytes",
    "_chars": "characters",
    "_blocks": "blocks",
}
"""Unit of a key by the end of its name; the first match counts."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"com{i}" for i in range(10)), *(f"lpt{i}" for i in range(10))]
)


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a TOML table.

    Parameters
    ----------
    name : str
        The key as it is written, with its unit: ``feed_mm_min``.
    kind : str
        What the value is: ``number`` (an integer is one too), ``integer``, ``flag`` (true or false),
        ``text``, ``name`` (of another file), ``path`` (inside the file's folder), ``numbers``,
        ``pairs`` (of numbers), ``texts``, ``table``, ``tables``.
    meaning : str
        One line for the person who writes the file.
    default : object
        The value when left out; `REQUIRED` when it may not be, `ABSENT` when there is none then.
        A ``table`` whose default is ``{}`` gets its keys' own defaults.
    low, high : float
        Accepted range, both ends included.
    choices : tuple of str
        The accepted texts; empty when any will do.
    count : int
        Length of ``numbers``; 0 when any length will do.
    table : Table, optional
        The keys of a ``table`` or of each of the ``tables``.
    """

    name: str
    kind: Kind
    meaning: str
    default: object = REQUIRED
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    count: int = 0
    table: Table | None = None

    @property
    def unit(self) -> str:
        """The unit the key's name carries, such as ``mm/min``; empty for none."""
        return next((unit for end, unit in UNITS.items() if self.name.endswith(end)), "")

    @property
    def accepted(self) -> str:
        """What may be written, in words: ``a number from 0 to 10 mm``.

        Examples
        --------
        >>> Key("tip_mm", "number", "", low=0, high=10).accepted
        'a number from 0 to 10 mm'
        >>> Key("kind", "text", "", choices=("pen", "laser")).accepted
        '"pen" or "laser"'
        """
        if self.choices:
            return " or ".join(f'"{choice}"' for choice in self.choices)
        bounds = f" from {_plain(self.low)} to {_plain(self.high)} {self.unit}".rstrip()
        span = bounds if math.isfinite(self.low) else ""
        many = f"a list of {self.count} numbers" if self.count else "a list of numbers"
        return {
            "number": f"a number{span}",
            "integer": f"a whole number{span}",
            "flag": "true or false",
            "text": "a line of text of up to 300 characters",
            "name": "a name of letters, digits, dots, dashes and underscores",
            "path": "a path inside the file's own folder, written with /",
            "numbers": f"{many}{span}",
            "pairs": f"a list of pairs of numbers{span}",
            "texts": "a list of texts",
            "table": f"a table [{self.name}]",
            "tables": f"tables [[{self.name}]]",
        }[self.kind]


def _plain(number: float) -> str:
    return f"{number:.0f}" if float(number).is_integer() else f"{number:g}"


@dataclass(frozen=True, slots=True)
class Rule:
    """What keys of one table must hold among themselves.

    Parameters
    ----------
    keys : tuple of str
        Dotted names below the table; the rule is asked only when all of them are right in themselves.
    holds : callable
        Takes their values in that order, returns whether all is well.
    problem, accepted : str
        What is wrong when it does not hold, and what would be right.
    """

    keys: tuple[str, ...]
    holds: Callable[..., bool]
    problem: str
    accepted: str


@dataclass(frozen=True, slots=True)
class Table:
    """The keys of one TOML table and the rules among them."""

    keys: tuple[Key, ...]
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong: where (``[axes.x] travel_mm``), what was seen, what is accepted."""

    place: str
    problem: str
    accepted: str = ""

    def __str__(self) -> str:
        text = f"{self.place}: {self.problem}" if self.place else self.problem
        return f"{text} (accepted: {self.accepted})" if self.accepted else text


@dataclass(slots=True)
class _Check:
    """The problems found so far; the walk adds to them and never stops at the first."""

    problems: list[Problem] = field(default_factory=list)

    def add(self, path: Sequence[str], problem: str, accepted: str = "") -> None:
        """Note one problem at a key path."""
        self.problems.append(Problem(place(path), problem, accepted))

    def table(self, data: Mapping[str, Any], table: Table, path: tuple[str, ...]) -> dict[str, Any]:
        """Return the values that are right, defaults filled in; keys that are wrong are left out."""
        known = {key.name: key for key in table.keys}
        for name in data:
            if name not in known:
                near = get_close_matches(name, known, n=1, cutoff=0.5)
                hint = f'; the nearest known key is "{near[0]}"' if near else ""
                self.add((*path, name), f"unknown key{hint}", ", ".join(sorted(known)))
        values: dict[str, Any] = {}
        for key in table.keys:
            before = len(self.problems)
            value = self.entry(data, key, path)
            if len(self.problems) == before or key.kind in {"table", "tables"}:
                values[key.name] = value
        for rule in table.rules:
            found = [_dig(values, dotted, table) for dotted in rule.keys]
            if _Missing not in found and not rule.holds(*found):
                self.add((*path, *rule.keys[0].split(".")), rule.problem, rule.accepted)
        return values

    def entry(self, data: Mapping[str, Any], key: Key, path: tuple[str, ...]) -> Any:
        """Return the checked value of one key, or its default."""
        here = (*path, key.name)
        if key.name not in data:
            if key.default is REQUIRED:
                self.add(here, "missing", key.accepted)
            if key.kind == "table" and key.table is not None and key.default == {}:
                return self.table({}, key.table, here)
            return key.default
        return self.value(data[key.name], key, here)

    def value(self, value: Any, key: Key, here: tuple[str, ...]) -> Any:
        """Return the value converted to what its kind promises; a wrong one is reported."""
        if key.kind == "table" and isinstance(value, dict) and key.table is not None:
            return self.table(value, key.table, here)
        if key.kind == "tables" and key.table is not None and _is_list_of(value, dict):
            below = (*here[:-1], f"{here[-1]}#")
            return tuple(
                self.table(item, key.table, (*below[:-1], f"{below[-1]}{number}"))
                for number, item in enumerate(value, 1)
            )
        judge = _SCALARS.get(key.kind)
        problem = judge(value, key) if judge else f"{shown(value)} is not accepted"
        if problem:
            self.add(here, problem, key.accepted)
            return None
        return _CONVERSIONS[key.kind](value) if key.kind in _CONVERSIONS else value


class _Missing:
    """Stands for a value that was wrong, so that no rule judges it a second time."""


def _dig(values: Mapping[str, Any], dotted: str, table: Table) -> Any:
    found: Any = values
    below: Table | None = table
    for part in dotted.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return _Missing
        found = found[part]
        below = next((key.table for key in below.keys if key.name == part), None) if below else None
    return found if _is_whole(found, below) else _Missing


def _is_whole(value: object, table: Table | None) -> bool:
    """Return whether nothing in a value was left out for being wrong."""
    if table is None or not isinstance(value, Mapping):
        return True
    return all(key.name in value and _is_whole(value[key.name], key.table) for key in table.keys)


def _is_list_of(value: object, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


def shown(value: object) -> str:
    """Return a value as an error message shows it: short, on one line, quoted when it is text.

    Examples
    --------
    >>> shown("six hundred")
    "'six hundred'"
    >>> shown(True)
    'true'
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, int) and abs(value) >= 10**20:
        return "a number of more than 20 digits"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def place(path: Sequence[str]) -> str:
    """Return a key path as TOML writes it: ``[axes.x] travel_mm``.

    Examples
    --------
    >>> place(("axes", "x", "travel_mm"))
    '[axes.x] travel_mm'
    >>> place(("operation#2", "tool"))
    '[[operation]] 2 tool'
    """
    shown_parts = [part if part.isprintable() and len(part) <= 60 else ascii(part)[:60] for part in path]
    *tables, key = shown_parts
    if not tables:
        return key
    head, _, number = ".".join(tables).partition("#")
    return f"[[{head}]] {number} {key}" if number else f"[{head}] {key}"


def _number(value: object, key: Key) -> str:
    wanted = (int, float) if key.kind == "number" else (int,)
    if isinstance(value, bool) or not isinstance(value, wanted):
        return f"{shown(value)} is not a {'number' if key.kind == 'number' else 'whole number'}"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is not a finite number"
    return "" if key.low <= value <= key.high else f"{shown(value)} is out of range"


def _numbers(value: object, key: Key) -> str:
    if not isinstance(value, list) or not value:
        return f"{shown(value)} is not a list of numbers"
    if key.count and len(value) != key.count:
        return f"{len(value)} numbers, expected {key.count}"
    single = Key(key.name, "number", key.meaning, low=key.low, high=key.high)
    return next((problem for item in value if (problem := _number(item, single))), "")


def _pairs(value: object, key: Key) -> str:
    if not isinstance(value, list) or not value:
        return f"{shown(value)} is not a list of pairs"
    pair = Key(key.name, "numbers", key.meaning, low=key.low, high=key.high, count=2)
    return next((problem for item in value if (problem := _numbers(item, pair))), "")


def _flag(value: object, _key: Key) -> str:
    return "" if isinstance(value, bool) else f"{shown(value)} is not true or false"


def _text(value: object, key: Key) -> str:
    if not isinstance(value, str):
        return f"{shown(value)} is not text"
    if key.choices and value not in key.choices:
        near = get_close_matches(value, key.choices, n=1)
        return f"{shown(value)} is not a choice" + (f'; the nearest is "{near[0]}"' if near else "")
    return "" if value.isprintable() and len(value) <= 300 else f"{shown(value)} is too long or unprintable"


def _texts(value: object, key: Key) -> str:
    if not isinstance(value, list):
        return f"{shown(value)} is not a list of texts"
    return next((problem for item in value if (problem := _text(item, key))), "")


def _name(value: object, _key: Key) -> str:
    if not isinstance(value, str):
        return f"{shown(value)} is not text"
    return "" if is_name(value) else f"{shown(value)} is not a plain name"


def _path(value: object, _key: Key) -> str:
    if not isinstance(value, str):
        return f"{shown(value)} is not text"
    parts = value.split("/")
    plain = value.isprintable() and 0 < len(value) <= 300 and not set(value) & set('\\:*?"<>|')
    if not plain or value.startswith("~") or any(part in {"", ".", ".."} for part in parts):
        return f"{shown(value)} does not stay inside the file's folder"
    return ""


_SCALARS: dict[str, Callable[[object, Key], str]] = {
    "number": _number,
    "integer": _number,
    "flag": _flag,
    "text": _text,
    "name": _name,
    "path": _path,
    "numbers": _numbers,
    "pairs": _pairs,
    "texts": _texts,
}


_CONVERSIONS: dict[str, Callable[[Any], object]] = {
    "number": float,
    "numbers": lambda value: tuple(map(float, value)),
    "pairs": lambda value: tuple((float(one), float(two)) for one, two in value),
    "texts": tuple,
}


def is_name(text: str) -> bool:
    """Return whether a text is a plain name: a file may be called so on every system.

    Examples
    --------
    >>> is_name("endmill-3.175"), is_name("../evil"), is_name("nul"), is_name("a..b")
    (True, False, False, False)
    """
    stem = text.split(".", maxsplit=1)[0].lower()
    return bool(_NAME.fullmatch(text)) and ".." not in text and stem not in _DEVICES


def check(data: Mapping[str, Any], table: Table, *, file: str) -> dict[str, Any]:
    """Return the checked values of a parsed TOML file with its defaults filled in.

    Parameters
    ----------
    data : mapping
        What tomllib returned.
    table : Table
        The schema.
    file : str
        The file as the person named it, for the message.

    Returns
    -------
    dict
        Nested dicts as in the file; ``number`` values are float, lists are tuples.

    Raises
    ------
    ProfileError
        With every problem of the file: key path, what was seen, what is accepted.

    Examples
    --------
    >>> table = Table((Key("feed_mm_min", "number", "feed", low=1, high=5000),))
    >>> check({"feed_mm_min": 300}, table, file="a.toml")
    {'feed_mm_min': 300.0}
    """
    run = _Check()
    values = run.table(data, table, ())
    refuse(run.problems, file=file)
    return values


_REMEDY = "correct the file; docs/profiles.md has every key with its unit, range and meaning"


def refuse(problems: Sequence[Problem], *, file: str, remedy: str = _REMEDY) -> None:
    """Raise one error that lists all problems, or return when there are none.

    Parameters
    ----------
    problems : sequence of Problem
        What was found.
    file : str
        The file as the person named it.
    remedy : str
        What to do about it.

    Raises
    ------
    ProfileError
        When there is at least one problem.
    """
    if len(problems) == 1:
        only = problems[0]
        accepted = f" (accepted: {only.accepted})" if only.accepted else ""
        raise ProfileError(f"{only.problem}{accepted}", file=file, place=only.place, remedy=remedy)
    if problems:
        lines = "".join(f"\n  {number}. {problem}" for number, problem in enumerate(problems, 1))
        raise ProfileError(f"{len(problems)} problems:{lines}", file=file, remedy=remedy)


def rows(table: Table, prefix: str = "") -> list[tuple[str, str, str, str]]:
    """Return the table of keys for a person: key path, accepted, default, meaning.

    Examples
    --------
    >>> rows(Table((Key("pull_mm", "number", "way back", low=0, high=9, default=1),)))
    [('pull_mm', 'a number from 0 to 9 mm', '1', 'way back')]
    """
    found: list[tuple[str, str, str, str]] = []
    for key in table.keys:
        name = f"{prefix}{key.name}"
        if key.table is not None:
            found.append((f"[[{name}]]" if key.kind == "tables" else f"[{name}]", *_described(key)))
            found.extend(rows(key.table, f"{name}."))
        else:
            found.append((name, *_described(key)))
    return found


def rules(table: Table, prefix: str = "") -> list[tuple[str, str, str]]:
    """Return the rules among keys for a person: key path, what is wrong otherwise, what is right."""
    found = [(f"{prefix}{rule.keys[0]}", rule.problem, rule.accepted) for rule in table.rules]
    for key in table.keys:
        if key.table is not None:
            found.extend(rules(key.table, f"{prefix}{key.name}."))
    return found


def _described(key: Key) -> tuple[str, str, str]:
    if key.default is REQUIRED:
        default = "must be given"
    elif key.default is ABSENT or key.default in ({}, ()):
        default = "may be left out"
    elif isinstance(key.default, bool):
        default = str(key.default).lower()
    else:
        default = f'"{key.default}"' if isinstance(key.default, str) else f"{key.default:g}"
    return key.accepted, default, key.meaning
