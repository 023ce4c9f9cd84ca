"""What nobody knows of a machine without switches: where it stands, after its position was lost."""

from __future__ import annotations

from fabctl.daemon.bench import Json
from fabctl.errors import RefusedError
from fabctl.shop.machine import Machine
from fabctl.stream.unlock import Stand

PROGRAM_SYSTEM = "G54"
"""The work coordinate system programs run in."""


class Doubt:
    """Axes whose position nobody knows, until a person has set their zero anew.

    A machine with switches needs none of this: it homes before the next run by itself.

    Parameters
    ----------
    machine : Machine

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

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._why = ""
        self.axes = ""

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
