"""What is told of a run: how far it is for certain while it goes on, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from fabctl.stream.halt import Outcome
from fabctl.stream.replies import State, Status
from fabctl.stream.run import Fact, Hooks, Progress, RunResult
from fabctl.stream.stops import STOPS, Cause, EndState
from fabctl.stream.watch import Watch


@dataclass(frozen=True, slots=True)
class Account:
    """The account of one run.

    Parameters
    ----------
    watch : Watch
        What proves lines executed; through it the counters of its link.
    hooks : Hooks
        Whom to tell.
    lines : int
        Of the program.
    notes : tuple of str
        What differed from the profile when the controller was met.
    start_s : float
        When the run began, on the port's clock.
    """

    watch: Watch
    hooks: Hooks
    lines: int
    notes: tuple[str, ...]
    start_s: float

    def report(self, status: Status) -> None:
        """Tell how far the run is."""
        link = self.watch.link
        connection = link.connection
        self.hooks.progress(
            Progress(
                sent=connection.sent,
                acknowledged=connection.acknowledged,
                executed=connection.executed,
                at_most=self._at_most,
                lines=self.lines,
                state=status.state.value,
                work_mm=link.work_mm,
                feed_mm_min=status.feed_mm_min,
                speed=status.speed,
                elapsed_s=self._elapsed_s,
                checking=status.state is State.CHECK,
            )
        )

    def conclude(self, cause: Cause, reason: str, outcome: Outcome) -> RunResult:
        """Sum up a run and tell its end.

        Parameters
        ----------
        cause : Cause
            Why it ended.
        reason : str
            The same in words; empty when it is done.
        outcome : Outcome
            What is known of the machine, which stands by now: nothing waits for what is told.
        """
        if cause is not Cause.DONE:
            if outcome.position_known:
                self.watch.locate()
            self.hooks.transition("stop", {"cause": cause.value, "reason": reason})
        result = self._result(cause, reason, outcome)
        self.hooks.transition("end", _facts(result))
        return result

    @property
    def _elapsed_s(self) -> float:
        return self.watch.link.port.clock_s() - self.start_s

    @property
    def _at_most(self) -> int:
        """The last line possibly begun."""
        connection = self.watch.link.connection
        return min(connection.sent, max(connection.executed, self.watch.place.at_most))

    def _result(self, cause: Cause, reason: str, outcome: Outcome) -> RunResult:
        best = STOPS[cause].best
        connection = self.watch.link.connection
        return RunResult(
            end_state=best if outcome.position_known or best is EndState.DONE else EndState.UNKNOWN,
            cause=cause,
            reason=reason,
            sent=connection.sent,
            acknowledged=connection.acknowledged,
            executed=connection.executed,
            at_most=self._at_most if outcome.position_known else connection.sent,
            lines=self.lines,
            duration_s=self._elapsed_s,
            head_off=outcome.head_off,
            mpos_mm=outcome.mpos_mm,
            work_mm=outcome.work_mm,
            notes=self.notes,
        )


def _facts(result: RunResult) -> dict[str, Fact]:
    return {
        "end_state": result.end_state.value,
        "executed": result.executed,
        "at_most": result.at_most,
        "head_off": result.head_off,
        "work_mm": result.work_mm,
        "mpos_mm": result.mpos_mm,
        "sent": result.sent,
        "acknowledged": result.acknowledged,
        "cause": result.cause.value,
    }
