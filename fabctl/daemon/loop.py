"""One thread, many ports: the loop that drives the link's work for up to sixteen machines.

Reads are gathered: each piece of work says how long its controller's ring lasts (`SerialPort.gather_s`), and
with many ports under way the loop looks a few hundred times a second and takes what has come from all of
them. Who asks for something is heard at once.
"""

from __future__ import annotations

import contextlib
import math
import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from fabctl.stream.port import Gathers, Port
from fabctl.stream.turns import Work

GATHER_S = 0.0005
"""How long the loop rests a turn for each port under way, s …"""
GATHER_MOST_S = 0.008
"""… and at most: with 16 ms of the slowest USB adapter the round trip stays below 25 ms."""
SLICE_S = 0.01
"""How often ports without a file descriptor are looked at, s."""
TURN_MOST_S = 0.1


class Pollable(Port, Protocol):
    """A port that a loop can look at without waiting."""

    @property
    def descriptor(self) -> int | None:
        """What a selector waits for; None where there is none, and `take` must be asked now and then."""
        ...

    def take(self) -> bytes:
        """Return the bytes that are there, at once; raise LinkError when the device is gone."""
        ...


Done = Callable[[Any, BaseException | None], None]
"""Told what a piece of work returned, or what ended it."""


@dataclass
class Task:
    """One piece of work on one port.

    Parameters
    ----------
    port : Pollable
        Whose bytes it gets.
    work : coroutine
        Awaits nothing but `bytes_within`.
    done : callable
        Told of its end.
    due_s : float
        When it goes on without bytes, monotonic s.
    ready_s : float
        Until when its bytes may lie, monotonic s.
    gathers : Gathers, optional
        The port, when it is told how long that is.
    """

    port: Pollable
    work: Work[Any]
    done: Done
    due_s: float = -math.inf
    ready_s: float = -math.inf
    gathers: Gathers | None = None

    def __post_init__(self) -> None:
        """See whether the port can let bytes gather."""
        self.gathers = self.port if isinstance(self.port, Gathers) else None

    def wake(self) -> None:
        """Let the work go on in this turn, bytes or not."""
        self.due_s = -math.inf


class Loop:
    """Drives work on ports, answers whoever connects, and calls back at set times; in one thread."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        # those who ask, without the ports: heard while bytes gather
        self._askers = selectors.DefaultSelector()
        self._tasks: list[Task] = []
        self._timers: list[tuple[float, Callable[[], None]]] = []
        self._near, self._far = socket.socketpair()
        self._near.setblocking(False)
        self._far.setblocking(False)
        self.listen(self._near, self._drain)
        self.beat: Callable[[], None] = lambda: None

    def start(self, port: Pollable, work: Work[Any], done: Done) -> Task:
        """Begin a piece of work; one a port at a time.

        Parameters
        ----------
        port : Pollable
            Open.
        work : coroutine
            Awaits nothing but `bytes_within`.
        done : callable
            Called with the result and None, or with None and the error.
        """
        task = Task(port, work, done)
        self._tasks.append(task)
        if port.descriptor is not None:
            self._selector.register(port.descriptor, selectors.EVENT_READ, task)
        self._advance(task, None)
        return task

    def listen(self, source: socket.socket, ready: Callable[[], None]) -> None:
        """Call `ready` whenever a socket has something to read."""
        self._selector.register(source, selectors.EVENT_READ, ready)
        self._askers.register(source, selectors.EVENT_READ, ready)

    def unlisten(self, source: socket.socket) -> None:
        """Stop listening to a socket; call it before closing it."""
        for selector in (self._selector, self._askers):
            with contextlib.suppress(KeyError, ValueError):
                selector.unregister(source)

    def later(self, wait_s: float, call: Callable[[], None]) -> None:
        """Call something once, `wait_s` from now."""
        self._timers.append((time.monotonic() + wait_s, call))

    def wake(self) -> None:
        """End the loop's wait; may be called from any thread or a signal handler."""
        with contextlib.suppress(OSError):
            self._far.send(b"w")

    @property
    def busy(self) -> bool:
        """Whether any work is under way."""
        return bool(self._tasks)

    def turn(self) -> None:
        """Wait until something is due, and do all that is."""
        now_s = time.monotonic()
        ready = self._selector.select(max(0.0, self._due_s() - now_s))
        # before anything is done: after a standstill the guard may have stopped what is under way here
        self.beat()
        now_s = time.monotonic()
        for key, _ in ready:
            if not isinstance(key.data, Task):
                key.data()
            elif key.data.ready_s <= now_s:
                self._read(key.data)
        now_s = time.monotonic()
        for task in [task for task in self._tasks if task.due_s <= now_s or task.port.descriptor is None]:
            if task.due_s <= now_s:
                self._advance(task, b"")
            else:
                self._read(task)
        due = [call for due_s, call in self._timers if due_s <= now_s]
        self._timers = [timer for timer in self._timers if timer[0] > now_s]
        for call in due:
            call()
        self.beat()

    def interrupt(self, task: Task, error: BaseException) -> None:
        """Raise an error where a piece of work waits."""
        if task in self._tasks:
            self._advance(task, error)

    def run(self, until: Callable[[], bool]) -> None:
        """Take turns until `until` says so, and let bytes gather between them."""
        while not until():
            began_s = time.monotonic()
            self.turn()
            self._rest(began_s)

    def _rest(self, began_s: float) -> None:
        """Let bytes gather; who asks for something ends it, what is merely told can wait for a moment."""
        count = len(self._tasks)
        soon_s = began_s + min(GATHER_MOST_S, GATHER_S * count) if count > 1 else -math.inf
        first_s = min((min(task.ready_s, task.due_s) for task in self._tasks), default=-math.inf)
        until_s = max(soon_s, min(first_s, began_s + TURN_MOST_S))
        while (left_s := until_s - time.monotonic()) > 0:
            asked = self._askers.select(left_s)
            for key, _ in asked:
                key.data()
            if any(task.due_s == -math.inf for task in self._tasks):
                break
            until_s = soon_s if asked else until_s

    def close(self) -> None:
        """Let go of the selector; work that is left is not driven any more."""
        self._selector.close()
        self._askers.close()
        self._near.close()
        self._far.close()

    def _due_s(self) -> float:
        due_s = min((task.due_s for task in self._tasks), default=math.inf)
        due_s = min(due_s, min((timer[0] for timer in self._timers), default=math.inf))
        most_s = SLICE_S if any(task.port.descriptor is None for task in self._tasks) else TURN_MOST_S
        return min(due_s, time.monotonic() + most_s)

    def _read(self, task: Task) -> None:
        try:
            data = task.port.take()
        except Exception as error:  # noqa: BLE001 - whatever the port raises belongs to its own work
            self._advance(task, error)
            return
        if data:
            self._advance(task, data)

    def _advance(self, task: Task, given: Any) -> None:
        try:
            wait_s = task.work.throw(given) if isinstance(given, BaseException) else task.work.send(given)
        except StopIteration as end:
            self._end(task)
            task.done(end.value, None)
        except Exception as error:  # noqa: BLE001 - one machine's error must not stop the others
            self._end(task)
            task.done(None, error)
        else:
            now_s = time.monotonic()
            task.due_s, task.ready_s = now_s + wait_s, now_s
            if task.gathers is not None:
                task.ready_s += min(task.gathers.gather_s, wait_s)
                task.gathers.gather_s = 0.0

    def _end(self, task: Task) -> None:
        self._tasks.remove(task)
        if task.port.descriptor is not None:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(task.port.descriptor)

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._near.recv(4096):
                pass
