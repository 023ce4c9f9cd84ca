"""The ``$`` commands.

Source: Grbl 1.1h, grbl/system.c.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

from fabctl.sim import codes, gcode, reports
from fabctl.sim.board import PAUSE, Board, Program, Wait
from fabctl.sim.homing import home
from fabctl.sim.protocol import kill, synchronize, watch_limits
from fabctl.sim.realtime import Exec, State
from fabctl.sim.settings import BYTE_WRITE_S
from fabctl.sim.words import RejectedError, read_number

Answer = Generator[Wait, None, int]

INVALID, NOT_IDLE, DISABLED = 3, 8, 5


def execute(board: Board, line: str) -> Answer:
    """Execute a stripped line that begins with ``$``; return its error code, 0 for ok."""
    rt = board.rt
    if line == "$":
        board.transmitter.write(codes.HELP)
        return codes.OK
    if line[1] == "J":
        if rt.state not in (State.IDLE, State.JOG):
            return NOT_IDLE
        if not line.startswith("$J="):
            return INVALID
        return (yield from gcode.execute_line(board, line))
    if line[1] in _SINGLE:
        return _SINGLE[line[1]](board) if len(line) == 2 else INVALID
    if rt.state not in (State.IDLE, State.ALARM):
        return NOT_IDLE
    try:
        return (yield from _IDLE.get(line[1], _store_setting)(board, line))
    except RejectedError as rejected:
        return rejected.code


def _show_settings(board: Board) -> int:
    if board.rt.state in (State.CYCLE, State.HOLD):
        return NOT_IDLE
    reports.all_settings(board)
    return codes.OK


def _show_modes(board: Board) -> int:
    reports.modes(board)
    return codes.OK


def _check_mode(board: Board) -> int:
    if board.rt.state is State.CHECK:
        kill(board)
        reports.message(board, "disabled")
    elif board.rt.state is not State.IDLE:
        return NOT_IDLE
    else:
        board.rt.state = State.CHECK
        reports.message(board, "enabled")
    return codes.OK


def _unlock(board: Board) -> int:
    if board.rt.state is State.ALARM:
        reports.message(board, "unlocked")
        board.rt.state = State.IDLE
    return codes.OK


_SINGLE: dict[str, Callable[[Board], int]] = {
    "$": _show_settings,
    "G": _show_modes,
    "C": _check_mode,
    "X": _unlock,
}


def _parameters(board: Board, line: str) -> Answer:
    if len(line) > 2:
        return INVALID
    reports.parameters(board)
    yield PAUSE
    return codes.OK


def _sleep(board: Board, line: str) -> Answer:
    if line != "$SLP":
        return INVALID
    board.rt.exec |= Exec.SLEEP
    yield PAUSE
    return codes.OK


def _store_setting(board: Board, line: str) -> Answer:
    """Store ``$n=value``.

    Raises
    ------
    RejectedError
        With the code of a malformed number.
    """
    number, value = _assignment(line, 1)
    if number > 255:
        return INVALID
    code, changed = board.settings.store(int(number), value)
    yield from _write(board, changed)
    if code == codes.OK:
        if int(number) == 13:
            yield from gcode.offset_changed(board)
        elif int(number) in (30, 31):
            board.outputs.set_pwm(0)
        elif int(number) == 21:
            watch_limits(board)
    return code


def _assignment(line: str, at: int) -> tuple[float, float]:
    """Read ``number=value``.

    Raises
    ------
    RejectedError
        error:2 or error:3 when it is none.
    """
    number, at = read_number(line, at)
    if line[at : at + 1] != "=":
        raise RejectedError(INVALID)
    value, at = read_number(line, at + 1)
    if at != len(line):
        raise RejectedError(INVALID)
    return number, value


def _write(board: Board, changed_bytes: int) -> Program:
    board.cpu.go_deaf(changed_bytes * BYTE_WRITE_S)
    yield PAUSE


def _home(board: Board, line: str) -> Answer:
    if not board.settings[22]:
        return DISABLED
    board.rt.state = State.HOMING
    if line != "$H":
        # The firmware has changed its state by now: a mistyped $H leaves it in Home until a reset.
        return INVALID
    yield from home(board)
    board.rt.state = State.IDLE
    board.stepper.go_idle()
    watch_limits(board)
    board.note_offset()
    yield from run_startup(board)
    return codes.OK


def _build_info(board: Board, line: str) -> Answer:
    if line == "$I":
        reports.build_info(board)
        return codes.OK
    if line[2] != "=":
        return INVALID
    yield from _write(board, board.settings.store_build_info(line[3:]))
    return codes.OK


def _restore(board: Board, line: str) -> Answer:
    if not line.startswith("$RST=") or len(line) != 6 or line[5] not in "$#*":
        return INVALID
    yield from _write(board, board.settings.restore(line[5]))
    reports.message(board, "restore")
    kill(board)
    return codes.OK


def _startup_line(board: Board, line: str) -> Answer:
    """List or store startup lines; a stored line is executed once to see whether it is valid."""
    if line == "$N":
        for index, text in enumerate(board.settings.startup):
            board.transmitter.write(f"$N{index}={text}\r\n")
        return codes.OK
    if board.rt.state is not State.IDLE:
        return NOT_IDLE
    number, at = read_number(line, 2)
    if line[at : at + 1] != "=":
        return INVALID
    text = line[at + 1 :]
    code = yield from gcode.execute_line(board, text)
    if code == codes.OK and int(number) < len(board.settings.startup):
        yield from synchronize(board)
        yield from _write(board, board.settings.store_startup(int(number), text))
    return code


def run_startup(board: Board) -> Program:
    """Execute the stored startup lines and say so."""
    for text in board.settings.startup:
        if text:
            code = yield from gcode.execute_line(board, text)
            board.transmitter.write(f">{text}:")
            reports.answer(board, code)


_IDLE: dict[str, Callable[[Board, str], Answer]] = {
    "#": _parameters,
    "H": _home,
    "S": _sleep,
    "I": _build_info,
    "R": _restore,
    "N": _startup_line,
}
"""Commands that need Idle or Alarm, by their letter; the others store a setting."""
