"""The record of a run: one folder with the journal, a summary, and what belongs to it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from fabctl.errors import InputError
from fabctl.record.framing import JOURNAL_NAME
from fabctl.record.journal import Certain, first_record, last_certain
from fabctl.record.values import read_value, write_value

RECORD_NAME = "run.json"
LAST = "last"
"""The name of the newest run."""
VIRTUAL = "sim://"
"""Begins the name of every port to a virtual controller that lives in the sender's own process."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a person asks of a run afterwards.

    Parameters
    ----------
    design : str
        Name of the file or job it came from, without folders.
    program_sha256 : str
        Digest of the program that was sent.
    machine, material, tools : str, str, tuple of str
        Names of the profiles.
    started, ended : str
        ISO 8601 with the offset from UTC.
    end_state, cause : str
        As the sender named them.
    version : str
        Of fabctl.
    estimated_s, taken_s : float
        Time planned and time needed, s.
    cut_length_mm : float
        Length of all feed moves.
    parts : int
        How many parts the program cuts.
    lines, executed : int
        Lines of the program and how many were surely executed.
    head_off : bool or None
        Whether spindle or beam was seen to be off at the end.
    files : dict of str to str
        What else stands in the folder: a name for a person, and the file's name.
    notes : tuple of str
        What else was seen.
    """

    design: str
    program_sha256: str
    machine: str
    started: str
    ended: str
    end_state: str
    version: str
    cause: str = ""
    material: str = ""
    tools: tuple[str, ...] = ()
    estimated_s: float = 0.0
    taken_s: float = 0.0
    cut_length_mm: float = 0.0
    parts: int = 0
    lines: int = 0
    executed: int = 0
    head_off: bool | None = None
    files: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunEntry:
    """One run found on disk.

    Parameters
    ----------
    name : str
        The folder's name: begins with date and time.
    folder : Path
        Where it is.
    record : RunRecord or None
        The summary; None when the run never came to writing it.
    certain : Certain or None
        What its journal says; None without a journal.
    """

    name: str
    folder: Path
    record: RunRecord | None
    certain: Certain | None


def runs_folder() -> Path:
    """Return where runs are kept when no other place is named; it need not exist yet."""
    import platformdirs  # noqa: PLC0415 - only whoever asks for the default place needs it

    return platformdirs.user_data_path("fabctl") / "runs"


def new_run_folder(root: Path, title: str, start: datetime) -> Path:
    """Make an empty folder for one run, named by time and title.

    Parameters
    ----------
    root : Path
        Where all runs stand; made when missing.
    title : str
        The job's name.
    start : datetime
        Local time of the run.

    Raises
    ------
    InputError
        When it cannot be made.
    """
    plain = re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-").lower()[:40] or "run"
    stem = f"{start:%Y%m%d-%H%M%S}-{plain}"
    try:
        root.mkdir(parents=True, exist_ok=True)
        for extra in ("", *(f"-{number}" for number in range(2, 1000))):
            folder = root / f"{stem}{extra}"
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    except OSError as error:
        raise InputError(
            f"no folder for the run can be made: {error.strerror or error}",
            file=str(root),
            remedy="name a folder that may be written",
        ) from error
    raise InputError("too many runs within one second", file=str(root), remedy="wait a second")


def write_run(folder: Path, record: RunRecord) -> Path:
    """Write a run's summary, whole or not at all, and return its path.

    Raises
    ------
    InputError
        When it cannot be written, or names a file outside the folder.
    """
    for name in record.files.values():
        if Path(name).name != name:
            raise InputError(
                f"{name!r} is not in the run's folder", file=RECORD_NAME, remedy="names without folders only"
            )
    return write_value(folder / RECORD_NAME, record)


def read_run(folder: Path) -> RunRecord:
    """Read a run's summary.

    Raises
    ------
    InputError
        When it is missing or not one.
    """
    remedy = "look at the journal beside it"
    return read_value(folder / RECORD_NAME, RunRecord, what="record of a run", remedy=remedy)


def was_done(machine: str, program_sha256: str, root: Path | None = None) -> bool:
    """Tell whether a program ever ran to its end on a machine; its virtual twin does not count.

    Parameters
    ----------
    machine : str
        Its name.
    program_sha256 : str
        Digest of the program, hexadecimal.
    root : Path, optional
        Where runs stand; `runs_folder` when not given.
    """
    root = root or runs_folder()
    for path in root.glob(f"*/{RECORD_NAME}"):
        try:
            record = read_run(path.parent)
        except InputError:
            continue
        same = (record.machine, record.program_sha256, record.end_state) == (machine, program_sha256, "done")
        if same and not is_virtual(port_of_run(path.parent)):
            return True
    return False


def port_of_run(folder: Path) -> str:
    """Return the port a run went to, as its journal says; empty when that cannot be told.

    Parameters
    ----------
    folder : Path
        Of the run.
    """
    try:
        return str(first_record(folder).get("port", ""))
    except InputError:
        return ""


def is_virtual(port: str) -> bool:
    """Tell whether a port leads to a virtual controller of this process: nothing was cut there.

    Examples
    --------
    >>> is_virtual("sim://?seed=7"), is_virtual("/dev/ttyUSB0")
    (True, False)
    """
    return port.startswith(VIRTUAL)


def run_folders(root: Path | None = None) -> tuple[Path, ...]:
    """Find the folders of all runs, newest first.

    Parameters
    ----------
    root : Path, optional
        Where runs stand; `runs_folder` when not given.
    """
    root = root or runs_folder()
    if not root.is_dir():
        return ()
    return tuple(sorted((path for path in root.iterdir() if path.is_dir()), reverse=True))


def find_run(name: str, root: Path | None = None) -> Path:
    """Find a run's folder by its name, or by its path.

    Parameters
    ----------
    name : str
        As `fabctl runs` lists it, its beginning when no other run begins so, a path, or ``last``: the newest
        that has a journal.
    root : Path, optional
        Where runs stand; `runs_folder` when not given.

    Raises
    ------
    InputError
        When there is no such run, or more than one.
    """
    root = root or runs_folder()
    found = _called(name, run_folders(root))
    if len(found) > 1:
        listed = ", ".join(folder.name for folder in found[:3])
        raise InputError(f"{name!r} is the beginning of {len(found)} runs: {listed} …", remedy="say more")
    if not found and Path(name).is_dir():
        found = [Path(name)]
    if not found:
        raise InputError(f"there is no run {name!r}", file=str(root), remedy="`fabctl runs` lists them")
    return found[0]


def _called(name: str, folders: tuple[Path, ...]) -> list[Path]:
    """Choose the runs a name may mean, of all newest first."""
    if name == LAST:
        return [folder for folder in folders if (folder / JOURNAL_NAME).is_file()][:1]
    if Path(name).name != name:
        return []
    exact = [folder for folder in folders if folder.name == name]
    return exact or [folder for folder in folders if folder.name.startswith(name)]


def list_runs(root: Path | None = None) -> tuple[RunEntry, ...]:
    """Find all runs, newest first; what is damaged is listed all the same.

    Parameters
    ----------
    root : Path, optional
        Where runs stand; `runs_folder` when not given.
    """
    return tuple(_entry(folder) for folder in run_folders(root))


def _entry(folder: Path) -> RunEntry:
    record = certain = None
    if (folder / JOURNAL_NAME).is_file():
        certain = last_certain(folder)
    if (folder / RECORD_NAME).is_file():
        try:
            record = read_run(folder)
        except InputError:
            record = None
    return RunEntry(folder.name, folder, record, certain)
