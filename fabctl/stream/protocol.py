"""The connection to a Grbl without any input or output: bytes in, events out; lines in, bytes out.

It knows no port, no clock and no file. What it keeps is which bytes are in the controller's receive ring,
what the controller last said it was doing, and three counters that are never mixed: lines sent, lines
acknowledged (parsed, not cut) and lines executed (from the machine's position; the sender marks them).

Two kinds of mistake, two branches: what *we* must not send raises LocalProtocolError and no byte leaves;
what *the controller* must not say becomes a `Fault` among the events.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import attrgetter
from typing import NamedTuple, Protocol

from fabctl.errors import FabctlError
from fabctl.stream.grammar import GRBL, Grammar, parse_reply
from fabctl.stream.replies import OK, Alarm, Banner, Error, Ok, Reply, State, Status, Unknown
from fabctl.stream.rules import ALWAYS, RULES, Realtime, needs_alone, takes

REPLY_LIMIT_BYTES = 256
"""No reply of Grbl is longer; more bytes without a newline are noise."""

_SENDABLE = re.compile(rb"[\x20-\x7e]*")
_REALTIME_IN_LINE = re.compile(rb"[?!~]")
_MOVES = re.compile(rb"(?:(?:G0*[0-3](?![0-9.]))?+[A-FH-LN-Z0-9.+-]*+\n)*+")
_OK_ROW = re.compile(rb"(?:ok\r\n)*+")
_OK_BYTES = len(b"ok\r\n")
_text, _number = attrgetter("text"), attrgetter("number")


class LocalProtocolError(FabctlError):
    """We were about to send what must not be sent: a bug in fabctl; no byte left."""


class FaultKind(StrEnum):
    """What a controller on a sound link never does."""

    UNKNOWN_REPLY = "a reply outside Grbl's grammar"
    STRAY_ANSWER = "an answer to a line that was never sent"
    STATE_JUMP = "a state that cannot follow the one before"


@dataclass(frozen=True, slots=True)
class Fault:
    """The peer's fault, or the wire's."""

    kind: FaultKind
    detail: str


class Answered(NamedTuple):
    """A line got its answer: the answer, the number of the line, and its text.

    An `ok` to a line of the program is no event: it moves a counter, and there are hundreds a second.
    """

    reply: Ok | Error
    number: int
    line: bytes


Event = Reply | Fault | Answered


class Numbered(Protocol):
    """A line of the program: its number, from 1, and its text without a line ending."""

    @property
    def number(self) -> int:
        """Its number in the program."""
        ...

    @property
    def text(self) -> bytes:
        """What is sent."""
        ...


class _Sent(NamedTuple):
    number: int
    text: bytes


class Connection:
    r"""One controller's side of the story, from bytes alone.

    Parameters
    ----------
    window_bytes : int
        How many bytes may be in the receive ring at once, newlines included.

    Attributes
    ----------
    sent, acknowledged, executed : int
        Last line of the program on the wire, parsed, and proven to be cut.
    acknowledged_then : int
        The last line acknowledged before the controller wrote its last report. Answers that follow a report
        may come in the same piece as it: they say nothing of where the machine was.

    Examples
    --------
    >>> link = Connection()
    >>> link.receive(b"Grbl 1.1h ['$' for help]\r\n<Idle|MPos:0.000,0.000,0.000|FS:0,0>\r\n")[0].asked
    True
    >>> link.send_line(b"G1X1F100", number=1)
    b'G1X1F100\n'
    >>> link.receive(b"ok\r\n"), link.acknowledged, link.executed
    ([], 1, 0)
    >>> link.send_line(b"$$"), link.receive(b"ok\r\n")
    (b'$$\n', [Answered(reply=Ok(), number=0, line=b'$$')])
    """

    def __init__(self, window_bytes: int = 127, grammar: Grammar = GRBL) -> None:
        self.window_bytes = window_bytes
        self.grammar = grammar
        self.state: State | None = None
        self.sent = 0
        self.acknowledged = 0
        self.executed = 0
        self.acknowledged_then = 0
        self.in_flight_bytes = 0
        self.awaits_banner = True
        self._in_flight: list[Numbered] = []
        self._alone = False
        self._partial = b""

    @property
    def unanswered(self) -> int:
        """How many lines have no answer yet."""
        return len(self._in_flight)

    @property
    def oldest_line(self) -> bytes:
        """The line whose answer comes next; empty when none is due."""
        return self._in_flight[0].text if self._in_flight else b""

    @property
    def room_bytes(self) -> int:
        """How many bytes, newlines included, may be sent now as far as room in the ring goes."""
        return 0 if self._alone else self.window_bytes - self.in_flight_bytes

    @property
    def flows(self) -> bool:
        """Whether the controller runs, and nothing that goes alone is under way: then moves may follow."""
        return self.state is State.RUN and not self._alone

    def fits(self, line: bytes) -> bool:
        """Tell whether a line may be sent now as far as room in the ring goes.

        A line that writes EEPROM goes alone: the controller is deaf while it writes.
        """
        if not self._in_flight:
            return True
        return len(line) < self.room_bytes and not needs_alone(line)

    def send_line(self, line: bytes, number: int = 0) -> bytes:
        """Take a line into account and return the bytes to write.

        Parameters
        ----------
        line : bytes
            Without a line ending; printable ASCII without real-time characters.
        number : int
            Its number in the program; 0 for a command of our own, which moves no counter.

        Returns
        -------
        bytes
            The line with its newline.

        Raises
        ------
        LocalProtocolError
            When it must not be sent now, or ever.
        """
        self._alone = self._examined(line)
        self._in_flight.append(_Sent(number, line))
        self.in_flight_bytes += len(line) + 1
        if number:
            self.sent = number
        if self.state is State.CHECK and line == b"$C":
            # leaving check mode, Grbl resets itself
            self.awaits_banner = True
            self.state = None
        return line + b"\n"

    def send_moves(self, moves: Sequence[Numbered]) -> bytes:
        """Take lines of the program into account that do nothing but move, and return the bytes to write.

        Parameters
        ----------
        moves : sequence of Numbered
            In order; at least one. Looked at as one: a line by itself costs a host three times as much.

        Raises
        ------
        LocalProtocolError
            When the link does not flow, they do not fit, or one of them is no mere move.
        """
        batch = b"\n".join(map(_text, moves)) + b"\n"
        sound = _MOVES.fullmatch(batch) is not None and batch.count(b"\n") == len(moves)
        if not self.flows or len(batch) > self.room_bytes or not sound:
            raise LocalProtocolError(
                f"{batch!r} in state {self.state}, {self.in_flight_bytes} bytes in flight"
            )
        self._in_flight.extend(moves)
        self.in_flight_bytes += len(batch)
        self.sent = moves[-1].number
        return batch

    def _examined(self, line: bytes) -> bool:
        """Raise unless a line may be sent now; tell whether it goes alone."""
        self._check_line(line)
        if self.awaits_banner or self.state is None:
            raise LocalProtocolError(f"{line!r} before the controller has said what it is doing")
        if not takes(RULES[self.state].lines, line):
            raise LocalProtocolError(
                f"{line!r} in state {self.state}, which takes {RULES[self.state].lines.value}"
            )
        alone = needs_alone(line)
        if self._in_flight and (alone or len(line) >= self.room_bytes):
            raise LocalProtocolError(f"{line!r} does not fit: {self.in_flight_bytes} bytes in flight")
        return alone

    def send_realtime(self, code: Realtime) -> bytes:
        """Take a real-time byte into account and return it.

        Raises
        ------
        LocalProtocolError
            When the byte has no meaning in this state, such as a cycle start while still braking.
        """
        allowed = RULES[self.state].realtime if self.state is not None else frozenset()
        if code not in ALWAYS and code not in allowed:
            raise LocalProtocolError(f"{code.name} in state {self.state or 'unknown'}")
        if code is Realtime.RESET:
            self.awaits_banner = True
            self.state = None
        return bytes((code,))

    def mark_executed(self, number: int) -> None:
        """Note that the machine's position proves line `number` of the program wholly executed.

        Raises
        ------
        LocalProtocolError
            When it goes back, or beyond what was sent.
        """
        if not self.executed <= number <= self.sent:
            raise LocalProtocolError(f"executed {number} outside {self.executed} … {self.sent}")
        self.executed = number

    def begin_program(self) -> None:
        """Set the three counters to nothing sent.

        Raises
        ------
        LocalProtocolError
            When a line still waits for its answer.
        """
        if self._in_flight:
            raise LocalProtocolError(f"a program begins with {self.unanswered} lines unanswered")
        self.sent = self.acknowledged = self.executed = self.acknowledged_then = 0

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes from the controller, in whatever pieces they come.

        Returns
        -------
        list of Event
            In the controller's order; what is no whole line yet waits for its rest.
        """
        data, at = self._partial + data, 0
        events: list[Event] = []
        while True:
            # a row of `ok` as one: nearly all that ever comes, and what a host's time goes into
            row = _OK_ROW.match(data, at)
            if row and row.end() > at and row.end() - at <= _OK_BYTES * len(self._in_flight):
                events += self._taken((row.end() - at) // _OK_BYTES)
                at = row.end()
            end = data.find(b"\n", at)
            if end < 0:
                break
            raw, at = data[at:end].removesuffix(b"\r"), end + 1
            if raw:
                self._take(parse_reply(raw, self.grammar), events)
        self._partial = data[at:]
        if len(self._partial) > REPLY_LIMIT_BYTES:
            raw, self._partial = self._partial, b""
            self._take(Unknown(raw), events)
        return events

    def _take(self, reply: Reply, events: list[Event]) -> None:
        match reply:
            case Ok() | Error():
                self._answer(reply, events)
            case Status():
                self._report(reply, events)
            case Banner():
                events.append(replace(reply, asked=self.awaits_banner))
                self._restart()
            case Alarm():
                events.append(reply)
                self.state = None if self.awaits_banner else State.ALARM
            case Unknown():
                events.append(Fault(FaultKind.UNKNOWN_REPLY, repr(reply.raw[:80])[1:]))
            case _:
                events.append(reply)

    def _answer(self, reply: Ok | Error, events: list[Event]) -> None:
        if self._in_flight:
            answered = self._answered(reply)
            if isinstance(reply, Error) or not answered.number:
                events.append(answered)
        elif self.awaits_banner:
            # a blank EEPROM says error:7 before its banner; a reset may overtake an answer
            events.append(reply)
        else:
            name = "ok" if isinstance(reply, Ok) else f"error:{reply.code}"
            events.append(Fault(FaultKind.STRAY_ANSWER, name))

    def _answered(self, reply: Ok | Error) -> Answered:
        line = self._in_flight.pop(0)
        self._alone = False
        self.in_flight_bytes -= len(line.text) + 1
        if line.number:
            self.acknowledged = line.number
        return Answered(reply, line.number, line.text)

    def _taken(self, count: int) -> list[Event]:
        """Take so many `ok` to lines in flight."""
        taken = self._in_flight[:count]
        if not all(map(_number, taken)):
            answered = [self._answered(OK) for _ in taken]
            return [answer for answer in answered if not answer.number]
        del self._in_flight[:count]
        self._alone = False
        self.in_flight_bytes -= sum(map(len, map(_text, taken))) + count
        self.acknowledged = taken[-1].number
        return []

    def _report(self, status: Status, events: list[Event]) -> None:
        before = self.state
        self.acknowledged_then = self.acknowledged
        if self.awaits_banner:
            # written before our reset arrived, or by a board that did not restart on opening
            events.append(status)
            return
        if before is not None and status.state is not before and status.state not in RULES[before].reaches:
            events.append(Fault(FaultKind.STATE_JUMP, f"{before} → {status.state}"))
        self.state = status.state
        events.append(status)

    def _restart(self) -> None:
        self.awaits_banner = False
        self.state = None
        self._in_flight.clear()
        self._alone = False
        self.in_flight_bytes = 0

    def _check_line(self, line: bytes) -> None:
        if not _SENDABLE.fullmatch(line) or _REALTIME_IN_LINE.search(line):
            raise LocalProtocolError(f"{line!r} holds a byte the controller would obey or drop")
        if len(line) + 1 > self.window_bytes:
            raise LocalProtocolError(f"{line!r} is longer than the window of {self.window_bytes} bytes")
