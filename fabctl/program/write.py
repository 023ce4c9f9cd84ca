"""Toolpath to Program: the only way bytes of G-code come into being here.

Every line is at most 70 bytes of 0x20 to 0x7E without ``?``, ``!``, ``~`` and ``$``, and holds no comment:
a controller acts on real-time bytes wherever they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fabctl.errors import ProgramError
from fabctl.program.emit import BLOCK_ROWS, Dialect, Modal, emit
from fabctl.program.model import STATE, Program, Section
from fabctl.shop.machine import Machine
from fabctl.toolpath.moves import DWELL, FEED, MOVE, RAPID, Moves, Toolpath

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

HEADS: dict[str, Literal["spindle", "beam", "switch", "none"]] = {
    "spindle": "spindle",
    "laser": "beam",
    "plasma": "switch",
    "pen": "none",
    "knife": "none",
}
"""How each kind of head is driven."""


def dialect_of(machine: Machine) -> Dialect:
    """Gather what the writer must know of a machine."""
    head = machine.head
    words = machine.firmware.words
    return Dialect(
        head=HEADS[head.kind],
        on_word=head.on_word or "M3",
        full_scale=float(head.full_scale),
        spin_up_s=head.spin_up_s,
        clearance_mm=machine.clearance_mm,
        uses_z=machine.has_z and head.kind not in ("laser", "plasma"),
        end_word="M2" if "M2" in words else "M30",
    )


@dataclass(frozen=True)
class _Opening:
    """What a program has not yet named when it begins.

    Parameters
    ----------
    told : (3,) int64
        First move that names X, Y and Z; −1 for what is known before.
    lower_row : int
        The move before which the tool is lowered to where the program begins; −1 for none.
    lower_z_mm : float
    """

    told: Ints = field(default_factory=lambda: np.full(3, -1))
    lower_row: int = -1
    lower_z_mm: float = 0.0

    def hidden(self, row: int) -> NDArray[np.bool_]:
        """Say which of X and Y must not be written at a move, shape (3,)."""
        return (self.told > row) & [True, True, False]


class _Scribe:
    """Lines written so far and what the controller remembers of them."""

    def __init__(self, dialect: Dialect, start: Floats, decimals: int, *, keep_moves: bool = True) -> None:
        self.dialect = dialect
        self.keep_moves = keep_moves
        self.opening = _Opening()
        self.hidden = np.zeros(3, bool)
        self.decimals = decimals
        grid = np.rint(start * 10**decimals).astype(np.int64)
        self.modal = Modal(start, grid, np.array([False, False, not dialect.uses_z]))
        self.head_on = False
        self.lines = 0
        self.text: list[bytes] = []
        self.words: dict[str, int] = {}
        self.parts: list[tuple[Moves, Ints, Ints, Moves]] = []  # moves, lines, origin, state

    def take(self) -> bytes:
        """Hand over the text written since the last call and forget the moves."""
        text = b"".join(self.text)
        self.text.clear()
        self.parts.clear()
        return text

    def raw(self, *words: str) -> None:
        """Write one line of words."""
        self.lines += 1
        self.text.append("".join(words).encode("ascii") + b"\n")
        for word in words:
            self.words.setdefault(word if word[0] in "GM" else word[0], self.lines)

    def moves(self, moves: Moves, origin: Ints) -> None:
        """Write moves, a block at a time; an axis first named begins a new one."""
        marks = np.searchsorted(origin, [*self.opening.told[:2], self.opening.lower_row]).tolist()
        edges = sorted({*range(0, len(moves), BLOCK_ROWS), *(mark for mark in marks if mark < len(moves))})
        for begin, end in pairwise([*edges, len(moves)]):
            part = slice(begin, end)
            self.reveal(int(origin[begin]))
            if 0 <= self.opening.lower_row == origin[begin]:
                lowered = [*self.here[:2], self.opening.lower_z_mm]
                self.inserted(FEED, lowered, feed=float(moves["feed"][begin]))
            out = emit(moves[part], self.modal, self.dialect, self.decimals, keep_moves=self.keep_moves)
            self.modal = out.modal
            self.text.append(out.text)
            first_line = self.lines + 1
            self.lines += len(out.moves)
            if not self.keep_moves:
                continue
            for word, row in out.first.items():
                self.words.setdefault(word, first_line + row)
            state = np.zeros(len(out.moves), STATE)
            if self.head_on:
                state["spindle"] = int(self.dialect.on_word[1:])
                state["speed"] = out.speed
            lines = first_line + np.arange(len(out.moves))
            if not self.head_on or self.dialect.head == "switch":
                out.moves["power"] = float(self.head_on)
            self.parts.append((out.moves, lines, origin[part][out.index], state))

    def inserted(
        self, motion: int, xyz: Sequence[float] | Floats, *, time_s: float = 0.0, feed: float = 0.0
    ) -> None:
        """Write a move of our own, at the power in force."""
        move = np.zeros(1, MOVE)
        move["motion"], move["xyz"], move["feed"] = motion, xyz, feed
        move["ij"][0, 0] = time_s
        speed = max(self.modal.speed, 0) / 10**self.dialect.speed_decimals
        move["power"] = speed / self.dialect.full_scale if motion != RAPID else 0.0
        self.moves(move, np.full(1, -1))

    @property
    def here(self) -> Floats:
        """Where the tool point is, mm."""
        return np.asarray(self.modal.grid / 10**self.decimals, float)

    def reveal(self, row: int) -> None:
        """Let the axes be written that a move, or one before it, names."""
        if row >= 0 and self.hidden.any():
            still = self.opening.hidden(row)
            self.modal = replace(self.modal, known=self.modal.known & ~(self.hidden & ~still))
            self.hidden = still

    def retract(self) -> None:
        """Rise to the clearance height, told even where it seems unchanged."""
        if self.dialect.uses_z:
            known = self.modal.known
            # a retract from an unknown place must not command X and Y
            self.modal = replace(self.modal, known=np.array([True, True, False]))
            self.inserted(RAPID, [*self.here[:2], self.dialect.clearance_mm])
            self.modal = replace(self.modal, known=known | [False, False, True])

    def preamble(self) -> None:
        """Set every mode a section relies on: between two sections a person may have changed them."""
        z_known = not self.dialect.uses_z
        self.modal = Modal(self.modal.at, self.modal.grid, self.hidden | [False, False, z_known])
        self.raw("G21", "G90", "G17", "G94", "G54")
        self.retract()

    def head(self, first_power: float | None, waits_s: float = 0.0) -> None:
        """Turn the head on and wait until it is up to speed; not for a section that cuts nothing.

        Parameters
        ----------
        first_power : float or None
            Of the first cutting move; None when there is none.
        waits_s : float
            How long the section itself waits before it cuts, s.
        """
        dialect = self.dialect
        if dialect.head in ("none", "switch") or first_power is None:
            return
        power = 0.0 if dialect.head == "beam" else first_power
        speed = round(power * dialect.full_scale * 10**dialect.speed_decimals)
        text = f"{speed / 10**dialect.speed_decimals:.{dialect.speed_decimals}f}"
        self.raw(dialect.on_word, "S" + (text.rstrip("0").rstrip(".") if "." in text else text))
        self.modal = replace(self.modal, speed=speed)
        self.head_on = True
        if dialect.spin_up_s > waits_s:
            self.inserted(DWELL, self.here, time_s=dialect.spin_up_s - waits_s)

    def off(self) -> None:
        """Rise, unless a rapid just did, then turn the head off."""
        top = round(self.dialect.clearance_mm * 10**self.decimals)
        risen = self.modal.motion == RAPID and self.modal.known[2] and self.modal.grid[2] == top
        if not risen:
            self.retract()
        self.raw("M5")
        self.head_on = False


def _approach(scribe: _Scribe, moves: Moves, start: Floats, row: int = 0) -> None:
    """Go across at the clearance height before down: where the machine stands is not known.

    Down to the stock's top and below goes no rapid of ours.
    """
    travel, cut = _first(moves, _travelling), _first(moves, _cutting)
    if travel is None:
        return
    first, row = moves[travel], row + travel
    here_z_mm, uses_z = scribe.here[2], scribe.dialect.uses_z
    if first["motion"] == RAPID:
        scribe.reveal(row)
        if uses_z and first["xyz"][2] < here_z_mm:
            scribe.inserted(RAPID, [*first["xyz"][:2], here_z_mm])
            if first["xyz"][2] <= 0 and cut is not None:
                scribe.inserted(FEED, first["xyz"], feed=float(moves["feed"][cut]))
        return
    scribe.reveal(row - 1)
    scribe.inserted(RAPID, [*start[:2], here_z_mm])
    if uses_z and start[2] != here_z_mm and scribe.opening.told[2] != row:
        scribe.inserted(FEED, start, feed=float(first["feed"]))


def _opening(moves: Moves, start: Floats, told: Ints | None, begins: Ints, *, uses_z: bool) -> _Opening:
    """Find where a program that did not say how high it begins is lowered to there."""
    if told is None:
        return _Opening()
    cutting = _cutting(moves)
    cut = int(np.argmax(cutting))
    # the first move of a section is led in by its approach
    section = int(begins[np.searchsorted(begins, cut, side="right") - 1])
    led_in = bool(np.all(moves["motion"][section:cut] == DWELL))
    lower = uses_z and cutting[cut] and told[2] > cut and not led_in
    return _Opening(told, cut if lower else -1, float(start[2]))


def _cutting(moves: Moves) -> NDArray[np.bool_]:
    """Say which moves feed, shape (n,)."""
    motion = moves["motion"]
    return np.asarray((motion != RAPID) & (motion != DWELL), np.bool_)


def _first(moves: Moves, kind: Callable[[Moves], NDArray[np.bool_]]) -> int | None:
    """Return the first row of a kind, None when there is none; nearly always one of the very first."""
    for begin in range(0, len(moves), BLOCK_ROWS):
        found = kind(moves[begin : begin + BLOCK_ROWS])
        if found.any():
            return begin + int(np.argmax(found))
    return None


def _travelling(moves: Moves) -> NDArray[np.bool_]:
    """Say which moves go somewhere, shape (n,)."""
    return np.asarray(moves["motion"] != DWELL, np.bool_)


def _first_power(moves: Moves) -> float | None:
    """Return the power of the first cutting move, None when there is none."""
    row = _first(moves, _cutting)
    return None if row is None else float(moves["power"][row])


def _waits_s(moves: Moves) -> float:
    """Return how long a section waits above the stock before it cuts, s: ours wait for the spindle."""
    travel = _first(moves, _travelling)
    if travel is None or moves["motion"][travel] != RAPID or moves["xyz"][travel, 2] <= 0:
        # the approach feeds down first
        return 0.0
    before = moves[: _first(moves, _cutting) or 0]
    return float(before["ij"][before["motion"] == DWELL, 0].sum())


def _body(scribe: _Scribe, moves: Moves, origin: Ints) -> None:
    """Write moves; a switched head is turned on and off between them."""
    if scribe.dialect.head != "switch" or not len(moves):
        scribe.moves(moves, origin)
        return
    on = (moves["power"] > 0) & (moves["motion"] != RAPID)
    edges = np.flatnonzero(np.diff(on)) + 1
    # one turn of the loop for each piercing, which costs the machine a second
    for begin, end in zip([0, *edges.tolist()], [*edges.tolist(), len(moves)], strict=True):
        if on[begin] != scribe.head_on:
            scribe.raw(scribe.dialect.on_word if on[begin] else "M5")
            scribe.head_on = bool(on[begin])
        scribe.moves(moves[begin:end], origin[begin:end])


def _tools(toolpath: Toolpath) -> tuple[list[str], Ints]:
    """Return the tool of each section and where each section begins in the moves."""
    n = len(toolpath.moves)
    if not len(toolpath.operation) or not len(toolpath.tool):
        return [toolpath.tool[0] if len(toolpath.tool) else ""], np.zeros(1, np.int64)
    names = sorted(set(toolpath.tool))
    number = np.array([names.index(name) for name in toolpath.tool])[toolpath.operation[:n]]
    begins = np.flatnonzero(np.diff(number, prepend=-1)) if n else np.zeros(1, np.int64)
    return [names[number[i]] if n else "" for i in begins], begins


def write(
    toolpath: Toolpath, machine: Machine | Dialect, *, decimals: int = 3, title: str = "program"
) -> Program:
    """Write a toolpath as G-code for a machine.

    Parameters
    ----------
    toolpath : Toolpath
        Moves in order; where their tool changes the program stops with M5 and M0 and a new section begins.
    machine : Machine or Dialect
    decimals : int
        Of coordinates in mm, 0 to 4.
    title : str
        What the program is called in messages; it never reaches the wire.

    Returns
    -------
    Program
        Its moves are those of the text: rounded, with the retracts and dwells the writer put in
        (``origin`` −1), without moves shorter than the last decimal.

    Raises
    ------
    ProgramError
        When there is nothing to write or a move holds what no line can say.

    Examples
    --------
    >>> import numpy as np
    >>> moves = np.zeros(2, MOVE)
    >>> moves["motion"], moves["xyz"] = [RAPID, FEED], [[0, 0, 5], [10.5, -0.25, 5]]
    >>> moves["feed"], moves["power"] = [0, 600], [0, 0.5]
    >>> program = write(Toolpath(moves), Dialect("spindle", spin_up_s=2))
    >>> program.text.decode().split()
    ['G21G90G17G94G54', 'G0Z5', 'M3S500', 'G4P2', 'X0Y0', 'G1X10.5Y-.25F600', 'G0Z5', 'M5', 'M2']
    >>> program.line.tolist(), program.origin.tolist()
    ([2, 4, 5, 6, 7], [-1, -1, 0, 1, -1])
    """
    dialect = machine if isinstance(machine, Dialect) else dialect_of(machine)
    tools, begins = _tools(toolpath)
    return write_sections(
        toolpath.moves, toolpath.start, dialect, tools, begins, decimals=decimals, title=title
    )


def write_sections(
    moves: Moves,
    start: Floats,
    dialect: Dialect,
    tools: Sequence[str],
    begins: Ints,
    *,
    told: Ints | None = None,
    coolant: NDArray[np.uint8] | None = None,
    decimals: int = 3,
    title: str = "program",
) -> Program:
    """Write moves whose sections are known.

    Parameters
    ----------
    moves : (n,) MOVE
    start : (3,) float64
        mm.
    dialect : Dialect
    tools : sequence of str
        One for each section.
    begins : (s,) int64
        First move of each section.
    told : (3,) int64, optional
        First move that names X, Y and Z: an axis is not written before, for where the tool stands then is
        known to nobody here. −1, the default, where `start` is known.
    coolant : (n,) uint8, optional
        Bits as in ``STATE["coolant"]``; mist and flood are both written as M8.
    decimals : int
    title : str

    Returns
    -------
    Program

    Raises
    ------
    ProgramError
        When there is nothing to write or a move holds what no line can say.
    """
    start = np.asarray(start, float)
    if not len(moves):
        raise ProgramError("there is no move to write", file=title, remedy="choose at least one operation")
    if not dialect.uses_z and np.any(moves["xyz"][:, 2] != start[2]):
        dialect = replace(dialect, uses_z=True)
    scribe = _Scribe(dialect, start, decimals)
    scribe.opening = _opening(moves, start, told, begins, uses_z=dialect.uses_z)
    scribe.hidden = scribe.opening.hidden(-1)
    sections: list[Section] = []
    ends = [*begins[1:].tolist(), len(moves)]
    for tool, begin, end in zip(tools, begins.tolist(), ends, strict=True):
        first_line = scribe.lines + 1
        came_from = moves["xyz"][begin - 1] if begin else start
        wet = None if coolant is None else coolant[begin:end]
        _section(scribe, moves[begin:end], came_from, np.arange(begin, end), wet)
        scribe.raw("M0" if len(sections) + 1 < len(tools) else dialect.end_word)
        sections.append(Section(tool, first_line, scribe.lines))
    parts = scribe.parts
    return Program(
        source=title,
        text=b"".join(scribe.text),
        moves=np.concatenate([part[0] for part in parts]),
        line=np.concatenate([part[1] for part in parts]),
        start=start,
        words=scribe.words,
        state=np.concatenate([part[3] for part in parts]),
        sections=tuple(sections),
        origin=np.concatenate([part[2] for part in parts]),
        full_scale=dialect.full_scale,
    )


def _section(
    scribe: _Scribe, moves: Moves, came_from: Floats, origin: Ints, coolant: NDArray[np.uint8] | None
) -> None:
    """Write what one tool does: modes, head on, the way there, its moves, head off."""
    scribe.preamble()
    scribe.head(_first_power(moves), _waits_s(moves))
    _approach(scribe, moves, came_from, int(origin[0]))
    _cooled(scribe, moves, origin, coolant)
    scribe.off()


def _cooled(scribe: _Scribe, moves: Moves, origin: Ints, coolant: NDArray[np.uint8] | None) -> None:
    """Write moves with M8 and M9 where the coolant goes on and off."""
    if coolant is None or not coolant.any():
        _body(scribe, moves, origin)
        return
    on = coolant > 0
    edges = np.flatnonzero(np.diff(on)) + 1
    # one turn of the loop each time a pump is switched, a few times a program
    for begin, end in zip([0, *edges.tolist()], [*edges.tolist(), len(moves)], strict=True):
        if on[begin] or begin:
            scribe.raw("M8" if on[begin] else "M9")
        _body(scribe, moves[begin:end], origin[begin:end])
    if on[-1]:
        scribe.raw("M9")


def write_blocks(
    blocks: Iterable[Moves], machine: Machine | Dialect, *, start: Floats | None = None, decimals: int = 3
) -> Iterator[bytes]:
    """Write moves that never stand in memory whole, such as a raster's.

    Parameters
    ----------
    blocks : iterable of (n,) MOVE
        One after the other one toolpath of one tool.
    machine : Machine or Dialect
    start : (3,) float64, optional
        Where the tool point is before the first move, mm; the origin by default.
    decimals : int
        Of coordinates in mm, 0 to 4.

    Yields
    ------
    bytes
        Whole lines; joined they are the text `write` gives, but that Z of a beam appears only
        where it changes.

    Raises
    ------
    ProgramError
        When a move holds what no line can say.
    """
    dialect = machine if isinstance(machine, Dialect) else dialect_of(machine)
    origin = np.zeros(3) if start is None else np.asarray(start, float)
    scribe = _Scribe(dialect, origin, decimals, keep_moves=False)
    scribe.preamble()
    waiting: list[Moves] = []  # the head's first speed and the approach want the first cut
    begun = False
    for block in blocks:
        if begun:
            _body(scribe, block, np.full(len(block), -1))
        else:
            waiting.append(block)
            begun = _first(block, _cutting) is not None
            if begun:
                _begin(scribe, waiting, origin)
        yield scribe.take()
    if not begun and waiting:
        _begin(scribe, waiting, origin)
    scribe.off()
    scribe.raw(dialect.end_word)
    yield scribe.take()


def _begin(scribe: _Scribe, blocks: list[Moves], start: Floats) -> None:
    """Turn the head on, go to where the moves begin and write them."""
    moves = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
    scribe.head(_first_power(moves))
    _approach(scribe, moves, start)
    _body(scribe, moves, np.full(len(moves), -1))
