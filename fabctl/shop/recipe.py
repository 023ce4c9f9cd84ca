"""The recipe: feeds, depths and power that machine, tool and material allow together."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

from fabctl.errors import RefusedError
from fabctl.shop.machine import Machine
from fabctl.shop.material import LaserData, Material, Milling
from fabctl.shop.tool import ROTATING, Tool

PURPOSES = ("cut", "engrave", "score")

TOOLS_OF_HEAD: dict[str, frozenset[str]] = {
    "spindle": ROTATING,
    "laser": frozenset({"laser"}),
    "pen": frozenset({"pen"}),
    "knife": frozenset({"knife", "pen"}),
    "plasma": frozenset(),
}
"""Tool kinds each head can hold; nobody has measured plasma data for the tables yet."""

SLOWEST_BEAM_MM_MIN = 100.0
"""Below this the edges char faster than the cut goes on: more, faster passes instead."""
MOST_PASSES = 20


@dataclass(frozen=True, slots=True)
class Recipe:
    """How fast, how deep and with how much power.

    Parameters
    ----------
    feed_mm_min, plunge_mm_min : float
        In the plane and straight down.
    stepdown_mm : float
        Depth of one pass; of a beam what one pass burns, of a pen 0.
    stepover_mm : float
        Distance between neighbouring rings or lines of an area.
    power : float
        Share of the head's full scale, 0..1: spindle speed or beam power.
    rpm : float
        Of a spindle; 0 for other heads.
    passes : int
        Over the whole depth.
    spin_up_s : float
        Wait after switching on.
    ramp_deg : float
        Steepest way down along a cut; 0 where nothing ramps.
    notes : tuple of str
        Which limit decided, and what the operator should know.
    """

    feed_mm_min: float
    plunge_mm_min: float
    stepdown_mm: float
    stepover_mm: float
    power: float
    rpm: float = 0.0
    passes: int = 1
    spin_up_s: float = 0.0
    ramp_deg: float = 0.0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Overrides:
    """Values of a recipe that a person sets; None leaves the table's value. Units as in `Recipe`."""

    feed_mm_min: float | None = None
    plunge_mm_min: float | None = None
    stepdown_mm: float | None = None
    stepover_mm: float | None = None
    power: float | None = None
    rpm: float | None = None
    passes: int | None = None


def recipe(
    machine: Machine,
    tool: Tool,
    material: Material,
    *,
    purpose: str = "cut",
    depth_mm: float | None = None,
) -> Recipe:
    """Return what machine, tool and material allow together.

    Parameters
    ----------
    machine, tool, material
        The three.
    purpose : str
        ``cut`` (remove to a depth), ``engrave`` (a visible line) or ``score`` (a groove); it matters to
        a beam, and lifts the demand that the tool reaches through the sheet.
    depth_mm : float, optional
        How deep in all, positive downwards; through the sheet when left out.

    Returns
    -------
    Recipe
        Within every limit of the machine and the tool.

    Raises
    ------
    RefusedError
        When the three do not go together: with the reason and the remedy.

    Source
    ------
    Feed = rpm x flutes x chip load; rpm = edge speed / (pi x diameter), as in every milling handbook.
    Beam: feed = power / (energy per mm² x depth of the pass).

    Examples
    --------
    >>> from fabctl.shop.machine import load_machine
    >>> from fabctl.shop.material import load_material
    >>> from fabctl.shop.tool import load_tool
    >>> it = recipe(load_machine("laser-400"), load_tool("laser-spot"), load_material("plywood-3"))
    >>> it.feed_mm_min, it.power, it.passes
    (1066.0, 1.0, 1)
    """
    if purpose not in PURPOSES:
        raise RefusedError(f"no recipe for {purpose!r}", remedy="one of " + ", ".join(PURPOSES))
    _demand_fit(machine, tool, material)
    deep_mm = material.thickness_mm if depth_mm is None else depth_mm
    if not 0 < deep_mm <= 2 * material.thickness_mm:
        raise RefusedError(
            f"a depth of {deep_mm:g} mm in {material.title}", remedy="give a depth within the sheet"
        )
    if tool.kind == "laser":
        return _beam(machine, tool, material, purpose, deep_mm)
    if tool.kind == "pen":
        return _pen(machine, tool, material)
    if tool.kind == "knife":
        return _knife(machine, tool, material, deep_mm)
    return _mill(machine, tool, material, purpose, deep_mm)


def _demand_fit(machine: Machine, tool: Tool, material: Material) -> None:
    holds = TOOLS_OF_HEAD[machine.head.kind]
    if tool.kind not in holds:
        kinds = ", ".join(sorted(holds)) or "nothing that the tables know"
        raise RefusedError(
            f"{machine.title} has a {machine.head.kind}: it cannot hold {tool.title}",
            remedy=f"choose a tool of kind {kinds} (`fabctl tools`), or another machine (`fabctl machines`)",
        )
    if material.thickness_mm > machine.stock_height_mm:
        raise RefusedError(
            f"{material.title} is thicker than the {machine.stock_height_mm:g} mm that fit below the head"
            f" of {machine.title}",
            remedy="choose a thinner sheet, or a machine with more room (`fabctl machines`)",
        )


def _mill(machine: Machine, tool: Tool, material: Material, purpose: str, deep_mm: float) -> Recipe:
    data = material.milling
    if data is None:
        raise RefusedError(
            f"{material.title} cannot be milled", remedy="cut it with a knife or a beam (`fabctl machines`)"
        )
    if deep_mm > tool.cutting_length_mm and purpose == "cut":
        raise RefusedError(
            f"{tool.title} cuts {tool.cutting_length_mm:g} mm deep; {material.title} asks for {deep_mm:g} mm",
            remedy=f"choose a tool with a cutting length of {deep_mm:g} mm or more (`fabctl tools`)",
        )
    notes: list[str] = []
    rpm = _rpm(machine, tool, material, data, notes)
    # A V-bit works near its tip: a third of its width stands for it.
    chip_mm = data.chip_mm(tool.diameter_mm / 3 if tool.kind == "vbit" else tool.diameter_mm)
    per_turn_mm = chip_mm * tool.flutes
    most_mm_min = min(machine.max_rate_mm_min[:2])
    if rpm * per_turn_mm > most_mm_min:
        slower = max(most_mm_min / per_turn_mm, machine.head.min_rpm)
        notes.append(
            f"feed held at the machine's {most_mm_min:g} mm/min; spindle slowed from {rpm:.0f} to"
            f" {slower:.0f} rpm so that the chips stay thick"
        )
        rpm = slower
    rpm = max(float(math.floor(rpm)), machine.head.min_rpm)
    feed_mm_min = _whole(min(rpm * per_turn_mm, most_mm_min))
    plunge_mm_min = min(feed_mm_min * data.plunge_ratio, machine.max_rate_mm_min[2])
    stepdown_mm = tool.diameter_mm * data.stepdown_ratio * machine.head.stepdown_factor
    if machine.head.stepdown_factor < 1:
        notes.append(f"stepdown is {machine.head.stepdown_factor:.0%} of the table's: the frame's stiffness")
    stepdown_mm = round(min(stepdown_mm, tool.cutting_length_mm, deep_mm), 3)
    return Recipe(
        feed_mm_min=feed_mm_min,
        plunge_mm_min=_whole(plunge_mm_min),
        stepdown_mm=stepdown_mm,
        stepover_mm=round(tool.diameter_mm * data.stepover_ratio, 3),
        power=rpm / machine.head.full_scale,
        rpm=rpm,
        passes=math.ceil(round(deep_mm / stepdown_mm, 9)),
        spin_up_s=machine.head.spin_up_s,
        ramp_deg=data.ramp_deg,
        notes=_with(notes, data.note),
    )


def _rpm(machine: Machine, tool: Tool, material: Material, data: Milling, notes: list[str]) -> float:
    head = machine.head
    around_m = math.pi * tool.diameter_mm / 1000
    slow = data.surface_speed_min_m_min / around_m
    fast = data.surface_speed_max_m_min / around_m
    most = min(head.max_rpm, tool.max_rpm)
    for limit, reason in ((tool.max_rpm, f"{tool.title} stands"), (fast, f"{material.title} bears")):
        if head.min_rpm > limit:
            raise RefusedError(
                f"the spindle of {machine.title} turns at {head.min_rpm:g} rpm or faster, {reason}"
                f" {limit:.0f} rpm with {tool.title}",
                remedy="choose a thinner tool (`fabctl tools`) or a slower spindle (`fabctl machines`)",
            )
    if most < 0.95 * slow:
        notes.append(
            f"{most:g} rpm is the most this spindle or tool turns; {slow:.0f} rpm would cut cleaner:"
            " the feed is reduced with it"
        )
    elif fast > most:
        notes.append(f"spindle at {most:g} rpm: the most that spindle or tool turns")
    else:
        notes.append(f"spindle at {fast:.0f} rpm: faster, the edge burns or melts {material.title}")
    return min(fast, most)


def _beam(machine: Machine, tool: Tool, material: Material, purpose: str, deep_mm: float) -> Recipe:
    data = material.laser
    if data is None:
        why = material.never_laser or "there are no beam data for it"
        raise RefusedError(
            f"no laser for {material.title}: {why}",
            remedy="mill it, or cut it with a knife (`fabctl machines`)",
        )
    notes: list[str] = []
    most_w = machine.head.power_w
    if data.max_power_w < most_w:
        most_w = data.max_power_w
        notes.append(f"beam held at {most_w:g} W: more sets {material.title} on fire or melts it")
    passes, energy_j_mm = _passes(data, purpose, deep_mm, most_w)
    if passes > MOST_PASSES:
        raise RefusedError(
            f"{most_w:g} W would need {passes} passes through {deep_mm:g} mm of {material.title}",
            remedy="choose a thinner sheet, a stronger laser or a router (`fabctl machines`)",
        )
    feed_mm_min = 60 * most_w / energy_j_mm
    fastest = min(machine.max_rate_mm_min[:2])
    power = most_w / machine.head.power_w
    if feed_mm_min > fastest:
        power *= fastest / feed_mm_min
        feed_mm_min = fastest
        notes.append(f"feed held at the machine's {fastest:g} mm/min; power lowered to {power:.1%} with it")
    return Recipe(
        feed_mm_min=_whole(feed_mm_min),
        plunge_mm_min=machine.max_rate_mm_min[2],
        stepdown_mm=round(deep_mm / passes, 3),
        stepover_mm=tool.diameter_mm,
        power=round(power, 4),
        passes=passes,
        spin_up_s=machine.head.spin_up_s,
        notes=_with(notes, data.note),
    )


def _passes(data: LaserData, purpose: str, deep_mm: float, power_w: float) -> tuple[int, float]:
    """Return passes and the energy of one, J/mm."""
    if purpose != "cut":
        line = data.engrave_energy_j_mm if purpose == "engrave" else data.score_energy_j_mm
        return 1, line
    by_depth = math.ceil(round(deep_mm / data.pass_depth_mm, 9))
    by_speed = math.ceil(data.cut_energy_j_mm2 * deep_mm * SLOWEST_BEAM_MM_MIN / (60 * power_w))
    passes = max(by_depth, by_speed, 1)
    return passes, data.cut_energy_j_mm2 * deep_mm / passes


def _pen(machine: Machine, tool: Tool, material: Material) -> Recipe:
    data = material.pen
    if data is None:
        raise RefusedError(f"no pen writes on {material.title}", remedy="choose another material")
    feed_mm_min, notes = _held(machine, data.feed_mm_min)
    return Recipe(
        feed_mm_min=feed_mm_min,
        plunge_mm_min=machine.max_rate_mm_min[2],
        stepdown_mm=0.0,
        stepover_mm=tool.diameter_mm,
        power=0.0,
        spin_up_s=machine.head.spin_up_s,
        notes=_with(notes, data.note),
    )


def _knife(machine: Machine, tool: Tool, material: Material, deep_mm: float) -> Recipe:
    data = material.knife
    if data is None:
        raise RefusedError(
            f"a drag knife does not cut {material.title}", remedy="mill it or use a laser (`fabctl machines`)"
        )
    if deep_mm > tool.cutting_length_mm:
        raise RefusedError(
            f"{tool.title} cuts {tool.cutting_length_mm:g} mm deep, {deep_mm:g} mm are asked",
            remedy="choose a longer blade or a thinner sheet",
        )
    feed_mm_min, notes = _held(machine, data.feed_mm_min)
    passes = math.ceil(round(deep_mm / data.pass_depth_mm, 9))
    return Recipe(
        feed_mm_min=feed_mm_min,
        plunge_mm_min=_whole(min(feed_mm_min, machine.max_rate_mm_min[2])),
        stepdown_mm=round(deep_mm / passes, 3),
        stepover_mm=tool.diameter_mm,
        power=0.0,
        passes=passes,
        notes=_with(notes, data.note),
    )


def _held(machine: Machine, feed_mm_min: float) -> tuple[float, list[str]]:
    most = min(machine.max_rate_mm_min[:2])
    if feed_mm_min <= most:
        return feed_mm_min, []
    return most, [f"feed held at the machine's {most:g} mm/min"]


def _with(notes: list[str], note: str) -> tuple[str, ...]:
    return (*notes, note) if note else tuple(notes)


def _whole(feed_mm_min: float) -> float:
    # Downwards, so that no rounding crosses a limit; a decimal of a feed is bytes without effect.
    return float(math.floor(feed_mm_min)) if feed_mm_min >= 1 else feed_mm_min


def adjusted(table: Recipe, machine: Machine, tool: Tool, wishes: Overrides) -> Recipe:
    """Return a recipe with a person's own values in place of the table's.

    Parameters
    ----------
    table : Recipe
        What `recipe` gave.
    machine : Machine
        Its limits hold for wishes too.
    tool : Tool
        Likewise.
    wishes : Overrides
        Values set in the job or on the command line.

    Raises
    ------
    RefusedError
        When a wish goes beyond the machine or the tool; it is never cut down in silence.
    """
    given = {key.name: value for key in fields(wishes) if (value := getattr(wishes, key.name)) is not None}
    for name, low, high, whose in _limits(machine, tool):
        if name in given and not low <= given[name] <= high:
            raise RefusedError(
                f"{name} = {given[name]:g} is beyond {whose}", remedy=f"a value from {low:g} to {high:g}"
            )
    if "rpm" in given:
        given["power"] = given["rpm"] / machine.head.full_scale
    told = tuple(
        f"{name} {given[name]:g} from the job; the tables say {getattr(table, name):g}" for name in given
    )
    return replace(table, **given, notes=(*table.notes, *told))


def _limits(machine: Machine, tool: Tool) -> list[tuple[str, float, float, str]]:
    head = machine.head
    deepest = tool.cutting_length_mm or math.inf
    turning = (head.min_rpm, min(head.max_rpm, tool.max_rpm), "the spindle or the tool")
    return [
        ("feed_mm_min", 1, min(machine.max_rate_mm_min[:2]), f"the axes of {machine.title}"),
        ("plunge_mm_min", 1, machine.max_rate_mm_min[2], f"the Z axis of {machine.title}"),
        ("stepdown_mm", 0.001, deepest, f"the cutting length of {tool.title}"),
        ("stepover_mm", 0.001, tool.diameter_mm, f"the width of {tool.title}"),
        ("power", 0, 1 if head.kind == "laser" else 0, f"a {head.kind} (a spindle takes rpm)"),
        ("rpm", *(turning if head.kind == "spindle" else (0, 0, f"a {head.kind}"))),
        ("passes", 1, MOST_PASSES, "reason"),
    ]
