"""The sender's end of its guard: starts it, hands it the ports, beats, and notices when it is gone.

A guard that died in silence would leave a sender that believes itself guarded. So each beat is answered, and
one that is gone, or hangs, is replaced by another that is given every port again; whoever watches is told.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from fabctl.errors import FabctlError

BEAT_S = 0.1
AGAIN_S = 2.0
"""A guard that does not stay is started again no sooner, s."""
MOST_UNANSWERED = 20
"""So many beats without an answer, and the guard is taken for hung …"""
MOST_AT_FIRST = 100
"""… or one that never answered yet: a busy host takes its time to start it."""
TAKES_NOTHING = -1
STARTING = "the guard process is being started"
END_LIMIT_S = 5.0
ACT_LIMIT_S = 20.0
"""How long the guard may take to hold and reset machines, s."""

_CANNOT_SHARE = ("rfc2217://", "loop://", "cp2110://")


def why_unguarded(url: str = "") -> str:
    """Say why a port cannot be guarded from this host; empty when it can.

    Parameters
    ----------
    url : str
        Of the port; without it only the host is judged.

    Examples
    --------
    >>> why_unguarded("rfc2217://shop.local:2217")
    'a port over rfc2217:// cannot be shared with a guard process'
    """
    if not hasattr(socket, "send_fds"):
        return "this system does not let a guard process share an open port"
    scheme = next((scheme for scheme in _CANNOT_SHARE if url.startswith(scheme)), "")
    return f"a port over {scheme} cannot be shared with a guard process" if scheme else ""


def unguarded_words(why: str) -> str:
    """Say to the operator what it means that nothing guards the machine.

    Examples
    --------
    >>> print(unguarded_words("the guard is gone"))
    Nothing guards the machine: the guard is gone. If this program or computer dies, the machine runs on: stay
    beside it, the real emergency stop within reach.
    """
    return (
        f"Nothing guards the machine: {why}. If this program or computer dies, the machine runs on: stay\n"
        "beside it, the real emergency stop within reach."
    )


class Guard:
    """A guard process, for as long as this one lives; a context manager.

    Parameters
    ----------
    log : Path, optional
        Where the guard writes what it did, a line of JSON each time it had to act, and where it is noted when
        it was gone.
    tell : callable, optional
        Told, in words, when the guard is gone and when there is one again.

    Attributes
    ----------
    missing : str
        Why nothing guards the ports just now; empty while something does.
    acted : callable
        Called when the guard has begun to hold and reset the machines while this process lives.
    restarts : int
        How often another one had to be started.

    Examples
    --------
    >>> with Guard() as guard:
    ...     guard.beat()
    """

    def __init__(self, log: Path | None = None, tell: Callable[[str], None] = lambda _text: None) -> None:
        self._log, self._told = log, tell
        self._charges: dict[int, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._near: socket.socket | None = None
        self._begun_s = self._beaten_s = 0.0
        # beats without an answer, and how many of them are too many
        self._unanswered, self._patience = 0, MOST_AT_FIRST
        self.missing = STARTING
        self.acted: Callable[[], None] = lambda: None
        self.restarts = 0
        self._start()

    @property
    def pid(self) -> int:
        """The guard's process number; 0 when there is none."""
        return self._process.pid if self._process is not None else 0

    def hold(self, descriptor: int, machine: str = "") -> None:
        """Give the guard a port to stop; it keeps its own copy of the descriptor.

        Parameters
        ----------
        descriptor : int
        machine : str
            Whose port it is, for the log.
        """
        self._charges[descriptor] = machine
        self._hand(descriptor, machine)

    def release(self, descriptor: int) -> None:
        """Take a port back; do so before closing it."""
        if descriptor in self._charges:
            number = 1 + list(self._charges).index(descriptor)
            del self._charges[descriptor]
            self._send(b"-%d\n" % number)

    @contextlib.contextmanager
    def holding(self, descriptor: int, machine: str = "") -> Iterator[None]:
        """Guard a port while the context lasts, and take it back at its end.

        Whoever raises an error of fabctl has stopped the machine, or never moved it; of any other nobody can
        say: the port is left to the guard then, which stops it as soon as this end is closed.

        Parameters
        ----------
        descriptor, machine
            As for `hold`.
        """
        self.hold(descriptor, machine)
        self.beat()
        try:
            yield
        except FabctlError:
            self.release(descriptor)
            raise
        self.release(descriptor)

    def beat(self) -> None:
        """Say that the sender lives; at most every tenth of a second it really does.

        A guard that is gone is replaced here.
        """
        now_s = time.monotonic()
        if now_s - self._beaten_s < BEAT_S:
            return
        self._beaten_s = now_s
        if self._process is None:
            if now_s - self._begun_s >= AGAIN_S:
                self.restarts += 1
                self._start()
            return
        gone = self._hear()
        if not gone and self._unanswered >= self._patience:
            gone = "it did not answer any more"
        if gone:
            self._replace(gone)
            return
        self._unanswered += 1
        self._send(b"\n")

    def close(self, *, in_order: bool = True) -> None:
        """End the guard.

        Parameters
        ----------
        in_order : bool
            Whether nothing is left to stop; else it stops what it holds first, as if the sender had died.
        """
        if self._near is not None:
            if in_order:
                self._send(b"q\n")
            self._near.close()
            self._near = None
        self._bury(END_LIMIT_S if in_order else ACT_LIMIT_S)

    def _start(self) -> None:
        self._begun_s, self._unanswered, self._patience = time.monotonic(), 0, MOST_AT_FIRST
        self.missing = self.missing or STARTING
        try:
            near, far = socket.socketpair()
        except OSError as error:
            self._missing(f"the guard process cannot be started: {error}")
            return
        near.setblocking(False)
        with far:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - our own module, with our own interpreter
                    [sys.executable, "-m", "fabctl.daemon.guard", str(far.fileno()), str(self._log or "")],
                    pass_fds=(far.fileno(),),
                    start_new_session=True,
                    stdin=subprocess.DEVNULL,
                )
            except OSError as error:
                near.close()
                self._missing(f"the guard process cannot be started: {error}")
                return
        self._near = near
        for descriptor, machine in list(self._charges.items()):
            self._hand(descriptor, machine)

    def _hear(self) -> str:
        """Take in what the guard says; say why it is gone, when it is."""
        try:
            said = self._near.recv(4096) if self._near is not None else b""
        except BlockingIOError:
            return ""
        except OSError as error:
            return f"it ended: {error.strerror or error}"
        if b"!" in said:
            # it acts, and says nothing until that is done
            self._patience = MOST_UNANSWERED + int(ACT_LIMIT_S / BEAT_S)
            self._missing("it has just held and reset the machines: this process was silent for too long")
            self.acted()
        elif said and self._patience != TAKES_NOTHING:
            self._unanswered, self._patience = 0, MOST_UNANSWERED
            if self.missing:
                self.missing = ""
                if self.restarts:
                    self._tell("the machines are guarded again")
        return "" if said else "it ended"

    def _replace(self, why: str) -> None:
        """Clear away a guard that is gone, say so, and start another one."""
        if self._near is not None:
            self._near.close()
            self._near = None
        if self._process is not None:
            # one that hangs holds the ports, and may act when it is too late
            self._process.kill()
        self._bury(END_LIMIT_S)
        self._missing(f"the guard process is gone: {why}; another one is started")
        if time.monotonic() - self._begun_s >= AGAIN_S:
            self.restarts += 1
            self._start()

    def _missing(self, why: str) -> None:
        if why == self.missing:
            return
        self.missing = why
        self._tell(unguarded_words(why))
        if self._log is not None:
            said = {"time": time.time(), "did": why, "machines": list(self._charges.values())}
            # a disk that is full is no reason to stop beating
            with contextlib.suppress(OSError), self._log.open("a", encoding="utf-8") as log:
                log.write(json.dumps(said) + "\n")

    def _tell(self, text: str) -> None:
        # a terminal that is gone is no reason to leave the machines unguarded
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            self._told(text)

    def _bury(self, limit_s: float) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.wait(limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _hand(self, descriptor: int, machine: str) -> None:
        self._send(b"+" + machine.encode().replace(b"\n", b" ") + b"\n", [descriptor])

    def _send(self, data: bytes, descriptors: list[int] | None = None) -> None:
        """Say something to the guard; one that does not take it is gone, or as good as gone."""
        if self._near is None:
            return
        try:
            if descriptors:
                socket.send_fds(self._near, [data], descriptors)
            else:
                self._near.send(data)
        except OSError:
            # the next beat clears it away: what was not taken is handed to the next one
            self._patience = TAKES_NOTHING

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(in_order=kind is None)
