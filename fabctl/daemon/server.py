"""The daemon: keeps machines and answers whoever belongs to the same account.

Requests and replies are lines of JSON. A request: ``{"id": 1, "do": "status", …}``; its reply:
``{"id": 1, "result": {…}}`` or ``{"id": 1, "error": {…}}``. After ``{"do": "follow"}``, and to whoever asked
for a run, events come too: ``{"event": "progress", …}``.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fabctl.daemon.bench import Json
from fabctl.daemon.guarding import Guard, unguarded_words, why_unguarded
from fabctl.daemon.keeper import Keeper, error_json
from fabctl.daemon.loop import Loop, Pollable
from fabctl.daemon.places import is_owner, knows_secret, listen_at, place_of
from fabctl.daemon.signals import noting
from fabctl.errors import FabctlError, InputError
from fabctl.shop.machine import Machine
from fabctl.stream.port import open_port

MOST_MACHINES = 16
LINE_LIMIT_BYTES = 1 << 16
BACKLOG_LIMIT_BYTES = 1 << 20
"""A peer that reads no more is hung up on before it costs memory."""
MOST_PEERS = 48
"""At each machine: who leaks lines must not keep out the one who wants to stop it."""
AGAIN_S = 1.0


@dataclass(eq=False)
class _Peer:
    """Somebody who asks."""

    line: socket.socket
    heard: bytearray = field(default_factory=bytearray)
    unsent: bytearray = field(default_factory=bytearray)
    follows: bool = False
    trusted: bool = True


class Shelf:
    """One kept machine's address, and all who speak to it.

    Parameters
    ----------
    loop : Loop
        What drives it.
    keeper : Keeper
        The machine.
    path : Path
        Where it is found.

    Raises
    ------
    InputError
        When another process keeps it.
    """

    def __init__(self, loop: Loop, keeper: Keeper, path: Path) -> None:
        self._loop = loop
        self._keeper = keeper
        self._path = path
        # in the order they came
        self._peers: dict[_Peer, None] = {}
        self._server = listen_at(path)
        keeper.tell = self._tell
        self._listen()

    def close(self) -> None:
        """Stop answering."""
        for peer in list(self._peers):
            self._hang_up(peer)
        self._loop.unlisten(self._server)
        self._server.close()
        self._path.unlink(missing_ok=True)

    def _listen(self) -> None:
        if self._server.fileno() >= 0:
            self._loop.listen(self._server, self._welcome)

    def _welcome(self) -> None:
        try:
            line, _ = self._server.accept()
        except BlockingIOError:
            return
        except OSError:
            # no more descriptors: the machines go on, and those who are here are heard
            self._loop.unlisten(self._server)
            self._loop.later(AGAIN_S, self._listen)
            return
        line.setblocking(False)
        if line.family != socket.AF_INET and not is_owner(line):
            line.close()
            return
        if len(self._peers) >= MOST_PEERS:
            # the one with the least business here, the oldest of them
            self._hang_up(min(self._peers, key=lambda peer: (peer.trusted, peer.follows)))
        peer = _Peer(line, trusted=line.family != socket.AF_INET)
        self._peers[peer] = None
        self._loop.listen(line, lambda: self._hear(peer))

    def _hear(self, peer: _Peer) -> None:
        try:
            data = peer.line.recv(LINE_LIMIT_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        peer.heard += data
        if not data or len(peer.heard) > LINE_LIMIT_BYTES:
            self._hang_up(peer)
            return
        *lines, rest = peer.heard.split(b"\n")
        peer.heard = rest
        for line in lines:
            if peer in self._peers:
                self._answer(peer, bytes(line))

    def _answer(self, peer: _Peer, line: bytes) -> None:
        number = None
        try:
            said = json.loads(line)
            if not isinstance(said, dict):
                raise InputError("a request is an object", remedy="use a fabctl of the same version")
            if not peer.trusted:
                peer.trusted = knows_secret(self._path, str(said.get("secret", "")))
                return
            number = said.pop("id", None)
            name = str(said.pop("do", ""))
            peer.follows |= name in {"follow", "run"}
            if name == "follow":
                self._say(peer, {"id": number, "result": self._keeper.snapshot()})
                return
            self._keeper.ask(name, said, lambda reply: self._reply(peer, number, reply))
        except FabctlError as error:
            self._reply(peer, number, error_json(error))
        except (ValueError, LookupError, TypeError, ArithmeticError, RecursionError, OSError) as error:
            # what comes in was written by another process: nothing in it may end this one
            bad = InputError(f"a request that cannot be read: {error!r}", remedy="use one version of fabctl")
            self._reply(peer, number, error_json(bad))

    def _reply(self, peer: _Peer, number: object, reply: Json) -> None:
        self._say(peer, {"id": number, **(reply if "error" in reply else {"result": reply})})

    def _tell(self, event: Json) -> None:
        for peer in [peer for peer in self._peers if peer.follows]:
            self._say(peer, event)

    def _say(self, peer: _Peer, said: Json) -> None:
        if peer not in self._peers:
            return
        peer.unsent += json.dumps(said, separators=(",", ":")).encode() + b"\n"
        self._flush(peer)

    def _flush(self, peer: _Peer) -> None:
        try:
            sent = _sent(peer.line, peer.unsent)
        except OSError:
            self._hang_up(peer)
            return
        del peer.unsent[:sent]
        if len(peer.unsent) > BACKLOG_LIMIT_BYTES:
            self._hang_up(peer)
        elif peer.unsent:
            self._loop.later(0.05, lambda: self._flush(peer) if peer in self._peers else None)

    def _hang_up(self, peer: _Peer) -> None:
        if peer in self._peers:
            del self._peers[peer]
            self._loop.unlisten(peer.line)
            peer.line.close()


def _sent(line: socket.socket, data: bytearray) -> int:
    """Send what a peer takes just now, and return how many bytes that were; none when its buffer is full."""
    try:
        return line.send(data)
    except BlockingIOError:
        return 0


def serve(
    machines: Sequence[tuple[Machine, str]],
    *,
    folder: Path | None = None,
    log: Path | None = None,
    open_url: Callable[[str, Machine], Pollable] | None = None,
    ready: Callable[[Sequence[Path]], None] = lambda _paths: None,
    note: Callable[[str], None] = lambda _text: None,
) -> None:
    """Keep machines until a signal ends it; what runs is then held and reset.

    Parameters
    ----------
    machines : sequence of (Machine, str)
        At most sixteen, each with its port.
    folder : Path, optional
        Where their addresses stand.
    log : Path, optional
        Where the guard writes what it did.
    open_url : callable, optional
        Opens a port; pyserial does by default.
    ready : callable, optional
        Told where the machines are found, once they are.
    note : callable, optional
        Told, in words, what the operator should know at once: that nothing guards the machines.

    Raises
    ------
    InputError
        When there are too many, or another process keeps one of them.
    """
    if not 0 < len(machines) <= MOST_MACHINES:
        raise InputError(
            f"{len(machines)} machines for one daemon", remedy=f"at most {MOST_MACHINES}; start a second one"
        )
    loop = Loop()
    keepers: list[Keeper] = []
    paths: list[Path] = []

    def _note(text: str) -> None:
        note(text)
        for keeper in keepers:
            keeper.tell({"event": "note", "text": text})

    with contextlib.ExitStack() as stack:
        stack.callback(loop.close)
        # an error that ends this loop ends nothing at the machines: the guard is left to stop them
        guard = stack.enter_context(Guard(log, _note)) if not why_unguarded() else None
        _say_unguarded(machines, note)
        for machine, url in machines:
            opener, kept = open_url or _open, log and log.parent
            keeper = Keeper(machine, url, loop, open_url=opener, guard=guard, folder=kept)
            paths.append(place_of(machine.name, folder))
            shelf = Shelf(loop, keeper, paths[-1])
            stack.callback(shelf.close)
            keepers.append(keeper)
        if guard is not None:
            loop.beat, guard.acted = guard.beat, lambda: _stop_all(keepers)
        ending = stack.enter_context(noting(loop.wake))
        for keeper in keepers:
            keeper.begin()
        ready(paths)
        stack.push(_giving_up(keepers))
        loop.run(lambda: bool(ending.asked))
        for keeper in keepers:
            keeper.close()
        loop.run(lambda: all(keeper.closed for keeper in keepers))


def _say_unguarded(machines: Sequence[tuple[Machine, str]], note: Callable[[str], None]) -> None:
    for why in dict.fromkeys(why_unguarded(url) for _, url in machines):
        if why:
            note(unguarded_words(why))


def _giving_up(keepers: Sequence[Keeper]) -> Callable[..., None]:
    def _give_up(kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            for keeper in keepers:
                keeper.give_up()

    return _give_up


def _stop_all(keepers: Sequence[Keeper]) -> None:
    """End what runs: its guard has stopped it."""
    for keeper in keepers:
        keeper.stop_guarded()


def _open(url: str, machine: Machine) -> Pollable:
    return open_port(url, machine.baud)
