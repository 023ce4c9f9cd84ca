"""Loose ends are chained, what was drawn twice is cut once."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabctl.geometry.curves import Curves, extents, from_paths, lengths, reverse, segments
from fabctl.geometry.joining import deduplicate, join

TOL = 0.05


def lines(*ends):
    return from_paths([(pair, None, False) for pair in ends])


def square(x=0.0, y=0.0, size=10.0):
    return [[x, y], [x + size, y], [x + size, y + size], [x, y + size]]


def loop(draw_radii, bulges):
    """A star-shaped loop of lines and shallow arcs."""
    angle = np.arange(len(draw_radii)) / len(draw_radii) * 2 * np.pi
    points = np.column_stack((np.cos(angle), np.sin(angle))) * np.array(draw_radii)[:, None]
    return points, np.array(bulges)


RADII = st.lists(st.floats(20, 60), min_size=3, max_size=12)


@st.composite
def shattered(draw):
    """One loop and its segments as open pieces: shuffled, some reversed."""
    radii = draw(RADII)
    bulges = draw(st.lists(st.sampled_from([0.0, 0.2, -0.2, 0.05]), min_size=len(radii), max_size=len(radii)))
    points, bulge = loop(radii, bulges)
    order = draw(st.permutations(range(len(points))))
    pieces = []
    for k in order:
        ends = points[[k, (k + 1) % len(points)]]
        turned = draw(st.booleans())
        pieces.append((ends[::-1] if turned else ends, [-bulge[k] if turned else bulge[k], 0], False))
    return from_paths([(points, bulge, True)]), from_paths(pieces)


class TestJoin:
    @given(shattered())
    def test_law_a_shuffled_reversed_split_loop_comes_back(self, case):
        whole, pieces = case
        joined = join(pieces, TOL)
        assert len(joined.curves) == 1
        assert joined.curves.closed.all()
        assert joined.loops_closed == 1
        assert joined.joints == len(pieces)
        assert len(deduplicate(from_paths([whole[0], joined.curves[0]]), 1e-6).curves) == 1
        assert sorted(joined.source.tolist()) == list(range(len(pieces)))

    @given(shattered(), st.floats(0.001, 0.02))
    def test_law_joining_moves_no_line_by_more_than_the_gap(self, case, gap):
        whole, pieces = case
        rng = np.random.default_rng(len(pieces))
        noise = rng.uniform(-gap / 2, gap / 2, pieces.points.shape)
        joined = join(Curves(pieces.points + noise, pieces.bulge, pieces.offsets, pieces.closed), TOL)
        assert joined.curves.closed.tolist() == [True]
        assert joined.largest_gap_mm <= 2 * gap
        assert np.allclose(extents(joined.curves), extents(whole), atol=3 * gap)
        assert lengths(joined.curves)[0] == pytest.approx(lengths(whole)[0], abs=4 * gap * len(pieces))

    def test_a_gap_over_the_tolerance_stays_open_and_is_reported(self):
        joined = join(lines([[0, 0], [10, 0]], [[10.2, 0], [10.2, 10]]), TOL)
        assert len(joined.curves) == 2
        assert joined.open_gaps.tolist() == [[pytest.approx(10.1), 0, pytest.approx(0.2)]]

    def test_a_far_gap_is_no_gap(self):
        assert not len(join(lines([[0, 0], [10, 0]], [[12, 0], [12, 10]]), TOL).open_gaps)

    def test_the_largest_closed_gap_is_told(self):
        joined = join(lines([[0, 0], [10, 0]], [[10.03, 0], [10, 10]], [[10, 10], [0, 0]]), TOL)
        assert joined.curves.closed.tolist() == [True]
        assert joined.largest_gap_mm == pytest.approx(0.03)

    def test_layers_are_never_mixed(self):
        joined = join(lines([[0, 0], [10, 0]], [[10, 0], [10, 10]]), TOL, groups=["cut", "engrave"])
        assert len(joined.curves) == 2
        assert joined.joints == 0
        assert not len(joined.open_gaps)

    def test_the_straightest_way_is_taken_where_three_lines_meet(self):
        joined = join(lines([[0, 0], [10, 0]], [[10, 0], [10, 10]], [[10, 0], [20, 1]]), TOL)
        assert joined.source.tolist() == [0, 2, 1]
        assert joined.source_offsets.tolist() == [0, 2, 3]

    def test_a_tangent_arc_continues_a_line_before_a_corner_does(self):
        paths = [
            ([[0, 0], [10, 0]], None, False),
            ([[10, 0], [14, 8]], None, False),
            ([[10, 0], [12, 2]], [np.tan(np.pi / 8), 0], False),
        ]
        assert join(from_paths(paths), TOL).source.tolist() == [0, 2, 1]

    def test_a_path_that_nearly_returns_is_closed(self):
        path = [([[0, 0], [10, 0], [10, 10], [0.01, 0.01]], None, False)]
        joined = join(from_paths(path), TOL)
        assert joined.curves.closed.tolist() == [True]
        assert len(joined.curves.points) == 3

    def test_an_arc_of_nearly_a_whole_turn_becomes_a_circle(self):
        ends = np.array([[5, 0], [5 * np.cos(1e-3), -5 * np.sin(1e-3)]])
        bulge = np.tan((2 * np.pi - 1e-3) / 4)
        joined = join(from_paths([(ends, [bulge, 0], False)]), TOL)
        assert joined.curves.closed.tolist() == [True]
        assert lengths(joined.curves)[0] == pytest.approx(10 * np.pi, abs=0.02)
        assert np.allclose(extents(joined.curves), (-5, -5, 5, 5), atol=0.02)

    def test_two_arcs_of_one_circle_become_it_exactly(self):
        joined = join(
            from_paths([([[5, 0], [-5, 0]], [1, 0], False), ([[5, 0], [-5, 0]], [-1, 0], False)]), TOL
        )
        assert lengths(joined.curves).tolist() == [pytest.approx(10 * np.pi, abs=1e-12)]
        assert joined.curves.closed.all()

    def test_an_arc_keeps_its_end_and_the_line_gives_way(self):
        joined = join(
            from_paths([([[0, 0], [9.98, 0]], None, False), ([[10, 0], [10, 4]], [1, 0], False)]), TOL
        )
        assert joined.curves.points.tolist() == [[0, 0], [10, 0], [10, 4]]

    def test_a_stub_shorter_than_the_tolerance_is_a_link_not_a_loop(self):
        joined = join(lines([[0, 0], [10, 0]], [[10, 0], [10.03, 0]], [[10.03, 0], [20, 0]]), TOL)
        assert joined.curves.closed.tolist() == [False]
        assert lengths(joined.curves)[0] == pytest.approx(20, abs=0.1)

    def test_closed_paths_and_order_stay(self):
        paths = [([[0, 0], [1, 0]], None, False), (square(50), None, True), ([[1, 0], [2, 0]], None, False)]
        joined = join(from_paths(paths), TOL)
        assert joined.source.tolist() == [0, 2, 1]
        assert joined.first.tolist() == [0, 1]
        assert joined.loops_closed == 0

    def test_a_thousand_lines_through_one_point_are_paired(self):
        angle = np.arange(1000) / 1000 * 2 * np.pi
        rays = [([[0, 0], [np.cos(a), np.sin(a)]], None, False) for a in angle]
        joined = join(from_paths(rays), 1e-6)
        assert joined.joints == 500
        assert len(joined.curves) == 500

    @pytest.mark.parametrize("curves", [from_paths([]), from_paths([([[3, 4]], None, False)])])
    def test_nothing_and_single_points_pass(self, curves):
        joined = join(curves, TOL)
        assert len(joined.curves) == len(curves)
        assert len(deduplicate(curves, TOL).curves) == len(curves)


GRID = st.integers(0, 6)
GRID_LINES = st.lists(
    st.tuples(GRID, GRID, GRID, GRID).filter(lambda e: e[:2] != e[2:]), min_size=1, max_size=14
)


def covered(curves, step=0.125):
    """Cells of a fine raster that the lines of a drawing on the unit grid pass through."""
    cells = set()
    for points, _, closed in curves:
        ends = np.vstack((points, points[:1])) if closed else points
        for a, b in pairwise(ends):
            many = max(int(np.ceil(np.hypot(*(b - a)) / step)) * 4, 1)
            for share in (np.arange(many) + 0.5) / many:
                cells.add(tuple(np.round((a + share * (b - a)) / step).astype(int)))
    return cells


class TestDeduplicate:
    @given(GRID_LINES)
    def test_law_deduplication_is_idempotent_and_never_lengthens(self, ends):
        curves = lines(*[[e[:2], e[2:]] for e in ends])
        once = deduplicate(curves, 0.01)
        again = deduplicate(once.curves, 0.01)
        assert lengths(once.curves).sum() <= lengths(curves).sum() + 1e-9
        assert np.array_equal(once.curves.points, again.curves.points)
        assert again.paths_removed == again.paths_trimmed == 0
        assert again.length_removed_mm == 0

    @given(GRID_LINES)
    def test_law_no_line_is_lost(self, ends):
        """Whatever was drawn is still drawn."""
        curves = lines(*[[e[:2], e[2:]] for e in ends])
        left = covered(deduplicate(curves, 0.01).curves)
        near = {(x + i, y + j) for x, y in left for i in (-1, 0, 1) for j in (-1, 0, 1)}
        assert covered(curves) <= near

    @given(
        st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20)), min_size=1, max_size=12), st.booleans()
    )
    def test_law_lines_over_lines_leave_their_union(self, spans, slanted):
        along = np.array([0.6, 0.8]) if slanted else np.array([1.0, 0.0])
        curves = lines(*[[along * a, along * (a + n)] for a, n in spans])
        union = len({k for a, n in spans for k in range(a, a + n)})
        once = deduplicate(curves, 0.01)
        assert lengths(once.curves).sum() == pytest.approx(union)
        assert once.length_removed_mm == pytest.approx(sum(n for _, n in spans) - union)

    @pytest.mark.parametrize("turned", [False, True])
    @pytest.mark.parametrize("shift", [0, 1, 3])
    def test_a_loop_drawn_twice_goes_wherever_it_starts(self, turned, shift):
        second = np.roll(square(), shift, axis=0)[:: -1 if turned else 1] + 0.004
        once = deduplicate(from_paths([(square(), None, True), (second, None, True)]), 0.01)
        assert once.source.tolist() == [0]
        assert once.paths_removed == 1
        assert once.length_removed_mm == pytest.approx(40)

    def test_loops_through_the_same_points_but_not_the_same_arcs_stay(self):
        inward = ([[0, 0], [9, 0], [9, 9], [0, 9]], [0, 0.3, 0, -0.3], True)
        outward = ([[0, 0], [9, 0], [9, 9], [0, 9]], [0, -0.3, 0, 0.3], True)
        assert len(deduplicate(from_paths([inward, outward]), 0.01).curves) == 2

    def test_circles_count_as_one_wherever_they_start(self):
        turn = np.array([0.6, 0.8])
        circles = [([[5, 0], [-5, 0]], [1, 1], True), ([5 * turn, -5 * turn], [-1, -1], True)]
        assert deduplicate(from_paths(circles), 0.01).paths_removed == 1

    def test_concentric_circles_stay(self):
        circles = [([[r, 0], [-r, 0]], [1, 1], True) for r in (5, 5.02, 6)]
        assert len(deduplicate(from_paths(circles), 0.005).curves) == 3

    def test_an_arc_drawn_backwards_again_goes_and_its_mirror_stays(self):
        arcs = [([[0, 0], [9, 0]], [b, 0], False) for b in (0.3, -0.3)]
        arcs.append(([[9, 0], [0, 0]], [-0.3, 0], False))
        assert deduplicate(from_paths(arcs), 0.01).source.tolist() == [0, 1]

    def test_a_line_over_the_edge_of_a_loop_goes(self):
        drawn = from_paths([([[2, 0], [7, 0]], None, False), (square(), None, True)])
        once = deduplicate(drawn, 0.01)
        assert once.source.tolist() == [1]
        assert once.length_removed_mm == pytest.approx(5)

    def test_loops_that_share_an_edge_both_keep_it(self):
        drawn = from_paths([(square(), None, True), (square(10), None, True)])
        assert len(deduplicate(drawn, 0.01).curves) == 2

    def test_layers_are_compared_each_for_itself(self):
        drawn = from_paths([(square(), None, True), (square(), None, True)])
        assert len(deduplicate(drawn, 0.01, groups=[0, 1]).curves) == 2

    def test_an_open_path_is_split_where_another_covers_its_middle(self):
        drawn = from_paths(
            [
                ([[0, 5], [0, 0], [10, 0], [10, 5]], None, False),
                ([[-5, 0], [15, 0]], None, False),
            ]
        )
        once = deduplicate(drawn, 0.01)
        assert once.source.tolist() == [0, 0, 1]
        assert once.paths_trimmed == 1
        assert lengths(once.curves).tolist() == [5, 5, 20]

    def test_a_row_of_lines_each_a_little_further_does_not_creep_away(self):
        places = np.arange(0, 20, 0.004)
        once = deduplicate(lines(*[[[x, 0], [x + 1, 0]] for x in places]), 0.01)
        assert lengths(once.curves).sum() == pytest.approx(21, rel=0.05)
        assert extents(once.curves)[0] == pytest.approx(0, abs=0.05)
        assert extents(once.curves)[2] == pytest.approx(places[-1] + 1, abs=0.05)

    def test_parallel_lines_just_apart_stay(self):
        drawn = lines([[0, 0], [10, 0]], [[2, 0.02], [8, 0.02]])
        assert len(deduplicate(drawn, 0.01).curves) == 2

    def test_a_fan_of_parallel_lines_is_thinned_never_swallowed(self):
        """Each within the tolerance of the next, the last far from the first."""
        heights = np.arange(12) * 0.008
        once = deduplicate(lines(*[[[i * 0.3, y], [10 + i * 0.3, y]] for i, y in enumerate(heights)]), 0.01)
        start, end, _, _ = segments(once.curves)
        left = start[:, 1][(start[:, 0] < 6) & (end[:, 0] > 6)]
        assert len(left) < len(heights)
        assert all(np.abs(left - y).min() <= 0.0101 for y in heights)

    def test_far_from_the_origin_the_same_is_found(self):
        far = np.array([500000.123, 4000000.456])
        drawn = lines(*(far + np.array(pair) for pair in ([[0, 0], [100, 30]], [[50, 15], [150, 45]])))
        once = deduplicate(drawn, 0.01)
        assert lengths(once.curves).sum() == pytest.approx(np.hypot(150, 45))

    @given(shattered())
    def test_law_a_reversed_copy_of_a_drawing_leaves_the_drawing(self, case):
        _, pieces = case
        back = reverse(pieces)
        both = Curves(
            np.concatenate((pieces.points, back.points)),
            np.concatenate((pieces.bulge, back.bulge)),
            np.concatenate((pieces.offsets, back.offsets[1:] + pieces.offsets[-1])),
            np.concatenate((pieces.closed, back.closed)),
        )
        once = deduplicate(both, 0.001)
        assert once.source.tolist() == list(range(len(pieces)))
        assert np.array_equal(once.curves.points, pieces.points)
