"""Executing a block: the order in which a checked command takes effect.

Source: Grbl 1.1h, grbl/gcode.c, step 4, and grbl/jog.c.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from fabctl.sim import codes, motion, reports
from fabctl.sim.board import PAUSE, Board, Program, Wait
from fabctl.sim.outputs import CW, OFF
from fabctl.sim.parser import G28, G30, Command, check_block
from fabctl.sim.planner import Line
from fabctl.sim.protocol import realtime, synchronize
from fabctl.sim.realtime import Exec, Overrides, State
from fabctl.sim.settings import BYTE_WRITE_S
from fabctl.sim.trace import Kind
from fabctl.sim.words import G80, MOTION, OFFSET, RejectedError, read_block

_CUTTING = frozenset({1, 2, 3})
_PAUSE, _END = 3, frozenset({2, 30})


@dataclass(slots=True)
class _Laser:
    """What laser mode makes of a block."""

    off: bool = False
    moves: bool = False
    force_sync: bool = False


def execute_line(board: Board, text: str) -> Generator[Wait, None, int]:
    """Parse, check and execute a stripped line; return its error code, 0 for ok."""
    try:
        block = read_block(text, board.gc.modal, mist=board.build.mist)
        command = check_block(block, board.gc, board.settings.coords)
        if block.jog:
            return (yield from _jog(board, command))
    except RejectedError as rejected:
        return rejected.code
    yield from _execute(board, command)
    return codes.OK


def _jog(board: Board, command: Command) -> Generator[Wait, None, int]:
    block, gc, rt = command.block, board.gc, board.rt
    if block.groups - {"distance", "units", "non-modal"} or block.non_modal not in ("", "G53"):
        return 16
    if board.settings[20] and motion.outside(board, command.target):
        return 15
    how = Line(command.feed, no_override=True, spindle=gc.modal.spindle, speed=gc.speed, kind=Kind.JOG,
               ordinal=board.lines)  # fmt: skip
    yield from motion.line(board, command.target, how)
    if rt.state is State.IDLE and board.planner.blocks:
        rt.state = State.JOG
        board.stepper.wake()
    gc.position = list(command.target)
    return codes.OK


def _laser(board: Board, command: Command) -> _Laser:
    out = _Laser()
    if not board.settings[32]:
        return out
    now, gc = command.block.modal, board.gc
    out.off = now.motion not in _CUTTING
    out.moves = command.axis_command == MOTION and any(axis in command.block.values for axis in "XYZ")
    if not out.moves and gc.modal.spindle == CW:
        out.force_sync = (gc.modal.motion in _CUTTING) == out.off
    return out


def _head(board: Board, command: Command) -> Generator[Wait, None, float]:
    """Take S, T and M3 to M5; return the S word for the motion of this line."""
    gc, now = board.gc, command.block.modal
    laser = _laser(board, command)
    if gc.speed != command.speed or laser.force_sync:
        if gc.modal.spindle != OFF and not laser.moves:
            yield from motion.spindle_sync(board, gc.modal.spindle, 0.0 if laser.off else command.speed)
        gc.speed = command.speed
    speed = 0.0 if laser.off else gc.speed
    gc.tool = int(command.block.values.get("T", 0))
    if gc.modal.spindle != now.spindle:
        yield from motion.spindle_sync(board, now.spindle, speed)
        gc.modal.spindle = now.spindle
    return speed


def _execute(board: Board, command: Command) -> Program:
    gc, now = board.gc, command.block.modal
    gc.modal.feed_inverse = now.feed_inverse
    gc.feed_mm_min = command.feed
    speed = yield from _head(board, command)
    yield from _coolant(board, command)
    if command.block.non_modal == "G4":
        yield from motion.dwell(board, command.dwell_s)
    gc.modal.plane, gc.modal.inches = now.plane, now.inches
    yield from _offsets(board, command)
    gc.modal.incremental = now.incremental
    how = Line(
        command.feed,
        rapid=now.motion == 0,
        inverse_time=now.feed_inverse,
        spindle=gc.modal.spindle,
        speed=speed,
        kind=Kind.RAPID if now.motion == 0 else Kind.FEED,
        ordinal=board.lines,
    )
    yield from _non_modal(board, command, how)
    gc.modal.motion = now.motion
    if now.motion != G80 and command.axis_command == MOTION:
        yield from _move(board, command, how)
    if now.flow:
        yield from _flow(board, now.flow)


def _coolant(board: Board, command: Command) -> Program:
    gc, now = board.gc, command.block.modal
    if (gc.modal.flood, gc.modal.mist) != (now.flood, now.mist):
        if board.rt.state is not State.CHECK:
            yield from synchronize(board)
            board.outputs.set_coolant(flood=now.flood, mist=now.mist)
        gc.modal.flood, gc.modal.mist = now.flood, now.mist


def offset_changed(board: Board) -> Program:
    """Finish all motion, then let the next report show the new work offset."""
    yield from synchronize(board)
    board.rt.overrides.wco_counter = 0
    board.note_offset()


def _offsets(board: Board, command: Command) -> Program:
    """Tool length (G43.1, G49), then the choice of work coordinate system."""
    gc, now = board.gc, command.block.modal
    if command.axis_command == OFFSET:
        gc.modal.offset_on = now.offset_on
        length = command.target[2] if now.offset_on else 0.0
        if gc.tool_length_mm != length:
            gc.tool_length_mm = length
            yield from offset_changed(board)
    if gc.modal.wcs != now.wcs:
        gc.modal.wcs = now.wcs
        gc.wcs = list(command.wcs)
        yield from offset_changed(board)


def _non_modal(board: Board, command: Command, how: Line) -> Program:
    gc, word = board.gc, command.block.non_modal
    if word == "G10":
        yield from _store(board, command.coord_index, command.second)
        if gc.modal.wcs == command.coord_index:
            gc.wcs = list(command.second)
            yield from offset_changed(board)
    elif word in ("G28", "G30"):
        how.rapid, how.kind = True, Kind.RAPID
        if command.axis_command:
            yield from motion.line(board, command.target, how)
        yield from motion.line(board, command.second, how)
        gc.position = list(command.second)
    elif word in ("G28.1", "G30.1"):
        yield from _store(board, G28 if word == "G28.1" else G30, list(gc.position))
    elif word in ("G92", "G92.1"):
        gc.g92 = list(command.target) if word == "G92" else [0.0, 0.0, 0.0]
        yield from offset_changed(board)


def _store(board: Board, index: int, xyz: list[float]) -> Program:
    """Write coordinate data to the EEPROM, at rest and deaf."""
    yield from synchronize(board)
    board.cpu.go_deaf(board.settings.store_coords(index, xyz) * BYTE_WRITE_S)
    yield PAUSE


def _move(board: Board, command: Command, how: Line) -> Program:
    gc, mode = board.gc, command.block.modal.motion
    update = "target"
    if command.arc is not None:
        yield from motion.arc(board, command.target, command.arc, how)
    elif motion.is_probe(mode):
        how.no_override = True
        update = yield from motion.probe(board, command.target, how, mode)
    else:
        yield from motion.line(board, command.target, how)
    if update == "target":
        gc.position = list(command.target)
    elif update == "system":
        board.stepper.sync()
        gc.position = board.position_mm()


def _flow(board: Board, flow: int) -> Program:
    """M0 holds until cycle start; M2 and M30 end the program and put most modes back."""
    gc, rt = board.gc, board.rt
    gc.modal.flow = flow
    yield from synchronize(board)
    if flow == _PAUSE:
        if rt.state is not State.CHECK:
            rt.exec |= Exec.HOLD
            yield from realtime(board)
    elif flow in _END:
        modal = gc.modal
        modal.motion, modal.plane, modal.incremental, modal.feed_inverse = 1, 0, False, False
        modal.wcs, modal.spindle, modal.flood, modal.mist = 0, OFF, False, False
        counters = rt.overrides.wco_counter, rt.overrides.ovr_counter
        rt.overrides = Overrides(100, 100, 100, *counters)
        if rt.state is not State.CHECK:
            gc.wcs = list(board.settings.coords[0])
            yield from offset_changed(board)
            board.outputs.set_spindle(OFF, 0.0)
            board.outputs.set_coolant(flood=False, mist=False)
        reports.message(board, "program-end")
    gc.modal.flow = 0
