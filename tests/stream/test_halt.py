"""What is believed after a stop and sent in a hold, said one report at a time by a peer of few words."""

import pytest

from fabctl.errors import StoppedError
from fabctl.stream.controller import connect
from fabctl.stream.ending import stand_idle
from fabctl.stream.halt import NOTHING_KNOWN, halt, head_is_off, see_head
from fabctl.stream.limits import braking_limit_s
from fabctl.stream.override import ROUNDS, Adjusting
from fabctl.stream.pause import stay_held
from fabctl.stream.replies import State, Status
from fabctl.stream.run import Hooks
from fabctl.stream.stops import Cause, Operator
from fabctl.stream.turns import drive
from tests.stream.peer import ROUTER, grbl

PLACE = "MPos:1.000,2.000,3.000"


def said(state, place=PLACE, speed=0, more="|Ov:100,100,100"):
    return f"<{state}|{place}|FS:0,{speed}{more}>"


@pytest.fixture
def peer():
    it = grbl(ROUTER)
    it.status = [said("Idle", more="|WCO:0.000,0.000,0.000"), said("Idle")]
    return it


@pytest.fixture
def link(peer):
    """A link to the peer, met and strict."""
    met, _ = drive(peer, connect(peer, ROUTER))
    peer.heard = b""
    return met


def seen(peer, link, state, **more):
    """Let the controller report a state, over and over."""
    peer.status = said(state, **more)
    link.strict = False
    drive(peer, link.fresh_status())
    link.strict = True


def stopped(peer, link, cause):
    return drive(peer, halt(link, cause, ROUTER))


def test_a_place_that_is_the_same_after_the_reset_is_known(peer, link):
    seen(peer, link, "Hold:0")
    peer.status = [said("Hold:0"), said("Hold:0"), said("Idle")]
    outcome = stopped(peer, link, Cause.OPERATOR_ABORT)
    assert (outcome.position_known, outcome.head_off, outcome.mpos_mm) == (True, True, (1.0, 2.0, 3.0))


def test_a_place_that_is_another_after_the_reset_is_not_known(peer, link):
    seen(peer, link, "Hold:0")
    peer.status = [said("Hold:0"), said("Hold:0"), said("Idle", "MPos:1.000,2.000,3.001")]
    assert not stopped(peer, link, Cause.OPERATOR_ABORT).position_known


@pytest.mark.parametrize("state", ["Door:0", "Check", "Sleep", "Run"])
def test_a_controller_that_does_not_come_back_idle_or_locked_has_no_known_position(peer, link, state):
    seen(peer, link, "Hold:0")
    peer.status = [said("Hold:0"), said(state)]
    outcome = stopped(peer, link, Cause.OPERATOR_ABORT)
    assert (outcome.position_known, outcome.mpos_mm) == (False, (1.0, 2.0, 3.0))


@pytest.mark.parametrize("state", ["Alarm", "Sleep", "Check"])
def test_a_controller_that_moves_nothing_any_more_is_reset_without_a_hold(peer, link, state):
    seen(peer, link, state)
    stopped(peer, link, Cause.ERROR)
    assert b"!" not in peer.heard
    assert b"\x18" in peer.heard


def test_a_machine_locked_by_an_alarm_keeps_its_position_through_a_stop(peer, link):
    link.certainty.alarm(loses=False)
    seen(peer, link, "Alarm")
    assert stopped(peer, link, Cause.ERROR).position_known


@pytest.mark.parametrize(("code", "known"), [(1, False), (2, True), (3, False)])
def test_an_alarm_that_comes_with_the_reset_says_whether_the_position_is_true(peer, link, code, known):
    seen(peer, link, "Hold:0")
    peer.banner = f"ALARM:{code}\r\n{peer.banner}"
    peer.status = [said("Hold:0"), said("Alarm")]
    assert stopped(peer, link, Cause.OPERATOR_ABORT).position_known is known


def test_without_a_banner_nothing_is_known(peer, link):
    seen(peer, link, "Hold:0")
    peer.banner = ""
    assert stopped(peer, link, Cause.OPERATOR_ABORT) == NOTHING_KNOWN


@pytest.mark.parametrize(
    ("speed", "pins", "off"),
    [(0, "", True), (0, "S", False), (0, "C", False), (0, "F", True), (5000, "", False), (None, "", None)],
)
def test_a_head_is_off_when_both_its_speed_and_its_pin_say_so(link, speed, pins, off):
    link.status, link.accessories = Status(State.IDLE, speed=speed), pins
    assert head_is_off(link) is off


def test_of_a_head_nobody_has_told_nothing_is_known(link):
    link.status = None
    assert head_is_off(link) is None


def test_the_heads_own_pin_is_waited_for(peer, link):
    peer.status = [*[said("Idle", more="")] * 7, said("Idle", more="|Ov:100,100,100|A:S")]
    drive(peer, see_head(link))
    assert link.accessories == "S"


def test_a_pin_that_is_never_told_is_not_waited_for_without_end(peer, link):
    peer.status, begin_s = said("Idle", more=""), peer.clock_s()
    drive(peer, see_head(link))
    assert 1 < peer.clock_s() - begin_s < 2


def test_a_report_that_was_on_its_way_is_not_a_fresh_one(peer, link):
    peer.out = f"{said('Run')}\r\n".encode()
    peer.status = said("Idle")
    assert drive(peer, link.fresh_status()).state is State.IDLE


def test_a_controller_that_sleeps_is_not_homed(peer, link):
    link.homed = True
    seen(peer, link, "Sleep")
    assert not link.homed


@pytest.mark.parametrize("state", ["Hold:0", "Hold:1", "Door:1"])
def test_a_command_to_a_machine_that_is_held_has_to_wait(peer, link, state):
    seen(peer, link, state)
    with pytest.raises(StoppedError, match=f"has to wait: {state}"):
        drive(peer, link.command(b"$G"))
    assert link.cause is Cause.HELD
    assert b"$G" not in peer.heard


def test_a_hold_in_the_last_moment_is_waited_out(peer, link):
    stays = []

    async def stay():
        stays.append(link.connection.state)
        peer.status = said("Idle")

    peer.status = [said("Run"), said("Run"), said("Run"), said("Hold:0")]
    drive(peer, stand_idle(link, stay))
    assert stays == [State.HOLD_DONE]
    assert link.status.state is State.IDLE


# Overrides


@pytest.fixture
def adjusting(link):
    operator = Operator()
    return Adjusting(link, operator), operator


def told(feed):
    return Status(State.RUN, overrides=(feed, 100, 100))


def test_an_override_is_sent_once_and_its_report_is_waited_for(peer, link, adjusting):
    turn, operator = adjusting
    seen(peer, link, "Run")
    operator.wants_overrides = {"feed": 110}
    turn.look(told(100))
    for _ in range(9):
        peer.time_s += 1
        turn.look(Status(State.RUN))
    assert peer.heard.count(b"\x91") == 1
    turn.look(told(110))
    assert operator.wants_overrides == {}


def test_an_override_left_from_before_is_taken_back_though_no_report_has_told_of_it(peer, link, adjusting):
    """The controller may be at 200 % when a job begins, and the first report of it seconds away."""
    turn, operator = adjusting
    seen(peer, link, "Run")
    operator.wants_overrides = {"feed": 100}
    for _ in range(3):
        peer.time_s += 1
        turn.look(Status(State.RUN))
    assert peer.heard.count(b"\x90") == 1
    turn.look(told(100))
    assert operator.wants_overrides == {}


def test_an_override_that_never_comes_is_given_up(peer, link, adjusting):
    turn, operator = adjusting
    seen(peer, link, "Run")
    operator.wants_overrides = {"feed": 110}
    for _ in range(ROUNDS + 5):
        peer.time_s += 1
        turn.look(told(100))
    assert peer.heard.count(b"\x91") == ROUNDS
    assert operator.wants_overrides == {}


# A hold


def held(peer, link, *reports, machine=ROUTER, hooks=None):
    """Hold on request, with these reports one after the other."""
    seen(peer, link, "Run")
    peer.status = list(reports)
    hooks = hooks or Hooks()
    drive(peer, stay_held(link, machine, hooks, lambda _status: None, asked=True))


def test_a_spindle_the_firmware_is_stopping_by_itself_is_not_started_again(peer, link):
    """0x9E toggles: sent for a report older than the firmware's own stop it would start the spindle."""
    reports = [said("Hold:0", speed=5000), said("Hold:0"), said("Hold:0"), said("Idle")]
    held(peer, link, *reports)
    assert b"\x9e" not in peer.heard


def test_a_spindle_that_turns_on_in_a_hold_is_stopped_once(peer, link):
    held(peer, link, *[said("Hold:0", speed=5000)] * 9, said("Idle"))
    assert peer.heard.count(b"\x9e") == 1


def test_a_machine_that_does_not_hold_ends_the_run(peer, link):
    begin_s = peer.clock_s()
    with pytest.raises(StoppedError, match="does not hold"):
        held(peer, link, said("Run"))
    assert link.cause is Cause.SILENCE
    assert peer.clock_s() - begin_s < braking_limit_s(ROUTER) + 1
