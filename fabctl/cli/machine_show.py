"""``fabctl machine show``: what a description comes to, down to the controller's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fabctl.cli.show import as_json, columns, facts

if TYPE_CHECKING:
    from fabctl.shop.machine import Head, Machine


@click.command()
@click.argument("name", metavar="MACHINE")
@click.option("--json", "json_", is_flag=True, help="Print as JSON.")
def show(name: str, json_: bool) -> int:
    """Show a machine's description and the settings it implies.

    \b
    Examples:
      fabctl machine show router-3018
      fabctl machine show mine.toml --json

    No port is opened. The settings are those the controller must have: `$$` shows what it has.
    """
    from fabctl.shop.grbl_settings import MEANING
    from fabctl.shop.machine import load_machine

    machine = load_machine(name)
    if json_:
        as_json(_values(machine))
        return 0
    click.echo(facts(_facts(machine)))
    click.echo()
    rows = [[f"${number}", f"{value:g}", MEANING[number]] for number, value in _settings(machine).items()]
    click.echo(columns(rows, ["setting", "value", "what it is"]))
    return 0


def _values(machine: Machine) -> dict[str, Any]:
    firmware = machine.firmware
    return {
        "name": machine.name,
        "title": machine.title,
        "file": machine.source,
        "firmware": firmware.name,
        "head": machine.head.kind,
        "travel_mm": list(machine.travel_mm),
        "max_rate_mm_min": list(machine.max_rate_mm_min),
        "acceleration_mm_s2": list(machine.acceleration_mm_s2),
        "clearance_mm": machine.clearance_mm,
        "stock_height_mm": machine.stock_height_mm,
        "homing": machine.homing,
        "attended_only": machine.attended_only,
        "interlock": machine.interlock,
        "baud": machine.baud,
        "window_bytes": firmware.window_bytes,
        "settings": {str(number): value for number, value in _settings(machine).items()},
    }


def _settings(machine: Machine) -> dict[int, float]:
    """Return what the machine's own firmware must say to ``$$``."""
    return machine.firmware.settings.wanted(machine.settings())


def _facts(machine: Machine) -> dict[str, str]:
    firmware = machine.firmware
    axes = 3 if machine.has_z else 2
    ends = ", ".join(f"{axis} {end}" for axis, end in zip("XYZ"[:axes], machine.home, strict=False))
    return {
        "machine": f"{machine.name}, {machine.title}",
        "file": machine.source,
        "firmware": f"{firmware.name}, {firmware.title}",
        "link": f"{machine.baud} baud, at most {firmware.window_bytes} bytes under way",
        "head": _head(machine.head),
        "travel": f"{_each(machine.travel_mm[:axes])} mm",
        "rapids": f"{_each(machine.max_rate_mm_min[:axes])} mm/min",
        "acceleration": f"{_each(machine.acceleration_mm_s2[:axes])} mm/s²",
        "clearance": f"{machine.clearance_mm:g} mm above stock of at most {machine.stock_height_mm:g} mm",
        "homing": f"to {ends}" if machine.homing else "none: zero is set by hand",
        "interlock": machine.interlock + (": a person stays beside it" if machine.attended_only else ""),
    }


def _head(head: Head) -> str:
    if head.kind == "spindle":
        return f"spindle, {head.min_rpm:g} to {head.max_rpm:g} rpm, {head.on_word}"
    if head.kind == "laser":
        mode = "laser mode" if head.laser_mode else "no laser mode"
        return f"laser, {head.power_w:g} W at S{head.full_scale:g}, {head.on_word}, {mode}"
    if head.kind in {"pen", "knife"}:
        return f"{head.kind}, up at {head.pen_up_mm:g} mm, down at {head.pen_down_mm:g} mm"
    return f"{head.kind}, S{head.full_scale:g} at full power, {head.on_word}"


def _each(values: tuple[float, ...]) -> str:
    return " × ".join(f"{value:g}" for value in values)
