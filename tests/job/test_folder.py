"""A run's folder holds all that a sender without numpy needs."""

import math
from dataclasses import replace

import pytest

from fabctl.daemon.recorded import Watchers
from fabctl.errors import RefusedError
from fabctl.job.folder import Work, lay_out
from fabctl.job.run import carry_out, open_bench
from fabctl.program.check import permit, rewrite
from fabctl.program.read import read
from fabctl.record.journal import last_certain
from fabctl.record.workorder import LEGS_NAME, PROGRAM_NAME, read_work_order
from fabctl.shop.machine import load_machine
from fabctl.stream.leg import Leg
from fabctl.stream.legs import read_legs

ROUTER, HOMED = load_machine("router-3018"), load_machine("plywood-router-600x900")
TEXT = b"G21 G90 M3 S9000\nG0 Z6\nG0 X10 Y10\nG1 Z-1 F100\nG3 X30 I10 J0 F300\nG0 Z5\nM5\n"


def work_of(machine, text=TEXT, **more):
    program = rewrite(read(text, "arch", full_scale=machine.head.full_scale), machine)
    return Work(program, machine, permit(program, machine), "arch", **more)


def laid_out(folder, work):
    lay_out(folder, work)
    return read_work_order(folder)


def test_what_a_work_says_is_what_its_folder_says(tmp_path):
    work = work_of(ROUTER, material="plywood-6", parts=3, resumes="earlier", first_line=7, opening_lines=4)
    order = laid_out(tmp_path, replace(work, home=True, cut_mm=12.5, estimated_s=60.0, tools=("a", "b")))
    assert (tmp_path / PROGRAM_NAME).read_bytes() == work.program.text
    assert (order.title, order.source, order.machine) == ("arch", "arch", "router-3018")
    assert (order.program_sha256, order.lines) == (work.program.digest, work.program.line_count)
    assert order.machine_sha256 == work.permit.machine_sha256
    assert (order.material, order.parts, order.tools) == ("plywood-6", 3, ("a", "b"))
    assert (order.resumes, order.first_line, order.opening_lines, order.home) == ("earlier", 7, 4, True)
    assert (order.cut_mm, order.estimated_s, order.check_first) == (12.5, 60.0, False)


def test_the_box_holds_arcs_and_counts_an_axis_from_where_it_is_first_named(tmp_path):
    assert laid_out(tmp_path, work_of(ROUTER)).box_mm == pytest.approx((10, 0, -1, 30, 10, 6), abs=1e-6)


def test_a_program_that_never_names_an_axis_has_no_box(tmp_path):
    text = b"G21 G90 M3 S9000\nG0 Z5\nG0 X10\nG1 Z-1 F100\nG1 X30 F300\nG0 Z5\nM5\n"
    assert laid_out(tmp_path, work_of(ROUTER, text)).box_mm is None


def test_legs_are_the_programs_moves_and_name_no_axis_before_its_line_does(tmp_path):
    work = work_of(ROUTER)
    laid_out(tmp_path, work)
    up, down, arc = None, None, None
    for leg in read_legs(tmp_path / LEGS_NAME, work.program.digest):
        up = up or leg
        down = leg if leg.end_mm[2] == -1 and leg.centre_mm is None else down
        arc = leg if leg.centre_mm is not None else arc
    assert isinstance(up, Leg)
    assert math.isnan(up.end_mm[0])
    assert math.isnan(up.end_mm[1])
    assert up.feed_mm_min == math.inf
    assert (down.end_mm, down.feed_mm_min) == ((10, 10, -1), 100)
    assert (arc.end_mm, arc.centre_mm, arc.clockwise, arc.feed_mm_min) == ((30, 10, -1), (20, 10), False, 300)


def test_a_box_that_leaves_the_travel_from_where_work_zero_is_is_refused_before_anything_moves(tmp_path):
    work = work_of(HOMED)
    bench = open_bench("sim://", HOMED, work.program)
    x, y, z = bench.here_mm
    shifted = replace(bench, here_mm=(x - HOMED.travel_mm[0] / 2, y, z))
    with pytest.raises(RefusedError, match=r"X30\.000 is at .* outside"):
        carry_out(work, shifted, Watchers(), root=tmp_path)
    (folder,) = tmp_path.iterdir()
    assert (last_certain(folder).at_most, last_certain(folder).end_state) == (0, "stopped, position known")


def test_a_box_within_the_travel_is_cut(tmp_path):
    work = work_of(HOMED)
    run = carry_out(work, open_bench("sim://", HOMED, work.program), Watchers(), root=tmp_path)
    assert run.result.end_state == "done"
