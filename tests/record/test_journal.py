"""The journal: what it says is true, wherever it was cut."""

import os
from dataclasses import dataclass

import pytest

from fabctl.errors import InputError
from fabctl.record.journal import AHEAD_LINES, JOURNAL_NAME, Journal, last_certain, read_journal


@dataclass
class Counts:
    executed: int
    at_most: int
    acknowledged: int = 0
    sent: int = 0
    work_mm: tuple[float, float, float] | None = (1.0, 2.0, 3.0)


class Clock:
    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        self.now_s += 0.2
        return self.now_s


@pytest.fixture
def written(tmp_path):
    """A journal of a run of 1000 lines up to line 300, without an end."""
    journal = Journal(tmp_path, Clock())
    journal.transition("armed", {"lines": 1000, "program_sha256": "0" * 64})
    journal.transition("started", {"work_mm": (0.0, 0.0, 5.0)})
    for line in range(0, 301, 20):
        journal.sending(line + 20)
        journal.progress(Counts(line, line + 3, line + 15, line + 20))
    yield journal
    journal.close()


def test_what_was_written_is_read_back_in_order(written):
    reading = read_journal(written.path)
    assert [record["n"] for record in reading.records] == list(range(len(reading.records)))
    assert reading.records[0]["kind"] == "armed"
    assert reading.torn_bytes == 0


def test_a_run_without_an_end_is_said_to_have_crashed_with_bounds(written):
    certain = last_certain(written.path)
    assert (certain.at_least, certain.lines, certain.end_state) == (300, 1000, "crashed")
    assert 320 <= certain.at_most <= 320 + AHEAD_LINES
    assert certain.work_mm == (1.0, 2.0, 3.0)


def test_an_ended_run_has_the_end_the_sender_named(written):
    written.transition("stop", {"cause": "operator abort", "reason": "asked"})
    written.transition("end", {"end_state": "stopped, position known", "executed": 310, "at_most": 311})
    certain = last_certain(written.path)
    assert (certain.at_least, certain.at_most, certain.end_state) == (310, 311, "stopped, position known")


def test_lines_of_a_check_pass_moved_nothing(tmp_path):
    journal = Journal(tmp_path, Clock())
    journal.sending(1000)
    journal.progress(Counts(0, 1000, 1000, 1000))
    journal.transition("armed", {"lines": 1000})
    journal.transition("started", {})
    assert last_certain(tmp_path).at_most == 0
    journal.sending(5)
    assert last_certain(tmp_path).at_most == 5 + AHEAD_LINES
    journal.close()


def test_law_cut_at_every_byte_the_journal_recovers_to_a_true_statement(written, tmp_path):
    """A shorter journal never claims more than the whole one did at that moment."""
    whole = written.path.read_bytes()
    ends = [at + 1 for at, byte in enumerate(whole) if byte == ord("\n")]
    cut_folder = tmp_path / "cut"
    cut_folder.mkdir()
    path = cut_folder / JOURNAL_NAME
    best = last_certain(written.path)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        reading = read_journal(path)
        good = sum(end <= length for end in ends)
        assert len(reading.records) == good
        assert reading.torn_bytes == length - (ends[good - 1] if good else 0)
        certain = last_certain(path)
        assert certain.at_least <= best.at_least
        assert certain.torn == (reading.torn_bytes > 0)


def test_law_a_flipped_bit_is_never_believed(written):
    whole = bytearray(written.path.read_bytes())
    count = len(read_journal(written.path).records)
    for at in range(0, len(whole), 7):
        spoilt = bytearray(whole)
        spoilt[at] ^= 1 << at % 8
        written.path.write_bytes(spoilt)
        assert len(read_journal(written.path).records) < count


def test_progress_comes_in_batches_of_at_most_ten_a_second(tmp_path):
    now_s = [0.0]
    journal = Journal(tmp_path, lambda: now_s[0])
    for _ in range(1000):
        now_s[0] += 0.01
        journal.progress(Counts(1, 2))
    journal.close()
    assert 90 <= len(read_journal(tmp_path).records) <= 101


def test_every_transition_is_synced_before_it_returns(tmp_path):
    synced = []
    journal = Journal(tmp_path, sync=synced.append)
    journal.transition("armed", {"lines": 3})
    journal.transition("started", {})
    journal.close()
    assert len(synced) == 2


def test_a_full_disk_is_an_error_and_the_journal_stays_readable(tmp_path):
    room = [200]

    def write(number, raw):
        taken = os.write(number, raw[: room[0]])
        room[0] -= taken
        return taken

    journal = Journal(tmp_path, write=write)
    journal.transition("armed", {"lines": 3})
    room[0] = 10
    with pytest.raises(InputError, match="only 10 of"):
        journal.transition("started", {})
    journal.close()
    reading = read_journal(tmp_path)
    assert ([record["kind"] for record in reading.records], reading.torn_bytes) == (["armed"], 10)


def test_a_journal_is_never_written_over(tmp_path):
    Journal(tmp_path).close()
    with pytest.raises(InputError, match="journal cannot be written"):
        Journal(tmp_path)


def test_a_missing_journal_is_named(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_journal(tmp_path)
