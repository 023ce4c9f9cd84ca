"""How long answers may lie before they are read, and that a request to stop never waits for that."""

import os
import threading
import time

import pytest

from fabctl.shop.firmware import load_firmware
from fabctl.sim.port import SimPort
from fabctl.stream.gather import BEAM_AWAITED_S, MOST_S, SHARE, Gather
from fabctl.stream.link import Link
from fabctl.stream.port import open_port

LINE = 10


@pytest.fixture
def gather():
    return Gather(Link(SimPort(), load_firmware("grbl-1.1")))


def rests(gather, *, sent=LINE, every_s=0.003, line=LINE, turns=60, from_s=1.0):
    return [gather.rest_s(sent, line, from_s + turn * every_s) for turn in range(turns)][-1]


def test_law_way_rest_and_one_line_never_outlast_the_ring(gather):
    """Lines a second × bytes a line × round trip ≤ 127, at every rate and latency."""
    for line in (5, 9, 18, 38, 70):
        for every_s in (0.0005, 0.002, 0.003, 0.01, 0.1):
            for way_s in (0.0, 0.001, 0.016, 0.05):
                gather = Gather(gather.link)
                gather.link.polls.quickest_s = way_s + 0.005
                rest_s = rests(gather, sent=line, every_s=every_s, line=line)
                assert 0 <= rest_s <= MOST_S
                assert rest_s == 0 or line / every_s * (rest_s + way_s) <= 127


def test_a_dense_program_rests_for_most_of_a_ring(gather):
    assert rests(gather) == pytest.approx(SHARE * (127 - LINE) / LINE * 0.003, rel=0.05)


def test_a_report_that_is_under_way_is_read_sooner(gather):
    rests(gather)
    gather.rest_s(LINE, LINE, 2.0)
    gather.link.polls.asked(2.0)
    assert gather.rest_s(LINE, LINE, 2.003) == BEAM_AWAITED_S


def test_a_ring_that_ran_dry_cuts_the_rest_until_it_no_longer_does(gather):
    usual = rests(gather)
    gather.link.connection.in_flight_bytes = LINE
    cut = [gather.rest_s(LINE, LINE, 2 + turn / 1000) for turn in range(16)]
    assert cut[-1] < usual / 50
    gather.link.connection.in_flight_bytes = 120
    assert cut[-1] < rests(gather, turns=20, from_s=3.0) < usual
    assert rests(gather, turns=400, from_s=4.0) == pytest.approx(usual, rel=0.05)


def test_a_slow_way_leaves_no_rest(gather):
    gather.link.polls.quickest_s = 0.06
    assert rests(gather) == 0


def test_nothing_rests_while_a_report_is_awaited_or_nothing_was_sent(gather):
    rests(gather)
    assert gather.rest_s(0, LINE, 2.0) == 0
    gather.link.polls.asked(2.0)
    assert gather.rest_s(LINE, LINE, 9.0) == 0


def test_the_last_answers_are_read_together(gather):
    assert gather.rest_s(0, 0, 2.0) == MOST_S


def test_a_report_now_and_then_shows_how_long_the_way_is_and_the_others_may_lie(gather):
    rests(gather)
    gather.link.polls.asked(1.0)
    assert gather.rest_s(LINE, LINE, 1.2) > 0
    assert gather.rest_s(LINE, LINE, 3.1) == 0
    assert gather.rest_s(LINE, LINE, 3.11) == 0
    gather.link.polls.forget()
    assert gather.rest_s(LINE, LINE, 3.12) > 0
    gather.link.polls.asked(3.2)
    assert gather.rest_s(LINE, LINE, 3.3) > 0


@pytest.fixture
def terminal(tmp_path):
    pty = pytest.importorskip("pty", exc_type=ImportError)
    master, slave = pty.openpty()
    port = open_port(os.ttyname(slave), lock_folder=tmp_path)
    yield master, port
    port.close()
    os.close(master)
    os.close(slave)


def test_bytes_gather_for_one_read_only(terminal):
    master, port = terminal
    for wanted in (b"ok\r\nok\r\n", b"ok\r\n"):
        port.gather_s = 0.3 if wanted.count(b"ok") > 1 else 0.0
        os.write(master, b"ok\r\n")
        later = threading.Timer(0.005, os.write, (master, b"ok\r\n"))
        later.start()
        assert port.read(1.0) == wanted
        assert port.gather_s == 0
        later.join()


def test_a_wake_up_call_ends_the_gathering(terminal):
    master, port = terminal
    port.gather_s = 30.0
    os.write(master, b"ok\r\n")
    threading.Timer(0.01, port.wake).start()
    began_s = time.monotonic()
    assert port.read(30.0) == b"ok\r\n"
    assert time.monotonic() - began_s < 20


def test_the_wait_goes_on_when_nothing_gathered(terminal):
    master, port = terminal
    port.gather_s = 0.001
    threading.Timer(0.02, os.write, (master, b"late")).start()
    assert port.read(10.0) == b"late"
