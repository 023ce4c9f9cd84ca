r"""The journal of one run: what happened, on disk before anything depends on it.

A file of lines, only ever appended to. Each line is ``<length> <crc32> <json>\n``: decimal length of the
JSON text in bytes, its CRC-32 in eight hex digits, the text. A line that was cut, by a crash or a full disk,
does not agree with its own figures; reading ends before it and says so.

Transitions are synced to disk before `transition` returns. Progress is written at most ten times a second
and synced once a second: a killed process loses none of it, a power cut at most that second, and the bounds
stay true, because what may be sent next was announced and synced before (`sending`).
"""

from __future__ import annotations

import json
import os
import shutil
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from fabctl.errors import InputError
from fabctl.record.files import sync_folder

JOURNAL_NAME = "journal"
BATCH_S = 0.1
SYNC_S = 1.0
AHEAD_LINES = 256
LEAST_FREE_BYTES = 16 << 20


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


class Journal:
    """An open journal; one process writes it, once.

    Parameters
    ----------
    folder : Path
        The run's own folder; it exists.
    clock_s : callable
        Time that never goes back, s.
    write, sync : callable
        What puts bytes into an open file, and what makes them stay: the disk, or a failing one.

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
        write: Callable[[int, bytes], int] = os.write,
        sync: Callable[[int], None] = os.fsync,
    ) -> None:
        self.path = folder / JOURNAL_NAME
        self._clock_s, self._write, self._fsync = clock_s, write, sync
        self._count = 0
        self._ahead = 0
        self._written_s = self._synced_s = -1e9
        if shutil.disk_usage(folder).free < LEAST_FREE_BYTES:
            raise InputError("the disk is full", file=str(folder), remedy="free some space before the run")
        try:
            self._number = os.open(
                self.path,
                os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0),
                0o644,
            )
        except OSError as error:
            raise self._failed(error) from error
        sync_folder(folder)

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
        if kind == "started":
            # lines announced for a check pass moved nothing
            self._ahead = 0
        self._append(kind, facts)
        self._sync()

    def sending(self, number: int) -> None:
        """Announce that lines up to `number` are about to be sent; call it before they are.

        Raises
        ------
        InputError
            As `transition`.
        """
        if number > self._ahead:
            # a margin, so that not every line costs a sync
            self._ahead = number + AHEAD_LINES
            self.transition("ahead", {"at_most": self._ahead})

    def progress(self, counts: Counts) -> None:
        """Record how far the run is, unless that was done less than a tenth of a second ago.

        Raises
        ------
        InputError
            As `transition`.
        """
        now_s = self._clock_s()
        if now_s - self._written_s < BATCH_S:
            return
        self._written_s = now_s
        facts = {
            "sent": counts.sent,
            "acknowledged": counts.acknowledged,
            "executed": counts.executed,
            "at_most": counts.at_most,
            "work_mm": counts.work_mm,
        }
        self._append("progress", facts)
        if now_s - self._synced_s >= SYNC_S:
            self._sync()

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._number >= 0:
            os.close(self._number)
            self._number = -1

    def _append(self, kind: str, facts: Mapping[str, object]) -> None:
        time_utc = datetime.now(UTC).isoformat(timespec="milliseconds")
        body = {"n": self._count, "time": time_utc, "kind": kind, **facts}
        raw = encode_record(body)
        self._count += 1
        try:
            written = self._write(self._number, raw)
        except OSError as error:
            raise self._failed(error) from error
        if written != len(raw):
            raise self._failed(OSError(f"only {written} of {len(raw)} bytes were taken"))

    def _sync(self) -> None:
        self._synced_s = self._clock_s()
        try:
            self._fsync(self._number)
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> InputError:
        return InputError(
            f"the journal cannot be written: {error.strerror or error}",
            file=str(self.path),
            remedy="free some space or name another folder; without a journal no run goes on",
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """What a journal still says.

    Parameters
    ----------
    records : tuple of dict
        All good records from the beginning, each with ``n``, ``time`` and ``kind``.
    torn_bytes : int
        Bytes behind the last good record that are none; 0 in a whole journal.
    """

    records: tuple[dict[str, Any], ...]
    torn_bytes: int


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
        Lines of the program; 0 when it was never armed.
    work_mm : (x, y, z) tuple or None
        Last position recorded, work coordinates.
    end_state : str
        As the sender named it; ``"crashed"`` when the journal breaks off in a started run, ``"not started"``
        when nothing was sent.
    torn : bool
        Whether the journal's last record was cut.
    """

    at_least: int
    at_most: int
    lines: int
    work_mm: tuple[float, ...] | None
    end_state: str
    torn: bool


def encode_record(body: Mapping[str, object]) -> bytes:
    r"""Write one record as its line.

    Examples
    --------
    >>> encode_record({"n": 0})
    b'7 cd500a3f {"n":0}\n'
    """
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()
    return b"%d %08x %s\n" % (len(text), zlib.crc32(text), text)


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
    path = path / JOURNAL_NAME if path.is_dir() else path
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"the journal cannot be read: {error.strerror or error}",
            file=str(path),
            remedy="name a run's folder",
        ) from error
    records: list[dict[str, Any]] = []
    at = 0
    while at < len(raw):
        end = raw.find(b"\n", at)
        body = _decode(raw[at:end]) if end >= 0 else None
        if body is None or body.get("n") != len(records):
            break
        records.append(body)
        at = end + 1
    return Reading(tuple(records), len(raw) - at)


def last_certain(path: Path) -> Certain:
    """Say what is certain of a run, whatever happened to the computer that drove it.

    Parameters
    ----------
    path : Path
        A journal, or the folder of its run.

    Raises
    ------
    InputError
        When there is no journal.
    """
    reading = read_journal(path)
    at_least = at_most = lines = 0
    work_mm: tuple[float, ...] | None = None
    end_state, checking = "not started", True
    for record in reading.records:
        kind = record["kind"]
        if kind == "started":
            end_state, checking = "crashed", False
            at_least = at_most = 0
        if kind == "armed":
            lines = int(record["lines"])
        if not checking:
            at_least = max(at_least, int(record.get("executed", 0)))
        if kind == "ahead":
            at_most = max(at_most, int(record["at_most"]))
        if kind == "end":
            end_state = str(record["end_state"])
            at_most = int(record.get("at_most", at_most))
        if record.get("work_mm") is not None:
            work_mm = tuple(float(value) for value in record["work_mm"])
    return Certain(at_least, min(at_most, lines), lines, work_mm, end_state, reading.torn_bytes > 0)


def _decode(line: bytes) -> dict[str, Any] | None:
    length, _, rest = line.partition(b" ")
    crc, _, text = rest.partition(b" ")
    if not length.isdigit() or int(length) != len(text) or crc != b"%08x" % zlib.crc32(text):
        return None
    try:
        body = json.loads(text)
    except ValueError:
        return None
    return body if isinstance(body, dict) and "kind" in body and "time" in body else None
