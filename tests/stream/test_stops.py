"""The stop table: complete, shown in the docs, never moving anything."""

from pathlib import Path

from fabctl.stream.stops import STOPS, Answer, Cause, EndState, Operator, stops_table

DOCS = Path(__file__).resolve().parents[2] / "docs" / "stops.md"


def test_the_docs_show_the_very_table_the_sender_obeys():
    assert stops_table() in DOCS.read_text(encoding="utf-8")


def test_every_cause_has_its_row_and_only_done_claims_done():
    assert set(STOPS) == set(Cause)
    assert [cause for cause, rule in STOPS.items() if rule.best is EndState.DONE] == [Cause.DONE]
    assert [cause for cause, rule in STOPS.items() if rule.answer is Answer.NONE] == [Cause.DONE]


def test_every_stop_names_a_remedy():
    assert all(rule.remedy for cause, rule in STOPS.items() if cause is not Cause.DONE)


def test_each_request_wakes_the_sender():
    woken = []
    operator = Operator(wake=lambda: woken.append(1))
    for request in (operator.hold, operator.resume, operator.abort, operator.reset):
        request()
    assert len(woken) == 4
    assert (operator.wants_hold, operator.wants_resume) == (False, True)
    assert operator.wants_abort
    assert operator.wants_reset
