"""What nobody knows of a machine without switches: where it stands, after its position was lost."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path

from fabctl.daemon.bench import Json
from fabctl.errors import InputError, RefusedError
from fabctl.record.files import atomic_write
from fabctl.shop.machine import Machine
from fabctl.stream.unlock import Stand

PROGRAM_SYSTEM = "G54"
"""The work coordinate system programs run in."""
CUT_OFF = "the keeper died in the middle of a run"


class Doubt:
    """Axes whose position nobody knows, until a person has set their zero anew.

    A machine with switches needs none of this: it homes before the next run by itself.

    Parameters
    ----------
    machine : Machine
    folder : Path, optional
        Where it is kept, so that a keeper that dies in the middle of a run leaves its doubt to the next one.

    Examples
    --------
    >>> from fabctl.shop.machine import load_machine
    >>> doubt = Doubt(load_machine("router-3018"))
    >>> doubt.lost("the port is gone")
    >>> doubt.settled("zero", {"here_mm": {"X": 0, "Y": 0}})
    >>> doubt.axes
    'Z'
    >>> doubt.settled("probe", {"axis": "Z"})
    >>> doubt.demand()
    """

    def __init__(self, machine: Machine, folder: Path | None = None) -> None:
        self._machine = machine
        self._why = ""
        self.axes = ""
        self._place: Path | None = None
        self._kept = ""
        if folder is not None and not machine.homing:
            self._place = folder / f"doubt-{re.sub('[^A-Za-z0-9_.-]+', '-', machine.name)}.json"
            self._recall(self._place)

    def _recall(self, place: Path) -> None:
        """Take over what an earlier keeper left."""
        if not place.exists():
            return
        self.lost(CUT_OFF)
        # whatever stands there, an earlier keeper was in doubt
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads(place.read_text(encoding="utf-8"))
            self.axes, self._why = str(kept["axes"]), str(kept["why"])
        self._kept = self.axes

    def begin_run(self) -> None:
        """Write down that nobody will know the position if this process dies now; waits for the disk.

        Raises
        ------
        InputError
            When it cannot be written: the run must not begin.
        """
        if self._place is not None:
            self._write(self._place, "XYZ" if self._machine.has_z else "XY", CUT_OFF)

    @property
    def changed(self) -> bool:
        """Whether what is written down is not what is in doubt now."""
        return self._place is not None and self._kept != self.axes

    def keep(self) -> None:
        """Write down what is in doubt now; waits for the disk."""
        if self._place is None:
            return
        # what is left there says more than is true, and is never a lie
        with contextlib.suppress(OSError, InputError):
            if self.axes:
                self._write(self._place, self.axes, self._why)
            else:
                self._place.unlink(missing_ok=True)
                self._kept = ""

    def _write(self, place: Path, axes: str, why: str) -> None:
        atomic_write(place, json.dumps({"axes": axes, "why": why}))
        self._kept = axes

    def lost(self, why: str) -> None:
        """Note that the position is lost, and why."""
        if not self._machine.homing:
            self.axes = "XYZ" if self._machine.has_z else "XY"
            self._why = why

    def settled(self, name: str, args: Json) -> None:
        """Take in an act that was done: it may have given an axis its zero.

        Parameters
        ----------
        name : str
            Of the act.
        args : dict
            As it was asked for.
        """
        if name == "unlock" and args.get("position") == Stand.UNKNOWN:
            self.lost("so it was said when it was unlocked")
        if args.get("system", PROGRAM_SYSTEM) != PROGRAM_SYSTEM:
            return
        found = {"zero": "".join(args.get("here_mm", ())), "probe": str(args.get("axis", "Z"))}.get(name, "")
        self.axes = "".join(axis for axis in self.axes if axis not in found)

    def demand(self) -> None:
        """Refuse a run while an axis is in doubt.

        Raises
        ------
        RefusedError
            Naming the axes, and what is done about it.
        """
        if self.axes:
            words = " ".join(f"{axis.lower()}…" for axis in self.axes)
            raise RefusedError(
                f"the position of {', '.join(self.axes)} is not known: {self._why}",
                file=self._machine.name,
                remedy="jog to a known place and set zero there: "
                f"`fabctl machine zero {self._machine.name} {words}`",
            )
