"""A port and a connection driven together: polls, time limits, and faults turned into a cause to stop.

Everything is measured on the port's own clock, so that the virtual controller's hour passes in seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from fabctl.errors import StoppedError
from fabctl.shop.firmware import Firmware
from fabctl.stream.certainty import Certainty
from fabctl.stream.polls import Polls
from fabctl.stream.port import Port
from fabctl.stream.protocol import Answered, Connection, Event, Fault, FaultKind
from fabctl.stream.replies import OK, Alarm, Banner, Error, Point, StartupRan, State, Status
from fabctl.stream.rules import Realtime
from fabctl.stream.stops import STOPS, Cause
from fabctl.stream.turns import bytes_within

POLL_S = 0.2
"""Five reports a second cost the controller 0.5 % of its time."""
FAST_POLL_S = 0.05
SILENCE_S = 1.5
"""With a poll every 0.2 s a missing answer is noticed within 2 s."""
NEARLY = 0.85
"""Of the time between two polls: then one goes with lines that go anyway."""
BANNER_S = 3.0
HELD: frozenset[State] = frozenset(state for state in State if state.value.startswith(("Hold", "Door")))
AGAIN_S = 0.8
"""After an alarm Grbl says nothing for 0.5 s: a second reset then would bring a second, unasked banner."""

_FAULTS = {
    FaultKind.UNKNOWN_REPLY: Cause.UNKNOWN_REPLY,
    FaultKind.STRAY_ANSWER: Cause.STRAY_ANSWER,
    FaultKind.STATE_JUMP: Cause.STATE_JUMP,
}


@dataclass
class Link:
    """One controller on one port.

    Parameters
    ----------
    port : Port
        The wire.
    firmware : Firmware
        Says what errors and alarms mean.
    connection : Connection
        The protocol.
    strict : bool
        Whether a fault ends the run; off while a connection is made and while a stop is carried out.
    quiet : bool
        Whether the controller may leave polls unanswered: it does while homing.
    attend : callable
        Looks after the operator's requests at each turn; may raise to end the run.
    status : Status, optional
        The last report.
    mpos_mm, work_mm : (x, y, z) float, optional
        Where it says the machine is, machine and work coordinates, mm; None as long as the controller has not
        told how they lie to each other.
    wco_mm : (x, y, z) float, optional
        Work zero, machine coordinates, mm.
    accessories : str
        What was on when the controller last said.
    cause : Cause, optional
        Why the run ends.
    homed : bool
        Whether the machine was homed over this link and nothing since puts its position in doubt. The
        controller's state does not tell: after a soft reset it is Idle, homed or not.
    certainty : Certainty
        What speaks against the position the controller reports.
    polls : Polls
        What was asked with `?`, and answered.
    """

    port: Port
    firmware: Firmware
    connection: Connection = field(default_factory=Connection)
    strict: bool = False
    quiet: bool = False
    attend: Callable[[], None] | None = None
    status: Status | None = None
    mpos_mm: Point | None = None
    work_mm: Point | None = None
    wco_mm: Point | None = None
    accessories: str = ""
    cause: Cause | None = None
    homed: bool = False
    certainty: Certainty = field(default_factory=Certainty)
    polls: Polls = field(default_factory=Polls)

    @property
    def place(self) -> dict[str, Point | None]:
        """Where the machine is, as a journal tells it: work, machine and work zero, mm."""
        return {"work_mm": self.work_mm, "mpos_mm": self.mpos_mm, "zero_mm": self.wco_mm}

    def fail(self, cause: Cause, detail: str) -> StoppedError:
        """Note why the run ends and make the error that carries it out of the loops."""
        self.cause = cause
        return StoppedError(detail, file=self.port.name, remedy=STOPS[cause].remedy)

    def realtime(self, code: Realtime) -> None:
        """Put a real-time byte on the wire now, whatever else is queued."""
        self.port.write(self.connection.send_realtime(code))
        if code is Realtime.STATUS:
            self.polls.asked(self.port.clock_s())

    def write_lines(self, batch: bytes, poll_s: float) -> None:
        """Put lines on the wire that the connection has taken, and with them a poll that is nearly due.

        One write, and one turn for the answers and the report.
        """
        now_s = self.port.clock_s()
        if now_s - self.polls.last_s >= NEARLY * poll_s:
            batch += self.connection.send_realtime(Realtime.STATUS)
            self.polls.asked(now_s)
        self.port.write(batch)

    async def pump(self, timeout_s: float = POLL_S, poll_s: float = POLL_S) -> list[Event]:
        """Poll when a poll is due, read once, and take in what came.

        Parameters
        ----------
        timeout_s : float
            The longest this may wait.
        poll_s : float
            Time between two polls.

        Raises
        ------
        StoppedError
            When strict, at the first fault; `cause` says which.
        """
        if self.strict and self.attend is not None:
            self.attend()
        now_s = self.port.clock_s()
        if now_s - self.polls.last_s >= poll_s:
            self.realtime(Realtime.STATUS)
            now_s = self.polls.last_s
        due_s = self.polls.last_s + poll_s - now_s
        data = await bytes_within(min(timeout_s, due_s))
        events = self.connection.receive(data)
        self._take_in(events)
        if self.strict and not data and self.silent_s > SILENCE_S and not self.quiet:
            raise self.fail(Cause.SILENCE, f"no answer to `?` for {self.silent_s:.1f} s")
        return events

    def _take_in(self, events: list[Event]) -> None:
        """Note what reports tell; when strict, judge."""
        if not events:
            return
        notable = [event for event in events if event.__class__ is not Answered or event.reply is not OK]
        if not notable:
            return
        doubted = bool(self.certainty.lost)
        for event in notable:
            if isinstance(event, Status):
                self._note(event)
            elif isinstance(event, Alarm | Banner):
                self._doubt(event)
        if self.strict:
            for event in notable:
                self._judge(event)
            if self.certainty.lost and not doubted:
                raise self.fail(Cause.RESTART, self.certainty.lost)

    @property
    def silent_s(self) -> float:
        """How long the oldest poll has waited for its answer, s."""
        return self.polls.silent_s(self.port.clock_s())

    def forgive_silence(self) -> None:
        """Begin anew to count how long the controller is silent."""
        self.polls.forget()

    async def fresh_status(self, limit_s: float = SILENCE_S) -> Status:
        """Poll and return a report the controller wrote after this call.

        Raises
        ------
        StoppedError
            When none comes in time.
        """
        # a report already on its way answers an earlier poll: only the second one surely is new
        wanted = 2
        deadline_s = self.port.clock_s() + limit_s
        self.realtime(Realtime.STATUS)
        while True:
            for event in await self.pump(FAST_POLL_S, FAST_POLL_S):
                if isinstance(event, Status) and self.connection.state is not None:
                    wanted -= 1
                    if wanted <= 0:
                        return event
            if self.port.clock_s() > deadline_s:
                raise self.fail(Cause.SILENCE, f"no status report within {limit_s:g} s")

    async def command(self, line: bytes, limit_s: float = 2.0) -> list[Event]:
        """Send one line of our own and return all that came up to its answer.

        Raises
        ------
        StoppedError
            When it is refused, or not answered in time.
        """
        if self.connection.state in HELD:
            raise self.fail(Cause.HELD, f"{line.decode()} has to wait: {self.connection.state}")
        self.port.write(self.connection.send_line(line))
        deadline_s = self.port.clock_s() + limit_s
        heard: list[Event] = []
        while True:
            for event in await self.pump():
                heard.append(event)
                if isinstance(event, Answered) and event.line == line:
                    if isinstance(event.reply, Error):
                        raise self._refused(event)
                    return heard
            if self.port.clock_s() > deadline_s:
                raise self.fail(Cause.SILENCE, f"no answer to {line.decode()} within {limit_s:g} s")

    async def reset(self) -> list[Event]:
        """Soft reset and wait for the banner.

        Returns
        -------
        list of Event
            All that came, the banner last; without a banner when none came in its time.
        """
        deadline_s = self.port.clock_s() + BANNER_S
        heard: list[Event] = []
        self.connection.awaits_banner = True
        while self.connection.awaits_banner and self.port.clock_s() < deadline_s:
            # after a limit alarm Grbl throws away a reset that comes before its "Reset to continue"
            self.realtime(Realtime.RESET)
            self.forgive_silence()
            heard += await self.await_banner(AGAIN_S)
        return heard

    async def await_banner(self, limit_s: float) -> list[Event]:
        """Wait for the banner of a restart we asked for, and return all that came."""
        deadline_s = self.port.clock_s() + limit_s
        heard: list[Event] = []
        while self.connection.awaits_banner and self.port.clock_s() < deadline_s:
            heard += await self.pump(FAST_POLL_S)
        return heard

    async def wait_for(self, states: frozenset[State], limit_s: float, what: str) -> Status:
        """Poll until the controller reports one of `states`.

        Raises
        ------
        StoppedError
            When it does not in time.
        """
        deadline_s = self.port.clock_s() + limit_s
        while True:
            for event in await self.pump(FAST_POLL_S, FAST_POLL_S):
                if isinstance(event, Status) and self.connection.state in states:
                    return event
            if self.port.clock_s() > deadline_s:
                raise self.fail(
                    Cause.SILENCE, f"{what}: still {self.connection.state or 'nothing'} after {limit_s:g} s"
                )

    def _note(self, status: Status) -> None:
        self.status, now_s = status, self.port.clock_s()
        unanswered = self.polls.open > 1
        self.polls.answered(now_s)
        if status.state is State.SLEEP:
            self.homed = False
        if status.wco_mm is not None:
            self.wco_mm = status.wco_mm
        zero_mm, self.mpos_mm, self.work_mm = self.wco_mm, status.mpos_mm, status.wpos_mm
        if zero_mm is not None:
            if status.mpos_mm is not None:
                self.work_mm = _plus(status.mpos_mm, zero_mm, -1.0)
            elif status.wpos_mm is not None:
                self.mpos_mm = _plus(status.wpos_mm, zero_mm, 1.0)
        if status.accessories is not None:
            self.accessories = status.accessories
        if self.quiet or status.state is State.HOME:
            self.certainty.skip()
        else:
            self.certainty.report(status, self.mpos_mm, now_s, unanswered=unanswered)

    def _doubt(self, event: Alarm | Banner) -> None:
        lost = self.firmware.alarm(event.code).position_lost if isinstance(event, Alarm) else not event.asked
        self.homed = self.homed and not lost
        if isinstance(event, Alarm):
            self.certainty.alarm(loses=lost)
        else:
            self.certainty.restart(asked=event.asked)

    def _refused(self, event: Answered) -> StoppedError:
        code = event.reply.code if isinstance(event.reply, Error) else 0
        place = f"line {event.number}: " if event.number else ""
        meaning = self.firmware.error(code).meaning
        return self.fail(Cause.ERROR, f"{place}error:{code} to {event.line.decode()}: {meaning}")

    def _judge(self, event: Event) -> None:
        if isinstance(event, Status):
            if event.state is State.SLEEP:
                raise self.fail(Cause.SLEEP, "the controller went to sleep")
            return
        match event:
            case Answered(reply=Error()):
                raise self._refused(event)
            case Alarm(code):
                alarm = self.firmware.alarm(code)
                lost = alarm.position_lost
                raise self.fail(
                    Cause.ALARM_LOST if lost else Cause.ALARM_KNOWN, f"ALARM:{code}: {alarm.meaning}"
                )
            case Banner(asked=False):
                raise self.fail(Cause.RESTART, "the controller restarted by itself")
            case Fault(kind, detail):
                raise self.fail(_FAULTS[kind], f"{kind.value}: {detail}")
            case StartupRan(text):
                raise self.fail(Cause.UNKNOWN_REPLY, f"the controller ran a stored line by itself: {text}")
            case _:
                return


def _plus(point: Point, offset: Point, sign: float) -> Point:
    # three decimals are reported: more are noise of the subtraction
    (x, y, z), (dx, dy, dz) = point, offset
    return round(x + sign * dx, 4), round(y + sign * dy, 4), round(z + sign * dz, 4)
