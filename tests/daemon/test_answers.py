"""A pause of a kept machine's run, answered over whatever line comes first."""

import threading
import time
from dataclasses import replace

import pytest

from fabctl.daemon.doing import Doing
from fabctl.daemon.recorded import Watchers
from fabctl.daemon.remote import (
    Answered,
    RemoteOperator,
    answer_pause,
    ask_here,
    demand_pause,
    run_kept,
)
from fabctl.errors import RefusedError
from fabctl.job.check import approve, inspect, load_program, rewritten
from fabctl.job.folder import Work, lay_out
from fabctl.record.journal import read_journal
from fabctl.stream.run import Pause
from fabctl.stream.stops import Operator

CUT = "M3S1000\nG1Z-0.5F600\nG1X{x}F1500\nG0Z5\nM5\n"
# the first section has no head on: nobody waits until it is seen to be off
PROGRAM = "G21\nG90\nG0Z5\nG0X0Y0\nM0\n" + "M0\n".join(CUT.format(x=x) for x in (2, 4))
SOON_S = 20.0


@pytest.fixture
def paused(kept, tmp_path):
    """A run of three sections at its first pause, and what comes of it; ended whatever a test does."""
    with Paused(kept, tmp_path) as it:
        yield it


class Paused:
    """A run that waits, begun by somebody who answers only when a test lets him."""

    def __init__(self, kept, folder):
        self.kept = kept
        self.folder = kept.runs / f"{folder.name}-{time.monotonic_ns()}"
        self.folder.mkdir(parents=True)
        file = folder / "three.nc"
        file.write_text(PROGRAM)
        # nobody waits here for a true spindle
        quick = replace(kept.machine, head=replace(kept.machine.head, spin_up_s=0.2))
        program, _ = rewritten(inspect(load_program(file), quick, None), None)
        _, permit = approve(program, kept.machine, None)
        lay_out(self.folder, Work(program, kept.machine, permit, title="three"))
        self.asked, self.elsewhere, self.notes, self.ends = [], [], [], []
        self.word = threading.Event()
        self.yes = True

    def arm(self, pause):
        self.asked.append(pause.section)
        self.word.wait(SOON_S)
        self.word.clear()
        return self.yes

    def begin(self):
        def told(section, yes):
            self.elsewhere.append((section, yes))

        with self.kept.line() as line:
            watchers = Watchers(RemoteOperator(line), arm=self.arm, note=self.notes.append, answered=told)
            self.ends.append(run_kept(line, self.folder, watchers).result)

    def status(self, wanted):
        """Ask until the status is as wanted."""
        until_s = time.monotonic() + SOON_S
        with self.kept.line() as line:
            while not wanted(said := line.ask("status", limit_s=10)):
                assert time.monotonic() < until_s, said
                time.sleep(0.02)
        return said

    def asks_for(self, section):
        return self.status(lambda said: (said.get("pause") or {}).get("section") == section)

    def ended(self):
        self._thread.join(SOON_S)
        return self.ends[0]

    def begun_sections(self):
        records = read_journal(self.folder).records
        return [record["section"] for record in records if record["kind"] == "section"]

    def __enter__(self):
        self._thread = threading.Thread(target=self.begin)
        self._thread.start()
        self.asks_for(2)
        # the status knows of it a moment before the event is here
        while not self.asked:
            time.sleep(0.01)
        return self

    def __exit__(self, *_):
        self.word.set()
        if self._thread.is_alive():
            with self.kept.line() as line:
                line.say("abort")
            self._thread.join(SOON_S)


def test_of_many_answers_the_first_begins_its_section_and_whoever_began_the_run_sees_it_to_its_end(paused):
    said, ends = paused.asks_for(2), []

    def answer():
        with paused.kept.line() as line:
            try:
                ends.append(answer_pause(line, said, 2))
            except RefusedError as error:
                ends.append(error)

    threads = [threading.Thread(target=answer) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON_S)
    assert len(ends) == 20
    (first,) = [end for end in ends if not isinstance(end, RefusedError)]
    assert first == Answered(paused.folder.name, 2, yes=True, here=True)
    now = paused.asks_for(3)
    with paused.kept.line() as line:
        # whoever typed it was looking at the pause before this one
        with pytest.raises(RefusedError, match=r"section 2 of run .* now: it is section 3"):
            answer_pause(line, said, 2)
        with pytest.raises(RefusedError, match="of run yesterday now"):
            answer_pause(line, now | {"run": "yesterday"}, 3)
        assert paused.asks_for(3)["state"] == "Idle"
        assert paused.begun_sections() == [2]
        watchers = Watchers(RemoteOperator(line), arm=lambda _pause: True)
        assert ask_here(line, line.ask("follow"), watchers).here
    assert paused.ended().end_state == "done"
    assert paused.elsewhere == [(2, True), (3, True)]
    assert paused.begun_sections() == [2, 3]


def test_who_asks_beside_the_first_is_told_of_its_answer_and_of_the_end(paused):
    gone, told = threading.Event(), []

    def arm(pause):
        told.append(pause.section)
        gone.wait(SOON_S)

    def answered(section, yes):
        told.append((section, yes))
        gone.set()

    with paused.kept.line() as line:
        threading.Timer(0.3, paused.word.set).start()
        watchers = Watchers(RemoteOperator(line), arm=arm, answered=answered)
        found = ask_here(line, line.ask("follow"), watchers)
    assert (found.section, found.yes, found.here) == (2, True, False)
    assert told == [2, (2, True)]
    paused.asks_for(3)
    assert paused.elsewhere == []
    with paused.kept.line() as line, paused.kept.line() as other:
        waiting = Watchers(RemoteOperator(line), arm=lambda _pause: None)
        said = line.ask("follow")
        other.ask("answer", section=3, yes=False)
        assert ask_here(line, said, waiting) == Answered(paused.folder.name, 3, yes=False, here=False)
    ended = paused.ended()
    assert (ended.end_state, ended.cause) == ("stopped, position known", "section declined")
    assert paused.elsewhere == [(3, False)]
    assert paused.begun_sections() == [2]


def asking(section=2):
    """A run as its keeper has it, at a pause, and what it tells."""
    told = []
    doing = Doing("run", {"folder": "/runs/stool"}, told.append, Operator())
    watchers = doing.watchers(told.append)
    assert watchers.arm(Pause(section, 7, "M0")) is None
    return doing, watchers, told


@pytest.mark.parametrize("yes", [True, False, "yes", "2", 1, None])
def test_only_a_plain_yes_begins_a_section(yes):
    doing, watchers, told = asking()
    doing.obey("answer", {"section": 2, "yes": yes, "by": "me"}, "mill")
    assert told[-1] == {
        "event": "answered",
        "run": "stool",
        "section": 2,
        "yes": yes is True,
        "by": "me",
    }
    assert watchers.arm(Pause(2, 7, "M0")) is (yes is True)


@pytest.mark.parametrize("first", [True, False])
def test_a_second_answer_changes_nothing(first):
    doing, watchers, _ = asking()
    doing.obey("answer", {"section": 2, "yes": first}, "mill")
    with pytest.raises(RefusedError, match="answered already"):
        doing.obey("answer", {"section": 2, "yes": not first}, "mill")
    with pytest.raises(RefusedError, match="not in a pause"):
        doing.obey("measure", {"tool": "old"}, "mill")
    assert watchers.arm(Pause(2, 7, "M0")) is first
    with pytest.raises(RefusedError, match="nobody asks about section 2"):
        doing.obey("answer", {"section": 2, "yes": True}, "mill")
    assert watchers.arm(Pause(3, 9, "M0")) is None


@pytest.mark.parametrize("args", [{"section": 1}, {"section": 3}, {"section": 2, "run": "chair"}])
def test_an_answer_to_another_question_is_none(args):
    doing, watchers, told = asking()
    with pytest.raises(RefusedError, match="it is section 2 of run stool"):
        doing.obey("answer", args | {"yes": True}, "mill")
    assert watchers.arm(Pause(2, 7, "M0")) is None
    assert [event["event"] for event in told] == ["pause"]


def test_no_section_begins_while_a_tool_is_measured(paused):
    said = paused.asks_for(2)
    with paused.kept.line() as line:
        # held, so that what is asked for waits
        line.ask("hold")
        paused.status(lambda now: now["state"] == "Hold:0")
        line.ask("measure", tool="new")
        with pytest.raises(RefusedError, match="being measured"):
            answer_pause(line, said, 2)
        with pytest.raises(RefusedError, match="being measured"):
            line.ask("measure", tool="new")
        # whoever began the run is asked again
        paused.word.set()
        while len(paused.asked) < 2:
            time.sleep(0.02)
        assert "being measured" in paused.notes[-1]
        assert paused.begun_sections() == []
        line.ask("follow")
        line.say("resume")
        while line.hear(SOON_S).get("kind") != "unmeasured":
            pass
        answer_pause(line, said, 2)
        said = paused.asks_for(3)
        line.say("abort")
        waiting = Watchers(RemoteOperator(line), arm=lambda _pause: None)
        with pytest.raises(RefusedError, match="the run has ended: stopped, position known"):
            ask_here(line, said, waiting)


def test_at_rest_there_is_nothing_to_answer(kept):
    with kept.line() as line, pytest.raises(RefusedError, match="nothing is running"):
        demand_pause(line.ask("status"))
