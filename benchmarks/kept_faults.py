"""Faults under a daemon that keeps sixteen machines: ``python -m benchmarks.kept_faults [KIND …]``.

The boards are virtual controllers in real time, in a process of their own; `fabctl machine serve` keeps them,
and every run is asked for over its socket, as `fabctl send` does. Of the sixteen machines of a batch four
have no fault at all: whatever happens to the others, their runs must end as done with the right path. What
is kept in a folder is not run again.
"""

from __future__ import annotations

import functools
import json
import math
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.campaigns import WHAT, Figure, record_campaign
from benchmarks.fault_campaign import Asked, Campaign, Found, as_json, recalled, summary, tell
from benchmarks.fault_jobs import Setup
from benchmarks.fault_judge import REFUSED, Judge, Reference, Verdict, Witness
from benchmarks.fault_runs import HOST_STANDS, Hand, clean_run, figures
from benchmarks.kept_boards import BoardSpec, Known
from benchmarks.kept_shop import JOBS, Shop, lay_out_job, quick_setup, scratch_folder, shop
from fabctl.daemon.client import Line
from fabctl.daemon.remote import RemoteOperator, result_from
from fabctl.errors import FabctlError, LinkError, RefusedError
from fabctl.record.framing import JOURNAL_NAME
from fabctl.record.journal import last_certain
from fabctl.record.run import read_run
from fabctl.sim.faults import KINDS, Count, Fault
from fabctl.sim.trace import Kind as Motion
from fabctl.stream.run import Progress, RunResult
from fabctl.stream.stops import EndState

SEEDS = 20
FAULTY, SOUND = 12, 4
LIMIT_S = 90.0
"""Longer than any homing, and any end of any of these runs, can take."""
LATE_S = 0.2
"""A board whose process had to wait so long for a core is another board: its batch is run again."""
REACT_S = 0.1
"""A host hears of something so much later than it left the board: wire, loop, a busy core."""
WAITING = frozenset({"Hold:0", "Door:0"})
STALL = "host-stall"
LEFT_OUT = frozenset({"clock-jump"})
"""Kinds that a real host does not have: its monotonic clock never jumps."""
NEIGHBOUR = "no-fault-but-among-neighbours"
NEEDLESS = "no fault, and"
NOT_MET = "the machine was never connected"
SAID = (
    "As the table of faults, but through `fabctl machine serve`: sixteen machines on virtual controllers in "
    "real time, kept by one daemon, twelve of them with a fault each and four without; every run asked for "
    "over the daemon's socket. Besides: reply, journal, summary and `fabctl status` name the same end, a "
    "machine without switches whose position is lost takes no further run, and the four end as done with the "
    "right path. A stalled host is the daemon stopped with SIGSTOP: its guard acts after 0.5 s, for all. "
    "Batches in which a board's own process waited over 0.2 s for a core are run again; other work ran "
    "beside, up to eight processes on two cores. A jump of the clock is left out: a daemon's is monotonic. "
    "Again: `python -m benchmarks.kept_faults --write`."
)


@dataclass
class Job:
    """One run that is to be carried out: its machine, its fault, its operator."""

    kind: str
    seed: int
    setup: Setup
    spec: BoardSpec
    fault: Fault | None
    from_start: bool
    dice: random.Random
    folder: Path
    answer: dict[str, Any] = field(default_factory=dict)
    error: FabctlError | None = None
    step: str = "connect"
    asked_s: float = math.inf
    ended_s: float = math.inf
    after: dict[str, Any] = field(default_factory=dict)
    untrue: list[str] = field(default_factory=list)

    @property
    def clean(self) -> Reference:
        """The same job on a clean wire."""
        return _clean(self.setup.name)


@functools.cache
def _clean(name: str) -> Reference:
    with tempfile.TemporaryDirectory() as folder:
        return clean_run(quick_setup(name, "clean", Path(folder)))


def draw(kind: str, seed: int, index: int, scratch: Path) -> Job:
    """Choose job, moment and figures of a fault by a seed alone."""
    dice = random.Random(f"kept/{kind}/{seed}")
    setup = quick_setup(dice.choice(JOBS), f"bench-{index}", scratch)
    clean = _clean(setup.name)
    fault, from_start = None, False
    if kind in KINDS and kind != STALL:
        known = KINDS[kind]
        # one in six strikes while the daemon connects, homes the machine or sets its zero
        from_start = known.count is Count.ALWAYS or dice.random() < 1 / 6
        low = max(clean.started.get(known.count, 0.0), 2.0)
        high = low if from_start else clean.sizes[known.count] - clean.started.get(known.count, 0.0)
        at = dice.uniform(0, high)
        at = float(max(1, round(at))) if known.count is not Count.SECONDS else at
        fault = Fault(known, at if known.count is not Count.ALWAYS else None, 0.0, figures(known, dice))
    options = {
        "start_mm": setup.start_mm,
        "cpu_model": dice.random() < 0.5,
        "latency_s": dice.choice((0.0, 0.001, 0.016)),
    }
    faults = [fault_of(fault)] if fault is not None and from_start else []
    link = str(scratch / f"tty-{index}")
    spec = BoardSpec(link, setup.machine.settings(), options, faults, seed)
    folder = scratch / "runs" / f"run-{index}"
    return Job(kind, seed, setup, spec, fault, from_start, dice, folder)


def fault_of(fault: Fault) -> dict[str, Any]:
    """Return a fault as JSON."""
    return {"kind": fault.kind.name, "at": fault.at, "values": dict(fault.values)}


class _Operator(Hand):
    """The operator of a kept run: the same wishes, over the daemon's socket."""

    def __init__(self, dice: random.Random, length_s: float, line: Line, job: Job) -> None:
        super().__init__(dice, length_s)
        self.operator = RemoteOperator(line)
        self._line = line
        self._job = job

    def event(self, said: dict[str, Any]) -> None:
        """Take in what the daemon tells."""
        kind = said.pop("event")
        if kind == "progress":
            # a door that is shut, or a hold from a button, waits for a person
            if not self.deed and said["state"] in WAITING and math.isinf(self.held_s):
                self.held_s = said["elapsed_s"] + 2.0
            self.progress(Progress(**said))
        elif kind == "pause":
            self._line.say("answer", section=said["section"], yes=True)


def carry(it: Shop, index: int, job: Job) -> str:
    """Do what a person does with one machine of a daemon: connect, home, set zero, run; return the deed."""
    if it.await_connected(index) is None:
        job.error = LinkError(NOT_MET, remedy=it.trouble(index))
        return ""
    try:
        with it.line(index) as line:
            hand = _Operator(job.dice, job.clean.length_s, line, job)
            if job.setup.machine.homing:
                job.step = "home"
                line.ask("home", limit_s=LIMIT_S)
            job.step = "zero"
            axes = "XYZ" if job.setup.machine.has_z else "XY"
            here = dict(zip(axes, job.setup.here_mm, strict=False))
            line.ask("zero", here_mm=here, limit_s=LIMIT_S)
            if job.fault is not None and not job.from_start:
                it.boards.arm(index, [job.fault], job.seed)
            job.step, job.asked_s = "run", time.monotonic()
            job.answer = line.ask("run", folder=str(job.folder), event=hand.event, limit_s=LIMIT_S)
            return hand.deed
    except FabctlError as error:
        job.error = error
        return ""
    finally:
        job.ended_s = time.monotonic()
        _look_again(it, index, job)


def _look_again(it: Shop, index: int, job: Job) -> None:
    """Ask what is known of the machine after its end; where the position is lost, ask for one more run."""
    try:
        with it.line(index) as line:
            job.after = line.ask("status", limit_s=5)
            lost = _end_of(job) == EndState.UNKNOWN.value
            if lost and job.after["homed"]:
                job.untrue.append("position unknown, and the machine counts as homed")
            if not lost or job.setup.machine.homing:
                return
            again = lay_out_job(job.folder.parent / f"{job.folder.name}-again", job.setup)
            line.ask("run", folder=str(again), limit_s=LIMIT_S)
            job.untrue.append("position unknown, and the next run was taken")
    except LinkError as error:
        if "does not answer" in error.problem:
            job.untrue.append("the daemon does not answer")
    except FabctlError:
        return


def _end_of(job: Job) -> str:
    return str(job.answer["result"]["end_state"]) if job.answer else REFUSED


def batch(tasks: Sequence[tuple[str, int]]) -> tuple[list[Verdict], bool]:
    """Run some kinds and seeds beside each other under one daemon.

    Parameters
    ----------
    tasks : sequence of (str, int)
        Kinds and seeds, at most sixteen.

    Returns
    -------
    list of Verdict
        In their order.
    bool
        Whether the boards' process had to wait for a core, so that nothing of it counts.
    """
    with scratch_folder() as scratch:
        jobs = [draw(kind, seed, index, scratch) for index, (kind, seed) in enumerate(tasks)]
        for job in jobs:
            lay_out_job(job.folder, job.setup)
        with shop([job.setup.machine for job in jobs], [job.spec for job in jobs], scratch) as it:
            with ThreadPoolExecutor(len(jobs) + 1) as pool:
                stalls = [job for job in jobs if job.kind == STALL]
                stalled = pool.submit(_stall, it, stalls[0].dice) if stalls else None
                deeds = list(pool.map(lambda number: carry(it, number, jobs[number]), range(len(jobs))))
                stall_s = stalled.result() if stalled is not None else 0.0
            said = it.status()
            ended = it.end()
        for job in jobs:
            if not ended:
                job.untrue.append("the daemon did not end in order")
        verdicts = [
            _judged(job, known, deed, said, stall_s)
            for job, known, deed in zip(jobs, it.boards.known, deeds, strict=True)
        ]
        return verdicts, max(known.late_s for known in it.boards.known) > LATE_S


def _stall(it: Shop, dice: random.Random) -> float:
    """Let the daemon stand still for a while in the middle of its runs."""
    for_s = figures(KINDS[STALL], dice)["for_s"]
    time.sleep(dice.uniform(4.0, 12.0))
    it.process.send_signal(signal.SIGSTOP)
    time.sleep(for_s)
    it.process.send_signal(signal.SIGCONT)
    return for_s


def _judged(job: Job, known: Known, deed: str, said: dict[str, Any], stall_s: float) -> Verdict:
    verdict = _of_run(job, known, deed) if job.answer else _of_refusal(job, known)
    verdict.lies += job.untrue + list(_names(job, verdict, said))
    if isinstance(job.error, LinkError) and "does not answer" in job.error.problem:
        verdict.end, verdict.lies = "hang", [*verdict.lies, f"it hangs: {job.step}"]
    if job.kind == NEIGHBOUR and not stall_s and not deed and verdict.end != EndState.DONE.value:
        verdict.lies.append(f"{NEEDLESS} {verdict.end}: {verdict.reason}")
    return verdict


def _names(job: Job, verdict: Verdict, said: dict[str, Any]) -> Iterable[str]:
    """Yield where reply, journal, summary and `fabctl status` do not name the same end."""
    row = said.get(job.folder.name)
    if row is None:
        yield "`fabctl status` does not know the run"
        return
    journal = "no journal"
    if (job.folder / JOURNAL_NAME).exists():
        journal = last_certain(job.folder).end_state
    if row["state"] != journal:
        yield f"`fabctl status` says {row['state']}, the journal {journal}"
    if job.answer:
        summed = read_run(job.folder).end_state
        if {verdict.end, summed} != {journal}:
            yield f"the reply says {verdict.end}, the journal {journal}, the summary {summed}"
        if row["head_off"] != verdict.head and verdict.end != EndState.DONE.value:
            yield f"the reply says of the head {verdict.head}, `fabctl status` {row['head_off']}"
    elif journal not in {"not started", "no journal"} and not _never_began(job):
        yield f"the reply names no end ({job.error}), the journal says {journal}"


def _never_began(job: Job) -> bool:
    """Tell whether a run was refused before its start, and its record says where the machine then stood."""
    return isinstance(job.error, RefusedError) and "started" not in last_certain(job.folder).latest


def _of_refusal(job: Job, known: Known) -> Verdict:
    error = job.error
    verdict = Verdict(REFUSED, type(error).__name__, reason=f"{job.step}: {error}", deaf_host=known.gone)
    cut = (known.trace.kind == Motion.RAPID) | (known.trace.kind == Motion.FEED)
    if cut.any():
        verdict.lies.append("refused, and the tool had moved")
    if known.head_on and not known.gone:
        verdict.lies.append("refused with the head on")
    return verdict


def _of_run(job: Job, known: Known, deed: str) -> Verdict:
    result: RunResult = result_from(job.answer["result"])
    trace, ended_s = known.trace, known.clock_s(job.ended_s)
    latest = last_certain(job.folder).latest
    started_s = math.inf
    if "started" in latest:
        wall_s = datetime.fromisoformat(latest["started"]["time"]).timestamp()
        started_s = known.of_wall_s(wall_s) - 0.002
    before = trace.position(ended_s)
    # before the run and after its end a restart is another matter: the machine is connected anew
    first_s = known.clock_s(job.asked_s)
    unasked = (at for at, asked in known.banners if not asked and first_s < at < ended_s)
    banner_s = min(unasked, default=math.inf)
    witness = Witness(
        trace,
        started_s,
        after_mm=math.dist(before, trace.xyz_mm[-1]),
        deaf=known.gone or job.kind in HOST_STANDS,
        head_on=known.head_on,
        banner_s=banner_s + REACT_S,
        late=_program_lines(known, banner_s + REACT_S, ended_s),
    )
    kind = KINDS.get(job.kind)
    return Judge(job.setup, job.clean, witness, kind, deed=deed).judge(result)


def _program_lines(known: Known, since_s: float, until_s: float) -> bytes:
    """Return the lines of a host between two moments; real-time bytes and questions left out."""
    raw = b"".join(data for at, data in known.raw if since_s < at < until_s)
    text = bytes(byte for byte in raw if byte < 0x80 and byte not in b"\x18?!~")
    return b"".join(line + b"\n" for line in text.split(b"\n")[:-1] if line and not line.startswith(b"$"))


def batches(kinds: Iterable[str], seeds: int, first_seed: int = 0) -> list[list[tuple[str, int]]]:
    """Share kinds and seeds out to daemons: twelve faulty machines and four sound ones each."""
    kinds = [kind for kind in kinds if kind not in LEFT_OUT]
    wanted = range(first_seed, first_seed + seeds)
    tasks = [(kind, seed) for seed in wanted for kind in kinds if kind != STALL]
    found = []
    for number, first in enumerate(range(0, len(tasks), FAULTY)):
        sound = [(NEIGHBOUR, (first_seed * len(kinds) + number) * SOUND + at) for at in range(SOUND)]
        found.append([*tasks[first : first + FAULTY], *sound])
    if STALL in kinds:
        stalls = [(STALL, seed) for seed in wanted]
        found += [stalls[first : first + FAULTY] for first in range(0, seeds, FAULTY)]
    return found


def kept_batch(number: int, tasks: Sequence[tuple[str, int]], folder: Path | None) -> list[Verdict]:
    """Run a batch until its boards kept time, at most five times, or read what was kept of it."""
    first = min(seed for kind, seed in tasks if kind != NEIGHBOUR)
    path = None if folder is None else folder / f"batch-{number}-from-{first}.json"
    if path is not None and path.exists():
        return recalled(json.loads(path.read_text(encoding="utf-8"))["verdicts"])
    for _ in range(5):
        verdicts, late = batch(tasks)
        if not late:
            break
    else:
        raise RuntimeError("the boards' process never got its core in time: let less run beside it")
    if path is not None:
        whole = {"tasks": tasks, "verdicts": as_json(verdicts)}
        path.write_text(json.dumps(whole), encoding="utf-8")
    return verdicts


def campaign(asked: Asked, told: Callable[[str], None] = tell) -> Found:
    """Run all seeds of some kinds, by kind; the sound machines under a name of their own."""
    kinds, folder = asked.kinds, asked.folder
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    shared = batches(kinds, asked.seeds, asked.first_seed)
    found: Found = {}
    with ThreadPoolExecutor(asked.at_once) as pool:
        done = pool.map(kept_batch, range(len(shared)), shared, [folder] * len(shared))
        for number, (tasks, verdicts) in enumerate(zip(shared, done, strict=True)):
            for (kind, _), verdict in zip(tasks, verdicts, strict=True):
                found.setdefault(kind, []).append(verdict)
            wrong = [f"{task}: {v.lies}" for task, v in zip(tasks, verdicts, strict=True) if v.lies]
            told(f"batch {number} of {len(shared)}: {len(wrong)} lies {wrong or ''}")
    return found


def kept(folder: Path) -> Found:
    """Read all that was kept in a folder, by kind."""
    found: Found = {}
    for path in sorted(folder.glob("batch-*.json")):
        of_batch = json.loads(path.read_text(encoding="utf-8"))
        for (kind, _), verdict in zip(of_batch["tasks"], recalled(of_batch["verdicts"]), strict=True):
            found.setdefault(kind, []).append(verdict)
    return {kind: found[kind] for kind in sorted(found)}


def record(found: Found) -> None:
    """Keep the figures: of each kind, of the sound machines, and of all together."""
    needless = 0
    for verdict in found.get(NEIGHBOUR, []):
        # stopped by a host that was too busy for its machines is no lie: it is told apart
        needless += any(lie.startswith(NEEDLESS) for lie in verdict.lies)
        verdict.lies = [lie for lie in verdict.lies if not lie.startswith(NEEDLESS)]
    for kind, verdicts in found.items():
        record_campaign(f"faults-through-the-daemon/{kind}", summary(verdicts))
    everything = [verdict for verdicts in found.values() for verdict in verdicts]
    kinds = len([kind for kind in found if kind != NEIGHBOUR])
    told: dict[str, Figure] = {WHAT: SAID, "kinds": kinds, "machines_at_once": FAULTY + SOUND}
    record_campaign(
        "faults-through-the-daemon",
        told | summary(everything) | {"sound_machines_stopped_without_need": needless},
    )


CAMPAIGN = Campaign("kept_faults", __doc__ or "", SEEDS, campaign, kept, record)


if __name__ == "__main__":
    sys.exit(CAMPAIGN.main())
