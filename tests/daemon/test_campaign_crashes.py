"""Daemons that are killed or stand still with machines under way: what is said afterwards is true."""

import os

import pytest

from benchmarks.campaigns import record_campaign
from benchmarks.crashes import points
from benchmarks.kept_crashes import (
    COUNT,
    HANGS,
    KILLS,
    POINTS,
    campaign,
    hung,
    killed_at_random,
    record,
    rows,
)
from benchmarks.kept_machines import MODELS, draw_models
from benchmarks.kept_scene import Try
from benchmarks.reliability import tables
from fabctl.daemon.doubt import CUT_OFF, Doubt
from fabctl.errors import RefusedError
from fabctl.shop.machine import load_machine
from fabctl.sim.port import SimPort
from fabctl.stream.controller import connect
from fabctl.stream.turns import drive

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the guard and SIGKILL are POSIX")
PATIENT_S = 10.0
"""No latency is asked for here: how busy this host is, is not known."""
FEW = 3


def _untrue(tries):
    return [(one.how, one.state, one.untrue) for one in tries if one.untrue]


def test_a_daemon_killed_at_any_moment_leaves_true_statements_and_machines_that_need_a_zero():
    tries = killed_at_random(0, FEW, PATIENT_S)
    assert _untrue(tries) == []
    assert len(tries) == FEW


def test_a_daemon_that_stood_still_and_goes_on_moves_nothing_its_guard_has_stopped():
    tries = hung(33, goes_on=True, count=FEW, held_limit_s=PATIENT_S)
    assert _untrue(tries) == []
    assert {one.state for one in tries} <= {"stopped, position known", "stopped, position unknown"}


def test_a_seed_decides_which_machines_there_are_and_whether_their_runs_home():
    drawn = draw_models("kill/1", 200)
    assert drawn == draw_models("kill/1", 200)
    assert {model for model, _ in drawn} == set(MODELS)
    assert {homes for _, homes in drawn} == {True, False}
    assert all(
        load_machine(draw_models(f"point/{point}", 4, homes=True)[0][0].base).homing for point in POINTS
    )
    assert set(points()) < set(POINTS)
    bases = [load_machine(model.base).homing for model, _ in drawn]
    assert 0.4 < sum(bases) / len(bases) < 0.8


def test_the_figures_tell_machines_with_switches_apart(tmp_path):
    tries = [
        Try("killed after 1.00 s", "not started", [], 0.002, "a laser", switches=True, homing=True),
        Try("killed after 1.00 s", "crashed", [], 0.003, "a laser", switches=True),
        Try("killed after 1.00 s", "crashed", ["it moved"], 0.004, "a router"),
    ]
    told = rows({"killed": tries * COUNT, "point": tries})
    row = told["journal/kill-9-of-the-daemon-at-a-named-point"]
    assert (row["tries"], row["with_switches"], row["while_homing"], row["untrue"]) == (3, 2, 1, 1)
    assert told["guard/killed-at-random"]["while_homing"] == COUNT
    for name, figures in told.items():
        record_campaign(name, figures, tmp_path / "kept.json")
    assert "| with switches | while homing |" in tables(told)


def test_a_keeper_that_dies_in_a_run_leaves_its_doubt_to_the_next_one(tmp_path):
    machine = load_machine("router-3018")
    Doubt(machine, tmp_path).begin_run()
    after = Doubt(machine, tmp_path)
    with pytest.raises(RefusedError, match=CUT_OFF):
        after.demand()
    after.settled("zero", {"here_mm": {"X": 0.0, "Y": 0.0}})
    after.keep()
    assert Doubt(machine, tmp_path).axes == "Z"
    after.settled("probe", {"axis": "Z"})
    after.keep()
    Doubt(machine, tmp_path).demand()
    assert list(tmp_path.iterdir()) == []


def test_a_doubt_that_cannot_be_read_is_a_doubt(tmp_path):
    machine = load_machine("router-3018")
    Doubt(machine, tmp_path).begin_run()
    (place,) = tmp_path.iterdir()
    place.write_text("{", encoding="utf-8")
    assert Doubt(machine, tmp_path).axes == "XYZ"


def test_a_controller_that_restarts_when_its_port_is_opened_says_so_once():
    machine = load_machine("router-3018")
    port = SimPort(machine.settings())
    assert drive(port, connect(port, machine))[1].restarted
    assert not drive(port, connect(port, machine))[1].restarted


def test_a_machine_with_switches_homes_instead(tmp_path):
    Doubt(load_machine("laser-400"), tmp_path).begin_run()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.campaign
@pytest.mark.timeout(7200)
def test_law_what_is_said_is_true_however_a_daemon_dies():
    wanted = {"killed": KILLS, "point": len(POINTS), "hung": HANGS, "gone-on": HANGS}
    found = {task: campaign(task, count) for task, count in wanted.items()}
    assert [lie for tries in found.values() for lie in _untrue(tries)] == []
    record(found)
