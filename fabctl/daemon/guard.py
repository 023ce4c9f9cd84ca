"""The guard: a small process beside the sender that stops the machines when the sender's heart stops.

It holds the same open ports. While beats come it does nothing but answer them. When they stop for half a
second, or the sender dies without a word, it sends `!` to every port, waits until each machine stands, and
resets it, all of them at once; one that says nothing for a second, because it homes, is reset where it is.
It moves nothing, and it cannot help when the computer itself dies: that is what a hardware interlock is for.

Spoken over a socket between the two, in lines: an empty one is a beat, ``+`` and a name with a file
descriptor is a port more, ``-`` and a number from 1 a port less, ``q`` the end. The guard answers each piece
with ``.``, and says ``!`` before it acts. The sender's end is `fabctl.daemon.guarding`.
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
import sys
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import NamedTuple

GUARD_LOG = "guard.jsonl"
SILENCE_S = 0.5
"""So long without a beat, and the sender is taken for dead, s."""
POLL_S = 0.05
BRAKING_LIMIT_S = 10.0
SILENT_POLLS = 20
"""So many polls without a byte: it homes, and knows no hold, or it hears nobody."""
REPORTS = 3
"""So many reports of a state, and it is believed: one may be older than the hold."""
BANNER_LIMIT_S = 3.0
KNOWN, UNKNOWN = "stopped, position known", "stopped, position unknown"
PIECE_BYTES = 4096
MOST_PORTS = 16

_HELD = {(b"Hold", b"0"), (b"Door", b"0"), (b"Door", b"1")}
_RESTING = {b"Idle", b"Alarm", b"Check", b"Sleep"}
_MOVING = {b"Run", b"Jog", b"Home"}
_STATE = re.compile(rb"<([A-Za-z]+)(?::(\d))?\|")

Turns = Generator[None, bytes, bool]
"""Work that waits for bytes: each `yield` lasts `POLL_S` and is given what came meanwhile."""


class Charge(NamedTuple):
    """A port to stop, and the machine behind it."""

    port: int
    machine: str


def watch(link: socket.socket) -> list[Charge]:
    """Wait until the sender's heart stops.

    Parameters
    ----------
    link : socket
        The guard's end.

    Returns
    -------
    list of Charge
        What is to be stopped; nothing when the sender ended in order.
    """
    charges: list[Charge] = []
    given: list[int] = []
    text = b""
    link.setblocking(False)
    while True:
        if not select.select([link], [], [], SILENCE_S if charges else None)[0]:
            return charges
        try:
            data, more, _, _ = socket.recv_fds(link, PIECE_BYTES, MOST_PORTS)
        except ConnectionResetError:
            return charges
        if not data:
            return charges
        given += more
        *lines, text = (text + data).split(b"\n")
        for line in filter(None, lines):
            if line == b"q":
                return []
            if line.startswith(b"+") and given:
                charges.append(Charge(given.pop(0), line[1:].decode("utf-8", "replace")))
            elif line.startswith(b"-"):
                os.close(charges.pop(int(line[1:]) - 1).port)
        with contextlib.suppress(OSError):
            link.send(b".")


def stop_all(ports: Sequence[int]) -> list[str]:
    """Hold all machines, wait until each stands, reset it; say for each how far that came.

    Parameters
    ----------
    ports : sequence of int
        File descriptors.

    Returns
    -------
    list of str
        ``stopped, position known`` where it stood before the reset, else ``stopped, position unknown``.
    """
    for port in ports:
        os.set_blocking(port, False)
        with contextlib.suppress(OSError):
            _write(port, b"!")
    ends = dict.fromkeys(ports, UNKNOWN)
    # together: one that does not answer must not keep another's spindle turning
    works = {port: _stop(port) for port in ports}
    heard: dict[int, bytes | OSError | None] = dict.fromkeys(works)
    while works:
        for port, work in list(works.items()):
            given = heard.get(port)
            try:
                if isinstance(given, OSError):
                    work.throw(given)
                elif given is None:
                    next(work)
                else:
                    work.send(given)
            except StopIteration as end:
                ends[port] = KNOWN if end.value else UNKNOWN
                del works[port]
            except OSError:
                del works[port]
        heard = _read(list(works), POLL_S)
    return [ends[port] for port in ports]


def _stop(port: int) -> Turns:
    stood = yield from _brake(port)
    _write(port, b"\x18")
    banner = yield from _greeted()
    return stood and banner


def _brake(port: int) -> Turns:
    deadline_s = time.monotonic() + BRAKING_LIMIT_S
    text, idle, running, silent = b"", 0, 0, 0
    while time.monotonic() < deadline_s and silent < SILENT_POLLS:
        _write(port, b"?")
        heard = yield
        silent = 0 if heard else silent + 1
        text = (text + heard)[-512:]
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


def _greeted() -> Turns:
    deadline_s, text = time.monotonic() + BANNER_LIMIT_S, b""
    while b"Grbl" not in text and time.monotonic() < deadline_s:
        text += yield
    return b"Grbl" in text


def _read(ports: list[int], wait_s: float) -> dict[int, bytes | OSError | None]:
    """Read what comes from ports in a time, s; an error for one that is gone."""
    until_s, heard = time.monotonic() + wait_s, dict.fromkeys(ports, b"")
    gone: dict[int, bytes | OSError | None] = {}
    while (left_s := until_s - time.monotonic()) > 0:
        for port in select.select([port for port in ports if port not in gone], [], [], left_s)[0]:
            try:
                piece = os.read(port, PIECE_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                gone[port] = error
                continue
            if not piece:
                gone[port] = OSError("the port is gone")
            heard[port] += piece
    return heard | gone


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
    charges = watch(link)
    if not charges:
        return 0
    with contextlib.suppress(OSError):
        # whoever still lives there must not take the silence that comes now for a guard that hangs
        link.send(b"!")
    ends = stop_all([charge.port for charge in charges])
    if arguments[1]:
        said = {
            "time": time.time(),
            "did": "the sender's heart stopped: held and reset",
            "machines": [charge.machine for charge in charges],
            "ends": ends,
        }
        with Path(arguments[1]).open("a", encoding="utf-8") as log:
            log.write(json.dumps(said) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
