"""Waiting without blocking: the link's work is coroutines that ask for bytes, and something drives them.

There is one thing to wait for, bytes from one's own port, and one awaitable for it. `drive` runs a single
piece of work on a single port and blocks; a daemon's loop runs many at once with the same code.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

from fabctl.stream.port import Port

BEAT_S = 0.1

Result = TypeVar("Result")
Work = Coroutine[float, bytes, Result]
"""What is driven: it yields how long it is ready to wait, s, and is sent the bytes that came, or none."""


@types.coroutine
def bytes_within(timeout_s: float) -> Generator[float, bytes, bytes]:
    """Wait for bytes from the port this work runs on.

    Parameters
    ----------
    timeout_s : float
        The longest wait, s, on the port's own clock.

    Returns
    -------
    bytes
        What came; none after `timeout_s` or a wake-up call.
    """
    return (yield timeout_s)


def drive(port: Port, work: Coroutine[Any, Any, Result], beat: Callable[[], None] | None = None) -> Result:
    """Run one piece of work to its end, blocking.

    Parameters
    ----------
    port : Port
        Whose bytes it is given. What reading raises is raised inside the work, where it waits.
    work : coroutine
        Awaits nothing but `bytes_within`.
    beat : callable, optional
        Called at every turn: the sender's heart, for a guard.

    Returns
    -------
    object
        What the work returns.
    """
    try:
        wait_s = work.send(None)
        while True:
            try:
                if beat is not None:
                    beat()
                    wait_s = min(wait_s, BEAT_S)
                data = port.read(wait_s)
            except BaseException as error:  # noqa: BLE001 - Ctrl-C too: the work stops the machine first
                wait_s = work.throw(error)
            else:
                wait_s = work.send(data)
    except StopIteration as end:
        result: Result = end.value
        return result
