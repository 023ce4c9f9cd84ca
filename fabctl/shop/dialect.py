"""How one firmware differs from Grbl 1.1 in what it says, in its settings and in what it does.

All of it is data in firmware_profiles/firmware/*.toml; what a file leaves out is as in Grbl 1.1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fabctl.shop.schema import ABSENT, Key, Rule, Table

STATES = (
    "Idle", "Run", "Hold:0", "Hold:1", "Jog", "Alarm", "Door:0", "Door:1", "Door:2", "Door:3", "Check",
    "Home", "Sleep",
)  # fmt: skip
"""What a status report of Grbl 1.1 says the controller is doing; other names are led back to these."""

FORMS = ("number", "numbers", "axes", "letters", "text")
"""What a field that is passed over may hold."""

_BANNER = re.compile(r"[^{}]*\{version\}(?:[^{}]|\{text\})*")

STATE = Table(
    (
        Key("said", "text", "a state as this firmware says it; # stands for any number"),
        Key("means", "text", "the state of Grbl 1.1 it is", choices=STATES),
    )
)

FIELD = Table(
    (
        Key("name", "text", "what stands before the colon"),
        Key("form", "text", "what may stand behind it", choices=FORMS),
        Key("only", "text", "the one text that may stand there; empty for any of the form", default=""),
    )
)

SPEAKS = Table(
    (
        Key("banner", "texts", "what it says at a start; {version} and {text} stand for any"),
        Key("asks", "texts", "what is asked at connecting"),
        Key(
            "startup_line",
            "text",
            "how a line that runs at every start is listed",
            default="$N{index}={text}",
        ),
        Key(
            "axes",
            "integer",
            "most numbers of a position; the first three are read",
            default=3,
            low=3,
            high=9,
        ),
        Key(
            "build_numbers",
            "numbers",
            "how many numbers may follow the letters of [OPT:…]",
            low=0,
            high=6,
        ),
        Key("systems", "integer", "work coordinate systems: 6 to G59, 9 to G59.3", default=6, low=6, high=9),
        Key(
            "rotation",
            "flag",
            "a work coordinate system may name its rotation: none, or refused",
            default=False,
        ),
        Key("length_axes", "flag", "[TLO:…] has a number for each axis", default=False),
        Key("measured_speed", "flag", "FS: may have a third number, the speed measured", default=False),
        Key("pins", "text", "letters of Pn:", default="XYZPDHRS"),
        Key("accessories", "text", "letters of A:", default="SCFM"),
        Key("accessories_off", "flag", "A: may stand without a letter: all is off", default=False),
        Key("text_settings", "flag", "a setting may be text", default=False),
        Key("notes", "texts", "names of lines in brackets that are told and change nothing", default=()),
        Key("state", "tables", "states beyond those of Grbl 1.1", default=(), table=STATE),
        Key("field", "tables", "fields of a report that are passed over", default=(), table=FIELD),
    ),
    (
        Rule(
            ("banner",),
            lambda banner: bool(banner) and all(_BANNER.fullmatch(text) for text in banner),
            "no banner, or one without {version}",
            "at least one text with {version} once, and {text} where anything may stand",
        ),
        Rule(
            ("startup_line",),
            lambda text: text.endswith("{index}={text}") and text.startswith("$"),
            "does not say where index and line stand",
            "$, a name, then {index}={text}",
        ),
    ),
)

SETTING = Table(
    (
        Key("number", "integer", "of the setting, as in Grbl 1.1", low=0, high=132),
        Key("absent", "flag", "this firmware has no such setting", default=False),
        Key("value", "number", "what it must be, whatever the machine", default=ABSENT, low=0, high=65535),
        Key("each_axis", "flag", "a switch of Grbl 1.1 that is a bit for each axis here", default=False),
        Key("bits", "integer", "the bits that count; 0 for the whole value", default=0, low=0, high=65535),
    )
)

BEHAVIOUR = Table(
    (
        Key("error_sticks", "flag", "after an error every later line gets the same one", default=False),
        Key("keeps_g92", "flag", "G92 outlives a reset", default=False),
        Key(
            "overflow_alarm",
            "integer",
            "alarm when the ring overflows; 0 for none",
            default=0,
            low=0,
            high=255,
        ),
        Key("reports_homing", "flag", "`?` is answered during homing", default=False),
        Key(
            "homing_cycles",
            "texts",
            "axes homed together, in their order; left out where nobody knows",
            default=(),
        ),
        Key("utf8_realtime", "flag", "bytes above 0x7F are read as UTF-8, then obeyed", default=False),
        Key("cuts_long_lines", "flag", "a line too long is cut short without an error", default=False),
    ),
    (
        Rule(
            ("homing_cycles",),
            lambda cycles: all(cycle and set(cycle) <= set("xyz") for cycle in cycles),
            "a cycle with something else than axes in it",
            'texts of x, y and z, such as "z" and "xy"',
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a status report that is passed over: its name, and what it may hold; see `FIELD`."""

    name: str
    form: str
    only: str = ""


@dataclass(frozen=True, slots=True)
class Speech:
    """What a firmware says, as far as it differs from Grbl 1.1; see `SPEAKS` for each field's meaning.

    The defaults are Grbl 1.1 itself.
    """

    banner: tuple[str, ...] = ("Grbl {version} ['$' for help]",)
    asks: tuple[str, ...] = ("$I", "$$", "$N", "$#")
    startup_line: str = "$N{index}={text}"
    axes: int = 3
    build_numbers: tuple[int, ...] = (2,)
    systems: int = 6
    rotation: bool = False
    length_axes: bool = False
    measured_speed: bool = False
    pins: str = "XYZPDHRS"
    accessories: str = "SCFM"
    accessories_off: bool = False
    text_settings: bool = False
    notes: tuple[str, ...] = ()
    states: tuple[tuple[str, str], ...] = ()
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a firmware does, as far as it differs from Grbl 1.1; see `BEHAVIOUR`."""

    error_sticks: bool = False
    keeps_g92: bool = False
    overflow_alarm: int = 0
    reports_homing: bool = False
    homing_cycles: tuple[str, ...] = ()
    utf8_realtime: bool = False
    cuts_long_lines: bool = False


@dataclass(frozen=True, slots=True)
class SettingRule:
    """How a setting of Grbl 1.1 is to be read in this firmware; see `SETTING`."""

    number: int
    absent: bool = False
    value: float | None = None
    each_axis: bool = False
    bits: int = 0

    def wanted(self, value: float) -> float:
        """Return what the controller must say where Grbl 1.1 would say `value`.

        Examples
        --------
        >>> SettingRule(5, each_axis=True).wanted(1), SettingRule(10, value=123).wanted(3)
        (7, 123)
        """
        if self.value is not None:
            return self.value
        return 7 if self.each_axis and value else value


# three decimals are printed: half of the last one, and the rounding of single precision
_ABSOLUTE = 0.00051
_RELATIVE = 1e-6


@dataclass(frozen=True, slots=True)
class SettingRules:
    """What a controller's ``$$`` must be, from what a machine implies for Grbl 1.1.

    Parameters
    ----------
    rules : tuple of SettingRule
        The numbers that differ from Grbl 1.1.
    """

    rules: tuple[SettingRule, ...] = ()

    def wanted(self, settings: Mapping[int, float]) -> dict[int, float]:
        """Return what the controller must say, number to value; settings it lacks are left out."""
        rules = {rule.number: rule for rule in self.rules}
        plain = SettingRule(-1)
        return {
            number: rules.get(number, plain).wanted(value)
            for number, value in settings.items()
            if not rules.get(number, plain).absent
        }

    def agree(self, number: int, wanted: float, found: float | None) -> bool:
        """Tell whether what a controller says is what it must be, as far as it prints and as it counts.

        Parameters
        ----------
        number : int
        wanted : float
            From `wanted`.
        found : float, optional
            What the controller said; None when it said nothing.

        Examples
        --------
        >>> rules = SettingRules((SettingRule(22, bits=1),))
        >>> rules.agree(22, 1, 5), rules.agree(110, 500, 500.0004), rules.agree(110, 500, None)
        (True, True, False)
        """
        if found is None or not math.isfinite(found):
            return False
        bits = next((rule.bits for rule in self.rules if rule.number == number), 0)
        if bits:
            return int(found) & bits == int(wanted) & bits
        return abs(wanted - found) <= _ABSOLUTE + _RELATIVE * abs(wanted)


def speech(values: Mapping[str, Any]) -> Speech:
    """Make a `Speech` from the checked values of a table `SPEAKS`."""
    fields = dict(values)
    for key in ("banner", "asks", "notes"):
        fields[key] = tuple(fields[key])
    fields["build_numbers"] = tuple(int(count) for count in fields["build_numbers"])
    fields["states"] = tuple((row["said"], row["means"]) for row in fields.pop("state"))
    fields["fields"] = tuple(Field(**row) for row in fields.pop("field"))
    return Speech(**fields)


def setting_rules(rows: tuple[Mapping[str, Any], ...]) -> SettingRules:
    """Make `SettingRules` from the checked values of tables `SETTING`."""
    return SettingRules(tuple(SettingRule(**row) for row in rows))
