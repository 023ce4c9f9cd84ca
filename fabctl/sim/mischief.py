"""Faults at work: what was asked for, done to one controller, its wires, its machine and its host's port."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from fabctl.sim import codes
from fabctl.sim.controller import Controller
from fabctl.sim.faults import Count, Fault
from fabctl.sim.protocol import hard_limit, kill
from fabctl.sim.realtime import FEED_STEPS, Exec, State
from fabctl.sim.spoil import AnswerSpoiler, Armed, Spoiler, arm, of_count

BOOT_REPLIES_S = 0.05
"""A start says all it has to say within this time."""
FEED_DOWN = next(byte for byte, change in FEED_STEPS.items() if change == -10)


class Mischief:
    """Faults at work on one controller.

    Parameters
    ----------
    controller : Controller
    faults : tuple of Fault
    seed : int
        Of all that is left to chance.
    """

    def __init__(self, controller: Controller, faults: tuple[Fault, ...], seed: int = 0) -> None:
        self.controller = controller
        self.gone = False
        self.back_s = math.inf
        self.writes_fail = False
        self.stall_s = 0.0
        self.jumped_s = 0.0
        self._quiet: Callable[[bytes], bool] = _never
        self._echoes = False
        armed = [arm(fault, seed, index) for index, fault in enumerate(faults)]
        self._down = Spoiler(of_count(armed, Count.SENT))
        self._up = Spoiler(of_count(armed, Count.HEARD), "reply-")
        self.answers = AnswerSpoiler(of_count(armed, Count.ANSWERS), seed)
        board = controller.board
        # a test may share one wiring between controllers
        board.plant.wiring = replace(board.plant.wiring)
        controller.spoil = self._to_controller
        board.transmitter.spoil = self._to_host
        for one in of_count(armed, Count.ALWAYS):
            _FROM_THE_START[one.fault.kind.name](self, one.fault)
        for one in of_count(armed, Count.SECONDS):
            self._schedule(one)

    def _schedule(self, armed: Armed) -> None:
        def _strike() -> None:
            fault = armed.fault
            self.controller.trace.note(self.controller.clock_s, "fault", fault.kind.name)
            _AT_A_TIME[fault.kind.name](self, fault)
            armed.rearm()
            if math.isfinite(armed.due):
                self.controller.at(armed.due, _strike)

        self.controller.at(armed.due, _strike)

    def _to_controller(self, data: bytes) -> bytes:
        if self._echoes:
            self.controller.board.transmitter.write(data.decode("latin-1"))
        return self._down.spoil(data)

    def _to_host(self, reply: bytes) -> tuple[bytes, float]:
        if self._quiet(reply):
            return b"", 0.0
        reply, late_s = self.answers.spoil(reply)
        return self._up.spoil(reply), late_s

    def after(self, fault: Fault, act: Callable[[], None], name: str = "for_s") -> None:
        """Do something once a fault's duration is over; never when it has none."""
        seconds = fault.values[name]
        if seconds > 0:
            self.controller.at(self.controller.clock_s + seconds, act)

    def silence(self, which: Callable[[bytes], bool]) -> None:
        """Let no more replies of a kind reach the host."""
        self._quiet = which

    def echo(self, *, on: bool) -> None:
        """Let the host hear its own bytes, or no longer."""
        self._echoes = on


def _never(_reply: bytes) -> bool:
    return False


def _always(_reply: bytes) -> bool:
    return True


def _is_status(reply: bytes) -> bool:
    return reply.startswith(b"<")


def _is_banner(reply: bytes) -> bool:
    return b"Grbl" in reply


def _status_mute(m: Mischief, fault: Fault) -> None:
    m.silence(_is_status)
    m.after(fault, lambda: m.silence(_never))


def _false_alarm(m: Mischief, fault: Fault) -> None:
    m.controller.board.transmitter.write(f"ALARM:{fault.values['code']:.0f}\r\n")


def _false_banner(m: Mischief, _fault: Fault) -> None:
    m.controller.board.transmitter.write(codes.BANNER)


def _restart(m: Mischief, fault: Fault) -> None:
    m.controller.power_cycle(fault.values["boot_s"])


def _restart_without(which: Callable[[bytes], bool]) -> Callable[[Mischief, Fault], None]:
    def _restart_quietly(m: Mischief, fault: Fault) -> None:
        m.silence(which)
        m.controller.power_cycle(fault.values["boot_s"])
        until_s = m.controller.clock_s + fault.values["boot_s"] + BOOT_REPLIES_S
        m.controller.at(until_s, lambda: m.silence(_never))

    return _restart_quietly


def _reset_button(m: Mischief, _fault: Fault) -> None:
    kill(m.controller.board)


def _power_cut(m: Mischief, _fault: Fault) -> None:
    board = m.controller.board
    board.outputs.kill()
    board.stepper.reset()
    board.receiver.off_until_s = math.inf
    board.transmitter.going.clear()
    m.controller.frozen = True
    m.silence(_always)


def _frozen(m: Mischief, _fault: Fault) -> None:
    m.controller.frozen = True


def _slow(m: Mischief, fault: Fault) -> None:
    cpu = m.controller.board.cpu
    cpu.modelled, cpu.slowness = True, fault.values["times"]


def _deaf(m: Mischief, fault: Fault) -> None:
    m.controller.board.cpu.go_deaf(fault.values["for_s"])


def _ring_small(m: Mischief, fault: Fault) -> None:
    m.controller.board.receiver.ring_bytes = int(fault.values["bytes"])


def _alarm(m: Mischief, fault: Fault) -> None:
    hard_limit(m.controller.board, int(fault.values["code"]))


def _feed_knob(m: Mischief, _fault: Fault) -> None:
    m.controller.board.rt.motion.add(FEED_DOWN)


def _limit_closes(m: Mischief, fault: Fault) -> None:
    board, axis = m.controller.board, frozenset({int(fault.values["axis"])})
    wiring = board.plant.wiring
    wiring.closed_axes |= axis

    def _open() -> None:
        wiring.closed_axes -= axis

    m.after(fault, _open)
    if wiring.switches and board.settings[21] and board.rt.state is not State.HOMING:
        hard_limit(board)


def _limit_stuck(m: Mischief, fault: Fault) -> None:
    m.controller.board.plant.wiring.stuck_axes |= {int(fault.values["axis"])}


def _limit_jammed(m: Mischief, fault: Fault) -> None:
    m.controller.board.plant.wiring.closed_axes |= {int(fault.values["axis"])}


def _probe_closed(m: Mischief, _fault: Fault) -> None:
    m.controller.board.plant.wiring.probe_closed = True


def _probe_dead(m: Mischief, _fault: Fault) -> None:
    m.controller.board.plant.wiring.probe_dead = True


def _door(m: Mischief, fault: Fault) -> None:
    board = m.controller.board
    board.plant.wiring.door_open = True
    board.rt.exec |= Exec.DOOR

    def _shut() -> None:
        board.plant.wiring.door_open = False

    m.after(fault, _shut)


def _hold_button(m: Mischief, fault: Fault) -> None:
    m.controller.board.rt.exec |= Exec.HOLD
    m.after(fault, lambda: _start_button(m, fault))


def _start_button(m: Mischief, _fault: Fault) -> None:
    m.controller.board.rt.exec |= Exec.START


def _axis_stuck(m: Mischief, fault: Fault) -> None:
    stuck, axis = m.controller.board.plant.stuck, int(fault.values["axis"])
    stuck.add(axis)
    m.after(fault, lambda: stuck.discard(axis))


def _steps_lost(m: Mischief, fault: Fault) -> None:
    m.controller.board.plant.steps[int(fault.values["axis"])] -= int(fault.values["steps"])


def _spindle_dead(m: Mischief, _fault: Fault) -> None:
    m.controller.trace.head_works = False


def _usb_gone(m: Mischief, _fault: Fault) -> None:
    m.gone = True


def _usb_renamed(m: Mischief, fault: Fault) -> None:
    m.gone = True
    m.back_s = m.controller.clock_s + fault.values["after_s"]


def _write_fails(m: Mischief, _fault: Fault) -> None:
    m.writes_fail = True


def _latency(m: Mischief, fault: Fault) -> None:
    m.controller.board.transmitter.latency_s = fault.values["ms"] / 1000


def _jitter(m: Mischief, fault: Fault) -> None:
    m.answers.jitter_s = fault.values["ms"] / 1000


def _host_stall(m: Mischief, fault: Fault) -> None:
    m.stall_s += fault.values["for_s"]


def _clock_jump(m: Mischief, fault: Fault) -> None:
    m.jumped_s += fault.values["by_s"]


def _echo(m: Mischief, fault: Fault) -> None:
    m.echo(on=True)
    m.after(fault, lambda: m.echo(on=False))


Act = Callable[[Mischief, Fault], None]

_AT_A_TIME: dict[str, Act] = {
    "status-mute": _status_mute,
    "false-alarm": _false_alarm,
    "false-banner": _false_banner,
    "reboot": _restart,
    "reboot-silent": _restart_without(_always),
    "banner-lost": _restart_without(_is_banner),
    "reset-button": _reset_button,
    "power-cut": _power_cut,
    "frozen": _frozen,
    "slow": _slow,
    "deaf": _deaf,
    "alarm": _alarm,
    "feed-knob": _feed_knob,
    "limit-closes": _limit_closes,
    "door": _door,
    "hold-button": _hold_button,
    "start-button": _start_button,
    "axis-stuck": _axis_stuck,
    "steps-lost": _steps_lost,
    "usb-gone": _usb_gone,
    "usb-renamed": _usb_renamed,
    "write-fails": _write_fails,
    "host-stall": _host_stall,
    "clock-jump": _clock_jump,
    "echo": _echo,
}

_FROM_THE_START: dict[str, Act] = {
    "ring-small": _ring_small,
    "limit-stuck": _limit_stuck,
    "limit-jammed": _limit_jammed,
    "probe-closed": _probe_closed,
    "probe-dead": _probe_dead,
    "spindle-dead": _spindle_dead,
    "latency": _latency,
    "jitter": _jitter,
}
