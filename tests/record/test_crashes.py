"""Senders that are killed: what is said afterwards is compared with a machine that lived on."""

import os
import random
from collections import Counter

import pytest

from benchmarks.campaigns import record_campaign
from benchmarks.course import WHAT, Course, Truth, course, lies
from benchmarks.crashes import LINGER_S, Nursery, at_points, at_random, die, points
from fabctl.record.statement import Statement, statement

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="SIGKILL and fork are POSIX")
SEED = 20
DEATHS = 1000


@pytest.fixture(scope="module")
def nursery():
    with Nursery() as nursery:
        yield nursery


def _untrue(deaths):
    return [(death.how, death.state, death.untrue) for death in deaths if death.untrue]


def test_a_sender_killed_at_any_moment_leaves_a_true_statement(nursery, tmp_path):
    deaths = at_random(nursery, tmp_path, 8, SEED)
    assert _untrue(deaths) == []
    assert "crashed" in {death.state for death in deaths}


def test_a_sender_killed_at_a_named_point_leaves_a_true_statement(nursery, tmp_path):
    always = ["half written: started 1", "before the write: end 1", "after the sync: end 1"]
    chosen = random.Random(SEED).sample([name for name in points() if name not in always], 7)
    deaths = at_points(nursery, tmp_path, [*always, *chosen])
    assert _untrue(deaths) == []
    assert [death.how for death in deaths if not death.died] == []
    assert [death.state for death in deaths[:3]] == ["not started", "crashed", "done"]


def test_after_a_death_nothing_starts_by_itself(nursery, tmp_path):
    death = die(nursery, tmp_path / "one", {"do": "send"}, 1.5, linger_s=LINGER_S)
    assert (death.state, death.untrue) == ("crashed", [])
    (run,) = (tmp_path / "one" / "runs").iterdir()
    assert statement(run).guard in {"", "stopped, position known"}


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_killed_at_a_thousand_random_moments_every_statement_is_true(nursery, tmp_path):
    deaths = at_random(nursery, tmp_path, DEATHS, SEED, feed_mm_min=6000)
    _record("kill-9-at-a-random-moment", deaths)
    assert _untrue(deaths) == []
    assert sum(death.state == "crashed" for death in deaths) > DEATHS / 4


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_killed_at_each_named_point_every_statement_is_true(nursery, tmp_path):
    deaths = at_points(nursery, tmp_path, points())
    _record("kill-9-at-a-named-point", deaths)
    assert _untrue(deaths) == []
    assert [death.how for death in deaths if not death.died] == []


def _record(name, deaths):
    states = Counter(death.state for death in deaths)
    figures = {
        "tries": len(deaths),
        "untrue": len(_untrue(deaths)),
        "said_crashed": states["crashed"],
        "said_ended": sum(n for state, n in states.items() if state.startswith(("done", "stopped"))),
        "said_not_started": sum(states[state] for state in ("no run", "no journal", "not started")),
    }
    record_campaign("journal", {"what": WHAT})
    record_campaign(f"journal/{name}", figures)


WAY = Course.of(course(100))
LAST = WAY.sent[-1][0]


def _said(**more):
    return Statement(name="", folder=None, **({"state": "crashed", "lines": LAST, "whole": True} | more))


def _truth(lines_arrived, x_mm, rest_mm):
    raw = b"?$#\n" + b"".join(text + b"\n" for _, text in WAY.sent[:lines_arrived])
    return Truth(raw, x_mm, rest_mm)


def test_what_is_true_is_not_called_a_lie():
    assert lies(_said(at_least=20, at_most=60, work_mm=(6.0, 0, 1)), WAY, _truth(50, 8.0, 12.9)) == []
    everything = _truth(len(WAY.sent), 30.0, 30.0)
    assert lies(_said(state="done", at_least=LAST, at_most=LAST), WAY, everything) == []
    assert lies(_said(state="not started"), WAY, Truth(b"?$#\n", 0.0, 0.0)) == []


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ({"at_least": 40, "at_most": 60}, "at least"),
        ({"at_least": 10, "at_most": 49}, "at most"),
        ({"at_least": 10, "at_most": 60, "work_mm": (9.0, 0, 1)}, "seen"),
        ({"state": "not started", "at_most": 60}, "not started"),
        ({"state": "done", "at_least": 10, "at_most": 60}, "done"),
        ({"state": "stopped, position known", "at_least": 10, "at_most": 30}, "at most"),
        ({"state": "running", "at_least": 10, "at_most": 60}, "state"),
    ],
)
def test_every_kind_of_lie_is_found(said, word):
    (lie,) = lies(_said(**said), WAY, _truth(50, 8.0, 12.9))
    assert word in lie


def test_what_arrived_is_counted_from_the_program_itself_and_not_from_a_check_pass():
    assert WAY.arrived(b"?$#\nG21G90\nG0") == 1
    assert WAY.arrived(b"$C\nG21G90\n") == 0
    assert WAY.arrived(b"$C\nG21G90\n$C\n\x18$#\nG21G90\nG0Z5\nG4P0.01\n") == 2
    with pytest.raises(ValueError, match="is not"):
        WAY.arrived(b"$#\nG21G90\nG0X5\n")
