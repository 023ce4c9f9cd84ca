"""The virtual controller in real time, behind a TCP socket or a pseudo-terminal.

For programs that open ports by themselves: ``socket://127.0.0.1:PORT`` or ``/dev/pts/N`` in pyserial's words.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol, Self

from fabctl.errors import LinkError
from fabctl.sim.controller import Controller, Options
from fabctl.sim.faults import Fault
from fabctl.sim.mischief import Mischief

LONGEST_WAIT_S = 0.02
_CHUNK = 4096


class _End(Protocol):
    """The controller's end of a line."""

    url: str

    def exchange(self, data: bytes, wait_s: float) -> bytes:
        """Send bytes to the host; wait for bytes from it, at most a time in s."""

    def close(self) -> None:
        """Give the line up."""


class _SocketEnd:
    def __init__(self, host: str, port: int) -> None:
        self._listener = socket.create_server((host, port))
        self._listener.setblocking(False)
        self.url = "socket://{}:{}".format(*self._listener.getsockname()[:2])
        self._peer: socket.socket | None = None

    def exchange(self, data: bytes, wait_s: float) -> bytes:
        """Serve the host that is connected, or wait for one, at most a time in s."""
        peer = self._peer
        if peer is None:
            if select.select([self._listener], [], [], wait_s)[0]:
                self._peer = self._listener.accept()[0]
                self._peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return b""
        try:
            if data:
                peer.sendall(data)
            if not select.select([peer], [], [], wait_s)[0]:
                return b""
            heard = peer.recv(_CHUNK)
        except OSError:
            heard = b""
        if not heard:
            peer.close()
            self._peer = None
        return heard

    def close(self) -> None:
        """Hang up and stop listening."""
        if self._peer is not None:
            self._peer.close()
        self._listener.close()


class _PtyEnd:
    def __init__(self) -> None:
        if sys.platform == "win32":
            raise LinkError("Windows has no pseudo-terminals", remedy="use serve_socket()")
        import pty  # noqa: PLC0415 - not there on Windows
        import tty  # noqa: PLC0415 - not there on Windows

        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.url = os.ttyname(self._slave)

    def exchange(self, data: bytes, wait_s: float) -> bytes:
        """Serve whoever has the terminal open, waiting at most a time in s."""
        if data:
            # With nobody reading, the terminal fills up and bytes are lost, as on a real wire.
            with contextlib.suppress(BlockingIOError):
                os.write(self._master, data)
        if not select.select([self._master], [], [], wait_s)[0]:
            return b""
        return os.read(self._master, _CHUNK)

    def close(self) -> None:
        """Close both ends of the terminal."""
        os.close(self._master)
        os.close(self._slave)


class Served:
    """A virtual controller at work in a thread of its own; a context manager.

    Attributes
    ----------
    url : str
        What to open with pyserial; another one after a fault that renames the port.
    controller : Controller
        For its trace; look at it after `close`.
    on_url : callable, optional
        Told the new `url` when it changes.
    """

    def __init__(self, mischief: Mischief, make_end: Callable[[], _End]) -> None:
        self.controller = mischief.controller
        self.on_url: Callable[[str], None] | None = None
        self._mischief = mischief
        self._make_end = make_end
        self._end: _End | None = make_end()
        self._next: _End | None = None
        self.url = self._end.url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="virtual-controller", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        began_s = time.monotonic() - self.controller.clock_s
        transmitter = self.controller.board.transmitter
        while not self._stop.is_set():
            now_s = time.monotonic() - began_s
            self.controller.advance(now_s)
            self._mind_the_cable(now_s)
            if self._end is None:
                transmitter.take()
                self._stop.wait(LONGEST_WAIT_S)
                continue
            wait_s = min(LONGEST_WAIT_S, max(0.0, self.controller.idle_s() - now_s))
            heard = self._end.exchange(transmitter.take(), wait_s)
            if heard:
                self.controller.advance(time.monotonic() - began_s)
                self.controller.receive(heard)

    def _mind_the_cable(self, now_s: float) -> None:
        """Hang up when a fault has taken the port away, and come back under another name when it says so."""
        mischief = self._mischief
        if not mischief.gone:
            return
        if self._end is not None:
            # the next one before the old one is closed, so that it cannot get the same name
            self._next = self._make_end() if math.isfinite(mischief.back_s) else None
            self._end.close()
            self._end = None
        if self._next is not None and now_s >= mischief.back_s:
            self._end, self._next = self._next, None
            self.url = self._end.url
            mischief.gone, mischief.back_s = False, math.inf
            if self.on_url is not None:
                self.on_url(self.url)

    def close(self) -> None:
        """Stop the controller and give up its end of the line."""
        if not self._stop.is_set():
            self._stop.set()
            self._thread.join()
            for end in (self._end, self._next):
                if end is not None:
                    end.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def serve_socket(
    settings: Mapping[int, float] | None = None,
    options: Options | None = None,
    *,
    faults: tuple[Fault, ...] = (),
    seed: int = 0,
    host: str = "127.0.0.1",
    port: int = 0,
) -> Served:
    """Serve a virtual controller on a TCP socket, in real time.

    Parameters
    ----------
    settings : mapping of int to float, optional
        ``$``-numbers to values.
    options : Options, optional
        How the controller differs from an ideal one.
    faults : tuple of Fault
        What goes wrong; those of the host's own port and clock stay without effect.
    seed : int
        Of all that the faults leave open.
    host : str
        Address to listen on; the loopback by default.
    port : int
        Port number; 0 takes a free one.

    Returns
    -------
    Served
        Running until closed; its `url` is what pyserial opens.
    """
    mischief = Mischief(Controller(settings, options), faults, seed)
    numbers = [port]

    def _make_end() -> _SocketEnd:
        # the number asked for is the first one's; who comes back later has another
        return _SocketEnd(host, numbers.pop() if numbers else 0)

    return Served(mischief, _make_end)


def serve_pty(
    settings: Mapping[int, float] | None = None,
    options: Options | None = None,
    *,
    faults: tuple[Fault, ...] = (),
    seed: int = 0,
) -> Served:
    """Serve a virtual controller behind a pseudo-terminal, in real time (POSIX only).

    Parameters
    ----------
    settings : mapping of int to float, optional
        ``$``-numbers to values.
    options : Options, optional
        How the controller differs from an ideal one.
    faults : tuple of Fault
        What goes wrong; those of the host's own port and clock stay without effect.
    seed : int
        Of all that the faults leave open.

    Returns
    -------
    Served
        Running until closed; its `url` is the terminal's path.

    Raises
    ------
    LinkError
        On Windows.
    """
    return Served(Mischief(Controller(settings, options), faults, seed), _PtyEnd)
