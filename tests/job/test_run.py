"""What a run on the virtual controller tells of the tool's true path."""

import numpy as np
import pytest

from fabctl.daemon.recorded import Watchers
from fabctl.job.folder import Work
from fabctl.job.run import carry_out, open_bench
from fabctl.program.check import permit, rewrite
from fabctl.program.read import read
from fabctl.shop.machine import load_machine

HOMED = load_machine("plywood-router-600x900")
TWO = (
    b"G21 G90 T1 M6 M3 S9000\nG0 Z6\nG0 X10 Y10\nG1 Z-1 F300\nG1 X20\nG0 Z6\nM5\n"
    b"T2 M6 M3 S9000\nG0 X40 Y40\nG1 Z-2 F300\nG1 X50\nG0 Z6\nM5\n"
)


def test_the_true_path_is_in_work_coordinates_and_knows_where_each_section_begins(tmp_path):
    program = rewrite(read(TWO, "two", full_scale=HOMED.head.full_scale), HOMED)
    work = Work(program, HOMED, permit(program, HOMED), "two")
    bench = open_bench("sim://", HOMED, program)
    run = carry_out(work, bench, Watchers(arm=lambda _pause: True), root=tmp_path)
    path = run.true_path
    first, second = path.sections
    assert first == 0
    parts = path.xyz_mm[:second], path.xyz_mm[second:]
    assert [part[:, 2].min() for part in parts] == pytest.approx([-1, -2], abs=0.01)
    cuts = [part[part[:, 2] < -0.5] for part in parts]
    assert np.allclose([cut[:, :2].min(axis=0) for cut in cuts], [[10, 10], [40, 40]], atol=0.01)
    assert np.allclose([cut[:, :2].max(axis=0) for cut in cuts], [[20, 10], [50, 40]], atol=0.01)
    assert len(path.power) == len(path.xyz_mm)
