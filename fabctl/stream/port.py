"""One small seam between the link and the wire: five members, whole writes, one clock.

Nothing above this file knows pyserial. Whatever has these five members can stand in for a real port; the
virtual controller does, in virtual time.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from fabctl.errors import LinkError
from fabctl.stream.locks import PortLock, hold_port, make_exclusive

if TYPE_CHECKING:
    from serial import Serial

CHUNK_BYTES = 4096
WRITE_LIMIT_S = 2.0
SLICE_S = 0.01
"""How long a wait without a file descriptor lasts before a wake-up call is looked for."""


class Port(Protocol):
    """What the link asks of a wire."""

    @property
    def name(self) -> str:
        """The address as a person wrote it."""
        ...

    def write(self, data: bytes) -> None:
        """Hand over all of `data`, or raise LinkError."""
        ...

    def read(self, timeout_s: float) -> bytes:
        """Return bytes as soon as there are some, or none after `timeout_s`."""
        ...

    def clock_s(self) -> float:
        """Return the port's own time, s: it never goes back."""
        ...

    def close(self) -> None:
        """Let go of the device."""
        ...


@runtime_checkable
class Wakeable(Protocol):
    """A port whose `read` another thread or a signal handler can end early."""

    def wake(self) -> None:
        """Make the `read` in progress, or the next one, return at once."""
        ...


@runtime_checkable
class Gathers(Protocol):
    """A port whose next `read` can let bytes gather before it takes them, for fewer turns.

    Attributes
    ----------
    gather_s : float
        How long, s; counts for one `read`.
    """

    gather_s: float


class SerialPort:
    """A port that pyserial opened, read and written through its file descriptor where it has one.

    Parameters
    ----------
    name : str
        The address as a person wrote it.
    device : serial.Serial
        Open, with a read timeout of 0.
    lock : PortLock
        Let go of when the port closes.
    write_limit_s : float
        The longest a write may take, s.
    """

    def __init__(
        self, name: str, device: Serial, lock: PortLock, write_limit_s: float = WRITE_LIMIT_S
    ) -> None:
        self._name = name
        self._device = device
        self._lock = lock
        self._write_limit_s = write_limit_s
        self._descriptor = _descriptor(device)
        self.gather_s = 0.0
        self._woken = False
        # select on a pipe is a POSIX thing; elsewhere waits are cut into slices
        self._pipe = os.pipe() if self._descriptor is not None else None
        if self._pipe is not None:
            os.set_blocking(self._pipe[0], False)
            os.set_blocking(self._pipe[1], False)

    @property
    def name(self) -> str:
        """The address as a person wrote it."""
        return self._name

    def clock_s(self) -> float:
        """Return the monotonic clock of this host, s."""
        return time.monotonic()

    def write(self, data: bytes) -> None:
        """Hand over all of `data`.

        Raises
        ------
        LinkError
            When the device is gone or does not take everything in its time.
        """
        try:
            if self._descriptor is None:
                taken = self._device.write(data)
                rest = len(data) - (len(data) if taken is None else taken)
            else:
                rest = len(data) - _write_some(self._descriptor, data)
                if rest:
                    rest = _write_rest(self._descriptor, data[-rest:], self._write_limit_s)
        except (OSError, ValueError, TypeError) as error:
            raise self._gone(error) from error
        if rest:
            raise LinkError(
                f"the port took only {len(data) - rest} of {len(data)} bytes in {self._write_limit_s:g} s",
                file=self._name,
                remedy="look at the cable and the controller's power; switch flow control off",
            )

    def read(self, timeout_s: float) -> bytes:
        """Return bytes as soon as there are some, or none after `timeout_s` or a wake-up call.

        Raises
        ------
        LinkError
            When the device is gone.
        """
        try:
            if self._descriptor is None or self._pipe is None:
                return self._read_in_slices(timeout_s)
            rest_s, self.gather_s = min(self.gather_s, timeout_s), 0.0
            if rest_s > 0:
                woken = select.select((self._pipe[0],), (), (), rest_s)[0]
                if not woken and (data := os.read(self._descriptor, CHUNK_BYTES)):
                    return data
                # nothing there, or nobody: the wait below tells the two apart
                timeout_s = 0.0 if woken else timeout_s - rest_s
            ready, _, _ = select.select((self._descriptor, self._pipe[0]), (), (), max(0.0, timeout_s))
            if self._pipe[0] in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._pipe[0], CHUNK_BYTES)
            if self._descriptor not in ready:
                return b""
            data = os.read(self._descriptor, CHUNK_BYTES)
        except BlockingIOError:
            return b""
        except (OSError, ValueError, TypeError) as error:
            raise self._gone(error) from error
        if not data:
            raise self._gone(None)
        return data

    @property
    def descriptor(self) -> int | None:
        """The open device's file descriptor; None where it has none."""
        return self._descriptor

    def take(self) -> bytes:
        """Return the bytes that are there, at once.

        Raises
        ------
        LinkError
            When the device is gone.
        """
        try:
            if self._descriptor is None:
                return bytes(self._device.read(self._device.in_waiting or 1))
            data = os.read(self._descriptor, CHUNK_BYTES)
        except BlockingIOError:
            return b""
        except (OSError, ValueError, TypeError) as error:
            raise self._gone(error) from error
        if not data:
            raise self._gone(None)
        return data

    def wake(self) -> None:
        """Make the `read` in progress, or the next one, return at once; safe in a signal handler."""
        self._woken = True
        if self._pipe is not None:
            with contextlib.suppress(OSError):
                os.write(self._pipe[1], b"w")

    def close(self) -> None:
        """Let go of the device and of its lock; a second call does nothing."""
        with contextlib.suppress(OSError):
            self._device.close()
        if self._pipe is not None:
            for end in self._pipe:
                os.close(end)
            self._pipe = None
        self._descriptor = None
        self._lock.release()

    def _read_in_slices(self, timeout_s: float) -> bytes:
        deadline_s = time.monotonic() + timeout_s
        while True:
            data = bytes(self._device.read(max(1, self._device.in_waiting)))
            left_s = deadline_s - time.monotonic()
            if data or self._woken or left_s <= 0:
                self._woken = False
                return data
            time.sleep(min(SLICE_S, left_s))

    def _gone(self, error: Exception | None) -> LinkError:
        detail = f": {error}" if error else ": the other end hung up"
        return LinkError(
            f"the port is gone{detail}",
            file=self._name,
            remedy="look at cable and power, then find the position anew: home, or set the zero again",
        )


def open_port(
    url: str,
    baud: int = 115200,
    *,
    dtr: bool | None = None,
    lock_folder: Path | None = None,
    write_limit_s: float = WRITE_LIMIT_S,
) -> SerialPort:
    """Open a port once, for this process alone.

    Parameters
    ----------
    url : str
        Any address pyserial knows: ``/dev/ttyUSB0``, ``COM3``, ``socket://host:port``, ``rfc2217://…``.
    baud : int
        Bits a second; a socket ignores it.
    dtr : bool, optional
        The level of DTR while open. None leaves it to the driver, which raises it: most boards restart
        then, so that position is unknown after every opening.
    lock_folder : Path, optional
        Where lock files stand; the person's runtime folder when not given.
    write_limit_s : float
        The longest a write may take, s.

    Returns
    -------
    SerialPort
        Open and empty of old bytes.

    Raises
    ------
    LinkError
        When there is no such port, it may not be opened, somebody has it, or the address is none.
    """
    import serial  # noqa: PLC0415 - a list of machines must not pay for pyserial

    lock = hold_port(url, lock_folder)
    try:
        device = serial.serial_for_url(
            url, baudrate=baud, timeout=0, write_timeout=write_limit_s, do_not_open=True
        )
        if dtr is not None:
            device.dtr = dtr
        if os.name == "posix" and "://" not in url:
            device.exclusive = True
        device.open()
    except ValueError as error:
        lock.release()
        raise LinkError(
            f"{url!r} is no address of a port: {error}",
            remedy="write a device such as /dev/ttyUSB0 or COM3, or socket://host:port",
        ) from error
    except (OSError, ImportError) as error:
        lock.release()
        raise _cannot_open(url, error) from error
    descriptor = _descriptor(device)
    if descriptor is not None:
        make_exclusive(descriptor)
    return SerialPort(url, device, lock, write_limit_s)


def found_ports() -> tuple[str, ...]:
    """List the serial ports this host has now, each with what it says of itself."""
    from serial.tools import list_ports  # noqa: PLC0415 - see open_port

    return tuple(f"{port.device} ({port.description})" for port in sorted(list_ports.comports()))


def _descriptor(device: Serial) -> int | None:
    if os.name != "posix":
        return None
    try:
        return int(device.fileno())
    except (AttributeError, OSError, ValueError):
        return None


def _write_rest(descriptor: int, data: bytes, limit_s: float) -> int:
    """Write until everything is taken, or the time is over; return how many bytes are left."""
    rest, deadline_s = len(data), time.monotonic() + limit_s
    while rest:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0 or not select.select((), (descriptor,), (), left_s)[1]:
            break
        rest -= _write_some(descriptor, data[-rest:])
    return rest


def _write_some(descriptor: int, data: bytes) -> int:
    try:
        return os.write(descriptor, data)
    except BlockingIOError:
        return 0


def _cannot_open(url: str, error: Exception) -> LinkError:
    text = str(error)
    number = getattr(error, "errno", None)
    if number == 13 or "ermission" in text or "Access is denied" in text:
        return LinkError(
            "the port may not be opened by this account, or another program has it",
            file=url,
            remedy=f"close other senders; {_who_may(url)}",
        )
    if number in {11, 16, 35} or "xclusively lock" in text or "busy" in text:
        return LinkError(
            "another program has the port open",
            file=url,
            remedy="close the other sender; `fuser -v DEVICE` names it on Linux, `lsof DEVICE` on macOS",
        )
    if "://" in url:
        return LinkError(
            f"nothing answers there: {text}", file=url, remedy="look at host, port number and network"
        )
    ports = found_ports()
    listed = "ports found: " + "; ".join(ports) if ports else "no serial port was found: look at the cable"
    if number == 2:
        return LinkError("there is no such port", file=url, remedy=listed)
    return LinkError(f"this is no serial port: {text}", file=url, remedy=listed)


def _who_may(url: str) -> str:
    try:
        import grp  # noqa: PLC0415 - POSIX only
    except ImportError:
        return "run as a person who may use serial ports"
    try:
        group = grp.getgrgid(Path(url).stat().st_gid).gr_name
    except (OSError, KeyError):
        return "join the group that owns the device (often dialout or uucp)"
    return f"join the group {group!r} (sudo usermod -aG {group} $USER) and log in again"
