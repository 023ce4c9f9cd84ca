"""Seeded faults on machines that one daemon keeps: no run lies about its end, no machine disturbs another."""

import sys

import pytest

from benchmarks.fault_campaign import Asked
from benchmarks.fault_judge import REFUSED
from benchmarks.kept_faults import (
    FAULTY,
    LEFT_OUT,
    NEIGHBOUR,
    SEEDS,
    STALL,
    batches,
    campaign,
    kept_batch,
    record,
)
from fabctl.sim.faults import KINDS
from fabctl.stream.stops import EndState

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are a POSIX thing")
ENDS = {REFUSED, *(state.value for state in EndState)}
FEW = ("byte-flipped", "ok-lost", "reboot", "usb-gone", "frozen", "reply-packet-lost")


def test_law_a_run_ends_in_the_truth_whatever_goes_wrong_and_its_neighbours_are_done():
    tasks = [*((kind, 3) for kind in FEW), ("line-lost", 0), (NEIGHBOUR, 0), (NEIGHBOUR, 1)]
    verdicts = kept_batch(0, tasks, None)
    assert [(task, verdict.lies) for task, verdict in zip(tasks, verdicts, strict=True) if verdict.lies] == []
    assert {verdict.end for verdict in verdicts} <= ENDS
    assert [verdict.end for verdict in verdicts[-2:]] == ["done", "done"]


def test_every_kind_and_seed_is_shared_out_once():
    shared = batches(KINDS, 4)
    tasks = [task for tasks in shared for task in tasks if task[0] != NEIGHBOUR]
    assert sorted(tasks) == sorted((kind, seed) for kind in set(KINDS) - LEFT_OUT for seed in range(4))
    assert all(sum(kind != NEIGHBOUR for kind, _ in tasks) <= FAULTY for tasks in shared)
    # one daemon that stands still does so for all it keeps
    assert [tasks for tasks in shared if (STALL, 0) in tasks] == [[(STALL, seed) for seed in range(4)]]


@pytest.mark.campaign
@pytest.mark.timeout(14400)
def test_law_runs_under_a_daemon_end_in_the_truth_over_many_seeds():
    found = campaign(Asked(list(KINDS), SEEDS))
    assert [(kind, verdict) for kind, verdicts in found.items() for verdict in verdicts if verdict.lies] == []
    record(found)
