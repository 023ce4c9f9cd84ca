"""A workbench: shapes, tools, recipes and steps, and what a cut takes away."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import shapely

from fabctl.geometry.curves import Curves, from_paths
from fabctl.operations.step import Cut, Setup, Step
from fabctl.shop.machine import Machine, load_machine
from fabctl.shop.material import Material, load_material
from fabctl.shop.recipe import Recipe
from fabctl.shop.stock import stock_of
from fabctl.shop.tool import Tool, load_tool
from fabctl.toolpath.flatten import flatten_moves
from fabctl.toolpath.moves import FEED, RAPID, starts

ROUTER = "plywood-router-600x900"


def rectangle(x, y, width, height):
    return ([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], None, True)


def circle(x, y, diameter):
    return ([[x + diameter / 2, y], [x - diameter / 2, y]], [1, 1], True)


def polar(radii, x=0.0, y=0.0):
    """A star-shaped polygon that never crosses itself: one radius for each direction."""
    angle = np.arange(len(radii)) / len(radii) * 2 * np.pi
    return (np.column_stack((np.cos(angle), np.sin(angle))) * np.array(radii)[:, None] + [x, y], None, True)


def line(*points):
    return (points, None, False)


@dataclass(frozen=True)
class Bench:
    """What tests of operations work with."""

    setup: Setup = field(default_factory=lambda: Setup(12.0, 0.3, 0.01))
    mill: Tool = field(default_factory=lambda: load_tool("endmill-6"))
    recipe: Recipe = field(default_factory=lambda: Recipe(2000, 600, 3.0, 2.4, 0.5, rpm=10000, ramp_deg=5.0))

    rectangle = staticmethod(rectangle)
    circle = staticmethod(circle)
    polar = staticmethod(polar)
    line = staticmethod(line)
    curves = staticmethod(lambda *paths: from_paths(paths))

    def step(self, *paths, kind="profile", depth_mm=12.3, names: Sequence[str] = (), **keys) -> Step:
        """A step of the router with a 6 mm end mill unless told otherwise."""
        curves = paths[0] if len(paths) == 1 and isinstance(paths[0], Curves) else from_paths(paths)
        named = list(names) or [f"p{i}" for i in range(len(curves))]
        keys = {"tool": self.mill, "recipe": self.recipe, "side": "on"} | keys
        return Step(kind, kind, curves, named, depth_mm=depth_mm, **keys)

    def tool(self, diameter_mm, **keys) -> Tool:
        return replace(self.mill, diameter_mm=diameter_mm, name=f"t{diameter_mm}", **keys)

    def machine(self, name=ROUTER) -> Machine:
        return load_machine(name)

    def knife_machine(self) -> Machine:
        plotter = load_machine("pen-plotter-a3")
        return replace(plotter, head=replace(plotter.head, kind="knife"))

    def material(self, name="plywood-12") -> Material:
        return load_material(name)

    def stock(self, name="plywood-12", size_mm=500.0):
        return stock_of(load_material(name), size_mm, size_mm)

    def footprint(self, cuts: Sequence[Cut], radius_mm: float, below_mm: float = 0.0):
        """What a disc along all feed moves covers that go below a height, a shapely region."""
        lines = []
        for cut in cuts:
            begin = starts(cut.moves, cut.start)
            points, source = flatten_moves(cut.moves, cut.start, 0.001)
            first = np.searchsorted(source, np.arange(len(cut.moves)))
            last = np.searchsorted(source, np.arange(len(cut.moves)), side="right")
            deep = np.minimum(begin[:, 2], cut.moves["xyz"][:, 2]) < below_mm - 1e-6
            for i in np.flatnonzero(deep & (cut.moves["motion"] != RAPID)):
                xy = np.vstack((begin[i, :2], points[first[i] : last[i], :2]))
                lines.append(shapely.linestrings(xy))
        # One buffer of all lines: the union of single ones lost a hole in GEOS 3.14 where edges nearly met.
        return shapely.buffer(shapely.multilinestrings(lines), radius_mm, quad_segs=24)

    def region(self, path):
        return shapely.Polygon(path[0])

    def demand_gentle(self, cut: Cut, recipe: Recipe):
        """No move goes down faster than the plunge feed, and no rapid goes down at all."""
        begin = starts(cut.moves, cut.start)
        points, source = flatten_moves(cut.moves, cut.start, 0.01)
        before = np.vstack((cut.start, points[:-1]))
        flat = np.bincount(source, np.hypot(*(points - before)[:, :2].T), minlength=len(cut.moves))
        fall = begin[:, 2] - cut.moves["xyz"][:, 2]
        assert not np.any((cut.moves["motion"] == RAPID) & (fall > 1e-9))
        way = np.hypot(flat, fall)
        down = np.divide(cut.moves["feed"] * fall, way, out=np.zeros_like(fall), where=way > 0)
        # Arcs measured as chords are a hair short, so their descent seems a hair steeper.
        assert down.max(initial=0.0) <= recipe.plunge_mm_min * 1.001
        straight = (cut.moves["motion"] == FEED) & (flat < 1e-9)
        assert np.all(cut.moves["feed"][straight] <= recipe.plunge_mm_min)


@pytest.fixture(scope="session")
def bench() -> Bench:
    return Bench()
