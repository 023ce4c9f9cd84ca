"""Signals that would end a process: the machine hears of them before the process does."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

INTERRUPT = "SIGINT"
ENDING = ("SIGTERM", "SIGHUP", "SIGBREAK")
"""A word of the host, a terminal that is gone, the window's button on Windows."""

Handler = Callable[[int, FrameType | None], None]


@contextmanager
def answering(handlers: Mapping[str, Handler]) -> Iterator[None]:
    """Answer signals while the context lasts; those a host does not know are passed over.

    Parameters
    ----------
    handlers : mapping of str to callable
        By the signal's name.
    """
    known = {getattr(signal, name): handler for name, handler in handlers.items() if hasattr(signal, name)}
    before = {number: signal.signal(number, handler) for number, handler in known.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass
class Ending:
    """Whether a signal asks to end.

    Parameters
    ----------
    asked : str
        Its name; empty while none has come.
    """

    asked: str = ""


@contextmanager
def noting(wake: Callable[[], None] = lambda: None) -> Iterator[Ending]:
    """Note Ctrl-C and ending signals while the context lasts.

    Parameters
    ----------
    wake : callable
        Called at each of them, so that whoever waits looks.
    """
    ending = Ending()

    def _note(number: int, _frame: FrameType | None) -> None:
        ending.asked = signal.Signals(number).name
        wake()

    with answering(dict.fromkeys((INTERRUPT, *ENDING), _note)):
        yield ending
