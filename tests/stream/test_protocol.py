"""The connection: transcripts of bytes, the table of states, and the laws of counting."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fabctl.stream.protocol import Connection, Fault, FaultKind, LocalProtocolError
from fabctl.stream.replies import Alarm, Banner, Error, State, Status
from fabctl.stream.rules import ALWAYS, RULES, Lines, Realtime, needs_alone
from fabctl.stream.text import WireLine

BANNER = b"\r\nGrbl 1.1h ['$' for help]\r\n"


def report(state="Idle", x=0.0):
    return f"<{state}|MPos:{x:.3f},0.000,0.000|FS:0,0>\r\n".encode()


def woken(state="Idle", window=127):
    link = Connection(window)
    link.receive(BANNER + report(state))
    return link


# A transcript: what we send ("> line", "! REALTIME"), what comes ("< bytes"), what is to be seen ("= names").
TRANSCRIPTS = {
    "acknowledged is not executed": """
        < \\r\\nGrbl 1.1h ['$' for help]\\r\\n = Banner
        < <Idle|MPos:0.000,0.000,0.000|FS:0,0>\\r\\n = Status
        > G1X1F100
        > G1X2
        < ok\\r\\nok\\r\\n = Answered Answered
    """,
    "a banner nobody asked for": """
        < \\r\\nGrbl 1.1h ['$' for help]\\r\\n = Banner
        < \\r\\nGrbl 1.1h ['$' for help]\\r\\n = Banner:unasked
    """,
    "an answer overtaken by a reset": """
        < \\r\\nGrbl 1.1h ['$' for help]\\r\\n = Banner
        < <Idle|MPos:0.000,0.000,0.000|FS:0,0>\\r\\n = Status
        > G1X1F100
        ! RESET
        < ok\\r\\n = Answered
        < ALARM:3\\r\\n = Alarm
        < \\r\\nGrbl 1.1h ['$' for help]\\r\\n = Banner
    """,
    "a blank board complains first": """
        < error:7\\r\\n = Error
        < $0=10\\r\\n$1=25\\r\\n = Setting Setting
        < \\r\\nGrbl 1.1h ['$' for help]\\r\\n = Banner
    """,
    "an answer too many": """
        < \\r\\nGrbl 1.1h ['$' for help]\\r\\n = Banner
        < <Idle|MPos:0.000,0.000,0.000|FS:0,0>\\r\\n = Status
        > G21
        < ok\\r\\nok\\r\\n = Answered Fault
    """,
    "out of an alarm without unlocking": """
        < \\r\\nGrbl 1.1h ['$' for help]\\r\\n = Banner
        < <Alarm|MPos:0.000,0.000,0.000|FS:0,0>\\r\\n = Status
        < <Run|MPos:0.000,0.000,0.000|FS:0,0>\\r\\n = Fault Status
    """,
    "leaving check mode restarts": """
        < \\r\\nGrbl 1.1h ['$' for help]\\r\\n = Banner
        < <Check|MPos:0.000,0.000,0.000|FS:0,0>\\r\\n = Status
        > $C
        < [MSG:Disabled]\\r\\nok\\r\\n = Message Answered
        < \\r\\nGrbl 1.1h ['$' for help]\\r\\n = Banner
    """,
}


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_transcript(name):
    link = Connection()
    for row in TRANSCRIPTS[name].strip().splitlines():
        mark, rest = row.strip().split(" ", 1)
        if mark == ">":
            link.send_line(rest.encode())
        elif mark == "!":
            link.send_realtime(Realtime[rest])
        else:
            said, _, seen = rest.rpartition(" = ")
            events = link.receive(said.encode().decode("unicode_escape").encode())
            names = [
                type(event).__name__ + (":unasked" if isinstance(event, Banner) and not event.asked else "")
                for event in events
            ]
            assert names == seen.split()


def test_the_three_counters_are_apart():
    link = woken()
    for number in (1, 2, 3):
        link.send_line(b"G1X1F100", number)
    link.receive(b"ok\r\nok\r\n")
    link.mark_executed(1)
    assert (link.sent, link.acknowledged, link.executed) == (3, 2, 1)
    with pytest.raises(LocalProtocolError):
        link.mark_executed(4)
    with pytest.raises(LocalProtocolError):
        link.mark_executed(0)


def test_an_ok_to_the_program_moves_a_counter_and_is_no_event():
    link = woken("Run")
    link.send_line(b"M3S9", 1)
    link.send_line(b"G21")
    link.send_line(b"X1", 2)
    assert [event.number for event in link.receive(b"ok\r\nok\r\nerror:9\r\n")] == [0, 2]
    assert link.acknowledged == 2


@pytest.mark.parametrize(
    "text",
    [b"M3", b"G4P1", b"G10L20P1X0", b"G0.1", b"X1!", b"$H", b"X1\nX2$", b"X1\nX2", b"x1", b"G1G92", b"X\xff"],
)
def test_what_does_more_than_move_never_goes_with_moves(text):
    link = woken("Run")
    link.send_line(b"X1", 1)
    with pytest.raises(LocalProtocolError):
        link.send_moves([WireLine(2, b"G01X1S5"), WireLine(3, text)])
    assert link.sent == 1


def test_moves_wait_for_whatever_goes_alone_and_for_the_machine_to_run():
    move = [WireLine(1, b"X1")]
    for state, line in (("Idle", b"G21"), ("Check", b"G21"), ("Run", b"G10L20P1X0")):
        link = woken(state)
        link.send_line(line)
        with pytest.raises(LocalProtocolError):
            link.send_moves(move)


def test_commands_of_our_own_move_no_counter():
    link = woken()
    link.send_line(b"$$")
    link.receive(b"ok\r\n")
    assert (link.sent, link.acknowledged) == (0, 0)


@pytest.mark.parametrize("line", [b"G1X1\n", b"(wait!)", b"G1?", b"~", b"G1\x18", b"G1\xc3\xa9", b"X" * 127])
def test_a_line_that_would_be_obeyed_or_dropped_is_our_own_mistake(line):
    with pytest.raises(LocalProtocolError):
        woken().send_line(line)


def test_nothing_is_sent_before_the_controller_said_what_it_is_doing():
    link = Connection()
    with pytest.raises(LocalProtocolError):
        link.send_line(b"G21")
    link.receive(BANNER)
    with pytest.raises(LocalProtocolError):
        link.send_line(b"G21")


EXAMPLES = {b"G1X1": "program", b"$$": "system", b"$J=X1F1": "jog"}
TAKES = {
    Lines.ANY: {"program", "system", "jog"},
    Lines.PROGRAM: {"program"},
    Lines.JOGS: {"jog"},
    Lines.SYSTEM: {"system"},
    Lines.NONE: set(),
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("line", EXAMPLES)
def test_a_state_takes_the_lines_of_its_rule_and_no_others(state, line):
    link = woken(state.value)
    if EXAMPLES[line] in TAKES[RULES[state].lines]:
        assert link.send_line(line) == line + b"\n"
    else:
        with pytest.raises(LocalProtocolError):
            link.send_line(line)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("code", Realtime)
def test_a_state_takes_the_realtime_bytes_of_its_rule_and_no_others(state, code):
    link = woken(state.value)
    if code in ALWAYS | RULES[state].realtime:
        assert link.send_realtime(code) == bytes((code,))
    else:
        with pytest.raises(LocalProtocolError):
            link.send_realtime(code)


def test_no_cycle_start_while_still_braking():
    with pytest.raises(LocalProtocolError):
        woken("Hold:1").send_realtime(Realtime.START)


@pytest.mark.parametrize("before", State)
@pytest.mark.parametrize("then", State)
def test_a_state_is_left_only_as_the_table_says(before, then):
    events = woken(before.value).receive(report(then.value))
    jumped = any(isinstance(event, Fault) and event.kind is FaultKind.STATE_JUMP for event in events)
    assert jumped == (then is not before and then not in RULES[before].reaches)


def test_after_a_reset_every_state_may_follow():
    link = woken("Alarm")
    link.send_realtime(Realtime.RESET)
    assert not any(isinstance(event, Fault) for event in link.receive(BANNER + report("Idle")))


def test_a_reset_empties_the_ring():
    link = woken()
    link.send_line(b"G1X1F100", 1)
    link.send_realtime(Realtime.RESET)
    link.receive(BANNER + report())
    assert (link.in_flight_bytes, link.unanswered) == (0, 0)


@pytest.mark.parametrize(
    "line", [b"G10L20P1X0", b"G010 L2 P1", b"G28.1", b"G30.1", b"$100=80", b"$H", b"$x=1"]
)
def test_lines_that_write_eeprom_are_known(line):
    assert needs_alone(line)


@pytest.mark.parametrize("line", [b"G1X10", b"G28", b"G0X10Y28.1", b"G100", b"$J=X1F1", b"G1X1G90"])
def test_other_lines_are_streamed(line):
    assert not needs_alone(line)


def test_a_line_that_writes_eeprom_waits_for_all_before_it_and_all_after_wait_for_it():
    link = woken()
    link.send_line(b"G1X1F100", 1)
    assert not link.fits(b"G10L20P1X0")
    link.receive(b"ok\r\n")
    link.send_line(b"G10L20P1X0", 2)
    assert not link.fits(b"G1X2")
    with pytest.raises(LocalProtocolError):
        link.send_line(b"G1X2", 3)


def test_noise_without_an_end_is_a_fault_and_not_a_growing_buffer():
    link = woken()
    events = [event for _ in range(100) for event in link.receive(b"x" * 50)]
    assert {event.kind for event in events} == {FaultKind.UNKNOWN_REPLY}


SESSION = (
    BANNER
    + report()
    + b"ok\r\n"
    + report("Run", 1.5)
    + b"error:20\r\n[MSG:Pgm End]\r\nALARM:1\r\nnoise\r\n$100=80.000\r\n"
    + BANNER
    + report("Alarm")
)


@given(st.lists(st.integers(0, len(SESSION))))
def test_law_however_bytes_are_cut_the_events_are_the_same(cuts):
    def events(pieces):
        link = Connection()
        seen = []
        for piece in pieces:
            seen += link.receive(piece)
        return seen

    edges = [0, *sorted(cuts), len(SESSION)]
    pieces = [SESSION[a:b] for a, b in itertools.pairwise(edges)]
    assert events(pieces) == events([SESSION])


class Counting(RuleBasedStateMachine):
    """Bytes in flight ≤ window always, and they are what a naive count of the same traffic says."""

    def __init__(self):
        super().__init__()
        self.link = woken(window=60)
        self.flying = []
        self.number = 0

    @rule(line=st.from_regex(rb"[GXY][0-9]{1,30}", fullmatch=True))
    def send_when_it_fits(self, line):
        if self.link.fits(line):
            self.number += 1
            self.flying.append(len(self.link.send_line(line, self.number)))

    @rule(line=st.from_regex(rb"X[0-9]{20,40}", fullmatch=True))
    def send_without_asking(self, line):
        try:
            self.flying.append(len(self.link.send_line(line, self.number + 1)))
            self.number += 1
        except LocalProtocolError:
            assert sum(self.flying) + len(line) + 1 > 60 or not self.link.fits(line)

    @precondition(lambda self: self.flying)
    @rule(answer=st.sampled_from([b"ok\r\n", b"error:20\r\n"]))
    def answer(self, answer):
        before = self.link.acknowledged
        events = self.link.receive(answer)
        assert [event.reply for event in events] == ([Error(20)] if answer.startswith(b"error") else [])
        assert self.link.acknowledged > before
        self.flying.pop(0)

    @precondition(lambda self: self.link.flows)
    @rule(texts=st.lists(st.from_regex(rb"[XY][0-9]{1,9}", fullmatch=True), min_size=1, max_size=9))
    def send_moves(self, texts):
        moves = [WireLine(self.number + at, text, moves=True) for at, text in enumerate(texts, 1)]
        sizes = [len(text) + 1 for text in texts]
        if sum(self.flying) + sum(sizes) > 60:
            with pytest.raises(LocalProtocolError):
                self.link.send_moves(moves)
            return
        assert self.link.send_moves(moves) == b"".join(text + b"\n" for text in texts)
        self.number += len(texts)
        self.flying += sizes

    @rule()
    def reset(self):
        self.link.send_realtime(Realtime.RESET)
        self.link.receive(BANNER + report())
        self.flying.clear()

    @rule()
    def poll(self):
        self.link.send_realtime(Realtime.STATUS)
        assert isinstance(self.link.receive(report("Run"))[0], Status)

    @rule()
    def stand(self):
        self.link.receive(report("Idle"))

    @invariant()
    def window_is_kept(self):
        assert self.link.in_flight_bytes == sum(self.flying) <= 60
        assert self.link.acknowledged <= self.link.sent


TestCounting = Counting.TestCase


def test_an_alarm_is_a_state_too():
    link = woken("Run")
    assert link.receive(b"ALARM:1\r\n") == [Alarm(1)]
    assert link.state is State.ALARM


def test_answers_after_a_report_say_nothing_of_where_the_machine_was():
    """One piece of bytes may hold a report and answers to lines that were parsed after it."""
    link = woken()
    for number in (1, 2, 3):
        link.send_line(b"G1X%d" % number, number)
    link.receive(b"ok\r\n" + report("Run") + b"ok\r\nok\r\n")
    assert (link.acknowledged, link.acknowledged_then) == (3, 1)
    link.begin_program()
    assert link.acknowledged_then == 0
