"""Push cutter and waterlines: the same surface as the drop cutter's, looked at along a line."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from fabctl.errors import InputError
from fabctl.geometry.curves import signed_areas
from fabctl.geometry.cuttershape import CutterShape
from fabctl.geometry.dropcutter import drop_points
from fabctl.geometry.mesh import Mesh
from fabctl.geometry.pushcutter import push
from fabctl.geometry.waterline import waterline
from tests.geometry import droporacle
from tests.geometry.cutters import EVERY_SHAPE, SHAPES, ball_mesh, some_mesh
from tests.geometry.solids import box, together


@EVERY_SHAPE
@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), along=st.sampled_from("xy"))
def test_inside_the_stretches_and_only_there_the_drop_cutter_stands_higher(shape, seed, along):
    mesh = some_mesh(seed)
    rng = np.random.default_rng(seed)
    lines = rng.uniform(-2, 7, 5)
    height = rng.uniform(mesh.vertices[:, 2].min() - 2, mesh.vertices[:, 2].max())
    pushed = push(mesh, shape, height, lines, along=along)
    at = np.linspace(-3.5, 9.5, 400)
    line, place = (part.reshape(-1) for part in np.meshgrid(np.arange(5), at, indexing="ij"))
    points = np.column_stack((place, lines[line]))[:, :: 1 if along == "x" else -1]
    higher = drop_points(mesh, shape, points) > height
    covered = np.zeros(len(line), bool)
    near = np.zeros(len(line), bool)
    for number, start, end in zip(pushed.line, pushed.start_mm, pushed.end_mm, strict=True):
        own = line == number
        covered |= own & (place > start) & (place < end)
        near |= own & (np.minimum(np.abs(place - start), np.abs(place - end)) < 1e-8)
    assert np.array_equal(covered[~near], higher[~near])


@EVERY_SHAPE
@settings(max_examples=10)
@given(seed=st.integers(0, 10**6))
def test_at_the_ends_of_stretches_brute_force_sees_the_height_passed(shape, seed):
    mesh = some_mesh(seed)
    rng = np.random.default_rng(seed)
    lines = rng.uniform(-2, 7, 2)
    height = rng.uniform(mesh.vertices[:, 2].min() - 1, mesh.vertices[:, 2].max())
    pushed = push(mesh, shape, height, lines)
    long = pushed.end_mm - pushed.start_mm > 1e-5
    line, start, end = pushed.line[long], pushed.start_mm[long], pushed.end_mm[long]
    for x, inward in ((start, 1e-6), (end, -1e-6)):
        inside = np.column_stack((x + inward, lines[line]))
        assert np.all(droporacle.drop(mesh, shape, inside) > height)
        outside = np.column_stack((x - inward, lines[line]))
        alone = np.ones(len(x), bool)
        if len(x) > 1:
            other = start if inward < 0 else end
            alone = np.abs((x - inward)[:, None] - other[None]).min(axis=1) > 1e-5
        assert np.all(droporacle.drop(mesh, shape, outside)[alone] <= height + 2e-9)


@pytest.mark.parametrize("name", ["flat", "ball", "bull"])
def test_beside_a_box_stretches_end_one_radius_away(name):
    block = box((0, 0, 0), (10, 8, 20))
    pushed = push(block, SHAPES[name], 3.0, [4.0, 9.0, 99.0, 10.0 + 1e-9])
    assert pushed.line.tolist() == [0, 1]
    assert np.allclose(pushed.start_mm, [-2.0, -np.sqrt(3.0)], rtol=0, atol=1e-9)
    assert np.allclose(pushed.end_mm, [12.0, 10.0 + np.sqrt(3.0)], rtol=0, atol=1e-9)


def test_a_ball_round_a_ball_stays_the_sum_of_radii_away():
    pushed = push(ball_mesh(10.0, rings=120), SHAPES["ball"], -2.0, [0.0, 6.0])
    want = np.sqrt(12.0**2 - np.array([0.0, 6.0]) ** 2)
    assert np.allclose(pushed.end_mm, want, rtol=0, atol=12 * (1 - np.cos(np.pi / 120)) * 3)
    assert np.allclose(pushed.start_mm, -want, rtol=0, atol=12 * (1 - np.cos(np.pi / 120)) * 3)


def test_between_two_blocks_there_is_a_gap_when_the_cutter_fits():
    blocks = together(box((0, 0, 0), (5, 9, 9)), box((9.5, 0, 0), (15, 9, 9)))
    wide = push(blocks, SHAPES["flat"], 1.0, [4.0])
    assert np.allclose(wide.start_mm, [-2, 7.5], atol=1e-9)
    assert np.allclose(wide.end_mm, [7, 17], atol=1e-9)
    assert len(push(blocks, CutterShape(2.3), 1.0, [4.0])) == 1


def test_a_cutter_that_rests_on_a_level_top_is_outside():
    assert len(push(box((0, 0, 0), (5, 5, 5)), SHAPES["bull"], 5.0, [1.0, 2.0])) == 0
    assert len(push(box((0, 0, 0), (5, 5, 5)), SHAPES["bull"], 5.0 - 1e-6, [1.0, 2.0])) == 2


@pytest.mark.parametrize("numbers", [{"height_mm": np.nan}, {"lines_mm": [np.inf]}, {"along": "z"}])
def test_a_push_nowhere_is_refused(numbers):
    given_ = {"height_mm": 1.0, "lines_mm": [0.0], "along": "x"} | numbers
    with pytest.raises(InputError, match="cannot be pushed"):
        push(box((0, 0, 0), (1, 1, 1)), SHAPES["ball"], **given_)


@pytest.mark.parametrize("name", ["flat", "ball", "bull"])
def test_the_waterline_of_a_solid_with_upright_walls_is_its_slice_offset_by_the_radius(name):
    angle = np.arange(9) * 2 * np.pi / 9
    outline = (
        np.column_stack((6 * np.cos(angle), 6 * np.sin(angle))) * (1 + 0.3 * (np.arange(9) % 2))[:, None]
    )
    ring = np.arange(9)
    walls = np.concatenate(
        (
            np.column_stack((ring, (ring + 1) % 9, ring + 9)),
            np.column_stack(((ring + 1) % 9, (ring + 1) % 9 + 9, ring + 9)),
        )
    )
    points = np.concatenate(
        (np.column_stack((outline, np.zeros(9))), np.column_stack((outline, np.full(9, 9.0))))
    )
    lid = np.array([[9 + k, 9 + (k + 1) % 9, 18] for k in range(9)])
    mesh = Mesh(np.vstack((points, [0, 0, 9.0])), np.concatenate((walls, lid)))
    line = waterline(mesh, SHAPES[name], 2.0, 0.25)
    assert len(line) == 1
    assert signed_areas(line)[0] > 0
    away = shapely.distance(shapely.points(line.points), shapely.Polygon(outline))
    assert np.abs(away - 2.0).max() < 1e-8


@EVERY_SHAPE
@settings(max_examples=10)
@given(seed=st.integers(0, 10**6))
def test_every_point_of_a_waterline_is_where_the_height_is_passed(shape, seed):
    mesh = some_mesh(seed)
    height = float(np.quantile(mesh.vertices[:, 2], 0.6)) - 0.3
    line = waterline(mesh, shape, height, 0.37)
    around = line.points[:, None] + 2e-6 * np.array([[1, 0], [-1, 0], [0, 1], [0, -1.0]])
    tips = drop_points(mesh, shape, around.reshape(-1, 2)).reshape(-1, 4)
    assert np.all(tips.max(axis=1) >= height - 1e-9)
    assert np.all(tips.min(axis=1) <= height + 1e-4 * (1 + np.abs(tips.max(axis=1))))
    assert np.all(np.diff(line.offsets) >= 3)


def test_a_ring_has_an_outline_and_a_hollow():
    frame = together(
        box((0, 0, 0), (20, 4, 9)),
        box((0, 16, 0), (20, 20, 9)),
        box((0, 4, 0), (4, 16, 9)),
        box((16, 4, 0), (20, 16, 9)),
    )
    areas = signed_areas(waterline(frame, SHAPES["flat"], 1.0, 0.5))
    assert sorted(np.sign(areas)) == [-1, 1]
    assert areas.min() == pytest.approx(-64.0, abs=0.3)


@pytest.mark.parametrize(("share", "count"), [(1.02, 1), (0.98, 2)])
def test_where_two_islands_nearly_meet_the_place_between_decides(share, count):
    """Two spikes, their circles meeting in the middle of one square of the step across its corners."""
    half = 3 / (1 + np.sqrt(2) * share)
    tips = np.array([[0, 0, 5], [2 * half, 2 * half, 5.0]])
    points = np.concatenate((tips, tips - [0, 0, 5], tips - [0.0, 0, 4]))
    spikes = Mesh(points, np.array([[0, 2, 4], [1, 3, 5]]))
    line = waterline(spikes, CutterShape(share * half * np.sqrt(2)), 4.5, 1.0)
    assert len(line) == count
    assert np.all(signed_areas(line) > 0)


def test_nothing_at_the_height_gives_no_waterline():
    empty = Mesh(np.empty((0, 3)), np.empty((0, 3), np.int64))
    assert len(waterline(empty, SHAPES["ball"], 0.0, 1.0)) == 0
    assert len(waterline(box((0, 0, 0), (1, 1, 1)), SHAPES["ball"], 1.0, 0.5)) == 0


@pytest.mark.parametrize(("height", "step"), [(np.inf, 1.0), (1.0, 0.0), (1.0, -1.0), (1.0, 1e-6)])
def test_a_waterline_nobody_can_follow_is_refused(height, step):
    with pytest.raises(InputError):
        waterline(box((0, 0, 0), (10, 10, 10)), SHAPES["ball"], height, step)
