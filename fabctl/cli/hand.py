"""Acts by hand from the command line: through the machine's keeper, or on a port opened for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

import click

from fabctl.cli.motion import KEPT, SIM, demand_consent, port_of
from fabctl.cli.show import say
from fabctl.cli.words import _
from fabctl.daemon.signals import INTERRUPT, answering
from fabctl.errors import InputError
from fabctl.units import parse_length_mm

if TYPE_CHECKING:
    from fabctl.daemon.client import Line
    from fabctl.daemon.guarding import Guard
    from fabctl.shop.machine import Machine
    from fabctl.sim.port import SimPort
    from fabctl.stream.controller import Controller
    from fabctl.stream.link import Link
    from fabctl.stream.port import Port
    from fabctl.stream.stops import Operator

Json = dict[str, Any]

HAND_DRY = click.option("-n", "--dry-run", is_flag=True, help="Say what would move; open no port.")
WCS = click.option(
    "--wcs",
    metavar="G54..G59",
    default="G54",
    show_default=True,
    help="Work coordinate system whose zero is set.",
)

PLATE_BELOW_MM = 5.0
"""Below where it starts, or is homed, the tool of the virtual controller touches the plate."""


class Session(Protocol):
    """A machine at hand for several acts."""

    def do(self, name: str, event: Callable[[Json], None] = ..., **args: Any) -> Json:
        """Do one act and return what came of it."""
        ...


class Kept:
    """A machine that a daemon keeps.

    Parameters
    ----------
    line : Line
        Open.
    """

    def __init__(self, line: Line) -> None:
        self._line = line

    def do(self, name: str, event: Callable[[Json], None] = lambda _event: None, **args: Any) -> Json:
        """Ask for an act and wait for its end; Ctrl-C stops the machine, not the asking."""
        self._line.ask("follow")
        with _stopping(lambda: self._line.say("abort"), lambda: self._line.say("reset")):
            return self._line.ask(name, event=event, **args)


class Opened:
    """A machine whose port this process has opened.

    Parameters
    ----------
    port : Port
    link, controller : Link, Controller
    machine : Machine
    guard : Guard, optional
        Stops the machine when this process dies in the middle of an act.
    """

    def __init__(
        self,
        port: Port,
        link: Link,
        controller: Controller,
        machine: Machine,
        guard: Guard | None = None,
    ) -> None:
        self._port = port
        self._guard = guard
        self.link = link
        self._controller = controller
        self._machine = machine

    def do(self, name: str, event: Callable[[Json], None] = lambda _event: None, **args: Any) -> Json:
        """Do an act and wait for its end; Ctrl-C stops the machine."""
        from fabctl.stream.stops import Operator

        operator = Operator(self.wake)
        with _stopping(operator.abort, operator.reset):
            return self.act(name, operator, event, **args)

    def act(
        self, name: str, operator: Operator, event: Callable[[Json], None] = lambda _event: None, **args: Any
    ) -> Json:
        """Do an act under somebody else's hand and wait for its end; in any thread, one at a time.

        Parameters
        ----------
        name : str
        operator : Operator
            Made with this session's `wake`.
        event : callable, optional
            Told of each event.
        **args
            What the act needs.
        """
        from fabctl.daemon.acts import ACTS
        from fabctl.daemon.bench import Bench
        from fabctl.stream.turns import drive

        self.link.forgive_silence()
        bench = Bench(self.link, self._controller, self._machine, operator, event)

        async def _act() -> Json:
            return await ACTS[name](bench, args)

        descriptor, guard = getattr(self._port, "descriptor", None), self._guard
        if descriptor is None or guard is None:
            return drive(self._port, _act())
        with guard.holding(descriptor, self._machine.name):
            return drive(self._port, _act(), guard.beat)

    def wake(self) -> None:
        """End the wait of the act under way; from any thread or a signal handler."""
        from fabctl.stream.port import Wakeable

        if isinstance(self._port, Wakeable):
            self._port.wake()


@contextmanager
def at_hand(machine: Machine, through: str, *, home: bool = True) -> Iterator[Session]:
    """Reach a machine for a few acts by hand.

    Parameters
    ----------
    machine : Machine
    through : str
        As `demand_free` said: the port a person agreed to, and no other.
    home : bool
        Whether to home first where the machine can: after opening a port nobody knows where it stands.

    Raises
    ------
    LinkError, RefusedError
        When it cannot be reached, or is another machine. Nothing moved.
    """
    from fabctl.daemon.client import Line

    if through == KEPT:
        with Line(machine.name) as line:
            yield Kept(line)
        return
    with opened_at(machine, through, home=home) as session:
        yield session


@contextmanager
def opened_at(machine: Machine, through: str, *, home: bool = True) -> Iterator[Opened]:
    """Open a machine's port for a few acts by hand; as `at_hand`.

    Parameters
    ----------
    machine : Machine
    through : str
        A port.
    home : bool
        Whether to home first where the machine can.

    Raises
    ------
    LinkError, RefusedError
        When it cannot be reached, or is another machine. Nothing moved.
    """
    from fabctl.sim.port import SimPort
    from fabctl.stream.controller import connect
    from fabctl.stream.turns import drive

    with ExitStack() as stack:
        opened = _open(through, machine)
        stack.callback(opened.close)
        guard = stack.enter_context(_guard()) if not isinstance(opened, SimPort) else None
        link, controller = drive(opened, connect(opened, machine))
        session = Opened(opened, link, controller, machine, guard)
        if home and machine.homing:
            say(_("homing first: after a port is opened nobody knows where the machine stands"))
            session.do("home")
        if home and isinstance(opened, SimPort):
            session.do("zero", here_mm=_virtual_zero(machine))
        yield session


@contextmanager
def _guard() -> Iterator[Guard | None]:
    """Let a guard process stand by, where this host can have one; it beats while something is done."""
    from fabctl.daemon.guard import GUARD_LOG
    from fabctl.daemon.guarding import Guard, why_unguarded
    from fabctl.record.run import runs_folder

    if why_unguarded():
        yield None
        return
    folder = runs_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with Guard(folder / GUARD_LOG, partial(say, colour="red")) as guard:
        yield guard


def demand_free(
    machine: Machine, port: str | None, confirm: str | None, told: dict[str, str], *, home: bool = True
) -> str:
    """Show what is about to move, ask whether the machine is free, and return the port that was agreed to.

    The port is looked for once: a keeper that comes or goes meanwhile changes nothing.

    Raises
    ------
    InputError
        When another machine is confirmed, or nobody is there to ask.
    """
    through = port_of(machine, port)
    if home and through != KEPT and machine.homing:
        told = {"first": "homes to its switches", **told}
    demand_consent(machine, through, confirm, told, "Machine free, nothing in its way?")
    return through


def _open(url: str, machine: Machine) -> Port:
    from fabctl.stream.port import open_port

    if not url.startswith(SIM):
        return open_port(url, machine.baud)
    return _virtual(url, machine)


def _virtual(url: str, machine: Machine) -> SimPort:
    """Open a virtual machine with a touch plate a little below its tool."""
    from fabctl.sim.controller import Options
    from fabctl.sim.port import SimPort

    top = machine.homed_mm[2] if machine.homing else 0.0
    plate_mm = top - PLATE_BELOW_MM if machine.has_z else None
    start = None if machine.homing else (0.0, 0.0, 0.0)
    return SimPort.from_url(url, machine.settings(), Options(plate_mm=plate_mm, start_mm=start))


def _virtual_zero(machine: Machine) -> dict[str, float]:
    """Lay the virtual stock in the middle of the travel, its top where the plate is."""
    names = "XYZ" if machine.has_z else "XY"
    if not machine.homing:
        return dict.fromkeys(names, 0.0) | ({"Z": PLATE_BELOW_MM} if machine.has_z else {})
    ends = zip(names, machine.homed_mm, machine.travel_mm, strict=False)
    middle = {axis: round(at + travel / 2, 3) for axis, at, travel in ends}
    return middle | ({"Z": PLATE_BELOW_MM} if machine.has_z else {})


@contextmanager
def _stopping(abort: Callable[[], object], reset: Callable[[], object]) -> Iterator[None]:
    """Let Ctrl-C stop the machine before it stops this process: first held, then reset."""
    pressed = 0

    def _stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal pressed
        pressed += 1
        (abort if pressed == 1 else reset)()
        say("\n" + (_("held, then reset") if pressed == 1 else _("soft reset")))

    with answering({INTERRUPT: _stop}):
        yield


def pairs_of(words: tuple[str, ...], *, default_mm: float | None = None) -> dict[str, float]:
    """Read words such as ``x10``, ``Y-2.5mm`` or ``z=0.5in``.

    Parameters
    ----------
    words : tuple of str
    default_mm : float, optional
        For an axis named alone; not allowed when None.

    Raises
    ------
    InputError
        When one cannot be read, or an axis comes twice.

    Examples
    --------
    >>> pairs_of(("x10", "Z-0.5"))
    {'X': 10.0, 'Z': -0.5}
    >>> pairs_of(("x", "y"), default_mm=0.0)
    {'X': 0.0, 'Y': 0.0}
    """
    found: dict[str, float] = {}
    for word in words:
        axis, rest = word[:1].upper(), word[1:].removeprefix("=")
        if axis not in "XYZ" or not axis or (not rest and default_mm is None):
            raise InputError(
                f"{word!r} names no axis and length", remedy="write x10 or z-0.5, an axis and how far"
            )
        if axis in found:
            raise InputError(f"{axis} twice", place=word)
        found[axis] = parse_length_mm(rest) if rest else float(default_mm or 0.0)
    return found


def lengths_of(text: str, count: int, option: str) -> list[float]:
    """Read lengths with commas between them.

    Raises
    ------
    InputError
        When there are more or fewer, or one is none.
    """
    parts = text.split(",")
    if len(parts) != count:
        raise InputError(
            f"{text!r} is not {count} lengths", place=option, remedy="write them with commas: 0,0,120,80"
        )
    return [parse_length_mm(part) for part in parts]


def place_words(point: Any) -> str:
    """Say a place.

    Examples
    --------
    >>> place_words((1.0, -2.5, 0.0))
    'X1.000 Y-2.500 Z0.000'
    """
    if point is None:
        return "not told"
    return " ".join(f"{axis}{value:.3f}" for axis, value in zip("XYZ", point, strict=True))
