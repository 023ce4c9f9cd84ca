r"""The journal of one run: what happened, on disk before anything depends on it.

A file of records, only ever appended to; `fabctl.record.framing` says how they are written.

Transitions are synced to disk before `transition` returns, or before the ticket of `begin_transition` is
done. Progress is written at most ten times a second and synced once a second: a killed process loses what
its background thread had not yet written, a power cut at most that second, and the bounds stay true, because
what may be sent next was announced and synced before (`may_send`, `sending`).
"""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from fabctl.record.files import sync_folder
from fabctl.record.framing import JOURNAL_NAME, Tail, encode_record, records
from fabctl.record.process import identity
from fabctl.record.space import Disk, ReservedFile, full_sync, journal_bytes, reserve_space
from fabctl.record.writer import Ticket, Writer, failed

BATCH_S = 0.1
SYNC_S = 1.0
AHEAD_S = 3.0
"""How long what is announced lasts at the present pace: in half of it two of the slowest syncs are over."""
AHEAD_LINES = 512
"""Before the pace is known."""
LEAST_AHEAD_LINES = 64
MOST_AHEAD_LINES = 4096
SHARE, FIRST_SHARE = 0.5, 0.125
"""Of what was announced: when so much is used up, more is; the first time early, to learn the pace."""


class Counts(Protocol):
    """What progress is read from; the sender's own value has these fields."""

    @property
    def sent(self) -> int:
        """Last line on the wire."""
        ...

    @property
    def acknowledged(self) -> int:
        """Last line the controller has parsed."""
        ...

    @property
    def executed(self) -> int:
        """Last line surely wholly executed."""
        ...

    @property
    def at_most(self) -> int:
        """Last line possibly begun."""
        ...

    @property
    def work_mm(self) -> tuple[float, float, float] | None:
        """Tool point, work coordinates, mm."""
        ...

    @property
    def speed(self) -> float | None:
        """Spindle speed or beam power as reported."""
        ...

    @property
    def state(self) -> str:
        """What the controller says it does."""
        ...


class Journal:
    """An open journal; one process writes it, once.

    A thread of its own does the writing: of the calls below only `transition`, `sending` and `close` wait
    for the disk. What fails there is raised by the next call, whichever it is, and by every one after it.

    Parameters
    ----------
    folder : Path
        The run's own folder; it exists.
    clock_s : callable
        Time that never goes back, s.
    lines : int
        Of the program; with `estimated_s` it says how much room is reserved now.
    estimated_s : float
        How long the run will take, s.
    wake : callable, optional
        Called from the thread when something has become safe, or failed: whoever waits for bytes can look.
    write, sync, reserve : callable
        What puts bytes into an open file, makes them stay, and takes room: the disk, or a failing one.

    Raises
    ------
    InputError
        When there is a journal already, no space, or no right to write.
    """

    def __init__(
        self,
        folder: Path,
        clock_s: Callable[[], float] = time.monotonic,
        *,
        lines: int = 0,
        estimated_s: float = 0.0,
        wake: Callable[[], None] | None = None,
        write: Callable[[int, bytes], int] = os.write,
        sync: Callable[[int], None] = full_sync,
        reserve: Callable[[int, int, int], int] = reserve_space,
    ) -> None:
        self.path = folder / JOURNAL_NAME
        self._clock_s = clock_s
        self._count = 0
        self._ahead = _Ahead()
        self._written_s = self._synced_s = -math.inf
        self._facts: dict[str, object] = {}
        file = _reserved(self.path, Disk(write, sync, reserve), journal_bytes(lines, estimated_s))
        self._writer = Writer(file, str(self.path), wake)

    @property
    def short(self) -> bool:
        """Whether the disk is so full that progress is no longer written, only transitions and bounds."""
        return self._writer.short

    def transition(self, kind: str, facts: Mapping[str, object]) -> None:
        """Record a transition and return once it is on disk.

        Parameters
        ----------
        kind : str
            ``armed``, ``started``, ``section``, ``hold``, ``stop``, ``end`` and the like.
        facts : mapping
            What a reader needs; JSON values and tuples.

        Raises
        ------
        InputError
            When it could not be written whole: the run must not go on.
        """
        self.begin_transition(kind, facts).wait()

    def begin_transition(self, kind: str, facts: Mapping[str, object]) -> Ticket:
        """Record a transition without waiting for the disk.

        Parameters
        ----------
        kind, facts : str, mapping
            As for `transition`.

        Returns
        -------
        Ticket
            Its `done` tells when the transition is on disk: nothing that depends on it may happen before.

        Raises
        ------
        InputError
            When an earlier record could not be written: the run must not go on.
        """
        if kind == "started":
            # lines announced for a check pass moved nothing
            self._ahead = _Ahead()
        return self._append(kind, facts, sync=True)

    def may_send(self, number: int) -> bool:
        """Tell whether lines up to `number` may be sent: whether it is on disk that they may have been.

        Announces early, when half of what was announced is used up, so that the answer is seldom "not
        yet". It never waits for the disk: ask again at the next turn.

        Parameters
        ----------
        number : int
            A line's number in the program, from 1; they come in order.

        Raises
        ------
        InputError
            As `begin_transition`.
        """
        self._writer.check()
        ahead = self._ahead
        if number > ahead.again:
            self._announce(number)
        while ahead.pending and number > ahead.bound and ahead.pending[0][0].done:
            ahead.bound = ahead.pending.popleft()[1]
            # the first line goes now, not when it was announced
            ahead.last = ahead.last or (number, self._clock_s())
        return number <= ahead.bound

    def sending(self, number: int) -> None:
        """Announce that lines up to `number` are about to be sent, and return once that is on disk.

        Raises
        ------
        InputError
            As `transition`.
        """
        while not self.may_send(number):
            self._ahead.pending[0][0].wait()

    def progress(self, counts: Counts) -> None:
        """Record how far the run is, unless that was done less than a tenth of a second ago.

        Raises
        ------
        InputError
            As `begin_transition`.
        """
        self._writer.check()
        now_s = self._clock_s()
        if now_s - self._written_s < BATCH_S or self._writer.short:
            return
        facts = {name: getattr(counts, name) for name in PROGRESS}
        # a machine that is held, or waits for a person, fills no disk
        if facts == self._facts:
            return
        self._written_s, self._facts = now_s, facts
        sync = now_s - self._synced_s >= SYNC_S
        self._append("progress", facts, sync=sync)

    def close(self) -> None:
        """Write what is left, and close the file; a second call does nothing."""
        self._writer.close()

    def _announce(self, number: int) -> None:
        ahead = self._ahead
        if (bound := ahead.widen(number, self._clock_s())) is not None:
            ahead.pending.append((self._append("ahead", {"at_most": bound}, sync=True), bound))

    def _append(self, kind: str, facts: Mapping[str, object], *, sync: bool) -> Ticket:
        time_utc = datetime.now(UTC).isoformat(timespec="milliseconds")
        body = {"n": self._count, "time": time_utc, "kind": kind, **facts}
        if not self._count:
            body |= identity()
        ticket = self._writer.put(encode_record(body), sync=sync)
        self._count += 1
        if sync:
            self._synced_s = self._clock_s()
        return ticket


UNKNOWN = "stopped, position unknown"
"""The end after which no place the controller names is believed."""
PROGRESS = ("sent", "acknowledged", "executed", "at_most", "work_mm", "speed", "state")
"""What of a run's counts is written down."""


@dataclass
class _Ahead:
    """What was announced: how far it is on disk, how far it was handed over, and how fast it is used up."""

    bound: int = 0
    promised: int = 0
    again: int = 0
    pending: deque[tuple[Ticket, int]] = field(default_factory=deque)
    last: tuple[int, float] | None = None

    def widen(self, number: int, now_s: float) -> int | None:
        """Return up to where to announce now, at the pace lines are sent; None when so much was already."""
        margin, part = AHEAD_LINES, FIRST_SHARE
        if self.last is not None:
            lines, taken_s = number - self.last[0], now_s - self.last[1]
            wanted = AHEAD_S * lines / taken_s if taken_s > 0 else MOST_AHEAD_LINES
            margin, part = min(MOST_AHEAD_LINES, max(LEAST_AHEAD_LINES, math.ceil(wanted))), SHARE
            self.last = (number, now_s)
        further = number + margin > self.promised
        self.promised = max(self.promised, number + margin)
        self.again = self.promised - margin + int(part * margin)
        return self.promised if further else None


def _reserved(path: Path, disk: Disk, size: int) -> ReservedFile:
    """Make the file, with room in it; leave none behind that never was a journal."""
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o644)
    except OSError as error:
        raise failed(str(path), error) from error
    try:
        file = ReservedFile(number, disk, size)
    except OSError as error:
        os.close(number)
        path.unlink(missing_ok=True)
        raise failed(str(path), error) from error
    sync_folder(path.parent)
    return file


@dataclass(frozen=True, slots=True)
class Reading:
    """What a journal still says.

    Parameters
    ----------
    records : tuple of dict
        All good records from the beginning, each with ``n``, ``time`` and ``kind``.
    torn_bytes : int
        Bytes behind the last good record that are none; 0 when nothing stands there but reserved room.
    whole : bool
        Whether nothing that once was on disk can be missing: not so in a file that was cut or damaged.
    """

    records: tuple[dict[str, Any], ...]
    torn_bytes: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Certain:
    """What can be said of a run from its journal alone.

    Parameters
    ----------
    at_least : int
        This many lines are wholly executed.
    at_most : int
        No line after this one can have begun.
    lines : int
        Lines of the program; 0 when the journal does not say.
    work_mm : (x, y, z) tuple or None
        Last position recorded while it was believed, work coordinates.
    end_state : str
        As the sender named it; ``"crashed"`` when the journal breaks off in a started run, or may have;
        ``"not started"`` when nothing was sent.
    torn : bool
        Whether the journal's last record was cut.
    whole : bool
        As in `Reading`.
    latest : mapping of str to dict
        The latest record of each kind; ``progress`` and the like of a check pass are not among them.
    """

    at_least: int
    at_most: int
    lines: int
    work_mm: tuple[float, ...] | None
    end_state: str
    torn: bool
    whole: bool = True
    latest: Mapping[str, dict[str, Any]] = field(default_factory=dict)


def read_journal(path: Path) -> Reading:
    """Read a journal up to its last good record.

    Parameters
    ----------
    path : Path
        The file, or the folder of its run.

    Raises
    ------
    InputError
        When there is none.
    """
    tail = Tail()
    return Reading(tuple(records(path, tail)), tail.torn_bytes, tail.whole)


def last_certain(path: Path) -> Certain:
    """Say what is certain of a run, whatever happened to the computer that drove it.

    A journal of any length is read in little memory.

    Parameters
    ----------
    path : Path
        A journal, or the folder of its run.

    Raises
    ------
    InputError
        When there is no journal.
    """
    tail, said = Tail(), _Said()
    for record in records(path, tail):
        said.take(record)
    return said.certain(tail)


def first_record(path: Path) -> dict[str, Any]:
    """Return a journal's first record: what was planned, and by which process; empty when there is none.

    Parameters
    ----------
    path : Path
        A journal, or the folder of its run.

    Raises
    ------
    InputError
        When there is no journal.
    """
    return next(records(path, Tail()), {})


@dataclass
class _Said:
    """What the records of a journal come to, one after the other."""

    at_least: int = 0
    at_most: int = 0
    lines: int = 0
    end_state: str = "not started"
    latest: dict[str, dict[str, Any]] = field(default_factory=dict)
    work_mm: tuple[float, ...] | None = None

    def take(self, record: dict[str, Any]) -> None:
        """Take the next record in."""
        kind = record["kind"]
        if kind == "started":
            self.end_state = "crashed"
            self.at_least = self.at_most = 0
            for of_the_check in ("progress", "ahead", "hold", "resume"):
                self.latest.pop(of_the_check, None)
        self.latest[kind] = record
        if kind in {"planned", "armed"}:
            self.lines = int(record.get("lines") or self.lines)
        if self.end_state != "not started":
            self.at_least = max(self.at_least, int(record.get("executed", 0)))
        if kind == "ahead":
            self.at_most = max(self.at_most, int(record["at_most"]))
        if kind == "end":
            self.end_state = str(record["end_state"])
            self.at_most = int(record.get("at_most", self.at_most))
        if record.get("work_mm") is not None and not (kind == "end" and self.end_state == UNKNOWN):
            # a controller that was reset in motion, or in homing, goes on to name a place: it was never there
            self.work_mm = tuple(float(value) for value in record["work_mm"])

    def certain(self, tail: Tail) -> Certain:
        """Say what is certain, now that the end of the file was seen."""
        at_most, end_state = min(self.at_most, self.lines), self.end_state
        if not tail.whole and "end" not in self.latest:
            # records that were on disk are gone: anything may have been sent after those that are left
            at_most, end_state = self.lines, "crashed"
        torn = tail.torn_bytes > 0
        return Certain(
            self.at_least, at_most, self.lines, self.work_mm, end_state, torn, tail.whole, self.latest
        )
