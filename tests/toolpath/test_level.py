"""Toolpaths laid onto a probed surface."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabctl.errors import InputError, RefusedError
from fabctl.toolpath.flatten import flatten_moves
from fabctl.toolpath.level import Surface, warp
from fabctl.toolpath.moves import ARC_CCW, ARC_CW, DWELL, FEED, MOVE, RAPID, starts, sweeps

CLEARANCE = 5.0
SIDE = 60.0
FINE_MM = 1e-4


def rows(*moves):
    return np.array(list(moves), MOVE)


def flat(height=0.0):
    return Surface((0, 0), (20, 20), np.full((4, 4), height))


def plane(gx, gy, height):
    x, y = np.meshgrid(np.arange(0, 61, 15.0), np.arange(0, 61, 15.0))
    return Surface((0, 0), (15, 15), gx * x + gy * y + height)


def bowed(seed, roughness=0.3, nodes=5):
    heights = np.random.default_rng(seed).uniform(-roughness, roughness, (nodes, nodes))
    return Surface((0, 0), (SIDE / (nodes - 1),) * 2, heights)


def job(seed, count=30):
    """Rapids, cuts up and down, arcs both ways, helices, full circles and dwells, all on the grid."""
    rng = np.random.default_rng(seed)
    made, at = [(RAPID, (30.0, 30.0, CLEARANCE), (0, 0), 0, 0)], np.array([30.0, 30.0, CLEARANCE])
    for _ in range(count):
        kind = rng.choice(["line", "arc", "rapid", "low", "dwell", "plunge"])
        xy, z = rng.uniform(5, 55, 2), rng.uniform(-3, 2)
        if kind == "dwell":
            made.append((DWELL, at, (0.5, 0), 0, 0))
            continue
        if kind == "arc":
            radius, turn = rng.uniform(0.02, 4), rng.uniform(0.05, 2 * np.pi)
            heading = rng.uniform(0, 2 * np.pi)
            arm = radius * np.array([np.cos(heading), np.sin(heading)])
            turn = 2 * np.pi if rng.random() < 0.2 else turn
            sense = rng.choice([-1, 1])
            c, s = np.cos(sense * turn), np.sin(sense * turn)
            end = at[:2] + arm - np.array([c * arm[0] - s * arm[1], s * arm[0] + c * arm[1]])
            if turn == 2 * np.pi:
                end = at[:2].copy()
            if np.any(np.abs(at[:2] + arm - 30) > 30 - radius):
                continue
            made.append((ARC_CCW if sense > 0 else ARC_CW, (*end, z), arm, 300, 1))
        elif kind == "line":
            made.append((FEED, (*xy, z), (0, 0), 600, 1))
        elif kind == "plunge":
            made.append((FEED, (*at[:2], z), (0, 0), 100, 1))
        else:
            made.append((RAPID, (*xy, CLEARANCE if kind == "rapid" else rng.uniform(0.5, 4)), (0, 0), 0, 0))
        at = np.array(made[-1][1])
    return rows(*made)


def dense(begin, move, start_xy, count=400):
    """Points of one move as a controller makes it."""
    u = np.linspace(0, 1, count)[:, None]
    points = begin + (move["xyz"] - begin) * u
    if move["motion"] in (ARC_CW, ARC_CCW):
        pair = rows((RAPID, begin, (0, 0), 0, 0), (0, begin, (0, 0), 0, 0))
        pair[1] = move
        turn = sweeps(pair, begin)[1] * u[:, 0]
        arm = -move["ij"]
        centre = begin[:2] - arm
        c, s = np.cos(turn), np.sin(turn)
        points[:, :2] = centre + np.column_stack((c * arm[0] - s * arm[1], s * arm[0] + c * arm[1]))
    return points


def from_polyline(points, line):
    """Distance of each point from a polyline."""
    a, d = line[:-1], np.diff(line, axis=0)
    square = np.maximum(np.einsum("ij,ij->i", d, d), 1e-300)
    to = points[:, None] - a
    share = np.clip(np.einsum("ijk,jk->ij", to, d) / square, 0, 1)
    return np.linalg.norm(to - share[..., None] * d, axis=2).min(axis=1)


def ways(moves, start, out, surface):
    """Of each cut: where it should go and where it goes."""
    begin, made_begin = starts(moves, start), starts(out.moves, out.start)
    for row in np.flatnonzero(~np.isin(moves["motion"], (RAPID, DWELL))):
        ideal = dense(begin[row], moves[row], begin[row])
        ideal[:, 2] += surface.at(ideal[:, :2])
        pieces = np.flatnonzero(out.source == row)
        count = max(400 // len(pieces), 12)
        true = np.concatenate([dense(made_begin[k], out.moves[k], made_begin[k], count) for k in pieces])
        yield ideal, true


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from([0.003, 0.01, 0.1]))
def test_a_cut_keeps_to_the_surface_within_the_tolerance_everywhere(seed, tolerance):
    """Law: no point of a warped cut is off the ideal way, nor the other way round."""
    moves, surface = job(seed, 12), bowed(seed)
    out = warp(moves, np.zeros(3), surface, tolerance, clearance_mm=CLEARANCE)
    for ideal, true in ways(moves, np.zeros(3), out, surface):
        assert from_polyline(ideal, true).max() <= tolerance + FINE_MM
        assert from_polyline(true, ideal).max() <= tolerance + FINE_MM


@settings(max_examples=40)
@given(st.integers(0, 10**6))
def test_no_rapid_comes_nearer_to_the_surface_than_it_was(seed):
    """Law: at each point of a warped rapid its height above the surface is at least the old one there."""
    moves, surface = job(seed), bowed(seed, roughness=1.0)
    out = warp(moves, np.zeros(3), surface, 0.01, clearance_mm=CLEARANCE)
    begin, made_begin = starts(moves, np.zeros(3)), starts(out.moves, out.start)
    for k in np.flatnonzero(out.moves["motion"] == RAPID)[1:]:
        row = out.source[k]
        true = dense(made_begin[k], out.moves[k], made_begin[k])
        way = moves["xyz"][row, :2] - begin[row, :2]
        square = float(way @ way)
        share = (true[:, :2] - begin[row, :2]) @ way / square if square else np.ones(len(true))
        was = begin[row, 2] + (moves["xyz"][row, 2] - begin[row, 2]) * share
        if not square:
            was = np.minimum(true[:, 2] - surface.at(true[:, :2]), moves["xyz"][row, 2])
            was = np.maximum(was, min(begin[row, 2], moves["xyz"][row, 2]))
        assert np.all(true[:, 2] - surface.at(true[:, :2]) >= was - 1e-6)


@given(st.integers(0, 10**6))
def test_a_flat_map_at_zero_changes_nothing(seed):
    """Law: identity."""
    moves = job(seed)
    out = warp(moves, np.zeros(3), flat(), 0.01, clearance_mm=CLEARANCE)
    assert np.array_equal(out.moves, moves)
    assert np.array_equal(out.source, np.arange(len(moves)))
    assert out.rise_mm == 0


@given(st.integers(0, 10**6), st.floats(-0.01, 0.01), st.floats(-0.01, 0.01), st.floats(-1, 1))
def test_a_plane_tilts_cuts_exactly(seed, gx, gy, height):
    """Law: over a plane every end of a cut lies on the tilted plane, and no line is split."""
    moves, surface = job(seed), plane(gx, gy, height)
    out = warp(moves, np.zeros(3), surface, 0.01, clearance_mm=CLEARANCE)
    for row in np.flatnonzero(moves["motion"] == FEED):
        (k,) = np.flatnonzero(out.source == row)
        x, y, z = moves["xyz"][row]
        assert out.moves["xyz"][k] == pytest.approx((x, y, z + gx * x + gy * y + height), abs=1e-9)


def test_arcs_on_a_plane_that_is_nearly_level_stay_whole_arcs():
    moves = rows((RAPID, (20, 20, 5), (0, 0), 0, 0), (ARC_CW, (20, 20, -1), (10, 0), 300, 1))
    out = warp(moves, np.zeros(3), plane(0.0003, 0, 0), 0.01, clearance_mm=CLEARANCE)
    assert out.moves["motion"].tolist()[-1:] == [ARC_CW]
    assert np.count_nonzero(out.source == 1) == 1
    steep = warp(moves, np.zeros(3), plane(0.01, 0, 0), 0.01, clearance_mm=CLEARANCE)
    pieces = steep.moves[steep.source == 1]
    assert 3 < len(pieces) < 40
    assert set(pieces["motion"].tolist()) == {ARC_CW}


def test_pieces_are_as_few_as_the_surface_allows():
    """A saddle over one cell needs √(bend / 8·tolerance) pieces; cells that go on level need no more."""
    heights = np.zeros((4, 4))
    heights[1, 1] = 0.2
    surface = Surface((0, 0), (20, 20), heights)
    moves = rows((FEED, (60, 60, 0), (0, 0), 300, 0), (FEED, (0, 60, 0), (0, 0), 300, 0))
    out = warp(moves, np.zeros(3), surface, 0.01, clearance_mm=CLEARANCE)
    assert 4 < np.count_nonzero(out.source == 0) < 12
    assert np.count_nonzero(out.source == 1) == 1


def test_feed_power_and_the_order_of_moves_are_kept():
    moves = job(7)
    out = warp(moves, np.zeros(3), bowed(3), 0.01, clearance_mm=CLEARANCE)
    assert np.all(np.diff(out.source) >= 0)
    assert set(out.source.tolist()) == set(range(len(moves)))
    for name in ("feed", "power"):
        assert np.array_equal(out.moves[name], moves[name][out.source])
    ends = np.append(np.diff(out.source) > 0, True)
    assert np.array_equal(out.moves["xyz"][ends, :2], moves["xyz"][:, :2])


def test_rapids_at_the_clearance_height_rise_together_and_stay_single():
    surface = bowed(5)
    moves = rows(
        (RAPID, (10, 10, 5), (0, 0), 0, 0),
        (RAPID, (50, 50, 5), (0, 0), 0, 0),
        (RAPID, (300, 300, 5), (0, 0), 0, 0),
    )
    out = warp(moves, np.zeros(3), surface, 0.01, clearance_mm=5.0)
    assert len(out.moves) == 3
    assert np.allclose(out.moves["xyz"][:, 2], 5 + surface.heights_mm.max())


def test_a_low_rapid_over_a_hill_goes_up_across_and_down():
    heights = np.zeros((4, 4))
    heights[1:3, 1:3] = 2.0
    moves = rows(
        (RAPID, (5, 30, 5), (0, 0), 0, 0),
        (FEED, (5, 30, -1), (0, 0), 100, 0),
        (RAPID, (5, 30, 1), (0, 0), 0, 0),
        (RAPID, (55, 30, 1), (0, 0), 0, 0),
        (FEED, (55, 30, -1), (0, 0), 100, 0),
    )
    out = warp(moves, np.zeros(3), Surface((0, 0), (20, 20), heights), 0.01, clearance_mm=5.0)
    across = out.moves["xyz"][out.source == 3]
    assert across[:, 2].tolist() == pytest.approx([3.0, 3.0, 1.5])
    assert across[:, 0].tolist() == [5, 55, 55]


def test_dwells_stay_where_the_tool_stands():
    moves = rows((RAPID, (5, 5, 5), (0, 0), 0, 0), (DWELL, (5, 5, 5), (2, 0), 0, 0))
    out = warp(moves, np.zeros(3), flat(0.5), 0.01, clearance_mm=5.0)
    assert out.moves["xyz"][:, 2].tolist() == [5.5, 5.5]
    assert out.moves["ij"][1, 0] == 2


def test_a_program_that_begins_with_a_cut_begins_on_the_surface():
    out = warp(rows((FEED, (5, 5, 0), (0, 0), 9, 0)), np.zeros(3), flat(0.5), 0.01, clearance_mm=5.0)
    assert out.start.tolist() == [0, 0, 0.5]


@pytest.mark.parametrize(
    "cut",
    [
        (FEED, (70.1, 5, 0), (0, 0), 9, 0),
        (ARC_CW, (5, 50, 0), (-30, 22.5), 9, 0),
    ],
)
def test_a_cut_beyond_half_a_pitch_is_refused_and_named(cut):
    moves = rows((RAPID, (5, 5, 5), (0, 0), 0, 0), cut)
    with pytest.raises(RefusedError, match="half a pitch") as told:
        warp(moves, np.zeros(3), flat(), 0.01, clearance_mm=5.0)
    assert told.value.place == "move 1"
    inside = rows(moves[0], (FEED, (69.9, -9.9, 0), (0, 0), 9, 0))
    assert len(warp(inside, np.zeros(3), flat(), 0.01, clearance_mm=5.0).moves) == 2


@given(st.integers(0, 10**6))
def test_the_surface_has_no_steps_and_keeps_between_its_nodes(seed):
    """Law: C0 and bounded, on the grid and half a pitch around it."""
    surface, rng = bowed(seed), np.random.default_rng(seed)
    points = rng.uniform(-7, 67, (400, 2))
    height = surface.at(points)
    assert (
        surface.heights_mm.min() - 1e-12 <= height.min() <= height.max() <= surface.heights_mm.max() + 1e-12
    )
    near = surface.at(points + rng.uniform(-1e-7, 1e-7, points.shape))
    assert np.abs(near - height).max() < 1e-7
    nodes = np.stack(np.meshgrid(*[np.linspace(0, 60, 5)] * 2), axis=-1).reshape(-1, 2)
    assert np.allclose(surface.at(nodes), surface.heights_mm.ravel())


@pytest.mark.parametrize(
    ("origin", "pitch", "heights", "word"),
    [
        ((0, 0), (10, 10), np.zeros((1, 5)), "2 × 2"),
        ((0, 0), (10, 0), np.zeros((2, 2)), "above 0"),
        ((0, np.nan), (10, 10), np.zeros((2, 2)), "finite"),
        ((0, 0), (10, 10), [[0, 1], [np.nan, 2]], "probe that point"),
    ],
)
def test_a_map_with_holes_or_without_a_grid_is_none(origin, pitch, heights, word):
    with pytest.raises(InputError, match=r"height|grid") as told:
        Surface(origin, pitch, np.array(heights, float))
    assert word in str(told.value)


def test_no_tolerance_is_refused_and_no_move_gives_none():
    with pytest.raises(InputError, match="tolerance"):
        warp(job(1), np.zeros(3), flat(), 0.0, clearance_mm=5.0)
    assert len(warp(rows(), np.zeros(3), flat(), 0.1, clearance_mm=5.0).moves) == 0


def test_the_whole_is_the_sum_of_its_chunks(monkeypatch):
    """Law: how many cuts are laid down together leaves no trace."""
    moves, surface = job(11, 60), bowed(11)
    whole = warp(moves, np.zeros(3), surface, 0.01, clearance_mm=5.0)
    monkeypatch.setattr("fabctl.toolpath.level.CHUNK_ROWS", 3)
    parts = warp(moves, np.zeros(3), surface, 0.01, clearance_mm=5.0)
    assert np.array_equal(whole.moves, parts.moves)
    points, _ = flatten_moves(whole.moves, whole.start, 0.01)
    assert np.all(np.isfinite(points))
