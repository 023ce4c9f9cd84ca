"""``fabctl status``: what a person reads after a crash."""

import json

import pytest

from fabctl.record.framing import encode_record
from fabctl.record.journal import Journal, read_journal


@pytest.fixture
def crashed(tmp_path):
    """A folder of runs, the one in it not yet ended, held at line 12 of 100."""
    folder = tmp_path / "runs" / "20260301-123000-stool"
    folder.mkdir(parents=True)
    journal = Journal(folder)
    journal.begin_transition("planned", {"machine": "router-3018", "lines": 100})
    journal.transition("started", {"work_mm": (1, 2, 3)})
    journal.transition("hold", {"executed": 12})
    journal.sending(40)
    journal.close()
    return folder


def _as_of_a_dead_process(folder):
    """Write the first record anew, as a process that is gone would have left it."""
    records = [dict(record) for record in read_journal(folder).records]
    records[0]["process_started"] = "before"
    (folder / "journal").write_bytes(b"".join(map(encode_record, records)) + bytes(64))


def test_after_a_crash_it_says_what_is_certain_and_what_to_do(fabctl, crashed):
    _as_of_a_dead_process(crashed)
    said = fabctl("status", "--out", crashed.parent)
    assert said.code == 0
    for words in (
        "state        crashed",
        "the first 12 lines of 100 are wholly executed",
        "no line after 100 can have begun",
        "1.000, 2.000, 3.000 mm, work coordinates, when last seen",
        "head         not known",
        f"fabctl run {crashed / 'program.nc'} -m router-3018 --from 13",
    ):
        assert words in said.out


def test_a_run_that_goes_on_is_said_to(fabctl, crashed):
    (row,) = json.loads(fabctl("status", "--out", crashed.parent, "--json").out)
    assert (row["state"], row["machine"], row["executed_at_least"]) == ("held", "router-3018", 12)


def test_one_run_is_named_by_its_beginning(fabctl, crashed):
    said = fabctl("status", "20260301", "--out", crashed.parent, "--json")
    assert json.loads(said.out)[0]["name"] == crashed.name
    missing = fabctl("status", "nothing", "--out", crashed.parent)
    assert missing.code == 3
    assert "fabctl runs" in missing.err


def test_without_runs_it_says_so(fabctl, tmp_path):
    said = fabctl("status")
    assert (said.code, said.out) == (0, "")
    assert "no runs yet in " in said.err
    assert str(tmp_path / "data") in said.err
    assert fabctl("status", "--out", tmp_path / "nowhere").code == 3


def test_all_lists_older_runs_too(fabctl, crashed):
    older = crashed.parent / "20260201-120000-old"
    older.mkdir()
    journal = Journal(older)
    journal.transition("planned", {"machine": "router-3018"})
    journal.close()
    assert len(json.loads(fabctl("status", "--out", crashed.parent, "--json").out)) == 1
    assert len(json.loads(fabctl("status", "--all", "--out", crashed.parent, "--json").out)) == 2
