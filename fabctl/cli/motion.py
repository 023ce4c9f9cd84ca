"""What every command that moves a machine shares: asking first, a progress bar, and the operator's Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import click

from fabctl.cli.show import facts, say
from fabctl.cli.words import _
from fabctl.errors import InputError
from fabctl.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from fabctl.shop.machine import Machine
    from fabctl.stream.run import Pause, Progress
    from fabctl.stream.stops import Operator

SIM = "sim://"

PORT = click.option(
    "--port",
    metavar="URL",
    default=SIM,
    show_default=True,
    help="sim:// is the virtual controller; /dev/ttyUSB0, COM3 or socket://host:port a real one.",
)
CONFIRM = click.option(
    "--confirm", metavar="MACHINE", help="For scripts: do not ask, this machine is free and watched."
)
CHECK_FIRST = click.option(
    "--check-first", is_flag=True, help="Send everything through the controller's check mode before it moves."
)
DRY = click.option("-n", "--dry-run", is_flag=True, help="Plan and check; open no port, move nothing.")


def demand_consent(machine: Machine, port: str, confirm: str | None, told: dict[str, str]) -> None:
    """Show what is about to move and ask; scripts confirm by the machine's name.

    Raises
    ------
    InputError
        When another machine is confirmed, or nobody is there to ask.
    """
    say(facts({"machine": machine.title, "port": port, **told}))
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
    click.confirm(_("Machine free, stock held, tool in, work zero set?"), abort=True, err=True)


def arm_by(port: str, tools: tuple[str, ...]) -> Callable[[Pause], bool]:
    """Return what asks the person before each section; the virtual controller needs nobody.

    Parameters
    ----------
    port : str
    tools : tuple of str
        Tool of each section; empty where the program names none.
    """

    def _arm(pause: Pause) -> bool:
        index = pause.section - 1
        tool = tools[index] if index < len(tools) and tools[index] else _("the tool for this section")
        say("\n" + _("section {number}: {tool}").format(number=pause.section, tool=tool))
        if port.startswith(SIM):
            say(_("the virtual machine has changed it"))
            return True
        say(_("The head is off. Change the tool; its tip must stand where the last one's did."))
        say(_("If it cannot: answer no. The run ends there, position known."))
        return click.confirm(_("Go on?"), err=True)

    return _arm


@contextmanager
def hands_on(operator: Operator) -> Iterator[None]:
    """Let the first Ctrl-C be a feed hold and the second a soft reset; both are said.

    Parameters
    ----------
    operator : Operator
    """
    presses = 0

    def _pressed(_number: int, _frame: FrameType | None) -> None:
        nonlocal presses
        presses += 1
        if presses == 1:
            operator.hold()
            say("\n" + _("feed hold: the machine brakes and keeps its position."))
            say(_("Ctrl-C again: soft reset. Enter: go on. a and Enter: end the run."))
            threading.Thread(target=_wait_for_word, args=(operator, _resumed), daemon=True).start()
        else:
            operator.reset()
            say("\n" + _("soft reset: the run ends; home the machine before the next move if it was moving."))

    def _resumed() -> None:
        nonlocal presses
        presses = 0

    before = signal.signal(signal.SIGINT, _pressed)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _wait_for_word(operator: Operator, resumed: Callable[[], None]) -> None:
    """Wait for the person's word after a hold; without a keyboard the machine stays held."""
    word = sys.stdin.readline()
    if not word:
        return
    if word.strip().lower().startswith("a"):
        operator.abort()
    else:
        resumed()
        operator.resume()


@contextmanager
def progress_bar(title: str, estimated_s: float) -> Iterator[Callable[[Progress], None]]:
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
            say(f"{title}: {10 * tenth} %, line {progress.executed} of {progress.lines}, {progress.state}")

    yield _tell


def _bar(title: str, estimated_s: float) -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} % {task.fields[at]}"),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=1.0, at="")

        def _tell(progress: Progress) -> None:
            left = format_duration(max(estimated_s - progress.elapsed_s, 0.0))
            at = f"line {progress.executed}/{progress.lines}, about {left} left, {progress.state}"
            bar.update(task, completed=progress.executed / max(progress.lines, 1), at=at)

        yield _tell
