"""Acts by hand under faults: a sample here, all of it under ``-m campaign``."""

from collections import Counter
from dataclasses import replace

import pytest

from benchmarks.by_hand import DEEDS, SKIPPED, WHAT, campaign, try_one
from benchmarks.campaigns import record_campaign
from fabctl.sim.faults import KINDS

TRIED = [kind for name, kind in KINDS.items() if name not in SKIPPED]


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.name)
def test_no_act_lies_or_moves_afterwards_under_a_sample_of_faults(deed):
    ends = Counter()
    # a string's hash differs from run to run: its place in the list does not
    for seed, kind in enumerate(TRIED[DEEDS.index(deed) % 4 :: 4]):
        verdict = try_one(deed, kind, seed)
        assert verdict.lies == [], f"{kind.name}, seed {seed}"
        ends[verdict.end] += 1
    assert len(ends) > 1


def test_the_judge_can_say_no():
    """An act whose truth is denied is a lie of whoever says done."""
    step = next(deed for deed in DEEDS if deed.name == "step")
    wrong = replace(step, true=lambda _stage, _found: False)
    assert try_one(wrong, KINDS["feed-knob"], 1).lies


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_no_act_lies_or_moves_afterwards_under_any_fault():
    ends, lies = Counter(), []
    for deed, kind, seed, verdict in campaign(25):
        ends[verdict.end] += 1
        lies += [(deed.name, kind.name, seed, lie) for lie in verdict.lies]
    figures = {"runs": sum(ends.values()), "kinds": len(TRIED), "lies": len(lies), "hangs": ends["hangs"]}
    record_campaign("by-hand-in-all", {"what": WHAT} | figures)
    assert lies == []
