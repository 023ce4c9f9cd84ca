"""One machine, kept: its port opened once, its state known, and one thing done with it at a time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from fabctl.daemon.acts import ACTS
from fabctl.daemon.bench import Bench, Json
from fabctl.daemon.doing import Doing, Reply
from fabctl.daemon.doubt import Doubt
from fabctl.daemon.guarding import Guard, unguarded_words, why_unguarded
from fabctl.daemon.loop import Loop, Pollable, Task
from fabctl.daemon.recorded import Ended, RecordedRun, aside
from fabctl.errors import FabctlError, InputError, LinkError, RefusedError, StoppedUnknownError
from fabctl.shop.machine import Machine
from fabctl.stream.certainty import Certainty
from fabctl.stream.controller import Controller, connect
from fabctl.stream.halt import halt
from fabctl.stream.link import Link
from fabctl.stream.locks import found_again, serial_number_of
from fabctl.stream.rules import Realtime
from fabctl.stream.stops import Cause, EndState, Operator

AGAIN_S = 2.0
"""How long after a lost port it is looked for again, s."""


@dataclass
class _Socket:
    """Where a machine is plugged in: its address, and what tells its adapter from others."""

    url: str
    open_url: Callable[[str, Machine], Pollable]
    serial_number: str = ""

    def open(self, machine: Machine) -> Pollable:
        """Open the port, under another name when the adapter came back under one."""
        self.url = found_again(self.url, self.serial_number)
        port = self.open_url(self.url, machine)
        self.serial_number = serial_number_of(self.url)
        return port


class Keeper:
    """Keeps one machine.

    Parameters
    ----------
    machine : Machine
        Its description.
    url : str
        Its port.
    loop : Loop
        What drives it.
    open_url : callable
        Opens the port; may take seconds, and is called in a thread.
    guard : Guard, optional
        Told of the port while it is open.
    tell : callable, optional
        Told of each event, for whoever follows.
    folder : Path, optional
        Where it keeps what must outlive it.
    """

    def __init__(
        self,
        machine: Machine,
        url: str,
        loop: Loop,
        *,
        open_url: Callable[[str, Machine], Pollable],
        guard: Guard | None = None,
        tell: Callable[[Json], None] = lambda _event: None,
        folder: Path | None = None,
    ) -> None:
        self.machine = machine
        self.tell = tell
        self._socket = _Socket(url, open_url)
        self._loop = loop
        self._guard = guard
        self._task: Task | None = None
        self._link: Link | None = None
        self._waiting: Doing | None = None
        self._doing: Doing | None = None
        self._doubt = Doubt(machine, folder)
        self._trouble = ""
        self._closing = False

    @property
    def closed(self) -> bool:
        """Whether the port is let go."""
        return self._closing and self._task is None

    def begin(self) -> None:
        """Open the port and keep it; try again when it is lost."""
        if self._closing:
            return
        opened: list[Pollable | FabctlError] = []

        def _open() -> None:
            try:
                opened.append(self._socket.open(self.machine))
            except FabctlError as error:
                opened.append(error)
            self._loop.wake()

        thread = threading.Thread(target=_open, name="open port", daemon=True)
        thread.start()
        self._await_port(opened)

    def close(self) -> None:
        """Let go of the machine; what runs is held and reset first."""
        self._closing = True
        if self._doing is not None:
            self._doing.operator.abort()
        elif self._task is not None:
            self._task.wake()

    def stop_guarded(self) -> None:
        """End what runs: the guard held and reset it, because this process stood still."""
        if self._link is not None and self._task is not None:
            problem = "this process stood still, and its guard held and reset the machine"
            self._loop.interrupt(self._task, self._link.fail(Cause.INTERRUPTED, problem))

    @property
    def unguarded(self) -> str:
        """Why nothing would stop this machine if this process died; empty when its guard would."""
        why = why_unguarded(self._socket.url)
        return why or ("this keeper has no guard" if self._guard is None else self._guard.missing)

    def give_up(self) -> None:
        """Reset what runs at once, because this process ends in a way that nobody expected.

        Position is lost if it moved: for a keeper whose guard is there this is the guard's, and done better.
        """
        if self._link is not None and self._doing is not None and self.unguarded:
            with contextlib.suppress(LinkError):
                self._link.port.write(bytes((Realtime.RESET,)))

    def snapshot(self) -> Json:
        """Return what is known of the machine now, for a status report."""
        doing = self._doing
        said: Json = {
            "machine": self.machine.name,
            "title": self.machine.title,
            "port": self._socket.url,
            "connected": self._link is not None,
            **_seen(self._link),
            "trouble": self._trouble,
            "not_known": self._doubt.axes,
            "unguarded": self.unguarded,
            "guard_restarts": self._guard.restarts if self._guard is not None else 0,
            "doing": doing.name if doing is not None else None,
        }
        if doing is not None:
            said["run"] = doing.run
            said["folder"] = str(doing.folder) if doing.folder else None
            said["progress"] = doing.progress.facts() if doing.progress else None
            said["pause"] = asdict(doing.pause) if doing.pause else None
        return said

    def ask(self, name: str, args: Json, reply: Reply) -> None:
        """Take a request: at once when it is a hand on what runs, else when the machine is free.

        Parameters
        ----------
        name : str
            ``status``, ``hold``, ``resume``, ``abort``, ``reset``, ``renew``, ``let_go``, ``answer``,
            ``measure`` in a pause, ``run``, or an action.
        args : dict
            What it needs.
        reply : callable
            Given the result when there is one.

        Raises
        ------
        RefusedError
            When the machine is not connected, or busy with something else.
        InputError
            When there is no such request.
        """
        if name == "status":
            reply(self.snapshot())
        elif name in _HANDS or (name in _BOTH and self._doing is not None):
            # one that was asked for and has not begun can be stopped, too
            doing = self._doing or self._waiting
            if doing is None:
                raise RefusedError(
                    "nothing is running", file=self.machine.name, remedy="`fabctl status` shows it"
                )
            doing.obey(name, args, self.machine.name)
            if self._task is not None:
                self._task.wake()
            reply(doing.obeyed())
        elif name == "run" and not isinstance(args.get("folder"), str):
            raise InputError("a run without its folder", remedy="use a fabctl of the same version")
        elif name == "run" or name in ACTS:
            self._begin_doing(name, args, reply)
        else:
            raise InputError(f"no such request: {name!r}", remedy="use a fabctl of the same version")

    def _begin_doing(self, name: str, args: Json, reply: Reply) -> None:
        if self._link is None or self._task is None:
            raise RefusedError(
                f"the machine is not connected: {self._trouble or 'the port is being opened'}",
                file=self.machine.name,
                remedy="look at cable and power",
            )
        if self._doing is not None or self._waiting is not None or self._closing:
            busy = self._doing or self._waiting
            raise RefusedError(
                f"the machine is busy: {busy.name if busy else 'ending'}",
                file=self.machine.name,
                remedy="wait for its end, or abort it",
            )
        if name == "run":
            self._doubt.demand()
        self._waiting = Doing(name, args, reply, Operator(self._task.wake))
        self._task.wake()

    def _await_port(self, opened: list[Pollable | FabctlError]) -> None:
        if not opened:
            self._loop.later(0.05, lambda: self._await_port(opened))
            return
        port = opened[0]
        if isinstance(port, FabctlError):
            self._trouble = str(port)
            self._loop.later(AGAIN_S, self.begin)
            return
        if self._closing:
            port.close()
            return
        if self._guard is not None and port.descriptor is not None:
            self._guard.hold(port.descriptor, self.machine.name)
        self._trouble = ""
        self._task = self._loop.start(port, self._keep(port), lambda _, error: self._lost(port, error))

    def _lost(self, port: Pollable, error: BaseException | None) -> None:
        if self._guard is not None and port.descriptor is not None:
            self._guard.release(port.descriptor)
        port.close()
        if self._link is not None and error is not None:
            self._doubt.lost(str(error))
        self._task = self._link = None
        for doing in (self._doing, self._waiting):
            if doing is not None:
                doing.reply(error_json(error or RefusedError("the keeper ends", file=self.machine.name)))
        self._doing = self._waiting = None
        if error is not None:
            self._tell_trouble(str(error))
            # another machine, or stored lines: looking again changes nothing, and each opening is a restart
            self._loop.later(AGAIN_S if not isinstance(error, RefusedError) else 5 * AGAIN_S, self.begin)

    async def _keep(self, port: Pollable) -> None:
        link, controller = await connect(port, self.machine)
        x, y, z = self.machine.max_rate_mm_min
        link.certainty = Certainty((x / 60, y / 60, z / 60))
        self._link = link
        if controller.restarted:
            self._doubt.lost("the controller restarted when its port was opened")
        self.tell({"event": "connected", "version": controller.version, "notes": controller.notes})
        while not self._closing:
            doing, self._waiting = self._waiting, None
            if doing is None:
                await self._idle(link)
                continue
            self._doing = doing
            reply = await self._done(doing, link, controller)
            self._doing = None
            link.strict, link.cause, link.attend = True, None, None
            doing.reply(reply)

    async def _done(self, doing: Doing, link: Link, controller: Controller) -> Json:
        """Do what was asked for; whatever comes of it, know afterwards what is no longer certain."""
        problem = ""
        try:
            reply = await self._do(doing, link, controller)
            self._doubt.settled(doing.name, doing.args)
        except FabctlError as error:
            problem = error.problem
            if isinstance(error, StoppedUnknownError) or doing.progress is not None:
                self._doubt.lost(problem)
            reply = error_json(error)
        except Exception as error:  # noqa: BLE001 - a mistake in one act must not cost the port, and the position
            self._doubt.lost(f"{type(error).__name__}: {error}")
            reply = error_json(error)
        await self._look_back(link, problem)
        if self._doubt.changed:
            await aside(link, self._doubt.keep)
            await self._look_back(link, problem)
        return reply

    async def _look_back(self, link: Link, problem: str) -> None:
        """Answer what was seen while nobody was there: while the disk was waited for, or a text was read."""
        if link.strict and link.cause is not None:
            await self._halt(link, link.cause, problem or link.certainty.lost or link.cause.value)
            link.strict, link.cause = True, None
        self._take_note(link, doubtful=False)

    async def _idle(self, link: Link) -> None:
        try:
            await link.pump()
        except LinkError as error:
            if link.cause is None:
                # the port itself
                raise
            await self._halt(link, link.cause, error.problem)
            if link.cause in {Cause.SILENCE, Cause.PORT_LOST}:
                raise
            link.strict, link.cause = True, None
        self._take_note(link, doubtful=True)

    async def _halt(self, link: Link, cause: Cause, problem: str) -> None:
        outcome = await halt(link, cause, self.machine)
        known = "known" if outcome.position_known else "not known"
        if not outcome.position_known:
            self._doubt.lost(problem)
        self._tell_trouble(f"{problem}; position {known}")

    def _take_note(self, link: Link, *, doubtful: bool) -> None:
        """Take over what speaks against the position, so that it is not forgotten with the next run.

        Parameters
        ----------
        link : Link
        doubtful : bool
            Whether mere signs count: where nothing was to move they do; an act compares places itself.
        """
        certainty = link.certainty
        why = certainty.lost
        if not why and doubtful and certainty.doubtful:
            why = "the controller may have restarted and told nobody"
            self._tell_trouble(f"{why}; position not known")
        if why:
            link.homed = False
            self._doubt.lost(why)
            certainty.forget()
        certainty.doubtful = False

    def _tell_trouble(self, text: str) -> None:
        self._trouble = text
        self.tell({"event": "trouble", "text": text})

    async def _do(self, doing: Doing, link: Link, controller: Controller) -> Json:
        self._trouble = ""
        if doing.name != "run":
            doing.begun = True
            bench = Bench(link, controller, self.machine, doing.operator, self.tell)
            return await ACTS[doing.name](bench, doing.args)
        doing.folder = Path(doing.args["folder"])
        watchers = doing.watchers(self.tell)
        if self.unguarded:
            watchers.note(unguarded_words(self.unguarded))
        run = RecordedRun(doing.folder, self.machine, watchers, wake=self._loop.wake)
        _, lost = await aside(link, self._doubt.begin_run)
        if lost is not None:
            raise lost
        ended: Ended = await run.carry_out(link, controller)
        if ended.result.end_state is EndState.UNKNOWN:
            link.homed = False
            self._doubt.lost(ended.result.reason)
        self.tell({"event": "ended", "end_state": ended.record.end_state, "folder": str(doing.folder)})
        return {
            "result": asdict(ended.result),
            "record": asdict(ended.record),
            "folder": str(doing.folder),
        }


_BOTH = frozenset({"override", "measure"})
"""Acts of a machine at rest, and a hand on a run."""
_HANDS = frozenset({"hold", "resume", "abort", "reset", "renew", "let_go", "answer"})


def _seen(link: Link | None) -> Json:
    """Say what the link last saw of a machine."""
    if link is None:
        return {"state": "unknown", "homed": False, "mpos_mm": None, "work_mm": None}
    state, status = link.connection.state, link.status
    return {
        "state": str(state) if state is not None else "unknown",
        "homed": link.homed,
        "mpos_mm": link.mpos_mm,
        "work_mm": link.work_mm,
        "feed_mm_min": status.feed_mm_min if status is not None else None,
        "speed": status.speed if status is not None else None,
        "overrides": status.overrides if status is not None else None,
    }


def error_json(error: BaseException) -> Json:
    """Return an error as it travels to whoever asked.

    Parameters
    ----------
    error : BaseException
        One of ours keeps its class; any other is a bug and says so.
    """
    said: Json = {"kind": "FabctlError", "problem": f"{type(error).__name__}: {error}"}
    if isinstance(error, FabctlError):
        said = {name: getattr(error, name) for name in ("problem", "file", "place", "remedy")}
        said["kind"] = type(error).__name__
    return {"error": said | {"notes": list(getattr(error, "__notes__", ()))}}
