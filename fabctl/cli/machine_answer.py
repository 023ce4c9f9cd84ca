"""``fabctl machine answer``: answer the pause of a kept machine's run from any terminal."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from fabctl.cli.options import JSON
from fabctl.cli.show import as_json, facts, say
from fabctl.cli.words import _
from fabctl.daemon.signals import INTERRUPT, answering
from fabctl.errors import FabctlError, InputError, RefusedError

if TYPE_CHECKING:
    from fabctl.cli.motion import Hands
    from fabctl.daemon.client import Line
    from fabctl.daemon.remote import Answered
    from fabctl.shop.machine import Machine
    from fabctl.stream.run import Pause

LIMIT_S = 5.0
Json = dict[str, Any]


@click.command()
@click.argument("name", metavar="MACHINE")
@click.argument("section", required=False, metavar="[SECTION]")
@JSON
def answer(name: str, section: str | None, *, json_: bool) -> None:
    """Answer the pause of a kept machine's run, whichever terminal began it.

    \b
    Examples:
      fabctl machine answer router-3018                asks, as the terminal does that began the run
      fabctl machine answer router-3018 3              section 3 begins: the tool is in

    Motion begins with the number of the section that is asked about, and with nothing else. Asked, any other
    word ends the run, position known. As an argument any other is refused and the run waits on. The first
    answer counts; other terminals are told.
    """
    from fabctl.daemon.client import Line
    from fabctl.daemon.remote import demand_pause
    from fabctl.shop.machine import load_machine

    machine = load_machine(name)
    if section is None and not sys.stdin.isatty():
        raise InputError(
            "nobody is there to ask",
            file=machine.name,
            remedy="`fabctl status` shows the section that is asked about: name it once its tool is in",
        )
    with Line(machine.name) as line:
        said = line.ask("follow", limit_s=LIMIT_S)
        pause = demand_pause(said)
        if section is None:
            say(facts(_told(machine, said, pause)))
            found = _ask(line, machine, said)
        else:
            found = _take(line, said, pause, section)
    if json_:
        as_json({"machine": machine.name, **asdict(found), "line": pause.line, "note": pause.note})
    elif found.here:
        text = _("section {number} of run {run} begins") if found.yes else _("run {run} ends, position known")
        say(text.format(number=found.section, run=found.run))


def _told(machine: Machine, said: Json, pause: Pause) -> dict[str, str]:
    return {"machine": machine.title, "run": str(said["run"]), "line": f"{pause.line}: {pause.note}"}


def _take(line: Line, said: Json, pause: Pause, word: str) -> Answered:
    """Take the number a person named for the section that is asked about now."""
    from fabctl.daemon.remote import answer_pause

    if word.strip() != str(pause.section):
        raise RefusedError(
            f"{word!r} is not the section that is asked about: it is section {pause.section}",
            file=str(said["machine"]),
            remedy=f"`fabctl machine answer {said['machine']} {pause.section}` once its tool is in; "
            f"`fabctl machine abort {said['machine']}` ends the run",
        )
    return answer_pause(line, said, pause.section)


def _ask(line: Line, machine: Machine, said: Json) -> Answered:
    """Ask at this terminal, too, as the one that began the run does."""
    from fabctl.cli.motion import KEPT, Hands, Screen
    from fabctl.cli.pause import Asker
    from fabctl.daemon.recorded import Watchers
    from fabctl.daemon.remote import RemoteOperator, ask_here

    operator = RemoteOperator(line)
    hands = Hands(operator)
    screen = Screen(lambda _progress: None)
    asker = Asker(KEPT, _section_tools(said), screen, machine, hands)
    watchers = Watchers(operator, asker, screen.tell, hands.phase, screen.note, asker.answered)
    with answering({INTERRUPT: lambda number, frame: _pressed(hands, number, frame)}):
        return ask_here(line, said, watchers)


def _pressed(hands: Hands, number: int, frame: FrameType | None) -> None:
    """Answer Ctrl-C: it stops what was asked for here, and else only the asking."""
    if not hands.measuring:
        raise KeyboardInterrupt
    hands.pressed(number, frame)


def _section_tools(said: Json) -> tuple[str, ...]:
    """Read the tool of each section from the run's folder; nobody depends on it."""
    from fabctl.record.workorder import read_work_order

    try:
        return read_work_order(Path(str(said["folder"]))).section_tools
    except FabctlError:
        return ()
