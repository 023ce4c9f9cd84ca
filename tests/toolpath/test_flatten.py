"""Arcs and helices as chords."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabctl.errors import InputError
from fabctl.toolpath.flatten import flatten_moves
from fabctl.toolpath.moves import ARC_CCW, ARC_CW, CHUNK_MOVES, FEED, MOVE, RAPID, lengths


def rows(*moves):
    return np.array(list(moves), MOVE)


@given(st.floats(0.05, 200), st.floats(0.01, 6.2), st.booleans(), st.floats(1e-3, 0.1))
def test_chords_stay_within_the_tolerance(radius, angle, ccw, tolerance):
    turn = angle if ccw else -angle
    end = (radius * np.cos(turn), radius * np.sin(turn), 2.0)
    moves = rows((ARC_CCW if ccw else ARC_CW, end, (-radius, 0), 100, 0))
    start = np.array([radius, 0, 0])
    points, source = flatten_moves(moves, start, tolerance)
    polyline = np.vstack((start, points))
    assert np.allclose(np.hypot(*polyline[:, :2].T), radius)
    middles = (polyline[1:] + polyline[:-1]) / 2
    assert np.all(radius - np.hypot(*middles[:, :2].T) <= tolerance * (1 + 1e-6))
    assert np.all(source == 0)
    assert points[-1] == pytest.approx(end)
    assert np.allclose(np.diff(polyline[:, 2]), 2.0 / len(points))


def test_lines_keep_their_rows_and_every_piece_knows_its_move():
    moves = rows(
        (RAPID, (0, 0, 5), (0, 0), 0, 0),
        (ARC_CW, (0, 0, 5), (5, 0), 100, 0),
        (FEED, (3, 0, 5), (0, 0), 100, 0),
    )
    points, source = flatten_moves(moves, np.zeros(3), 0.01)
    assert np.all(np.diff(source) >= 0)
    assert np.bincount(source).tolist()[::2] == [1, 1]
    ends = points[np.append(source[1:] != source[:-1], True)]
    assert np.array_equal(ends, moves["xyz"])
    way = np.linalg.norm(np.diff(np.vstack((np.zeros(3), points)), axis=0), axis=1).sum()
    assert way == pytest.approx(lengths(moves, np.zeros(3)).sum(), rel=1e-3)


def test_no_tolerance_is_refused_and_no_move_gives_no_piece():
    assert len(flatten_moves(np.zeros(0, MOVE), np.zeros(3), 0.01)[0]) == 0
    with pytest.raises(InputError, match="tolerance"):
        flatten_moves(np.zeros(0, MOVE), np.zeros(3), 0.0)


def test_where_a_long_way_is_cut_leaves_no_trace():
    """Law: a way in two parts has the pieces of the whole, wherever it is parted."""
    count = 2 * CHUNK_MOVES + 100
    rng = np.random.default_rng(5)
    moves = np.zeros(count, MOVE)
    moves["motion"] = rng.choice([FEED, ARC_CW, ARC_CCW], count)
    moves["xyz"], moves["ij"] = rng.normal(0, 5, (count, 3)), rng.normal(0, 2, (count, 2))
    points, source = flatten_moves(moves, np.zeros(3), 0.05)
    for at in (1, CHUNK_MOVES // 2, CHUNK_MOVES, CHUNK_MOVES + 1, count - 1):
        first, first_source = flatten_moves(moves[:at], np.zeros(3), 0.05)
        rest, rest_source = flatten_moves(moves[at:], moves["xyz"][at - 1], 0.05)
        assert np.array_equal(np.concatenate((first, rest)), points)
        assert np.array_equal(np.concatenate((first_source, rest_source + at)), source)
