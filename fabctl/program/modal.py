"""What a program has set so far, and the rows of motion it has made."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fabctl.program.findings import Notebook
from fabctl.program.model import CHANGE, INCREMENTAL, LOST, PAUSE, PENDING, STATE
from fabctl.toolpath.moves import ARC_CCW, ARC_CW, DWELL, MOVE, RAPID, Moves

Ints = NDArray[np.int64]
Point = list[float]
_Rows = tuple[Moves, Ints, Moves]

NO_MOTION = -1
"""Motion mode before the first motion word."""
CANCELLED = 80
"""Motion mode after G80."""


@dataclass
class Modes:
    """What the program has set; lengths in mm, feeds in mm/min.

    The position counts in the work coordinates the program started in; `shift` takes the coordinates the
    program writes now to those.
    """

    position: Point = field(default_factory=lambda: [0.0, 0.0, 0.0])
    motion: int = NO_MOTION
    plane: int = 17
    incremental: bool = False
    arc_absolute: bool = False
    inverse_feed: bool = False
    unit_mm: float = 1.0
    unit_seen: bool = False
    feed: float = 0.0
    speed: float = 0.0
    spindle: int = 0
    coolant: int = 0
    tool: int = 0
    tool_next: int = 0
    shift: Point = field(default_factory=lambda: [0.0, 0.0, 0.0])
    lost: str = ""
    """The word after which the position is the machine's secret; axes in `lost_axes`."""
    lost_axes: set[int] = field(default_factory=set)
    flags: int = 0
    """PAUSE and CHANGE since the last move."""
    system: int = 540
    """Tenths of the last G54 … G59.3: its offset is not known here, a resume must find it in force."""

    @property
    def plain(self) -> bool:
        """Whether straight lines and XY arcs by centre or radius follow, the case for whole arrays."""
        return (
            0 <= self.motion <= 3
            and self.plane == 17
            and not (self.arc_absolute or self.inverse_feed or self.lost_axes or self.flags)
        )

    def standing_flags(self) -> int:
        """Return the flags that hold for every move made now."""
        lost = sum(LOST[axis] for axis in self.lost_axes)
        return lost | (INCREMENTAL if self.incremental else 0) | (0 if self.unit_seen else PENDING)


@dataclass
class Sheet:
    """Rows of motion with their lines, in order.

    Parameters
    ----------
    notes : Notebook
    full_scale : float
    room : int
        Rows to make room for at once; memory not written to costs nothing.
    """

    notes: Notebook
    full_scale: float
    room: int = 0
    count: int = 0
    _rows: _Rows = field(default_factory=lambda: _room(0))
    _moves: list[tuple[int, tuple[float, ...], tuple[float, float], float, float]] = field(
        default_factory=list
    )
    _lines: list[int] = field(default_factory=list)
    _states: list[tuple[int, int, int, int, float]] = field(default_factory=list)

    def row(
        self, modes: Modes, line: int, motion: int, ij: tuple[float, float] = (0.0, 0.0), *, flags: int = 0
    ) -> None:
        """Add a move to the position `modes` has now."""
        power = modes.speed / self.full_scale if modes.spindle else 0.0
        feed = 0.0 if motion in (RAPID, DWELL) else modes.feed
        self._moves.append((motion, tuple(modes.position), ij, feed, power))
        self._lines.append(line)
        flags |= modes.standing_flags() | modes.flags
        self._states.append((modes.spindle, modes.coolant, flags, modes.tool, modes.speed))
        modes.flags &= ~(PAUSE | CHANGE)

    def reserve(self, more: int) -> tuple[Moves, Ints, Moves]:
        """Add rows of zeros, to be written by the caller: (n,) MOVE, (n,) line, (n,) STATE."""
        self.flush()
        return self._reserve(more)

    def _reserve(self, more: int) -> _Rows:
        begin, self.count = self.count, self.count + more
        if self.count > len(self._rows[0]):
            old, self._rows = self._rows, _room(max(self.count + self.count // 2, self.room))
            for before, after in zip(old, self._rows, strict=True):
                after[:begin] = before[:begin]
        moves, lines, states = self._rows
        return moves[begin : self.count], lines[begin : self.count], states[begin : self.count]

    def flush(self) -> None:
        """Turn single rows into an array."""
        if self._lines:
            moves, lines, states = self._reserve(len(self._lines))
            moves[:], lines[:] = np.array(self._moves, MOVE), self._lines
            states[:] = np.array(self._states, STATE)
            self._moves, self._lines, self._states = [], [], []

    def result(self) -> tuple[Moves, Ints, Moves]:
        """Return all rows: (n,) MOVE, (n,) line, (n,) STATE."""
        self.flush()
        moves, lines, states = self._rows
        return moves[: self.count], lines[: self.count], states[: self.count]


def _room(count: int) -> _Rows:
    return np.zeros(count, MOVE), np.zeros(count, np.int64), np.zeros(count, STATE)


ARC_MOTIONS = (ARC_CW, ARC_CCW)
