"""The real-time executor: holds, resumes, overrides, alarms, and the suspended main program.

Source: Grbl 1.1h, grbl/protocol.c.
"""

from __future__ import annotations

import math

from fabctl.sim import reports
from fabctl.sim.board import PAUSE, POLL, Board, Program, ResetError, Wait
from fabctl.sim.outputs import OFF
from fabctl.sim.realtime import (
    FEED_STEPS,
    FLOOD_TOGGLE,
    MIST_TOGGLE,
    RAPID_LEVELS,
    SPINDLE_STEPS,
    SPINDLE_STOP,
    Exec,
    Realtime,
    SpindleStop,
    State,
    Steps,
    Suspend,
)

ALARM_HARD_LIMIT, ALARM_SOFT_LIMIT, ALARM_ABORT, ALARM_HOMING_RESET = 1, 2, 3, 6
ALARM_REPORT_S = 0.5
DWELL_STEP_S = 0.05
DOOR_SPINDLE_S, DOOR_COOLANT_S = 4.0, 1.0

_HOLDS = Exec.CANCEL | Exec.HOLD | Exec.DOOR | Exec.SLEEP


def kill(board: Board) -> None:
    """Begin a reset from an interrupt: outputs off, and ALARM:3 when something moved."""
    rt = board.rt
    if rt.exec & Exec.RESET:
        return
    rt.exec |= Exec.RESET
    board.outputs.kill()
    moving = rt.state in (State.CYCLE, State.HOMING, State.JOG)
    if moving or rt.step_control & (Steps.HOLD | Steps.SYSTEM):
        if rt.state is not State.HOMING:
            rt.alarm = ALARM_ABORT
        elif not rt.alarm:
            rt.alarm = ALARM_HOMING_RESET
        board.stepper.go_idle()


def realtime(board: Board) -> Program:
    """Do what interrupts have asked for; stay here while the main program is suspended."""
    if board.rt.pending():
        yield from run(board)
    if board.rt.suspend:
        yield from _suspended(board)


def run(board: Board) -> Program:
    """Do what interrupts have asked for, once.

    Raises
    ------
    ResetError
        On a soft reset: the main program unwinds.
    """
    rt = board.rt
    if rt.alarm:
        yield from _alarm(board)
    flags = rt.exec
    if flags:
        if flags & Exec.RESET:
            raise ResetError
        if flags & Exec.STATUS:
            reports.status(board)
            rt.exec &= ~Exec.STATUS
        if flags & _HOLDS:
            _hold(board, flags)
        if flags & Exec.START:
            _start(board, flags)
        if flags & Exec.STOPPED:
            _stopped(board)
    if rt.motion:
        _override_motion(board)
    if rt.accessory:
        _override_accessories(board)


def _alarm(board: Board) -> Program:
    rt = board.rt
    code = rt.alarm
    rt.state = State.ALARM
    board.trace.note(board.cpu.now_s, "alarm", str(code))
    board.transmitter.write(f"ALARM:{code}\r\n")
    board.cpu.wait(ALARM_REPORT_S)
    yield PAUSE
    if code in (ALARM_HARD_LIMIT, ALARM_SOFT_LIMIT):
        reports.message(board, "critical")
        rt.exec &= ~Exec.RESET
        yield Wait(lambda: bool(rt.exec & Exec.RESET), polls=False)
    rt.alarm = 0


def _hold(board: Board, flags: int) -> None:
    rt = board.rt
    if rt.state not in (State.ALARM, State.CHECK):
        cancelled = rt.suspend & (Suspend.MOTION_CANCEL | Suspend.JOG_CANCEL)
        if rt.state in (State.CYCLE, State.JOG) and not cancelled:
            _brake(board, flags)
        if rt.state is State.IDLE:
            rt.suspend = Suspend.HOLD_COMPLETE
        if flags & Exec.CANCEL and rt.state is not State.JOG:
            rt.suspend |= Suspend.MOTION_CANCEL
        if flags & Exec.HOLD and rt.state not in (State.DOOR, State.JOG, State.SLEEP):
            rt.state = State.HOLD
        if flags & Exec.DOOR:
            _door(board)
    if flags & Exec.SLEEP:
        if rt.state is State.ALARM:
            rt.suspend |= Suspend.RETRACTED | Suspend.HOLD_COMPLETE
        rt.state = State.SLEEP
    rt.exec &= ~_HOLDS


def _brake(board: Board, flags: int) -> None:
    rt = board.rt
    board.stepper.maker.replan()
    rt.step_control = Steps.HOLD
    if rt.state is State.JOG and not flags & Exec.SLEEP:
        rt.suspend |= Suspend.JOG_CANCEL


def _door(board: Board) -> None:
    rt = board.rt
    reports.message(board, "door")
    if not rt.suspend & Suspend.JOG_CANCEL:
        if rt.state is State.DOOR and rt.suspend & Suspend.RESTORING:
            rt.suspend &= ~(Suspend.RETRACTED | Suspend.RESTORING | Suspend.RESTORED)
            rt.suspend |= Suspend.RESTART
        if rt.state is not State.SLEEP:
            rt.state = State.DOOR
    rt.suspend |= Suspend.AJAR


def _leave_door(rt: Realtime) -> None:
    """Begin to restore what the open door switched off; once that is done, be idle."""
    if rt.suspend & Suspend.AJAR:
        return
    if rt.suspend & Suspend.RESTORED:
        rt.state = State.IDLE
    elif rt.suspend & Suspend.RETRACTED:
        rt.suspend |= Suspend.RESTORING


def _start(board: Board, flags: int) -> None:
    rt = board.rt
    rt.exec &= ~Exec.START
    if flags & (Exec.HOLD | Exec.CANCEL | Exec.DOOR):
        return
    if rt.state is State.DOOR:
        _leave_door(rt)
    held = rt.state is State.HOLD and rt.suspend & Suspend.HOLD_COMPLETE
    if rt.state is not State.IDLE and not held:
        return
    if rt.state is State.HOLD and rt.spindle_stop:
        rt.spindle_stop |= SpindleStop.RESTORE_CYCLE
        return
    rt.step_control = 0
    if board.planner.blocks and not rt.suspend & Suspend.MOTION_CANCEL:
        rt.suspend = 0
        rt.state = State.CYCLE
        board.stepper.wake()
    else:
        rt.suspend = 0
        rt.state = State.IDLE


def _stopped(board: Board) -> None:
    """End of a motion: of a hold, of a cancelled jog, or simply of all there was."""
    rt = board.rt
    rt.exec &= ~Exec.STOPPED
    held = rt.state in (State.HOLD, State.DOOR, State.SLEEP)
    if held and not rt.soft_limit and not rt.suspend & Suspend.JOG_CANCEL:
        board.planner.reinitialize()
        if rt.step_control & Steps.HOLD:
            rt.suspend |= Suspend.HOLD_COMPLETE
        rt.step_control &= ~(Steps.HOLD | Steps.SYSTEM)
        return
    if rt.suspend & Suspend.JOG_CANCEL:
        rt.step_control = 0
        board.planner.reset()
        board.stepper.reset()
        sync_positions(board)
    if rt.suspend & Suspend.AJAR:
        rt.suspend &= ~Suspend.JOG_CANCEL
        rt.suspend |= Suspend.HOLD_COMPLETE
        rt.state = State.DOOR
    else:
        rt.suspend = 0
        rt.state = State.IDLE


def sync_positions(board: Board) -> None:
    """Take the stepper's position into planner and parser."""
    board.stepper.sync()
    board.planner.position = list(board.stepper.position)
    board.gc.position = board.position_mm()


def _override_motion(board: Board) -> None:
    rt, overrides = board.rt, board.rt.overrides
    asked, rt.motion = rt.motion, set()
    feed, rapid = overrides.feed, overrides.rapid
    for byte, change in FEED_STEPS.items():
        if byte in asked:
            feed = feed + change if change else 100
    feed = max(10, min(200, feed))
    for byte, level in RAPID_LEVELS.items():
        if byte in asked:
            rapid = level
    if (feed, rapid) != (overrides.feed, overrides.rapid):
        overrides.feed, overrides.rapid = feed, rapid
        overrides.ovr_counter = 0
        board.planner.update_overrides()
        board.planner.reinitialize()


def _override_accessories(board: Board) -> None:
    rt, overrides, gc = board.rt, board.rt.overrides, board.gc
    asked, rt.accessory = rt.accessory, set()
    spindle = overrides.spindle
    for byte, change in SPINDLE_STEPS.items():
        if byte in asked:
            spindle = spindle + change if change else 100
    spindle = max(10, min(200, spindle))
    if spindle != overrides.spindle:
        overrides.spindle = spindle
        if rt.state is State.IDLE:
            board.outputs.set_spindle(gc.modal.spindle, gc.speed)
        else:
            rt.step_control |= Steps.PWM
        overrides.ovr_counter = 0
    if SPINDLE_STOP in asked and rt.state is State.HOLD:
        if not rt.spindle_stop:
            rt.spindle_stop = SpindleStop.INITIATE
        elif rt.spindle_stop & SpindleStop.ENABLED:
            rt.spindle_stop |= SpindleStop.RESTORE
    if rt.state in (State.IDLE, State.CYCLE, State.HOLD, State.JOG):
        _toggle_coolant(board, asked)


def _toggle_coolant(board: Board, asked: set[int]) -> None:
    modal = board.gc.modal
    flood = modal.flood ^ (FLOOD_TOGGLE in asked)
    mist = modal.mist ^ (MIST_TOGGLE in asked and board.build.mist)
    if (flood, mist) != (modal.flood, modal.mist):
        board.outputs.set_coolant(flood=flood, mist=mist)
        modal.flood, modal.mist = flood, mist


def auto_start(board: Board) -> None:
    """Ask for a cycle start when blocks wait and nothing runs."""
    if board.planner.blocks and board.rt.state is State.IDLE:
        board.rt.exec |= Exec.START


def synchronize(board: Board) -> Program:
    """Wait until every planned motion is over."""
    rt, planner = board.rt, board.planner
    auto_start(board)
    while True:
        yield from realtime(board)
        if not planner.blocks and rt.state is not State.CYCLE:
            return
        if not rt.pending():
            yield POLL


def delay(board: Board, seconds: float, *, suspended: bool = False) -> Program:
    """Wait in steps of 50 ms, looking at real-time commands between them.

    Parameters
    ----------
    board : Board
        The controller.
    seconds : float
        Rounded up to the next step, in s.
    suspended : bool
        The wait is itself part of a suspension: a door opened again ends it.
    """
    # Single precision on the board: 20 × 0.55 is 11 there, not 11.000000000000002.
    for _ in range(math.ceil(round(seconds / DWELL_STEP_S, 5))):
        if suspended:
            yield from run(board)
            if board.rt.suspend & Suspend.RESTART:
                return
        else:
            yield from realtime(board)
        board.cpu.wait(DWELL_STEP_S)
        yield PAUSE


def _suspended(board: Board) -> Program:
    rt, gc = board.rt, board.gc
    block = board.planner.blocks[0] if board.planner.blocks else None
    spindle, speed = (gc.modal.spindle, gc.speed) if block is None else (block.line.spindle, block.line.speed)
    if board.settings[32]:
        rt.accessory.add(SPINDLE_STOP)
    while rt.suspend:
        before = (rt.suspend, rt.spindle_stop, rt.state)
        if rt.suspend & Suspend.HOLD_COMPLETE:
            if rt.state in (State.DOOR, State.SLEEP):
                yield from _parked(board, spindle, speed)
            else:
                _held(board, spindle, speed)
        if rt.pending():
            yield from run(board)
        elif before == (rt.suspend, rt.spindle_stop, rt.state):
            yield POLL


def _parked(board: Board, spindle: int, speed: float) -> Program:
    """Door or sleep: first switch everything off, then wait, then bring it back."""
    rt = board.rt
    if not rt.suspend & Suspend.RETRACTED:
        rt.spindle_stop = 0
        _all_off(board)
        rt.suspend &= ~Suspend.RESTART
        rt.suspend |= Suspend.RETRACTED
        return
    if rt.state is State.SLEEP:
        reports.message(board, "sleep")
        _all_off(board)
        board.stepper.go_idle()
        while True:
            yield from run(board)
            if not rt.pending():
                yield POLL
    if not board.plant.wiring.door_open:
        rt.suspend &= ~Suspend.AJAR
    if rt.suspend & Suspend.RESTORING:
        yield from _restore(board, spindle, speed)


def _all_off(board: Board) -> None:
    board.outputs.set_spindle(OFF, 0.0)
    board.outputs.set_coolant(flood=False, mist=False)


def _restore(board: Board, spindle: int, speed: float) -> Program:
    rt, modal = board.rt, board.gc.modal
    if modal.spindle != OFF:
        if board.settings[32]:
            rt.step_control |= Steps.PWM
        else:
            board.outputs.set_spindle(spindle, speed)
            yield from delay(board, DOOR_SPINDLE_S, suspended=True)
    if (modal.flood or modal.mist) and not rt.suspend & Suspend.RESTART:
        board.outputs.set_coolant(flood=modal.flood, mist=modal.mist)
        yield from delay(board, DOOR_COOLANT_S, suspended=True)
    if not rt.suspend & Suspend.RESTART:
        rt.suspend |= Suspend.RESTORED
        rt.exec |= Exec.START


def _held(board: Board, spindle: int, speed: float) -> None:
    """Feed hold at rest: the spindle stop and its return."""
    rt, modal, outputs = board.rt, board.gc.modal, board.outputs
    if not rt.spindle_stop:
        if rt.step_control & Steps.PWM:
            outputs.set_spindle(spindle, speed)
            rt.step_control &= ~Steps.PWM
    elif rt.spindle_stop & SpindleStop.INITIATE:
        if modal.spindle != OFF:
            outputs.set_spindle(OFF, 0.0)
            rt.spindle_stop = SpindleStop.ENABLED
        else:
            rt.spindle_stop = 0
    elif rt.spindle_stop & (SpindleStop.RESTORE | SpindleStop.RESTORE_CYCLE):
        if modal.spindle != OFF:
            reports.message(board, "spindle")
            if board.settings[32]:
                rt.step_control |= Steps.PWM
            else:
                outputs.set_spindle(spindle, speed)
        if rt.spindle_stop & SpindleStop.RESTORE_CYCLE:
            rt.exec |= Exec.START
        rt.spindle_stop = 0


def watch_limits(board: Board) -> None:
    """Let the limit switches stop everything when $21 is on."""
    board.stepper.watch = None
    if not board.settings[21]:
        return
    plant = board.plant

    def _changed(steps: list[int]) -> bool:
        return plant.limits(steps) != plant.limits()

    board.stepper.watch = (_changed, lambda: hard_limit(board))


def hard_limit(board: Board, code: int = ALARM_HARD_LIMIT) -> None:
    """Stop everything from the limit pins' interrupt, with an alarm."""
    if board.rt.state is not State.ALARM and not board.rt.alarm:
        kill(board)
        board.rt.alarm = code
