"""The end of a program, or of a section: standing still, and what the controller then has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fabctl.stream.link import Link
from fabctl.stream.modal import Words
from fabctl.stream.pause import PAUSED
from fabctl.stream.replies import ParserState, State
from fabctl.stream.stops import Cause

SETTLE_S = 3.0
MODES = b"$G"


async def stand_idle(link: Link, stay_held: Callable[[], Awaitable[None]]) -> None:
    """Wait for the end of motion; a hold or a door opened in its last moment is waited out.

    Parameters
    ----------
    link : Link
        With every line answered.
    stay_held : callable
        Stays with a machine that is held.

    Raises
    ------
    StoppedError
        When it does not come to stand in time.
    """
    while (await link.fresh_status()).state is not State.IDLE:
        if link.connection.state in PAUSED:
            await stay_held()
        else:
            await link.wait_for(PAUSED | {State.IDLE}, SETTLE_S, "the end of the program")


async def compare_words(link: Link, words: Words) -> None:
    """Ask which feed and speed hold: one that was changed on its way may be seen nowhere else.

    Parameters
    ----------
    link : Link
        Idle.
    words : Words
        As they were sent.

    Raises
    ------
    StoppedError
        When the controller has other ones.
    """
    for event in await link.command(MODES):
        if isinstance(event, ParserState) and (wrong := words.differs(event)):
            raise link.fail(Cause.NOT_AS_PLANNED, f"the controller has {wrong}")
