"""Seeded faults of every kind: no run ever lies about how it ended, hangs, or goes on where it must not."""

import json

import pytest

from benchmarks.fault_campaign import Asked, as_json, recalled, summary
from benchmarks.fault_judge import ALLOWED_MM, REFUSED, Verdict
from benchmarks.fault_runs import one
from benchmarks.faults import CAMPAIGN, SEEDS, campaign, kept, record
from benchmarks.kept_faults import CAMPAIGN as KEPT_CAMPAIGN
from fabctl.sim.faults import KINDS, Seen
from fabctl.stream.stops import EndState

ENDS = {REFUSED, *(state.value for state in EndState)}
UNSEEN = 0.01
"""Share of runs with a fault on the way to the controller in which a short excursion may stay unseen."""
FEW = 3


def broken(verdicts, kind):
    """Every promise these runs broke."""
    found = [(seed, v) for seed, v in enumerate(verdicts) if v.lies or v.end not in ENDS]
    figures = summary(verdicts)
    if KINDS[kind].seen is not Seen.PARTLY and figures["unseen_excursions"]:
        found.append(("unseen", figures))
    if KINDS[kind].seen is not Seen.NEVER and figures["share_of_bound"] >= 1:
        found.append(("too far", figures))
    return found


LIED_ONCE = [("reboot-silent", 58), ("deaf", 213), ("slow", 228), ("slow", 351), ("echo", 257)]
"""Runs in which a sender of an earlier day, or one on its way to this, broke a promise."""


@pytest.mark.parametrize(("kind", "seed"), LIED_ONCE)
def test_what_lied_once_lies_no_more(kind, seed):
    assert one(kind, seed).lies == []


@pytest.mark.parametrize("kind", KINDS)
def test_law_a_run_ends_in_the_truth_whatever_goes_wrong(kind):
    assert broken([one(kind, seed) for seed in range(FEW)], kind) == []


@pytest.mark.parametrize(("lies", "status"), [([], 0), (["it moved"], 1)])
def test_both_campaigns_tell_what_was_kept_and_fail_by_a_broken_promise(tmp_path, capsys, lies, status):
    verdicts = as_json([Verdict("done", lies=list(lies)), Verdict("stopped, position known")])
    assert [verdict.end for verdict in recalled(verdicts)] == ["done", "stopped, position known"]
    (tmp_path / "reboot-0-2.json").write_text(json.dumps(verdicts), encoding="utf-8")
    batch = {"tasks": [("reboot", 0), ("reboot", 1)], "verdicts": verdicts}
    (tmp_path / "batch-0-from-0.json").write_text(json.dumps(batch), encoding="utf-8")
    for asked in (CAMPAIGN, KEPT_CAMPAIGN):
        assert asked.main(["--kept", "--keep", str(tmp_path)]) == status
        told = json.loads(capsys.readouterr().out)
        assert (told["runs"], told["done"], told["known"], told["lies"]) == (2, 1, 1, len(lies))


@pytest.mark.parametrize("words", [["reboots"], ["--kept"]])
def test_a_kind_nobody_knows_or_nothing_kept_is_refused(words, capsys):
    with pytest.raises(SystemExit):
        CAMPAIGN.main(words)
    assert capsys.readouterr().err


def test_seeds_go_on_from_where_another_campaign_ended():
    whole = campaign(Asked(["reset-button"], 4))
    later = campaign(Asked(["reset-button"], 2, first_seed=2))
    assert later["reset-button"] == whole["reset-button"][2:]


def test_a_run_is_its_seed():
    assert one("byte-flipped", 5) == one("byte-flipped", 5)


@pytest.mark.parametrize(
    "kind", ["ok-lost", "ok-garbled", "reboot", "power-cut", "frozen", "usb-gone", "echo", "banner-lost"]
)
def test_what_no_run_can_get_over_is_never_done(kind):
    verdicts = [one(kind, seed) for seed in range(100, 104)]
    # a fault of the last moments, or an operator who ends the run before, is what else may happen
    assert sum(verdict.end == EndState.DONE.value for verdict in verdicts) <= 1


def test_what_is_no_fault_of_the_link_stops_no_run():
    ends = [
        verdict for kind in ("latency", "jitter", "feed-knob") for verdict in (one(kind, s) for s in range(4))
    ]
    assert all(verdict.off_mm < ALLOWED_MM for verdict in ends)
    assert sum(verdict.end == EndState.DONE.value for verdict in ends) >= len(ends) - 3


def test_what_is_kept_of_a_campaign_is_what_was_run(tmp_path):
    told = []
    asked = Asked(["ok-lost", "latency"], 2, folder=tmp_path)
    found = campaign(asked, told.append)
    assert [len(verdicts) for verdicts in found.values()] == [2, 2]
    assert kept(tmp_path) == found == campaign(asked, told.append)
    assert len(told) == 4


@pytest.mark.campaign
@pytest.mark.timeout(7200)
def test_law_runs_end_in_the_truth_whatever_goes_wrong_over_many_seeds():
    found = campaign(Asked(list(KINDS), SEEDS))
    for kind, verdicts in found.items():
        assert broken(verdicts, kind) == []
        spoilt = summary(verdicts)
        assert spoilt["unseen_excursions"] <= UNSEEN * spoilt["runs"], kind
    record(found)
