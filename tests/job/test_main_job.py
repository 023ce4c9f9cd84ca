"""The main job: the stool, from its drawing to a recorded run on the virtual controller."""

import json

import numpy as np
import pytest

from fabctl.daemon.recorded import Watchers
from fabctl.errors import RefusedError
from fabctl.job.check import approve
from fabctl.job.folder import Work
from fabctl.job.picture import cut_png, deviation_mm
from fabctl.job.plan import measure, order_of, plan
from fabctl.job.run import carry_out, open_bench
from fabctl.record.journal import last_certain
from fabctl.shop.job import job_names, load_job


@pytest.fixture(scope="module")
def stool():
    return plan(order_of(load_job("stool")))


@pytest.fixture(scope="module")
def stool_run(stool, tmp_path_factory):
    _, permit = approve(stool.program, stool.order.machine, stool.stock)
    bench = open_bench("sim://", stool.order.machine, stool.program)
    asked = []
    watchers = Watchers(arm=lambda pause: asked.append(pause.section) is None)
    work = Work(stool.program, stool.order.machine, permit, "stool", estimated_s=stool.timing.total_s)
    run = carry_out(work, bench, watchers, root=tmp_path_factory.mktemp("runs"))
    return run, asked, bench.sim


@pytest.mark.parametrize("name", job_names())
def test_every_shipped_job_plans_and_passes_its_check(name):
    made = plan(order_of(load_job(name)))
    findings, permit = approve(made.program, made.order.machine, made.stock)
    assert permit.program_sha256 == made.program.digest
    assert not [f for f in findings if f.severity != "note"]


def test_the_stool_has_its_four_parts_and_all_operations(stool):
    assert measure(stool).parts == 4
    assert {cut.step.kind for cut in stool.cuts} == {"engrave", "pocket", "drill", "profile"}
    assert {cut.step.side for cut in stool.cuts} == {"on", "inside", "outside"}


def test_the_same_order_gives_the_same_bytes(stool):
    assert plan(order_of(load_job("stool"))).program.text == stool.program.text


def test_the_run_ends_done_with_the_head_off_and_asks_at_the_tool_change(stool_run):
    run, asked, sim = stool_run
    assert run.record.end_state == "done"
    assert run.record.head_off is True
    assert run.record.executed == run.record.lines
    assert asked == [2]
    sim.write(b"?")
    assert b"FS:0,0" in sim.read(0.5)


def test_the_true_path_is_the_planned_one_within_a_twentieth_of_a_millimetre(stool, stool_run):
    run = stool_run[0]
    assert 0 < deviation_mm(stool.program, run.true_path.xyz_mm) < 0.05


def test_a_path_shifted_by_a_tenth_is_seen(stool, stool_run):
    shifted = stool_run[0].true_path.xyz_mm.copy()
    middle = slice(len(shifted) // 3, 2 * len(shifted) // 3)
    shifted[middle] += (0.1, 0, 0)
    assert deviation_mm(stool.program, shifted) > 0.09


def test_the_estimate_is_close_to_the_true_time(stool, stool_run):
    trace = stool_run[2].trace
    cutting = trace.time_s[-1] - trace.time_s[0]
    taken = stool_run[0].record.taken_s
    assert stool.timing.total_s == pytest.approx(taken, rel=0.02)
    assert taken < cutting


def test_the_record_and_the_journal_are_whole(stool_run):
    run = stool_run[0]
    record = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    assert record["program_sha256"] == run.record.program_sha256
    assert (run.folder / "program.nc").read_bytes().endswith(b"M2\n")
    certain = last_certain(run.folder)
    assert (certain.end_state, certain.at_least, certain.torn) == ("done", run.record.lines, False)


def test_the_picture_is_a_png_of_the_cut_sheet(stool, stool_run):
    assert cut_png(stool, stool_run[0].true_path).startswith(b"\x89PNG")


def test_the_stool_does_not_fit_a_small_router_and_that_is_said():
    with pytest.raises(RefusedError, match="reaches 300 × 180") as caught:
        plan(order_of(load_job("stool"), machine="router-3018"))
    assert caught.value.remedy


def test_every_move_stays_above_the_stock_when_rapid_sideways(stool):
    moves = stool.program.moves
    before = np.vstack((stool.program.start, moves["xyz"][:-1]))
    sideways = (moves["motion"] == 0) & np.any(moves["xyz"][:, :2] != before[:, :2], axis=1)
    assert np.all(moves["xyz"][sideways, 2] >= 1.0)
    assert np.all(before[sideways, 2] >= 1.0)
