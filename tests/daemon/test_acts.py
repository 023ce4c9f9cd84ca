"""Acts by hand through a machine's keeper."""

import math
import threading
import time

import pytest

from fabctl.errors import InputError, RefusedError, StoppedKnownError


def position(kept):
    with kept.line() as line:
        return line.ask("where")["mpos_mm"]


def test_a_step_a_zero_and_a_box_go_through_the_keeper_one_after_the_other(kept):
    with kept.line() as line:
        line.ask("follow")
        before = line.ask("where")["mpos_mm"]
        jogged = line.ask("jog", way_mm=[1.5, 0, 0], feed_mm_min=1500)
        assert jogged["way_mm"] == pytest.approx([1.5, 0, 0], abs=0.003)
        events = []
        zeroed = line.ask("zero", here_mm={"X": 0, "Y": 0, "Z": 1}, system="G55", event=events.append)
        assert zeroed["offset_mm"] == pytest.approx([before[0] + 1.5, before[1], before[2] - 1], abs=0.003)
        assert [event["kind"] for event in events if event["event"] == "phase"] == ["zeroed"]
        work = line.ask("where")["work_mm"]
        box = {"low_mm": work[:2], "high_mm": [work[0] + 2, work[1] + 1], "height_mm": work[2] + 1}
        framed = line.ask("frame", **box, feed_mm_min=1500)
        assert framed["pointer_power"] == 0
        assert line.ask("override", feed=90)["feed"] == 90
        assert line.ask("override", feed=100)["feed"] == 100


def test_a_probe_that_finds_nothing_comes_back_as_the_error_it_is_and_the_machine_is_kept(kept):
    with kept.line() as line:
        with pytest.raises(StoppedKnownError, match="ALARM:5"):
            line.ask("probe", plate_mm=0, feeler={"depth_mm": 0.5, "fast_mm_min": 300, "slow_mm_min": 100})
        with pytest.raises(RefusedError, match="locked"):
            line.ask("jog", way_mm=[0, 0, 0.5])
        assert line.ask("unlock", position="kept")["position"] == "kept"
        assert line.ask("jog", way_mm=[0, 0, 0.4])["way_mm"][2] == pytest.approx(0.4, abs=0.003)


def test_a_held_key_jogs_until_nobody_renews_it(kept):
    """Nobody says that the key was let go: the dead man's silence is enough."""
    before, ends = position(kept), []

    def jog():
        with kept.line() as line:
            line.ask("where")
            ends.append(line.ask("jog_along", direction=[0, 1, 0], feed_mm_min=300))

    thread = threading.Thread(target=jog)
    thread.start()
    with kept.line() as line:
        until_s = time.monotonic() + 0.8
        while time.monotonic() < until_s:
            try:
                line.ask("renew")
            except RefusedError:
                continue
            time.sleep(0.05)
    thread.join(20)
    after = position(kept)
    time.sleep(0.3)
    assert position(kept) == after
    assert 1.5 < after[1] - before[1] < 9
    assert ends[0]["way_mm"][1] == pytest.approx(after[1] - before[1], abs=0.003)


@pytest.mark.parametrize(("act", "args"), [("jog_along", {"direction": [1, 0, 0]}), ("jog", {"held": True})])
def test_a_key_that_is_let_go_by_a_word_cancels_the_jog_and_stops_nothing(kept, act, args):
    before, ends = position(kept), []
    args = {"way_mm": [9, 0, 0], "feed_mm_min": 300} | args

    def jog():
        with kept.line() as line:
            ends.append(line.ask(act, **args))

    thread = threading.Thread(target=jog)
    thread.start()
    with kept.line() as line:
        while line.ask("status")["state"] != "Jog" and not ends:
            time.sleep(0.01)
        line.ask("let_go")
    thread.join(20)
    assert 0 <= ends[0]["way_mm"][0] < 4
    assert position(kept)[0] - before[0] == pytest.approx(ends[0]["way_mm"][0], abs=0.003)


def test_an_abort_from_another_line_ends_an_act(kept):
    before, ends = position(kept), []

    def jog():
        with kept.line() as line:
            try:
                ends.append(line.ask("jog", way_mm=[9, 0, 0], feed_mm_min=120))
            except StoppedKnownError as error:
                ends.append(error)

    thread = threading.Thread(target=jog)
    thread.start()
    with kept.line() as line:
        while line.ask("status")["state"] != "Jog" and not ends:
            time.sleep(0.02)
        line.ask("abort")
    thread.join(20)
    assert isinstance(ends[0], StoppedKnownError)
    assert 0 < position(kept)[0] - before[0] < 8


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("jog", {}),
        ("jog", {"way_mm": [1, 2]}),
        ("jog", {"way_mm": [1, 2, "x"]}),
        ("jog", {"way_mm": [True, 0, 0]}),
        ("jog", {"way_mm": [1e400, 0, 0]}),
        ("zero", {"here_mm": 3}),
        ("zero", {"here_mm": {"X": None}}),
        ("probe", {"feeler": {"force": 3}}),
        ("probe", {"feeler": [1]}),
        ("probe", {"axis": "Q"}),
        ("override", {"feed": 100.5}),
        ("frame", {"low_mm": [0, 0], "high_mm": [1, 1]}),
        ("survey", {"low_mm": [0, 0], "high_mm": [1, 1], "columns": "3"}),
        ("unlock", {"position": "somewhere"}),
        ("override", {"feed": "fast"}),
    ],
)
def test_nonsense_from_the_other_end_of_a_line_moves_nothing(kept, name, args):
    before = position(kept)
    with kept.line() as line, pytest.raises(InputError, match="is none"):
        line.ask(name, **args)
    assert math.dist(position(kept), before) == 0
