"""The port ``sim://`` opens: the virtual controller at the far end of a wire, in virtual time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Self

from fabctl.errors import LinkError
from fabctl.sim.controller import Controller, Options
from fabctl.sim.faults import Fault
from fabctl.sim.mischief import Mischief
from fabctl.sim.trace import Trace
from fabctl.sim.url import SCHEME, SimUrl, parse_url
from fabctl.sim.wire import Clean, Tamper

POLL_S = 50e-6
"""Virtual time a fruitless look costs, so that a host that only polls still sees time pass."""


class SimPort:
    r"""A serial port with a virtual Grbl 1.1h behind it.

    Time passes only inside `read`, as much as it is asked to wait, and less when bytes come sooner.
    The same calls give the same bytes, always.

    Parameters
    ----------
    settings : mapping of int to float, optional
        ``$``-numbers to values; the rest is Grbl's generic build.
    options : Options, optional
        CPU model, latency, start position, wiring.
    travel_mm : tuple of 3 float, optional
        Shorthand for $130 … $132.
    seed : int
        Of all that the faults leave open; the controller itself has nothing random.
    tamper : Tamper, optional
        What a test does to bytes on the wire; by default nothing.
    faults : tuple of Fault
        What goes wrong, see `fabctl.sim.faults`.

    Examples
    --------
    >>> port = SimPort()
    >>> port.read(1.0)
    b"\r\nGrbl 1.1h ['$' for help]\r\n"
    >>> port.write(b"G0 X1\n")
    >>> port.read(1.0)
    b'ok\r\n'
    >>> port.write(b"?")
    >>> port.read(1.0)
    b'<Run|MPos:0.000,0.000,0.000|FS:54,0|WCO:0.000,0.000,0.000>\r\n'
    """

    def __init__(
        self,
        settings: Mapping[int, float] | None = None,
        options: Options | None = None,
        *,
        travel_mm: tuple[float, float, float] | None = None,
        seed: int = 0,
        tamper: Tamper | None = None,
        faults: tuple[Fault, ...] = (),
    ) -> None:
        values = dict(settings or {})
        if travel_mm is not None:
            values |= {130 + axis: mm for axis, mm in enumerate(travel_mm)}
        self.name = SCHEME
        self.controller = Controller(values, options)
        self.mischief = Mischief(self.controller, faults, seed)
        self.tamper = tamper or Clean()
        self._closed = False

    @classmethod
    def from_url(
        cls, url: str | SimUrl, settings: Mapping[int, float] | None = None, options: Options | None = None
    ) -> Self:
        """Open what a URL asks for.

        Parameters
        ----------
        url : str or SimUrl
            ``sim://?faults=byte-lost&seed=7``, see `fabctl.sim.url`.
        settings : mapping of int to float, optional
            ``$``-numbers to values; whose they are is for the caller to know.
        options : Options, optional
            What holds for keys a URL given as text does not name.

        Raises
        ------
        InputError
            When the URL cannot be read.
        """
        asked = parse_url(url, options) if isinstance(url, str) else url
        port = cls(settings, asked.options, seed=asked.seed, faults=asked.faults)
        port.name = asked.text
        return port

    def found_again(self, *, resets: bool = True) -> Self:
        """Wait until a port that failed is back, and return it under its new name.

        Parameters
        ----------
        resets : bool
            Whether opening it resets the controller, as DTR does on most boards.

        Raises
        ------
        LinkError
            When it does not come back.
        """
        mischief = self.mischief
        if not mischief.gone or not math.isfinite(mischief.back_s):
            raise LinkError("the port does not come back", file=self.name, remedy="look at the cable")
        self.controller.advance(mischief.back_s)
        self.controller.board.transmitter.take()
        if resets:
            self.controller.power_cycle()
        mischief.gone, mischief.back_s = False, math.inf
        back = type(self)()
        back.name, back.controller = f"{self.name}#again", self.controller
        back.mischief, back.tamper = mischief, self.tamper
        self._closed = True
        return back

    firmware = "grbl-1.1"
    """What stands behind the port, by the name of its profile."""

    @property
    def trace(self) -> Trace:
        """The true path of the tool."""
        return self.controller.trace

    def write(self, data: bytes) -> None:
        """Put bytes on the wire; they take 10 bit times each, after those before them.

        Raises
        ------
        LinkError
            When the port is closed or has failed.
        """
        self._check_open()
        if self.mischief.writes_fail:
            raise LinkError("writing failed", file=self.name, remedy="look at the cable")
        self.controller.receive(self.tamper.to_controller(data, self.controller.clock_s))

    def read(self, timeout_s: float) -> bytes:
        """Let time pass until the host has bytes, at most a given time in s.

        Parameters
        ----------
        timeout_s : float
            Longest wait in virtual s.

        Returns
        -------
        bytes
            What has arrived; empty after the wait.

        Raises
        ------
        LinkError
            When the port is closed or has failed.
        """
        self._check_open()
        controller = self.controller
        stall_s, self.mischief.stall_s = self.mischief.stall_s, 0.0
        if stall_s:
            controller.advance(controller.clock_s + stall_s)
        transmitter = controller.board.transmitter
        until_s = controller.clock_s + max(timeout_s, POLL_S)
        while True:
            self._check_open()
            data = transmitter.take()
            if data:
                data = self.tamper.to_host(data, controller.clock_s)
                if data:
                    return data
            if controller.clock_s >= until_s:
                return b""
            controller.advance(until_s, to_output=True)
            if transmitter.due_s() < until_s or transmitter.going:
                controller.advance(min(until_s, transmitter.due_s()))

    def clock_s(self) -> float:
        """Return the time of the host's clock in s: virtual, and jumping when a fault says so."""
        return self.controller.clock_s + self.mischief.jumped_s

    def close(self) -> None:
        """Close the port; the controller runs out what it has, as after an unplugged cable."""
        if not self._closed:
            self._closed = True
            self._run_out()

    def _run_out(self) -> None:
        """Let the controller finish: with nobody left to write, this ends."""
        controller = self.controller
        while True:
            due = controller.idle_s()
            if not math.isfinite(due):
                return
            controller.advance(due)
            controller.board.transmitter.take()

    def _check_open(self) -> None:
        if self._closed:
            raise LinkError("the port is closed", file=self.name, remedy="open it again")
        if self.mischief.gone:
            # time passes for a host that only tries again
            self.controller.advance(self.controller.clock_s + POLL_S)
            raise LinkError("the device is gone", file=self.name, remedy="look at the cable and its plug")
