"""Pictures: from a file to the lines that burn it, or refused with the reason."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from fabctl.errors import DesignError, RefusedError
from fabctl.job.check import approve
from fabctl.job.picture import plan_scene
from fabctl.job.plan import Order, order_of, plan
from fabctl.shop.job import Placement, Raster, load_job
from fabctl.shop.machine import load_machine
from fabctl.shop.material import LaserData, load_material
from fabctl.toolpath.moves import RAPID, starts


@pytest.fixture
def picture(tmp_path):
    """Write greys as a PNG of 10 dots a millimetre."""

    def write(grey, name="photo.png", **how):
        path = tmp_path / name
        Image.fromarray(np.asarray(grey, np.uint8)).save(path, **({"dpi": (254, 254)} | how))
        return path

    return write


def slope(rows=60, columns=90):
    return np.linspace(0, 255, rows * columns).reshape(rows, columns)


def burnt(program, shape, at_mm, size_mm):
    """Energy of each dot, as the program's moves put it there: power times way, drawn by brute force."""
    begin = starts(program.moves, program.start)
    energy = np.zeros(shape)
    dot = size_mm[0] / shape[1]
    for a, move in zip(begin, program.moves, strict=True):
        if move["motion"] == RAPID or move["power"] == 0:
            continue
        row = int(np.floor((at_mm[1] + size_mm[1] - move["xyz"][1]) / (size_mm[1] / shape[0])))
        edges = at_mm[0] + np.arange(shape[1] + 1) * dot
        low, high = sorted((a[0], move["xyz"][0]))
        covered = np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0, None)
        energy[row] += covered / dot * move["power"]
    return energy


def at_01_mm(order, path, **more):
    wishes = Raster(pitch_mm=0.1, **more.pop("raster", {}))
    made = order(path, "laser-400", "plywood-3", placement=Placement(20, 10, more.pop("turn", 0.0)), **more)
    return replace(made, raster=wishes)


@pytest.mark.parametrize("turn", [0, 90, 180, 270, -90])
def test_a_picture_is_burnt_where_it_is_dark_upright_or_turned(order, picture, turn):
    grey = np.where(np.random.default_rng(1).random((30, 40)) < 0.3, 0, 255)
    grey[0, 0] = grey[-1, -1] = 0
    made = plan(at_01_mm(order, picture(grey), turn=float(turn)))
    seen = np.rot90(grey, turn // 90)
    size = seen.shape[1] / 10, seen.shape[0] / 10
    power = made.cuts[0].step.recipe.power
    assert burnt(made.program, seen.shape, (20, 10), size) == pytest.approx((seen == 0) * power, abs=2e-3)
    approve(made.program, made.order.machine, made.stock)


@pytest.mark.parametrize("levels", [1, 4])
def test_dithering_keeps_the_mean_darkness(order, picture, levels):
    grey = slope()
    made = plan(at_01_mm(order, picture(grey), raster={"levels": levels}))
    energy = burnt(made.program, grey.shape, (20, 10), (9, 6)) / made.cuts[0].step.recipe.power
    tiles = energy.reshape(6, 10, 9, 10).mean(axis=(1, 3))
    assert tiles == pytest.approx(1 - grey.reshape(6, 10, 9, 10).mean(axis=(1, 3)) / 255, abs=0.06)


def test_the_material_s_gamma_and_power_curve_reach_the_beam(order, picture):
    flat = np.full((20, 20), 128)
    plain = at_01_mm(order, picture(flat), raster={"levels": 255, "dither": "threshold"})
    answers = {"gamma": 2.0, "power_curve": ((0.0, 0.0), (0.25, 0.6), (1.0, 1.0))}
    wood = replace(plain.material, laser=replace(plain.material.laser, **answers))
    made = plan(replace(plain, material=wood))
    share = made.program.moves["power"].max() / made.cuts[0].step.recipe.power
    # darkness 127/255, squared, is 0.248: nearly at the curve's middle point
    assert share == pytest.approx(0.248 / 0.25 * 0.6, abs=0.01)
    assert plan(plain).program.moves["power"].max() < made.program.moves["power"].max()


def test_lines_begin_and_end_with_room_to_speed_up(order, picture):
    made = plan(at_01_mm(order, picture(slope()), raster={"feed_mm_min": 3000.0}))
    x = made.program.moves["xyz"][:, 0]
    assert x.min() == pytest.approx(20 - 1.25)
    assert x.max() == pytest.approx(29 + 1.25)


def test_too_little_room_to_speed_up_is_told_and_kept_within_the_travel(order, picture):
    near = replace(at_01_mm(order, picture(slope())), placement=Placement(2.0, 5.0))
    made = plan(near)
    assert made.program.moves["xyz"][:, 0].min() == pytest.approx(0)
    assert any("2.0 mm are left beside the picture" in note for note in made.notes)


def test_nobody_placing_it_leaves_the_room(order, picture):
    made = plan(order(picture(slope()), "laser-400", "plywood-3"))
    feed, slow = made.cuts[0].step.recipe.feed_mm_min, 1000
    assert made.design.curves.points[:, 0].min() >= (feed / 60) ** 2 / 2 / slow
    assert not any("are left beside" in note for note in made.notes)


def test_a_slower_feed_burns_no_darker(order, picture):
    fast = plan(at_01_mm(order, picture(slope()))).cuts[0].step.recipe
    slow = plan(at_01_mm(order, picture(slope()), raster={"feed_mm_min": 1000.0})).cuts[0].step.recipe
    assert slow.power / slow.feed_mm_min == pytest.approx(fast.power / fast.feed_mm_min, rel=1e-3)


def test_a_feed_the_controller_cannot_follow_is_told_with_one_it_can(order, picture):
    grain = np.where(np.indices((20, 200)).sum(axis=0) % 2, 0, 255)
    wild = at_01_mm(order, picture(grain), raster={"dither": "threshold"})
    said = [note for note in plan(wild).notes if "the controller takes" in note]
    assert len(said) == 1
    steady = float(said[0].split("at F")[-1].split()[0])
    calm = replace(wild, raster=replace(wild.raster, feed_mm_min=steady))
    assert not any("the controller takes" in note for note in plan(calm).notes)


def test_the_size_is_the_file_s_or_the_person_s(order, picture):
    told = plan(order(picture(slope()), "laser-400", "plywood-3"))
    assert np.ptp(told.design.curves.points, axis=0) == pytest.approx([9, 6])
    wide = replace(told.order, raster=Raster(width_mm=45.0))
    assert np.ptp(plan(wide).design.curves.points, axis=0) == pytest.approx([45, 30])
    unknown = order(picture(slope(), "size.bmp", dpi=(0, 0)), "laser-400", "plywood-3")
    with pytest.raises(RefusedError, match="does not say how large"):
        plan(unknown)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"machine": load_machine("router-3018")}, "burnt by a laser"),
        ({"material": load_material("petg-0.5")}, "no laser for"),
        ({"placement": Placement(20, 10, 45)}, "cannot be turned by 45"),
        ({"placement": Placement(395, 10)}, "reaches 400"),
        ({"operations": load_job("stool").operations}, "no paths for operations"),
        ({"raster": Raster(width_mm=5000.0)}, "reaches 400"),
        ({"raster": Raster(feed_mm_min=20000.0)}, "beyond the axes"),
    ],
)
def test_what_cannot_be_burnt_is_refused(order, picture, change, said):
    made = order(picture(slope()), "laser-400", "plywood-3")
    with pytest.raises(RefusedError, match=said):
        plan(replace(made, **change))


def test_white_is_refused(order, picture):
    with pytest.raises(RefusedError, match="nothing to burn"):
        plan(order(picture(np.full((9, 9), 255)), "laser-400", "plywood-3"))


def test_a_damaged_picture_is_named(order, picture, tmp_path):
    whole = picture(slope()).read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DesignError, match="damaged"):
        plan(order(tmp_path / "half.png", "laser-400", "plywood-3"))


def test_a_drawing_is_not_burnt(order, tmp_path):
    path = tmp_path / "a.svg"
    path.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="9mm" height="9mm"><path d="M1 1H8V8Z"/></svg>',
        "utf-8",
    )
    with pytest.raises(RefusedError, match="no greys to burn"):
        plan(order(path, "laser-400", "plywood-3", raster=Raster()))


def test_a_laser_that_stops_at_every_change_is_refused(order, picture):
    made = order(picture(slope()), "laser-400", "plywood-3")
    head = replace(made.machine.head, laser_mode=False, on_word="M3")
    with pytest.raises(RefusedError, match="stops at every change"):
        plan(replace(made, machine=replace(made.machine, head=head)))


def test_the_same_picture_gives_the_same_bytes(order, picture):
    made = at_01_mm(order, picture(slope()))
    assert plan(made).program.text == plan(made).program.text


def test_the_shipped_picture_is_planned_checked_and_drawn():
    made = plan(order_of(load_job("hills")))
    approve(made.program, made.order.machine, made.stock)
    assert np.ptp(made.design.curves.points, axis=0) == pytest.approx([60, 40])
    assert 240 < made.timing.total_s < 480
    assert plan_scene(made) is not None
    assert isinstance(made.order, Order)
    assert isinstance(made.order.material.laser, LaserData)
