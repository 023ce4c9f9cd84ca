"""A slow disk keeps no machine waiting: the figures of it."""

import pytest

from benchmarks.campaigns import record_campaign
from benchmarks.slow_disk import WHAT, send_slowly_synced


@pytest.mark.parametrize("sync_s", [0.0, 0.02])
def test_every_line_of_a_machine_is_let_through_in_the_end(tmp_path, sync_s):
    figures = send_slowly_synced(tmp_path, sync_s, 400.0, 0.5)
    assert figures["lines"] > 0


@pytest.mark.campaign
@pytest.mark.timeout(300)
def test_syncs_of_half_a_second_hold_no_machine_back(tmp_path):
    record_campaign("journal-on-a-slow-disk", {"what": WHAT})
    for sync_ms in (50, 200, 500):
        for lines_s in (60, 376, 2000):
            folder = tmp_path / f"{sync_ms}-{lines_s}"
            folder.mkdir()
            figures = send_slowly_synced(folder, sync_ms / 1000, lines_s, 10.0)
            assert figures.pop("lines") > 0
            record_campaign(f"journal-on-a-slow-disk/sync-{sync_ms}-ms-{lines_s}-lines-s", figures)
