"""Drill: circles of the tool's size, pecked."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabctl.errors import RefusedError
from fabctl.operations.drill import circles, drill
from fabctl.shop.tool import load_tool
from fabctl.toolpath.moves import RAPID


@given(st.floats(-50, 50), st.floats(-50, 50), st.floats(0.3, 40), st.integers(24, 90), st.booleans())
def test_a_circle_is_one_as_arcs_and_as_a_fine_polygon(bench, x, y, diameter, corners, arcs):
    path = bench.circle(x, y, diameter) if arcs else bench.polar([diameter / 2] * corners, x, y)
    sagitta = diameter / 2 * (1 - np.cos(np.pi / corners))
    centre, found = circles(bench.curves(path))
    if arcs or sagitta < 0.015:
        assert centre[0] == pytest.approx([x, y], abs=0.01)
        assert found[0] == pytest.approx(diameter, abs=0.03)


@pytest.mark.parametrize("kind", ["square", "ellipse", "open", "arc pair"])
def test_what_is_no_circle_is_none(bench, kind):
    t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    path = {
        "square": bench.rectangle(0, 0, 6, 6),
        "ellipse": (np.column_stack((3 * np.cos(t), 2.9 * np.sin(t))), None, True),
        "open": ([[3, 0], [-3, 0], [3, 0]], [1, 1, 0], False),
        "arc pair": ([[3, 0], [-3, 0]], [0.8, 1.0], True),
    }[kind]
    assert np.isnan(circles(bench.curves(path))[1][0])


@given(st.floats(0.1, 20), st.floats(0.2, 6))
def test_pecks_go_a_stepdown_at_a_time_and_lift_between(bench, depth, stepdown):
    recipe = replace(bench.recipe, stepdown_mm=stepdown)
    step = bench.step(bench.circle(7, 8, 6), kind="drill", depth_mm=depth, recipe=recipe)
    ((cut,),) = drill(step, bench.setup).groups
    bench.demand_gentle(cut, recipe)
    z = cut.moves["xyz"][:, 2]
    deepest = np.minimum.accumulate(np.append(0.0, z))
    assert np.diff(deepest).min() >= -stepdown - 1e-9
    assert z[-1] == pytest.approx(-depth)
    assert np.all(z[cut.moves["motion"] == RAPID] == 0)
    assert np.all(cut.moves["xyz"][:, :2] == [7, 8])


@pytest.mark.parametrize(
    ("path", "message"),
    [("rectangle", "p0 is no circle"), ("circle", r"p0 has a diameter of 8\.00 mm; .* drills holes of 6 mm")],
)
def test_what_the_tool_cannot_drill_is_named(bench, path, message):
    shape = bench.rectangle(0, 0, 6, 6) if path == "rectangle" else bench.circle(0, 0, 8)
    with pytest.raises(RefusedError, match=message) as caught:
        drill(bench.step(shape, kind="drill"), bench.setup)
    assert "inside" in caught.value.remedy


def test_a_twist_drill_says_what_its_point_leaves(bench):
    step = bench.step(bench.circle(0, 0, 3), kind="drill", tool=load_tool("drill-3"))
    (note,) = drill(step, bench.setup).notes
    assert "0.90 mm long: the last 0.60 mm" in note
    assert not drill(replace(step, depth_mm=5.0), bench.setup).notes
