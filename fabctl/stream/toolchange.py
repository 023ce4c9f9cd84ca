"""Another tool in the middle of a run: touch the same plate with the old one and the new one.

Z zero then follows by what the new tool is longer or shorter, through G10 L20, and the machine stands where
the pause began, in work coordinates: the planned path goes on there. What lies under the plate, and how thick
it is, does not matter; that it is the same plate in the same place does.
"""

from __future__ import annotations

from dataclasses import dataclass

from fabctl.errors import LinkError, RefusedError
from fabctl.shop.machine import Machine
from fabctl.stream.controller import read_offsets
from fabctl.stream.link import Link
from fabctl.stream.manual import attending, demand_idle, demand_place, travel
from fabctl.stream.probe import PROBE_PIN, Feeler, Touched, measure_tool, take_up
from fabctl.stream.reach import demand_inside, reach_mm
from fabctl.stream.replies import Point
from fabctl.stream.run import Hooks
from fabctl.stream.stops import Cause, Which
from fabctl.stream.tell import tell

LOOSE_PLATE_MM = 30.0
"""Longest way down to a plate that lies below the tool."""
UNSURE = "Z zero is the old tool's or the new one's, which of them is not certain: touch off Z anew"


@dataclass
class ToolLength:
    """How far the tool in the head sticks out, by the plate it last touched.

    Parameters
    ----------
    machine : Machine
        With its setter, if it has one; else a plate is laid below the tool for as long as a pause lasts.
    hooks : Hooks
        Told ``probed``, ``zeroed`` and ``measured``, or ``unmeasured`` and why.
    box_mm : tuple of 6 float, optional
        Of all moves of the run, work coordinates: it must lie within the travel with the new tool, too.
    reference_mm : float or None
        Machine Z of the last touch; None when no touch counts any more.
    """

    machine: Machine
    hooks: Hooks
    box_mm: tuple[float, ...] | None = None
    reference_mm: float | None = None
    _known: bool = False
    _section: int = 1
    _unsure: bool = False

    def pause(self, section: int) -> None:
        """Take note of a new pause: a touch of before counts when it was of this tool, on a fixed setter.

        Parameters
        ----------
        section : int
            The one that comes next.
        """
        self._section = section
        self.hooks.operator.wants_measure = None
        if not (self._known and self.machine.setter is not None):
            self.reference_mm = None
        self._known = False

    async def measure(self, link: Link) -> None:
        """Touch the plate as the operator asked, and come back to where the machine stands now.

        Parameters
        ----------
        link : Link
            Idle, in a pause of a run, head off.

        Raises
        ------
        StoppedError
            At a fault, a touch that is not believed, or any request of the operator.
        """
        operator = self.hooks.operator
        which, operator.wants_measure = operator.wants_measure, None
        before, link.attend = link.attend, attending(link, operator)
        try:
            try:
                start = await self._demand_ready(link, which)
            except RefusedError as error:
                # nothing moved: the pause goes on
                await tell(link, self.hooks, "unmeasured", reason=str(error))
                return
            try:
                await self._touch(link, which, start)
            except RefusedError as error:
                raise link.fail(Cause.PROBE, self._said(error.problem)) from error
            except LinkError as error:
                error.problem = self._said(error.problem)
                raise
        finally:
            link.attend = before

    def _said(self, problem: str) -> str:
        """Say what went wrong, and that the zero is in doubt when it is."""
        return f"{problem}; {UNSURE}" if self._unsure else problem

    async def _demand_ready(self, link: Link, which: Which | None) -> Point:
        """Return where the machine stands, when it may go and touch."""
        status, here = await demand_idle(link), link.work_mm
        if not self.machine.has_z or here is None:
            raise RefusedError(f"{self.machine.title} has no Z axis", remedy="change the tool by hand")
        if which is Which.NEW and self.reference_mm is None:
            raise RefusedError(
                "nothing to compare the new tool with: the old one was not measured in this pause",
                remedy="put the old tool back and measure it first, or set the new one's tip where its was",
            )
        if PROBE_PIN in status.pins:
            raise RefusedError(
                "the probe is closed already: it touches, or its wires do",
                remedy="lift the tool off the plate, look at clip and wire",
            )
        if self.machine.setter is not None and not link.homed:
            raise RefusedError(
                "the machine is not homed: where its setter is, nobody knows",
                remedy="set the new tool's tip where the old one's was",
            )
        for place in self._way(link, here):
            demand_inside(link, self.machine, place)
        return here

    def _way(self, link: Link, here: Point) -> tuple[Point, ...]:
        """Return the corners of the way to above the plate, work coordinates."""
        setter = self.machine.setter
        if setter is None:
            return ()
        zero = link.wco_mm or (0.0, 0.0, 0.0)
        top, low = reach_mm(self.machine)[1][2] - zero[2], setter.from_z_mm - zero[2]
        x, y = setter.x_mm - zero[0], setter.y_mm - zero[1]
        return (here[0], here[1], top), (x, y, top), (x, y, low)

    async def _touch(self, link: Link, which: Which | None, start: Point) -> None:
        setter, machine = self.machine.setter, self.machine
        for place in self._way(link, start):
            await travel(link, machine, place)
        feeler = Feeler(depth_mm=LOOSE_PLATE_MM)
        if setter is not None:
            feeler = Feeler(setter.depth_mm, setter.fast_mm_min, setter.slow_mm_min)
        found = await measure_tool(link, machine, feeler, hooks=self.hooks)
        if which is Which.NEW and self.reference_mm is not None:
            self._unsure = True
            await take_up(link, machine, found.machine_mm - self.reference_mm, hooks=self.hooks)
        # before anything else: whoever resumes this run must know that the zero is another one
        await self._tell(link, which, found)
        self._unsure = False
        if which is Which.NEW and self.box_mm is not None:
            x0, y0, z0, x1, y1, z1 = self.box_mm
            demand_inside(link, machine, (x0, y0, z0))
            demand_inside(link, machine, (x1, y1, z1))
        # the zero may be another one: the way back is counted from it
        for place in reversed(self._way(link, start)[:2]):
            await travel(link, machine, place)
        await travel(link, machine, start)
        await link.fresh_status()
        x, y, z = (round(at, 3) for at in start)
        demand_place(link, machine, (x, y, z))

    async def _tell(self, link: Link, which: Which | None, found: Touched) -> None:
        new = which is Which.NEW
        longer = found.machine_mm - (self.reference_mm or 0.0) if new else 0.0
        self.reference_mm, self._known = found.machine_mm, new
        await tell(
            link,
            self.hooks,
            "measured",
            tool=str(which),
            section=self._section,
            touched_mm=found.machine_mm,
            longer_mm=round(longer, 4),
            offsets=await read_offsets(link),
            **link.place,
        )
