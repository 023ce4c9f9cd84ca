"""A run on a machine somebody else keeps: asked for, followed, and stopped from here."""

from __future__ import annotations

import contextlib
import secrets
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabctl.daemon.client import Line, error_from
from fabctl.daemon.recorded import Ended, Watchers
from fabctl.errors import FabctlError, LinkError, RefusedError
from fabctl.record.run import read_run
from fabctl.stream.run import Pause, Progress, RunResult
from fabctl.stream.stops import Cause, EndState, Operator

Json = dict[str, Any]


class RemoteOperator(Operator):
    """The operator's hand on a run elsewhere: each request goes over the line at once.

    Parameters
    ----------
    line : Line
        To the machine's keeper.
    """

    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line

    def hold(self) -> None:
        """Ask for a feed hold."""
        self.wants_hold = True
        self._line.say("hold")

    def resume(self) -> None:
        """Ask to go on from a hold."""
        self.wants_hold = False
        self._line.say("resume")

    def abort(self) -> None:
        """Ask for the clean end."""
        self.wants_abort = True
        self._line.say("abort")

    def reset(self) -> None:
        """Ask for a soft reset at once."""
        self.wants_reset = True
        self._line.say("reset")

    def measure(self, which: str) -> None:
        """Ask to measure a tool in a pause."""
        self._line.say("measure", tool=which)

    def let_begin(self, folder: Path) -> int:
        """Ask for a run, unless a stop was asked for before it was there; return the request's number.

        Parameters
        ----------
        folder : Path
            The run's, laid out.

        Raises
        ------
        RefusedError
            When a stop was asked for: the keeper, which had nothing to stop, has forgotten it.
        """
        already = self.wants_stop
        if already:
            raise RefusedError(
                "stopped by the operator before anything was sent",
                file=folder.name,
                remedy="start it again when ready",
            )
        number = self._line.say("run", folder=str(folder.resolve()))
        if self.wants_stop:
            # asked for in this very moment: perhaps it came there before the run
            self._line.say("abort")
        return number


def run_kept(line: Line, folder: Path, watchers: Watchers) -> Ended:
    """Let a machine's keeper carry out a run's folder, and stay until its end.

    Parameters
    ----------
    line : Line
        To the keeper of the machine.
    folder : Path
        The run's, laid out.
    watchers : Watchers
        Whom to ask and tell, with a `RemoteOperator`.

    Raises
    ------
    FabctlError
        What the keeper refused, or what failed there.
    RefusedError
        When the operator asked for a stop before the keeper was asked for anything.
    LinkError
        When the keeper is gone; its guard has stopped the machine.
    """
    operator, told = watchers.operator, _Told(line, watchers, folder.resolve().name)
    if not isinstance(operator, RemoteOperator):
        operator = RemoteOperator(line)
    reply = line.answer_to(operator.let_begin(folder), event=told, other=told.replied)
    return Ended(result_from(reply["result"]), read_run(folder))


def result_from(said: Json) -> RunResult:
    """Read a result as it travelled.

    Parameters
    ----------
    said : dict
        The fields of a `RunResult` as JSON has them.
    """
    kept: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in said.items()
    }
    kept |= {"end_state": EndState(said["end_state"]), "cause": Cause(said["cause"])}
    return RunResult(**kept)


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer to a pause, as a keeper took it.

    Parameters
    ----------
    run : str
        Name of the run's folder.
    section : int
        The one that was asked about.
    yes : bool
        Whether it begins; else the run ends.
    here : bool
        Whether it was given over this line, and not elsewhere.
    """

    run: str
    section: int
    yes: bool
    here: bool


def demand_pause(said: Json) -> Pause:
    """Return what a kept machine's run waits for.

    Parameters
    ----------
    said : dict
        Its keeper's status.

    Raises
    ------
    RefusedError
        When it waits for nothing.
    """
    if not said.get("pause"):
        doing = f"it is busy: {said['doing']}" if said.get("doing") else "nothing is running"
        raise RefusedError(
            f"nobody asks for an answer now: {doing}",
            file=str(said["machine"]),
            remedy="`fabctl status` shows the section it asks for, when it does",
        )
    return Pause(**said["pause"])


def answer_pause(line: Line, said: Json, section: int) -> Answered:
    """Let the section of a pause begin.

    Parameters
    ----------
    line : Line
        To the machine's keeper.
    said : dict
        Its status: which run is meant.
    section : int
        The keeper refuses every other than the one it asks about.

    Raises
    ------
    RefusedError
        When it is answered already, over, not yet asked about, or of another run. Nothing moved by it.
    """
    run = str(said["run"])
    line.ask("answer", run=run, section=section, yes=True, by=secrets.token_hex(8))
    return Answered(run, section, yes=True, here=True)


def ask_here(line: Line, said: Json, watchers: Watchers) -> Answered:
    """Ask for the answer to a pause here, too, until it is given, here or elsewhere.

    Parameters
    ----------
    line : Line
        To the machine's keeper, and following it.
    said : dict
        Its status, as `follow` returned it.
    watchers : Watchers
        Whom to ask and tell, with a `RemoteOperator`.

    Raises
    ------
    RefusedError
        When nobody asks any more, the run ended meanwhile, or the keeper refused the answer.
    LinkError
        When the keeper is gone.
    """
    told = _Told(line, watchers, str(said["run"]), again=False)
    told.ask(demand_pause(said))
    while told.answered is None:
        heard = line.hear()
        if heard.get("event") in {"ended", "trouble"}:
            why = heard.get("end_state") or heard.get("text")
            raise RefusedError(
                f"the run has ended: {why}", file=told.run, remedy=f"fabctl status {told.run} says more"
            )
        if "event" in heard:
            told(heard)
        else:
            told.replied(heard)
    return told.answered


class _Told:
    """Hands events on to the watchers, and their answers to the keeper.

    Parameters
    ----------
    line : Line
    watchers : Watchers
    run : str
        Name of the run's folder: an answer is to a question of this one.
    again : bool
        Whether a refused answer is asked for again, or raised.
    """

    def __init__(self, line: Line, watchers: Watchers, run: str, *, again: bool = True) -> None:
        self._line = line
        self._watchers = watchers
        self._again = again
        # who of all that may answer this is
        self._name = secrets.token_hex(8)
        self._sent: dict[int, Pause] = {}
        self._sending = threading.Lock()
        self.run = run
        self.answered: Answered | None = None

    def __call__(self, event: Json) -> None:
        kind = event.pop("event")
        if kind == "progress":
            place = event["work_mm"]
            event["work_mm"] = None if place is None else tuple(place)
            self._watchers.progress(Progress(**event))
        elif kind == "phase":
            self._watchers.phase(event["kind"], event["facts"])
        elif kind == "pause":
            self.ask(Pause(**event))
        elif kind == "answered":
            self._note(event)
        elif kind == "note":
            self._watchers.note(event["text"])

    def ask(self, pause: Pause) -> None:
        """Ask the person, in a thread of its own."""
        threading.Thread(target=self._answer, args=(pause,), name="ask", daemon=True).start()

    def replied(self, reply: Json) -> None:
        """Take in a reply to an answer: one that was refused was none."""
        with self._sending:
            pause = self._sent.pop(reply.get("id", 0), None)
        if pause is None or "error" not in reply or self._is_over(pause):
            return
        error: FabctlError = error_from(reply["error"])
        if not self._again:
            raise error
        self._watchers.note(str(error))
        self.ask(pause)

    def _is_over(self, pause: Pause) -> bool:
        return self.answered is not None and self.answered.section >= pause.section

    def _note(self, event: Json) -> None:
        """Take note of who answered."""
        if event["run"] != self.run:
            return
        here = event["by"] == self._name
        self.answered = Answered(event["run"], event["section"], event["yes"], here)
        if not here:
            self._watchers.answered(event["section"], event["yes"])

    def _answer(self, pause: Pause) -> None:
        yes = self._watchers.arm(pause)
        if yes is None:
            return
        # the reply may be here before its number is known; a keeper that is gone is told of where it is heard
        with self._sending, contextlib.suppress(LinkError):
            number = self._line.say("answer", run=self.run, section=pause.section, yes=yes, by=self._name)
            self._sent[number] = pause
