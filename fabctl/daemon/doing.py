"""What a machine is at: one action, who asked for it, and the hands on it meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from fabctl.daemon.acts import whole_number
from fabctl.daemon.bench import Json
from fabctl.daemon.recorded import Watchers
from fabctl.errors import InputError, RefusedError
from fabctl.stream.override import Overrides, demand_possible
from fabctl.stream.run import Fact, Pause, Progress
from fabctl.stream.stops import Operator

Reply = Callable[[Json], None]
Tell = Callable[[Json], None]


@dataclass
class Doing:
    """What a machine is at: one action, who asked, and the operator's hand on it.

    It has begun when an act by hand is under way, or the first line of a run is about to be sent.
    """

    name: str
    args: Json
    reply: Reply
    operator: Operator
    answers: dict[int, bool] = field(default_factory=dict)
    pause: Pause | None = None
    progress: Progress | None = None
    folder: Path | None = None
    begun: bool = False

    @property
    def run(self) -> str | None:
        """Name of the run's folder; None of an act by hand."""
        return Path(str(self.args.get("folder"))).name if self.name == "run" else None

    def obeyed(self) -> Json:
        """Return what a hand has reached: the reply to it."""
        pause = asdict(self.pause) if self.pause else None
        return {"doing": self.name, "run": self.run, "begun": self.begun, "pause": pause}

    def obey(self, name: str, args: Json, machine: str) -> None:
        """Do what a hand on it asks for, at once.

        Parameters
        ----------
        name : str
            ``answer``, ``override``, ``measure``, or a request of `Operator` that needs nothing more.
        args : dict
            As another process wrote them.
        machine : str
            Its name, for messages.

        Raises
        ------
        RefusedError
            When it means nothing now.
        InputError
            When it means nothing ever.
        """
        if name == "answer":
            self._answer(args, machine)
        elif name == "override":
            if self.run is None:
                raise RefusedError(
                    f"the machine is busy: {self.name}, which takes no overrides",
                    file=machine,
                    remedy="set them when it is done, or in a run",
                )
            shares = {key: whole_number(value, key) for key, value in args.items() if value is not None}
            demand_possible(replace(Overrides(), **shares))
            self.operator.override(**shares)
        elif name == "measure":
            self._measure(args, machine)
        else:
            getattr(self.operator, name)()

    def watchers(self, tell: Tell) -> Watchers:
        """Return whom a run asks and tells: whoever follows.

        Parameters
        ----------
        tell : callable
            Told of each event.
        """

        def _progress(now: Progress) -> None:
            self.progress = now
            tell({"event": "progress", **now.facts()})

        def _phase(kind: str, facts: Mapping[str, Fact]) -> None:
            self.begun = self.begun or kind == "started"
            tell({"event": "phase", "kind": kind, "facts": dict(facts)})

        def _note(text: str) -> None:
            tell({"event": "note", "text": text})

        return Watchers(self.operator, lambda pause: self._arm(pause, tell), _progress, _phase, _note)

    def _arm(self, pause: Pause, tell: Tell) -> bool | None:
        if self.pause != pause:
            self.pause = pause
            tell({"event": "pause", **asdict(pause)})
        answer = self.answers.get(pause.section)
        if answer is not None:
            self.pause = None
        return answer

    def _answer(self, args: Json, machine: str) -> None:
        """Take an answer to what is asked now; one to another question is a stale one."""
        section = whole_number(args.get("section"), "section")
        if self.pause is None or self.pause.section != section:
            raise RefusedError(
                f"nobody asks about section {section} now", file=machine, remedy="answer when it is asked"
            )
        self.answers[section] = args.get("yes") is True

    def _measure(self, args: Json, machine: str) -> None:
        """Let a run that is paused measure the tool in the head."""
        if self.pause is None:
            raise RefusedError(
                f"the machine is busy: {self.name}, and not in a pause",
                file=machine,
                remedy="measure when it asks for the next tool, or when it is done",
            )
        try:
            self.operator.measure(str(args.get("tool")))
        except ValueError as error:
            raise InputError(f"{args.get('tool')!r} is no tool to measure", remedy="old or new") from error
