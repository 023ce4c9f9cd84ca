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
MOST_NAME = 80
"""Letters of what one who answers calls himself."""


def _tell_nobody(event: Json) -> None:
    del event


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
    measuring: bool = False
    tell: Tell = _tell_nobody

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
        self.tell = tell

        def _progress(now: Progress) -> None:
            self.progress = now
            tell({"event": "progress", **now.facts()})

        def _phase(kind: str, facts: Mapping[str, Fact]) -> None:
            self.begun = self.begun or kind == "started"
            self.measuring = self.measuring and kind not in {"measured", "unmeasured"}
            tell({"event": "phase", "kind": kind, "facts": dict(facts)})

        def _note(text: str) -> None:
            tell({"event": "note", "text": text})

        return Watchers(self.operator, self._arm, _progress, _phase, _note)

    def _arm(self, pause: Pause) -> bool | None:
        if self.pause != pause:
            self.pause = pause
            self.tell({"event": "pause", **asdict(pause)})
        answer = self.answers.get(pause.section)
        if answer is not None:
            self.pause = None
        return answer

    def _answer(self, args: Json, machine: str) -> None:
        """Take the first answer to what is asked now; one to another question is a stale one.

        All of it happens in the keeper's one thread: of two answers one comes first.
        """
        section, run = whole_number(args.get("section"), "section"), args.get("run", self.run)
        why, remedy = "", "answer when it is asked"
        if self.pause is None or self.pause.section != section or run != self.run:
            why = f"nobody asks about section {section} of run {run} now"
            if self.pause is not None:
                why += f": it is section {self.pause.section} of run {self.run}"
        elif section in self.answers:
            why, remedy = (
                f"section {section} was answered already, elsewhere",
                "`fabctl status` shows what it does",
            )
        elif self.measuring:
            why, remedy = "a tool is being measured", "answer when that is done"
        if why:
            raise RefusedError(why, file=machine, remedy=remedy)
        yes = args.get("yes") is True
        self.answers[section] = yes
        by = str(args.get("by", ""))[:MOST_NAME]
        self.tell({"event": "answered", "run": self.run, "section": section, "yes": yes, "by": by})

    def _measure(self, args: Json, machine: str) -> None:
        """Let a run that is paused measure the tool in the head; not once it is answered."""
        pause = self.pause
        if pause is None or pause.section in self.answers or self.measuring:
            why = "a tool is being measured" if self.measuring else f"{self.name}, and not in a pause"
            raise RefusedError(
                f"the machine is busy: {why}",
                file=machine,
                remedy="measure when it asks for the next tool, or when it is done",
            )
        try:
            self.operator.measure(str(args.get("tool")))
        except ValueError as error:
            raise InputError(f"{args.get('tool')!r} is no tool to measure", remedy="old or new") from error
        self.measuring = True
