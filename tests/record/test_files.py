"""Files appear whole or not at all."""

import os
import stat

import pytest

from fabctl.errors import InputError
from fabctl.record.files import atomic_write


def test_a_file_is_written_and_replaced_whole(tmp_path):
    path = tmp_path / "part.nc"
    atomic_write(path, b"G21\n")
    atomic_write(path, "é\n")
    assert path.read_bytes() == "é\n".encode()
    assert [item.name for item in tmp_path.iterdir()] == ["part.nc"]


def test_a_missing_folder_is_named_and_nothing_is_left(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        atomic_write(tmp_path / "no" / "part.nc", b"")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_at_the_last_step_leaves_the_old_one_alone(tmp_path):
    path = tmp_path / "part.nc"
    (path / "kept").mkdir(parents=True)
    with pytest.raises(InputError, match="cannot be written"):
        atomic_write(path, b"new")
    assert (path / "kept").is_dir()
    assert [item.name for item in tmp_path.iterdir()] == ["part.nc"]


def test_a_file_is_on_the_medium_before_it_gets_its_name_and_its_name_soon_after(tmp_path, monkeypatch):
    path, synced, fsync = tmp_path / "part.nc", [], os.fsync

    def spied(number):
        synced.append((stat.S_ISDIR(os.fstat(number).st_mode), path.exists()))
        fsync(number)

    monkeypatch.setattr(os, "fsync", spied)
    atomic_write(path, b"G21\n")
    assert synced == [(False, False), (True, True)][: 1 + (os.name == "posix")]
