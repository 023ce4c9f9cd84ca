"""Passes: gentle on the way down, level at the end, never more than a stepdown at once."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabctl.geometry.curves import from_paths, lengths
from fabctl.operations.engrave import engrave
from fabctl.operations.passes import descent_of, spiral_down
from fabctl.toolpath.flatten import flatten_moves
from fabctl.toolpath.moves import FEED, RAPID, starts

radii = st.lists(st.floats(0.05, 60), min_size=3, max_size=10)
depths = st.floats(0.05, 25)


@st.composite
def recipes(draw):
    from fabctl.shop.recipe import Recipe

    feed = draw(st.floats(100, 6000))
    return Recipe(
        feed_mm_min=feed,
        plunge_mm_min=feed * draw(st.floats(0.05, 1)),
        stepdown_mm=draw(st.floats(0.1, 6)),
        stepover_mm=1.0,
        power=0.5,
        ramp_deg=draw(st.floats(0.5, 45)),
    )


def the_cut(step, setup):
    ((cut,),) = engrave(step, setup).groups
    return cut


def level_turn(cut):
    """Length at the floor after the last descent, mm."""
    points, _ = flatten_moves(cut.moves, cut.start, 0.001)
    floor = points[:, 2].min()
    last = int(np.flatnonzero(np.diff(np.append(cut.start[2], points[:, 2])) != 0)[-1])
    assert np.all(points[last:, 2] == floor)
    return float(np.hypot(*np.diff(points[last:, :2], axis=0).T).sum())


@given(radii, depths, recipes())
def test_a_spiral_only_descends_and_ends_with_a_level_turn(bench, r, depth, recipe):
    path = bench.polar(r)
    cut = the_cut(bench.step(path, kind="engrave", depth_mm=depth, recipe=recipe), bench.setup)
    z = np.append(0.0, cut.moves["xyz"][:, 2])
    assert np.all(np.diff(z) <= 1e-12)
    assert z[-1] == pytest.approx(-depth, abs=1e-9)
    around = float(lengths(from_paths([path]))[0])
    assert level_turn(cut) == pytest.approx(around, rel=0.01, abs=0.05)
    bench.demand_gentle(cut, recipe)


@given(radii, depths, recipes())
def test_no_turn_takes_more_than_a_stepdown(bench, r, depth, recipe):
    points = np.array(bench.polar(r)[0])
    moves = spiral_down(points, np.zeros(len(points)), 0.0, -depth, recipe)
    begin = starts(moves, np.array([*points[0], 0.0]))
    level = np.full(len(points), 0.0)
    to = np.roll(points, -1, axis=0)
    for move, here in zip(moves, begin, strict=True):
        at = np.flatnonzero(np.all(np.isclose(to, move["xyz"][:2], atol=1e-9), axis=1))[0]
        if np.allclose(here[:2], move["xyz"][:2], atol=1e-9):
            continue
        assert level[at] - move["xyz"][2] <= recipe.stepdown_mm + 1e-9
        level[at] = move["xyz"][2]
    assert level == pytest.approx(-depth)


@given(st.floats(0, 1000), depths, recipes())
def test_the_number_of_turns_stays_bounded_however_short_the_loop(length, depth, recipe):
    turns, ramps = descent_of(length, depth, recipe)
    assert turns <= 1 + 10.01 * depth / min(recipe.stepdown_mm, depth)
    if ramps:
        assert depth / turns <= length * np.tan(np.radians(recipe.ramp_deg)) + 1e-9


def test_a_blade_that_cannot_ramp_is_set_down_for_each_pass(bench):
    recipe = replace(bench.recipe, ramp_deg=0.0, stepdown_mm=0.4)
    cut = the_cut(bench.step(bench.rectangle(0, 0, 50, 50), depth_mm=0.8, recipe=recipe), bench.setup)
    z = cut.moves["xyz"][:, 2]
    assert np.unique(z).tolist() == [-0.8, -0.4]
    assert len(cut.moves) == 10


def test_an_engraved_speck_takes_a_few_moves(bench):
    cut = the_cut(bench.step(bench.circle(0, 0, 0.5), kind="engrave", depth_mm=0.5), bench.setup)
    assert len(cut.moves) <= 12
    bench.demand_gentle(cut, bench.recipe)


@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=2, max_size=9, unique=True), depths
)
def test_an_open_path_goes_to_and_fro_within_the_stepdown(bench, points, depth):
    step = bench.step(bench.line(*points), kind="engrave", depth_mm=depth)
    cut = the_cut(step, bench.setup)
    z = np.unique(np.append(cut.moves["xyz"][:, 2], 0.0))
    assert np.diff(z).max() <= step.recipe.stepdown_mm + 1e-9
    assert z[0] == pytest.approx(-depth)
    sideways = np.any(starts(cut.moves, cut.start)[:, :2] != cut.moves["xyz"][:, :2], axis=1)
    falling = starts(cut.moves, cut.start)[:, 2] != cut.moves["xyz"][:, 2]
    assert not np.any(sideways & falling), "no ramp: down at the ends, level between"
    bench.demand_gentle(cut, step.recipe)


@pytest.mark.parametrize("closed", [True, False])
def test_a_beam_goes_round_as_often_as_its_recipe_says(bench, closed):
    points = [[0.0, 0], [10, 0], [10, 10]]
    recipe = replace(bench.recipe, passes=3, power=0.7)
    step = bench.step((points, None, closed), kind="engrave", depth_mm=0.0, recipe=recipe)
    cut = the_cut(step, bench.setup)
    assert len(cut.moves) == 3 * (3 if closed else 2)
    assert np.all(cut.moves["motion"] == FEED)
    assert np.all(cut.moves["power"] == 0.7)
    assert np.all(cut.moves["xyz"][:, 2] == 0)
    assert not np.any(cut.moves["motion"] == RAPID)


def test_a_pen_writes_at_its_own_height(bench):
    step = bench.step(bench.circle(20, 20, 10), kind="engrave", depth_mm=0.0, level_mm=-0.5)
    cut = the_cut(step, bench.setup)
    assert cut.start[2] == -0.5
    assert np.all(cut.moves["xyz"][:, 2] == -0.5)
