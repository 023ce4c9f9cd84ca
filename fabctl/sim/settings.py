"""The $-settings, work offsets and startup lines, and the EEPROM they live in.

The EEPROM is kept as bytes because writing it costs 3.4 ms for every byte that changes, and a real
controller is deaf meanwhile: how long depends on how many bytes of a number differ from the old one.

Source: Grbl 1.1h (settings.h for the layout, defaults.h for the generic values), ATmega328P data sheet.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from fabctl.errors import ProfileError
from fabctl.sim import codes

Triple = tuple[float, float, float]

EEPROM_BYTES = 1024
BYTE_WRITE_S = 3.4e-3
"""Time of one erase-and-write of the ATmega328P's EEPROM (data sheet, table 8-1)."""

_GLOBAL, _COORDS, _STARTUP, _BUILD = 1, 512, 768, 942
_LINE_BYTES = 80
_LAYOUT = struct.Struct("<12f5B4f2B2fHf")
_VERSION = 10

DEFAULTS: dict[int, float] = {
    0: 10, 1: 25, 2: 0, 3: 0, 4: 0, 5: 0, 6: 0, 10: 1, 11: 0.01, 12: 0.002, 13: 0,
    20: 0, 21: 0, 22: 0, 23: 0, 24: 25, 25: 500, 26: 250, 27: 1, 30: 1000, 31: 0, 32: 0,
    100: 250, 101: 250, 102: 250, 110: 500, 111: 500, 112: 500,
    120: 10, 121: 10, 122: 10, 130: 200, 131: 200, 132: 200,
}  # fmt: skip
"""Number to value as in a generic build: mm, mm/min, mm/s², ms, µs, rpm, masks and switches."""

FLAGS = frozenset({4, 5, 6, 13, 20, 21, 22, 32})
"""Settings that are a switch: any value but 0 becomes 1."""
WHOLE = FLAGS | {0, 1, 2, 3, 10, 23, 26}
"""Settings kept in one byte: a fraction is cut, values wrap at 256."""
RPM = frozenset({30, 31})
"""Settings printed without decimals."""

COORDS = ("G54", "G55", "G56", "G57", "G58", "G59", "G28", "G30")
"""What is stored for each coordinate index."""


@dataclass(slots=True, frozen=True)
class Axes:
    """The per-axis settings in mm and s, as the planner wants them."""

    steps_per_mm: Triple
    max_rate_mm_s: Triple
    acceleration_mm_s2: Triple
    travel_mm: Triple


def checksum(data: bytes) -> int:
    """Return the check byte Grbl puts behind a record (its rotation degenerates to "was not zero")."""
    value = 0
    for byte in data:
        value = ((value != 0) + byte) & 0xFF
    return value


class Settings:
    """Settings, coordinate data and startup lines over one EEPROM image.

    Parameters
    ----------
    values : mapping of int to float
        ``$``-number to value; what is missing takes Grbl's generic default.
    blank : bool
        Start with an erased EEPROM, as a board straight from the factory.

    Raises
    ------
    ProfileError
        When a number is no setting of Grbl 1.1 or its value is refused.
    """

    def __init__(self, values: Mapping[int, float] | None = None, *, blank: bool = False) -> None:
        self.eeprom = bytearray(b"\xff" * EEPROM_BYTES)
        self.blank = blank
        self.values: dict[int, float] = dict(DEFAULTS)
        self.coords: list[list[float]] = [[0.0, 0.0, 0.0] for _ in COORDS]
        self.startup = ["", ""]
        self.build_info = ""
        # $22 is needed by $20: store in rising order, but homing before soft limits.
        for number in sorted(values or {}, key=lambda n: (n != 22, n)):
            self._take(number, (values or {})[number])
        self.axes = self._axes()
        if not blank:
            self._write_all()

    def __getitem__(self, number: int) -> float:
        return self.values[number]

    def _take(self, number: int, value: float) -> None:
        status = self.check(number, value)
        if status:
            raise ProfileError(
                f"${number}={value:g} is refused: {codes.ERRORS[status]}",
                place=f"${number}",
                remedy="give a setting of Grbl 1.1 with a value in its range",
            )
        self._assign(number, value)

    def _assign(self, number: int, value: float) -> None:
        if number in FLAGS:
            value = float(int(value) & 0xFF != 0)
        elif number in WHOLE:
            value = float(int(value) & 0xFF)
        self.values[number] = value
        if number == 22 and not value:
            self.values[20] = 0.0
        self.axes = self._axes()

    def check(self, number: int, value: float) -> int:
        """Return the error code storing ``$number=value`` would give; 0 is accepted."""
        if value < 0:
            return 4
        if number not in DEFAULTS:
            return 3
        if number == 0 and int(value) & 0xFF < 3:
            return 6
        if number == 20 and int(value) & 0xFF and not self.values[22]:
            return 10
        return codes.OK

    def store(self, number: int, value: float) -> tuple[int, int]:
        """Store ``$number=value``; return the error code and how many EEPROM bytes changed."""
        status = self.check(number, value)
        if status:
            return status, 0
        self._assign(number, value)
        return codes.OK, self._write_globals()

    def store_coords(self, index: int, xyz: list[float]) -> int:
        """Store coordinate data in mm; return how many EEPROM bytes changed."""
        self.coords[index] = list(xyz)
        return self._record(_COORDS + index * 13, struct.pack("<3f", *xyz))

    def store_startup(self, index: int, line: str) -> int:
        """Store a startup line; return how many EEPROM bytes changed."""
        self.startup[index] = line
        text = line.encode("latin-1").ljust(_LINE_BYTES, b"\0")
        return self._record(_STARTUP + index * (_LINE_BYTES + 1), text)

    def store_build_info(self, text: str) -> int:
        """Store the text of ``$I=``; return how many EEPROM bytes changed."""
        self.build_info = text
        return self._record(_BUILD, text.encode("latin-1").ljust(_LINE_BYTES, b"\0"))

    def restore(self, what: str) -> int:
        """Restore defaults as ``$RST=`` does; return how many EEPROM bytes changed.

        Parameters
        ----------
        what : {"$", "#", "*"}
            Settings, coordinate data, or everything.
        """
        changed = 0
        if what in "$*":
            self.values = dict(DEFAULTS)
            self.axes = self._axes()
            changed += self._write_globals()
        if what in "#*":
            changed += sum(self.store_coords(index, [0.0, 0.0, 0.0]) for index in range(len(COORDS)))
        if what == "*":
            changed += self.store_startup(0, "") + self.store_startup(1, "") + self.store_build_info("")
            self.blank = False
        return changed

    def _axes(self) -> Axes:
        def _of(base: int, divisor: float = 1.0) -> Triple:
            return tuple(self.values[base + axis] / divisor for axis in range(3))  # type: ignore[return-value]

        return Axes(_of(100), _of(110, 60.0), _of(120), _of(130))

    def _write_all(self) -> None:
        self._write_globals()
        for index, xyz in enumerate(self.coords):
            self.store_coords(index, xyz)
        for index in range(len(self.startup)):
            self.store_startup(index, self.startup[index])
        self.store_build_info(self.build_info)

    def _write_globals(self) -> int:
        v = self.values
        flags = sum(1 << bit for bit, number in enumerate((13, 32, 4, 21, 22, 20, 5, 6)) if v[number])
        axes = [v[100 + axis] for axis in range(3)] + [v[110 + axis] for axis in range(3)]
        axes += [v[120 + axis] * 3600.0 for axis in range(3)] + [-v[130 + axis] for axis in range(3)]
        whole = [int(v[number]) for number in (0, 2, 3, 1, 10)]
        floats = [v[number] for number in (11, 12, 30, 31)]
        data = _LAYOUT.pack(*axes, *whole, *floats, flags, int(v[23]), v[24], v[25], int(v[26]), v[27])
        return self._put(0, bytes([_VERSION])) + self._record(_GLOBAL, data)

    def _record(self, address: int, data: bytes) -> int:
        return self._put(address, data + bytes([checksum(data)]))

    def _put(self, address: int, data: bytes) -> int:
        old = self.eeprom[address : address + len(data)]
        self.eeprom[address : address + len(data)] = data
        return sum(a != b for a, b in zip(old, data, strict=True))
