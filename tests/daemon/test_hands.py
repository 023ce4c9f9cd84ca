"""Hands on a kept machine from a second terminal: what is asked for, and what is said of it."""

import json
import threading
import time

import pytest

from fabctl.cli.machine_hands import ACTS, SAID, asked_words
from fabctl.cli.main import main
from fabctl.daemon import acts
from fabctl.errors import FabctlError

NAME = "router-3018"


@pytest.fixture
def hand(kept, monkeypatch, capsys):
    """Run a command of `fabctl machine` where the keeper is found; return code, stdout and stderr."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(kept.folder.parent.parent))

    def call(command, *argv):
        with pytest.raises(SystemExit) as end:
            main(["machine", command, NAME, *argv])
        told = capsys.readouterr()
        return int(end.value.code or 0), told.out, told.err

    return call


def begin(kept, name, until, **args):
    """Ask for something in a thread of its own, and wait until the keeper says so; return it and its ends."""
    ends = []

    def ask():
        with kept.line() as line:
            try:
                ends.append(line.ask(name, **args))
            except FabctlError as error:
                ends.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    with kept.line() as line:
        while not until(line.ask("status", limit_s=10)):
            assert thread.is_alive()
            time.sleep(0.01)
    return thread, ends


@pytest.mark.parametrize("command", ["hold", "resume", "abort", "reset"])
def test_a_machine_at_rest_has_nothing_to_hold(hand, command):
    code, out, err = hand(command, "--json")
    assert (code, out) == (4, "")
    assert "nothing is running" in err


def test_a_run_is_held_resumed_and_ended_by_its_name_in_words_and_as_json(kept, hand):
    folder = kept.run_folder("by hand", ways=40)
    thread, ends = begin(
        kept, "run", lambda said: (said.get("progress") or {}).get("executed"), folder=str(folder)
    )
    _, _, err = hand("hold")
    assert "asked for a hold of run by hand;" in err
    code, out, err = hand("resume", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "machine": NAME,
        "asked": "resume",
        "doing": "run",
        "run": "by hand",
        "begun": True,
        "pause": None,
    }
    told = json.loads(hand("override", "--feed", "90", "--json")[1])
    assert (told["wanted"], told["run"]) == ({"feed": 90}, "by hand")
    assert "asked for rapid 50 % in run by hand" in hand("override", "--rapid", "50")[2]
    assert json.loads(hand("abort", "--json")[1])["asked"] == "abort"
    thread.join(20)
    assert ends[0]["result"]["cause"] == "operator abort"
    told = json.loads(hand("override", "--feed", "100", "--rapid", "100", "--json")[1])
    assert (told["doing"], told["overrides"]) == (None, {"feed": 100, "rapid": 100, "speed": 100})


def test_an_act_by_hand_is_not_called_a_run_and_takes_no_overrides(kept, hand):
    thread, ends = begin(kept, "jog", lambda said: said["doing"] == "jog", way_mm=[0, -4, 0], feed_mm_min=120)
    code, _, err = hand("override", "--feed", "90")
    assert code == 4
    assert "takes no overrides" in err
    assert "nothing to go on with: a jog is never held" in hand("resume")[2]
    code, _, err = hand("hold")
    assert code == 0
    assert "asked to stop a jog" in err
    assert "run" not in err
    thread.join(20)
    assert "stopped, position known" in str(ends[0])


def test_at_rest_the_controllers_own_report_is_told(hand):
    assert "the controller reports feed 95 %, rapid 100 %" in hand("override", "--feed", "95")[2]
    assert hand("override", "--feed", "100")[0] == 0


@pytest.mark.parametrize("asked", SAID)
def test_before_its_first_line_and_in_a_pause_it_is_said_so(asked):
    run = {"doing": "run", "run": "stool", "begun": False, "pause": None}
    assert "first line" in asked_words(asked, NAME, run, {"feed": 90})
    run |= {"begun": True, "pause": {"section": 3, "line": 7, "note": "M0"}}
    assert "section 3" in asked_words(asked, NAME, run, {"feed": 90})


def test_every_act_has_words():
    assert set(ACTS) == set(acts.ACTS)
