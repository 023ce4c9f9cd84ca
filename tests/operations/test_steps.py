"""Steps: sides, depths, tools and the refusals that keep tools and parts whole."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabctl.errors import RefusedError
from fabctl.geometry.curves import from_paths
from fabctl.geometry.nesting import nest
from fabctl.operations.crowding import has_room_between, sides_of
from fabctl.operations.steps import RANKS, steps_of
from fabctl.shop.job import Operation, Tabs
from fabctl.shop.material import KnifeData
from fabctl.shop.tool import Tool, load_tool

CUT = Operation("profile", through=True)
LASER = ("laser-400", "plywood-3", "laser-spot")
PEN = ("pen-plotter-a3", "paper", "pen")
ROUTER = ("plywood-router-600x900", "plywood-12", "endmill-6")


def made(bench, paths, chosen, where=ROUTER, **keys):
    machine, material, tool = where
    curves = bench.curves(*paths)
    return steps_of(
        curves,
        [f"p{i}" for i in range(len(curves))],
        chosen,
        machine=bench.machine(machine),
        stock=bench.stock(material, 400.0),
        tool_of=lambda name: load_tool(name or tool),
        **keys,
    )


def test_outermost_outside_inner_inside_islands_outside_again(bench):
    nested = [bench.rectangle(i * 20, i * 20, 200 - 40 * i, 200 - 40 * i) for i in range(4)]
    steps = made(bench, nested, [CUT] * 4)
    side = {name: step.side for step in steps for name in step.ident}
    assert [side[f"p{i}"] for i in range(4)] == ["outside", "inside", "outside", "inside"]


def test_a_path_that_encloses_nothing_is_cut_on_its_line(bench):
    there_and_back = ([[10, 10], [60, 10], [60, 10.0]], None, True)
    (step,) = made(bench, [there_and_back], [CUT])
    assert step.side == "on"


@pytest.mark.parametrize("gap", [0.0, 0.04])
def test_a_hole_in_a_part_that_shares_an_edge_with_its_neighbour_is_a_hole(bench, gap):
    """Two boxes drawn edge to edge: the second one's outline is open where the line is the first one's."""
    first = bench.rectangle(0, 0, 50, 50)
    second = bench.line([50 + gap, 0], [100, 0], [100, 50], [50 + gap, 50])
    paths = [first, second, bench.circle(75, 25, 20), bench.circle(75, 25, 8), bench.circle(150, 25, 20)]
    side = {name: step.side for step in made(bench, paths, [CUT] * 5, LASER) for name in step.ident}
    assert side == {"p0": "outside", "p1": "on", "p2": "inside", "p3": "outside", "p4": "outside"}


def test_a_tool_has_room_between_parts_or_not(bench):
    parts = bench.curves(bench.rectangle(0, 0, 50, 50), bench.rectangle(54, 0, 50, 50))
    assert has_room_between(parts, 3.175)
    assert not has_room_between(parts, 6.0)
    assert has_room_between(bench.curves(bench.line([0, 0], [9, 9])), 6.0)


def test_marks_come_first_and_contours_last(bench):
    assert RANKS["engrave"] < RANKS["drill"] < RANKS["pocket"] < RANKS["profile"]
    paths = [
        bench.rectangle(0, 0, 200, 200),
        bench.rectangle(50, 50, 30, 30),
        bench.line([150, 150], [160, 160]),
    ]
    steps = made(bench, paths, [CUT, Operation("pocket", depth_mm=3.0), Operation("engrave")])
    assert [step.kind for step in steps] == ["engrave", "pocket", "profile"]


def test_as_written_keeps_the_order_of_the_operations_not_of_the_paths(bench):
    first, second = Operation("profile", name="a", through=True), Operation("engrave", name="b")
    paths = [bench.line([0, 0], [9, 9]), bench.rectangle(0, 0, 99, 99), bench.rectangle(30, 30, 30, 30)]
    steps = made(bench, paths, [second, first, first], as_written=True, written=(first, second))
    assert [step.name for step in steps] == ["a", "a", "b"]
    assert steps[0].rank == steps[1].rank, "outside and inside of one operation stay inner first"


@given(st.floats(0.5, 12.3), st.sampled_from(["profile", "pocket", "engrave", "score"]))
def test_a_step_is_as_deep_as_asked_and_never_beyond_the_sheet_and_its_allowance(bench, depth, kind):
    (step,) = made(bench, [bench.rectangle(0, 0, 60, 60)], [Operation(kind, depth_mm=depth)])
    assert step.depth_mm == depth <= 12.3


@pytest.mark.parametrize(
    ("operation", "depth_mm"),
    [
        (CUT, 12.3),
        (Operation("pocket"), 6.0),
        (Operation("engrave"), 0.5),
        (Operation("score"), 0.5),
        (Operation("pocket", through=True), 12.3),
    ],
)
def test_depths_nobody_gave(bench, operation, depth_mm):
    (step,) = made(bench, [bench.rectangle(0, 0, 60, 60)], [operation])
    assert step.depth_mm == pytest.approx(depth_mm)


def test_heads_without_depth_work_at_their_height(bench):
    (beam,) = made(bench, [bench.rectangle(0, 0, 60, 60)], [CUT], LASER)
    assert (beam.depth_mm, beam.level_mm, beam.side) == (0.0, 0.0, "outside")
    (pen,) = made(bench, [bench.rectangle(0, 0, 60, 60)], [CUT], PEN)
    assert (pen.depth_mm, pen.level_mm, pen.side, pen.kind) == (0.0, -0.5, "on", "engrave")


def knife_step(bench, tool, operation=CUT):
    paper = replace(bench.material("paper"), knife=KnifeData(1200.0, 0.2), thickness_mm=0.3)
    stock = replace(bench.stock("paper", 300.0), material=paper, thickness_mm=0.3)
    curves = bench.curves(bench.rectangle(0, 0, 60, 60))
    return steps_of(
        curves, ["p0"], [operation], machine=bench.knife_machine(), stock=stock, tool_of=lambda _: tool
    )[0]


def test_a_knife_follows_the_line_through_the_sheet(bench):
    step = knife_step(bench, Tool("knife", "Drag knife", "knife", 0.9, cutting_length_mm=2.0))
    assert (step.kind, step.side, step.depth_mm) == ("profile", "on", 0.3)


def test_a_pen_in_a_knife_holder_writes(bench):
    step = knife_step(bench, load_tool("pen"))
    assert (step.depth_mm, step.level_mm) == (0.0, -0.5)


@pytest.mark.parametrize(
    ("operation", "tool", "message"),
    [
        (CUT, "drill-3", "Twist drill 3 mm is not made for cutting contours"),
        (Operation("pocket", depth_mm=2.0), "drill-3", "not made for clearing pockets"),
        (Operation("pocket", depth_mm=2.0), "vbit-60", "not made for clearing pockets"),
        (Operation("engrave", depth_mm=0.5), "drill-3", "not made for engraving"),
        (Operation("drill", depth_mm=2.0), "vbit-60", "not made for drilling"),
        (Operation("engrave", depth_mm=8.0), "vbit-60", "cuts 5 mm deep; 8 mm are asked"),
        (Operation("pocket", depth_mm=12.5), None, "12.5 mm deep in stock of 12 mm"),
        (replace(CUT, tabs=Tabs(2, 5.0, 12.0)), None, "tabs 12 mm high in stock of 12 mm"),
    ],
)
def test_what_breaks_a_tool_or_a_sheet_is_refused(bench, operation, tool, message):
    with pytest.raises(RefusedError, match=message) as caught:
        made(bench, [bench.rectangle(0, 0, 60, 60)], [replace(operation, tool=tool, name="mine")])
    assert caught.value.place == "mine"
    assert caught.value.remedy


def test_a_beam_clears_no_pocket(bench):
    with pytest.raises(RefusedError, match="a laser cannot clear a pocket"):
        made(bench, [bench.rectangle(0, 0, 60, 60)], [Operation("pocket", depth_mm=1.0)], LASER)


def test_tabs_stand_where_a_spindle_frees_a_part_and_no_higher_than_half_a_thin_sheet(bench):
    held = replace(CUT, tabs=Tabs())
    (thick,) = made(bench, [bench.rectangle(0, 0, 60, 60)], [held])
    assert thick.tabs == Tabs()
    (thin,) = made(
        bench, [bench.rectangle(0, 0, 60, 60)], [held], ("router-3018", "aluminium-2", "endmill-3.175")
    )
    assert thin.tabs == Tabs(height_mm=1.0)
    assert any("tabs 1 mm high" in note for note in thin.notes)
    (partial,) = made(bench, [bench.rectangle(0, 0, 60, 60)], [replace(held, through=False, depth_mm=5.0)])
    assert partial.tabs is None
    (beam,) = made(bench, [bench.rectangle(0, 0, 60, 60)], [held], LASER)
    assert beam.tabs is None


@pytest.mark.parametrize(
    "paths",
    [
        [("rectangle", 0, 0, 50, 50), ("rectangle", 54, 0, 50, 50)],
        [("rectangle", 0, 0, 50, 50), ("rectangle", 40, 40, 50, 50)],
        [("rectangle", 0, 0, 90, 90), ("rectangle", 20, 20, 50, 50), ("rectangle", 23, 23, 40, 40)],
    ],
    ids=["side by side", "overlapping", "island in its hole"],
)
def test_parts_nearer_than_the_tool_is_wide_are_refused_by_name(bench, paths):
    shapes = [bench.rectangle(*numbers) for _, *numbers in paths]
    with pytest.raises(RefusedError, match=r"p\d and p\d are .* mm apart") as caught:
        made(bench, shapes, [CUT] * len(shapes))
    assert "move the parts apart" in caught.value.remedy


def test_holes_may_be_nearer_than_the_tool_is_wide(bench):
    shapes = [bench.rectangle(0, 0, 90, 90), bench.circle(30, 40, 20), bench.circle(53, 40, 20)]
    assert len(made(bench, shapes, [CUT] * 3)) == 2


def test_a_kerf_between_touching_parts_is_told_not_refused(bench):
    steps = made(bench, [bench.rectangle(0, 0, 50, 50), bench.rectangle(50, 0, 50, 50)], [CUT] * 2, LASER)
    assert any("nearer than the kerf" in note for step in steps for note in step.notes)


def test_ignored_and_unchosen_paths_make_no_step(bench):
    paths = [bench.rectangle(0, 0, 50, 50), bench.rectangle(100, 0, 50, 50)]
    assert made(bench, paths, [Operation("ignore"), None]) == []


def test_wishes_of_a_person_reach_the_recipe(bench):
    from fabctl.shop.recipe import Overrides

    wish = replace(CUT, overrides=Overrides(feed_mm_min=900.0, stepdown_mm=1.5))
    (step,) = made(bench, [bench.rectangle(0, 0, 50, 50)], [wish])
    assert (step.recipe.feed_mm_min, step.recipe.stepdown_mm) == (900.0, 1.5)
    assert np.isfinite(step.recipe.plunge_mm_min)


def test_holes_of_a_part_that_shares_an_edge_with_its_neighbour_are_still_holes():
    left = ([[0, 0], [50, 0], [50, 40], [0, 40]], None, True)
    right = ([[50, 0], [100, 0], [100, 40], [50, 40]], None, False)
    holes = [([[x, 15], [x + 10, 15], [x + 10, 25], [x, 25]], None, True) for x in (20, 70)]
    island = ([[73, 18], [77, 18], [77, 22], [73, 22]], None, True)
    alone = ([[120, 0], [140, 0], [140, 20], [120, 20]], None, True)
    curves = from_paths([left, right, *holes, island, alone])
    assert sides_of(curves, nest(curves)) == ["outside", "on", "inside", "inside", "outside", "outside"]


def test_two_contours_of_one_path_are_not_named_twice(bench):
    curves = bench.curves(bench.rectangle(0, 0, 50, 50), bench.rectangle(52, 0, 50, 50))
    with pytest.raises(
        RefusedError, match=r"^x .* mm on the stock: two contours of path204 are 2\.00 mm"
    ) as caught:
        steps_of(
            curves,
            ["path204", "path204"],
            [CUT] * 2,
            machine=bench.machine(),
            stock=bench.stock("plywood-12", 400.0),
            tool_of=lambda _: load_tool("endmill-3.175"),
        )
    assert "a cut 3.175 mm wide" in caught.value.problem


@pytest.mark.parametrize(
    ("gap", "remedy"),
    [
        (4.0, "move the parts apart, or take endmill-3.175 (3.175 mm wide"),
        (2.0, "move the parts apart, or describe a tool no wider than 2.03 mm"),
        (0.0, "move the parts apart"),
    ],
)
def test_the_thinner_tool_is_named_where_there_is_one(bench, gap, remedy):
    shapes = [bench.rectangle(0, 0, 50, 50), bench.rectangle(50 + gap, 0, 50, 50)]
    with pytest.raises(RefusedError, match="mm apart") as caught:
        made(bench, shapes, [replace(CUT, depth_mm=6.0, through=False)] * 2)
    assert caught.value.remedy.startswith(remedy)
    assert gap or caught.value.remedy == remedy


def test_open_paths_that_a_cutter_goes_through_are_named_with_their_gap(bench):
    side_missing = bench.line([0, 0], [50, 0], [50, 50], [0, 50])
    (step,) = made(bench, [side_missing], [CUT])
    assert any("1 open path is cut through" in note and "p0, open by 50.00 mm" in note for note in step.notes)
    for where in (LASER, PEN):
        assert not [note for step in made(bench, [side_missing], [CUT], where) for note in step.notes]
    (shallow,) = made(bench, [side_missing], [Operation("profile", depth_mm=2.0, side="on")])
    assert not shallow.notes
