"""``fabctl machine jog --keys``: the keyboard as a hand control; docs/operating.md says how it behaves.

The keyboard is read here; the machine is moved elsewhere, by its keeper or in a thread. Whatever becomes of
this loop, a jog that nobody renews is cancelled within a quarter of a second.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import click

from fabctl.cli.hand import Opened, opened_at, place_words
from fabctl.cli.held_key import HeldKey
from fabctl.cli.keyboard import Key, Keyboard, demand_terminal, keys_of_terminal
from fabctl.cli.motion import KEPT, SIM
from fabctl.cli.show import facts, say
from fabctl.cli.words import _
from fabctl.daemon.signals import Ending, noting
from fabctl.errors import InputError, LinkError, RefusedError

if TYPE_CHECKING:
    from fabctl.daemon.client import Line
    from fabctl.shop.machine import Machine

Json = dict[str, Any]

TURN_S = 0.02
LOOK_S = 0.1
ANSWER_S = 1.0
ALIVE_S = 0.08
"""How often a step under way is told that somebody is still there, s."""
LATE_S = 0.25
"""From the last repeat of a key until it brakes, at most, s: the run-on that is shown counts with it."""
STEPS_MM = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
FIRST_STEP = 2
SHARES = (0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Of the fastest feed an axis can make, or of the one that was named."""
FIRST_SHARE = 3
DIRECTIONS: dict[Key, tuple[float, float, float]] = {
    Key.LEFT: (-1.0, 0.0, 0.0),
    Key.RIGHT: (1.0, 0.0, 0.0),
    Key.DOWN: (0.0, -1.0, 0.0),
    Key.UP: (0.0, 1.0, 0.0),
    Key.PAGE_DOWN: (0.0, 0.0, -1.0),
    Key.PAGE_UP: (0.0, 0.0, 1.0),
}

HELP = """arrows X and Y, page up and page down Z: tap for a step, hold to go on until you let go
+ -  longer, shorter step      f s  faster, slower      space or Esc  stop at once      q  leave"""


class Reach(Protocol):
    """A machine within reach of the keys."""

    def ready(self, name: str, **args: Any) -> Callable[[], Json]:
        """Get ready for an act; what is returned does it and waits for its end, in a thread of its own."""
        ...

    def say(self, name: str) -> None:
        """Say ``renew``, ``let_go`` or ``abort`` to the act under way, if there is one."""
        ...

    def look(self, *, busy: bool) -> Json:
        """Return its state and place now."""
        ...


class KeptReach:
    """A machine that a keeper holds.

    Parameters
    ----------
    acts, hands : Line
        Two lines to it: one waits for the end of acts.
    """

    def __init__(self, acts: Line, hands: Line) -> None:
        self._acts = acts
        self._hands = hands

    def ready(self, name: str, **args: Any) -> Callable[[], Json]:
        """Get ready to ask for an act; the keeper gives it an operator."""
        return lambda: self._acts.ask(name, **args)

    def say(self, name: str) -> None:
        """Say something to the act under way."""
        # an act that has just ended needs no hand
        with contextlib.suppress(RefusedError):
            self._hands.ask(name, limit_s=ANSWER_S)

    def look(self, *, busy: bool) -> Json:
        """Ask the keeper."""
        del busy
        return self._hands.ask("status", limit_s=ANSWER_S)


class OpenedReach:
    """A machine whose port this process has opened.

    Parameters
    ----------
    session : Opened
    """

    def __init__(self, session: Opened) -> None:
        from fabctl.stream.stops import Operator

        self._session = session
        self._operator = Operator(session.wake)

    def ready(self, name: str, **args: Any) -> Callable[[], Json]:
        """Get ready for an act: what is said from now on is said to it."""
        from fabctl.stream.stops import Operator

        operator = self._operator = Operator(self._session.wake)
        return lambda: self._session.act(name, operator, **args)

    def say(self, name: str) -> None:
        """Say something to the act under way."""
        getattr(self._operator, name)()

    def look(self, *, busy: bool) -> Json:
        """Ask the controller; while an act asks it already, say what that has heard."""
        if not busy:
            return self.ready("where")()
        link = self._session.link
        state = link.connection.state
        return {"state": state.value if state is not None else "unknown", **link.place}


class Doing:
    """One act in a thread of its own.

    Parameters
    ----------
    reach : Reach
    key : Key
        Which asked for it.
    name : str
    **args
        What the act needs.
    """

    def __init__(self, reach: Reach, key: Key, name: str, **args: Any) -> None:
        self.key = key
        self.lasts = name == "jog_along"
        self.told_s = time.monotonic()
        self.let_go = False
        self.found: Json | None = None
        self.error: BaseException | None = None
        act = reach.ready(name, **args)
        self._thread = threading.Thread(target=self._do, args=(act,), name="jog", daemon=True)
        self._thread.start()

    def _do(self, act: Callable[[], Json]) -> None:
        try:
            self.found = act()
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            self.error = error

    def over(self, wait_s: float = 0.0) -> bool:
        """Return whether it has ended, waiting for that so long."""
        if wait_s:
            self._thread.join(wait_s)
        return not self._thread.is_alive()


class Keys:
    """The keyboard as a hand control of one machine.

    Parameters
    ----------
    machine : Machine
    reach : Reach
    keyboard : Keyboard
    feed_mm_min : float, optional
        The fastest that may be chosen; what the axes can when left out.
    """

    def __init__(
        self, machine: Machine, reach: Reach, keyboard: Keyboard, feed_mm_min: float | None = None
    ) -> None:
        self._machine = machine
        self._reach = reach
        self._keyboard = keyboard
        self._feed_mm_min = feed_mm_min
        self._finger = HeldKey()
        self._step = FIRST_STEP
        # a feed that was named is meant
        self._share = FIRST_SHARE if feed_mm_min is None else len(SHARES) - 1
        self._doing: Doing | None = None
        self._looked_s = 0.0
        self.gone = False

    def obey(self, ending: Ending) -> None:
        """Obey the keys until the operator leaves, or is lost; the machine stands then.

        Parameters
        ----------
        ending : Ending
            Whether a signal asks to end.

        Raises
        ------
        LinkError
            When the machine was stopped, or cannot be reached any more.
        """
        try:
            while not ending.asked and self._typed(self._keyboard.read(TURN_S)):
                self._mind()
                self._show()
        finally:
            self._leave()

    def _typed(self, keys: list[Key]) -> bool:
        """Take in keys; False when it is time to leave."""
        now_s = time.monotonic()
        if Key.GONE in keys:
            self.gone = True
            return False
        if Key.STOP in keys or Key.QUIT in keys:
            self._stop(now_s)
            return Key.QUIT not in keys
        for key in keys:
            self._step = _moved(self._step, key, Key.MORE, Key.LESS, len(STEPS_MM))
            self._share = _moved(self._share, key, Key.FASTER, Key.SLOWER, len(SHARES))
        # keys that lay waiting are one: what was typed in advance is not made up for
        if moves := [key for key in keys if key in DIRECTIONS]:
            self._finger.arrived(moves[-1], now_s)
            if self._doing is not None and self._doing.lasts and self._finger.held(now_s) is self._doing.key:
                self._reach.say("renew")
        return True

    def _stop(self, now_s: float) -> None:
        self._finger.stop(now_s)
        if self._doing is not None:
            self._doing.let_go = True
            self._reach.say("let_go")

    def _mind(self) -> None:
        """See what has ended, what goes on, and what is to begin."""
        doing, now_s = self._doing, time.monotonic()
        if doing is None:
            self._begin(now_s)
        elif doing.over():
            self._doing = None
            self._ended(doing, now_s)
        elif doing.lasts and self._finger.held(now_s) is not doing.key and not doing.let_go:
            doing.let_go = True
            self._reach.say("let_go")
        elif not doing.lasts and not doing.let_go and now_s - doing.told_s > ALIVE_S:
            doing.told_s = now_s
            self._reach.say("renew")

    def _begin(self, now_s: float) -> None:
        tapped = self._finger.tapped(now_s)
        if (held := self._finger.held(now_s)) is not None:
            args = {"direction": DIRECTIONS[held], "feed_mm_min": self._feed(held)}
            self._doing = Doing(self._reach, held, "jog_along", **args)
        elif tapped is not None:
            way = [part * STEPS_MM[self._step] for part in DIRECTIONS[tapped]]
            self._doing = Doing(
                self._reach, tapped, "jog", way_mm=way, feed_mm_min=self._feed(tapped), held=True
            )

    def _ended(self, doing: Doing, now_s: float) -> None:
        if isinstance(doing.error, RefusedError):
            self._finger.stop(now_s)
            _say("\r\n" + str(doing.error))
        elif doing.error is not None:
            raise doing.error
        elif doing.found is not None and doing.found.get("at_end"):
            # a key that stays down does not go on from there: not homed, the next stretch needs a look
            self._finger.stop(now_s)
            _say("\r\n" + _("no farther in one go: let go and press again, or this is the end of the travel"))

    def _leave(self) -> None:
        """Cancel what goes on and wait until the machine stands; what does not end is held and reset."""
        from fabctl.stream.limits import braking_limit_s

        doing, self._doing = self._doing, None
        if doing is None:
            return
        for word in ("let_go", "abort", "reset"):
            # without its keeper nothing can be said, and its guard has stopped the machine
            with contextlib.suppress(LinkError):
                self._reach.say(word)
            if doing.over(braking_limit_s(self._machine) + ANSWER_S):
                break
        if doing.error is not None and not isinstance(doing.error, RefusedError):
            raise doing.error

    def _feed(self, key: Key) -> float:
        from fabctl.stream.jog import pace_of

        fastest = pace_of(self._machine, DIRECTIONS[key], self._feed_mm_min).feed_mm_min
        return max(1.0, round(fastest * SHARES[self._share], 1))

    def _show(self) -> None:
        """Keep one line true: state, place, step, feed and how far the machine runs on."""
        now_s = time.monotonic()
        if now_s - self._looked_s < LOOK_S:
            return
        self._looked_s = now_s
        seen = self._reach.look(busy=self._doing is not None)
        if not sys.stderr.isatty():
            return
        from fabctl.stream.jog import pace_of

        pace = pace_of(self._machine, DIRECTIONS[Key.RIGHT], self._feed(Key.RIGHT))
        run_on = pace.feed_mm_min / 60 * LATE_S + pace.braking_mm
        text = _("{state}  {place}  step {step:g} mm  held {feed:g} mm/min, runs on {run_on:.1f} mm").format(
            state=seen["state"],
            place=place_words(seen["work_mm"]),
            step=STEPS_MM[self._step],
            feed=pace.feed_mm_min,
            run_on=run_on,
        )
        width = shutil.get_terminal_size().columns - 1
        with contextlib.suppress(OSError):
            click.echo("\r" + text[:width].ljust(width), nl=False, err=True)


def _moved(at: int, key: Key, more: Key, less: Key, count: int) -> int:
    return min(count - 1, max(0, at + (key is more) - (key is less)))


def _say(text: str) -> None:
    """Say something on a terminal that may be gone."""
    with contextlib.suppress(OSError):
        say(text)


@contextlib.contextmanager
def _within_reach(machine: Machine, through: str) -> Iterator[Reach]:
    from fabctl.daemon.client import Line

    if through == KEPT:
        with Line(machine.name) as acts, Line(machine.name) as hands:
            yield KeptReach(acts, hands)
    elif through.startswith(SIM):
        with _in_real_time(machine, through) as url, opened_at(machine, url) as session:
            yield OpenedReach(session)
    else:
        with opened_at(machine, through) as session:
            yield OpenedReach(session)


@contextlib.contextmanager
def _in_real_time(machine: Machine, through: str) -> Iterator[str]:
    """Serve a virtual machine whose clock is that of the person at the keys."""
    from fabctl.sim.controller import Options
    from fabctl.sim.plant import Wiring
    from fabctl.sim.serve import serve_socket

    if through != SIM:
        raise InputError(
            "a virtual controller with faults has a clock of its own",
            place=through,
            remedy="serve it in real time: `fabctl machine sim`, and name its address as --port",
        )
    options = Options(wiring=Wiring(switches=machine.homing), start_mm=machine.homed_mm)
    with serve_socket(machine.settings(), options) as served:
        yield served.url


def jog_by_keys(machine: Machine, through: str, feed_mm_min: float | None = None) -> Json:
    """Jog a machine with the keys of the terminal until the operator leaves, and say where it stands.

    Parameters
    ----------
    machine : Machine
    through : str
        As `demand_free` said: the port a person agreed to.
    feed_mm_min : float, optional
        The fastest that may be chosen.

    Raises
    ------
    InputError
        When standard input is no terminal.
    FabctlError
        When the machine cannot be reached, or was stopped.
    """
    # the terminal is asked first: nothing homes for someone who cannot be heard
    with keys_of_terminal() as keyboard, noting() as ending, _within_reach(machine, through) as reach:
        say(HELP)
        keys = Keys(machine, reach, keyboard, feed_mm_min)
        keys.obey(ending)
        if keys.gone or ending.asked == "SIGHUP":
            # nobody is left to read anything
            raise click.exceptions.Exit(LinkError.exit_code)
        seen = reach.look(busy=False)
    say("")
    return seen


def demand_keys(moves: tuple[str, ...], *, json_: bool) -> None:
    """Refuse what has no meaning beside the keys.

    Raises
    ------
    InputError
        When steps are named too, JSON is asked for, or nobody is there to press a key.
    """
    if moves or json_:
        raise InputError(
            f"--keys beside {'--json' if json_ else ' '.join(moves)}",
            remedy="leave one of them out: the keys say where to go, and a screen says where it stands",
        )
    demand_terminal()


def tell_place(seen: Json) -> None:
    """Say where the machine stands, on stdout."""
    click.echo(facts({"stands": place_words(seen["work_mm"]), "machine": place_words(seen["mpos_mm"])}))
