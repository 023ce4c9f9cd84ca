"""What every command that moves a machine shares: asking first, a progress bar, and the operator's hand."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

import click

from fabctl.cli.show import facts, say
from fabctl.cli.typed import forget_typed, line_typed
from fabctl.cli.words import _
from fabctl.daemon.signals import ENDING, INTERRUPT, answering
from fabctl.errors import InputError
from fabctl.units import format_duration

if TYPE_CHECKING:
    from fabctl.shop.machine import Machine
    from fabctl.stream.run import Fact, Progress
    from fabctl.stream.stops import Operator

SIM = "sim://"
STATUS_LIMIT_S = 2.0
MOST_CHECKED_LINES = 20_000
"""An 8-bit board parses 300 to 1400 lines a second in check mode: about a minute at most."""
KEPT = "kept"
"""The port of a machine that `fabctl machine serve` keeps."""

PORT = click.option(
    "--port",
    metavar="URL",
    help="/dev/ttyUSB0, COM3 or socket://host:port; when left out, the machine's keeper, "
    "and without one sim://.",
)
CONFIRM = click.option(
    "--confirm", metavar="MACHINE", help="For scripts: do not ask, this machine is free and watched."
)
CHECK_FIRST = click.option(
    "--check-first/--no-check-first",
    default=None,
    help="Send everything through the controller's check mode before it moves; by itself before a program's "
    "first run on a machine.",
)
DRY = click.option("-n", "--dry-run", is_flag=True, help="Plan and check; open no port, move nothing.")


@dataclass(frozen=True)
class Screen:
    """What a run is shown on.

    Parameters
    ----------
    tell : callable
        Told at each status report.
    asking : callable
        A context in which a person may be asked: nothing draws over the question.
    """

    tell: Callable[[Progress], None]
    asking: Callable[[], AbstractContextManager[None]] = nullcontext

    def note(self, text: str) -> None:
        """Say what the operator should know at once: the guard is gone, the disk nearly full."""
        with self.asking():
            say("\n" + text, colour="red")


def checks_first(wanted: bool | None, port: str, machine: str, program_sha256: str, lines: int) -> bool:
    """Decide whether a program goes through check mode: before its first run on a real machine it does.

    Parameters
    ----------
    wanted : bool or None
        What the person said, if anything.
    port, machine, program_sha256 : str
        Where it goes, and what.
    lines : int
        Of the program: one that would keep a slow board busy for long is not checked unasked.
    """
    from fabctl.record.run import was_done

    if wanted is not None or port.startswith(SIM):
        return bool(wanted)
    if was_done(machine, program_sha256):
        return False
    if lines > MOST_CHECKED_LINES:
        say(
            _("{lines} lines are not sent through check mode unasked: --check-first does").format(lines=lines)
        )
        return False
    return True


def port_of(machine: Machine, port: str | None) -> str:
    """Return where a run goes: the port that was named, else the machine's keeper, else the virtual one.

    Parameters
    ----------
    machine : Machine
    port : str, optional
        As the person wrote it.
    """
    from fabctl.daemon.client import is_kept

    if port is not None:
        return port
    return KEPT if is_kept(machine.name) else SIM


def demand_consent(
    machine: Machine,
    port: str,
    confirm: str | None,
    told: dict[str, str],
    question: str = "Machine free, stock held, tool in, work zero set?",
) -> None:
    """Show what is about to move and ask; scripts confirm by the machine's name.

    Raises
    ------
    InputError
        When another machine is confirmed, or nobody is there to ask.
    """
    virtual = _(": the virtual controller, nothing is cut") if port.startswith(SIM) else ""
    say(facts({"machine": machine.title, "port": port + virtual, **told}))
    say_unguarded(machine, port)
    if confirm is not None:
        if confirm != machine.name:
            raise InputError(
                f"--confirm {confirm}, but the machine is {machine.name}",
                remedy=f"--confirm {machine.name} once you are sure it is free and watched",
            )
        return
    if port.startswith(SIM):
        return
    say(_("A software stop is not an emergency stop: keep the real one within reach."), colour="red")
    if machine.attended_only:
        say(_("This machine has no hardware interlock: stay beside it."), colour="red")
    if not sys.stdin.isatty():
        raise InputError(
            "nobody is there to ask",
            remedy=f"--confirm {machine.name} says that the machine is free and watched",
        )
    forget_typed()
    click.confirm(_(question), abort=True, err=True)


def say_unguarded(machine: Machine, port: str) -> None:
    """Say, before anything moves, when nothing would stop the machine if its sender died."""
    from fabctl.daemon.guarding import unguarded_words, why_unguarded

    if port.startswith(SIM):
        return
    why = _unguarded_there(machine) if port == KEPT else why_unguarded(port)
    if why:
        say(unguarded_words(why), colour="red")


def _unguarded_there(machine: Machine) -> str:
    """Ask the keeper of a machine; one that is gone is met again when it is asked for more."""
    from fabctl.daemon.client import Line
    from fabctl.errors import LinkError

    with contextlib.suppress(LinkError), Line(machine.name) as line:
        return str(line.ask("status", limit_s=STATUS_LIMIT_S).get("unguarded", ""))
    return ""


def demand_answers(questions: Sequence[str], port: str, confirm: str | None) -> None:
    """Ask what only a person can know, one question at a time; --confirm answers for all of them.

    Raises
    ------
    click.Abort
        At the first no.
    """
    if confirm is not None or port.startswith(SIM):
        for question in questions:
            say(_("taken for granted: {question}").format(question=question))
        return
    for question in questions:
        forget_typed()
        click.confirm(question, abort=True, err=True)


class Hands:
    """The operator's hand on a run: Ctrl-C, the keyboard, and signals that end a process.

    Parameters
    ----------
    operator : Operator
        What the sender obeys.
    """

    def __init__(self, operator: Operator) -> None:
        self.operator = operator
        self.presses = 0
        self.started = False
        self._measuring = False
        self._answered = threading.Event()

    @property
    def measuring(self) -> bool:
        """Whether a tool is measured that was asked for here."""
        return self._measuring

    def release(self) -> None:
        """Wait no longer for a measurement: there will be none."""
        self._measuring = False
        self._answered.set()

    def phase(self, kind: str, facts: Mapping[str, Fact]) -> None:
        """Take note of how far the run is: before its first line a stop is a reset."""
        if kind == "connected":
            say(_("connected; getting ready (homing where the machine can)"))
        self.started = self.started or kind == "started"
        if kind in {"measured", "unmeasured"}:
            say(_length_words(kind, facts))
        if kind in {"measured", "unmeasured", "end"}:
            self.release()
        if kind == "resume":
            # wherever it was asked for: the next Ctrl-C is a hold again, and nobody waits for a word
            self.presses = 0

    def measure(self, which: str) -> None:
        """Ask to measure a tool in a pause, and wait until that is done or the run has ended.

        Parameters
        ----------
        which : str
            ``old`` or ``new``.
        """
        self._answered.clear()
        self._measuring = True
        self.operator.measure(which)
        self._answered.wait()

    def pressed(self, _number: int, _frame: FrameType | None) -> None:
        """Answer Ctrl-C: feed hold first, then soft reset; the machine comes before the words."""
        self.presses += 1
        if self._measuring and self.presses == 1:
            self.operator.abort()
            _say("\n" + _("stopped in mid-measure: held, then reset; the run ends, position known."))
        elif self.presses > 1:
            self.operator.reset()
            _say(
                "\n" + _("soft reset: the run ends; home the machine before the next move if it was moving.")
            )
        elif not self.started:
            self.operator.abort()
            _say("\n" + _("stopped before the first line: the run ends; if it was homing, home it again."))
        else:
            self.operator.hold()
            _say("\n" + _("feed hold: the machine brakes and keeps its position."))
            _say(_("Ctrl-C again: soft reset. Enter: go on. a and Enter: end the run."))
            threading.Thread(target=self._wait_for_word, daemon=True).start()

    def ended(self, _number: int, _frame: FrameType | None) -> None:
        """Answer a signal that would end the process: hold, wait, reset, head off."""
        self.operator.abort()
        _say("\n" + _("asked to end: the machine is held, then reset; the run ends."))

    def _wait_for_word(self) -> None:
        """Wait for the person's word after a hold; without a keyboard the machine stays held."""
        with contextlib.suppress(OSError, ValueError):
            forget_typed()
            while word := line_typed(given_up=lambda: not self.presses):
                if not word.strip():
                    self.presses = 0
                    self.operator.resume()
                    return
                if word.strip().lower() == "a":
                    self.operator.abort()
                    return
                _say(_("Still held. Enter alone: go on. a and Enter: end the run."))


def _length_words(kind: str, facts: Mapping[str, Fact]) -> str:
    if kind == "unmeasured":
        return _("not measured: {reason}").format(reason=facts["reason"])
    touched, longer = facts["touched_mm"], facts["longer_mm"]
    if facts["tool"] != "new":
        return _("the old tool touches at Z{touched:.3f} on the machine: change it now").format(
            touched=touched
        )
    return _("the new tool is {longer:+.3f} mm longer: Z zero follows it").format(longer=longer)


def _say(text: str) -> None:
    """Say something from a signal handler; a terminal that is gone is no reason to fail."""
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        say(text)


@contextmanager
def hands_on(operator: Operator) -> Iterator[Hands]:
    """Let Ctrl-C and ending signals reach the machine before they reach this process.

    Parameters
    ----------
    operator : Operator
    """
    hands = Hands(operator)
    with answering({INTERRUPT: hands.pressed, **dict.fromkeys(ENDING, hands.ended)}):
        yield hands


@contextmanager
def progress_bar(title: str, estimated_s: float) -> Iterator[Screen]:
    """Show how far a run is: a bar on a terminal, a line every tenth elsewhere.

    Parameters
    ----------
    title : str
    estimated_s : float
        Of the whole run, s.
    """
    if sys.stderr.isatty():
        yield from _bar(title, estimated_s)
        return
    told = -1

    def _tell(progress: Progress) -> None:
        nonlocal told
        tenth = 10 * progress.executed // max(progress.lines, 1)
        if tenth > told:
            told = tenth
            at = f"line {progress.executed} of {progress.lines}, {progress.state}{_short(progress)}"
            say(f"{title}: {10 * tenth} %, {at}")

    yield Screen(_tell)


def _short(progress: Progress) -> str:
    return ", DISK NEARLY FULL" if progress.journal_short else ""


def _bar(title: str, estimated_s: float) -> Iterator[Screen]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    shares = TextColumn("{task.percentage:>3.0f} % {task.fields[at]}")
    with Bar(
        TextColumn("{task.description}"), BarColumn(), shares, console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task(title, total=1.0, at="")

        def _tell(progress: Progress) -> None:
            left_s = estimated_s - progress.elapsed_s
            left = f"about {format_duration(left_s)} left" if left_s > 1 else "nearly done"
            at = f"line {progress.executed}/{progress.lines}, {left}, {progress.state}{_short(progress)}"
            bar.update(task, completed=progress.executed / max(progress.lines, 1), at=at)

        @contextmanager
        def _asking() -> Iterator[None]:
            bar.stop()
            try:
                yield
            finally:
                bar.start()

        yield Screen(_tell, _asking)
