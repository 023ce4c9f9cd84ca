"""Disks that fill up, fail, or lose what was not synced, under a run whose machine knows the truth.

Everything happens in one process and in the controller's virtual time: the controller is the witness of
what was sent, the journal is judged by `benchmarks.course.lies`.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.course import Course, Truth, course, lies, tool_x_mm
from fabctl.errors import InputError
from fabctl.record.framing import JOURNAL_NAME
from fabctl.record.journal import Journal
from fabctl.record.statement import Statement, statement
from fabctl.shop.machine import load_machine
from fabctl.shop.permit import Permit, machine_digest
from fabctl.sim.port import SimPort
from fabctl.stream.leg import Leg
from fabctl.stream.run import Hooks, Order, Progress
from fabctl.stream.sender import run

MACHINE = "router-3018"
LINES = 900
PAUSE_AT = 600
SECTOR_BYTES = 512
ILLS = ("ENOSPC", "EIO", "half")
LIMIT_S = 3.0
"""How long a machine that was stopped is watched, s of its own time."""


class Disk:
    """The journal's disk: healthy until its n-th write or sync, and it knows how much it would keep.

    Parameters
    ----------
    organ : str
        ``write`` or ``sync``.
    number : int
        Which call fails, from 1; 0 for none.
    ill : str
        One of `ILLS`; ``half`` takes half of the bytes and says so.
    """

    def __init__(self, organ: str = "", number: int = 0, ill: str = "EIO") -> None:
        self._organ, self._number, self._ill = organ, number, ill
        self.calls = {"write": 0, "sync": 0}
        self.length = self.synced = 0

    def write(self, number: int, raw: bytes) -> int:
        """Take bytes, or fail."""
        if self._fails("write"):
            return os.write(number, raw[: len(raw) // 2])
        self.length += len(raw)
        return os.write(number, raw)

    def sync(self, number: int) -> None:
        """Keep what was written, or fail."""
        length = self.length
        self._fails("sync")
        os.fsync(number)
        self.synced = length

    def _fails(self, organ: str) -> bool:
        self.calls[organ] += 1
        if (organ, self.calls[organ]) != (self._organ, self._number):
            return False
        if self._ill == "half":
            return True
        code = getattr(errno, self._ill)
        raise OSError(code, os.strerror(code))


class Witness:
    """What goes to the controller, kept."""

    def __init__(self) -> None:
        self.raw = bytearray()

    def to_controller(self, data: bytes, now_s: float) -> bytes:
        """Keep what is sent."""
        del now_s
        self.raw += data
        return data

    def to_host(self, data: bytes, now_s: float) -> bytes:
        """Let the answers pass."""
        del now_s
        return data


@dataclass(frozen=True)
class Moment:
    """The disk and the machine at one moment of a run.

    Parameters
    ----------
    journal : bytes
        The file as another process sees it.
    synced : int
        Bytes of it that survive a power cut whole.
    truth : Truth
        What the machine knows.
    """

    journal: bytes
    synced: int
    truth: Truth


@dataclass
class Witnessed:
    """One run and what its machine saw.

    Parameters
    ----------
    way : Course
        The program.
    disk : Disk
        Where the journal was.
    truth : Truth
        At the end.
    error : InputError or None
        What ended it.
    moments : list of Moment
        Its course, when it was asked for.
    """

    way: Course
    disk: Disk
    truth: Truth
    error: InputError | None = None
    moments: list[Moment] = field(default_factory=list)


def drive(folder: Path, disk: Disk, *, keep: bool = False) -> Witnessed:
    """Send the course with a journal on this disk.

    Parameters
    ----------
    folder : Path
        For the journal.
    disk : Disk
        Healthy or not.
    keep : bool
        Whether to keep every moment.
    """
    text = course(LINES, PAUSE_AT)
    machine, witness, way = load_machine(MACHINE), Witness(), Course.of(text)
    port = SimPort(machine.settings(), tamper=witness)
    permit = Permit(hashlib.sha256(text).hexdigest(), machine.name, machine_digest(machine))
    done = Witnessed(way, disk, Truth(b"", 0.0, 0.0))
    try:
        journal = Journal(folder, port.clock_s, write=disk.write, sync=disk.sync)
    except InputError as error:
        done.error = error
        return done

    def _progress(now: Progress) -> None:
        journal.progress(now)
        if keep and not now.checking:
            # the bounds first: the disk may keep more by the time it is looked at, never less
            synced, x_mm = disk.synced, _x_mm(port)
            raw = journal.path.read_bytes()
            done.moments.append(Moment(raw, synced, Truth(bytes(witness.raw), x_mm, x_mm)))

    order = Order(text, machine, permit, _legs(text))
    hooks = Hooks(
        arm=lambda _pause: True,
        progress=_progress,
        sending=journal.sending,
        transition=journal.transition,
    )
    try:
        journal.transition("planned", {"machine": machine.name, "lines": text.count(b"\n")})
        run(port, order, hooks)
    except InputError as error:
        done.error = error
    finally:
        journal.close()
    before = _x_mm(port)
    port.read(LIMIT_S)
    done.truth = Truth(bytes(witness.raw), before, _x_mm(port))
    if keep:
        done.moments.append(Moment(journal.path.read_bytes(), disk.synced, done.truth))
    return done


def _x_mm(port: SimPort) -> float:
    return tool_x_mm(port.controller)


def _legs(text: bytes) -> Iterator[Leg]:
    """Follow the course's lines: each names some of X, Y and Z, absolute."""
    at = {"X": 0.0, "Y": 0.0, "Z": 0.0}
    for number, line in enumerate(text.decode().splitlines(), 1):
        if not line.startswith(("G0", "G1")):
            continue
        pieces = line.replace("F", " F").replace("X", " X").replace("Y", " Y").replace("Z", " Z").split()
        at |= {piece[0]: float(piece[1:]) for piece in pieces if piece[0] in at}
        yield Leg(number, (at["X"], at["Y"], at["Z"]))


def fall_ill(folder: Path, organ: str, number: int, ill: str, writes: int) -> list[str]:
    """Let the disk fail once; return what is then said and not true, or moved after it was said to stop.

    Parameters
    ----------
    folder : Path
        Made here, for the journal.
    organ, number, ill : str, int, str
        As for `Disk`.
    writes : int
        How many writes a healthy run makes: only the last one, the mark of the end, may fail unseen.
    """
    folder.mkdir()
    done = drive(folder, Disk(organ, number, ill))
    found = [] if done.error or organ == "sync" or number >= writes else ["the failure was not told"]
    found += lies(_of_a_dead_process(folder), done.way, done.truth)
    if abs(done.truth.rest_mm - done.truth.x_mm) > 0:
        found.append("the machine still moves")
    return found


def cut_everywhere(done: Witnessed, folder: Path, lengths: Mapping[int, int], step: int) -> Iterator[str]:
    """Cut journals short and yield what they then say that is not true.

    Parameters
    ----------
    done : Witnessed
        With its moments.
    folder : Path
        For the cut ones.
    lengths : mapping of int to int
        Index of a moment to how many of its last bytes are cut off one by one.
    step : int
        1 cuts at every byte.
    """
    for index, length in lengths.items():
        moment = done.moments[index]
        size = len(moment.journal.rstrip(b"\0"))
        for left in range(max(0, size - length), size + 1, step):
            yield from _untrue(folder, moment.journal[:left], done.way, moment.truth, f"{index}: {left}")


def lose_power(done: Witnessed, folder: Path, tries: int, seed: int) -> Iterator[str]:
    """Lose any of the sectors that were not synced, at any moment; yield what is then said and not true.

    Parameters
    ----------
    done : Witnessed
        With its moments.
    folder : Path
        For the spoilt ones.
    tries, seed : int
        How many, and which.
    """
    dice = random.Random(seed)
    for number in range(tries):
        moment = dice.choice(done.moments)
        raw = bytearray(moment.journal)
        size = len(moment.journal.rstrip(b"\0"))
        for start in range(moment.synced // SECTOR_BYTES * SECTOR_BYTES, size, SECTOR_BYTES):
            if dice.random() < 0.5:
                # the part that was synced is in the sector as it was before
                first = max(start, moment.synced)
                raw[first : start + SECTOR_BYTES] = bytes(start + SECTOR_BYTES - first)
        yield from _untrue(folder, bytes(raw), done.way, moment.truth, f"power cut {number}")


def _untrue(folder: Path, raw: bytes, way: Course, truth: Truth, where: str) -> Iterator[str]:
    (folder / JOURNAL_NAME).write_bytes(raw)
    yield from (f"{where}: {lie}" for lie in lies(_of_a_dead_process(folder), way, truth))


def _of_a_dead_process(folder: Path) -> Statement:
    return statement(folder, _nobody)


def _nobody(folder: Path, first: Mapping[str, object]) -> bool:
    del folder, first
    return False


def ills(calls: Mapping[str, int]) -> Iterator[tuple[str, int, str]]:
    """Yield every way a disk can fail once in a run of so many writes and syncs."""
    for organ, ill in itertools.product(("write", "sync"), ILLS):
        if (organ, ill) != ("sync", "half"):
            yield from ((organ, number, ill) for number in range(1, calls[organ] + 1))
