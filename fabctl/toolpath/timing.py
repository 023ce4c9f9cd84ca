"""Motion timing: how long a controller takes for every move, and what it waits for.

The estimate plans the whole job as the controller will (`fabctl.toolpath.planner`), so length ÷ feed, which
is wrong by tens of percent on short segments, appears nowhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fabctl.errors import InputError
from fabctl.toolpath.moves import CHUNK_MOVES, DWELL, MOVE, RAPID, Bools, Floats, Ints, Moves, lengths, starts
from fabctl.toolpath.planner import (
    CHUNK_BLOCKS,
    Blocks,
    ControllerCost,
    Kinematics,
    give_speeds,
    lay_out,
    stops_cost_s,
)

__all__ = ["ControllerCost", "Kinematics", "Timing", "energy_j", "estimate", "homing_s", "remaining_s"]


@dataclass(frozen=True)
class Timing:
    """How long a job takes, and why.

    Parameters
    ----------
    move_s : (n,) float64
        Time of each move; a stop before a move counts with the move.
    entry_mm_min, cruise_mm_min, exit_mm_min : (n,) float64
        Speed at the start of each move, at its fastest and at its end; 0 where nothing moves.
    blocks : Blocks
        The planner's blocks, an arc's chords one by one.
    stops : int
        Times the machine stands still between moves because the planner ran empty.
    stop_s : float
        What those stops cost: braking, waiting and starting again, dwells apart.
    starved : (n,) bool
        Moves the controller's own slowness or the link holds up.
    starved_s : float
        What that costs.
    bites : tuple of str
        Sentences for a person: what makes this job slow and what to do about it.
    """

    move_s: Floats
    entry_mm_min: Floats
    cruise_mm_min: Floats
    exit_mm_min: Floats
    blocks: Blocks
    stops: int
    stop_s: float
    starved: Bools
    starved_s: float
    bites: tuple[str, ...]

    @property
    def total_s(self) -> float:
        """The whole job, s, from the first step to the last or to the end of a last dwell."""
        return float(self.move_s.sum())

    @property
    def starved_share(self) -> float:
        """Share of the moves that wait for the controller, 0..1."""
        return float(self.starved.mean()) if len(self.starved) else 0.0

    def at_s(self) -> Floats:
        """Return when each move ends, (n,) s from the job's start."""
        return np.cumsum(self.move_s)

    def profile(self) -> tuple[Floats, Floats]:
        """Return the planned speed over time as corners of a polyline: times (4·b,) s, speeds (4·b,) mm/min.

        Stops appear as their instant only and starvation not at all: it is the planner's own view.
        """
        b = self.blocks
        up = (b.peak_mm_s - b.entry_mm_s) / b.acceleration_mm_s2
        down = (b.peak_mm_s - b.exit_mm_s) / b.acceleration_mm_s2
        whole = b.seconds()
        begin = np.cumsum(whole) - whole
        times = np.stack((begin, begin + up, np.maximum(begin + whole - down, begin + up), begin + whole), 1)
        speeds = np.stack((b.entry_mm_s, b.peak_mm_s, b.peak_mm_s, b.exit_mm_s), 1) * 60
        return times.ravel(), speeds.ravel()


def estimate(
    moves: Moves,
    start: NDArray[np.float64],
    kinematics: Kinematics,
    *,
    sync: Bools | None = None,
    line_chars: Ints | None = None,
    feed_override: float = 1.0,
    rapid_override: float = 1.0,
) -> Timing:
    """Time every move as the controller will make it.

    Parameters
    ----------
    moves : (n,) MOVE
    start : (3,) float64
        Where the tool point stands, mm.
    kinematics : Kinematics
    sync : (n,) bool, optional
        Moves before which some word empties the planner (M3, M5, M8, G10, G54 …). Dwells, and changes of
        power where ``$32=0``, do so by themselves.
    line_chars : (n,) int64, optional
        Characters of each move's line; taken from the values when absent. Counts only with
        ``kinematics.cost``.
    feed_override, rapid_override : float
        1 is as programmed; feeds stay below the axes' rates.

    Returns
    -------
    Timing

    Raises
    ------
    InputError
        When a coordinate, feed or dwell is not finite, or a cutting move has no feed.

    Notes
    -----
    On the golden jobs of the tests within 0.5 % or 60 ms a start. A million lines take about a second.

    Examples
    --------
    >>> from fabctl.toolpath.moves import FEED, MOVE
    >>> moves = np.zeros(1, MOVE)
    >>> moves["motion"], moves["xyz"], moves["feed"] = FEED, (100, 0, 0), 1500
    >>> machine = Kinematics((80, 80, 400), (10000, 10000, 1000), (1200, 1200, 100))
    >>> round(estimate(moves, np.zeros(3), machine).total_s, 3)
    4.021
    """
    _check(moves, start)
    rest = _rests(moves, kinematics, sync)
    layout = lay_out(moves, start, kinematics, feed_override=feed_override, rapid_override=rapid_override)
    blocks = give_speeds(layout, rest, kinematics.look_ahead_blocks)
    block_s = blocks.seconds()
    count = len(moves)
    move_s = np.bincount(blocks.move, block_s, minlength=count)
    waits = _dwell_s(moves, kinematics)
    stop_s = 0.0
    stops = blocks.move[blocks.rest][1:]
    if len(stops):
        idle_s = kinematics.idle_s + kinematics.sync_s
        stop_s = stops_cost_s(layout, blocks, kinematics.look_ahead_blocks) + idle_s * len(stops)
        waits += np.bincount(stops, minlength=count) * idle_s
    held: Floats = np.zeros(count)
    if kinematics.cost is not None:
        held = np.bincount(
            blocks.move,
            _held_s(blocks, block_s, waits, _line_s(moves, start, kinematics.cost, line_chars), kinematics),
            minlength=count,
        ).astype(np.float64)
    # Less than a tenth of a millisecond is rounding, not waiting.
    starved = held > 1e-4
    total_s = float(move_s.sum() + waits.sum() + held.sum())
    entry, cruise, leave = _speeds_mm_min(blocks, count)
    return Timing(
        move_s=move_s + waits + held,
        entry_mm_min=entry,
        cruise_mm_min=cruise,
        exit_mm_min=leave,
        blocks=blocks,
        stops=len(stops),
        stop_s=stop_s,
        starved=starved,
        starved_s=float(held.sum()),
        bites=_bites(kinematics, total_s, len(stops), stop_s, starved, float(held.sum())),
    )


def remaining_s(
    moves: Moves,
    start: NDArray[np.float64],
    kinematics: Kinematics,
    *,
    done: int,
    sync: Bools | None = None,
    feed_override: float = 1.0,
    rapid_override: float = 1.0,
) -> float:
    """Estimate what is left of a job after its first moves, under the overrides of this moment.

    Parameters
    ----------
    moves : (n,) MOVE
    start : (3,) float64
        mm.
    kinematics : Kinematics
    done : int
        Moves already made.
    sync : (n,) bool, optional
        As for `estimate`.
    feed_override, rapid_override : float
        1 is as programmed.

    Returns
    -------
    float
        s, as if the machine started the next move from rest.
    """
    done = min(max(done, 0), len(moves))
    here = starts(moves, start)[done] if done < len(moves) else start
    rest = estimate(
        moves[done:],
        here,
        kinematics,
        sync=None if sync is None else sync[done:],
        feed_override=feed_override,
        rapid_override=rapid_override,
    )
    return rest.total_s


def homing_s(
    kinematics: Kinematics,
    distance_mm: tuple[float, float, float],
    *,
    seek_mm_min: float,
    locate_mm_min: float,
    pull_off_mm: float,
    debounce_s: float = 0.25,
) -> float:
    """Estimate Grbl's homing: Z alone, then X with Y; seek, pull off, locate, pull off.

    Parameters
    ----------
    kinematics : Kinematics
    distance_mm : (3,) float
        Way of each axis to its switch; the travel is the longest it can be.
    seek_mm_min, locate_mm_min : float
        ``$25`` and ``$24``.
    pull_off_mm : float
        ``$27``.
    debounce_s : float
        ``$26``.

    Returns
    -------
    float
        s. Axes that move together are as fast as the setting says, each of them.
    """
    total = 0.0
    for axes in ((2,), (0, 1)):
        acceleration = min(kinematics.acceleration_mm_s2[axis] for axis in axes)
        limit = min(kinematics.max_rate_mm_min[axis] for axis in axes)
        seek, locate = min(seek_mm_min, limit), min(locate_mm_min, limit)
        way = max(distance_mm[axis] for axis in axes)
        # The switch cuts the ride off at speed, so seeking and locating brake in no time.
        total += way / (seek / 60) + seek / 60 / (2 * acceleration)
        total += pull_off_mm / (locate / 60) + locate / 60 / (2 * acceleration)
        total += 2 * _ride_s(pull_off_mm, seek, acceleration) + 4 * debounce_s
    return total


def energy_j(
    moves: Moves, start: NDArray[np.float64], timing: Timing, head_w: float, *, with_speed: bool = False
) -> float:
    """Integrate the power of the head over the job.

    Parameters
    ----------
    moves : (n,) MOVE
    start : (3,) float64
        mm.
    timing : Timing
        Of the same moves.
    head_w : float
        Power drawn or sent out at full scale.
    with_speed : bool
        Whether the power follows the speed, as a laser under M4: then a move's energy is its length over
        its feed, however slowly it is made, and rapids have none.

    Returns
    -------
    float
        J.
    """
    power = moves["power"]
    if not with_speed:
        return float(head_w * np.sum(power * timing.move_s))
    feed = np.where(moves["motion"] == RAPID, 0.0, moves["feed"])
    nominal_s = np.divide(lengths(moves, start) * 60, feed, out=np.zeros(len(moves)), where=feed > 0)
    return float(head_w * np.sum(power * np.minimum(nominal_s, timing.move_s)))


def _ride_s(way_mm: float, rate_mm_min: float, acceleration_mm_s2: float) -> float:
    """Time a ride from rest to rest, s."""
    speed = rate_mm_min / 60
    if way_mm < speed * speed / acceleration_mm_s2:
        return 2 * math.sqrt(way_mm / acceleration_mm_s2)
    return way_mm / speed + speed / acceleration_mm_s2


def _check(moves: Moves, start: NDArray[np.float64]) -> None:
    """Refuse what no controller could make."""
    if not np.all(np.isfinite(start)):
        raise InputError(f"the start {start} is not a place", remedy="give three finite coordinates in mm")
    cutting = (moves["motion"] != RAPID) & (moves["motion"] != DWELL)
    wrong = ~np.all(np.isfinite(moves["xyz"]), axis=1) | ~np.all(np.isfinite(moves["ij"]), axis=1)
    wrong |= cutting & ~((moves["feed"] > 0) & np.isfinite(moves["feed"]))
    wrong |= (moves["motion"] == DWELL) & (moves["ij"][:, 0] < 0)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"{int(wrong.sum())} moves cannot be timed, the first is {moves[row]}",
            place=f"move {row}",
            remedy="every coordinate must be finite and every cutting move needs a feed above 0",
        )


def _speeds_mm_min(blocks: Blocks, count: int) -> tuple[Floats, Floats, Floats]:
    """Return entry, fastest and exit speed of each move, (n,) each, mm/min."""
    blocks_of = np.bincount(blocks.move, minlength=count)
    past = np.cumsum(blocks_of)
    first, made = past - blocks_of, blocks_of > 0
    entry, cruise, leave = np.zeros(count), np.zeros(count), np.zeros(count)
    if made.any():
        entry[made] = blocks.entry_mm_s[first[made]] * 60
        cruise[made] = np.maximum.reduceat(blocks.peak_mm_s, first[made]) * 60
        leave[made] = blocks.exit_mm_s[past[made] - 1] * 60
    return entry, cruise, leave


def _rests(moves: Moves, kinematics: Kinematics, sync: Bools | None) -> Bools:
    """Say before which moves the planner runs empty."""
    rest = moves["motion"] == DWELL
    if not kinematics.laser_mode:
        power = moves["power"]
        rest = rest | np.concatenate(([False], power[1:] != power[:-1]))[: len(moves)]
    return np.asarray(rest if sync is None else rest | sync, np.bool_)


def _dwell_s(moves: Moves, kinematics: Kinematics) -> Floats:
    """Return the dwell of each move as the controller rounds it up, (n,) s."""
    step = kinematics.dwell_step_s
    asked = np.where(moves["motion"] == DWELL, moves["ij"][:, 0], 0.0)
    return np.asarray(np.ceil(asked / step - 1e-9) * step, np.float64)


def _line_s(
    moves: Moves, start: NDArray[np.float64], cost: ControllerCost, line_chars: Ints | None
) -> Floats:
    """Return what the text of each line costs the controller or the link, whichever is slower, (n,) s."""
    words, digits = np.zeros(len(moves)), np.zeros(len(moves))
    before = np.zeros(1, MOVE)
    before["motion"], before["xyz"] = RAPID, start
    for first in range(0, len(moves), CHUNK_MOVES):
        part = slice(first, first + CHUNK_MOVES)
        _count_text(np.concatenate((before, moves[part])), words[part], digits[part])
        before = moves[part][-1:]
    chars = words * 2.5 + digits + 1 if line_chars is None else line_chars.astype(np.float64)
    spent = chars * cost.char_s + words * cost.word_s + digits * cost.digit_s
    return np.asarray(np.maximum(spent, chars / cost.link_bytes_s - cost.block_s), np.float64)


def _count_text(moves: Moves, words: Floats, digits: Floats) -> None:
    """Count the words and digits of the lines of all moves but the first into two arrays."""
    own = moves[1:]
    arc = np.any(own["ij"] != 0, axis=1) & (own["motion"] != DWELL)
    columns = [(own["xyz"][:, k], moves["xyz"][1:, k] != moves["xyz"][:-1, k]) for k in range(3)]
    columns += [(own["ij"][:, k], arc) for k in range(2)]
    for column in ("motion", "feed", "power"):
        # A rapid neither says nor forgets the feed.
        value, said = own[column].astype(float), moves[column][1:] != moves[column][:-1]
        columns.append((value * (1000 if column == "power" else 1), said & (value != 0)))
    for value, said in columns:
        if not said.any():
            continue
        thousandths = np.rint(np.abs(value) * 1000).astype(np.int64)
        whole = np.searchsorted(10 ** np.arange(4, 12), thousandths, side="right") + 1
        # Zeros at the end are not written; whole-number division is the fast way to see them.
        part = 3 - sum(
            (thousandths // base * base == thousandths).astype(np.int64) for base in (10, 100, 1000)
        )
        words += said
        digits += said * (whole + part)


def _held_s(
    blocks: Blocks, block_s: Floats, waits_s: Floats, line_s: Floats, kinematics: Kinematics
) -> Floats:
    """Return how long each block waits for the controller to have it ready, (b,) s.

    A block is ready when it is parsed and planned, one after the other, and never more than the planner's
    length ahead of the motion; it is made when it is ready and the one before is done.
    """
    cost = kinematics.cost
    if cost is None or not len(block_s):
        return np.zeros(len(block_s))
    span = kinematics.look_ahead_blocks
    need, made = np.empty(len(block_s)), np.empty(len(block_s))
    in_time, last_move = len(need) > span, -1
    for first in range(0, len(need), CHUNK_BLOCKS):
        part = slice(first, first + CHUNK_BLOCKS)
        move = blocks.move[part]
        opens = np.append(last_move, move[:-1]) != move
        last_move = int(move[-1])
        spent = cost.segment_s * np.maximum(np.ceil(block_s[part] / cost.segment_span_s), 1.0)
        spent += cost.step_s * blocks.steps[part] + np.where(opens, line_s[move], 0.0)
        need[part] = spent + (cost.block_s + cost.replan_s * span)
        made[part] = block_s[part] + np.where(opens, waits_s[move], 0.0)
        seen = slice(max(first - span, 0), first + CHUNK_BLOCKS)
        in_time = in_time and _in_time(need[seen], made[seen], span)
    if in_time:
        need, made = need[:span], made[:span]
    # A recurrence that looks back both one block and a planner's length: no running minimum can do it,
    # and a plain loop takes half a second a million blocks.
    ready = done = 0.0
    finished = [0.0] * span
    waiting = [0.0] * len(need)
    for k, (n, m) in enumerate(zip(need.tolist(), made.tolist(), strict=True)):
        slot = k % span
        ready = max(ready, finished[slot]) + n
        if ready > done and k:
            waiting[k] = ready - done
        done = max(ready, done) + m
        finished[slot] = done
    held = np.zeros(len(block_s))
    held[: len(waiting)] = waiting
    return held


def _in_time(need: Floats, made: Floats, span: int) -> bool:
    """Whether any `span` blocks on end are prepared no slower than they are made."""
    ready_sum, made_sum = np.cumsum(need), np.cumsum(made)
    return bool(np.all(ready_sum[span:] - ready_sum[:-span] <= made_sum[span:] - made_sum[:-span]))


def _bites(
    kinematics: Kinematics, total_s: float, stops: int, stop_s: float, starved: Bools, starved_s: float
) -> tuple[str, ...]:
    """Say what makes the job slow."""
    said = []
    if stops and stop_s > max(1.0, 0.02 * total_s):
        remedy = (
            "use fewer dwells and head commands"
            if kinematics.laser_mode
            else "set $32=1 if the head is a laser, or change its power and dwell less often"
        )
        said.append(f"{stops} full stops for head commands and dwells cost {stop_s:.1f} s: {remedy}")
    if starved_s > max(0.1, 0.01 * total_s):
        said.append(
            f"the controller cannot keep up with {starved.mean():.0%} of the lines, which costs"
            f" {starved_s:.1f} s: merge short segments, fit arcs, or lower the feed"
        )
    return tuple(said)
