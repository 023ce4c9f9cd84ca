"""Machines: travel, motors, head, and the Grbl settings they imply."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from fabctl.shop.firmware import Firmware, load_firmware
from fabctl.shop.library import load, names
from fabctl.shop.schema import ABSENT, Key, Problem, Rule, Table, refuse
from fabctl.shop.setter import SETTER, Setter, within_travel

HEAD_KINDS = ("spindle", "laser", "pen", "knife", "plasma")
AXES = ("x", "y", "z")
POWERED = frozenset({"spindle", "laser", "plasma"})

AXIS = Table(
    (
        Key("travel_mm", "number", "usable way of the axis ($130-$132)", low=1, high=10000),
        Key("steps_per_mm", "number", "motor steps for 1 mm ($100-$102)", low=0.1, high=20000),
        Key("max_rate_mm_min", "number", "rapid rate ($110-$112)", low=1, high=100000),
        Key("acceleration_mm_s2", "number", "acceleration ($120-$122)", low=0.1, high=50000),
        Key("invert_direction", "flag", "motor turns the other way ($3)", default=False),
        Key("home", "text", "the end where homing goes ($23)", default="max", choices=("min", "max")),
    )
)

_NO_Z: dict[str, Any] = {
    # Grbl's own defaults for the axis (defaults.h, generic): a controller without a Z motor keeps them.
    "travel_mm": 0.0,
    "steps_per_mm": 250.0,
    "max_rate_mm_min": 500.0,
    "acceleration_mm_s2": 10.0,
    "invert_direction": False,
    "home": "max",
}

MOTION = Table(
    (
        Key(
            "junction_deviation_mm",
            "number",
            "how far the planner may think a corner rounded: more is faster and rougher ($11)",
            default=0.01,
            low=0.001,
            high=1,
        ),
        Key("arc_tolerance_mm", "number", "chord error of arcs ($12)", default=0.002, low=0.0005, high=1),
        Key(
            "step_idle_ms",
            "integer",
            "wait before the motors are switched off; 255 keeps them on ($1)",
            default=255,
            low=0,
            high=255,
        ),
        Key("step_pulse_us", "integer", "length of a step pulse ($0)", default=10, low=3, high=100),
        Key("invert_enable", "flag", "the drivers' enable pin is the other way round ($4)", default=False),
    )
)

HOMING = Table(
    (
        Key("enabled", "flag", "the machine has switches and homes with $H ($22)", default=False),
        Key("soft_limits", "flag", "the firmware refuses targets beyond the travel ($20)", default=False),
        Key("hard_limits", "flag", "a switch that closes stops the machine ($21)", default=False),
        Key("invert_switches", "flag", "switches that open when hit ($5)", default=False),
        Key("invert_probe", "flag", "a probe that opens when it touches ($6)", default=False),
        Key("locate_mm_min", "number", "slow second touch ($24)", default=25.0, low=1, high=5000),
        Key("seek_mm_min", "number", "fast search for the switch ($25)", default=500.0, low=1, high=20000),
        Key("debounce_ms", "integer", "wait for a switch to settle ($26)", default=250, low=0, high=1000),
        Key("pull_off_mm", "number", "way back from the switch ($27)", default=1.0, low=0.1, high=50),
    ),
    (
        Rule(
            ("soft_limits", "enabled"),
            lambda soft, homing: homing or not soft,
            "soft limits need homing: without it the firmware does not know where it is",
            "false, or enabled = true",
        ),
    ),
)

HEAD = Table(
    (
        Key("kind", "text", "what does the work", choices=HEAD_KINDS),
        Key("full_scale", "number", "S of full speed or power ($30)", default=1000.0, low=1, high=100000),
        Key("min_rpm", "number", "slowest speed a spindle runs at ($31)", default=0.0, low=0, high=100000),
        Key("max_rpm", "number", "fastest speed of a spindle", default=0.0, low=0, high=100000),
        Key("power_w", "number", "of shaft or beam, not the plug", default=0.0, low=0, high=20000),
        Key(
            "on_word",
            "text",
            "switches spindle or beam on; with M4 a laser's power follows its speed",
            default="",
            choices=("", "M3", "M4"),
        ),
        Key("laser_mode", "flag", "the firmware's laser mode ($32)", default=False),
        Key("spin_up_s", "number", "wait after switching on", default=0.0, low=0, high=60),
        Key("pen_up_mm", "number", "Z of a lifted pen, above the stock", default=0.0, low=0, high=100),
        Key("pen_down_mm", "number", "Z of a pen that writes, into its spring", default=0.0, low=-20, high=5),
        Key(
            "stepdown_factor",
            "number",
            "share of a material's stepdown that the frame bears: 1 stiff, 0.5 a light desktop router",
            default=1.0,
            low=0.05,
            high=1,
        ),
        Key(
            "pointer_power",
            "number",
            "share of full power at which a laser shows a frame and marks nothing; 0: it shows none",
            default=0.0,
            low=0,
            high=0.05,
        ),
    ),
    (
        Rule(
            ("max_rpm", "kind", "min_rpm"),
            lambda fast, kind, slow: kind != "spindle" or 0 < fast >= slow,
            "a spindle needs its fastest speed, not below min_rpm",
            "at least min_rpm, more than 0",
        ),
        Rule(
            ("full_scale", "kind", "max_rpm"),
            lambda full, kind, fast: kind != "spindle" or full >= fast,
            "below the spindle's max_rpm: S could not ask for it",
            "the speed at 100 % of the PWM, at least max_rpm",
        ),
        Rule(
            ("pointer_power", "kind"),
            lambda share, kind: share == 0 or kind == "laser",
            "only the beam of a laser can point",
            '0, or kind = "laser"',
        ),
        Rule(
            ("power_w", "kind"),
            lambda power, kind: kind != "laser" or power > 0,
            "a laser needs the power of its beam",
            "more than 0 W (optical, not electrical)",
        ),
        Rule(
            ("on_word", "kind"),
            lambda word, kind: (word != "") == (kind in POWERED) and (word != "M4" or kind == "laser"),
            "does not fit the kind",
            '"M3" for spindle and plasma, "M4" or "M3" for laser, left out for pen and knife',
        ),
        Rule(
            ("laser_mode", "kind", "on_word"),
            lambda mode, kind, word: (mode or word == "M3") if kind == "laser" else not mode,
            "M4 needs laser_mode = true, and a head that is no laser needs it false (it stops in rapids)",
            "true for a laser in M4, false for all other heads",
        ),
        Rule(
            ("pen_up_mm", "kind", "pen_down_mm"),
            lambda up, kind, down: kind not in {"pen", "knife"} or up > max(down, 0),
            "a pen or knife must be lifted above the stock",
            "more than 0 and more than pen_down_mm",
        ),
    ),
)

SAFETY = Table(
    (
        Key("clearance_mm", "number", "Z of rapids above the stock's top", default=5.0, low=0, high=200),
        Key("attended_only", "flag", "no hardware interlock: a person stays beside it", default=True),
        Key("interlock", "text", "what cuts the power when the computer dies", default="none"),
        Key("stock_height_mm", "number", "thickest stock that fits below the head", low=0.05, high=1000),
        Key("holding", "text", "how stock is held down", default=""),
    ),
    (
        Rule(
            ("attended_only", "interlock"),
            lambda attended, interlock: attended or interlock != "none",
            "without a hardware interlock the machine must not run alone",
            "true, or say in interlock what cuts the power",
        ),
    ),
)

MACHINE = Table(
    (
        Key("name", "name", "the file's name without .toml"),
        Key("title", "text", "what a person calls it"),
        Key("firmware", "name", "the profile of its firmware"),
        Key("baud", "integer", "speed of the serial port", default=115200, low=300, high=12_000_000),
        Key(
            "axes",
            "table",
            "the axes",
            table=Table(
                (
                    Key("x", "table", "the axis along the stock's width", table=AXIS),
                    Key("y", "table", "the axis along the stock's height", table=AXIS),
                    Key("z", "table", "up; a machine without Z has none", default=ABSENT, table=AXIS),
                )
            ),
        ),
        Key("motion", "table", "corners, arcs and motors", default={}, table=MOTION),
        Key("homing", "table", "switches and limits", default={}, table=HOMING),
        Key("head", "table", "what does the work", table=HEAD),
        Key("safety", "table", "what keeps people and stock whole", table=SAFETY),
        Key("setter", "table", "a fixed plate that tools are measured on", default=ABSENT, table=SETTER),
    ),
    (
        Rule(
            ("axes.z", "head.kind"),
            lambda z, kind: z is not None or kind == "laser",
            "only a laser does without a Z axis",
            "a table [axes.z]",
        ),
        Rule(
            ("safety.clearance_mm", "axes.z", "safety.stock_height_mm"),
            lambda clearance, z, _stock: z is None or 0 < clearance < z["travel_mm"],
            "rapids above the stock need a way up that the Z axis has",
            "more than 0 and less than [axes.z] travel_mm",
        ),
        Rule(
            ("head.pen_up_mm", "axes.z"),
            lambda up, z: z is None or up < z["travel_mm"],
            "the pen is lifted further than the Z axis goes",
            "less than [axes.z] travel_mm",
        ),
        Rule(
            ("setter", "homing.enabled"),
            lambda setter, homing: setter is None or homing,
            "a fixed place has no coordinates on a machine that does not home",
            "none, or [homing] enabled = true",
        ),
        Rule(
            ("setter", "axes"),
            within_travel,
            "the way down to its plate leaves the travel",
            "from 0 to -travel_mm",
        ),
    ),
)
"""Schema of firmware_profiles/machines/*.toml."""


@dataclass(frozen=True, slots=True)
class Head:
    """What does the work; see `HEAD` for each field's meaning.

    Parameters
    ----------
    kind : str
        One of `HEAD_KINDS`.
    full_scale : float
        The S word of power 1 ($30): rpm of a spindle, S units of a laser.
    min_rpm, max_rpm : float
        Of a spindle; 0 for others.
    power_w : float
        Shaft power of a spindle, optical power of a laser, W; 0 when unknown.
    on_word : str
        ``M3``, ``M4``, or ``""`` for a head that nothing switches on.
    laser_mode : bool
        ``$32``.
    spin_up_s : float
        Wait after switching on, s.
    pen_up_mm, pen_down_mm : float
        Z of a pen or knife, work coordinates.
    stepdown_factor : float
        Share of a material's stepdown that the frame takes, 0..1.
    pointer_power : float
        Of a laser that may show the way without marking it, 0..1; 0 when it may not.
    """

    kind: str
    full_scale: float = 1000.0
    min_rpm: float = 0.0
    max_rpm: float = 0.0
    power_w: float = 0.0
    on_word: str = ""
    laser_mode: bool = False
    spin_up_s: float = 0.0
    pen_up_mm: float = 0.0
    pen_down_mm: float = 0.0
    stepdown_factor: float = 1.0
    pointer_power: float = 0.0


@dataclass(frozen=True, slots=True)
class Homing:
    """Switches and limits; see `HOMING` for each field's meaning and unit."""

    enabled: bool = False
    soft_limits: bool = False
    hard_limits: bool = False
    invert_switches: bool = False
    invert_probe: bool = False
    locate_mm_min: float = 25.0
    seek_mm_min: float = 500.0
    debounce_ms: int = 250
    pull_off_mm: float = 1.0


Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine as its file describes it.

    Parameters
    ----------
    name, title : str
        What files and what people call it.
    firmware : Firmware
        What its controller understands.
    head : Head
        What does the work.
    travel_mm, steps_per_mm, max_rate_mm_min, acceleration_mm_s2 : 3-tuple of float
        Of X, Y, Z. A machine without Z has ``travel_mm[2] == 0``.
    invert_direction : 3-tuple of bool
        Motors that turn the other way.
    home : 3-tuple of str
        ``min`` or ``max``: the end of each axis where homing goes.
    junction_deviation_mm, arc_tolerance_mm : float
        ``$11`` and ``$12``, mm.
    step_idle_ms, step_pulse_us : int
        ``$1`` and ``$0``; 255 ms keeps the motors on.
    limits : Homing
        Switches, homing and soft limits.
    clearance_mm : float
        Z of rapids above the stock's top.
    stock_height_mm : float
        Thickest stock that fits below the head.
    attended_only : bool
        No hardware interlock: a person stays beside it.
    interlock : str
        What cuts the power when the computer dies, or ``none``.
    holding : str
        How stock is held down.
    setter : Setter or None
        The fixed plate tools are measured on, if there is one.
    baud : int
        Of the serial port.
    source : str
        The file it was read from; not part of its identity.
    """

    name: str
    title: str
    firmware: Firmware
    head: Head
    travel_mm: Triple
    steps_per_mm: Triple
    max_rate_mm_min: Triple
    acceleration_mm_s2: Triple
    invert_direction: tuple[bool, bool, bool] = (False, False, False)
    home: tuple[str, str, str] = ("max", "max", "max")
    junction_deviation_mm: float = 0.01
    arc_tolerance_mm: float = 0.002
    step_idle_ms: int = 255
    step_pulse_us: int = 10
    invert_enable: bool = False
    limits: Homing = field(default_factory=Homing)
    clearance_mm: float = 5.0
    stock_height_mm: float = 0.0
    attended_only: bool = True
    interlock: str = "none"
    holding: str = ""
    setter: Setter | None = None
    baud: int = 115200
    source: str = field(default="", compare=False)

    @property
    def homing(self) -> bool:
        """Whether it homes with ``$H``."""
        return self.limits.enabled

    @property
    def has_z(self) -> bool:
        """Whether it has a Z axis at all."""
        return self.travel_mm[2] > 0

    @property
    def envelope_mm(self) -> tuple[Triple, Triple]:
        """Lowest and highest machine coordinates after homing, mm: Grbl counts from -travel to 0.

        Source: Grbl 1.1 limits.c and system.c (soft limits), without HOMING_FORCE_SET_ORIGIN.
        """
        x, y, z = self.travel_mm
        return (-x, -y, -z), (0.0, 0.0, 0.0)

    @property
    def homed_mm(self) -> Triple:
        """Machine coordinates just after homing, mm: one pull-off from the switches."""
        pull = self.limits.pull_off_mm
        ends = zip(self.home, self.travel_mm, strict=True)
        x, y, z = (-pull if end == "max" else pull - travel for end, travel in ends)
        return x, y, z if self.has_z else 0.0

    def settings(self) -> dict[int, float]:
        """Return the Grbl settings that the description implies, number to value, ascending.

        A machine without Z implies none for it.

        Source: Grbl 1.1 doc/csv/setting_codes_en_US.csv.
        """
        limits, head = self.limits, self.head
        found: dict[int, float] = {
            0: self.step_pulse_us,
            1: self.step_idle_ms,
            2: 0,
            3: _mask(self.invert_direction),
            4: int(self.invert_enable),
            5: int(limits.invert_switches),
            6: int(limits.invert_probe),
            10: 3,  # MPos and free buffers in every report: what the sender watches a run by
            11: self.junction_deviation_mm,
            12: self.arc_tolerance_mm,
            13: 0,  # mm in every report
            20: int(limits.soft_limits),
            21: int(limits.hard_limits),
            22: int(limits.enabled),
            23: _mask(tuple(end == "min" for end in self.home)),
            24: limits.locate_mm_min,
            25: limits.seek_mm_min,
            26: limits.debounce_ms,
            27: limits.pull_off_mm,
            30: head.full_scale,
            31: head.min_rpm,
            32: int(head.laser_mode),
        }
        tables = (self.steps_per_mm, self.max_rate_mm_min, self.acceleration_mm_s2, self.travel_mm)
        for base, table in zip((100, 110, 120, 130), tables, strict=True):
            # Without a Z motor nobody can say what the controller's unused Z settings are.
            found.update({base + axis: value for axis, value in enumerate(table[: 3 if self.has_z else 2])})
        return found


def _mask(flags: tuple[bool, ...]) -> int:
    return sum(1 << axis for axis, flag in enumerate(flags) if flag)


def machine_names() -> tuple[str, ...]:
    """Return the names of all machines at hand, sorted."""
    return names("machines")


def load_machine(name_or_path: str | os.PathLike[str]) -> Machine:
    """Read and check a machine and the firmware it names.

    Parameters
    ----------
    name_or_path : str or path
        ``router-3018`` or a TOML file.

    Raises
    ------
    ProfileError
        When there is none of that name, or with everything that is wrong in its file.

    Examples
    --------
    >>> load_machine("router-3018").head.kind
    'spindle'
    """
    values, path = load("machines", name_or_path, MACHINE)
    machine = _machine(values, load_firmware(values["firmware"], named_in=str(path)), str(path))
    refuse(_too_fast(machine), file=str(path))
    return machine


def _too_fast(machine: Machine) -> list[Problem]:
    most_hz = machine.firmware.max_step_hz
    found = []
    for axis, steps, rate in zip(AXES, machine.steps_per_mm, machine.max_rate_mm_min, strict=True):
        if steps * rate / 60 > most_hz:
            seen = f"{rate:g} mm/min at {steps:g} steps/mm is {steps * rate / 60:.0f} steps a second"
            allowed = f"at most {most_hz * 60 / steps:.0f} mm/min: the firmware makes {most_hz} a second"
            found.append(Problem(f"[axes.{axis}] max_rate_mm_min", seen, allowed))
    return found


def _machine(values: dict[str, Any], firmware: Firmware, source: str) -> Machine:
    axes = [values["axes"][axis] or _NO_Z for axis in AXES]
    tables = {key.name: tuple(axis[key.name] for axis in axes) for key in AXIS.keys}
    fields: dict[str, Any] = {**tables, **values["motion"], **values["safety"]}
    return Machine(
        name=values["name"],
        title=values["title"],
        firmware=firmware,
        baud=values["baud"],
        head=Head(**values["head"]),
        limits=Homing(**values["homing"]),
        setter=Setter(**values["setter"]) if values["setter"] is not None else None,
        source=source,
        **fields,
    )
