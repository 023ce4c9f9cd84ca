"""What the controller writes: status reports, settings, offsets, modes.

Source: Grbl 1.1h, grbl/report.c and grbl/print.c.
"""

from __future__ import annotations

from fabctl.sim import codes
from fabctl.sim.board import Board
from fabctl.sim.realtime import BUSY, State, Suspend
from fabctl.sim.settings import COORDS, RPM, WHOLE
from fabctl.sim.wire import RING_BYTES

INCH_PER_MM = 0.0393701
"""Grbl's own rounded factor."""

WCO_BUSY, WCO_IDLE, OV_BUSY, OV_IDLE = 30, 10, 20, 10
"""Every how many reports the two rare fields come, by whether the machine is busy."""


def fixed(value: float, decimals: int) -> str:
    """Write a number as Grbl does: half away from zero.

    Examples
    --------
    >>> fixed(-0.0005, 3), fixed(2.5, 0)
    ('-0.001', '3')
    """
    scaled = int(abs(value) * 10**decimals + 0.5)
    text = str(scaled).rjust(decimals + 1, "0")
    sign = "-" if value < 0 else ""
    return f"{sign}{text[:-decimals]}.{text[-decimals:]}" if decimals else sign + text


def coordinate(board: Board, value_mm: float) -> str:
    """Write a length in the unit of $13."""
    return fixed(value_mm * INCH_PER_MM, 4) if board.settings[13] else fixed(value_mm, 3)


def rate(board: Board, value_mm_min: float) -> str:
    """Write a feed in the unit of $13."""
    return fixed(value_mm_min * INCH_PER_MM, 1) if board.settings[13] else fixed(value_mm_min, 0)


def axes(board: Board, values_mm: list[float]) -> str:
    """Write the values of three axes in mm, comma between."""
    return ",".join(coordinate(board, value) for value in values_mm)


def message(board: Board, name: str) -> None:
    """Send a ``[MSG:…]``."""
    board.transmitter.write(f"[MSG:{codes.MESSAGES[name]}]\r\n")


def answer(board: Board, code: int) -> None:
    """Send ``ok`` or ``error:N`` for a line."""
    board.transmitter.write("ok\r\n" if code == codes.OK else f"error:{code}\r\n")


def state_text(board: Board) -> str:
    """Return the state of a status report with its sub-state."""
    rt = board.rt
    if rt.state is State.HOLD:
        if rt.suspend & Suspend.JOG_CANCEL:
            return "Jog"
        return f"Hold:{0 if rt.suspend & Suspend.HOLD_COMPLETE else 1}"
    if rt.state is State.DOOR:
        if rt.suspend & Suspend.RESTORING:
            return "Door:3"
        if not rt.suspend & Suspend.RETRACTED:
            return "Door:2"
        return "Door:1" if rt.suspend & Suspend.AJAR else "Door:0"
    return str(rt.state.value)


def status(board: Board) -> None:
    """Send a status report.

    Fields come and go as on the real thing: WCO and Ov when due, Pn when a switch is closed, Bf by $10.
    """
    board.stepper.sync()
    mask = int(board.settings[10])
    position = board.position_mm()
    offset = board.gc.offset()
    label = "MPos"
    if not mask & 1:
        label = "WPos"
        position = [p - o for p, o in zip(position, offset, strict=True)]
    parts = [state_text(board), f"{label}:{axes(board, position)}"]
    if mask & 2:
        parts.append(f"Bf:{board.planner.free()},{board.receiver.free()}")
    speed = board.stepper.speed_mm_s() * 60.0 if board.rt.state in BUSY else 0.0
    parts.append(f"FS:{rate(board, speed)},{fixed(board.outputs.speed, 0)}")
    pins = _pins(board)
    if pins:
        parts.append(f"Pn:{pins}")
    parts += _rare_fields(board, offset)
    board.transmitter.write("<" + "|".join(parts) + ">\r\n")


def _pins(board: Board) -> str:
    plant = board.plant
    closed = plant.limits()
    probe = plant.probe_touches()
    return ("P" if probe else "") + "".join(axis for bit, axis in enumerate("XYZ") if closed >> bit & 1)


def _rare_fields(board: Board, offset: list[float]) -> list[str]:
    overrides, busy = board.rt.overrides, board.rt.state in BUSY
    parts = []
    if overrides.wco_counter > 0:
        overrides.wco_counter -= 1
    else:
        overrides.wco_counter = (WCO_BUSY if busy else WCO_IDLE) - 1
        overrides.ovr_counter = overrides.ovr_counter or 1
        parts.append(f"WCO:{axes(board, offset)}")
    if overrides.ovr_counter > 0:
        overrides.ovr_counter -= 1
    else:
        overrides.ovr_counter = (OV_BUSY if busy else OV_IDLE) - 1
        parts.append(f"Ov:{overrides.feed},{overrides.rapid},{overrides.spindle}")
        accessories = board.outputs.accessories()
        if accessories:
            parts.append(f"A:{accessories}")
    return parts


def setting_text(number: int, value: float) -> str:
    """Write one setting as ``$$`` does.

    Examples
    --------
    >>> setting_text(100, 250.0), setting_text(30, 1000.0), setting_text(1, 25)
    ('$100=250.000', '$30=1000', '$1=25')
    """
    return f"${number}={fixed(value, 0 if number in WHOLE | RPM else 3)}"


def all_settings(board: Board) -> None:
    """Send the ``$$`` list."""
    for number, value in board.settings.values.items():
        board.transmitter.write(setting_text(number, value) + "\r\n")


def parameters(board: Board) -> None:
    """Send the ``$#`` list: work coordinate systems, G28, G30, G92, TLO, PRB."""
    write = board.transmitter.write
    for name, xyz in zip(COORDS, board.settings.coords, strict=True):
        write(f"[{name}:{axes(board, xyz)}]\r\n")
    write(f"[G92:{axes(board, board.gc.g92)}]\r\n")
    write(f"[TLO:{coordinate(board, board.gc.tool_length_mm)}]\r\n")
    probe_result(board)


def probe_result(board: Board) -> None:
    """Send ``[PRB:…]`` with the last contact."""
    probe = board.rt.probe
    at = [n / s for n, s in zip(probe.steps, board.settings.axes.steps_per_mm, strict=True)]
    board.transmitter.write(f"[PRB:{axes(board, at)}:{int(probe.succeeded)}]\r\n")


def modes(board: Board) -> None:
    """Send ``[GC:…]``, the modal state."""
    gc, modal = board.gc, board.gc.modal
    motion = f"38.{modal.motion - 380}" if modal.motion > 380 else str(modal.motion)
    words = [
        f"G{motion}", f"G{54 + modal.wcs}", f"G{17 + modal.plane}", "G20" if modal.inches else "G21",
        "G91" if modal.incremental else "G90", "G93" if modal.feed_inverse else "G94",
    ]  # fmt: skip
    if modal.flow:
        words.append(f"M{0 if modal.flow == 3 else modal.flow}")
    words.append(f"M{modal.spindle}")
    coolant = (["M7"] if modal.mist else []) + (["M8"] if modal.flood else [])
    words += coolant or ["M9"]
    words += [f"T{gc.tool}", f"F{rate(board, gc.feed_mm_min)}", f"S{fixed(gc.speed, 0)}"]
    board.transmitter.write("[GC:" + " ".join(words) + "]\r\n")


def build_info(board: Board) -> None:
    """Send the two lines of ``$I``: version, and what the firmware was built with."""
    options = "V" + ("M" if board.build.mist else "") + ("" if board.build.homing_lock else "L")
    board.transmitter.write(f"[VER:{codes.VERSION}.{codes.BUILD_DATE}:{board.settings.build_info}]\r\n")
    board.transmitter.write(f"[OPT:{options},15,{RING_BYTES}]\r\n")
