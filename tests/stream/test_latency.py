"""What the link owes a person who wants to stop, and a host with little memory: long campaigns, real time.

How fast this host is decides these: they are no part of the ordinary tests, see docs/reliability.md.
"""

import sys

import pytest

from benchmarks import guards, long, machines, stops
from benchmarks.dense import JOBS
from benchmarks.far_end import far_end
from benchmarks.link import limit_per_s, measure

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are a POSIX thing")


def test_stops_are_paired_with_their_bytes_machine_by_machine():
    asked = [[1.0, 2.0], [1.5]]
    assert stops.figures(asked, [[1.002, 2.001, 9.0], [1.504]])["worst_ms"] == pytest.approx(4.0)
    assert stops.figures(asked, [[1.002], [1.504]])["bytes_missing"] == 1
    assert stops.figures(asked, [[1.002, 1.9], [1.504]])["bytes_missing"] == 1


def test_the_limit_of_a_controller_lies_where_real_boards_were_measured():
    """GRBL on an 8-bit board: 376 raster lines a second, 282 chords."""
    assert 300 < limit_per_s(JOBS["raster"](300)) < 450
    assert 250 < limit_per_s(JOBS["chords"](300)) < 400


def test_a_far_end_serves_until_it_is_left_and_says_what_it_saw():
    with far_end(kind="virtual", settings={}, options={"cpu_model": True}) as end:
        assert len(end.urls) == 1
    assert end.said["dropped"] == 0


@pytest.mark.campaign
@pytest.mark.timeout(1800)
def test_ten_thousand_stops_are_on_the_wire_in_time():
    found = stops.measure(10_000)
    assert found["bytes_missing"] == 0
    assert found["p99_ms"] <= 20
    assert found["worst_ms"] <= 50


@pytest.mark.campaign
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("hang", [False, True])
def test_the_guard_holds_every_machine_when_the_sender_dies(hang):
    found = guards.measure(50, hang=hang)
    assert found["machines_not_held"] == 0
    assert found["worst_s"] <= 0.6


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_memory_is_flat_over_five_million_lines():
    row = long.run(1.0)
    assert row["grown_mb"] < 16


@pytest.mark.campaign
@pytest.mark.timeout(600)
@pytest.mark.parametrize("latency_ms", [1, 16])
@pytest.mark.parametrize("job", ["raster", "chords", "relief_rewritten", "steps"])
def test_dense_jobs_run_at_the_controllers_own_limit(job, latency_ms):
    assert measure("fabctl", job, latency_ms, 2000)["per_s"] >= 0.98 * limit_per_s(JOBS[job](2000))


@pytest.mark.campaign
@pytest.mark.timeout(600)
def test_sixteen_machines_take_a_seventh_of_a_core():
    row = machines.measure(16, 4000)
    assert row["core_percent"] <= 15
    assert row["most_bytes"] <= 127
