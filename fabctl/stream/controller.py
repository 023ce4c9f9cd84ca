"""Meet a controller: wake it to a clean state, and compare what it is with what the profile says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from fabctl.errors import LinkError, RefusedError, StoppedError
from fabctl.shop.firmware import Firmware, load_firmware
from fabctl.shop.machine import Machine
from fabctl.stream.grammar import grammar_of
from fabctl.stream.link import POLL_S, Link
from fabctl.stream.port import Port
from fabctl.stream.protocol import Connection, Event, Fault
from fabctl.stream.replies import (
    Banner,
    BuildOptions,
    Offset,
    Point,
    Setting,
    StartupLine,
    State,
    Status,
    Version,
)
from fabctl.stream.turns import bytes_within

_Kind = TypeVar("_Kind", bound=Event)

BOOT_S = 1.5
"""A boot loader listens for about a second after opening; bytes sent meanwhile may keep it there."""
WAKE_S = 3.0
DUMP_S = 5.0

HARMLESS: frozenset[int] = frozenset({0, 1, 10, 11, 24, 25, 26})
"""Settings that change neither where the tool goes nor what stops it: a difference is told, not refused."""


@dataclass(frozen=True, slots=True)
class Controller:
    """What a controller said of itself.

    Parameters
    ----------
    version : str
        ``1.1h``.
    ring_bytes, blocks : int
        Receive ring and usable planner blocks, from ``$I``.
    settings : dict of int to float
        All of ``$$``.
    offsets : dict of str to (x, y, z) float
        G54 … G59, G28, G30 and G92 from ``$#``, mm.
    state : State
        After waking: Idle, or Alarm when it waits for homing.
    notes : tuple of str
        What a person should know.
    restarted : bool
        Whether it had just started: opening the port restarts most boards, and they forget where they are.
    """

    version: str
    ring_bytes: int
    blocks: int
    settings: dict[int, float]
    offsets: dict[str, Point]
    state: State
    notes: tuple[str, ...] = ()
    restarted: bool = False


async def connect(port: Port, machine: Machine) -> tuple[Link, Controller]:
    """Wake a controller with a soft reset, read what it is, and refuse it when it is another machine.

    Parameters
    ----------
    port : Port
        Open.
    machine : Machine
        Whose settings it must have.

    Returns
    -------
    Link, Controller
        The link is strict from here on.

    Raises
    ------
    LinkError
        When nothing answers, or not as Grbl does, or the machine is busy.
    RefusedError
        When settings that matter differ, or lines are stored that run by themselves. Nothing moved.
    """
    firmware = firmware_behind(port, machine)
    link = Link(port, firmware, Connection(firmware.window_bytes, grammar_of(firmware.speaks)))
    banner, restarted = await _wake(link)
    status, heard = await _ask(link)
    _refuse_unknown(port, firmware, heard)
    _refuse_stored_lines(port, heard)
    settings = {event.number: event.value for event in heard if isinstance(event, Setting)}
    notes = _compare(port, settings, machine, firmware)
    _refuse_restarted(link)
    options = _first(heard, BuildOptions) or BuildOptions("")
    controller = Controller(
        version=(_first(heard, Version) or banner).version,
        ring_bytes=options.ring_bytes or firmware.rx_buffer_bytes,
        blocks=options.blocks or firmware.planner_blocks - 1,
        settings=settings,
        offsets=_offsets(heard),
        state=status.state,
        notes=notes,
        restarted=restarted,
    )
    link.connection.window_bytes = min(firmware.window_bytes, controller.ring_bytes - 1)
    link.strict = True
    return link, controller


def firmware_behind(port: Port, machine: Machine) -> Firmware:
    """Return the firmware at the far end of a port: the machine's, unless the port knows better.

    Behind ``sim://`` stands a Grbl 1.1, whatever the machine's own controller is.
    """
    known = getattr(port, "firmware", "")
    return load_firmware(known) if known else machine.firmware


async def read_offsets(link: Link) -> dict[str, Point]:
    """Ask for the stored offsets with ``$#``: G54 … G59, G28, G30, G92, mm.

    Parameters
    ----------
    link : Link
        Idle, or locked by an alarm.

    Raises
    ------
    StoppedError
        When it is not answered in time.
    """
    return _offsets(await link.command(b"$#"))


def _offsets(heard: list[Event]) -> dict[str, Point]:
    return {event.name: event.xyz_mm for event in heard if isinstance(event, Offset)}


async def _ask(link: Link) -> tuple[Status, list[Event]]:
    """Ask a controller for its state, then for all it can tell of itself."""
    heard: list[Event] = []
    try:
        status = await link.fresh_status()
        for line in link.firmware.speaks.asks:
            _refuse_restarted(link)
            heard += await link.command(line.encode(), DUMP_S)
    except StoppedError as error:
        _refuse_restarted(link)
        remedy = "switch the controller off and on"
        raise LinkError(error.problem, file=link.port.name, remedy=remedy) from error
    return status, heard


async def _wake(link: Link) -> tuple[Banner, bool]:
    """Reset to a clean start: no half line in the parser, no G92, no modal state of somebody else."""
    port, connection = link.port, link.connection
    start_s = port.clock_s()
    heard: list[Event] = []
    while port.clock_s() - start_s < BOOT_S and not _first(heard, Banner):
        heard += connection.receive(await bytes_within(POLL_S))
    while port.clock_s() - start_s < BOOT_S + WAKE_S and not _first(heard, Banner, Status):
        heard += await link.pump()
    latest = _first(heard[::-1], Status)
    state = latest and latest.state
    if state in {State.RUN, State.JOG, State.HOME, State.HOLD_BRAKING, State.DOOR_BRAKING}:
        raise LinkError(
            f"the controller is busy: {state}",
            file=port.name,
            remedy="let it finish, or stop it where it was started; nothing was sent but `?`",
        )
    if not _first(heard, Banner, Status):
        raise _no_answer(link, heard)
    restarted = _first(heard, Banner) is not None
    heard = await link.reset()
    banner = _first(heard, Banner)
    if banner is None:
        raise _no_answer(link, heard)
    return banner, restarted


def _first(events: list[Event], *kinds: type[_Kind]) -> _Kind | None:
    return next((event for event in events if isinstance(event, kinds)), None)


def _no_answer(link: Link, heard: list[Event]) -> LinkError:
    noise = [event.detail for event in heard if isinstance(event, Fault)]
    if noise:
        return LinkError(
            f"the controller does not speak Grbl 1.1, or at another speed: {noise[0]}",
            file=link.port.name,
            remedy="compare baud in the machine's profile with the controller's",
        )
    return LinkError(
        "the controller does not answer",
        file=link.port.name,
        remedy="look at power, cable, the port's name and the baud rate of the machine's profile",
    )


def _refuse_unknown(port: Port, firmware: Firmware, heard: list[Event]) -> None:
    """Refuse a controller that tells something of itself that nobody here understands, such as a scaling."""
    unknown = [event.detail for event in heard if isinstance(event, Fault)]
    if unknown:
        raise LinkError(
            f"the controller says what {firmware.title} never says: {unknown[0]}",
            file=port.name,
            remedy="`fabctl machine conform PORT` tells which firmware it is: name it in the profile",
        )


def _refuse_restarted(link: Link) -> None:
    if link.certainty.lost:
        raise LinkError(
            f"{link.certainty.lost} while it was asked what it is",
            file=link.port.name,
            remedy="look at the controller's power supply and USB cable, then connect again",
        )


def _refuse_stored_lines(port: Port, heard: list[Event]) -> None:
    stored = [event for event in heard if isinstance(event, StartupLine) and event.text]
    if stored:
        lines = ", ".join(f"$N{line.index}={line.text}" for line in stored)
        raise RefusedError(
            f"the controller runs stored lines by itself at every start: {lines}",
            file=port.name,
            remedy="empty them (`$N0=`, `$N1=`) and connect again",
        )


def _compare(port: Port, found: dict[int, float], machine: Machine, firmware: Firmware) -> tuple[str, ...]:
    rules = firmware.settings
    differences = {
        number: (wanted, found.get(number))
        for number, wanted in rules.wanted(machine.settings()).items()
        if not rules.agree(number, wanted, found.get(number))
    }
    serious = {number: pair for number, pair in differences.items() if number not in HARMLESS}
    if serious:
        listed = "; ".join(_difference(number, *pair) for number, pair in sorted(serious.items()))
        raise RefusedError(
            f"the controller's settings are not those of {machine.name}: {listed}",
            file=port.name,
            remedy="connect the machine the profile describes, correct the profile, or set the controller",
        )
    return tuple(
        "setting differs, harmless: " + _difference(number, *pair)
        for number, pair in sorted(differences.items())
    )


def _difference(number: int, wanted: float, found: float | None) -> str:
    seen = "is missing" if found is None else f"is {found:g}"
    return f"${number} {seen}, the profile says {wanted:g}"
