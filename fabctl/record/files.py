"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from fabctl.errors import InputError


def atomic_write(path: Path, data: bytes | str) -> None:
    """Write a file so that a reader, or a crash, sees the old one or the new one and nothing between.

    Parameters
    ----------
    path : Path
        Where it shall stand; its folder exists.
    data : bytes or str
        All of it; text is written as UTF-8 with LF line ends.

    Raises
    ------
    InputError
        When it cannot be written: no space, no right, no folder. Nothing is left behind.
    """
    raw = data.encode() if isinstance(data, str) else data
    try:
        number, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        with os.fdopen(number, "wb") as stream:
            stream.write(raw)
            stream.flush()
            os.fsync(stream.fileno())
        _give_usual_rights(Path(name))
        Path(name).replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise _cannot_write(path, error) from error
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names in a folder survive a power cut; where folders cannot be synced, do nothing."""
    if os.name != "posix":
        return
    # some network file systems refuse this, and none of them promises more anyway
    with contextlib.suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def _give_usual_rights(path: Path) -> None:
    if os.name != "posix":
        return
    # mkstemp gives the owner alone; a part for the shop is read by others too
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


def _cannot_write(path: Path, error: OSError) -> InputError:
    return InputError(
        f"cannot be written: {error.strerror or error}",
        file=str(path),
        remedy="free some space, or name a folder that is there and may be written",
    )
