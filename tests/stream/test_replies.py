"""The grammar of replies: a table of what Grbl says, and refusal of everything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabctl.stream.grammar import parse_reply
from fabctl.stream.replies import (
    Alarm,
    Banner,
    BuildOptions,
    Error,
    Help,
    Message,
    Offset,
    Ok,
    ParserState,
    Probe,
    Setting,
    StartupLine,
    StartupRan,
    State,
    Status,
    ToolLength,
    Unknown,
    Version,
)

SAID = [
    (b"ok", Ok()),
    (b"error:9", Error(9)),
    (b"ALARM:2", Alarm(2)),
    (b"Grbl 1.1h ['$' for help]", Banner("Grbl", "1.1h")),
    (b"[MSG:Reset to continue]", Message("Reset to continue")),
    (b"[echo: G1X1]", Message("G1X1")),
    (b"$110=500.000", Setting(110, 500.0)),
    (b"$N0=G54", StartupLine(0, "G54")),
    (b"$N1=", StartupLine(1, "")),
    (b">G54:ok", StartupRan("G54", "ok")),
    (b">G54:error:7", StartupRan("G54", "error:7")),
    (b"[GC:G0 G54 M5 T0 F0.0 S0]", ParserState(("G0", "G54", "M5", "T0", "F0.0", "S0"))),
    (b"[G54:1.000,-2.000,0.000]", Offset("G54", (1, -2, 0))),
    (b"[G92:0.000,0.000,0.000]", Offset("G92", (0, 0, 0))),
    (b"[TLO:0.000]", ToolLength(0)),
    (b"[PRB:1.000,2.000,-3.500:1]", Probe((1, 2, -3.5), touched=True)),
    (b"[PRB:0.000,0.000,0.000:0]", Probe((0, 0, 0), touched=False)),
    (b"[VER:1.1h.20190825:]", Version("1.1h.20190825", "")),
    (b"[OPT:V,15,128]", BuildOptions("V", 15, 128)),
    (b"[HLP:$$ $# $G]", Help("$$ $# $G")),
    (b"<Idle|MPos:0.000,0.000,0.000|FS:0,0>", Status(State.IDLE, (0, 0, 0), feed_mm_min=0, speed=0)),
    (
        b"<Hold:1|WPos:1.000,2.000,3.000|Bf:15,128|Ln:9|F:500|Pn:XP|WCO:1.000,0.000,0.000>",
        Status(State.HOLD_BRAKING, None, (1, 2, 3), (1, 0, 0), 15, 128, 9, 500, None, None, "XP"),
    ),
    (
        b"<Run|MPos:0.000,0.000,0.000|FS:60,100|Ov:100,50,110|A:SF>",
        Status(State.RUN, (0, 0, 0), feed_mm_min=60, speed=100, overrides=(100, 50, 110), accessories="SF"),
    ),
    (
        b"<Idle|MPos:0.000,0.000,0.000|FS:0,0|Ov:100,100,100>",
        Status(State.IDLE, (0, 0, 0), feed_mm_min=0, speed=0, overrides=(100, 100, 100), accessories=""),
    ),
]


@pytest.mark.parametrize(("raw", "reply"), SAID, ids=[raw.decode() for raw, _ in SAID])
def test_each_reply_of_grbl_is_understood(raw, reply):
    assert parse_reply(raw) == reply


@pytest.mark.parametrize(
    "raw",
    [
        b"OK",
        b"ok ",
        b"[GC:G0 G54 F9..0 S0]",
        b"[GC:G0 G54 F S0]",
        b"error:",
        b"error:1000",
        b"ALARM:x",
        b"Grbl 1.1h",
        b"<Idle>",
        b"<Idle|FS:0,0>",
        b"<Hold|MPos:0.000,0.000,0.000>",
        b"<Idle|MPos:0.000,0.000>",
        b"<Idle|MPos:0.000,0.000,0.000|MPos:0.000,0.000,0.000>",
        b"<Idle|MPos:0.000,0.000,0.000|WPos:0.000,0.000,0.000>",
        b"<Idle|MPos:nan,0.000,0.000>",
        b"<Idle|MPos:0.000,0.000,0.000|Zz:1>",
        b"<Idle|MPos:0.000,0.000,0.000|FS:0,0",
        b"$100=",
        b"$100=1e9",
        b"[PRB:0.000,0.000,0.000]",
        b"[NEW:1]",
        b"\xff\xfe",
        b"",
    ],
)
def test_what_is_not_in_the_grammar_is_never_guessed(raw):
    assert parse_reply(raw) == Unknown(raw)


@given(st.binary(max_size=80))
def test_law_no_bytes_make_the_grammar_fail(raw):
    assert parse_reply(raw) is not None


@given(st.sampled_from([raw for raw, _ in SAID if raw.startswith(b"<")]), st.data())
def test_law_a_report_with_a_lost_byte_is_refused_or_another_sound_report(raw, data):
    at = data.draw(st.integers(0, len(raw) - 1))
    reply = parse_reply(raw[:at] + raw[at + 1 :])
    assert isinstance(reply, (Status, Unknown))


number = st.from_regex(r"-?[0-9]{1,7}(\.[0-9]{1,5})?|-?[0-9]{1,9}|[0-9]+\.", fullmatch=True)
small = st.integers(0, 99999).map(str)


def row(value, count):
    return st.lists(value, min_size=count, max_size=count).map(",".join)


@given(
    st.sampled_from(["Run", "Idle", "Hold:0", "Hold:7", "run", ""]),
    row(number, 3),
    row(number, 2),
    st.one_of(st.none(), row(small, 2)),
    st.one_of(st.none(), row(number, 3)),
    st.one_of(st.none(), row(small, 3)),
)
def test_law_the_usual_order_of_fields_means_what_any_other_does(state, mpos, speeds, buffer, zero, percents):
    """The usual form is read at one stroke, any other field by field: both understand the same."""
    fields = [f"MPos:{mpos}", buffer and f"Bf:{buffer}", f"FS:{speeds}", zero and f"WCO:{zero}"]
    fields = [field for field in [*fields, percents and f"Ov:{percents}"] if field]
    usual, other = (
        parse_reply("<{}>".format("|".join([state, *said])).encode()) for said in (fields, fields[::-1])
    )
    assert usual == other or (isinstance(usual, Unknown) and isinstance(other, Unknown))
