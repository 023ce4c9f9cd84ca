"""One run with one fault, and what the virtual controller's own record says of how it ended."""

from __future__ import annotations

import functools
import math
import random
from dataclasses import dataclass, field

import numpy as np

from benchmarks.fault_jobs import NAMES, Setup, setup
from benchmarks.fault_judge import REFUSED, Judge, Reference, Verdict, Witness, peaks_on, plan_of, way_of
from fabctl.errors import LinkError, RefusedError
from fabctl.sim.faults import KINDS, Count, Fault, Kind
from fabctl.sim.outputs import FULL_DUTY
from fabctl.sim.port import SimPort
from fabctl.sim.trace import Kind as Motion
from fabctl.stream.run import Hooks, Pause, Progress
from fabctl.stream.sender import run as send
from fabctl.stream.stops import EndState, Operator

LIMIT_S = 2000.0
"""More virtual time than any end of any of these runs can take; beyond it a run hangs."""
READS = 60_000
HOST_STANDS = frozenset({"host-stall", "status-mute", "ok-late"})
"""Kinds in which the host cannot act, or is told nothing, for longer than a beam may stand."""
RESET = b"\x18"


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
    way, power, speed = way_of(port.trace, started[Count.SECONDS])
    peaks = peaks_on(job, way, power, speed)
    return Reference(sizes, started, plan_of(job), *peaks, sizes[Count.SECONDS] - started[Count.SECONDS])


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
