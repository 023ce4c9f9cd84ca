"""Acts by hand as requests: plain values in, what `fabctl.stream` knows done, plain values out.

What comes in was written by another process: it is checked here, at the door.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import asdict
from typing import Any, TypeVar

from fabctl.daemon.bench import Bench, Json
from fabctl.errors import InputError
from fabctl.stream.frame import FEED_MM_MIN, Box, trace_box
from fabctl.stream.jog import DeadMan, jog_along, jog_step
from fabctl.stream.manual import by_hand
from fabctl.stream.override import set_overrides
from fabctl.stream.prepare import home_machine
from fabctl.stream.probe import Feeler, measure_tool, touch_plate
from fabctl.stream.replies import Point
from fabctl.stream.run import Hooks
from fabctl.stream.survey import Grid, survey
from fabctl.stream.touch import touch_off
from fabctl.stream.unlock import Stand, unlock

Result = TypeVar("Result")
Act = Callable[[Bench, Json], Awaitable[Json]]


async def _home(bench: Bench, args: Json) -> Json:
    del args
    act = home_machine(bench.link, bench.machine, bench.controller.settings, _hooks(bench))
    await _done(bench, act)
    return {"homed": bench.link.homed, **bench.link.place}


async def _jog(bench: Bench, args: Json) -> Json:
    way, feed = _point(args, "way_mm"), _optional(args, "feed_mm_min")
    key = _key(bench) if args.get("held") else None
    return asdict(await _done(bench, jog_step(bench.link, bench.machine, way, feed, key)))


def _key(bench: Bench) -> DeadMan:
    """Return a key that is held from now on, and renewed or let go by the operator's hand."""
    key = DeadMan(bench.link.port.clock_s)
    key.renew()
    bench.operator.key = key
    return key


async def _jog_along(bench: Bench, args: Json) -> Json:
    key = _key(bench)
    way, feed = _point(args, "direction"), _optional(args, "feed_mm_min")
    return asdict(await _done(bench, jog_along(bench.link, bench.machine, way, key, feed)))


async def _zero(bench: Bench, args: Json) -> Json:
    given = args.get("here_mm")
    if not isinstance(given, dict):
        raise _wrong("here_mm", given)
    here = {str(axis): _number(value, "here_mm") for axis, value in given.items()}
    act = touch_off(bench.link, bench.machine, here, _system(args), _hooks(bench))
    return asdict(await _done(bench, act))


async def _probe(bench: Bench, args: Json) -> Json:
    act = touch_plate(
        bench.link,
        bench.machine,
        _number(args.get("plate_mm", 0.0), "plate_mm"),
        _feeler(args),
        axis=_axis(args),
        sense=1 if _number(args.get("sense", -1), "sense") > 0 else -1,
        system=_system(args),
        hooks=_hooks(bench),
    )
    return asdict(await _done(bench, act))


async def _measure(bench: Bench, args: Json) -> Json:
    act = measure_tool(
        bench.link,
        bench.machine,
        _feeler(args),
        reference_mm=_optional(args, "reference_mm"),
        system=_system(args),
        hooks=_hooks(bench),
    )
    return asdict(await _done(bench, act))


async def _frame(bench: Bench, args: Json) -> Json:
    box = Box(_pair(args, "low_mm"), _pair(args, "high_mm"), _number(args.get("height_mm"), "height_mm"))
    feed = _optional(args, "feed_mm_min") or FEED_MM_MIN
    return asdict(await _done(bench, trace_box(bench.link, bench.machine, box, feed)))


async def _survey(bench: Bench, args: Json) -> Json:
    grid = Grid(
        _pair(args, "low_mm"),
        _pair(args, "high_mm"),
        whole_number(args.get("columns"), "columns"),
        whole_number(args.get("rows"), "rows"),
        _number(args.get("above_mm"), "above_mm"),
        _number(args.get("below_mm"), "below_mm"),
    )

    def _told(done: int, of: int) -> None:
        bench.tell({"event": "survey", "done": done, "of": of})

    return asdict(await _done(bench, survey(bench.link, bench.machine, grid, _feeler(args), _told)))


async def _where(bench: Bench, args: Json) -> Json:
    del args
    status = await bench.link.fresh_status()
    return {"state": status.state.value, "homed": bench.link.homed, **bench.link.place}


async def _unlock(bench: Bench, args: Json) -> Json:
    try:
        stand = Stand(str(args.get("position")))
    except ValueError as error:
        raise _wrong("position", args.get("position")) from error
    mpos = await _done(bench, unlock(bench.link, bench.machine, stand, _hooks(bench)))
    return {"position": stand.value, "mpos_mm": mpos}


async def _override(bench: Bench, args: Json) -> Json:
    found = {name: args.get(name) for name in ("feed", "rapid", "speed")}
    shares = {name: whole_number(value, name) for name, value in found.items() if value is not None}
    return asdict(await _done(bench, set_overrides(bench.link, **shares)))


ACTS: dict[str, Act] = {
    "home": _home,
    "jog": _jog,
    "jog_along": _jog_along,
    "zero": _zero,
    "probe": _probe,
    "measure": _measure,
    "frame": _frame,
    "survey": _survey,
    "unlock": _unlock,
    "where": _where,
    "override": _override,
}
"""Each act: what it is called, and what does it."""


async def _done(bench: Bench, act: Coroutine[Any, Any, Result]) -> Result:
    """Do an act; however it is stopped, by the table, becomes the error its end state asks for."""
    ended = await by_hand(bench.link, bench.machine, act, bench.operator)
    error = ended.error(bench.machine)
    if error is not None:
        raise error
    return ended.value  # type: ignore[return-value]  # done has a value, None where the act has none


def _hooks(bench: Bench) -> Hooks:
    def _told(kind: str, facts: Any) -> None:
        bench.tell({"event": "phase", "kind": kind, "facts": dict(facts)})

    return Hooks(operator=bench.operator, transition=_told)


def _feeler(args: Json) -> Feeler:
    given = args.get("feeler") or {}
    known = set(asdict(Feeler()))
    if not isinstance(given, dict) or not set(given) <= known:
        raise _wrong("feeler", given)
    return Feeler(**{name: _number(value, name) for name, value in given.items()})


def _system(args: Json) -> str:
    return str(args.get("system", "G54"))


def _axis(args: Json) -> str:
    axis = args.get("axis", "Z")
    if axis not in {"X", "Y", "Z"}:
        raise _wrong("axis", axis)
    return str(axis)


def _point(args: Json, key: str) -> Point:
    x, y, z = _numbers(args, key, 3)
    return x, y, z


def _pair(args: Json, key: str) -> tuple[float, float]:
    x, y = _numbers(args, key, 2)
    return x, y


def _numbers(args: Json, key: str, count: int) -> list[float]:
    given = args.get(key)
    if not isinstance(given, (list, tuple)) or len(given) != count:
        raise _wrong(key, given)
    return [_number(value, key) for value in given]


def _optional(args: Json, key: str) -> float | None:
    return None if args.get(key) is None else _number(args[key], key)


def whole_number(value: object, key: str) -> int:
    """Take a whole number that came from another process.

    Parameters
    ----------
    value : object
    key : str
        What it was called.

    Raises
    ------
    InputError
        When it is none.

    Examples
    --------
    >>> whole_number(80, "feed")
    80
    """
    number = _number(value, key)
    if number != int(number):
        raise _wrong(key, value)
    return int(number)


def _number(value: object, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _wrong(key, value)
    return float(value)


def _wrong(key: str, value: object) -> InputError:
    return InputError(f"{str(value)[:60]!r} is none", place=key, remedy="use a fabctl of the same version")
