"""Room on the disk for a file that is going to grow, taken before it is needed.

The file itself is made longer, by zeros, and written over from its beginning: room that lies in the file
cannot be taken by anybody else, as that of a second file could between its removal and the next write. The
reader stops at the first zero, and a tail of zeros tells it that nothing was cut off behind the last
record. On a file system that never writes in place (btrfs, ZFS, APFS) the promise is weaker, and a write
may fail all the same: that is an error as any other.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

BASE_BYTES = 128 << 10
RECORD_BYTES = 256
RECORDS_A_SECOND = 10
ALLOWANCE = 1.25
"""Runs take longer than estimated: holds, tool changes, a feed turned down."""
MOST_BYTES = 64 << 20
MOST_ZEROS_BYTES = 4 << 20
"""Zeros cost what they weigh: four seconds a run on a slow card are not worth more."""
CHUNK_BYTES = 1 << 20
KEPT_BYTES = 64 << 10
"""What is kept for transitions and bounds when there is no more room: progress is given up before."""
CLOSED = b"\n"
"""Behind the last record of a file that was closed in order."""
_ZEROS = bytes(64 << 10)
_NOT_HERE = frozenset({errno.EINVAL, errno.ENOSYS, getattr(errno, "EOPNOTSUPP", errno.ENOSYS)})


def full_sync(number: int) -> None:
    """Return once the bytes of an open file are on the medium, not only in the cache of a drive.

    Raises
    ------
    OSError
        When the system cannot promise it.

    Source
    ------
    fcntl(2) of macOS: fsync there leaves the bytes in the drive's own cache.
    """
    if sys.platform == "darwin":
        import fcntl  # noqa: PLC0415 - POSIX only

        # a network volume does not know it, and has nothing better than fsync
        with contextlib.suppress(OSError):
            fcntl.fcntl(number, fcntl.F_FULLFSYNC)
            return
    os.fsync(number)


def journal_bytes(lines: int, estimated_s: float) -> int:
    """Return how much a journal of such a run may need, at most 64 MiB; a longer one reserves as it goes.

    Parameters
    ----------
    lines : int
        Of the program.
    estimated_s : float
        How long it will take, s.

    Examples
    --------
    >>> journal_bytes(0, 0.0) >> 10, journal_bytes(20_000, 3600.0) >> 20
    (128, 11)
    """
    progress = int(estimated_s * ALLOWANCE * RECORDS_A_SECOND * RECORD_BYTES)
    # announcements: one for every 64 lines or fewer, a hundred bytes each
    return min(MOST_BYTES, BASE_BYTES + progress + 2 * lines)


def reserve_space(number: int, start: int, size: int) -> int:
    """Take room behind what a file holds: it grows by zeros that nobody else can have any more.

    Parameters
    ----------
    number : int
        File descriptor, open for writing.
    start : int
        Where the file ends now.
    size : int
        How many bytes are wanted.

    Returns
    -------
    int
        Where the file ends afterwards. Less than wanted where only writing zeros helps.

    Raises
    ------
    OSError
        When there is no such room.
    """
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(number, start, size)
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise
        else:
            return start + size
    return _write_zeros(number, start, min(size, MOST_ZEROS_BYTES))


def _write_zeros(number: int, start: int, size: int) -> int:
    here = os.lseek(number, 0, os.SEEK_CUR)
    try:
        os.lseek(number, start, os.SEEK_SET)
        left = size
        while left:
            left -= os.write(number, _ZEROS[:left])
    finally:
        os.lseek(number, here, os.SEEK_SET)
    return start + size


@dataclass(frozen=True, slots=True)
class Disk:
    """What puts bytes into an open file and makes them stay: the disk, or a failing one.

    Parameters
    ----------
    write : callable
        As `os.write`.
    sync : callable
        As `full_sync`.
    reserve : callable
        As `reserve_space`.
    """

    write: Callable[[int, bytes], int] = os.write
    sync: Callable[[int], None] = full_sync
    reserve: Callable[[int, int, int], int] = reserve_space


class ReservedFile:
    """An open file with room behind what it holds.

    Parameters
    ----------
    number : int
        File descriptor, open for writing and empty.
    disk : Disk
        What writes, syncs and reserves.
    size : int
        Bytes to reserve.

    Raises
    ------
    OSError
        When there is no such room.
    """

    def __init__(self, number: int, disk: Disk, size: int) -> None:
        self._number, self._disk = number, disk
        self._length = 0
        self._reserved = disk.reserve(number, 0, size)
        self.short = False

    def append(self, raw: bytes) -> None:
        """Write one record, whole; never into the last byte, so that a zero stands behind it.

        Raises
        ------
        OSError
            When it was not written whole.
        """
        if self._reserved - self._length - len(raw) < KEPT_BYTES:
            self._grow()
        if self._length + len(raw) >= self._reserved:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._write(raw)

    def sync(self) -> None:
        """Make all that was written stay.

        Raises
        ------
        OSError
            When that is not certain.
        """
        self._disk.sync(self._number)

    def finish(self) -> None:
        """Mark the end, sync, and give back the room that was not needed.

        Raises
        ------
        OSError
            When the mark was not written.
        """
        self._write(CLOSED)
        self.sync()
        # room that is not given back harms nobody: the reader knows it
        with contextlib.suppress(OSError):
            os.ftruncate(self._number, self._length)

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._number)

    def _write(self, raw: bytes) -> None:
        written = self._disk.write(self._number, raw)
        if written != len(raw):
            raise OSError(errno.ENOSPC, f"only {written} of {len(raw)} bytes were taken")
        self._length += len(raw)

    def _grow(self) -> None:
        try:
            self._reserved = self._disk.reserve(self._number, self._reserved, CHUNK_BYTES)
            self.short = False
        except OSError:
            self.short = True
