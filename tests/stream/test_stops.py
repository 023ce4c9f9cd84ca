"""The stop table: complete, shown in the docs, never moving anything."""

from pathlib import Path

import pytest

from fabctl.stream.stops import READY, STOPS, Answer, Cause, EndState, Operator, remedy_for, stops_table

DOCS = Path(__file__).resolve().parents[2] / "docs" / "stops.md"


def test_the_docs_show_the_very_table_the_sender_obeys():
    assert stops_table() in DOCS.read_text(encoding="utf-8")


def test_every_cause_has_its_row_and_only_done_claims_done():
    assert set(STOPS) == set(Cause)
    assert [cause for cause, rule in STOPS.items() if rule.best is EndState.DONE] == [Cause.DONE]
    assert [cause for cause, rule in STOPS.items() if rule.answer is Answer.NONE] == [Cause.DONE]


def test_every_stop_names_a_remedy():
    assert all(rule.remedy for cause, rule in STOPS.items() if cause is not Cause.DONE)


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause is not Cause.DONE])
@pytest.mark.parametrize(
    ("homing", "command"),
    [(True, "`fabctl machine home mill`"), (False, "`fabctl machine zero mill x y z`")],
)
def test_nobody_is_told_to_start_again_before_the_position_is_found(cause, homing, command):
    unknown = remedy_for(cause, EndState.UNKNOWN, machine="mill", homing=homing)
    assert command in unknown
    assert READY not in unknown
    known = remedy_for(cause, EndState.KNOWN, machine="mill", homing=homing)
    assert known
    assert "find the position" not in known


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause is not Cause.DONE])
def test_a_head_that_is_not_seen_to_be_off_comes_before_all_else(cause):
    for head_off in (None, False):
        assert remedy_for(cause, EndState.KNOWN, head_off=head_off).startswith("use the emergency stop")


def test_each_request_wakes_the_sender():
    woken = []
    operator = Operator(wake=lambda: woken.append(1))
    for request in (operator.hold, operator.resume, operator.abort, operator.reset):
        request()
    assert len(woken) == 4
    assert (operator.wants_hold, operator.wants_resume) == (False, True)
    assert operator.wants_abort
    assert operator.wants_reset


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("ALARM:2: the target lies outside", ("leaves the travel",)),
        ("ALARM:4: the probe was closed", ("lift the tool off the plate", "start farther")),
        ("ALARM:5: the probe never closed; Z zero is in doubt", ("clip", "plate", "start closer", "--depth")),
        ("ALARM:99: never heard of", ("work zero", "probe")),
    ],
)
def test_after_an_alarm_a_person_reads_what_its_number_asks_for(reason, words):
    said = remedy_for(Cause.ALARM_KNOWN, EndState.KNOWN, machine="mill", reason=reason)
    assert all(word in said for word in (*words, "`fabctl machine unlock mill --position kept`"))


def test_the_number_of_an_alarm_changes_no_other_remedy():
    for cause in set(Cause) - {Cause.ALARM_KNOWN}:
        assert remedy_for(cause, EndState.KNOWN, reason="ALARM:5: x") == remedy_for(cause, EndState.KNOWN)
