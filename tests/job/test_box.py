"""The box of a program's cuts."""

import pytest

from fabctl.errors import RefusedError
from fabctl.job.box import cut_box_mm
from fabctl.program.read import read


def test_the_box_is_that_of_the_cuts_arcs_included():
    low, high = cut_box_mm(read(b"G21 G90\nG0 X-50 Z5\nG0 X10 Y10\nG1 Z-1 F100\nG3 X30 I10 J0\nG0 Z9\n"))
    assert low.tolist() == pytest.approx([10, 0, -1])
    assert high.tolist() == pytest.approx([30, 10, 5])


def test_a_program_without_cuts_has_no_box():
    with pytest.raises(RefusedError, match="cuts nothing"):
        cut_box_mm(read(b"G21 G90\nG0 X5\n"))
