"""Sheets: slices of a solid side by side on the stock."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from fabctl.errors import RefusedError
from fabctl.geometry.curves import extents
from fabctl.operations.sheets import sheets
from tests.geometry.solids import box, together

sizes = st.floats(2, 40)


@given(sizes, sizes, st.floats(3, 60), st.floats(1, 12), st.floats(0.5, 20))
def test_slices_never_overlap_keep_their_gap_and_lie_within_the_room(width, depth, height, thick, gap):
    solid = box((0, 0, 0), (width, depth, height))
    try:
        made = sheets(solid, thick, 300.0, 200.0, gap, source="a.stl")
    except RefusedError:
        return
    boxes = [shapely.box(*extents(made.curves.take([i]))) for i in range(len(made.curves))]
    tree = shapely.STRtree(boxes)
    i, j = tree.query(boxes, predicate="dwithin", distance=gap - 1e-6)
    assert np.all(i == j)
    x0, y0, x1, y1 = extents(made.curves)
    assert min(x0, y0) >= -1e-9
    assert x1 <= 300 + 1e-9
    assert y1 <= 200 + 1e-9
    assert [b.area for b in boxes] == pytest.approx([width * depth] * len(boxes))
    assert made.names == [f"sheet {k + 1}" for k in range(len(boxes))]


def test_a_step_in_the_solid_shows_in_its_sheets():
    solid = together(box((0, 0, 0), (30, 30, 6)), box((10, 10, 6), (20, 20, 12)))
    made = sheets(solid, 6.0, 300, 200, 5, source="a.stl")
    assert "sliced into 2 sheets of 6 mm" in made.notes[0]
    areas = [shapely.box(*extents(made.curves.take([i]))).area for i in range(len(made.curves))]
    assert sorted(areas) == pytest.approx([100, 900])


@pytest.mark.parametrize(
    ("high", "said"), [(20, "stacked they are 18 mm high, the solid is 20 mm"), (18, "")]
)
def test_a_stack_that_is_not_as_high_as_the_solid_is_said(high, said):
    note = sheets(box((0, 0, 0), (20, 20, high)), 6.0, 300, 200, 5, source="a.stl").notes[0]
    assert said in note
    assert ("stacked" in note) == bool(said)


@pytest.mark.parametrize(
    ("thick", "room", "message"),
    [
        (0.1, (300, 200), "would take 600 sheets"),
        (6.0, (20, 20), r"sheet 1 of 10 \(30\.0 × 30\.0 mm\) does not fit: there is room for 20 × 20 mm"),
        (6.0, (100, 100), "does not fit"),
    ],
)
def test_what_does_not_fit_is_refused_with_sizes(thick, room, message):
    with pytest.raises(RefusedError, match=message) as caught:
        sheets(box((0, 0, 0), (30, 30, 60)), thick, *room, 5, source="a.stl")
    assert caught.value.file == "a.stl"
    assert caught.value.remedy
