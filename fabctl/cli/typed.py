"""Lines a person types: none typed before its question was there, and each for the question asked last."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable

import click

SLICE_S = 0.05
_WAITING: list[object] = []
"""Who waits for a line; the last of them has the keyboard."""


def forget_typed() -> None:
    """Throw away what was typed before the question was there: it cannot have been its answer."""
    if sys.stdin.isatty():
        _forget()


def line_typed(question: str = "", given_up: Callable[[], bool] = lambda: False) -> str | None:
    """Wait for a line from the person.

    Where several threads wait, it goes to the one that began last. Without a terminal it is the next line of
    standard input.

    Parameters
    ----------
    question : str
        Shown on a terminal, and again when another question was asked meanwhile.
    given_up : callable
        Asked all the while; once it is true nobody waits any more.

    Returns
    -------
    str or None
        The line with its end; "" when there is nothing more to read; None when it was given up.
    """
    if not sys.stdin.isatty():
        return sys.stdin.readline()
    mine, shown = object(), False

    def _turn() -> bool:
        return _WAITING[-1] is mine

    _WAITING.append(mine)
    try:
        reader = _Reader()
        while not given_up():
            if not _turn():
                shown = False
            elif question and not shown:
                shown = True
                click.echo(question, nl=False, err=True)
            line = reader.line(SLICE_S, _turn)
            if line is not None:
                return line
    finally:
        _WAITING.remove(mine)
    return None


if sys.platform == "win32":
    import msvcrt
    import time

    def _forget() -> None:
        while msvcrt.kbhit():
            msvcrt.getwch()

    class _Reader:
        """A line that grows letter by letter on a Windows console."""

        def __init__(self) -> None:
            self._letters = ""

        def line(self, wait_s: float, turn: Callable[[], bool]) -> str | None:
            """Return the line once it is ended, else None after `wait_s`."""
            until_s = time.monotonic() + wait_s
            while not (turn() and msvcrt.kbhit()):
                if time.monotonic() > until_s:
                    return None
                time.sleep(SLICE_S / 5)
            letter = msvcrt.getwch()
            if letter in "\r\n":
                msvcrt.putwch("\n")
                return self._letters + "\n"
            if letter in {"\x00", "\xe0"}:
                # an arrow or the like: its second half follows
                msvcrt.getwch()
            elif letter == "\b":
                if self._letters:
                    self._letters = self._letters[:-1]
                    for echoed in "\b \b":
                        msvcrt.putwch(echoed)
            elif letter == "\x1a" and not self._letters:
                return ""
            else:
                self._letters += letter
                msvcrt.putwch(letter)
            return None

else:
    import select
    import termios
    import time

    def _forget() -> None:
        # a terminal that is gone has nothing to forget
        with contextlib.suppress(termios.error):
            termios.tcflush(sys.stdin, termios.TCIFLUSH)

    class _Reader:
        """A line as the terminal edits and ends it."""

        def line(self, wait_s: float, turn: Callable[[], bool]) -> str | None:
            """Return the line once it is ended, else None after `wait_s`."""
            if not turn():
                time.sleep(wait_s)
                return None
            try:
                # somebody may have asked something else meanwhile
                if select.select((sys.stdin,), (), (), wait_s)[0] and turn():
                    return sys.stdin.readline()
            except (OSError, ValueError):
                # the terminal is gone
                return ""
            return None
