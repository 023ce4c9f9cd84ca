"""Profile: beside the line by the tool's radius, climbing, the part untouched."""

import numpy as np
import pytest
import shapely
from hypothesis import example, given
from hypothesis import strategies as st

from fabctl.errors import DesignError, RefusedError
from fabctl.geometry.curves import from_paths, signed_areas
from fabctl.operations.profile import profile
from fabctl.operations.step import Setup
from fabctl.shop.job import Tabs
from fabctl.toolpath.flatten import flatten_moves
from fabctl.toolpath.moves import ARC_CCW, ARC_CW

radii = st.lists(st.floats(12, 60), min_size=3, max_size=14)


def flat_cuts(made):
    return [cut for group in made.groups for cut in group]


def last_turn(cut):
    """The closed way of a cut at its floor, (k, 2)."""
    xy = np.vstack((cut.start, flatten_moves(cut.moves, cut.start, 0.001)[0]))
    return xy[xy[:, 2] <= xy[:, 2].min() + 1e-9][:, :2]


@given(radii, st.floats(0.2, 8))
def test_outside_the_cutter_never_enters_the_part_and_follows_its_edge(bench, r, diameter):
    path = bench.polar(r)
    part = bench.region(path)
    made = profile(bench.step(path, side="outside", depth_mm=2.0, tool=bench.tool(diameter)), bench.setup)
    swept = bench.footprint(flat_cuts(made), diameter / 2)
    depth_in = shapely.intersection(swept, part.buffer(-2 * bench.setup.tolerance_mm)).area
    assert depth_in == pytest.approx(0, abs=1e-9)
    # What is left when the cutter has gone round is the part grown by what it cannot reach: nothing outside.
    edge = shapely.segmentize(shapely.convex_hull(part).exterior, 1.0)
    on_hull = [p for p in map(shapely.Point, edge.coords) if p.distance(part.exterior) < 1e-9]
    assert max(p.distance(swept) for p in on_hull) <= 2 * bench.setup.tolerance_mm


@example([3.0] * 5, 8.0)  # too narrow for the tool
@given(radii, st.floats(0.2, 8))
def test_inside_the_cutter_never_leaves_the_hole(bench, r, diameter):
    path = bench.polar(r)
    hole = bench.region(path)
    try:
        made = profile(bench.step(path, side="inside", depth_mm=2.0, tool=bench.tool(diameter)), bench.setup)
    except RefusedError:
        assert hole.buffer(-diameter / 2).is_empty
        return
    swept = bench.footprint(flat_cuts(made), diameter / 2)
    assert swept.difference(hole.buffer(2 * bench.setup.tolerance_mm)).area == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("side", "ccw"), [("outside", False), ("inside", True)])
@pytest.mark.parametrize("turned", [False, True])
def test_the_tool_climbs_whatever_way_the_path_was_drawn(bench, side, ccw, turned):
    points, _, _ = bench.rectangle(0, 0, 50, 30)
    path = (points[::-1] if turned else points, None, True)
    (cut,) = flat_cuts(profile(bench.step(path, side=side), bench.setup))
    area = signed_areas(from_paths([(last_turn(cut), None, True)]))[0]
    assert (area > 0) == ccw


@given(radii)
def test_the_drawn_direction_is_no_matter(bench, r):
    points = bench.polar(r)[0]
    one, two = (
        bench.footprint(
            flat_cuts(profile(bench.step((p, None, True), side="outside", depth_mm=1.0), bench.setup)), 3.0
        )
        for p in (points, points[::-1])
    )
    assert one.symmetric_difference(two).buffer(-0.02).is_empty


def test_a_circle_stays_two_arcs_a_turn_of_the_exact_radius(bench):
    made = profile(bench.step(bench.circle(50, 50, 40), side="outside"), bench.setup)
    (cut,) = flat_cuts(made)
    arcs = np.isin(cut.moves["motion"], (ARC_CW, ARC_CCW))
    assert arcs.all()
    assert np.all(cut.moves["motion"][arcs] == ARC_CW)
    assert np.hypot(*cut.moves["ij"].T) == pytest.approx(23.0, abs=0.01)


def test_a_kerf_is_halved_on_either_side(bench):
    beam = bench.tool(0.15, kind="laser")
    for side, size in (("outside", 20.15), ("inside", 19.85)):
        step = bench.step(bench.rectangle(10, 10, 20, 20), side=side, tool=beam, depth_mm=0.0)
        (cut,) = flat_cuts(profile(step, bench.setup))
        low, high = cut.moves["xyz"][:, :2].min(axis=0), cut.moves["xyz"][:, :2].max(axis=0)
        assert high - low == pytest.approx([size, size], abs=0.01)
        assert np.all(cut.moves["xyz"][:, 2] == 0)


def test_an_open_path_has_no_outside_and_is_named_with_its_gap(bench):
    path = bench.line([0, 0], [40, 0], [40, 40], [0.3, 0.4])
    with pytest.raises(RefusedError, match=r"flap is open by 0\.50 mm: it has no outside") as caught:
        profile(bench.step(path, side="outside", names=["flap"]), bench.setup)
    assert "on the line" in caught.value.remedy


def test_a_path_that_crosses_itself_is_named_but_may_be_cut_on_its_line(bench):
    bowtie = ([[10, 10], [90, 70], [90, 10], [10, 70]], None, True)
    fine = bench.rectangle(100, 0, 20, 20)
    for side in ("outside", "inside"):
        step = bench.step(fine, bowtie, side=side, names=["fine", "bowtie"])
        with pytest.raises(DesignError, match=r"bowtie crosses itself near x 50\.000 y 40\.000"):
            profile(step, bench.setup)
    assert len(profile(bench.step(bowtie), bench.setup).groups) == 1


@pytest.mark.parametrize("path", [([[0, 0], [9, 0]], None, True), ([[0, 0], [9, 0], [4, 0]], None, True)])
def test_a_path_that_encloses_nothing_has_no_inside(bench, path):
    with pytest.raises(DesignError, match="p0 encloses nothing"):
        profile(bench.step(path, side="inside"), bench.setup)


def test_a_slot_narrower_than_the_tool_is_refused_with_its_width(bench):
    step = bench.step(bench.rectangle(0, 0, 40, 5.9), side="inside", names=["slot"])
    with pytest.raises(RefusedError, match=r"slot \(40\.00 × 5\.90 mm\) is too fine for the tool") as caught:
        profile(step, bench.setup)
    assert "take endmill-3.175" in caught.value.remedy


def test_a_slot_as_wide_as_the_tool_is_cut(bench):
    made = profile(bench.step(bench.rectangle(0, 0, 40, 6.0), side="inside"), bench.setup)
    swept = bench.footprint(flat_cuts(made), 3.0)
    assert swept.bounds == pytest.approx((0, 0, 40, 6), abs=0.011)


def test_a_neck_narrower_than_the_tool_stays_and_is_told(bench):
    rooms = shapely.union_all(
        [shapely.box(0, 0, 30, 30), shapely.box(60, 0, 90, 30), shapely.box(30, 12, 60, 16)]
    )
    dumbbell = (list(rooms.exterior.coords)[:-1], None, True)
    made = profile(bench.step(dumbbell, side="inside"), bench.setup)
    assert len(made.groups) == 2
    assert "p0 has a neck narrower than 6 mm" in made.notes[0]


def test_behind_a_mouth_narrower_than_the_tool_the_cavity_is_cut_and_told(bench):
    """A C whose mouth is 2 mm wide: its inside is 30 × 30 and must not stay a solid block in silence."""
    body = shapely.box(0, 0, 50, 50) - shapely.box(10, 10, 40, 40) - shapely.box(-1, 24, 11, 26)
    c = (list(body.exterior.coords)[:-1], None, True)
    made = profile(bench.step(c, side="outside"), bench.setup)
    assert len(made.groups) == 2
    assert "neck" in made.notes[0]
    swept = bench.footprint(flat_cuts(made), 3.0)
    assert swept.intersection(shapely.Polygon(c[0]).buffer(-0.02)).area == pytest.approx(0, abs=1e-9)
    areas = [signed_areas(from_paths([(last_turn(cut), None, True)]))[0] for cut in flat_cuts(made)]
    assert sorted(np.sign(areas)) == [-1, 1], "the cavity climbs the other way round"


@given(st.floats(60, 145), st.floats(1, 6))
def test_relief_reaches_the_drawn_corner_and_no_further(bench, corner_deg, diameter):
    angle = np.radians(corner_deg)
    size = 12 * diameter
    arm = np.array([np.cos(angle), np.sin(angle)])
    points = np.array([[0, 0], [size, 0], [size + 0.3 * size * arm[0], size], size * arm])
    outline = shapely.Polygon(points)
    if not outline.exterior.is_ccw or not outline.is_valid:
        return
    tool = bench.tool(diameter)
    plain, relieved = (
        bench.footprint(
            flat_cuts(
                profile(
                    bench.step((points, None, True), side="inside", depth_mm=1.0, tool=tool, relief=flag),
                    bench.setup,
                )
            ),
            diameter / 2,
        )
        for flag in (False, True)
    )
    corner = shapely.Point(0, 0)
    assert relieved.distance(corner) <= 0.02
    assert plain.distance(corner) == pytest.approx(diameter / 2 * (1 / np.sin(angle / 2) - 1), abs=0.02)
    # Beyond the drawn corner the cutter goes nowhere; along the walls it goes no further than its radius.
    out = relieved.difference(outline.buffer(0.02))
    assert all(corner_.distance(shapely.Point(p)) <= 1.1 * diameter for corner_, p in _nearest(out, points))


def _nearest(region, corners):
    return [
        (min((shapely.Point(c) for c in corners), key=lambda c: c.distance(shapely.Point(p))), p)
        for p in shapely.get_coordinates(region)
    ]


def test_relief_in_a_rounded_corner_touches_the_round_and_not_the_point_beyond(bench):
    r, size = 2.0, 40.0
    t = np.tan(np.pi / 8)
    points = [[r, 0], [size - r, 0], [size, r], [size, size - r], [size - r, size], [r, size], [0, size - r]]
    rounded = ([*points, [0, r]], [0, t] * 4, True)
    step = bench.step(rounded, side="inside", depth_mm=1.0, relief=True)
    swept = bench.footprint(flat_cuts(profile(step, bench.setup)), 3.0)
    apex = r * (1 - 1 / np.sqrt(2))
    assert swept.distance(shapely.Point(apex, apex)) <= 0.02
    assert swept.distance(shapely.Point(apex - 0.05, apex - 0.05)) > 0.02


def test_relief_leaves_a_sharp_wedge_alone_and_says_so(bench):
    wedge = ([[0, 0], [80, 10], [80, -10]], None, True)
    made = profile(bench.step(wedge, side="inside", depth_mm=1.0, relief=True), bench.setup)
    assert any("sharper than 55°" in note for note in made.notes)
    swept = bench.footprint(flat_cuts(made), 3.0)
    assert swept.difference(shapely.Polygon(wedge[0]).buffer(0.02)).bounds[0] > 60


def test_an_outside_relief_cuts_into_inner_corners_and_leaves_outer_ones(bench):
    ell = ([[0, 0], [60, 0], [60, 30], [30, 30], [30, 60], [0, 60]], None, True)
    made = profile(bench.step(ell, side="outside", depth_mm=1.0, relief=True), bench.setup)
    swept = bench.footprint(flat_cuts(made), 3.0)
    assert swept.distance(shapely.Point(30, 30)) <= 0.02
    gouged = swept.intersection(shapely.Polygon(ell[0]).buffer(-0.02))
    assert gouged.within(shapely.Point(30, 30).buffer(6))


def test_a_v_bit_touches_the_line_with_what_it_opens_at_its_depth(bench):
    from fabctl.shop.tool import load_tool

    bit = load_tool("vbit-60")
    step = bench.step(bench.rectangle(0, 0, 40, 40), side="outside", depth_mm=2.0, tool=bit)
    (cut,) = flat_cuts(profile(step, bench.setup))
    width = 0.2 + 2 * 2.0 * np.tan(np.radians(30))
    assert cut.moves["xyz"][:, 0].max() == pytest.approx(40 + width / 2, abs=0.01)


def test_a_part_cut_inside_leaves_no_tab_where_no_slug_is_left(bench):
    tabs = Tabs(4, 6.0, 1.5)
    for diameter, held in ((11.0, False), (60.0, True)):
        step = bench.step(bench.circle(0, 0, diameter), side="inside", tabs=tabs)
        (cut,) = flat_cuts(profile(step, bench.setup))
        steps_up = np.diff(cut.moves["xyz"][:, 2]) > 0.1
        assert steps_up.any() == held


def test_parts_without_room_for_tabs_are_told_once(bench):
    step = bench.step(*(bench.circle(i * 20, 0, 0.5) for i in range(5)), side="outside", tabs=Tabs(4, 6, 1.5))
    made = profile(step, Setup(12.0, 0.3))
    assert len(made.notes) == 1
    assert made.notes[0].startswith("5 contours, such as p0, have no room for a tab")


@given(st.lists(radii, min_size=1, max_size=4))
def test_same_input_same_moves(bench, shapes):
    paths = [bench.polar(r, x=200.0 * i) for i, r in enumerate(shapes)]
    step = bench.step(*paths, side="outside", tabs=Tabs(3, 5.0, 1.0))
    one, two = (profile(step, bench.setup) for _ in range(2))
    assert all(
        a.moves.tobytes() == b.moves.tobytes() for a, b in zip(flat_cuts(one), flat_cuts(two), strict=True)
    )


@pytest.mark.parametrize(
    ("width", "remedy"), [(4.0, "take endmill-3.175"), (2.5, "describe a tool no wider than 2.5")]
)
def test_a_hole_too_fine_is_refused_with_its_place_and_the_tool_that_fits(bench, width, remedy):
    step = bench.step(bench.rectangle(20, 30, width, 20), side="inside", depth_mm=6.0)
    with pytest.raises(RefusedError, match="too fine for the tool") as caught:
        profile(step, bench.setup)
    assert caught.value.place == f"profile, x {20 + width / 2:.1f} y 40.0 mm on the stock"
    assert caught.value.remedy.startswith(remedy)
    assert 'side = "on" in a job file' in caught.value.remedy


@pytest.mark.parametrize(
    ("path", "side", "said"),
    [
        ([[0, 0], [60, 0], [60, 40], [0, 40]], "inside", "4 inner corners keep the cutter's radius of 3 mm"),
        ([[0, 0], [60, 0], [60, 40], [0, 40]], "outside", ""),
        ([[0, 40], [30, 40], [30, 20], [60, 20], [60, 0], [0, 0]], "outside", "1 inner corner keeps"),
    ],
)
def test_corners_that_a_round_cutter_cannot_reach_are_counted(bench, path, side, said):
    notes = profile(bench.step((path, None, True), side=side), bench.setup).notes
    assert [note for note in notes if "inner corner" in note and note.startswith(said)] == list(notes)
    assert bool(notes) == bool(said)
    relieved = profile(bench.step((path, None, True), side=side, relief=True), bench.setup).notes
    assert not [note for note in relieved if "keep" in note]


def test_a_round_hole_has_no_corners(bench):
    assert not profile(bench.step(bench.circle(0, 0, 20), side="inside"), bench.setup).notes
