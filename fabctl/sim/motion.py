"""From commands to the planner: lines, arcs, dwells, soft limits, probing.

Source: Grbl 1.1h, grbl/motion_control.c and grbl/limits.c.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from fabctl.sim import arcs, reports
from fabctl.sim.board import POLL, Board, Program, Wait
from fabctl.sim.cpu import BLOCK_S, REPLANNED_S
from fabctl.sim.outputs import CW
from fabctl.sim.planner import Line
from fabctl.sim.protocol import ALARM_SOFT_LIMIT, auto_start, delay, kill, realtime, synchronize, watch_limits
from fabctl.sim.realtime import Exec, State
from fabctl.sim.words import PROBES

ALARM_PROBE_START, ALARM_PROBE_MISSED = 4, 5


def outside(board: Board, target_mm: list[float]) -> bool:
    """Return whether a machine position lies outside the travel: above 0 or below −$130."""
    travel = board.settings.axes.travel_mm
    return any(t > 0 or t < -far for t, far in zip(target_mm, travel, strict=True))


def spindle_sync(board: Board, state: int, speed: float) -> Program:
    """Set the spindle once every planned motion is over."""
    if board.rt.state is not State.CHECK:
        yield from synchronize(board)
        board.outputs.set_spindle(state, speed)


def line(board: Board, target_mm: list[float], how: Line) -> Program:
    """Plan a straight move, waiting for room."""
    rt, planner = board.rt, board.planner
    if board.settings[20] and rt.state is not State.JOG:
        yield from _check_soft_limits(board, target_mm)
    if rt.state is State.CHECK:
        return
    while True:
        yield from realtime(board)
        if planner.has_room():
            break
        auto_start(board)
        if not rt.pending():
            yield Wait(planner.has_room)
    if planner.add(target_mm, how):
        if board.cpu.modelled:
            board.cpu.spend(BLOCK_S + REPLANNED_S * planner.replanned)
    elif board.settings[32] and how.spindle == CW:
        yield from spindle_sync(board, CW, how.speed)


def _check_soft_limits(board: Board, target_mm: list[float]) -> Program:
    if not outside(board, target_mm):
        return
    rt = board.rt
    rt.soft_limit = True
    if rt.state is State.CYCLE:
        rt.exec |= Exec.HOLD
        yield from _until_idle(board)
    kill(board)
    rt.alarm = ALARM_SOFT_LIMIT
    yield from realtime(board)


def _until_idle(board: Board) -> Program:
    rt = board.rt
    while True:
        yield from realtime(board)
        if rt.state is State.IDLE:
            return
        if not rt.pending():
            yield POLL


def arc(board: Board, target_mm: list[float], shape: arcs.Arc, how: Line) -> Program:
    """Plan an arc as chords; under G93 each chord gets its share of the time."""
    start = list(board.gc.position)
    points = arcs.chords(start, target_mm, shape, board.settings[12])
    if how.inverse_time:
        ends = list(points)
        how = replace(how, feed=how.feed * max(1, len(ends)))
        points = iter(ends)
    for point in points:
        yield from line(board, point, how)


def dwell(board: Board, seconds: float) -> Program:
    """Wait for the motion to end, then for a time in s, rounded up to 50 ms."""
    if board.rt.state is not State.CHECK:
        yield from synchronize(board)
        yield from delay(board, seconds)


def probe(board: Board, target_mm: list[float], how: Line, motion: int) -> Generator[Wait, None, str]:
    """Run a probing cycle.

    Returns
    -------
    {"target", "system", "none"}
        From where the parser takes its position afterwards.
    """
    rt = board.rt
    if rt.state is State.CHECK:
        return "target"
    yield from synchronize(board)
    probing = rt.probe
    probing.succeeded = False
    probing.away = motion in (384, 385)
    quiet = motion in (383, 385)
    if board.plant.probe_touches() != probing.away:
        rt.alarm = ALARM_PROBE_START
        yield from realtime(board)
        return "none"
    yield from line(board, target_mm, how)
    _watch_probe(board)
    rt.exec |= Exec.START
    yield from _until_idle(board)
    watch_limits(board)
    board.stepper.sync()
    if not probing.active:
        probing.succeeded = True
    elif quiet:
        probing.steps = list(board.stepper.position)
    else:
        rt.alarm = ALARM_PROBE_MISSED
    probing.active = False
    yield from realtime(board)
    board.stepper.reset()
    board.planner.reset()
    board.planner.position = list(board.stepper.position)
    reports.probe_result(board)
    return "system" if probing.succeeded else "target"


def _watch_probe(board: Board) -> None:
    probing, plant, stepper = board.rt.probe, board.plant, board.stepper
    probing.active = True

    def _touched(steps: list[int]) -> bool:
        return plant.probe_touches(steps) != probing.away

    def _stop() -> None:
        probing.steps = list(stepper.position)
        probing.active = False
        stepper.watch = None
        board.rt.exec |= Exec.CANCEL

    stepper.watch = (_touched, _stop)


def is_probe(motion: int) -> bool:
    """Return whether a motion mode is one of G38.2 … G38.5."""
    return motion in PROBES
