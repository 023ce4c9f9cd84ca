"""Burn a picture: lines of runs, as dark as the material takes the beam."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fabctl.errors import RefusedError
from fabctl.geometry.curves import extents
from fabctl.operations.step import Step
from fabctl.shop.job import Raster
from fabctl.shop.machine import Machine
from fabctl.shop.material import LaserData
from fabctl.toolpath.moves import Moves, lengths
from fabctl.toolpath.raster import Lines, Tone, overscan_mm, raster

Grey = NDArray[np.uint8] | NDArray[np.uint16]

MOST_MOVES = 5_000_000
"""More lines take a controller hours, and a small computer's memory."""

SKIP_MM = 20.0
"""White this wide is crossed by a rapid, or four times the overscan where that is more, mm."""

TYPICAL_LINE = "X123.45S500"
"""A line of a raster, for what its controller needs to take one."""


def burn(
    step: Step, grey: Grey, wishes: Raster, machine: Machine, data: LaserData | None = None
) -> tuple[Moves, tuple[str, ...]]:
    """Turn a picture into moves of a beam.

    Parameters
    ----------
    step : Step
        Its curves are the picture's frame on the stock, upright.
    grey : (h, w) uint8 or uint16
        0 is black, the type's largest value white; the top row first.
    wishes : Raster
    machine : Machine
    data : LaserData, optional
        The material's answer to power; straight when left out.

    Returns
    -------
    moves : (n,) MOVE
    notes : tuple of str
        What a person should know.

    Raises
    ------
    RefusedError
        When there is nothing to burn, or too much.
    """
    x0, y0, x1, y1 = extents(step.curves)
    feed = step.recipe.feed_mm_min
    wanted = overscan_mm(feed, machine.acceleration_mm_s2[0])
    overscan = max(0.0, min(wanted, x0, machine.travel_mm[0] - x1))
    lines = Lines(
        width_mm=x1 - x0,
        height_mm=y1 - y0,
        pitch_mm=wishes.pitch_mm or step.tool.diameter_mm,
        feed_mm_min=feed,
        overscan_mm=math.floor(overscan * 1000) / 1000,
        skip_mm=max(SKIP_MM, 4 * overscan),
        both_ways=wishes.both_ways,
        corner_mm=(x0, y0, step.level_mm),
    )
    blocks, count = [], 0
    for block in raster(grey, lines, tone_of(wishes, step, data)):
        blocks.append(block)
        count += len(block)
        if count > MOST_MOVES:
            raise RefusedError(
                f"more than {MOST_MOVES:,} lines of G-code for {lines.shape[0]} × {lines.shape[1]} dots",
                remedy="choose a coarser pitch_mm in the job's [raster], or a smaller width",
            )
    if not blocks:
        raise RefusedError(
            "there is nothing to burn: all of the picture is white", remedy="choose a darker picture"
        )
    moves = np.concatenate(blocks)
    notes = [f"{lines.shape[0]} lines {lines.height_mm / lines.shape[0]:.3g} mm apart, {count} moves"]
    if overscan < wanted:
        notes.append(
            f"{overscan:.1f} mm are left beside the picture, {wanted:.1f} mm are the way to F{feed:g}: the "
            "beam follows the speed at the ends of lines; place it further in (--at), or lower the feed"
        )
    return moves, (*notes, *_rushed(moves, machine, feed))


def tone_of(wishes: Raster, step: Step, data: LaserData | None = None) -> Tone:
    """Say how grey becomes power.

    Parameters
    ----------
    wishes : Raster
    step : Step
        Its recipe's power burns black.
    data : LaserData, optional
        The material's answer; straight when left out.
    """
    curve = data.power_curve if data else None
    return Tone(
        levels=wishes.levels,
        dither=wishes.dither,
        gamma=data.gamma if data else 1.0,
        curve=curve or ((0.0, 0.0), (1.0, 1.0)),
        high=step.recipe.power,
    )


def most_lines_s(machine: Machine) -> float:
    """Return how many lines of a raster a machine's controller takes in a second.

    Examples
    --------
    >>> from fabctl.shop.machine import load_machine
    >>> round(most_lines_s(load_machine("laser-400")), -1)
    380.0
    """
    cost, firmware = machine.firmware.cost, machine.firmware
    digits = sum(letter.isdigit() for letter in TYPICAL_LINE)
    words = sum(letter.isalpha() for letter in TYPICAL_LINE)
    line_s = cost.line_s + (len(TYPICAL_LINE) + 1) * cost.char_s + words * cost.word_s + digits * cost.digit_s
    return 1 / (line_s + firmware.look_ahead_blocks * cost.replan_s + cost.segment_s)


def _rushed(moves: Moves, machine: Machine, feed_mm_min: float) -> tuple[str, ...]:
    """Warn where runs are so short that the controller cannot take them at the feed."""
    span = machine.firmware.look_ahead_blocks
    if len(moves) <= span:
        return ()
    # what the planner holds evens out short runs: only whole look-aheads of them slow the head
    way = np.cumsum(lengths(moves, np.asarray(moves["xyz"][0], float)))
    shortest_mm = float((way[span:] - way[:-span]).min()) / span
    most = most_lines_s(machine)
    if feed_mm_min / 60 <= shortest_mm * most:
        return ()
    steady = max(1.0, math.floor(shortest_mm * most * 60))
    said = (
        f"runs of {shortest_mm:.2f} mm at F{feed_mm_min:g} are {feed_mm_min / 60 / shortest_mm:.0f} lines a "
        f"second; the controller takes {most:.0f}: the head slows down there, and at F{steady:g} it never "
        "would (feed_mm_min in the job's [raster]); fewer levels or a coarser pitch help as well"
    )
    return (said,)
