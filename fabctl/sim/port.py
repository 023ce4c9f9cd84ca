"""The port ``sim://`` opens: the virtual controller at the far end of a wire, in virtual time."""

from __future__ import annotations

import math
from collections.abc import Mapping

from fabctl.errors import LinkError
from fabctl.sim.controller import Controller, Options
from fabctl.sim.trace import Trace
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
        Seed of everything random in this port (the tamper seam's business; the controller has none).
    tamper : Tamper, optional
        What happens to bytes on the wire; by default nothing.

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
    ) -> None:
        values = dict(settings or {})
        if travel_mm is not None:
            values |= {130 + axis: mm for axis, mm in enumerate(travel_mm)}
        self.name = "sim://"
        self.seed = seed
        self.controller = Controller(values, options)
        self._tamper = tamper or Clean()
        self._closed = False

    @property
    def trace(self) -> Trace:
        """The true path of the tool."""
        return self.controller.trace

    def write(self, data: bytes) -> None:
        """Put bytes on the wire; they take 10 bit times each, after those before them.

        Raises
        ------
        LinkError
            When the port is closed.
        """
        self._check_open()
        self.controller.receive(self._tamper.to_controller(data, self.controller.clock_s))

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
            When the port is closed.
        """
        self._check_open()
        controller = self.controller
        transmitter = controller.board.transmitter
        until_s = controller.clock_s + max(timeout_s, POLL_S)
        while True:
            data = transmitter.take()
            if data:
                data = self._tamper.to_host(data, controller.clock_s)
                if data:
                    return data
            if controller.clock_s >= until_s:
                return b""
            controller.advance(until_s, to_output=True)
            if transmitter.due_s() < until_s or transmitter.going:
                controller.advance(min(until_s, transmitter.due_s()))

    def clock_s(self) -> float:
        """Return the virtual time in s."""
        return self.controller.clock_s

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
