"""A hold that somebody asked for comes, whatever is lost on the way; and it lasts until it is resumed."""

import re

import pytest

from fabctl.stream.run import Hooks
from fabctl.stream.stops import Cause, EndState, Operator


class First:
    """Loses the first of some bytes on their way to the controller."""

    def __init__(self, byte):
        self.byte = byte
        self.lost_s = None

    def __call__(self, data, now_s):
        if self.lost_s is not None or self.byte not in data:
            return data
        self.lost_s = now_s
        return data.replace(self.byte, b"", 1)


def holding(it, operator, then):
    """Ask for a hold in mid-run; do something at each transition."""

    def progress(now):
        if now.executed > 8 and "hold" not in it.kinds:
            operator.hold()

    def told(kind, facts):
        it.told.append((kind, dict(facts)))
        return then(kind)

    return Hooks(operator=operator, progress=progress, transition=told)


def test_a_hold_whose_byte_is_lost_is_sent_again_long_before_it_is_given_up(bench, square_job, wire):
    lost, operator = First(b"!"), Operator()
    it = bench(wire=wire(down=lost))
    held_s = []

    def then(kind):
        if kind == "hold":
            held_s.append(it.port.clock_s())
            operator.abort()

    result = it.run(square_job(), holding(it, operator, then))
    assert (result.cause, result.end_state) == (Cause.OPERATOR_ABORT, EndState.KNOWN)
    assert held_s[0] - lost.lost_s < 1.5


def test_a_spindle_that_did_not_hear_is_told_again_to_stop_and_not_turned_on_by_that(bench, square_job, wire):
    lost, operator = First(b"\x9e"), Operator()
    it = bench(wire=wire(down=lost))
    powers = []

    def then(kind):
        if kind == "hold":
            operator.wants_hold = False

    hooks = holding(it, operator, then)

    def progress(now):
        hooks.progress(now)
        if now.state == "Hold:0":
            powers.append(it.port.controller.board.outputs.pwm)
            if len(powers) == 60:
                operator.resume()

    result = it.run(square_job(), Hooks(operator, hooks.arm, progress, hooks.sending, hooks.transition))
    assert result.end_state is EndState.DONE
    assert powers[0] > 0
    assert powers[40:] == [0] * len(powers[40:])
    assert it.wire.sent.count(b"\x9e") == 2


def test_a_hold_asked_for_while_the_resume_is_written_down_keeps_the_machine_held(bench, square_job):
    operator = Operator()
    it = bench()
    looks = iter([False] * 5 + [True] * 1000)

    def then(kind):
        if kind == "hold":
            operator.resume()
        if kind == "resume" and it.kinds.count("resume") == 1:
            operator.hold()
            return lambda: next(looks)
        return None

    result = it.run(square_job(), holding(it, operator, then))
    assert result.end_state is EndState.DONE
    assert [kind for kind in it.kinds if kind in {"hold", "resume"}] == ["hold", "resume"] * 2
    assert it.wire.sent.count(b"~") == 1


def test_a_beam_that_a_hold_leaves_on_is_seen_while_the_disk_is_waited_for(bench, new_job, homed, wire):
    """The report says so, whatever the disk does."""

    def lying(data, now_s):
        # as a controller that does not turn its beam off in a hold
        return re.sub(rb"(<Hold:0[^>]*FS:)0,0", rb"\g<1>0,500", data)

    operator = Operator()
    it = bench("laser-400", options=homed(), wire=wire(up=lying))
    job = new_job().say("M4S500").go(60, 0, 0, 1000).go(0, 0, 0, 1000).say("M5")

    def progress(now):
        if now.state == "Run" and now.work_mm[0] > 5:
            operator.hold()

    def told(kind, facts):
        it.told.append((kind, dict(facts)))
        return (lambda: False) if kind == "hold" else None

    result = it.run(job, Hooks(operator=operator, progress=progress, transition=told))
    assert result.cause is Cause.BEAM_STANDING


@pytest.mark.parametrize("request_", ["hold", "abort", "reset"])
def test_what_is_asked_for_in_mid_run_is_answered_by_a_byte(bench, square_job, request_):
    operator = Operator()
    it = bench()

    def progress(now):
        if now.executed > 8 and not operator.wants_stop and "hold" not in it.kinds:
            getattr(operator, request_)()

    def told(kind, facts):
        it.told.append((kind, dict(facts)))
        if kind == "hold":
            operator.abort()

    it.run(square_job(), Hooks(operator=operator, progress=progress, transition=told))
    assert (b"!" in it.wire.sent, it.wire.sent.count(b"\x18") >= 2) == (request_ != "reset", True)
