"""Disks that fill up, fail, forget or are cut: what the journal says afterwards is true."""

import random
from dataclasses import replace

import pytest

from benchmarks.campaigns import record_campaign
from benchmarks.sick_disks import Disk, cut_everywhere, drive, fall_ill, ills, lose_power

SEED = 20
LAST_BYTES = 4096
POWER_CUTS = 10_000


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    """A run on a healthy disk, with each of its moments."""
    done = drive(tmp_path_factory.mktemp("healthy"), Disk(), keep=True)
    assert done.error is None
    assert len(done.moments) > 100
    assert done.truth.rest_mm == pytest.approx(done.way.x_mm[-1])
    return done


@pytest.fixture
def fails(healthy, tmp_path):
    """Let the disk fail in one way after the other; what is untrue."""

    def fail(ways):
        writes = healthy.disk.calls["write"]
        folders = (tmp_path / str(number) for number in range(len(ways)))
        return [
            (way, found)
            for way, folder in zip(ways, folders, strict=True)
            if (found := fall_ill(folder, *way, writes))
        ]

    return fail


@pytest.fixture
def cuts(healthy, tmp_path):
    """Cut the journal of a run in its first, middle and last third, and that of the whole one."""
    middle = len(healthy.moments) // 2
    chosen = dict.fromkeys((middle // 2, middle, 3 * middle // 2, len(healthy.moments) - 1), LAST_BYTES)
    return lambda step: (list(cut_everywhere(healthy, tmp_path, chosen, step)), len(chosen))


def test_law_a_disk_that_fails_ends_the_run_with_a_true_statement(healthy, fails):
    assert fails(random.Random(SEED).sample(list(ills(healthy.disk.calls)), 12)) == []


def test_law_cut_short_anywhere_the_journal_says_nothing_untrue(cuts):
    assert cuts(61)[0] == []


def test_law_whatever_sectors_a_power_cut_takes_the_journal_says_nothing_untrue(healthy, tmp_path):
    assert list(lose_power(healthy, tmp_path, 300, SEED)) == []


def test_a_disk_that_lies_about_its_syncs_is_found_out(healthy, tmp_path):
    """The comparison can fail: bytes that were said to be kept and are not make statements untrue."""
    last = healthy.moments[-2]
    kept = last.journal.index(b"ahead")
    forgetful = replace(last, journal=last.journal[:kept] + bytes(len(last.journal) - kept))
    assert list(lose_power(replace(healthy, moments=[forgetful]), tmp_path, 1, SEED)) != []


@pytest.mark.campaign
@pytest.mark.timeout(1800)
def test_failing_at_every_write_and_every_sync_every_statement_is_true(healthy, fails):
    ways = list(ills(healthy.disk.calls))
    untrue = fails(ways)
    record_campaign(
        "journal/enospc-eio-or-half-a-write-at-each-call", {"tries": len(ways), "untrue": len(untrue)}
    )
    assert untrue == []


@pytest.mark.campaign
@pytest.mark.timeout(1800)
def test_cut_at_each_of_its_last_bytes_the_journal_says_nothing_untrue(cuts):
    untrue, journals = cuts(1)
    record_campaign(
        "journal/cut-at-each-of-its-last-4096-bytes",
        {"tries": journals * (LAST_BYTES + 1), "untrue": len(untrue)},
    )
    assert untrue == []


@pytest.mark.campaign
@pytest.mark.timeout(1800)
def test_whatever_ten_thousand_power_cuts_take_the_journal_says_nothing_untrue(healthy, tmp_path):
    untrue = list(lose_power(healthy, tmp_path, POWER_CUTS, SEED))
    record_campaign("journal/sectors-lost-in-a-power-cut", {"tries": POWER_CUTS, "untrue": len(untrue)})
    assert untrue == []
