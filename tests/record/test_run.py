"""Run folders and summaries."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fabctl.errors import InputError
from fabctl.record.framing import JOURNAL_NAME
from fabctl.record.journal import Journal
from fabctl.record.run import (
    RunRecord,
    find_run,
    list_runs,
    new_run_folder,
    port_of_run,
    read_run,
    runs_folder,
    was_done,
    write_run,
)

START = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
RECORD = RunRecord(
    design="stool.toml",
    program_sha256="ab" * 32,
    machine="router-3018",
    started="2026-03-01T12:30:00+00:00",
    ended="2026-03-01T12:41:00+00:00",
    end_state="done",
    version="0.1.0",
    tools=("endmill-3", "vbit-60"),
    taken_s=660.5,
    head_off=True,
    files={"program": "stool.nc", "picture": "stool.png"},
)


def test_write_then_read_is_identity(tmp_path):
    write_run(tmp_path, RECORD)
    assert read_run(tmp_path) == RECORD


def test_two_runs_in_one_second_have_two_folders(tmp_path):
    first = new_run_folder(tmp_path / "runs", "Flat-pack stool!", START)
    second = new_run_folder(tmp_path / "runs", "Flat-pack stool!", START)
    assert (first.name, second.name) == (
        "20260301-123000-flat-pack-stool",
        "20260301-123000-flat-pack-stool-2",
    )


def test_a_file_outside_the_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="not in the run's folder"):
        write_run(tmp_path, RunRecord("a", "b", "c", "d", "e", "f", "g", files={"x": "../x.nc"}))


def test_runs_are_listed_newest_first_the_damaged_ones_too(tmp_path):
    whole = new_run_folder(tmp_path, "b", START.replace(hour=14))
    write_run(whole, RECORD)
    Journal(whole).close()
    damaged = new_run_folder(tmp_path, "a", START)
    (damaged / "run.json").write_text("{", encoding="utf-8")
    first, second = list_runs(tmp_path)
    assert (first.folder, first.record) == (whole, RECORD)
    assert first.certain is not None
    assert first.certain.end_state == "not started"
    assert (second.folder, second.record, second.certain) == (damaged, None, None)


def test_no_folder_is_no_run(tmp_path):
    assert list_runs(tmp_path / "none") == ()


def test_a_damaged_summary_is_named(tmp_path):
    (tmp_path / "run.json").write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match="no record of a run"):
        read_run(tmp_path)


def test_the_default_place_is_the_persons_own():
    assert runs_folder().name == "runs"


def test_a_program_was_done_only_where_it_came_to_its_end(tmp_path):
    for name, change in [("a", {"end_state": "stopped, position known"}), ("b", {"machine": "laser-400"})]:
        folder = new_run_folder(tmp_path, name, START)
        write_run(folder, replace(RECORD, **change))
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "run.json").write_text("{")
    assert not was_done("router-3018", "ab" * 32, tmp_path)
    write_run(new_run_folder(tmp_path, "c", START), RECORD)
    assert was_done("router-3018", "ab" * 32, tmp_path)
    assert not was_done("router-3018", "cd" * 32, tmp_path)


def test_a_run_on_the_virtual_controller_is_no_run_of_the_machine(tmp_path):
    for port, done in (("sim://", False), ("sim://?seed=7", False), ("/dev/ttyUSB0", True)):
        folder = new_run_folder(tmp_path, "p", START)
        write_run(folder, RECORD)
        journal = Journal(folder)
        journal.transition("planned", {"machine": RECORD.machine, "port": port})
        journal.close()
        assert port_of_run(folder) == port
        assert was_done("router-3018", "ab" * 32, tmp_path) == done


def test_without_a_journal_nobody_knows_the_port(tmp_path):
    assert port_of_run(tmp_path) == ""


def test_a_run_is_found_by_name_by_the_beginning_of_it_by_path_and_as_the_last(tmp_path):
    names = ("20260301-1-part", "20260301-1-part-2", "20260302-1-part", "20260303-1-part")
    for name in names:
        (tmp_path / name).mkdir()
    for name in names[:3]:
        (tmp_path / name / JOURNAL_NAME).write_bytes(b"")
    for name in names:
        assert find_run(name, tmp_path).name == name, "the name itself, before those it is the beginning of"
        assert find_run(str(tmp_path / name), tmp_path / "elsewhere").name == name
    assert find_run("20260302", tmp_path).name == names[2]
    assert find_run("last", tmp_path).name == names[2], "the newest that has a journal"
    with pytest.raises(InputError, match="beginning of 2 runs: 20260301-1-part-2, 20260301-1-part "):
        find_run("20260301", tmp_path)
    for name in ("x", "last"):
        with pytest.raises(InputError, match=f"no run '{name}'"):
            find_run(name, tmp_path / "empty")
