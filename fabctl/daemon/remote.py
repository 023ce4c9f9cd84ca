"""A run on a machine somebody else keeps: asked for, followed, and stopped from here."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from fabctl.daemon.client import Line
from fabctl.daemon.recorded import Ended, Watchers
from fabctl.errors import RefusedError
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
    operator, told = watchers.operator, _Told(line, watchers)
    if not isinstance(operator, RemoteOperator):
        operator = RemoteOperator(line)
    reply = line.answer_to(operator.let_begin(folder), event=told)
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


class _Told:
    """Hands events on to the watchers."""

    def __init__(self, line: Line, watchers: Watchers) -> None:
        self._line = line
        self._watchers = watchers

    def __call__(self, event: Json) -> None:
        kind = event.pop("event")
        if kind == "progress":
            place = event["work_mm"]
            event["work_mm"] = None if place is None else tuple(place)
            self._watchers.progress(Progress(**event))
        elif kind == "phase":
            self._watchers.phase(event["kind"], event["facts"])
        elif kind == "pause":
            self._ask(Pause(**event))
        elif kind == "note":
            self._watchers.note(event["text"])

    def _ask(self, pause: Pause) -> None:
        threading.Thread(target=self._answer, args=(pause,), name="ask", daemon=True).start()

    def _answer(self, pause: Pause) -> None:
        yes = bool(self._watchers.arm(pause))
        self._line.say("answer", section=pause.section, yes=yes)
