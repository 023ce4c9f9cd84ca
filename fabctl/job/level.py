"""The height map of a piece of stock: kept in a file, laid under a program, checked before a run."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from fabctl.daemon.returning import Guard, Stood
from fabctl.errors import InputError, RefusedError
from fabctl.job.check import Report, inspect
from fabctl.program.check import permit, refuse_errors, settled
from fabctl.program.model import Program
from fabctl.record.files import atomic_write
from fabctl.shop.machine import Machine
from fabctl.shop.permit import Permit
from fabctl.shop.stock import Stock
from fabctl.toolpath.level import Surface, warp

Point = tuple[float, float, float]

KIND = "fabctl height map 1"
TOLERANCE_MM = 0.01
LARGEST_BYTES = 1_000_000
FARTHEST_MM = 10_000.0
_KEYS: dict[str, type | tuple[type, ...]] = {
    "kind": str,
    "units": str,
    "machine": str,
    "taken": str,
    "work_zero_mm": list,
    "origin_mm": list,
    "pitch_mm": list,
    "spread_mm": (int, float),
    "heights_mm": list,
    "sha256": str,
}


@dataclass(frozen=True)
class HeightMap:
    """The heights of one piece of stock, and what they count from.

    Parameters
    ----------
    surface : Surface
        Above work zero.
    machine : str
        The machine they were probed on.
    taken : str
        When, ISO 8601.
    zero_mm : (x, y, z) float
        Where work zero lay, machine coordinates.
    spread_mm : float
        How far two touches of one point were apart at most.
    """

    surface: Surface
    machine: str
    taken: str
    zero_mm: Point
    spread_mm: float = 0.0


def write_map(path: Path, height_map: HeightMap) -> None:
    """Write a height map with its checksum.

    Parameters
    ----------
    path : Path
    height_map : HeightMap

    Raises
    ------
    InputError
        When it cannot be written.
    """
    surface = height_map.surface
    values: dict[str, Any] = {
        "kind": KIND,
        "units": "mm",
        "machine": height_map.machine,
        "taken": height_map.taken,
        "work_zero_mm": list(height_map.zero_mm),
        "origin_mm": list(surface.origin_mm),
        "pitch_mm": list(surface.pitch_mm),
        "spread_mm": height_map.spread_mm,
        "heights_mm": surface.heights_mm.tolist(),
    }
    atomic_write(path, json.dumps(values | {"sha256": _digest(values)}, indent=1) + "\n")


def read_map(path: Path) -> HeightMap:
    """Read a height map back, strictly.

    Parameters
    ----------
    path : Path

    Raises
    ------
    InputError
        When it cannot be read, is no height map, was changed since it was written, or has a hole.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror or error}",
            file=str(path),
            remedy="name a file that `fabctl machine level` wrote",
        ) from error
    try:
        return _map_of(raw)
    except InputError as error:
        error.file = str(path)
        error.remedy = error.remedy or "probe the stock again: fabctl machine level"
        raise


def _map_of(raw: bytes) -> HeightMap:
    values = _values(raw)
    for key, kind in _KEYS.items():
        if key not in values:
            raise InputError("a key is missing", place=key)
        if not isinstance(values[key], kind) or isinstance(values[key], bool):
            raise InputError(f"not what a height map holds there: {str(values[key])[:60]!r}", place=key)
    unknown = sorted(set(values) - set(_KEYS))
    if unknown:
        raise InputError("a key no height map has", place=unknown[0])
    if values["kind"] != KIND or values["units"] != "mm":
        raise InputError(
            f"{values['kind']!r} in {values['units']!r}, expected {KIND!r} in 'mm'", place="kind"
        )
    told = values.pop("sha256")
    if told != _digest(values):
        raise InputError("the checksum is not that of the heights: the file was changed", place="sha256")
    (ox, oy), (px, py) = _numbers(values, "origin_mm", 2), _numbers(values, "pitch_mm", 2)
    x, y, z = _numbers(values, "work_zero_mm", 3)
    try:
        taken = datetime.fromisoformat(values["taken"]).isoformat()
    except ValueError as error:
        raise InputError(f"{values['taken']!r} is no date", place="taken") from error
    surface = Surface((ox, oy), (px, py), _heights(values["heights_mm"]))
    return HeightMap(surface, values["machine"], taken, (x, y, z), float(values["spread_mm"]))


def _values(raw: bytes) -> dict[str, Any]:
    if len(raw) > LARGEST_BYTES:
        raise InputError(f"larger than {LARGEST_BYTES // 1_000_000} MB: no height map")
    try:
        values = json.loads(raw, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise InputError(f"no JSON: {error}") from error
    if not isinstance(values, dict):
        raise InputError("no height map: a JSON object was expected")
    return values


def _no_number(text: str) -> float:
    raise InputError(f"{text} is no height: a surface with holes cannot be followed", place="heights_mm")


def _numbers(values: Mapping[str, Any], key: str, count: int) -> Sequence[float]:
    found = values[key]
    if len(found) != count or not all(_is_length(value) for value in found):
        raise InputError(f"{count} lengths in mm were expected, not {str(found)[:60]}", place=key)
    return [float(value) for value in found]


def _heights(rows: list[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    widths = {len(row) if isinstance(row, list) else -1 for row in rows}
    if len(widths) != 1 or -1 in widths:
        raise InputError("rows of one length were expected", place="heights_mm")
    for at, row in enumerate(rows):
        for column, height in enumerate(row):
            if not _is_length(height):
                raise InputError(
                    f"{str(height)[:30]!r} is no height within {FARTHEST_MM:g} mm",
                    place=f"heights_mm, row {at + 1}, column {column + 1}",
                )
    return np.array(rows, np.float64)


def _is_length(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value) and abs(value) <= FARTHEST_MM


def _digest(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Levelled:
    """A program laid onto a surface, checked anew.

    Parameters
    ----------
    report : Report
        Of the warped program; ``report.emitted`` is what goes on the wire.
    permit : Permit
        For that.
    rise_mm : float
        How far rapids at the clearance height were lifted.
    pieces : int
        Moves after warping, less those before.
    """

    report: Report
    permit: Permit
    rise_mm: float
    pieces: int

    @property
    def program(self) -> Program:
        """What goes on the wire."""
        emitted = self.report.emitted
        if emitted is None:
            # whoever made this has refused errors before
            raise RefusedError("nothing is left to send", file=self.report.program.source)
        return emitted


def level(
    program: Program,
    machine: Machine,
    height_map: HeightMap,
    stock: Stock | None = None,
    tolerance_mm: float = TOLERANCE_MM,
) -> Levelled:
    """Lay a program onto the stock as it was probed, and check what comes out.

    Parameters
    ----------
    program : Program
        Read from a file, made for flat stock at Z0.
    machine : Machine
    height_map : HeightMap
    stock : Stock, optional
    tolerance_mm : float
        As for `fabctl.toolpath.level.warp`.

    Returns
    -------
    Levelled
        Each line of it still knows the line of the file it came from.

    Raises
    ------
    RefusedError
        When the program may not run on this machine, flat or warped; when the map is of another machine or
        too small.
    """
    if height_map.machine != machine.name:
        raise RefusedError(
            f"the height map was probed on {height_map.machine}, not on {machine.name}",
            file=program.source,
            remedy="probe the stock on the machine that cuts it",
        )
    if not machine.has_z:
        raise RefusedError(f"{machine.title} has no Z axis to follow a surface", file=program.source)
    flat = inspect(program, machine, stock)
    refuse_errors(flat.findings, program.source, machine)
    moves = settled(program, machine)
    try:
        out = warp(moves, program.start, height_map.surface, tolerance_mm, clearance_mm=machine.clearance_mm)
    except RefusedError as error:
        row = int(error.place.removeprefix("move ") or 0)
        error.file, error.place = program.source, f"line {int(program.line[row])}"
        raise
    made = replace(
        program,
        moves=out.moves,
        start=out.start,
        line=program.line[out.source],
        state=program.state[out.source] if len(program.state) else program.state,
    )
    # the retracts the writer puts in go as high above the stock's highest point as they went above flat stock
    higher = replace(machine, clearance_mm=machine.clearance_mm + math.ceil(out.rise_mm * 1000) / 1000)
    report = replace(inspect(made, higher, stock), machine=machine)
    refuse_errors(report.findings, program.source, machine)
    if report.emitted is None:
        raise RefusedError("there is no move to level", file=program.source)
    return Levelled(
        report, permit(report.emitted, machine, stock), out.rise_mm, len(out.moves) - len(program.moves)
    )


def zero_guard(height_map: HeightMap, machine: Machine) -> Guard | None:
    """Return what refuses a run whose work zero is not that of its height map.

    Parameters
    ----------
    height_map : HeightMap
    machine : Machine
        Only of one that homes can it be told: any other counts from where it was switched on.
    """
    return Guard(machine, Stood(height_map.zero_mm), {}) if machine.homing else None
