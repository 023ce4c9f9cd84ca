"""Pocket: all that the tool reaches is cleared, walls and islands stay."""

from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from fabctl.errors import DesignError, RefusedError
from fabctl.operations.pocket import pocket
from fabctl.toolpath.cutter import Cutter
from fabctl.toolpath.moves import RAPID, starts
from fabctl.toolpath.removal import blank, remove

radii = st.lists(st.floats(8, 40), min_size=3, max_size=10)


def all_cuts(made):
    return [cut for group in made.groups for cut in group]


@settings(max_examples=30)
@example([20.0, 29.0, 8.0, 9.0, 27.0], 1.5, 0.75, True)  # the way between two rings led over the island
@example([3.0] * 5, 8.0, 0.5, False)  # too narrow for the tool
@given(radii, st.floats(1.5, 8), st.floats(0.15, 0.95), st.booleans())
def test_a_pocket_clears_what_the_tool_reaches_and_nothing_else(bench, r, diameter, share, island):
    path = bench.polar(r)
    hole = shapely.Polygon(path[0])
    paths = [path]
    if island:
        inner = bench.polar([min(r) / 6] * 5)
        hole = hole.difference(shapely.Polygon(inner[0]))
        paths.append(inner)
    recipe = replace(bench.recipe, stepover_mm=diameter * share)
    step = bench.step(*paths, kind="pocket", depth_mm=3.0, tool=bench.tool(diameter), recipe=recipe)
    try:
        made = pocket(step, bench.setup)
    except RefusedError:
        assert hole.buffer(-diameter / 2).is_empty
        return
    except DesignError:
        assume(not hole.is_valid or len(hole.interiors) != island)
        raise
    swept = bench.footprint(all_cuts(made), diameter / 2)
    assert swept.difference(hole.buffer(2 * bench.setup.tolerance_mm)).area == pytest.approx(0, abs=1e-9)
    reachable = hole.buffer(-diameter / 2 - 0.02).buffer(diameter / 2)
    missed = reachable.difference(swept).buffer(-0.02)
    assert missed.area == pytest.approx(0, abs=1e-9)


@given(radii, st.floats(0.2, 12))
def test_every_way_down_into_a_pocket_is_gentle_and_within_the_stepdown(bench, r, depth):
    step = bench.step(bench.polar(r), kind="pocket", depth_mm=depth)
    try:
        made = pocket(step, bench.setup)
    except RefusedError:
        return
    lowest = 0.0
    for cut in all_cuts(made):
        bench.demand_gentle(cut, step.recipe)
        floor = cut.moves["xyz"][:, 2].min()
        assert floor >= lowest - step.recipe.stepdown_mm - 1e-9
        lowest = min(lowest, floor)
    assert lowest == pytest.approx(-depth)


def test_no_move_takes_more_than_a_stepdown_off_real_material(bench):
    step = bench.step(bench.rectangle(10, 10, 50, 40), bench.circle(35, 30, 12), kind="pocket", depth_mm=7.0)
    left, cutter = blank(70, 60, 0.5), Cutter(6.0)
    for cut in all_cuts(pocket(step, bench.setup)):
        before = left
        left = remove(left, cut.moves, cut.start, cutter)
        assert (before.z_mm - left.z_mm).max() <= step.recipe.stepdown_mm + 1e-6
    x, y = left.centres()
    assert left.z_mm[np.abs(y - 30).argmin(), np.abs(x - 35).argmin()] == 0, "the island stands"
    assert left.z_mm.min() == -7
    assert np.sum(left.z_mm < -6.9) * 0.25 == pytest.approx(50 * 40 - np.pi * 36, rel=0.02)


def test_rings_of_one_level_follow_without_lifting_and_are_cut_inside_out(bench):
    step = bench.step(bench.rectangle(0, 0, 40, 40), kind="pocket", depth_mm=3.0)
    (cut,) = all_cuts(pocket(step, bench.setup))
    assert not np.any(cut.moves["motion"] == RAPID)
    away = np.abs(cut.moves["xyz"][:, :2] - 20).max(axis=1)
    assert away[-1] == pytest.approx(17, abs=0.02)
    assert away[0] < 5


def test_walls_and_islands_are_climbed(bench):
    step = bench.step(bench.rectangle(0, 0, 60, 60), bench.circle(30, 30, 20), kind="pocket", depth_mm=3.0)
    for cut in all_cuts(pocket(step, bench.setup)):
        begin = starts(cut.moves, cut.start)[:, :2] - 30
        end = cut.moves["xyz"][:, :2] - 30
        turn = begin[:, 0] * end[:, 1] - begin[:, 1] * end[:, 0]
        wall = np.abs(end).max(axis=1) > 26.9
        assert np.all(turn[wall & (np.abs(begin).max(axis=1) > 26.9)] > 0)
        island = np.hypot(*end.T) < 13.05
        around = turn[island & (np.hypot(*begin.T) < 13.05)]
        # the ends of a half circle lie opposite each other: it turns neither way
        assert np.all(around <= 0)
        assert np.any(around < 0) == (len(around) > 0)


@pytest.mark.parametrize(
    ("paths", "error", "message"),
    [
        ([([[0, 0], [9, 0], [9, 9]], None, False)], RefusedError, "p0 is open: it has no inside to clear"),
        (
            [([[0, 0], [30, 0], [30, 5], [0, 5]], None, True)],
            RefusedError,
            r"30\.00 × 5\.00 mm\) is too fine",
        ),
        ([([[0, 0], [9, 9], [9, 0], [0, 9]], None, True)], DesignError, "p0 crosses itself"),
    ],
)
def test_what_cannot_be_cleared_is_named(bench, paths, error, message):
    with pytest.raises(error, match=message) as caught:
        pocket(bench.step(*paths, kind="pocket"), bench.setup)
    assert caught.value.remedy
    assert caught.value.place


def test_a_neck_too_narrow_is_told(bench):
    body = shapely.union_all(
        [shapely.box(0, 0, 20, 20), shapely.box(40, 0, 60, 20), shapely.box(20, 8, 40, 12)]
    )
    path = (list(body.exterior.coords)[:-1], None, True)
    made = pocket(bench.step(path, kind="pocket", depth_mm=2.0), bench.setup)
    assert "p0 has a neck narrower than 6 mm" in made.notes[0]


def test_a_hole_that_touches_its_wall_does_not_confuse_the_names(bench):
    """A pocket pinched to two by an island that touches both walls."""
    body = bench.rectangle(0, 0, 60, 20)
    pinch = ([[30, 0], [35, 10], [30, 20], [25, 10]], None, True)
    made = pocket(bench.step(body, pinch, kind="pocket", depth_mm=2.0), bench.setup)
    assert {cut.ident for cut in all_cuts(made)} == {"p0"}
    swept = bench.footprint(all_cuts(made), 3.0)
    assert swept.intersection(shapely.Polygon(pinch[0]).buffer(-0.02)).area == pytest.approx(0, abs=1e-9)
