"""The main program: start, banner, then line after line until a reset starts it anew.

Source: Grbl 1.1h, grbl/main.c and grbl/protocol.c.
"""

from __future__ import annotations

from collections.abc import Generator

from fabctl.sim import codes, gcode, reports, system
from fabctl.sim.board import PAUSE, Board, Program, ResetError, Wait
from fabctl.sim.parser import ParserState
from fabctl.sim.protocol import auto_start, realtime, watch_limits
from fabctl.sim.realtime import State
from fabctl.sim.settings import BYTE_WRITE_S

LOCKED, OVERFLOW, READ_FAIL = 9, 11, 7


def main(board: Board) -> Program:
    """Run from power-on, for ever; a soft reset begins at the banner again."""
    if board.settings.blank:
        reports.answer(board, READ_FAIL)
        board.cpu.go_deaf(board.settings.restore("*") * BYTE_WRITE_S)
        yield PAUSE
        reports.all_settings(board)
    board.rt.state = State.IDLE
    if board.settings[22] and board.build.homing_lock:
        board.rt.state = State.ALARM
    while True:
        try:
            yield from _session(board)
        except ResetError:
            board.trace.note(board.cpu.now_s, "reset")


def _session(board: Board) -> Program:
    """Initialise, greet, and serve lines until a reset."""
    rt = board.rt
    rt.clear()
    board.receiver.flush()
    board.receiver.reader.reset()
    board.gc = ParserState(wcs=list(board.settings.coords[0]))
    board.outputs.kill()
    board.outputs.speed = 0.0
    board.planner.reset()
    board.stepper.reset()
    yield PAUSE
    board.planner.position = list(board.stepper.position)
    board.gc.position = board.position_mm()
    board.note_offset()
    watch_limits(board)
    board.transmitter.write(codes.BANNER)
    if board.settings[21] and board.plant.limits():
        rt.state = State.ALARM
        reports.message(board, "limits")
    if rt.state in (State.ALARM, State.SLEEP):
        reports.message(board, "lock")
        rt.state = State.ALARM
    else:
        rt.state = State.IDLE
        yield from system.run_startup(board)
    yield from _serve_lines(board)


def _serve_lines(board: Board) -> Program:
    receiver, rt = board.receiver, board.rt
    waiting = Wait(receiver.has_line)
    while True:
        found, line = receiver.next_line()
        if found:
            yield from realtime(board)
            board.lines += 1
            try:
                code = yield from _execute(board, line)
            except ResetError:
                # The line a reset interrupts is still answered, before the banner.
                reports.answer(board, codes.OK)
                raise
            reports.answer(board, code)
            continue
        auto_start(board)
        yield from realtime(board)
        if not rt.pending() and not receiver.has_line():
            receiver.reading = True
            yield waiting
            receiver.reading = False


def _execute(board: Board, line: str | None) -> Generator[Wait, None, int]:
    if line is None:
        return OVERFLOW
    if not line:
        return codes.OK
    if board.cpu.modelled:
        board.cpu.spend(board.cpu.line_cost_s(line))
    yield PAUSE
    if line.startswith("$"):
        return (yield from system.execute(board, line))
    if board.rt.state in (State.ALARM, State.JOG):
        return LOCKED
    return (yield from gcode.execute_line(board, line))
