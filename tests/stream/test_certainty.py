"""Signs that a position is no longer what it says, and which of them only a restart gives."""

import pytest

from fabctl.sim.faults import parse_faults
from fabctl.sim.port import SimPort
from fabctl.stream.certainty import Certainty
from fabctl.stream.replies import State, Status
from fabctl.stream.stops import EndState

RATES = (50.0, 50.0, 20.0)
ZERO = (0.0, 0.0, 0.0)


def heard(*reports, rates=RATES):
    sure = Certainty(rates)
    for time_s, place, status in reports:
        sure.report(status, place, time_s)
    return sure


RUN, IDLE, ALARM = Status(State.RUN), Status(State.IDLE), Status(State.ALARM)
TELLS = Status(State.RUN, wco_mm=ZERO)


def test_a_move_as_fast_as_the_machine_can_is_no_jump():
    places = [(k * 0.1, (5.0 * k, 0.0, 0.0), RUN) for k in range(1, 30)]
    assert heard(*places).lost == ""


def test_two_reports_in_one_batch_are_no_jump():
    places = [
        (1.0, (1.0, 0, 0), RUN),
        (1.1, (5.0, 0, 0), RUN),
        (2.1, (20.0, 0, 0), RUN),
        (2.1, (60.0, 0, 0), RUN),
    ]
    assert heard(*places).lost == ""


def test_an_axis_faster_than_it_can_is_a_jump():
    sure = heard((1.0, (1.0, 1.0, 20.0), RUN), (1.1, (1.0, 1.0, 20.0), RUN), (1.2, (1.0, 1.0, 0.5), RUN))
    assert (sure.lost, sure.proven) == ("", False)
    sure.report(RUN, (1.0, 1.0, 0.0), 1.3)
    assert "jumped from 1.000, 1.000, 20.000" in sure.lost


def test_one_report_out_of_place_is_a_damaged_one():
    places = [(k * 0.1, (20.0 + k, 0, 0), RUN) for k in range(1, 9)]
    places[4] = (0.5, (5.0, 0, 0), RUN)
    assert heard(*places).proven


def test_coming_to_zero_as_after_a_start_is_doubtful_and_no_reason_to_stop():
    sure = heard((1.0, (1.0, 0, 0), RUN), (1.1, (0.5, 0, 0), RUN), (1.2, ZERO, TELLS))
    assert (sure.lost, sure.doubtful) == ("", True)


def test_coming_to_zero_without_a_word_of_the_offsets_is_a_true_return():
    """The first report after a start tells them."""
    assert heard((1.0, (1.0, 0, 0), RUN), (1.1, (0.5, 0, 0), RUN), (1.2, ZERO, IDLE)).proven


def test_coming_to_zero_after_a_poll_without_an_answer_is_doubtful():
    sure = heard((1.0, (1.0, 0, 0), RUN), (1.1, (0.5, 0, 0), RUN))
    sure.report(IDLE, ZERO, 1.4, unanswered=True)
    assert sure.doubtful


def test_standing_at_zero_is_not_doubtful():
    assert not heard((1.0, ZERO, IDLE), (1.1, ZERO, IDLE)).doubtful


@pytest.mark.parametrize(("between", "doubtful"), [(3, True), (10, False)])
def test_offsets_told_out_of_turn_are_doubtful(between, doubtful):
    sure = heard((0.1, (9.0, 0, 0), TELLS), *((1.0 + k, (9.0, 0, 0), RUN) for k in range(between)))
    sure.report(TELLS, (9.0, 0.0, 0.0), 20.0)
    assert sure.doubtful == doubtful


def test_offsets_a_line_asks_for_are_not_doubtful_once():
    sure = heard((0.1, (9.0, 0, 0), TELLS))
    sure.expect_offsets()
    sure.report(TELLS, (9.0, 0.0, 0.0), 0.2)
    assert sure.proven
    sure.report(TELLS, (9.0, 0.0, 0.0), 0.3)
    assert not sure.proven


def test_new_offsets_may_be_told_at_any_time():
    sure = heard((0.1, (9.0, 0, 0), TELLS), (0.2, (9.0, 0, 0), Status(State.RUN, wco_mm=(1.0, 0.0, 0.0))))
    assert not sure.doubtful


def test_an_alarm_that_was_not_told_is_a_restart():
    assert heard((0.1, ZERO, RUN), (0.2, ZERO, ALARM)).lost
    assert not heard((0.1, ZERO, ALARM), (0.2, ZERO, ALARM)).lost
    assert not heard((0.1, ZERO, Status(State.HOME)), (0.2, ZERO, ALARM)).lost
    told = heard((0.1, ZERO, RUN))
    told.alarm(loses=False)
    told.report(ALARM, ZERO, 0.2)
    assert not told.lost


def test_a_banner_nobody_asked_for_loses_the_position_until_it_is_found_anew():
    sure = heard((0.1, ZERO, RUN))
    sure.restart(asked=True)
    assert not sure.lost
    sure.restart(asked=False)
    assert "restarted" in sure.lost
    sure.forget()
    assert not sure.lost


@pytest.mark.parametrize("other", [b"$X\n", b"$I\n", b"$Q\n"])
def test_a_homing_command_that_arrived_as_another_one_is_no_homing(bench, wire, new_job, other):
    it = bench("laser-400", wire=wire(down=lambda data, now_s: data.replace(b"$H\n", other)))
    result = it.run(new_job().go(1, 1, 0), home=True)
    assert result.end_state is EndState.UNKNOWN
    assert "homed" not in it.kinds
    assert it.rest() == (0.0, 0.0)


def test_a_program_that_ends_with_m2_and_loses_its_answer_ends_at_a_known_place(bench, new_job):
    it = bench()
    # the answer to the last line: seven commands of our own are answered before the program's
    it.port = SimPort(it.machine.settings(), faults=parse_faults("ok-lost:at=14"))
    result = it.run(new_job().say("M3S5000").go(5, 0, 0, 600).go(5, 5, 0, 600).say("M5").say("M2"))
    assert "M2" in result.reason
    assert result.end_state is EndState.KNOWN
