"""What was asked with `?` and not answered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabctl.stream.polls import Polls


@given(st.lists(st.floats(0.001, 0.04), min_size=1, max_size=40), st.integers(1, 10))
def test_law_while_nothing_is_lost_those_open_are_those_not_answered(waits_s, depth):
    """However many polls are under way at once."""
    polls, now_s, under_way = Polls(), 0.0, 0
    for wait_s in waits_s:
        now_s += wait_s
        if under_way == depth:
            polls.answered(now_s)
            under_way -= 1
        polls.asked(now_s)
        under_way += 1
        assert polls.open == under_way


def test_a_report_that_was_lost_is_not_waited_for_for_ever():
    polls = Polls()
    polls.asked(-0.1)
    polls.answered(-0.093)
    polls.asked(0.0)
    open_then = []
    for turn in range(1, 6):
        polls.asked(0.1 * turn)
        open_then.append(polls.open)
        polls.answered(0.1 * turn + 0.035)
    assert open_then == [2, 1, 1, 1, 1]


def test_a_report_that_is_only_late_is_still_waited_for():
    polls = Polls()
    polls.asked(0.0)
    polls.asked(0.1)
    polls.answered(0.11)
    polls.asked(0.13)
    assert polls.open == 2
    polls.answered(0.131)
    polls.answered(0.14)
    assert polls.open == 0


def test_over_a_slow_way_several_are_under_way():
    polls = Polls()
    for turn in range(20):
        if turn >= 2:
            polls.answered(0.1 * turn - 0.03)
        polls.asked(0.1 * turn)
        assert polls.open == min(turn + 1, 2)


def test_while_a_controller_is_silent_its_polls_of_late_stay_open():
    polls = Polls()
    for turn in range(30):
        polls.asked(0.1 * turn)
    assert polls.open > 1
    assert polls.silent_s(2.9) == pytest.approx(2.9)


def test_what_is_forgotten_is_open_no_more():
    polls = Polls()
    polls.asked(1.0)
    polls.forget()
    assert (polls.open, polls.waits, polls.silent_s(9.0)) == (0, False, 0.0)
