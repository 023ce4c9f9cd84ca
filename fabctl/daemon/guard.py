"""The guard: a small process beside the sender that stops the machines when the sender's heart stops.

It holds the same open ports. While beats come it does nothing. When they stop for half a second, or the
sender dies without a word, it sends `!` to every port, waits until each machine stands, and resets it. It
moves nothing, and it cannot help when the computer itself dies: that is what a hardware interlock is for.

Spoken over a socket between the two: ``.`` a beat, ``+`` with a file descriptor a port more, ``-`` and a
number from 1 a port less, ``q`` the end.
It uses the standard library alone: it starts at once and stays small.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

GUARD_LOG = "guard.jsonl"
SILENCE_S = 0.5
"""So long without a beat, and the sender is taken for dead, s."""
BEAT_S = 0.1
POLL_S = 0.05
BRAKING_LIMIT_S = 10.0
REPORTS = 3
"""So many reports of a state, and it is believed: one may be older than the hold."""
BANNER_LIMIT_S = 3.0

_HELD = {(b"Hold", b"0"), (b"Door", b"0"), (b"Door", b"1")}
_RESTING = {b"Idle", b"Alarm", b"Check", b"Sleep"}
_MOVING = {b"Run", b"Jog", b"Home"}
_STATE = re.compile(rb"<([A-Za-z]+)(?::(\d))?\|")


class Guard:
    """The sender's end: starts the guard, hands it ports, beats.

    Parameters
    ----------
    log : Path, optional
        Where the guard writes what it did, a line of JSON each time it had to act.

    Examples
    --------
    >>> with Guard() as guard:
    ...     guard.beat()
    """

    def __init__(self, log: Path | None = None) -> None:
        self._beaten_s = 0.0
        self._held: list[int] = []
        self._near, far = socket.socketpair()
        with far:
            self._process = subprocess.Popen(  # noqa: S603 - our own module, with our own interpreter
                [sys.executable, "-m", "fabctl.daemon.guard", str(far.fileno()), str(log or "")],
                pass_fds=(far.fileno(),),
                start_new_session=True,
                stdin=subprocess.DEVNULL,
            )
        self._near.setblocking(False)

    @property
    def pid(self) -> int:
        """The guard's process number."""
        return self._process.pid

    def hold(self, descriptor: int) -> None:
        """Give the guard a port to stop; it keeps its own copy of the descriptor."""
        self._send(b"+", [descriptor])
        self._held.append(descriptor)

    def release(self, descriptor: int) -> None:
        """Take a port back; do so before closing it."""
        if descriptor in self._held:
            self._send(b"-%d;" % (self._held.index(descriptor) + 1))
            self._held.remove(descriptor)

    def beat(self) -> None:
        """Say that the sender lives; at most every tenth of a second it really does."""
        now_s = time.monotonic()
        if now_s - self._beaten_s >= BEAT_S:
            self._beaten_s = now_s
            self._send(b".")

    def close(self) -> None:
        """End the guard: nothing is left to stop."""
        self._send(b"q")
        self._near.close()
        self._process.wait(5)

    def _send(self, data: bytes, descriptors: Sequence[int] = ()) -> None:
        # a guard that died must not take the sender with it
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            if descriptors:
                socket.send_fds(self._near, [data], list(descriptors))
            else:
                self._near.send(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def watch(link: socket.socket) -> list[int]:
    """Wait until the sender's heart stops.

    Parameters
    ----------
    link : socket
        The guard's end.

    Returns
    -------
    list of int
        The ports to stop; none when the sender ended in order.
    """
    ports: list[int] = []
    while True:
        ready, _, _ = select.select([link], [], [], SILENCE_S if ports else None)
        if not ready:
            return ports
        try:
            data, given, _, _ = socket.recv_fds(link, 4096, 16)
        except ConnectionResetError:
            return ports
        ports += given
        if not data or data.endswith(b"q"):
            return [] if data else ports
        for number in re.findall(rb"-(\d+);", data):
            os.close(ports.pop(int(number) - 1))


def stop(port: int) -> str:
    """Hold a machine, wait until it stands, reset it; say how far that came.

    Parameters
    ----------
    port : int
        File descriptor.

    Returns
    -------
    str
        ``stopped, position known`` when it stood before the reset, else ``stopped, position unknown``.
    """
    os.set_blocking(port, False)
    with contextlib.suppress(OSError):
        _write(port, b"!")
        stood = _brake(port)
        _write(port, b"\x18")
        banner = _heard(port, b"Grbl", BANNER_LIMIT_S)
        return "stopped, position known" if stood and banner else "stopped, position unknown"
    return "stopped, position unknown"


def _brake(port: int) -> bool:
    deadline_s = time.monotonic() + BRAKING_LIMIT_S
    text, idle, running = b"", 0, 0
    while time.monotonic() < deadline_s:
        _write(port, b"?")
        text = (text + _read(port, POLL_S))[-512:]
        for state, detail in _STATE.findall(text):
            idle = idle + 1 if state in _RESTING else 0
            running = running + 1 if state in _MOVING else 0
            if (state, detail) in _HELD or idle >= REPORTS:
                return True
            if running and running % (3 * REPORTS) == 0:
                # the first one may have been lost on the way
                _write(port, b"!")
        text = text[text.rfind(b"\n") + 1 :]
    return False


def _heard(port: int, wanted: bytes, limit_s: float) -> bool:
    deadline_s, text = time.monotonic() + limit_s, b""
    while wanted not in text and time.monotonic() < deadline_s:
        text += _read(port, POLL_S)
    return wanted in text


def _read(port: int, wait_s: float) -> bytes:
    until_s, data = time.monotonic() + wait_s, b""
    while (left_s := until_s - time.monotonic()) > 0:
        if select.select([port], [], [], left_s)[0]:
            with contextlib.suppress(BlockingIOError):
                piece = os.read(port, 4096)
                if not piece:
                    raise OSError("the port is gone")
                data += piece
    return data


def _write(port: int, data: bytes) -> None:
    with contextlib.suppress(BlockingIOError):
        os.write(port, data)


def main(arguments: Sequence[str]) -> int:
    """Be the guard: watch, and stop every port when the sender dies.

    Parameters
    ----------
    arguments : sequence of str
        The socket's file descriptor, and where to write what was done.
    """
    # Ctrl-C on a terminal reaches the whole group: it is the sender's to answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    link = socket.socket(fileno=int(arguments[0]))
    ports = watch(link)
    if not ports:
        return 0
    for port in ports:
        os.set_blocking(port, False)
        with contextlib.suppress(OSError):
            _write(port, b"!")
    ends = [stop(port) for port in ports]
    if arguments[1]:
        said = {"time": time.time(), "did": "the sender's heart stopped: held and reset", "ends": ends}
        with Path(arguments[1]).open("a", encoding="utf-8") as log:
            log.write(json.dumps(said) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
