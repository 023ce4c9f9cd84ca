"""The serial line and the receive ring: bytes in time, real-time bytes picked off, overflow in silence.

Source: Grbl 1.1h, grbl/serial.c and grbl/protocol.c (line reading).
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from fabctl.sim.cpu import Cpu
from fabctl.sim.realtime import REALTIME
from fabctl.sim.settings import BYTE_WRITE_S

RING_BYTES = 128
LINE_CHARS = 79
TRANSMIT_BYTES = 104
BYTE_S = 10 / 115_200
"""Time of one byte at 115200 baud: start bit, 8 bits, stop bit."""
FIFO_BYTES = 2
"""Bytes the UART itself keeps while interrupts are off."""

_PIECES = re.compile(rb"[^\n\r\x18!?~\x80-\xff]*[\n\r]|[\x18!?~\x80-\xff]|[^\n\r\x18!?~\x80-\xff]+")
_BLANKS = bytes(range(33)) + b"/" + bytes(range(128, 256))
_UPPER = bytes(b - 32 if 97 <= b <= 122 else b for b in range(256))


class Tamper(Protocol):
    """The seam for faults: what happens to bytes between host and controller."""

    def to_controller(self, data: bytes, now_s: float) -> bytes:
        """Return what of the host's bytes reaches the controller's UART."""

    def to_host(self, data: bytes, now_s: float) -> bytes:
        """Return what of the controller's bytes reaches the host."""


@dataclass(slots=True)
class Clean:
    """A wire that changes nothing."""

    def to_controller(self, data: bytes, now_s: float) -> bytes:  # noqa: ARG002
        """Return the bytes as they are."""
        return data

    def to_host(self, data: bytes, now_s: float) -> bytes:  # noqa: ARG002
        """Return the bytes as they are."""
        return data


@dataclass(slots=True)
class LineReader:
    """Bytes to stripped lines: blanks, comments and ``/`` go, letters rise, long lines are marked."""

    kept: bytearray = field(default_factory=bytearray)
    overflow: bool = False
    parenthesis: bool = False
    semicolon: bool = False

    def reset(self) -> None:
        """Begin a new line."""
        self.kept.clear()
        self.overflow = self.parenthesis = self.semicolon = False

    def feed(self, data: bytes | bytearray) -> None:
        """Take the bytes of a line, without its end."""
        marked = self.overflow or self.parenthesis or self.semicolon
        if not marked and b"(" not in data and b";" not in data:
            self._keep(data.translate(_UPPER, _BLANKS))
            return
        # Comments open and close within a line: byte by byte, as rare as they are.
        for byte in data:
            self._take(byte)

    def _keep(self, text: bytes | bytearray) -> None:
        room = LINE_CHARS - len(self.kept)
        self.overflow |= len(text) > room
        self.kept += text[:room]

    def _take(self, byte: int) -> None:
        if self.overflow or self.parenthesis or self.semicolon:
            if byte == 0x29:
                self.parenthesis = False
        elif byte == 0x28:
            self.parenthesis = True
        elif byte == 0x3B:
            self.semicolon = True
        else:
            self._keep(bytes([byte]).translate(_UPPER, _BLANKS))

    def finish(self) -> str | None:
        """Return the finished line, None for one too long, and begin the next."""
        line = None if self.overflow else self.kept.decode("ascii")
        self.reset()
        return line


class Receiver:
    """Bytes on their way to the controller, and the 128-byte ring they end in.

    Parameters
    ----------
    cpu : Cpu
        The clock, and when it is deaf.
    on_realtime : callable
        Called with each real-time byte as it arrives.
    byte_s : float
        Time of a byte on the wire in s.
    """

    def __init__(self, cpu: Cpu, on_realtime: Callable[[int], None], byte_s: float = BYTE_S) -> None:
        self._cpu = cpu
        self._on_realtime = on_realtime
        self.byte_s = byte_s
        self.ring_bytes = RING_BYTES
        self.off_until_s = 0.0
        self._coming: deque[tuple[float, bytes]] = deque()
        self._wire_free_s = 0.0
        self.ring = bytearray()
        self.most_in_ring = 0
        self.dropped = 0
        self.reader = LineReader()
        self.reading = False

    @property
    def due_s(self) -> float:
        """Time in s at which the next piece is wholly there; infinity with an empty wire."""
        if not self._coming:
            return math.inf
        start, data = self._coming[0]
        return start + len(data) * self.byte_s

    def send(self, data: bytes, at_s: float) -> None:
        """Put the host's bytes on the wire, not before a time in s."""
        start = max(at_s, self._wire_free_s)
        for match in _PIECES.finditer(data):
            piece = match.group()
            self._coming.append((start, piece))
            start += len(piece) * self.byte_s
        self._wire_free_s = start

    def deliver(self) -> None:
        """Take from the wire all that has arrived by now."""
        now = self._cpu.now_s
        while self._coming:
            start, data = self._coming[0]
            # A thousandth of a byte: more than a clock of years loses by rounding.
            count = min(len(data), int((now - start) / self.byte_s + 1e-3))
            if count <= 0:
                return
            if count == len(data):
                self._coming.popleft()
            else:
                self._coming[0] = (start + count * self.byte_s, data[count:])
                data = data[:count]
            self._arrive(data, start)

    def _arrive(self, data: bytes, start_s: float) -> None:
        if start_s < self.off_until_s:
            self.dropped += len(data)
            return
        if self._cpu.deaf[1] > start_s:
            data = self._heard(data, start_s)
            if not data:
                return
        if data[0] in REALTIME:
            self._on_realtime(data[0])
            return
        if self.reading and not self.ring:
            self.ring += data
            self._drain()
            return
        room = self.ring_bytes - len(self.ring)
        self.dropped += max(0, len(data) - room)
        self.ring += data[:room]
        self.most_in_ring = max(self.most_in_ring, len(self.ring))

    def _heard(self, data: bytes, start_s: float) -> bytes:
        """Return the bytes that survive the spans in which interrupts are off."""
        begin, end = self._cpu.deaf
        heard = bytearray()
        for index, byte in enumerate(data):
            arrival = start_s + (index + 1) * self.byte_s
            into = (arrival - begin) % BYTE_WRITE_S
            if not begin < arrival <= end or into < FIFO_BYTES * self.byte_s:
                heard.append(byte)
            else:
                self.dropped += 1
        return bytes(heard)

    def _drain(self) -> None:
        """Move the ring's bytes into the line reader, up to the end of a line."""
        end = _line_end(self.ring)
        if end < 0:
            self.reader.feed(self.ring)
            self.ring.clear()

    def has_line(self) -> bool:
        """Return whether a whole line can be read."""
        return _line_end(self.ring) >= 0

    def next_line(self) -> tuple[bool, str | None]:
        """Return whether there was a line, and the line (None for one too long)."""
        end = _line_end(self.ring)
        if end < 0:
            self._drain()
            return False, None
        self.reader.feed(self.ring[:end])
        del self.ring[: end + 1]
        return True, self.reader.finish()

    def free(self) -> int:
        """Return the free bytes of the ring, as Bf reports them."""
        return RING_BYTES - len(self.ring)

    def flush(self) -> None:
        """Empty the ring, as a reset does; bytes still on the wire come later."""
        self.ring.clear()


def _line_end(data: bytearray) -> int:
    feed, carriage = data.find(b"\n"), data.find(b"\r")
    if feed < 0 or carriage < 0:
        return max(feed, carriage)
    return min(feed, carriage)


class Transmitter:
    """Bytes on their way to the host.

    Parameters
    ----------
    cpu : Cpu
        The clock; the main program waits when 104 bytes are still to go.
    byte_s : float
        Time of a byte on the wire in s.
    latency_s : float
        Interval at which a USB adapter hands received bytes to the host; 0 is at once.
    delay_s : float
        Plain delay on the way.

    Attributes
    ----------
    spoil : callable, optional
        What becomes of each reply, and how much later it comes.
    """

    def __init__(
        self, cpu: Cpu, byte_s: float = BYTE_S, latency_s: float = 0.0, delay_s: float = 0.0
    ) -> None:
        self._cpu = cpu
        self._byte_s = byte_s
        self.latency_s = latency_s
        self._delay_s = delay_s
        self._free_s = 0.0
        self.spoil: Callable[[bytes], tuple[bytes, float]] | None = None
        self.going: deque[tuple[float, bytes]] = deque()

    def write(self, text: str) -> None:
        """Send text from the controller."""
        data = text.encode("latin-1")
        now = self._cpu.now_s
        self._free_s = max(now, self._free_s) + len(data) * self._byte_s
        backlog_s = self._free_s - TRANSMIT_BYTES * self._byte_s
        if backlog_s > max(now, self._cpu.busy_until_s):
            self._cpu.busy_until_s = backlog_s
        arrival = self._free_s
        if self.latency_s:
            arrival = math.ceil(arrival / self.latency_s - 1e-9) * self.latency_s
        arrival += self._delay_s
        if self.spoil is not None:
            data, late_s = self.spoil(data)
            arrival += late_s
            # late bytes are not overtaken
            arrival = max(arrival, self.going[-1][0]) if self.going else arrival
        if data:
            self.going.append((arrival, data))

    def due_s(self) -> float:
        """Time in s at which the host has the next bytes; infinity when nothing is on the way."""
        return self.going[0][0] if self.going else math.inf

    def take(self) -> bytes:
        """Return the bytes the host has by now."""
        out = bytearray()
        while self.going and self.going[0][0] <= self._cpu.now_s:
            out += self.going.popleft()[1]
        return bytes(out)
