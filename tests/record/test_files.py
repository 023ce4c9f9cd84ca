"""Files appear whole or not at all."""

import os

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


def test_a_failure_half_way_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "part.nc"
    atomic_write(path, b"old")

    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        atomic_write(path, b"new")
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["part.nc"]
