"""Keep a port to one process: an advisory lock, the kernel's own exclusion, and a lock file by device.

pyserial's ``exclusive`` is an advisory lock that other programs need not ask for; TIOCEXCL makes their
`open` fail. The lock file is keyed by the device's serial number, so that the same machine under another
name (ttyUSB0, ttyUSB1, by-id) is still the same machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Protocol

from fabctl.errors import LinkError


class Known(Protocol):
    """A serial port as the system lists it."""

    device: str
    vid: int | None
    pid: int | None
    serial_number: str | None


class PortLock:
    """A held lock file; the operating system frees it when the process dies.

    Parameters
    ----------
    stream : IO
        The open, locked file.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def release(self) -> None:
        """Let go; a second call does nothing."""
        self._stream.close()


def hold_port(url: str, folder: Path | None = None) -> PortLock:
    """Take the lock file of the device behind an address.

    Parameters
    ----------
    url : str
        The port's address.
    folder : Path, optional
        Where lock files stand.

    Raises
    ------
    LinkError
        When another process of fabctl has the device; its number is named.
    """
    if folder is None:
        import platformdirs  # noqa: PLC0415 - only whoever opens a port needs it

        # not the runtime folder: many a small board has none
        folder = platformdirs.user_state_path("fabctl") / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{device_key(url)}.lock"
    stream = path.open("a+", encoding="ascii")
    try:
        _lock(stream)
    except OSError as error:
        stream.seek(0)
        holder = stream.read().strip() or "unknown"
        stream.close()
        raise LinkError(
            f"another fabctl has this port: process {holder}",
            file=url,
            remedy="let it finish or stop it; two senders on one machine are never safe",
        ) from error
    stream.seek(0)
    stream.truncate()
    stream.write(f"{os.getpid()}\n")
    stream.flush()
    return PortLock(stream)


def device_key(url: str) -> str:
    """Name a device so that each of its addresses gives the same name.

    Examples
    --------
    >>> device_key("socket://Shop.local:2000") == device_key("socket://shop.local:2000")
    True
    """
    if "://" in url:
        identity = url.lower()
    else:
        real = os.path.realpath(url) if os.name == "posix" else url.upper()
        identity = serial_number_of(real) or real
    readable = re.sub(r"[^A-Za-z0-9]+", "-", identity).strip("-")[-40:]
    return f"{readable}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def found_again(url: str, serial_number: str, ports: Iterable[Known] | None = None) -> str:
    """Return the address a device has now: an adapter that was pulled may come back under another name.

    Parameters
    ----------
    url : str
        The address it had.
    serial_number : str
        As `serial_number_of` said while it was there; empty when it had none.
    ports : iterable, optional
        What is plugged in; the system is asked when not given.

    Returns
    -------
    str
        `url` itself when the device is there under it, is nowhere, or cannot be told from others.

    Examples
    --------
    >>> from types import SimpleNamespace as P
    >>> plugged = [P(device="/dev/ttyUSB1", vid=6790, pid=29987, serial_number="A7")]
    >>> found_again("/dev/ttyUSB0", "6790-29987-A7", plugged)
    '/dev/ttyUSB1'
    """
    known = {_key(port): port.device for port in _plugged(ports) if port.serial_number}
    return known.get(serial_number, url) if serial_number else url


def serial_number_of(url: str, ports: Iterable[Known] | None = None) -> str:
    """Return what tells a USB adapter from all others: vendor, product and serial number; else nothing.

    Parameters
    ----------
    url : str
        A device's address.
    ports : iterable, optional
        What is plugged in; the system is asked when not given.
    """
    if "://" in url:
        return ""
    real = os.path.realpath(url) if os.name == "posix" else url.upper()
    return next((_key(p) for p in _plugged(ports) if p.device == real and p.serial_number), "")


def make_exclusive(descriptor: int) -> None:
    """Ask the kernel to refuse every further open of a terminal device; elsewhere do nothing."""
    try:
        import fcntl  # noqa: PLC0415 - POSIX only
        import termios  # noqa: PLC0415 - POSIX only
    except ImportError:
        return
    # a socket is no terminal and has nothing to exclude
    with contextlib.suppress(OSError):
        fcntl.ioctl(descriptor, termios.TIOCEXCL)


def _plugged(ports: Iterable[Known] | None) -> Iterable[Known]:
    if ports is not None:
        return ports
    from serial.tools import list_ports  # noqa: PLC0415 - see fabctl.stream.port.open_port

    found: Iterable[Known] = list_ports.comports()
    return found


def _key(port: Known) -> str:
    return f"{port.vid}-{port.pid}-{port.serial_number}"


def _lock(stream: IO[str]) -> None:
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415 - Windows only

        # a byte far beyond the text, so that the holder's number stays readable
        stream.seek(1 << 20)
        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl  # noqa: PLC0415 - POSIX only

        fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
