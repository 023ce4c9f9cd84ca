"""What a controller's firmware understands and how fast it is."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from fabctl.errors import ProfileError
from fabctl.shop.dialect import (
    BEHAVIOUR,
    SETTING,
    SPEAKS,
    Behaviour,
    SettingRules,
    Speech,
    setting_rules,
    speech,
)
from fabctl.shop.library import load, locate, names
from fabctl.shop.schema import Key, Rule, Table

_WORD = re.compile(r"[GM](?:0|[1-9]\d{0,2})(?:\.\d)?")

CODE = Table(
    (
        Key("number", "integer", "the number behind error: or ALARM:", low=0, high=255),
        Key("meaning", "text", "what it says, in words"),
        Key("position_lost", "flag", "true when homing must come next", default=False),
    )
)

REALTIME = Table(
    (
        Key("number", "integer", "the byte", low=0, high=255),
        Key("meaning", "text", "what it makes the controller do"),
    )
)

COST = Table(
    (
        Key("line_s", "number", "time for any line", default=0.0, low=0, high=1),
        Key("char_s", "number", "more for each character", default=0.0, low=0, high=1),
        Key("word_s", "number", "more for each word", default=0.0, low=0, high=1),
        Key("digit_s", "number", "more for each digit", default=0.0, low=0, high=1),
        Key("replan_s", "number", "more for each block planned anew", default=0.0, low=0, high=1),
        Key("segment_s", "number", "more for each segment handed to the stepper", default=0.0, low=0, high=1),
        Key("step_s", "number", "more for each step of the fastest axis", default=0.0, low=0, high=1),
    )
)

ARC = Table(
    (
        Key(
            "radius_error_mm",
            "number",
            "radii at start and end may differ by this much without a question",
            low=0,
            high=1,
        ),
        Key("radius_error_ratio", "number", "and up to this share of the radius", low=0, high=1),
        Key("radius_error_max_mm", "number", "but never by more than this", low=0, high=10),
        Key("full_circle_rad", "number", "an arc that turns less is a full circle", low=0, high=1),
    )
)

FIRMWARE = Table(
    (
        Key("name", "name", "the file's name without .toml"),
        Key("title", "text", "what a person calls it"),
        Key("rx_buffer_bytes", "integer", "size of the receive ring", low=16, high=65536),
        Key("window_bytes", "integer", "most bytes the sender lets be under way", low=16, high=65536),
        Key("line_limit_chars", "integer", "longest line taken, blanks removed", low=20, high=1024),
        Key("emit_limit_chars", "integer", "longest line fabctl writes", low=20, high=1024),
        Key("planner_blocks", "integer", "blocks in the planner", low=1, high=4096),
        Key("look_ahead_blocks", "integer", "blocks it really looks ahead", low=1, high=4096),
        Key("decimals_mm", "integer", "decimals of a coordinate in mm", low=0, high=6),
        Key("dwell_step_s", "number", "G4 is rounded up to a multiple of this", low=0, high=1),
        Key("max_step_hz", "integer", "most steps a second of one axis", low=1000, high=10_000_000),
        Key("words", "texts", "G and M words accepted, such as G0, G38.2, M3"),
        Key("letters", "texts", "other letters accepted, such as X, F, S"),
        Key("eeprom_words", "texts", "words that write EEPROM: sent alone, their ok awaited", default=()),
        Key("sync_words", "texts", "words that let the planner run empty first", default=()),
        Key("arc", "table", "when an arc's radii disagree", table=ARC),
        Key(
            "cost",
            "table",
            "processor time of the controller; 0 where nobody measured",
            default={},
            table=COST,
        ),
        Key("speaks", "table", "what it says", table=SPEAKS),
        Key("behaviour", "table", "what it does otherwise than Grbl 1.1", default={}, table=BEHAVIOUR),
        Key("setting", "tables", "settings that differ from Grbl 1.1", default=(), table=SETTING),
        Key("realtime", "tables", "bytes obeyed wherever they stand", default=(), table=REALTIME),
        Key("error", "tables", "what each error: says", default=(), table=CODE),
        Key("alarm", "tables", "what each ALARM: says", default=(), table=CODE),
    ),
    (
        Rule(
            ("window_bytes", "rx_buffer_bytes"),
            lambda window, ring: window < ring,
            "the window does not fit in the ring",
            "less than rx_buffer_bytes",
        ),
        Rule(
            ("emit_limit_chars", "line_limit_chars"),
            lambda emit, limit: emit <= limit,
            "longer than the firmware takes",
            "at most line_limit_chars",
        ),
        Rule(
            ("look_ahead_blocks", "planner_blocks"),
            lambda ahead, blocks: ahead <= blocks,
            "more than the planner holds",
            "at most planner_blocks",
        ),
        Rule(
            ("words",),
            lambda words: all(_WORD.fullmatch(word) for word in words),
            "holds something that is no G or M word",
            "G0, G38.2, M3 and the like",
        ),
        Rule(
            ("letters",),
            lambda letters: all(len(letter) == 1 and "A" <= letter <= "Z" for letter in letters),
            "holds something that is no single capital letter",
            "X, Y, F and the like",
        ),
        Rule(
            ("words", "eeprom_words", "sync_words"),
            lambda words, eeprom, sync: set(eeprom) | set(sync) <= set(words),
            "eeprom_words or sync_words hold a word that words does not",
            "words that are accepted at all",
        ),
    ),
)
"""Schema of firmware_profiles/firmware/*.toml."""


@dataclass(frozen=True, slots=True)
class Code:
    """One ``error:`` or ``ALARM:`` number and what it means.

    Parameters
    ----------
    number : int
        As the controller sends it.
    meaning : str
        In words.
    position_lost : bool
        The machine must be homed before the next move.
    """

    number: int
    meaning: str
    position_lost: bool = False


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor time the controller spends, all in s; see `COST` for what each is charged on."""

    line_s: float
    char_s: float
    word_s: float
    digit_s: float
    replan_s: float
    segment_s: float
    step_s: float


@dataclass(frozen=True, slots=True)
class ArcRule:
    """When an arc whose start and end radii disagree is refused; lengths in mm, angle in rad."""

    radius_error_mm: float
    radius_error_ratio: float
    radius_error_max_mm: float
    full_circle_rad: float

    def accepts(self, radius_mm: float, error_mm: float) -> bool:
        """Return whether the firmware draws an arc whose radii differ by `error_mm`.

        Source: Grbl 1.1 gcode.c, arc radius error checks.

        Examples
        --------
        >>> rule = ArcRule(0.005, 0.001, 0.5, 5e-7)
        >>> rule.accepts(1, 0.004), rule.accepts(1, 0.006), rule.accepts(100, 0.05), rule.accepts(1e4, 0.6)
        (True, False, True, False)
        """
        error = abs(error_mm)
        if error <= self.radius_error_mm:
            return True
        return error <= self.radius_error_max_mm and error <= self.radius_error_ratio * radius_mm


@dataclass(frozen=True, slots=True)
class Firmware:
    """What one firmware accepts, its buffers and its speed; see `FIRMWARE` for each field's meaning.

    Parameters
    ----------
    rx_buffer_bytes, window_bytes : int
        Receive ring, and the most bytes that may be under way.
    words, letters, eeprom_words, sync_words : frozenset of str
        Canonical: ``G0``, ``G38.2``; letters without G, M and N's number.
    arc : ArcRule
        Tolerance on an arc's radii.
    cost : Cost
        Processor time.
    errors, alarms, realtime : tuple of Code
        By ascending number; of `realtime` the byte.
    speaks : Speech
        What it says.
    behaviour : Behaviour
        What it does.
    settings : SettingRules
        How its ``$$`` is compared.
    """

    name: str
    title: str
    rx_buffer_bytes: int
    window_bytes: int
    line_limit_chars: int
    emit_limit_chars: int
    planner_blocks: int
    look_ahead_blocks: int
    decimals_mm: int
    dwell_step_s: float
    max_step_hz: int
    words: frozenset[str]
    letters: frozenset[str]
    eeprom_words: frozenset[str]
    sync_words: frozenset[str]
    arc: ArcRule
    cost: Cost
    errors: tuple[Code, ...] = ()
    alarms: tuple[Code, ...] = ()
    realtime: tuple[Code, ...] = ()
    speaks: Speech = field(default_factory=Speech)
    behaviour: Behaviour = field(default_factory=Behaviour)
    settings: SettingRules = field(default_factory=SettingRules)

    def error(self, number: int) -> Code:
        """Return what ``error:number`` means; an unknown one is said to be unknown."""
        return _code(self.errors, number)

    def alarm(self, number: int) -> Code:
        """Return what ``ALARM:number`` means; of an unknown one the position is taken for lost."""
        return _code(self.alarms, number, lost=True)


def _code(codes: tuple[Code, ...], number: int, *, lost: bool = False) -> Code:
    unknown = Code(number, "not in the firmware's list", position_lost=lost)
    return next((code for code in codes if code.number == number), unknown)


def firmware_names() -> tuple[str, ...]:
    """Return the names of all firmware profiles at hand, sorted."""
    return names("firmware")


def load_firmware(name_or_path: str | os.PathLike[str], *, named_in: str = "") -> Firmware:
    """Read and check a firmware profile.

    Parameters
    ----------
    name_or_path : str or path
        ``grbl-1.1`` or a TOML file.
    named_in : str
        The machine's file that names it, for messages.

    Raises
    ------
    ProfileError
        When there is none of that name, or with everything that is wrong in its file.

    Examples
    --------
    >>> load_firmware("grbl-1.1").window_bytes
    127
    """
    try:
        path = locate("firmware", name_or_path)
    except ProfileError as error:
        if named_in:
            error.file, error.place = named_in, "firmware"
        raise
    return _firmware(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=16)
def _firmware(path: Path, _changed_ns: int) -> Firmware:
    # Every machine names a firmware and most name the same one; a list of machines reads it once.
    values, _ = load("firmware", path, FIRMWARE)
    fields = dict(values)
    for key in ("words", "letters", "eeprom_words", "sync_words"):
        fields[key] = frozenset(values[key])
    fields["arc"] = ArcRule(**values["arc"])
    fields["cost"] = Cost(**values["cost"])
    fields["errors"] = _codes(fields.pop("error"))
    fields["alarms"] = _codes(fields.pop("alarm"))
    fields["realtime"] = _codes(values["realtime"])
    fields["speaks"] = speech(values["speaks"])
    fields["behaviour"] = Behaviour(**values["behaviour"])
    fields["settings"] = setting_rules(fields.pop("setting"))
    return Firmware(**fields)


def _codes(rows: tuple[dict[str, Any], ...]) -> tuple[Code, ...]:
    return tuple(sorted((Code(**row) for row in rows), key=lambda code: code.number))
