"""Survey the stock: probe its height on a grid, row by row and back, always going across above it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from fabctl.errors import RefusedError
from fabctl.shop.machine import Machine
from fabctl.stream.link import Link
from fabctl.stream.manual import SETTLE_S, answered, demand_idle, travel
from fabctl.stream.probe import PROBE_PIN, Feeler, touch
from fabctl.stream.reach import demand_inside
from fabctl.stream.replies import Point
from fabctl.stream.stops import Cause

MOST_NODES = 2500


@dataclass(frozen=True, slots=True)
class Grid:
    """Where to probe, work coordinates.

    Parameters
    ----------
    low_mm, high_mm : (x, y) float
        The outermost nodes.
    columns, rows : int
        Nodes along X and along Y, at least two each.
    above_mm : float
        Z0 upwards to where the tool goes across: higher than anything on the stock.
    below_mm : float
        Z0 downwards to where the deepest node may be.
    """

    low_mm: tuple[float, float]
    high_mm: tuple[float, float]
    columns: int
    rows: int
    above_mm: float = 3.0
    below_mm: float = 2.0

    def demand_sound(self) -> None:
        """Demand a grid that spans a surface.

        Raises
        ------
        RefusedError
            When it does not.
        """
        (x0, y0), (x1, y1) = self.low_mm, self.high_mm
        if not (x0 < x1 and y0 < y1 and self.columns >= 2 and self.rows >= 2):
            raise RefusedError(
                f"{self.columns} × {self.rows} nodes from {self.low_mm} to {self.high_mm} span no surface",
                remedy="at least 2 × 2, lower left corner first",
            )
        if self.columns * self.rows > MOST_NODES:
            raise RefusedError(f"{self.columns * self.rows} nodes", remedy=f"at most {MOST_NODES}")
        if not (self.above_mm > 0 and self.below_mm > 0):
            raise RefusedError("a survey needs room above and below Z0", remedy="give both above 0")

    @property
    def pitch_mm(self) -> tuple[float, float]:
        """Distance between neighbouring nodes, mm."""
        (x0, y0), (x1, y1) = self.low_mm, self.high_mm
        return (x1 - x0) / (self.columns - 1), (y1 - y0) / (self.rows - 1)

    def node(self, row: int, column: int) -> tuple[float, float]:
        """Return the place of a node, mm."""
        (x0, y0), (px, py) = self.low_mm, self.pitch_mm
        return round(x0 + px * column, 3), round(y0 + py * row, 3)


@dataclass(frozen=True, slots=True)
class Surveyed:
    """What was found.

    Parameters
    ----------
    grid : Grid
    heights_mm : tuple of tuple of float
        Above Z0, one row after the other, mm.
    zero_mm : (x, y, z) float
        The work zero they count from, machine coordinates.
    spread_mm : float
        Largest distance between two touches of one node.
    """

    grid: Grid
    heights_mm: tuple[tuple[float, ...], ...]
    zero_mm: Point
    spread_mm: float


def _ignore(done: int, of: int) -> None:
    del done, of


async def survey(
    link: Link,
    machine: Machine,
    grid: Grid,
    feeler: Feeler,
    progress: Callable[[int, int], None] = _ignore,
) -> Surveyed:
    """Probe every node of a grid and come back above the first one.

    Parameters
    ----------
    link : Link
        Idle, its work zero set on the stock, its probe open.
    machine : Machine
    grid : Grid
    feeler : Feeler
        Its depth is that of the grid.
    progress : callable
        Told how many nodes are done, and of how many.

    Returns
    -------
    Surveyed

    Raises
    ------
    RefusedError
        When the grid does not lie in the travel, or the machine is not ready. Nothing moved.
    StoppedError
        When a touch is not to be believed: a map with a hole is none.
    """
    grid.demand_sound()
    if not machine.has_z:
        raise RefusedError(f"{machine.title} has no Z axis to probe with", remedy="use another machine")
    status = await demand_idle(link)
    if PROBE_PIN in status.pins:
        raise RefusedError("the probe is closed already", file=link.port.name, remedy="lift the tool")
    for row in (0, grid.rows - 1):
        for column in (0, grid.columns - 1):
            for z in (grid.above_mm, -grid.below_mm):
                demand_inside(link, machine, (*grid.node(row, column), z))
    zero = link.wco_mm or (0.0, 0.0, 0.0)
    deep = replace(feeler, depth_mm=grid.above_mm + grid.below_mm)
    heights: dict[tuple[int, int], float] = {}
    spread = 0.0
    await answered(link, b"M5", SETTLE_S)
    for row, column in _serpentine(grid):
        await _go_above(link, machine, grid, row, column)
        found = await touch(link, machine, "Z", -1, deep)
        heights[row, column] = found.work_mm
        spread = max(spread, found.spread_mm)
        progress(len(heights), grid.rows * grid.columns)
    await _go_above(link, machine, grid, 0, 0)
    table = tuple(tuple(heights[row, column] for column in range(grid.columns)) for row in range(grid.rows))
    return Surveyed(grid, table, zero, spread)


async def _go_above(link: Link, machine: Machine, grid: Grid, row: int, column: int) -> None:
    """Rise first, go across, then down to the survey's height; what is touched on the way is no node."""
    high = max(grid.above_mm, link.work_mm[2] if link.work_mm else 0.0)
    await travel(link, machine, (None, None, high))
    await travel(link, machine, (*grid.node(row, column), None))
    await travel(link, machine, (None, None, grid.above_mm))
    status = await link.fresh_status()
    if PROBE_PIN in status.pins:
        raise link.fail(
            Cause.PROBE, f"the probe is closed at Z{grid.above_mm:g}, on the way from node to node"
        )


def _serpentine(grid: Grid) -> list[tuple[int, int]]:
    there = range(grid.columns)
    return [(row, column) for row in range(grid.rows) for column in (there, there[::-1])[row % 2]]
