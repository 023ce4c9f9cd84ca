"""A keyboard read key by key: a POSIX terminal or a Windows console behind one small seam."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from enum import StrEnum
from typing import Protocol

from fabctl.errors import InputError

TAIL_S = 0.05
"""What follows an ESC within so long is the rest of its sequence, torn on the way."""
SLICE_S = 0.01
_SEQUENCE = re.compile(r"\x1b(?:\[|O)([0-9;]*)([A-Za-z~])")
_BEGUN = re.compile(r"\x1b(?:\[|O)?[0-9;]*\Z")


class Key(StrEnum):
    """The keys that mean something here."""

    LEFT = "left"
    RIGHT = "right"
    UP = "up"
    DOWN = "down"
    PAGE_UP = "page up"
    PAGE_DOWN = "page down"
    STOP = "stop"
    QUIT = "q"
    MORE = "+"
    LESS = "-"
    FASTER = "f"
    SLOWER = "s"
    GONE = "gone"
    """The terminal itself: closed, or its line cut."""


_PLAIN = {
    " ": Key.STOP,
    "\x03": Key.QUIT,
    "\x04": Key.QUIT,
    "q": Key.QUIT,
    "Q": Key.QUIT,
    "+": Key.MORE,
    "=": Key.MORE,
    "-": Key.LESS,
    "f": Key.FASTER,
    "F": Key.FASTER,
    "s": Key.SLOWER,
    "S": Key.SLOWER,
}
_LETTERS = {"A": Key.UP, "B": Key.DOWN, "C": Key.RIGHT, "D": Key.LEFT}
_NUMBERS = {"5": Key.PAGE_UP, "6": Key.PAGE_DOWN}
_SCAN_CODES = {
    "H": Key.UP,
    "P": Key.DOWN,
    "M": Key.RIGHT,
    "K": Key.LEFT,
    "I": Key.PAGE_UP,
    "Q": Key.PAGE_DOWN,
}


class Keyboard(Protocol):
    """Keys as they are pressed, or as a terminal repeats them."""

    def read(self, wait_s: float) -> list[Key]:
        """Return the keys that came, at once when there are some, else none after `wait_s`."""
        ...


class Decoder:
    """Turns what a terminal sends into keys.

    A lone ESC is told at once, for it stops a machine; should the rest of a sequence come after all, torn off
    on a slow line, that rest means nothing.

    Examples
    --------
    >>> decoder = Decoder()
    >>> [key.value for key in decoder.feed("\\x1b[A\\x1b[5~x+", 0.0)]
    ['up', 'page up', '+']
    >>> [key.value for key in decoder.feed("\\x1b", 1.0) + decoder.feed("[A", 1.01)]
    ['stop']
    """

    def __init__(self) -> None:
        self._left = ""
        self._left_s = 0.0
        self._told = False

    def feed(self, text: str, now_s: float) -> list[Key]:
        """Take in what came.

        Parameters
        ----------
        text : str
            As the terminal sent it.
        now_s : float
            When, on any clock that goes on.
        """
        if self._left and text[:1] in {"[", "O"} | set("0123456789;~ABCD") and now_s - self._left_s <= TAIL_S:
            text = self._left + text
        else:
            self._told = False
        self._left = ""
        found: list[Key] = []
        while text:
            text = self._one(text, found, now_s)
        return found

    def _one(self, text: str, found: list[Key], now_s: float) -> str:
        """Take one key off the front and return what is left."""
        if not text.startswith("\x1b"):
            if text[0] in _PLAIN:
                found.append(_PLAIN[text[0]])
            return text[1:]
        if whole := _SEQUENCE.match(text):
            key = _NUMBERS.get(whole[1].split(";")[0]) if whole[2] == "~" else _LETTERS.get(whole[2])
            if key is not None and not self._told:
                found.append(key)
            self._told = False
            return text[whole.end() :]
        if _BEGUN.match(text):
            self._left, self._left_s = text, now_s
            if not self._told and text == "\x1b":
                found.append(Key.STOP)
                self._told = True
            return ""
        found.append(Key.STOP)
        self._told = False
        return text[1:]


def demand_terminal() -> None:
    """Demand that somebody can press keys.

    Raises
    ------
    InputError
        When standard input is no terminal.
    """
    if not sys.stdin.isatty():
        raise InputError(
            "keys can only be read from a terminal, and standard input is none",
            remedy="run it in a terminal; a script writes its steps: fabctl machine jog MACHINE x10",
        )


@contextlib.contextmanager
def keys_of_terminal() -> Iterator[Keyboard]:
    """Read the terminal key by key while the context lasts; it is left as it was.

    Raises
    ------
    InputError
        When standard input is no terminal.
    """
    demand_terminal()
    with _ready() as keyboard:
        yield keyboard


if sys.platform == "win32":
    import msvcrt
    import time

    @contextlib.contextmanager
    def _ready() -> Iterator[Keyboard]:
        yield _Console()

    class _Console:
        """A Windows console."""

        def read(self, wait_s: float) -> list[Key]:
            """Return the keys that came."""
            until_s = time.monotonic() + wait_s
            while not msvcrt.kbhit() and time.monotonic() < until_s:
                time.sleep(min(SLICE_S, wait_s))
            found = []
            while msvcrt.kbhit():
                typed = msvcrt.getwch()
                if typed in {"\x00", "\xe0"}:
                    # à begins like an arrow, and nothing follows it
                    found.append(_SCAN_CODES.get(msvcrt.getwch()) if msvcrt.kbhit() else None)
                else:
                    found.append(Key.STOP if typed == "\x1b" else _PLAIN.get(typed))
            return [key for key in found if key is not None]

else:
    import os
    import select
    import termios
    import time

    @contextlib.contextmanager
    def _ready() -> Iterator[Keyboard]:
        descriptor = sys.stdin.fileno()
        before = termios.tcgetattr(descriptor)
        iflag, oflag, cflag, lflag, ispeed, ospeed, chars = termios.tcgetattr(descriptor)
        # Ctrl-S would hold the screen and Ctrl-Z this process, with a machine under its hand
        iflag &= ~(termios.IXON | termios.ICRNL)
        lflag &= ~(termios.ICANON | termios.ECHO)
        disabled = os.fpathconf(descriptor, "PC_VDISABLE")
        chars = list(chars)
        chars[termios.VMIN], chars[termios.VTIME] = 1, 0
        chars[termios.VSUSP] = bytes([disabled & 0xFF])
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, [iflag, oflag, cflag, lflag, ispeed, ospeed, chars])
        try:
            yield _Terminal(descriptor)
        finally:
            # a terminal that is gone has nothing to restore
            with contextlib.suppress(termios.error):
                termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)

    class _Terminal:
        """A POSIX terminal."""

        def __init__(self, descriptor: int) -> None:
            self._descriptor = descriptor
            self._decoder = Decoder()

        def read(self, wait_s: float) -> list[Key]:
            """Return the keys that came."""
            try:
                if not select.select((self._descriptor,), (), (), wait_s)[0]:
                    return []
                data = os.read(self._descriptor, 1024)
            except OSError:
                data = b""
            if not data:
                return [Key.GONE]
            return self._decoder.feed(data.decode("latin-1"), time.monotonic())
