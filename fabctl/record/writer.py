"""One thread that owns a file: it writes records whole and in order, syncs, and knows what is on disk.

A sync takes 50 to 500 ms on a memory card. Whoever drives a machine must not wait for it: records are put
here and a ticket tells, without blocking, when they are safe. `os.write` and `os.fsync` let other threads
run meanwhile.
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from fabctl.errors import InputError
from fabctl.record.space import ReservedFile

STUCK_S = 10.0
"""A disk that has not answered for so long is a failed one; meanwhile the machine has nothing to do."""


class Writer:
    """An open file and the thread that writes it.

    Parameters
    ----------
    file : ReservedFile
        Empty; `close` closes it.
    name : str
        Of the file, for messages.
    wake : callable, optional
        Called from the thread when something has become safe, or failed.
    """

    def __init__(self, file: ReservedFile, name: str, wake: Callable[[], None] | None = None) -> None:
        self._file, self._name, self._wake = file, name, wake
        self._changed = threading.Condition()
        self._queue: list[tuple[bytes, bool]] = []
        self._counts = _Counts()
        # since when the thread is busy with the disk, or what ended it
        self._state: OSError | float | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    @property
    def short(self) -> bool:
        """Whether there is no more room than what is kept for transitions."""
        return self._file.short

    def put(self, raw: bytes, *, sync: bool) -> Ticket:
        """Hand over one record; it is written soon, and synced with all before it when that is asked.

        Raises
        ------
        InputError
            As `check`.
        """
        self.check()
        if self._closing or not self._thread.is_alive():
            raise failed(self._name, OSError(errno.EBADF, "it is closed"))
        with self._changed:
            self._queue.append((raw, sync))
            self._counts.put += 1
            self._changed.notify_all()
            return Ticket(self, self._counts.put)

    def check(self) -> None:
        """Raise when the file could not be written, or the disk does not answer.

        Raises
        ------
        InputError
            And again at every later call: a file that failed once is not trusted any more.
        """
        state = self._state
        if state is None:
            return
        if isinstance(state, OSError):
            raise failed(self._name, state) from state
        if time.monotonic() - state > STUCK_S:
            raise failed(self._name, OSError(errno.EIO, f"the disk has not answered for {STUCK_S:g} s"))

    def is_safe(self, serial: int) -> bool:
        """Tell whether a record is on disk.

        Raises
        ------
        InputError
            As `check`, unless it was on disk before.
        """
        if serial <= self._counts.safe:
            return True
        self.check()
        if not self._thread.is_alive():
            raise failed(self._name, OSError(errno.EBADF, "it was closed before this was written"))
        return False

    def wait(self, serial: int) -> None:
        """Return once a record is on disk.

        Raises
        ------
        InputError
            As `check`.
        """
        with self._changed:
            while not self.is_safe(serial):
                self._changed.wait(STUCK_S / 10)

    def close(self) -> None:
        """Write what is left, mark the end, give the reserved room back; a second call does nothing."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(STUCK_S)

    def _work(self) -> None:
        try:
            while batch := self._next_batch():
                for raw, _ in batch:
                    self._file.append(raw)
                self._counts.written += len(batch)
                if any(sync for _, sync in batch):
                    self._file.sync()
                    self._counts.safe = self._counts.written
                self._settle(None)
            self._file.finish()
            self._counts.safe = self._counts.written
            self._settle(None)
        except OSError as error:
            self._settle(error)
        finally:
            self._file.close()

    def _next_batch(self) -> list[tuple[bytes, bool]]:
        with self._changed:
            while not self._queue and not self._closing:
                self._changed.wait()
            batch, self._queue = self._queue, []
            self._state = time.monotonic()
            return batch

    def _settle(self, state: OSError | None) -> None:
        with self._changed:
            self._state = state
            self._changed.notify_all()
        if self._wake is not None:
            self._wake()


@dataclass(slots=True)
class _Counts:
    """Records handed over, written, and on disk."""

    put: int = 0
    written: int = 0
    safe: int = 0


@dataclass(frozen=True, slots=True)
class Ticket:
    """A record on its way to the disk.

    Parameters
    ----------
    writer : Writer
        Who has it.
    serial : int
        Its number there, from 1.
    """

    writer: Writer
    serial: int

    @property
    def done(self) -> bool:
        """Whether it is on disk; never blocks.

        Raises
        ------
        InputError
            When it will never be.
        """
        return self.writer.is_safe(self.serial)

    def wait(self) -> None:
        """Return once it is on disk.

        Raises
        ------
        InputError
            When it will never be.
        """
        self.writer.wait(self.serial)


def failed(name: str, error: OSError) -> InputError:
    """Return what is raised when a journal cannot be written.

    Parameters
    ----------
    name : str
        Of the file.
    error : OSError
        What the system said.
    """
    return InputError(
        f"the journal cannot be written: {error.strerror or error}",
        file=name,
        remedy="free some space or name another folder; without a journal no run goes on",
    )
