"""What a picture shows: runs, rapids, holes and extents, in mm."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabctl.geometry.curves import from_paths
from fabctl.preview.scene import RAPID_COLOUR, Scene, Stroke, scene_of_moves
from fabctl.toolpath.moves import ARC_CW, DWELL, FEED, MOVE, RAPID, Moves

ORIGIN = np.zeros(3)


def path(*described: tuple[int, float, float, float]) -> Moves:
    moves = np.zeros(len(described), MOVE)
    for move, (motion, *xyz) in zip(moves, described, strict=True):
        move["motion"], move["xyz"] = motion, xyz
    return moves


def polylines(stroke: Stroke) -> list[list[list[float]]]:
    bounds = zip(stroke.offsets[:-1], stroke.offsets[1:], strict=True)
    return [stroke.points[first:last].tolist() for first, last in bounds]


def strokes(scene: Scene) -> dict[str, Stroke]:
    return {stroke.name: stroke for stroke in scene.strokes}


SQUARE = path(
    (RAPID, 10, 10, 5),
    (FEED, 10, 10, -1),
    (FEED, 30, 10, -1),
    (DWELL, 30, 10, -1),
    (FEED, 30, 40, -1),
    (RAPID, 30, 40, 5),
    (RAPID, 50, 40, 5),
    (FEED, 50, 40, -1),
    (FEED, 60, 40, -1),
)


def test_cuts_that_follow_each_other_are_one_polyline_and_plunges_leave_no_mark() -> None:
    shown = strokes(scene_of_moves("a", SQUARE, ORIGIN))
    assert polylines(shown["cut"]) == [[[10, 10], [30, 10], [30, 40]], [[50, 40], [60, 40]]]


def test_rapids_are_dashed_and_in_their_own_colour() -> None:
    rapid = strokes(scene_of_moves("a", SQUARE, ORIGIN))["rapid"]
    assert polylines(rapid) == [[[0, 0], [10, 10]], [[30, 40], [50, 40]]]
    assert rapid.dashed
    assert rapid.colour == RAPID_COLOUR


def test_extents_of_what_is_cut_leave_rapids_and_stock_out() -> None:
    scene = scene_of_moves("a", SQUARE, np.array([-5.0, 0, 0]), stock=(0, 0, 100, 80))
    assert scene.drawn() == (10, 10, 60, 40)
    assert scene.box() == (-5, 0, 100, 80)
    assert scene.start == (-5, 0)


def test_nothing_to_cut_has_no_extents() -> None:
    scene = scene_of_moves("a", SQUARE[:1], ORIGIN)
    assert scene.drawn() is None
    assert Scene("empty", []).box() == (0, 0, 1, 1)
    assert strokes(scene_of_moves("a", SQUARE[:0], ORIGIN)) == {}


def test_operations_have_each_their_stroke_colour_and_width() -> None:
    operation = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1])
    scene = scene_of_moves(
        "a", SQUARE, ORIGIN, operation=operation, operations=("inside", "outside"), widths_mm=(3, 6)
    )
    shown = strokes(scene)
    assert list(shown) == ["rapid", "inside", "outside"]
    assert polylines(shown["outside"]) == [[[50, 40], [60, 40]]]
    assert (shown["inside"].width_mm, shown["outside"].width_mm) == (3, 6)
    assert shown["inside"].colour != shown["outside"].colour


def test_a_hole_is_a_ring_around_the_place_where_the_tool_goes_down_and_up() -> None:
    drilled = path((RAPID, 20, 20, 5), (FEED, 20, 20, -3), (RAPID, 20, 20, 5), (RAPID, 0, 0, 5))
    (ring,) = polylines(strokes(scene_of_moves("a", drilled, ORIGIN, widths_mm=(4,)))["cut"])
    points = np.array(ring)
    assert np.allclose(np.hypot(*(points - 20).T), 1)  # drawn 4 mm wide, half the tool's radius is its middle
    assert ring[0] == pytest.approx(ring[-1])


def test_a_plunge_that_goes_on_to_cut_is_no_hole() -> None:
    assert len(polylines(strokes(scene_of_moves("a", SQUARE, ORIGIN))["cut"])) == 2


def test_a_hole_pecked_thrice_is_one_ring() -> None:
    pecks = [(FEED, 5, 5, -1), (RAPID, 5, 5, 1), (FEED, 5, 5, -2), (RAPID, 5, 5, 1), (FEED, 5, 5, -3)]
    drilled = path((RAPID, 5, 5, 1), *pecks, (RAPID, 5, 5, 5))
    assert len(polylines(strokes(scene_of_moves("a", drilled, ORIGIN))["cut"])) == 1


def test_an_arc_is_drawn_within_the_tolerance() -> None:
    moves = path((ARC_CW, 20, 0, 0))
    moves["ij"] = (10, 0)
    (arc,) = polylines(strokes(scene_of_moves("a", moves, ORIGIN, tolerance_mm=0.1))["cut"])
    points = np.array(arc)
    assert np.allclose(np.hypot(*(points - (10, 0)).T), 10)
    middles = (points[1:] + points[:-1]) / 2
    assert 9.9 <= np.hypot(*(middles - (10, 0)).T).min() < 9.96
    assert points[:, 1].max() > 9.9  # clockwise from the left goes over the top


def test_parts_lie_below_the_toolpath_and_close() -> None:
    ring = from_paths([(np.array([[0.0, 0], [4, 0], [4, 4]]), None, True)])
    scene = scene_of_moves("a", SQUARE, ORIGIN, parts=ring)
    assert scene.strokes[0].name == "parts"
    assert polylines(scene.strokes[0]) == [[[0, 0], [4, 0], [4, 4], [0, 0]]]


@given(st.lists(st.tuples(st.sampled_from([RAPID, FEED, DWELL]), *[st.integers(-4, 4)] * 2), max_size=30))
def test_what_is_drawn_is_as_long_as_what_is_travelled(steps: list[tuple[int, int, int]]) -> None:
    """Law: each stretch across appears once, as a cut or as a rapid."""
    x = y = 0
    described = []
    for motion, *to in steps:
        x, y = (x, y) if motion == DWELL else to
        described.append((motion, x, y, 0))
    moves = path(*described)
    begin = np.vstack((ORIGIN, moves["xyz"]))[: len(moves)]
    shown = strokes(scene_of_moves("a", moves, ORIGIN))
    for name, wanted in (("rapid", RAPID), ("cut", FEED)):
        lines = polylines(shown[name]) if name in shown else []
        drawn = sum(np.hypot(*np.diff(line, axis=0).T).sum() for line in lines)
        chosen = moves["motion"] == wanted
        assert drawn == pytest.approx(np.hypot(*(moves["xyz"] - begin)[chosen, :2].T).sum())


def test_a_drilled_hole_is_drawn_as_wide_as_the_tool() -> None:
    moves = np.zeros(3, MOVE)
    moves["motion"] = [RAPID, FEED, RAPID]
    moves["xyz"] = [(10, 20, 5), (10, 20, -3), (10, 20, 5)]
    scene = scene_of_moves("hole", moves, np.array([10.0, 20.0, 5.0]), operations=["drill"], widths_mm=[6.0])
    (disc,) = scene.strokes
    reach = np.hypot(*(disc.points - (10, 20)).T) + disc.width_mm / 2
    assert reach == pytest.approx(np.full(len(reach), 3.0))
