"""Placing: on the stock, within the machine's travel, by ordinary numbers."""

import numpy as np
import pytest

from fabctl.errors import InputError, RefusedError
from fabctl.geometry.curves import extents
from fabctl.job.plan import plan
from fabctl.shop.job import Placement

SVG = '<svg width="100mm" height="100mm" viewBox="0 0 100 100">{}</svg>'
RECT = '<rect id="part" x="20" y="30" width="60" height="20" fill="none" stroke="#000"/>'


@pytest.fixture
def drawing(tmp_path):
    """Write a drawing on a page of 100 × 100 mm."""

    def write(inner=RECT):
        file = tmp_path / "part.svg"
        file.write_text(SVG.format(inner), encoding="utf-8")
        return file

    return write


@pytest.mark.parametrize(
    ("machine", "material", "x_mm", "y_mm"),
    [
        ("laser-400", "plywood-3", 500, 0),
        ("router-3018", "plywood-6", 280, 0),
        ("router-3018", "mdf-6", 5, 170),
    ],
)
def test_a_drawing_placed_beyond_the_travel_is_refused_even_on_a_stock_nobody_named(
    drawing, order, machine, material, x_mm, y_mm
):
    with pytest.raises(RefusedError, match="reaches") as caught:
        plan(order(drawing(), machine, material, placement=Placement(x_mm, y_mm)))
    assert str(drawing()) in str(caught.value)
    assert "--at" in caught.value.remedy


def test_a_drawing_placed_up_to_the_end_of_the_travel_is_planned(drawing, order):
    made = plan(order(drawing(), "laser-400", "plywood-3", placement=Placement(339.9, 10)))
    assert extents(made.design.curves)[2] == pytest.approx(399.9)


@pytest.mark.parametrize("turn", [np.nan, np.inf, -np.inf, 1e300, 360.5, -361.0])
def test_a_turn_that_is_no_ordinary_angle_is_refused(drawing, order, turn):
    with pytest.raises(InputError, match="turned by") as caught:
        plan(order(drawing(), "laser-400", "plywood-3", placement=Placement(10, 10, turn)))
    assert caught.value.file


@pytest.mark.parametrize("x_mm", [np.nan, np.inf])
def test_a_place_that_is_no_ordinary_length_is_refused(drawing, order, x_mm):
    with pytest.raises(InputError, match="placed at"):
        plan(order(drawing(), "laser-400", "plywood-3", placement=Placement(x_mm, 10)))


@pytest.mark.parametrize("turn", [0.0, 30.0, 90.0, -127.5, 360.0])
def test_turning_keeps_the_lower_left_corner_where_it_was_placed(drawing, order, turn):
    made = plan(order(drawing(), "laser-400", "plywood-3", placement=Placement(30, 40, turn)))
    assert extents(made.design.curves)[:2] == pytest.approx((30, 40))
    assert made.stock.width_mm == pytest.approx(30 + extents(made.design.curves)[2])


@pytest.mark.parametrize("thickness_mm", [0.0, -3.0])
def test_a_thickness_of_nothing_is_refused_not_replaced(drawing, order, thickness_mm):
    with pytest.raises(InputError, match="thick"):
        plan(order(drawing(), "laser-400", "plywood-3", thickness_mm=thickness_mm))


def test_a_stock_nobody_named_is_said_to_be_made_up(drawing, order):
    said = [n for n in plan(order(drawing(), "laser-400", "plywood-3")).notes if "no stock named" in n]
    assert len(said) == 1
    assert "--stock" in said[0]
    named = plan(order(drawing(), "laser-400", "plywood-3", stock_mm=(200.0, 200.0)))
    assert not [n for n in named.notes if "no stock named" in n]
