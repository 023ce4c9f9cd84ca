"""What a machine knows of a run that has ended by name, and every promise that is asked of such an end."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.fault_jobs import Setup
from fabctl.sim.faults import Count, Kind, Seen
from fabctl.sim.trace import Kind as Motion
from fabctl.sim.trace import Trace
from fabctl.stream.run import RunResult
from fabctl.stream.stops import Cause, EndState
from fabctl.toolpath.flatten import flatten_moves
from fabctl.toolpath.trace import deviation

ALLOWED_MM = 0.05
"""Steps, chords and printed digits: nearer is on the path."""
STANDING_S = 0.3
CHORD_MM = 0.005
LOOK_S = 0.12
"""Between two looks at a run; a move that leaves the path and comes back within it is seen by nobody."""
NOTICE_S = 0.15
REFUSED = "refused"
NEWLINE = b"\n"

Floats = NDArray[np.float64]


@dataclass
class Verdict:
    """How a run ended, and what is wrong with that.

    Parameters
    ----------
    end : str
        An end state, or ``refused`` before anything moved.
    cause : str
    lies : list of str
        Promises broken; there must be none.
    off_mm : float
        A run that ended as done: how far its true path was from the plan, in order.
    unseen_power, unseen_feed : bool
        A run that ended as done with another power or feed than planned.
    away_mm : float
        Any run: how far the tool was from every place of the plan at most.
    away_share : float
        That distance as a share of v²/2a + 0.15 s·v of the machine, which bounds it.
    beam_s : float
        Longest time the beam was on while the head stood, s.
    deaf_host : bool
        The fault took the controller from the host: nothing it sends has an effect, or it does not run.
    head : bool or None
        What the run says of the head: off, on, or not seen.
    """

    end: str
    cause: str = ""
    lies: list[str] = field(default_factory=list)
    off_mm: float = 0.0
    unseen_power: bool = False
    unseen_feed: bool = False
    away_mm: float = 0.0
    away_share: float = 0.0
    beam_s: float = 0.0
    deaf_host: bool = False
    head: bool | None = None
    reason: str = ""


@dataclass(frozen=True)
class Reference:
    """The same job on a clean wire.

    Parameters
    ----------
    sizes : dict of Count to float
        How much of each was counted in the whole run.
    started : dict of Count to float
        How much before the first line of the program.
    plan : (k, 3) float
        The planned path, work coordinates, mm.
    power, speed : (n,) float
        Largest on each move.
    length_s : float
    """

    sizes: dict[Count, float]
    started: dict[Count, float]
    plan: Floats
    power: Floats
    speed: Floats
    length_s: float


def plan_of(job: Setup) -> Floats:
    """Return the planned path of a job, work coordinates, mm."""
    here = np.array(job.here_mm)
    return np.vstack((here, flatten_moves(job.job.moves, here, CHORD_MM)[0]))


def way_of(trace: Trace, since_s: float) -> tuple[Floats, Floats, Floats]:
    """Return the true path since a time in work coordinates, and power and speed up to each vertex."""
    first = max(int(np.searchsorted(trace.time_s, since_s, side="right")) - 1, 0)
    times, offsets = trace.offset_changes
    zero = offsets[max(int(np.searchsorted(times, since_s, side="right")) - 1, 0)]
    way = trace.xyz_mm[first:] - zero
    spent_s = np.diff(trace.time_s[first:], prepend=np.nan)
    made = np.linalg.norm(np.diff(way, axis=0, prepend=way[:1]), axis=1)
    speed = made / np.where(spent_s > 0, spent_s, np.inf)
    return way, trace.power[first:], speed


def peaks_on(job: Setup, way: Floats, power: Floats, speed: Floats) -> tuple[Floats, Floats]:
    """Find the largest power and speed on each move, by the length along the way."""
    moves, here = job.job.moves, np.array(job.here_mm)
    plan = np.concatenate(([0.0], np.cumsum(lengths_mm(moves, here))))
    along = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(way, axis=0), axis=1))))
    along *= plan[-1] / max(along[-1], 1e-9)
    middle = np.concatenate(([0.0], (along[1:] + along[:-1]) / 2))
    move = np.clip(np.searchsorted(plan, middle, side="right") - 1, 0, len(moves) - 1)
    moving = np.append(False, np.diff(along) > 0)
    highest = [np.zeros(len(moves)), np.zeros(len(moves))]
    for peak, values in zip(highest, (power, speed), strict=True):
        np.maximum.at(peak, move[moving], values[moving])
    return highest[0], highest[1]


def lengths_mm(moves: NDArray[np.void], here: Floats) -> Floats:
    begin = np.vstack((here, moves["xyz"][:-1]))
    chord = np.linalg.norm(moves["xyz"] - begin, axis=1)
    radius = np.linalg.norm(moves["ij"], axis=1)
    # all arcs of these jobs are shorter than half a circle
    half = np.clip(chord / np.maximum(2 * radius, 1e-12), 0, 1)
    return np.asarray(np.where(radius > 0, 2 * radius * np.arcsin(half), chord), np.float64)


@dataclass(frozen=True)
class Witness:
    """What a machine knows of a run that has ended.

    Parameters
    ----------
    trace : Trace
        Up to long after the end.
    started_s : float
        When the first line of the program could leave, on the machine's clock; infinity when none did.
    after_mm : float
        How far it moved after the end was named.
    deaf : bool
        The fault took the controller from the host: nothing it sends has an effect, or it does not run.
    head_on : bool
    banner_s : float
        When the host heard a banner it had not asked for; infinity when it did not.
    late : bytes
        All lines of the host after that.
    """

    trace: Trace
    started_s: float
    after_mm: float
    deaf: bool
    head_on: bool
    banner_s: float = math.inf
    late: bytes = b""


@dataclass
class Judge:
    """All that is asked of a run that ended by name."""

    job: Setup
    clean: Reference
    witness: Witness
    kind: Kind | None
    deed: str = ""

    def judge(self, result: RunResult) -> Verdict:
        """Compare what a run says of its end with what the machine knows."""
        verdict = Verdict(
            result.end_state.value, result.cause.value, head=result.head_off, reason=result.reason
        )
        verdict.deaf_host = self.witness.deaf
        self._after_the_end(result, verdict)
        self._restart(verdict)
        self._path(result, verdict)
        self._beam(verdict)
        self._head(result, verdict)
        return verdict

    @property
    def _unseen(self) -> bool:
        """Whether the fault is one that Grbl itself does not know of."""
        return self.kind is not None and self.kind.seen is Seen.NEVER

    def _after_the_end(self, result: RunResult, verdict: Verdict) -> None:
        """Nothing moves after the end was named."""
        if self.witness.after_mm > 0 and not verdict.deaf_host and result.head_off is not None:
            verdict.lies.append("it moved after its end")
        if result.end_state is EndState.KNOWN and not self._unseen:
            off = math.dist(result.mpos_mm or (math.inf,) * 3, self.witness.trace.xyz_mm[-1])
            if off > ALLOWED_MM:
                verdict.lies.append(f"position known, and {off:.3f} mm wrong")

    def _restart(self, verdict: Verdict) -> None:
        """After a banner nobody asked for, no line leaves and nothing moves."""
        banner_s = self.witness.banner_s
        if not math.isfinite(banner_s):
            return
        if NEWLINE in self.witness.late and math.isfinite(self.witness.started_s):
            verdict.lies.append("a line was sent after an unasked banner")
        trace = self.witness.trace
        made = np.linalg.norm(np.diff(trace.xyz_mm, axis=0, prepend=trace.xyz_mm[:1]), axis=1)
        # Grbl lets prepared steps of homing run out, 50 ms of them, when a reset comes between two passes
        homing = trace.kind == Motion.HOMING
        late = (trace.time_s > banner_s + 0.1) & (made > 0) & ~homing
        if late.any():
            verdict.lies.append("it moved after an unasked banner")

    def _path(self, result: RunResult, verdict: Verdict) -> None:
        if not math.isfinite(self.witness.started_s):
            return
        way, power, speed = way_of(self.witness.trace, self.witness.started_s)
        if not self.job.machine.has_z:
            # nothing hangs on that motor
            way = way * (1.0, 1.0, 0.0)
        verdict.away_mm = _farthest_mm(way, self.clean.plan)
        verdict.away_share = verdict.away_mm / self._bound_mm(braking=True)
        if result.end_state is not EndState.DONE or self._unseen:
            return
        here = np.array(self.job.here_mm)
        verdict.off_mm = deviation(np.vstack((here, way)), self.job.job.moves, here).max_mm
        if verdict.off_mm > ALLOWED_MM + self._bound_mm(braking=False):
            verdict.lies.append(f"done, and {verdict.off_mm:.3f} mm off the path")
        if self.kind is None or self.kind.count is not Count.SENT or self.deed:
            return
        found = peaks_on(self.job, way, power, speed)
        long_enough = lengths_mm(self.job.job.moves, here) > 0.3
        for planned, true, what in zip(
            (self.clean.power, self.clean.speed), found, ("power", "feed"), strict=True
        ):
            differs = np.abs(true - planned) > 0.05 * planned.max() + 1e-9
            setattr(verdict, f"unseen_{what}", bool((differs & long_enough).any()))

    def _bound_mm(self, *, braking: bool) -> float:
        """How far this machine comes before a look shows it: out and back, or out and braked."""
        machine = self.job.machine
        speed = math.hypot(*machine.max_rate_mm_min[:2]) / 60
        if not braking:
            return speed * LOOK_S / 2
        return speed**2 / 2 / min(machine.acceleration_mm_s2[:2]) + NOTICE_S * speed

    def _beam(self, verdict: Verdict) -> None:
        if self.job.machine.head.kind != "laser":
            return
        trace = self.witness.trace
        standing = (trace.kind == Motion.STAND) & (trace.power > 0)
        spans = np.diff(trace.time_s, prepend=0.0) * standing
        groups = itertools.groupby(
            zip(standing.tolist(), spans.tolist(), strict=True), key=lambda pair: pair[0]
        )
        verdict.beam_s = max((sum(s for _, s in group) for on, group in groups if on), default=0.0)
        if verdict.beam_s > STANDING_S and not verdict.deaf_host:
            verdict.lies.append(f"the beam stood for {verdict.beam_s:.2f} s")

    def _head(self, result: RunResult, verdict: Verdict) -> None:
        if self.witness.head_on and result.head_off is True:
            verdict.lies.append("the head is on and was said to be off")
        if result.end_state is EndState.DONE and result.head_off is not True:
            verdict.lies.append("done, and the head not seen to be off")
        if result.end_state is EndState.DONE and result.cause is not Cause.DONE:
            verdict.lies.append("done for another cause")


def _farthest_mm(points: Floats, path: Floats) -> float:
    """Largest distance of any point to a polyline, in no order, mm."""
    begin, along = path[:-1], np.diff(path, axis=0)
    square = np.maximum(np.sum(along * along, axis=1), 1e-30)
    worst = 0.0
    for few in np.array_split(points, max(1, len(points) // 200)):  # blocks, for memory
        to = few[:, None, :] - begin
        share = np.clip(np.sum(to * along, axis=2) / square, 0, 1)
        worst = max(worst, float(np.linalg.norm(to - along * share[..., None], axis=2).min(axis=1).max()))
    return worst
