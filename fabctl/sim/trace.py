"""The oracle: where the tool truly was, when, and with which power, whatever the wire said."""

from __future__ import annotations

import enum
from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Kind(enum.IntEnum):
    """What an interval of the trace was."""

    STAND = 0
    RAPID = 1
    FEED = 2
    JOG = 3
    HOMING = 4


@dataclass(slots=True, frozen=True)
class Vertex:
    """What belongs to the interval that ends at a vertex."""

    power: float
    kind: Kind
    line: int


@dataclass(slots=True, frozen=True)
class Event:
    """Something that happened at a moment: a reset, an alarm, a switch, spindle words."""

    time_s: float
    name: str
    detail: str = ""


class Trace:
    """The true path of the tool, grown vertex by vertex.

    Row k of every array speaks of the interval from vertex k−1 to vertex k: a straight line at even
    speed, with one power. Positions are true machine coordinates after step rounding, in the frame in
    which the homed corner is zero; they stay true when the firmware has lost its own position.

    Parameters
    ----------
    start_mm : tuple of 3 float
        Position at time 0.

    Attributes
    ----------
    events : list of Event
        What happened, in order.
    head_works : bool
        Whether spindle or beam comes on when commanded; without, its true power is 0.
    """

    def __init__(self, start_mm: tuple[float, float, float]) -> None:
        self._time = array("d", [0.0])
        self._xyz = array("d", start_mm)
        self._power = array("d", [0.0])
        self._kind = array("b", [Kind.STAND])
        self._line = array("l", [0])
        self._offset_time = array("d", [0.0])
        self._offset = array("d", [0.0, 0.0, 0.0])
        self._merge_key: object = None
        self.events: list[Event] = []
        self.head_works = True

    def add(
        self, time_s: float, xyz_mm: tuple[float, float, float], vertex: Vertex, key: object = None
    ) -> None:
        """Append a vertex; with the key of the one before, lengthen that interval instead.

        Parameters
        ----------
        time_s : float
            Virtual time at the vertex.
        xyz_mm : tuple of 3 float
            True machine position there.
        vertex : Vertex
            Power, kind and line of the interval that ends here.
        key : object
            Equal keys one after another mean the same speed on the same line: the vertex between is dropped.
        """
        if time_s <= self._time[-1]:
            # A switch met on the last step ends the same interval twice.
            self._merge_key = None
            return
        if key is not None and key == self._merge_key:
            self._time[-1] = time_s
            self._xyz[-3:] = array("d", xyz_mm)
            return
        self._merge_key = key
        self._time.append(time_s)
        self._xyz.extend(xyz_mm)
        self._power.append(vertex.power if self.head_works else 0.0)
        self._kind.append(vertex.kind)
        self._line.append(vertex.line)

    def stand(self, time_s: float, power: float) -> None:
        """Close an interval without motion that had one power."""
        if time_s > self._time[-1]:
            last = self._xyz[-3], self._xyz[-2], self._xyz[-1]
            key = ("stand", power)
            self.add(time_s, last, Vertex(power, Kind.STAND, self._line[-1]), key)

    def work_offset(self, time_s: float, offset_mm: list[float]) -> None:
        """Record that work coordinates are true machine coordinates minus this from now on."""
        if self._offset[-3:].tolist() != offset_mm:
            self._offset_time.append(time_s)
            self._offset.extend(offset_mm)

    def note(self, time_s: float, name: str, detail: str = "") -> None:
        """Record an event."""
        self.events.append(Event(time_s, name, detail))

    def __len__(self) -> int:
        return len(self._time)

    @property
    def end_s(self) -> float:
        """Time of the last vertex."""
        return self._time[-1]

    @property
    def time_s(self) -> Floats:
        """(k,) times of the vertices in s, rising."""
        return _frozen(self._time)

    @property
    def xyz_mm(self) -> Floats:
        """(k, 3) true machine coordinates in mm."""
        return _frozen(self._xyz).reshape(-1, 3)

    @property
    def power(self) -> Floats:
        """(k,) PWM duty 0 … 1 during the interval that ends at each vertex."""
        return _frozen(self._power)

    @property
    def kind(self) -> NDArray[np.int8]:
        """(k,) `Kind` of the interval that ends at each vertex."""
        out = np.array(self._kind, dtype=np.int8)
        out.flags.writeable = False
        return out

    @property
    def line(self) -> NDArray[np.int64]:
        """(k,) ordinal (from 1) of the received line that caused each interval; 0 is none."""
        out = np.array(self._line, dtype=np.int64)
        out.flags.writeable = False
        return out

    @property
    def offset_changes(self) -> tuple[Floats, Floats]:
        """(m,) times in s and (m, 3) offsets in mm: what to take off to get work coordinates."""
        return _frozen(self._offset_time), _frozen(self._offset).reshape(-1, 3)

    @property
    def work_xyz_mm(self) -> Floats:
        """(k, 3) vertices in the work coordinates in force when they were reached, in mm."""
        times, offsets = self.offset_changes
        index = np.searchsorted(times, self.time_s, side="left") - 1
        out: Floats = self.xyz_mm - offsets[np.maximum(index, 0)]
        out.flags.writeable = False
        return out

    def position(self, time_s: float | Floats) -> Floats:
        """Return the true machine position at a time.

        Parameters
        ----------
        time_s : float or (n,) array
            Times in s; before the first and after the last vertex the tool stands.

        Returns
        -------
        (3,) or (n, 3) array
            Positions in mm.
        """
        times, xyz = self.time_s, self.xyz_mm
        columns = [np.interp(time_s, times, xyz[:, axis]) for axis in range(3)]
        return np.stack(columns, axis=-1)

    def moving(self) -> NDArray[np.bool_]:
        """Return (k,) whether the tool moved in the interval that ends at each vertex."""
        return np.asarray(self.kind != Kind.STAND)

    def motion_span_s(self) -> tuple[float, float]:
        """Return the times of the first and the last stepper activity in s; both 0 without any."""
        moved = np.flatnonzero(self.moving())
        if moved.size == 0:
            return 0.0, 0.0
        times = self.time_s
        return float(times[moved[0] - 1]), float(times[moved[-1]])


def _frozen(values: array[float]) -> Floats:
    out = np.array(values, dtype=np.float64)
    out.flags.writeable = False
    return out
