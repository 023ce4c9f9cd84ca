"""A run from its folder, on a port of one's own: when it begins, what it tells, what stops it."""

import errno
import itertools
import json
import os
import sys
import threading
import time

import numpy as np
import pytest

from fabctl.daemon.client import error_from
from fabctl.daemon.keeper import error_json
from fabctl.daemon.recorded import RecordedRun, Watchers, aside, run_folder
from fabctl.errors import InputError, RefusedError
from fabctl.job.check import approve
from fabctl.job.folder import Work, lay_out
from fabctl.program.write import write
from fabctl.record.journal import Journal
from fabctl.record.run import read_run
from fabctl.record.statement import statement
from fabctl.record.workorder import PROGRAM_NAME
from fabctl.shop.machine import load_machine
from fabctl.sim.controller import Options
from fabctl.sim.port import SimPort
from fabctl.sim.serve import serve_pty
from fabctl.stream.controller import connect
from fabctl.stream.port import open_port
from fabctl.stream.stops import Cause, Operator
from fabctl.stream.turns import drive
from fabctl.toolpath.moves import FEED, MOVE, RAPID, Toolpath

MACHINE = load_machine("router-3018")


class Log:
    """What was sent to the controller."""

    def __init__(self):
        self.sent = b""

    def to_controller(self, data, _now_s):
        self.sent += data
        return data

    def to_host(self, data, _now_s):
        return data


@pytest.fixture
def folder(tmp_path):
    return laid_out(tmp_path / "run")


@pytest.fixture
def short(tmp_path):
    return laid_out(tmp_path / "run", ways=0)


def laid_out(folder, *, ways=4, check_first=False, title="a"):
    """Lay out a job that goes to and fro above the stock, its head off."""
    rows = np.zeros(2 + ways, MOVE)
    rows["motion"] = FEED
    rows["motion"][0] = RAPID
    rows["xyz"][:, 2] = 5.0
    rows["xyz"][2::2, 0] = 20.0
    rows["feed"][1:] = 1500.0
    if not ways:
        rows["xyz"][1, 0] = 1.0
    program = write(Toolpath(rows), MACHINE)
    _, permit = approve(program, MACHINE, None)
    folder.mkdir()
    lay_out(folder, Work(program, MACHINE, permit, title=title), check_first=check_first)
    return folder


def virtual(log=None):
    return SimPort(MACHINE.settings(), Options(), tamper=log)


@pytest.mark.parametrize("phase", ["connected", "armed", "started"])
def test_a_hold_asked_for_before_the_first_line_lets_none_go_until_it_is_resumed(folder, phase):
    log, operator, moved = Log(), Operator(), []

    def told(kind, _facts):
        if kind == phase:
            operator.hold()
        if kind == "hold":
            moved.append(b"X" in log.sent)
            operator.resume()

    ended = run_folder(virtual(log), folder, MACHINE, Watchers(operator, phase=told), patient=True)
    assert moved == [False]
    assert ended.record.end_state == "done"


def test_a_hold_asked_for_in_a_check_pass_comes_after_it_and_before_the_first_line(tmp_path):
    """Check mode knows no hold, and nothing moves in it."""
    folder, operator, kinds = laid_out(tmp_path / "run", ways=400, check_first=True), Operator(), []

    def progress(now):
        if now.checking and "checked" not in kinds:
            operator.hold()

    def told(kind, _facts):
        kinds.append(kind)
        if kind == "hold":
            operator.abort()

    watchers = Watchers(operator, progress=progress, phase=told)
    ended = run_folder(virtual(), folder, MACHINE, watchers, patient=True)
    assert kinds[:5] == ["connected", "checked", "armed", "started", "hold"]
    assert ended.result.sent == 0


@pytest.mark.parametrize("request_", ["hold", "abort", "reset"])
def test_what_is_stopped_before_it_begins_never_begins(folder, request_):
    operator, log = Operator(), Log()
    getattr(operator, request_)()
    with pytest.raises(RefusedError, match="before anything was sent"):
        run_folder(virtual(log), folder, MACHINE, Watchers(operator), patient=True)
    assert b"G" not in log.sent
    assert not (folder / "journal").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="a file's size is limited on POSIX only")
def test_a_disk_that_is_nearly_full_is_told_at_once_and_stands_in_the_record(tmp_path):
    import resource

    # a title that fills the room reserved for the journal, up to what is kept for transitions
    folder, notes, seen = laid_out(tmp_path / "run", title="a" * 70_000), [], []
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        watchers = Watchers(progress=seen.append, note=notes.append)
        ended = run_folder(virtual(), folder, MACHINE, watchers, patient=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert ended.result.end_state == "done"
    assert [note for note in notes if "nearly full" in note] == notes[:1]
    assert seen[-1].journal_short
    assert statement(folder).short
    assert any("nearly full" in note for note in read_run(folder).notes)


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are a POSIX thing")
def test_a_program_that_takes_long_to_read_is_read_before_anybody_expects_a_beat(short):
    """Else the guard takes the sender for dead, resets the machine and is gone before the first line."""
    program = short / PROGRAM_NAME
    text = program.read_bytes()
    program.unlink()
    os.mkfifo(program)

    def write_slowly():
        for wait_s in (1.0, 0.0):
            with program.open("wb", buffering=0) as pipe:
                pipe.write(text[:20])
                time.sleep(wait_s)
                pipe.write(text[20:])
            # the reader is done with this one before the next begins
            time.sleep(0.3)

    writer = threading.Thread(target=write_slowly, daemon=True)
    writer.start()
    notes = []
    with serve_pty(MACHINE.settings(), Options()) as served:
        port = open_port(served.url, lock_folder=short)
        try:
            ended = run_folder(port, short, MACHINE, Watchers(note=notes.append))
        finally:
            port.close()
    assert ended.record.end_state == "done"
    assert notes == []
    assert not (short / "guard.jsonl").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are a POSIX thing")
def test_the_sender_comes_first_while_it_sends_and_is_as_before_afterwards(short):
    during = []

    def now():
        return os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)

    before = now()
    with serve_pty(MACHINE.settings(), Options()) as served:
        port = open_port(served.url, lock_folder=short)
        try:
            run_folder(port, short, MACHINE, Watchers(progress=lambda _: during.append(now())))
        finally:
            port.close()
    allowed = os.sched_getscheduler(0) if not during else during[0]
    assert now() == before
    assert all(a == b for a, b in itertools.pairwise(during))
    assert allowed == before or allowed[0] == os.SCHED_RR or allowed[1] < 0


def test_what_goes_wrong_with_the_link_while_the_disk_is_waited_for_is_not_forgotten():
    """A restart that is dropped there would let the next run begin from a false origin."""
    banner = b"\r\nGrbl 1.1h ['$' for help]\r\n"

    class Restarting(Log):
        due = False

        def to_host(self, data, _now_s):
            return data + banner * self.due

    async def work():
        link, _ = await connect(port, MACHINE)
        wire.due = True
        return link, await aside(link, lambda: time.sleep(0.05) or "written")

    wire = Restarting()
    port = virtual(wire)
    link, (value, lost) = drive(port, work())
    assert value == "written"
    assert "restarted by itself" in str(lost)
    assert link.cause is Cause.RESTART


def test_an_error_of_the_disk_is_raised_where_it_is_waited_for():
    def fails():
        raise OSError("no space")

    async def work():
        link, _ = await connect(port, MACHINE)
        return await aside(link, fails)

    port = virtual()
    with pytest.raises(OSError, match="no space"):
        drive(port, work())


class Sick(RecordedRun):
    """A run on a disk that fails when its end is to be written down."""

    kind = "stop"

    def _new_journal(self):
        def write(number, data):
            if b'"kind":"%b"' % self.kind.encode() in data:
                raise OSError(errno.EIO, "the disk is sick")
            return os.write(number, data)

        return Journal(self.folder, write=write)


def test_a_run_whose_end_cannot_be_written_down_tells_all_the_same_how_the_machine_was_left(folder):
    operator, port = Operator(), virtual()

    async def work():
        return await run.carry_out(*await connect(port, MACHINE))

    watchers = Watchers(operator, progress=lambda now: operator.abort() if now.executed > 2 else None)
    run = Sick(folder, MACHINE, watchers, patient=True)
    with pytest.raises(InputError, match="cannot be written") as caught:
        drive(port, work())
    assert caught.value.__notes__ == ["the run ended all the same: stopped, position known, head off"]


def test_an_end_that_never_came_to_the_disk_is_no_quiet_success(folder):
    """The thread that writes it fails after the run's last look at it."""

    async def work():
        return await run.carry_out(*await connect(port, MACHINE))

    port = virtual()
    run = Sick(folder, MACHINE, Watchers())
    run.kind = "end"
    with pytest.raises(InputError, match="cannot be written") as caught:
        drive(port, work())
    assert caught.value.__notes__ == ["the run ended all the same: done, head off"]


def test_what_was_noted_on_an_errors_way_reaches_whoever_asked():
    error = InputError("the journal cannot be written", remedy="free some space")
    error.add_note("the machine was stopped: position known, head STILL ON")
    told = error_from(json.loads(json.dumps(error_json(error)))["error"])
    assert (type(told), str(told), told.__notes__) == (InputError, str(error), error.__notes__)
