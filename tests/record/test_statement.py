"""What is said of a run afterwards."""

import json
from contextlib import closing
from datetime import datetime

import pytest

from fabctl.daemon.guard import GUARD_LOG as THE_GUARDS_OWN
from fabctl.record.framing import JOURNAL_NAME
from fabctl.record.journal import Journal
from fabctl.record.run import run_folders
from fabctl.record.statement import GUARD_LOG, latest_of_each_machine, statement


@pytest.fixture
def journal(tmp_path):
    folder = tmp_path / "20260301-123000-stool"
    folder.mkdir()
    journal = Journal(folder)
    journal.transition("planned", {"machine": "router-3018", "lines": 100, "title": "stool"})
    yield journal
    journal.close()


def _said(journal, *, lives):
    return statement(journal.path.parent, lambda folder, first: lives)


def _start(journal):
    journal.transition("armed", {"lines": 100, "work_mm": (0, 0, 5)})
    journal.transition("started", {"work_mm": (0, 0, 5)})
    journal.sending(20)


@pytest.mark.parametrize(
    ("lives", "before", "after"),
    [
        (True, "preparing", "running"),
        (False, "not started", "crashed"),
        (None, "not told", "not told"),
    ],
)
def test_a_run_without_an_end_is_told_by_its_process(journal, lives, before, after):
    assert _said(journal, lives=lives).state == before
    _start(journal)
    assert _said(journal, lives=lives).state == after


def test_the_process_that_opened_the_journal_is_asked(journal):
    _start(journal)
    assert statement(journal.path.parent).state == "running"


def test_a_held_run_is_held_until_it_goes_on(journal):
    _start(journal)
    journal.transition("hold", {"executed": 3})
    assert _said(journal, lives=True).state == "held"
    journal.transition("resume", {})
    assert _said(journal, lives=True).state == "running"


def test_a_paused_run_names_the_section_it_asks_for_until_that_begins(journal):
    _start(journal)
    journal.transition("pause", {"line": 9, "note": "M0"})
    said = _said(journal, lives=True)
    assert (said.state, said.asks_for) == ("paused", 2)
    assert "answer where it was begun" in said.advice
    journal.transition("section", {"section": 2})
    said = _said(journal, lives=True)
    assert (said.state, said.asks_for) == ("running", 0)
    journal.transition("pause", {"line": 30, "note": "M0"})
    assert _said(journal, lives=True).asks_for == 3
    assert _said(journal, lives=False).asks_for == 0


def test_after_a_crash_nothing_is_said_of_the_head_and_the_way_on_is_named(journal):
    _start(journal)
    said = _said(journal, lives=False)
    assert said.head_off is None
    folder = journal.path.parent
    assert f"; then fabctl run {folder / 'program.nc'} -m router-3018 --from 1, or start again" in said.advice
    assert "head is off" in said.advice
    assert (said.machine, said.at_least, said.lines) == ("router-3018", 0, 100)
    assert said.at_most >= 20


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        ("plywood-router-600x900", "; then fabctl resume {folder}, or start again"),
        ("sold-long-ago", "fabctl resume {folder} on a machine that homes, fabctl run {folder}"),
    ],
)
def test_only_a_machine_with_switches_is_told_to_resume_after_a_crash(tmp_path, machine, words):
    with closing(Journal(tmp_path)) as journal:
        journal.transition("planned", {"machine": machine, "lines": 9})
        journal.transition("started", {})
    assert words.format(folder=tmp_path) in statement(tmp_path, lambda folder, first: False).advice


def test_an_end_counts_whatever_the_process_does(journal):
    _start(journal)
    journal.transition("stop", {"cause": "error", "reason": "error:2"})
    end = {"end_state": "stopped, position known", "executed": 7, "at_most": 9, "head_off": True}
    journal.transition("end", end)
    for lives in (True, False, None):
        said = _said(journal, lives=lives)
        assert (said.state, said.head_off, said.cause) == ("stopped, position known", True, "error")
        assert (said.at_least, said.at_most, said.reason) == (7, 9, "error:2")


def test_a_journal_that_was_cut_is_said_to_be(journal):
    _start(journal)
    journal.close()
    raw = journal.path.read_bytes()
    journal.path.write_bytes(raw[:-20])
    said = _said(journal, lives=False)
    assert (said.whole, said.at_most, said.state) == (False, 100, "crashed")


def test_what_the_guard_came_to_is_told(journal):
    _start(journal)
    folder = journal.path.parent
    assert GUARD_LOG == THE_GUARDS_OWN
    assert _said(journal, lives=False).guard == ""
    (folder / GUARD_LOG).write_text('{"ends": ["stopped, position known"]}\n', encoding="utf-8")
    assert _said(journal, lives=False).guard == "stopped, position known"
    (folder / GUARD_LOG).write_text('{"ends": ["stop', encoding="utf-8")
    assert _said(journal, lives=False).guard == ""


def test_what_the_guard_of_a_keeper_came_to_is_told_of_its_machine_and_its_time(journal):
    _start(journal)
    last_s = datetime.fromisoformat(_said(journal, lives=False).last).timestamp()
    log = journal.path.parent.parent / GUARD_LOG
    for machines, late_s, told in (
        (["laser-400", "router-3018"], 0.8, "stopped, position known"),
        (["laser-400"], 0.8, ""),
        (["router-3018"], 900.0, ""),
        (["router-3018"], -900.0, ""),
    ):
        ends = ["done" for _ in machines[1:]] + ["stopped, position known"]
        log.write_text(json.dumps({"time": last_s + late_s, "machines": machines, "ends": ends}) + "\n{")
        assert _said(journal, lives=False).guard == told
    log.write_text(json.dumps({"time": last_s, "machines": ["router-3018"], "ends": ["x"]}))
    journal.transition("end", {"end_state": "done"})
    assert _said(journal, lives=False).guard == ""


def test_a_folder_without_a_journal_is_said_to_have_none(tmp_path):
    assert statement(tmp_path).state == "no journal"


def test_the_latest_run_of_each_machine_is_found_newest_first(tmp_path):
    for name, machine in (("1-a", "x"), ("2-b", "y"), ("3-c", "x"), ("4-d", "z")):
        (tmp_path / name).mkdir()
        journal = Journal(tmp_path / name)
        journal.transition("planned", {"machine": machine})
        journal.close()
    assert [folder.name for folder in latest_of_each_machine(tmp_path)] == ["4-d", "3-c", "2-b"]
    assert len(run_folders(tmp_path)) == 4


def test_a_virtual_run_hides_no_run_of_the_machine_itself(tmp_path):
    for name, port in (("1-real", "/dev/ttyUSB0"), ("2-virtual", "sim://?seed=1")):
        (tmp_path / name).mkdir()
        journal = Journal(tmp_path / name)
        journal.transition("planned", {"machine": "x", "port": port})
        journal.close()
    assert [folder.name for folder in latest_of_each_machine(tmp_path)] == ["2-virtual", "1-real"]
    assert statement(tmp_path / "1-real").port == "/dev/ttyUSB0"


def test_nobody_is_sent_to_look_for_the_position_of_a_virtual_machine(tmp_path):
    journal = Journal(tmp_path)
    journal.transition("planned", {"machine": "x", "port": "sim://", "lines": 9})
    journal.transition("started", {})
    journal.transition("end", {"end_state": "stopped, position unknown"})
    assert statement(tmp_path).advice == "start again: it was on the virtual controller, nothing is cut"


def test_a_journal_of_something_else_is_no_reason_to_fail(tmp_path):
    (tmp_path / JOURNAL_NAME).write_bytes(b"\x00\xff\n" * 1000)
    said = statement(tmp_path)
    assert (said.state, said.whole) == ("crashed", False)
