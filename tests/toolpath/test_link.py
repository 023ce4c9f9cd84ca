"""Links between cuts are safe and lose nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabctl.errors import InputError, RefusedError
from fabctl.toolpath.link import TOUCH_MM, concatenate, link_level, link_paths
from fabctl.toolpath.moves import FEED, MOVE, RAPID, Toolpath, starts


def cut(*places, power=0.5):
    return np.array([(FEED, p, (0, 0), 600, power) for p in places], MOVE)


PLACE = st.tuples(st.floats(-50, 50), st.floats(-50, 50), st.floats(-6, 3))
PATHS = st.lists(st.lists(PLACE, min_size=2, max_size=5), max_size=8)


@given(PATHS, st.tuples(st.floats(-50, 50), st.floats(-50, 50), st.floats(-6, 9)))
def test_no_rapid_goes_below_the_stock_or_sideways_below_clearance(paths, start):
    moves, _ = link_paths(
        [cut(*p[1:]) for p in paths],
        [p[0] for p in paths],
        clearance_mm=5,
        plunge_mm_min=200,
        start=start,
    )
    begin = starts(moves, np.array(start))
    rapid = moves["motion"] == RAPID
    sideways = np.hypot(*(moves["xyz"] - begin)[:, :2].T) > TOUCH_MM
    assert np.all(moves["xyz"][rapid & sideways][:, 2] >= 5)
    assert np.all(begin[rapid & sideways][:, 2] >= 5)
    downward = rapid & (moves["xyz"][:, 2] < begin[:, 2])
    assert np.all(moves["xyz"][downward][:, 2] >= 1)
    assert not np.any(downward & sideways)


@given(PATHS)
def test_every_path_is_made_whole_in_order_from_its_begin(paths):
    cuts = [cut(*p[1:]) for p in paths]
    moves, path = link_paths(cuts, [p[0] for p in paths], clearance_mm=5, plunge_mm_min=200, retract=False)
    assert np.all(np.diff(path) >= 0)
    begin = starts(moves, np.zeros(3))
    for i, made in enumerate(cuts):
        rows = np.flatnonzero(path == i)[-len(made) :]
        assert np.array_equal(moves[rows], made)
        assert begin[rows[0]] == pytest.approx(paths[i][0], abs=1e-6)


def test_a_link_is_retract_over_down_plunge():
    moves, path = link_paths(
        [cut((10, 0, -2)), cut((30, 0, -2))],
        [(0, 0, -2), (20, 0, -2)],
        clearance_mm=5,
        plunge_mm_min=150,
        start=(0, 0, 5),
    )
    assert moves["motion"].tolist() == [RAPID, FEED, FEED, RAPID, RAPID, RAPID, FEED, FEED, RAPID]
    assert moves["xyz"][:, 2].tolist() == [1, -2, -2, 5, 5, 1, -2, -2, 5]
    assert moves["xyz"][:, 0].tolist() == [0, 0, 10, 10, 20, 20, 20, 30, 30]
    assert moves["feed"].tolist() == [0, 150, 600, 0, 0, 0, 150, 600, 0]
    assert path.tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 1]
    assert np.all(moves["power"] == 0.5)


def test_paths_that_meet_need_no_link():
    moves, path = link_paths(
        [cut((10, 0, -2)), cut((10, 9, -2))],
        [(0, 0, -2), (10, 0, -2)],
        clearance_mm=5,
        plunge_mm_min=150,
        start=(0, 0, -2),
        retract=False,
    )
    assert moves["xyz"].tolist() == [[10, 0, -2], [10, 9, -2]]
    assert path.tolist() == [0, 1]


def test_a_beam_travels_level_and_dark():
    moves, path = link_level([cut((10, 0, 0)), cut((30, 5, 0))], [(0, 0, 0), (20, 5, 0)])
    assert moves["motion"].tolist() == [FEED, RAPID, FEED]
    assert moves["power"].tolist() == [0.5, 0, 0.5]
    assert path.tolist() == [0, 1, 1]


def test_a_low_clearance_is_refused_and_bad_places_are_named():
    with pytest.raises(RefusedError, match="clearance"):
        link_paths([cut((1, 0, 0))], [(0, 0, 0)], clearance_mm=0.5, plunge_mm_min=100)
    with pytest.raises(InputError, match="begins"):
        link_paths([cut((1, 0, 0))], [], clearance_mm=5, plunge_mm_min=100)
    with pytest.raises(InputError, match="finite"):
        link_level([cut((np.nan, 0, 0))], [(0, 0, 0)])


def test_toolpaths_are_put_together_only_where_they_meet():
    def toolpath(start, end, name):
        return Toolpath(cut(end), np.array(start, float), np.zeros(1, np.int64), [name], ["t"])

    both = concatenate([toolpath((0, 0, 0), (5, 0, 0), "a"), toolpath((5, 0, 0), (9, 0, 0), "b")])
    assert both.operation.tolist() == [0, 1]
    assert list(both.operations) == ["a", "b"]
    with pytest.raises(RefusedError, match=r"4\.000 mm"):
        concatenate([toolpath((0, 0, 0), (5, 0, 0), "a"), toolpath((9, 0, 0), (9, 9, 0), "b")])
    assert len(concatenate([]).moves) == 0
