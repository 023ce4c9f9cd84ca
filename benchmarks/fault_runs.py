"""One run with one fault, and what the virtual controller's own record says of how it ended."""

from __future__ import annotations

import functools
import itertools
import math
import random
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.fault_jobs import NAMES, Setup, setup
from fabctl.errors import LinkError, RefusedError
from fabctl.sim.faults import KINDS, Count, Fault, Kind, Seen
from fabctl.sim.outputs import FULL_DUTY
from fabctl.sim.port import SimPort
from fabctl.sim.trace import Kind as Motion
from fabctl.sim.trace import Trace
from fabctl.stream.run import Hooks, Pause, Progress, RunResult
from fabctl.stream.sender import run as send
from fabctl.stream.stops import Cause, EndState, Operator
from fabctl.toolpath.flatten import flatten_moves
from fabctl.toolpath.trace import deviation

ALLOWED_MM = 0.05
"""Steps, chords and printed digits: nearer is on the path."""
STANDING_S = 0.3
CHORD_MM = 0.005
LIMIT_S = 2000.0
"""More virtual time than any end of any of these runs can take; beyond it a run hangs."""
READS = 60_000
LOOK_S = 0.12
"""Between two looks at a run; a move that leaves the path and comes back within it is seen by nobody."""
NOTICE_S = 0.15
HOST_STANDS = frozenset({"host-stall", "status-mute", "ok-late"})
"""Kinds in which the host cannot act, or is told nothing, for longer than a beam may stand."""
REFUSED = "refused"
RESET, NEWLINE = b"\x18", b"\n"

Floats = NDArray[np.float64]


class HangError(BaseException):
    """A run that does not end: no handler of the sender may keep it."""


class Recorder:
    """A port that keeps what went over it, and ends what does not end by itself.

    Parameters
    ----------
    port : SimPort
    """

    def __init__(self, port: SimPort) -> None:
        self.port = port
        self.name = port.name
        self.log: list[tuple[float, bool, bytes]] = []
        self.sizes: dict[Count, float] = dict.fromkeys(Count, 0.0)
        self._reads = 0

    def write(self, data: bytes) -> None:
        """Write, and keep it with its time."""
        self.log.append((self.port.controller.clock_s, True, data))
        self.sizes[Count.SENT] += len(data)
        self.port.write(data)

    def read(self, timeout_s: float) -> bytes:
        """Read, and keep it with its time."""
        self._reads += 1
        if self._reads > READS or self.port.controller.clock_s > LIMIT_S:
            raise HangError
        data = self.port.read(timeout_s)
        if data:
            self.log.append((self.port.controller.clock_s, False, data))
            self.sizes[Count.HEARD] += len(data)
            self.sizes[Count.ANSWERS] += data.count(b"ok\r\n")
        return data

    def clock_s(self) -> float:
        """The host's clock."""
        return self.port.clock_s()

    def close(self) -> None:
        """Close the port."""
        self.port.close()

    def unasked_banner_s(self) -> float:
        """When the host heard a banner it had not asked for, s; infinity when it did not."""
        asked = 1
        for time_s, sent, data in self.log:
            if sent:
                asked += data.count(RESET) + data.count(b"$C\n")
            elif b"Grbl 1.1h ['$' for help]" in data:
                if not asked:
                    return time_s
                asked = 0
        return math.inf

    def lines_after(self, time_s: float) -> bytes:
        """All lines written after a time; real-time bytes left out."""
        late = b"".join(data for when, sent, data in self.log if sent and when > time_s)
        return bytes(byte for byte in late if byte < 0x80 and byte not in b"\x18?!~")


@dataclass
class Hand:
    """What the operator does in a run, by the run's own seed.

    Parameters
    ----------
    dice : random.Random
    length_s : float
        How long the run takes when nothing goes wrong.
    """

    dice: random.Random
    length_s: float
    operator: Operator = field(default_factory=Operator)
    deed: str = ""
    at_s: float = math.inf
    held_s: float = math.inf
    asked: int = 0

    def __post_init__(self) -> None:
        self.deed = self.dice.choices(("", "hold", "abort", "reset"), (75, 17, 5, 3))[0]
        if self.deed:
            self.at_s = self.dice.uniform(0, self.length_s)

    def progress(self, told: Progress) -> None:
        """Hold, abort or reset once it is time; go on from a hold two seconds later."""
        operator = self.operator
        if told.elapsed_s > self.at_s:
            self.at_s, self.held_s = math.inf, told.elapsed_s + 2.0
            deeds = {"hold": operator.hold, "abort": operator.abort, "reset": operator.reset}
            deeds[self.deed]()
        elif told.elapsed_s > self.held_s and told.state in {"Hold:0", "Door:0"}:
            operator.resume()

    def arm(self, _pause: Pause) -> bool | None:
        """Arm the next section after a while."""
        self.asked += 1
        return True if self.asked % 5 == 0 else None


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


@functools.cache
def reference(name: str) -> Reference:
    """Run a job on a clean wire."""
    return clean_run(setup(name))


def clean_run(job: Setup) -> Reference:
    """Run a job on a clean wire, and see what it comes to.

    Raises
    ------
    RefusedError
        When it does not come to its end.
    """
    port = SimPort(job.machine.settings(), job.options())
    recorder = Recorder(port)
    started: dict[Count, float] = {}

    def _transition(kind: str, _facts: object) -> None:
        if kind == "started":
            started.update(recorder.sizes | {Count.SECONDS: port.clock_s()})

    result = send(recorder, job.order, Hooks(transition=_transition, arm=lambda _pause: True))
    if result.end_state is not EndState.DONE:
        raise RefusedError(f"{job.name} does not run on a clean wire: {result.reason}", remedy="mend the job")
    sizes = recorder.sizes | {Count.SECONDS: port.clock_s()}
    way, power, speed = _way(port.trace, started[Count.SECONDS])
    peaks = _peaks(job, way, power, speed)
    here = np.array(job.here_mm)
    plan = np.vstack((here, flatten_moves(job.job.moves, here, CHORD_MM)[0]))
    return Reference(sizes, started, plan, *peaks, sizes[Count.SECONDS] - started[Count.SECONDS])


def _way(trace: Trace, since_s: float) -> tuple[Floats, Floats, Floats]:
    """Return the true path since a time in work coordinates, and power and speed up to each vertex."""
    first = max(int(np.searchsorted(trace.time_s, since_s, side="right")) - 1, 0)
    times, offsets = trace.offset_changes
    zero = offsets[max(int(np.searchsorted(times, since_s, side="right")) - 1, 0)]
    way = trace.xyz_mm[first:] - zero
    spent_s = np.diff(trace.time_s[first:], prepend=np.nan)
    made = np.linalg.norm(np.diff(way, axis=0, prepend=way[:1]), axis=1)
    speed = made / np.where(spent_s > 0, spent_s, np.inf)
    return way, trace.power[first:], speed


def _peaks(job: Setup, way: Floats, power: Floats, speed: Floats) -> tuple[Floats, Floats]:
    """Find the largest power and speed on each move, by the length along the way."""
    moves, here = job.job.moves, np.array(job.here_mm)
    plan = np.concatenate(([0.0], np.cumsum(_lengths(moves, here))))
    along = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(way, axis=0), axis=1))))
    along *= plan[-1] / max(along[-1], 1e-9)
    middle = np.concatenate(([0.0], (along[1:] + along[:-1]) / 2))
    move = np.clip(np.searchsorted(plan, middle, side="right") - 1, 0, len(moves) - 1)
    moving = np.append(False, np.diff(along) > 0)
    highest = [np.zeros(len(moves)), np.zeros(len(moves))]
    for peak, values in zip(highest, (power, speed), strict=True):
        np.maximum.at(peak, move[moving], values[moving])
    return highest[0], highest[1]


def _lengths(moves: NDArray[np.void], here: Floats) -> Floats:
    begin = np.vstack((here, moves["xyz"][:-1]))
    chord = np.linalg.norm(moves["xyz"] - begin, axis=1)
    radius = np.linalg.norm(moves["ij"], axis=1)
    # all arcs of these jobs are shorter than half a circle
    half = np.clip(chord / np.maximum(2 * radius, 1e-12), 0, 1)
    return np.asarray(np.where(radius > 0, 2 * radius * np.arcsin(half), chord), np.float64)


def draw(kind: Kind, seed: int) -> tuple[str, Fault, random.Random]:
    """Choose job, moment and parameters of a fault by a seed alone."""
    dice = random.Random(f"campaign/{kind.name}/{seed}")
    name = dice.choice(NAMES)
    clean = reference(name)
    low, high = clean.started.get(kind.count, 0.0), clean.sizes[kind.count]
    # one in six strikes while the connection is made, homed or zeroed
    at = dice.uniform(0, low) if dice.random() < 1 / 6 else dice.uniform(low, high)
    at = float(max(1, round(at))) if kind.count is not Count.SECONDS else at
    return name, Fault(kind, at if kind.count is not Count.ALWAYS else None, 0.0, figures(kind, dice)), dice


def figures(kind: Kind, dice: random.Random) -> dict[str, float]:
    """Draw all parameters of a kind."""
    return {key: _drawn(dice, key, p.default, p.low, p.high) for key, p in kind.parameters.items()}


def _drawn(dice: random.Random, key: str, default: float, low: float, high: float) -> float:
    """Draw a parameter: the default, a share of it or a multiple, within its range."""
    if key == "axis":
        return float(dice.randrange(int(low), int(high) + 1))
    if key == "code":
        return default
    value = min(high, max(low, default * math.exp(dice.uniform(-1.5, 1.5))))
    return float(round(value)) if key in {"bytes", "steps", "times"} else value


def one(kind_name: str, seed: int) -> Verdict:
    """Run one job with one fault and judge the end.

    Parameters
    ----------
    kind_name : str
        A kind of fault.
    seed : int
        Decides everything else.
    """
    kind = KINDS[kind_name]
    name, fault, dice = draw(kind, seed)
    job, clean = setup(name), reference(name)
    options = job.options(latency_s=dice.choice((0.0, 0.001, 0.016)), cpu_model=dice.random() < 0.5)
    port = SimPort(job.machine.settings(), options, seed=seed, faults=(fault,))
    recorder, hand = Recorder(port), Hand(dice, clean.length_s)
    started: list[float] = []

    def _transition(what: str, _facts: object) -> None:
        if what == "started":
            started.append(port.controller.clock_s)

    hooks = Hooks(operator=hand.operator, arm=hand.arm, progress=hand.progress, transition=_transition)
    try:
        result = send(recorder, job.order, hooks)
    except HangError:
        return Verdict("hang", lies=["it hangs"], reason=f"{port.controller.state}")
    except (LinkError, RefusedError) as error:
        return _judged_refusal(port, error)
    witness = _seen(port, recorder, kind, started[0] if started else math.inf)
    return Judge(job, clean, witness, kind, deed=hand.deed).judge(result)


def _seen(port: SimPort, recorder: Recorder, kind: Kind, started_s: float) -> Witness:
    """Let the machine live on after a run's end, and return what it knows then."""
    controller, trace = port.controller, port.trace
    gone = port.mischief.gone or port.mischief.writes_fail or controller.frozen
    # a controller nobody reaches runs its buffers out
    controller.advance(controller.clock_s + 1.0)
    before = trace.xyz_mm[-1]
    controller.advance(controller.clock_s + 30.0)
    banner_s = recorder.unasked_banner_s()
    return Witness(
        trace,
        started_s,
        after_mm=math.dist(before, trace.xyz_mm[-1]),
        deaf=gone or kind.name in HOST_STANDS,
        head_on=controller.board.outputs.pwm / FULL_DUTY > 0 and trace.head_works,
        banner_s=banner_s,
        late=recorder.lines_after(banner_s) if math.isfinite(banner_s) else b"",
    )


def _judged_refusal(port: SimPort, error: LinkError | RefusedError) -> Verdict:
    verdict = Verdict(REFUSED, type(error).__name__, reason=str(error), deaf_host=port.mischief.gone)
    cut = np.isin(port.trace.kind, (Motion.RAPID, Motion.FEED, Motion.JOG))
    if cut.any():
        verdict.lies.append("refused, and the tool had moved")
    if port.controller.board.outputs.pwm:
        verdict.lies.append("refused with the head on")
    return verdict


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
        way, power, speed = _way(self.witness.trace, self.witness.started_s)
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
        found = _peaks(self.job, way, power, speed)
        long_enough = _lengths(self.job.job.moves, here) > 0.3
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
