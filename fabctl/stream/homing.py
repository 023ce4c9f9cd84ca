"""How long a homing cycle may take.

Grbl answers nothing while it homes, so that only time tells a controller that died in it from one at work.
The bound is that of a machine whose every switch is found at the very end of its search.

Source: Grbl 1.1h, limits.c (limits_go_home) and config.h (cycles, search and locate factors).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from fabctl.shop.firmware import Firmware
from fabctl.shop.machine import Machine

SEARCH_FACTOR = 1.5
"""A search goes so many times the travel before it is given up with an alarm."""
LOCATE_FACTOR, DESCENDANTS_LOCATE_FACTOR = 5.0, 10.0
"""The slow touch goes so many pull-offs, in Grbl and in what was made of it."""
DEFAULTS: Mapping[int, float] = {
    24: 25.0, 25: 500.0, 26: 250.0, 27: 1.0, 43: 1.0, 110: 500.0, 111: 500.0, 112: 500.0,
    120: 10.0, 121: 10.0, 122: 10.0,
}  # fmt: skip
"""What holds where neither the controller nor the profile says anything; source: Grbl 1.1, defaults.h."""
AXES = "xyz"
CYCLE_SETTINGS = range(44, 50)
"""Where grblHAL tells which axes it homes together, a mask each."""
MARGIN, MARGIN_S = 1.1, 3.0
"""Step times rounded, a resonator half a percent off; an adapter's wait, and motors that go idle."""


def homing_limit_s(firmware: Firmware, machine: Machine, told: Mapping[int, float]) -> float:
    """Return the longest a homing cycle may take from ``$H`` to its answer, s; never less than it can take.

    Parameters
    ----------
    firmware : Firmware
        Which axes it homes together, where that is known.
    machine : Machine
        Travel, rates, accelerations and homing, where the controller does not tell its own.
    told : mapping of int to float
        What the controller's ``$$`` says. Where it and the profile differ the slower one counts.

    Examples
    --------
    >>> from fabctl.shop.machine import load_machine
    >>> plotter = load_machine("pen-plotter-a3")
    >>> round(homing_limit_s(plotter.firmware, plotter, {}), 1)
    49.9
    """
    figures = [machine.settings(), told]
    travels = {axis: mm for axis in range(3) if (mm := _most(figures, 130 + axis)) > 0}
    cycles = _cycles(firmware, told)
    if cycles:
        real = [[axis for axis in cycle if axis in travels] for cycle in cycles]
        turns = [(axes, max(travels[axis] for axis in axes)) for axes in real if axes]
    else:
        # whatever is homed together: no cycle is longer than its axes one by one, each as slow as the slowest
        turns = [(list(travels), mm) for mm in travels.values()]
    plain = bool(cycles) and not _tells_cycles(told)
    return MARGIN_S + MARGIN * sum(_cycle_s(figures, axes, mm, plain=plain) for axes, mm in turns)


def _tells_cycles(told: Mapping[int, float]) -> bool:
    return any(told.get(number, 0.0) > 0 for number in CYCLE_SETTINGS)


def _cycles(firmware: Firmware, told: Mapping[int, float]) -> list[list[int]]:
    """Return the axes of each cycle; none when nobody knows them."""
    if _tells_cycles(told):
        masks = (int(told.get(number, 0.0)) for number in CYCLE_SETTINGS)
        return [[axis for axis in range(3) if mask >> axis & 1] for mask in masks]
    return [[AXES.index(letter) for letter in letters] for letters in firmware.behaviour.homing_cycles]


def _cycle_s(
    figures: list[Mapping[int, float]], axes: Collection[int], travel_mm: float, *, plain: bool
) -> float:
    """Return the longest one cycle can take: search, pull off, then touch slowly and pull off again, s."""
    seek, locate, pull_mm = _least(figures, 25), _least(figures, 24), _most(figures, 27)
    factor = LOCATE_FACTOR if plain else DESCENDANTS_LOCATE_FACTOR
    again = [(factor * pull_mm, locate), (pull_mm, seek)]
    passes = [(SEARCH_FACTOR * travel_mm, seek), (pull_mm, seek), *again * max(1, int(_most(figures, 43)))]
    # all axes of a cycle go as fast as its slowest may
    rate = min(_least(figures, 110 + axis) for axis in axes)
    acceleration = min(_least(figures, 120 + axis) for axis in axes)
    settle_s = _most(figures, 26) / 1000
    return sum(_pass_s(way_mm, min(rate, pace) / 60, acceleration) + settle_s for way_mm, pace in passes)


def _pass_s(way_mm: float, rate_mm_s: float, acceleration_mm_s2: float) -> float:
    """Return the longest a way takes with speeding up and braking, s; also one too short for its rate."""
    return way_mm / rate_mm_s + rate_mm_s / acceleration_mm_s2


def _said(figures: list[Mapping[int, float]], number: int) -> list[float]:
    """Return what is said of a setting; a rate or way of nothing is nothing said."""
    return [found[number] for found in figures if found.get(number, 0.0) > 0]


def _least(figures: list[Mapping[int, float]], number: int) -> float:
    return min(_said(figures, number), default=DEFAULTS[number])


def _most(figures: list[Mapping[int, float]], number: int) -> float:
    return max(_said(figures, number), default=DEFAULTS.get(number, 0.0))
