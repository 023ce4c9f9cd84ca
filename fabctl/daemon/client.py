"""Speak to a kept machine: ask, wait for the answer, follow what happens meanwhile."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from fabctl import errors
from fabctl.daemon.places import place_of, places_folder, speak_to
from fabctl.errors import FabctlError, LinkError

Json = dict[str, Any]


class Line:
    """An open line to a kept machine; a context manager.

    Parameters
    ----------
    machine : str
        Its name.
    folder : Path, optional
        Where addresses stand.

    Raises
    ------
    LinkError
        When nobody keeps it.
    """

    def __init__(self, machine: str, folder: Path | None = None) -> None:
        self._machine = machine
        self._peer = speak_to(place_of(machine, folder))
        self._peer.settimeout(None)
        self._heard = bytearray()
        self._count = 0

    def ask(
        self,
        name: str,
        *,
        event: Callable[[Json], None] = lambda _event: None,
        limit_s: float | None = None,
        **args: Any,
    ) -> Json:
        """Ask for something and wait for its reply.

        Parameters
        ----------
        name : str
            ``status``, ``run``, ``hold`` …
        event : callable, optional
            Told of each event that comes before the reply.
        limit_s : float, optional
            The longest wait, s; for ever when not given.
        **args
            What the request needs.

        Raises
        ------
        FabctlError
            What the daemon refused or what failed, as its own class.
        LinkError
            When the daemon is gone, or does not answer in time.
        """
        return self.answer_to(self.say(name, **args), event=event, limit_s=limit_s)

    def answer_to(
        self,
        number: int,
        *,
        event: Callable[[Json], None] = lambda _event: None,
        limit_s: float | None = None,
        other: Callable[[Json], None] = lambda _reply: None,
    ) -> Json:
        """Wait for the reply to a request that was sent.

        Parameters
        ----------
        number : int
            The request's.
        event, limit_s
            As for `ask`.
        other : callable, optional
            Told of each reply to another request that comes before.

        Raises
        ------
        FabctlError, LinkError
            As `ask`.
        """
        deadline_s = None if limit_s is None else time.monotonic() + limit_s
        while True:
            said = self.hear(None if deadline_s is None else deadline_s - time.monotonic())
            if "event" in said:
                event(said)
            elif said.get("id") == number:
                if "error" in said:
                    raise error_from(said["error"])
                result: Json = said["result"]
                return result
            else:
                other(said)

    def say(self, name: str, **args: Any) -> int:
        """Send a request and return its number without waiting; safe in a signal handler."""
        self._count += 1
        said = {"id": self._count, "do": name, **args}
        try:
            self._peer.sendall(json.dumps(said).encode() + b"\n")
        except OSError as error:
            raise self._gone() from error
        return self._count

    def hear(self, limit_s: float | None = None) -> Json:
        """Wait for the next reply or event.

        Raises
        ------
        LinkError
            When the daemon is gone, or nothing comes in time.
        """
        while b"\n" not in self._heard:
            self._peer.settimeout(None if limit_s is None else max(0.001, limit_s))
            try:
                data = self._peer.recv(1 << 16)
            except TimeoutError as error:
                raise LinkError(
                    "the machine's keeper does not answer",
                    file=self._machine,
                    remedy="look at `fabctl status`",
                ) from error
            except OSError as error:
                raise self._gone() from error
            if not data:
                raise self._gone()
            self._heard += data
        line, _, rest = bytes(self._heard).partition(b"\n")
        self._heard = bytearray(rest)
        said: Json = json.loads(line)
        return said

    def close(self) -> None:
        """Hang up; what runs goes on."""
        self._peer.close()

    def _gone(self) -> LinkError:
        return LinkError(
            "the machine's keeper is gone; its guard, if it had one, has held and reset the machine",
            file=self._machine,
            remedy="`fabctl status` says what is certain",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def is_kept(machine: str, folder: Path | None = None) -> bool:
    """Tell whether a daemon keeps a machine now."""
    try:
        speak_to(place_of(machine, folder)).close()
    except LinkError:
        return False
    return True


def kept_machines(folder: Path | None = None) -> tuple[str, ...]:
    """Return the names of all machines that are kept now."""
    found = sorted((folder or places_folder()).glob("*.sock"))
    return tuple(path.stem for path in found if is_kept(path.stem, folder))


def error_from(said: Json) -> FabctlError:
    """Make the error that a keeper told of, of its own class and with its notes.

    Parameters
    ----------
    said : dict
        As `fabctl.daemon.keeper.error_json` wrote it.
    """
    kind = getattr(errors, str(said.get("kind")), FabctlError)
    words = {name: str(said.get(name, "")) for name in ("problem", "file", "place", "remedy")}
    problem = words.pop("problem")
    made: FabctlError = kind(problem, **words) if issubclass(kind, FabctlError) else FabctlError(problem)
    for note in said.get("notes", ()):
        made.add_note(str(note))
    return made
