"""Programs at the door: what is no file a program could be in is refused before it is read."""

import os

import numpy as np
import pytest

from fabctl.errors import ProgramError
from fabctl.job import check as door
from fabctl.job.check import inspect, load_bytes, rewritten
from fabctl.job.plan import time_program
from fabctl.program.read import read
from fabctl.shop.machine import load_machine

ROUTER = load_machine("router-3018")


@pytest.mark.skipif(os.name == "nt", reason="named pipes and devices in the file tree are POSIX")
def test_a_pipe_or_a_device_is_refused_unopened(tmp_path):
    pipe = tmp_path / "pipe.nc"
    os.mkfifo(pipe)
    for path in (pipe, type(pipe)("/dev/zero"), tmp_path):
        with pytest.raises(ProgramError, match="not a regular file") as caught:
            load_bytes(path)
        assert caught.value.file == str(path)


def test_a_file_no_program_fills_is_refused_by_its_size_alone(tmp_path):
    path = tmp_path / "sparse.nc"
    with path.open("wb") as file:
        file.truncate(door.LARGEST_BYTES + 1)
    with pytest.raises(ProgramError, match="larger than 500 MB"):
        load_bytes(path)


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
def test_a_line_too_long_is_refused_by_its_number(tmp_path, ending):
    path, longest = tmp_path / "long.nc", door.LONGEST_LINE
    head = b"G21G90" + ending + b"X1" * (longest // 2) + ending
    path.write_bytes(head)
    assert load_bytes(path) == head
    path.write_bytes(head * 40 + b"X" + b"0" * longest + ending + b"M2" + ending)
    with pytest.raises(ProgramError, match="more than 4096") as caught:
        load_bytes(path)
    assert caught.value.place == "line 81"


def test_a_run_of_nul_bytes_is_called_damage(tmp_path):
    path = tmp_path / "torn.nc"
    path.write_bytes(b"G21\n" + b"\0" * 1_000_000)
    with pytest.raises(ProgramError, match="damaged") as caught:
        load_bytes(path)
    assert caught.value.place == "line 2"


def test_the_time_told_is_that_of_what_goes_on_the_wire():
    """The file says nothing of spin-up and retracts; the machine makes them all the same."""
    report = inspect(read(b"G21G90M3S900\nG0Z5\nX0Y0\nG1Z-1F100\nX10F500\n"), ROUTER)
    program, _ = rewritten(report)
    assert report.estimated_s == time_program(program, ROUTER).total_s
    assert report.estimated_s > time_program(report.program, ROUTER).total_s + ROUTER.head.spin_up_s


def test_a_refused_program_has_no_time():
    report = inspect(read(b"G21G90M3S900\nG0Z5\nX0Y0\nG1X5000F100\n"), ROUTER)
    assert not report.passed
    assert report.estimated_s is None


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        (b"G21G90M3S900\nG1X10F500\n", (0, 0, 0), (10, 0, 0)),
        (b"G21G90M3S900\nG4P1\nG1X10F500\n", (0, 0, 0), (10, 0, 0)),
        (b"G21G90M3S900\nG0X10Y5Z5\nG1X20F500\n", (10, 5, 5), (20, 5, 5)),
    ],
)
def test_the_extents_hold_the_start_of_the_first_cut(text, low, high):
    report = inspect(read(text), ROUTER)
    np.testing.assert_array_equal((report.low_mm, report.high_mm), (low, high))
