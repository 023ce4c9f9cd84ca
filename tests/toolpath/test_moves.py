"""What the rows of a MOVE array say of ways and angles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabctl.toolpath.moves import ARC_CCW, ARC_CW, DWELL, FEED, MOVE, RAPID, Moves, arc_rows, lengths, sweeps

ORIGIN = np.zeros(3)


def rows(*described: tuple[int, tuple[float, float, float], tuple[float, float]]) -> Moves:
    moves = np.zeros(len(described), MOVE)
    for move, (motion, xyz, ij) in zip(moves, described, strict=True):
        move["motion"], move["xyz"], move["ij"] = motion, xyz, ij
    return moves


def test_lines_turn_through_nothing_whatever_their_centre_columns_hold() -> None:
    moves = rows((FEED, (3, 4, 0), (1, 1)), (RAPID, (0, 0, 0), (2, 0)), (DWELL, (0, 0, 0), (0.5, 0)))
    assert sweeps(moves, ORIGIN).tolist() == [0, 0, 0]
    assert lengths(moves, ORIGIN).tolist() == [5, 5, 0]
    assert len(arc_rows(moves)) == 0


@pytest.mark.parametrize(
    ("motion", "end", "centre", "turn"),
    [
        (ARC_CCW, (2, 0, 0), (1, 0), np.pi),
        (ARC_CW, (2, 0, 0), (1, 0), -np.pi),
        (ARC_CCW, (1, 1, 0), (0, 1), np.pi / 2),
        (ARC_CW, (1, 1, 0), (0, 1), -3 * np.pi / 2),
        (ARC_CCW, (0, 0, 0), (1, 0), 2 * np.pi),
        (ARC_CW, (0, 0, -1), (1, 0), -2 * np.pi),
    ],
)
def test_arcs_turn_the_way_they_are_named(
    motion: int, end: tuple[float, float, float], centre: tuple[float, float], turn: float
) -> None:
    for before in ((), ((FEED, (0, 0, 0), (0, 0)),)):
        moves = rows(*before, (motion, end, centre))
        assert sweeps(moves, ORIGIN)[-1] == pytest.approx(turn)


def test_a_first_arc_begins_at_the_start() -> None:
    moves = rows((ARC_CCW, (7, 5, 1), (1, 0)))
    assert sweeps(moves, np.array([5.0, 5.0, 1.0]))[0] == pytest.approx(np.pi)


def test_a_helix_is_as_long_as_its_unrolled_triangle() -> None:
    moves = rows((ARC_CW, (0, 0, -3), (2, 0)))
    assert lengths(moves, ORIGIN)[0] == pytest.approx(np.hypot(4 * np.pi, 3))


@given(st.lists(st.sampled_from([RAPID, FEED, ARC_CW, ARC_CCW, DWELL]), max_size=12), st.integers(0, 2**32))
def test_a_move_is_as_long_alone_as_among_others(motions: list[int], seed: int) -> None:
    """Law: lengths of a path are those of its moves one by one."""
    rng = np.random.default_rng(seed)
    moves = np.zeros(len(motions), MOVE)
    moves["motion"] = motions
    moves["xyz"], moves["ij"] = rng.integers(-3, 4, (len(moves), 3)), rng.integers(-3, 4, (len(moves), 2))
    begins = [ORIGIN, *moves["xyz"]]
    alone = [lengths(moves[i : i + 1], begins[i])[0] for i in range(len(moves))]
    turns = [sweeps(moves[i : i + 1], begins[i])[0] for i in range(len(moves))]
    assert lengths(moves, ORIGIN).tolist() == alone
    assert sweeps(moves, ORIGIN).tolist() == turns
