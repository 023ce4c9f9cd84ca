"""The homing cycle: find the switches fast, back off, find them slowly, back off, set the position.

Source: Grbl 1.1h, grbl/limits.c.
"""

from __future__ import annotations

import math

from fabctl.sim.board import PAUSE, Board, Program, Wait
from fabctl.sim.planner import Line
from fabctl.sim.protocol import kill, realtime, sync_positions
from fabctl.sim.realtime import Exec, Steps
from fabctl.sim.trace import Kind

CYCLES: tuple[tuple[int, ...], ...] = ((2,), (0, 1))
"""Z first, to clear the work; then X and Y together."""
SEARCH_FACTOR, LOCATE_FACTOR = 1.5, 5.0
ALARM_RESET, ALARM_DOOR, ALARM_PULLOFF, ALARM_APPROACH = 6, 7, 8, 9
_PASSES = 4


def home(board: Board) -> Program:
    """Home all axes and take over the position; hard limits do not count meanwhile."""
    board.stepper.watch = None
    for axes in CYCLES:
        yield from _home_axes(board, axes)
    yield from realtime(board)
    board.plant.locked = [False, False, False]
    sync_positions(board)
    board.trace.note(board.cpu.now_s, "homed")


def _home_axes(board: Board, axes: tuple[int, ...]) -> Program:
    settings, rt = board.settings, board.rt
    travel = max(settings.axes.travel_mm[axis] for axis in axes) * SEARCH_FACTOR
    rate = settings[25]
    for number in range(_PASSES):
        approach = number % 2 == 0
        if number:
            travel = settings[27] * (LOCATE_FACTOR if approach else 1.0)
            rate = settings[24] if approach else settings[25]
        _begin(board, axes, travel if approach else -travel, rate)
        yield from _run(board, axes, approach=approach)
        rt.exec &= ~Exec.STOPPED
        board.stepper.watch = None
        board.stepper.reset()
        board.planner.system_block = None
        board.cpu.wait(settings[26] / 1000.0)
        yield PAUSE
    low_ends, scale = int(settings[23]), settings.axes.steps_per_mm
    for axis in axes:
        low = low_ends >> axis & 1
        at_mm = settings[27] - settings.axes.travel_mm[axis] if low else -settings[27]
        board.stepper.position[axis] = round(at_mm * scale[axis])
    rt.step_control = 0


def _begin(board: Board, axes: tuple[int, ...], way_mm: float, rate_mm_min: float) -> None:
    """Start a search or pull-off of all axes of a cycle at once."""
    stepper, low_ends = board.stepper, int(board.settings[23])
    target = board.position_mm()
    board.plant.locked = [axis not in axes for axis in range(3)]
    for axis in axes:
        stepper.position[axis] = 0
        target[axis] = -way_mm if low_ends >> axis & 1 else way_mm
    how = Line(feed=rate_mm_min * math.sqrt(len(axes)), no_override=True, system=True, kind=Kind.HOMING,
               ordinal=board.lines)  # fmt: skip
    board.planner.add(target, how, from_steps=stepper.position)
    board.rt.step_control = Steps.SYSTEM


def _run(board: Board, axes: tuple[int, ...], *, approach: bool) -> Program:
    """Run one motion of the cycle to its end, or raise the alarm it ends with."""
    rt, plant, stepper = board.rt, board.plant, board.stepper

    def _open_axes() -> int:
        return sum(1 << axis for axis in axes if not plant.locked[axis])

    def _lock() -> None:
        closed = plant.limits()
        for axis in axes:
            plant.locked[axis] |= bool(closed >> axis & 1)

    if approach:
        _lock()
        stepper.watch = (lambda steps: bool(plant.limits(steps) & _open_axes()), _lock)
    stepper.wake()
    ends = Exec.DOOR | Exec.RESET | Exec.STOPPED
    yield Wait(lambda: bool(rt.exec & ends) or (approach and not _open_axes()), polls=False)
    closed = bool(plant.limits() & sum(1 << axis for axis in axes))
    rt.alarm = _failure(rt.exec, approach=approach, closed=closed) if rt.exec & ends else rt.alarm
    if rt.alarm:
        stepper.watch = None
        plant.locked = [False, False, False]
        kill(board)
        yield from realtime(board)


def _failure(flags: int, *, approach: bool, closed: bool) -> int:
    """Return the alarm a motion of the cycle ended with; 0 when it ended as it should."""
    if approach and flags & Exec.STOPPED:
        return ALARM_APPROACH
    if not approach and closed:
        return ALARM_PULLOFF
    if flags & Exec.DOOR:
        return ALARM_DOOR
    return ALARM_RESET if flags & Exec.RESET else 0
