"""The planned path on disk: what the sender follows, for programs of any length."""

import math
import struct

import pytest

from fabctl.errors import InputError, RefusedError
from fabctl.stream.legs import CLOCKWISE, LEG_FORMAT, STRAIGHT, legs_head, read_legs

DIGEST = "ab" * 32
ROWS = [
    (2, STRAIGHT, 1, 0, math.nan, math.nan, 5.0, 0.0, 0.0, 0.0, 0.0),
    (3, STRAIGHT, 0, 0, 10.0, 0.25, -1.5, 0.0, 0.0, 300.0, 0.5),
    (4, CLOCKWISE, 0, 0, 20.0, 0.25, -1.5, 15.0, 0.25, 900.0, 1.0),
]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "program.legs"
    path.write_bytes(legs_head(DIGEST) + b"".join(struct.pack(LEG_FORMAT, *row) for row in ROWS))
    return path


def test_legs_come_back_as_they_were_written(file):
    rapid, cut, arc = read_legs(file, DIGEST)
    assert (rapid.number, rapid.end_mm[2], rapid.feed_mm_min) == (2, 5.0, math.inf)
    assert all(map(math.isnan, rapid.end_mm[:2]))
    assert cut == (3, (10.0, 0.25, -1.5), None, False, 300.0, 0.5)
    assert arc == (4, (20.0, 0.25, -1.5), (15.0, 0.25), True, 900.0, 1.0)


def test_legs_of_another_program_are_refused(file):
    with pytest.raises(RefusedError, match="not the planned path"):
        next(read_legs(file, "cd" * 32))


def test_a_file_that_ends_within_a_leg_is_an_error(file):
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(InputError, match="cannot be read"):
        list(read_legs(file, DIGEST))
