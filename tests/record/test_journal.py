"""The journal: what it says is true, wherever it was cut."""

import errno
import os
import threading
import time
from dataclasses import dataclass

import pytest

from fabctl.errors import InputError
from fabctl.record.framing import JOURNAL_NAME
from fabctl.record.journal import (
    AHEAD_LINES,
    LEAST_AHEAD_LINES,
    MOST_AHEAD_LINES,
    Journal,
    first_record,
    last_certain,
    read_journal,
)
from fabctl.record.space import BASE_BYTES, KEPT_BYTES, reserve_space


@dataclass
class Counts:
    executed: int
    at_most: int
    acknowledged: int = 0
    sent: int = 0
    work_mm: tuple[float, float, float] | None = (1.0, 2.0, 3.0)
    speed: float | None = 0.0
    state: str = "Run"


class Clock:
    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        self.now_s += 0.2
        return self.now_s


def _until(condition):
    deadline_s = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.001)


@pytest.fixture
def written(tmp_path):
    """A journal of a run of 1000 lines up to line 300, without an end."""
    journal = Journal(tmp_path, Clock())
    journal.transition("armed", {"lines": 1000, "program_sha256": "0" * 64})
    journal.transition("started", {"work_mm": (0.0, 0.0, 5.0)})
    for line in range(0, 301, 20):
        journal.sending(line + 20)
        journal.progress(Counts(line, line + 3, line + 15, line + 20))
    _until(lambda: last_certain(journal.path).at_least == 300)
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


@pytest.mark.parametrize(
    ("end_state", "seen_mm"),
    [("stopped, position known", (4.0, 5.0, 6.0)), ("stopped, position unknown", (1.0, 2.0, 3.0))],
)
def test_a_place_named_after_the_position_was_lost_is_not_believed(written, end_state, seen_mm):
    """A controller that was reset in homing goes on to name some place."""
    end = {"end_state": end_state, "executed": 310, "at_most": 311, "work_mm": (4.0, 5.0, 6.0)}
    written.transition("end", end)
    assert last_certain(written.path).work_mm == seen_mm


def test_an_ended_run_has_the_end_the_sender_named(written):
    written.transition("stop", {"cause": "operator abort", "reason": "asked"})
    written.transition("end", {"end_state": "stopped, position known", "executed": 310, "at_most": 311})
    certain = last_certain(written.path)
    assert (certain.at_least, certain.at_most, certain.end_state) == (310, 311, "stopped, position known")


def test_an_end_that_is_on_disk_counts_whatever_was_cut_off_behind_it(written):
    written.transition("end", {"end_state": "stopped, position known", "executed": 310, "at_most": 311})
    whole, _ = _whole(written)
    written.path.write_bytes(whole + b"12 torn")
    certain = last_certain(written.path)
    assert (certain.at_most, certain.end_state, certain.whole) == (311, "stopped, position known", False)


def test_a_record_that_is_missing_ends_what_is_believed(written):
    whole, ends = _whole(written)
    written.path.write_bytes(whole[: ends[4]] + whole[ends[5] :] + bytes(8))
    reading = read_journal(written.path)
    assert (len(reading.records), reading.whole) == (5, False)


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


def test_what_happened_in_a_check_pass_is_not_the_latest_of_the_run(tmp_path):
    journal = Journal(tmp_path, Clock())
    journal.transition("armed", {"lines": 1000})
    journal.transition("hold", {})
    journal.transition("resume", {})
    journal.sending(9)
    journal.progress(Counts(0, 9, 9, 9))
    journal.transition("started", {})
    assert set(last_certain(tmp_path).latest) == {"armed", "started"}
    journal.close()


def _whole(journal):
    """Close a journal and return its bytes without the mark of the end, and where each record ends."""
    journal.close()
    raw = journal.path.read_bytes()
    assert raw.endswith(b"}\n\n")
    raw = raw[:-1]
    return raw, [at + 1 for at, byte in enumerate(raw) if byte == ord("\n")]


@pytest.mark.parametrize("room", [0, 1, 4096])
def test_law_cut_at_every_byte_the_journal_recovers_to_a_true_statement(written, tmp_path, room):
    """With reserved room behind it a cut is a write that broke off; without it anything may be missing."""
    best = last_certain(written.path)
    whole, ends = _whole(written)
    cut_folder = tmp_path / "cut"
    cut_folder.mkdir()
    path = cut_folder / JOURNAL_NAME
    # each byte of the last records, and of all others every eleventh
    for length in (*range(0, ends[-4], 11), *range(ends[-4], len(whole))):
        path.write_bytes(whole[:length] + bytes(room))
        reading = read_journal(path)
        good = sum(end <= length for end in ends)
        assert len(reading.records) == good
        assert reading.torn_bytes == length - (ends[good - 1] if good else 0)
        assert reading.whole == bool(room)
        certain = last_certain(path)
        assert certain.at_least <= best.at_least
        assert certain.torn == (reading.torn_bytes > 0)
        if not room:
            assert certain.end_state == "crashed"
            assert certain.at_most == certain.lines


def test_law_a_flipped_bit_is_never_believed_and_never_shortens_what_may_have_been_sent(written):
    count = len(read_journal(written.path).records)
    best = last_certain(written.path)
    whole, ends = _whole(written)
    for at in range(0, len(whole), 7):
        spoilt = bytearray(whole + bytes(8))
        spoilt[at] ^= 1 << at % 8
        written.path.write_bytes(spoilt)
        assert len(read_journal(written.path).records) < count
        certain = last_certain(written.path)
        assert certain.at_most >= best.at_most or certain.lines == 0 or at + 1 in ends


def test_a_journal_closed_in_order_says_so_and_gives_its_room_back(tmp_path):
    journal = Journal(tmp_path, lines=100_000, estimated_s=3600.0)
    journal.transition("planned", {"lines": 3})
    assert (tmp_path / JOURNAL_NAME).stat().st_size > 10 << 20
    journal.close()
    journal.close()
    assert (tmp_path / JOURNAL_NAME).stat().st_size < 1000
    reading = read_journal(tmp_path)
    assert (len(reading.records), reading.torn_bytes, reading.whole) == (1, 0, True)
    assert last_certain(tmp_path).end_state == "not started"


def test_something_behind_the_mark_of_the_end_is_no_whole_journal(tmp_path):
    journal = Journal(tmp_path)
    journal.transition("planned", {"lines": 3})
    journal.close()
    with journal.path.open("ab") as stream:
        stream.write(b"x")
    reading = read_journal(tmp_path)
    assert (len(reading.records), reading.torn_bytes, reading.whole) == (1, 1, False)


def test_the_first_record_says_which_process_writes(written):
    assert first_record(written.path)["pid"] == os.getpid()


def test_progress_comes_in_batches_of_at_most_ten_a_second(tmp_path):
    now_s = [0.0]
    journal = Journal(tmp_path, lambda: now_s[0])
    for line in range(1000):
        now_s[0] += 0.01
        journal.progress(Counts(line, line + 1))
    journal.close()
    assert 90 <= len(read_journal(tmp_path).records) <= 101


def test_a_machine_that_is_held_fills_no_disk(tmp_path):
    journal = Journal(tmp_path, Clock())
    for _ in range(100):
        journal.progress(Counts(1, 2))
    journal.close()
    assert len(read_journal(tmp_path).records) == 1


class SlowDisk:
    """A disk whose syncs end when they are told to."""

    def __init__(self):
        self.may = threading.Semaphore(0)
        self.synced = 0

    def sync(self, number):
        assert self.may.acquire(timeout=10)
        self.synced += 1

    def finish(self, journal):
        self.may.release(1000)
        journal.close()


def test_every_transition_is_synced_before_it_returns(tmp_path):
    disk = SlowDisk()
    disk.may.release(2)
    journal = Journal(tmp_path, sync=disk.sync)
    journal.transition("armed", {"lines": 3})
    assert disk.synced == 1
    journal.transition("started", {})
    assert disk.synced == 2
    disk.finish(journal)


def test_a_ticket_is_done_once_its_transition_is_on_disk_and_nobody_waits_meanwhile(tmp_path):
    disk, woken = SlowDisk(), threading.Event()
    journal = Journal(tmp_path, sync=disk.sync, wake=woken.set)
    ticket = journal.begin_transition("armed", {"lines": 3})
    journal.progress(Counts(0, 0))
    assert not ticket.done
    disk.may.release()
    ticket.wait()
    assert ticket.done
    assert woken.wait(10)
    disk.finish(journal)
    assert [record["kind"] for record in read_journal(tmp_path).records] == ["armed", "progress"]


def test_no_line_may_be_sent_before_its_announcement_is_on_disk(tmp_path):
    disk = SlowDisk()
    journal = Journal(tmp_path, Clock(), sync=disk.sync)
    assert not journal.may_send(1)
    assert not journal.may_send(2)
    disk.may.release()
    _until(lambda: journal.may_send(1))
    # nothing is left to wait for up to the middle, and behind it the next is on its way already
    assert all(journal.may_send(line) for line in range(2, AHEAD_LINES + 2))
    assert not journal.may_send(AHEAD_LINES + 2)
    disk.may.release()
    _until(lambda: journal.may_send(AHEAD_LINES + 2))
    disk.finish(journal)
    kinds = [record["kind"] for record in read_journal(tmp_path).records]
    assert set(kinds) == {"ahead"}


def test_a_pace_that_falls_takes_back_nothing_that_was_announced(tmp_path):
    now_s = [0.0]
    journal = Journal(tmp_path, lambda: now_s[0])
    for line in range(1, 200):
        journal.sending(line)
        now_s[0] += 1e-4
    journal.transition("note", {})
    announced = max(record.get("at_most", 0) for record in read_journal(tmp_path).records)
    assert announced > 200 + LEAST_AHEAD_LINES
    for line in range(200, announced + 1):
        assert journal.may_send(line)
        now_s[0] += 10.0
    journal.close()
    bounds = [record["at_most"] for record in read_journal(tmp_path).records if record["kind"] == "ahead"]
    assert bounds == sorted(bounds)


def test_law_whatever_may_be_sent_is_bounded_by_what_the_disk_has(tmp_path):
    """At every line, for slow machines and fast ones, whatever the disk has at that moment bounds it."""
    now_s = [0.0]
    journal = Journal(tmp_path, lambda: now_s[0])
    journal.transition("armed", {"lines": 10**6})
    journal.transition("started", {})
    line = 1
    for pace in (1.0, 0.5, 0.001, 1e-5, 0.01):
        for _ in range(60):
            journal.sending(line)
            assert line <= last_certain(tmp_path).at_most <= line + MOST_AHEAD_LINES
            line += 7
            now_s[0] += 7 * pace
    journal.close()


def test_a_slow_program_is_announced_a_little_ahead_only(tmp_path):
    now_s = [0.0]
    journal = Journal(tmp_path, lambda: now_s[0])
    journal.transition("armed", {"lines": 10**6})
    for line in range(1, 2000):
        journal.sending(line)
        now_s[0] += 0.1
    assert last_certain(tmp_path).at_most <= 2000 + LEAST_AHEAD_LINES
    journal.close()


@pytest.mark.parametrize("call", ["may_send", "sending", "transition", "begin_transition", "progress"])
def test_a_disk_that_failed_is_told_at_the_next_call_and_ever_after(tmp_path, call):
    def broken(number):
        raise OSError(errno.EIO, "Input/output error")

    journal = Journal(tmp_path, Clock(), sync=broken)
    ticket = journal.begin_transition("armed", {"lines": 3})
    with pytest.raises(InputError, match="Input/output error"):
        _until(lambda: ticket.done)
    arguments = {"may_send": (1,), "sending": (1,), "progress": (Counts(1, 2),)}.get(call, ("end", {}))
    for _ in range(2):
        with pytest.raises(InputError, match="Input/output error"):
            getattr(journal, call)(*arguments)
    journal.close()


def test_a_closed_journal_takes_nothing_more(tmp_path):
    journal = Journal(tmp_path)
    journal.close()
    with pytest.raises(InputError, match="closed"):
        journal.transition("armed", {})


def test_without_room_for_the_journal_there_is_no_run_and_no_journal(tmp_path):
    def full(number, start, size):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(InputError, match="No space left"):
        Journal(tmp_path, reserve=full)
    assert list(tmp_path.iterdir()) == []


def test_when_no_more_room_can_be_had_progress_is_given_up_before_transitions(tmp_path):
    given = []

    def once(number, start, size):
        if given:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        given.append(size)
        return reserve_space(number, start, size)

    journal = Journal(tmp_path, Clock(), reserve=once)
    journal.transition("armed", {"lines": 10**6})
    journal.transition("started", {})
    line = 0
    while not journal.short:
        line += 1
        journal.progress(Counts(line, line))
        journal.sending(line)
    journal.transition("note", {})
    size = len(read_journal(tmp_path).records)
    journal.progress(Counts(line + 1, line + 1))
    journal.sending(line + 2 * AHEAD_LINES)
    journal.transition("end", {"end_state": "done", "executed": 10**6, "at_most": 10**6})
    journal.close()
    kinds = [record["kind"] for record in read_journal(tmp_path).records][size:]
    assert set(kinds) == {"ahead", "end"}
    assert BASE_BYTES - KEPT_BYTES < journal.path.stat().st_size < BASE_BYTES


def test_a_long_run_gets_more_room_as_it_goes(tmp_path):
    journal = Journal(tmp_path, Clock())
    text = "x" * 1000
    for _ in range(300):
        journal.begin_transition("note", {"text": text})
    journal.close()
    assert len(read_journal(tmp_path).records) == 300


def test_a_full_disk_is_an_error_and_the_journal_stays_readable(tmp_path):
    room = [300]

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
    assert reading.whole


def test_a_journal_is_never_written_over(tmp_path):
    Journal(tmp_path).close()
    with pytest.raises(InputError, match="journal cannot be written"):
        Journal(tmp_path)


def test_a_missing_journal_is_named(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_journal(tmp_path)
