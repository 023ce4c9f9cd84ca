"""Room is taken before it is needed, and told from what was written."""

import errno
import os

import pytest

from fabctl.record.space import MOST_BYTES, Disk, ReservedFile, journal_bytes, reserve_space


@pytest.fixture
def number(tmp_path):
    number = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0))
    yield number
    os.close(number)


def test_a_longer_run_gets_more_room_up_to_a_limit():
    sizes = [journal_bytes(lines, lines / 10) for lines in (0, 1000, 100_000, 10**8)]
    assert sizes == sorted(sizes)
    assert sizes[-1] == MOST_BYTES


def test_reserved_room_is_zeros_and_does_not_move_what_is_written_next(number):
    assert reserve_space(number, 0, 5000) == 5000
    assert os.fstat(number).st_size == 5000
    os.write(number, b"abc")
    assert os.pread(number, 5000, 0) == b"abc" + bytes(4997)


def test_where_the_file_system_cannot_reserve_zeros_are_written(number, monkeypatch):
    def unable(*_):
        raise OSError(errno.EOPNOTSUPP, "not here")

    monkeypatch.setattr(os, "posix_fallocate", unable, raising=False)
    os.write(number, b"abc")
    assert reserve_space(number, 3, 200_000) == 200_003
    os.write(number, b"def")
    assert os.pread(number, 300_000, 0) == b"abcdef" + bytes(199_997)


def test_a_full_disk_is_not_taken_for_one_that_cannot_reserve(number, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(OSError, match="full"):
        reserve_space(number, 0, 10)


def test_the_mark_of_the_end_is_on_the_medium_before_the_room_is_given_back(tmp_path):
    number = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0))
    synced = []

    def sync(number):
        synced.append(((tmp_path / "file").read_bytes()[:5], os.fstat(number).st_size > 5000))

    file = ReservedFile(number, Disk(sync=sync), 5000)
    file.append(b"abc\n")
    file.finish()
    assert synced == [(b"abc\n\n", True)]
    assert os.fstat(number).st_size == 5
    file.close()


def test_a_zero_always_stands_behind_the_last_record(tmp_path):
    number = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0))

    def once(number, start, size):
        if start:
            raise OSError(errno.ENOSPC, "full")
        return reserve_space(number, start, size)

    file = ReservedFile(number, Disk(reserve=once), 10)
    file.append(b"123456789")
    with pytest.raises(OSError, match="No space"):
        file.append(b"0")
    assert (tmp_path / "file").read_bytes() == b"123456789\0"
    file.finish()
    assert (tmp_path / "file").read_bytes() == b"123456789\n"
    file.close()
