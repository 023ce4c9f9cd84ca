"""Meeting a Grbl 1.1 that is not quite as the profile says."""

import pytest

from fabctl.errors import LinkError
from fabctl.stream.controller import connect
from fabctl.stream.turns import drive
from tests.stream.peer import ROUTER, grbl


@pytest.mark.parametrize(("ring", "window"), [(128, 127), (64, 63), (256, 127)])
def test_a_smaller_ring_than_the_profiles_narrows_the_window(ring, window):
    peer = grbl(ROUTER, ring)
    link, controller = drive(peer, connect(peer, ROUTER))
    assert (link.connection.window_bytes, controller.ring_bytes) == (window, ring)


def test_what_a_controller_says_of_itself_is_kept():
    peer = grbl(ROUTER)
    _, controller = drive(peer, connect(peer, ROUTER))
    assert (controller.version, controller.blocks) == ("1.1h.20190830", 15)
    assert controller.settings[100] == ROUTER.steps_per_mm[0]
    assert controller.offsets == {"G54": (0, 0, 0), "G92": (0, 0, 0)}
    assert controller.notes == ()


def test_without_a_version_the_banners_counts():
    peer = grbl(ROUTER)
    peer.answers["$I"] = ["ok"]
    _, controller = drive(peer, connect(peer, ROUTER))
    assert (controller.version, controller.ring_bytes, controller.blocks) == ("1.1h", 128, 15)


@pytest.mark.parametrize("line", ["$I", "$$", "$N", "$#"])
def test_a_controller_that_restarts_while_it_is_asked_is_refused(line):
    peer = grbl(ROUTER)
    peer.answers[line].append(peer.banner)
    with pytest.raises(LinkError, match="restarted by itself"):
        drive(peer, connect(peer, ROUTER))


def test_a_controller_that_restarts_instead_of_answering_is_refused_as_that():
    peer = grbl(ROUTER)
    peer.answers["$$"].insert(3, peer.banner)
    with pytest.raises(LinkError, match="restarted by itself"):
        drive(peer, connect(peer, ROUTER))
