"""What a path is for, told by its layer, its colour and its shape."""

import pytest

from fabctl.operations.choose import COLOURS, LAYER_WORDS, TABS, choose


def chosen(bench, path, layer="", colour="", head="spindle", tool_mm=6.0):
    (operation,) = choose(bench.curves(path), [layer], [colour], head=head, tool_mm=tool_mm)
    return operation


@pytest.mark.parametrize(
    ("layer", "kind", "depth_mm"),
    [
        ("Cut", "profile", None),
        ("cut_outside", "profile", None),
        ("OUTLINES", "profile", None),
        ("Edge.Cuts", "profile", None),
        ("pocket 5 mm", "pocket", 5.0),
        ("Pocket-3,5mm", "pocket", 3.5),
        ("grooves", "pocket", None),
        ("engraving", "engrave", None),
        ("part label", "engrave", None),
        ("score lines", "score", None),
        ("Fold", "score", None),
        ("guide", "ignore", None),
        ("Dimensions", "ignore", None),
        ("do not cut", "ignore", None),
        ("construction 5 mm", "ignore", None),
        ("executive", "profile", None),
        ("scorecard", "profile", None),
        ("", "profile", None),
    ],
)
def test_whole_words_of_a_layer_decide(bench, layer, kind, depth_mm):
    operation = chosen(bench, bench.rectangle(0, 0, 50, 50), layer=layer)
    assert (operation.kind, operation.depth_mm) == (kind, depth_mm)


@pytest.mark.parametrize(("colour", "kind"), [*COLOURS.items(), ("#123456", "profile"), ("", "profile")])
def test_colours_decide_where_the_layer_does_not(bench, colour, kind):
    assert chosen(bench, bench.rectangle(0, 0, 50, 50), colour=colour).kind == kind
    assert chosen(bench, bench.rectangle(0, 0, 50, 50), layer="fold", colour=colour).kind == "score"


def test_every_kind_of_layer_and_colour_is_an_operation(bench):
    from fabctl.shop.job import OPERATION_KINDS

    assert set(LAYER_WORDS) == set(OPERATION_KINDS)
    assert set(COLOURS.values()) <= set(OPERATION_KINDS)


def test_closed_paths_have_a_side_and_tabs_open_ones_neither(bench):
    closed = chosen(bench, bench.rectangle(0, 0, 50, 50))
    assert (closed.side, closed.through, closed.tabs) == ("auto", True, TABS)
    opened = chosen(bench, bench.line([0, 0], [50, 0]))
    assert (opened.side, opened.through, opened.tabs) == ("on", True, None)


def test_a_beam_needs_no_tabs_and_drills_nothing(bench):
    operation = chosen(bench, bench.circle(0, 0, 6), head="laser")
    assert (operation.kind, operation.tabs) == ("profile", None)


def test_a_contour_of_a_stated_depth_frees_nothing_and_has_no_tabs(bench):
    operation = chosen(bench, bench.rectangle(0, 0, 50, 50), layer="cut 3 mm")
    assert (operation.depth_mm, operation.through, operation.tabs) == (3.0, False, None)


@pytest.mark.parametrize(
    ("diameter", "layer", "kind"),
    [
        (6.0, "", "drill"),
        (6.04, "", "drill"),
        (6.2, "", "profile"),
        (4.0, "", "profile"),
        (6.0, "drill", "drill"),
        (8.0, "drilled holes", "profile"),
        (4.0, "drill", "drill"),
    ],
)
def test_circles_of_the_tool_are_drilled_larger_holes_cut_inside(bench, diameter, layer, kind):
    operation = chosen(bench, bench.circle(0, 0, diameter), layer=layer)
    assert operation.kind == kind
    if layer and kind == "profile":
        assert operation.side == "inside"
