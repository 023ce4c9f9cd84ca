"""Programs at the door: what is no file a program could be in is refused before it is read."""

import os

import pytest

from fabctl.errors import ProgramError
from fabctl.job import check as door
from fabctl.job.check import load_bytes


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
