"""A run that ended early goes on: what is refused, what is shown, and what is truly cut in the end."""

import itertools
import shutil
from dataclasses import replace

import numpy as np
import pytest

from fabctl.daemon.recorded import Watchers
from fabctl.errors import InputError, RefusedError
from fabctl.job.folder import LEG, Work, leg_rows
from fabctl.job.plan import time_program
from fabctl.job.resume import enter_at, look_back, open_conditions, refuse, resume_run
from fabctl.job.run import carry_out, open_bench
from fabctl.program.arcs import is_arc, to_chords
from fabctl.program.check import permit, rewrite
from fabctl.program.read import read
from fabctl.program.resume import cuts
from fabctl.record.journal import Journal, last_certain
from fabctl.shop.permit import machine_digest
from fabctl.sim.trace import Kind
from fabctl.stream.stops import Operator
from fabctl.toolpath.moves import RAPID, lengths, starts
from tests.program.test_resume import HOMED, LASER, PEN, ROUTER, own

STEP_MM = 0.1


class KilledError(BaseException):
    """The process that drove a machine is gone."""


class Mortal:
    """A port whose process dies at a moment: nothing more is read, written or recorded."""

    def __init__(self, port, die_s, folder):
        self.port, self.die_s, self.folder = port, die_s, folder
        self.name = port.name
        self.clock_s = port.clock_s
        self.dead = False

    def read(self, timeout_s):
        self._live()
        return self.port.read(timeout_s)

    def write(self, data):
        if not self.dead:
            self.port.write(data)

    def close(self):
        self.port.close()

    def _live(self):
        if not self.dead and self.port.clock_s() < self.die_s:
            return
        if not self.dead:
            self.dead = True
            (run,) = self.folder.iterdir()
            shutil.copytree(run, self.folder.parent / f"{self.folder.name}-left" / run.name)
        raise KilledError("killed")


def work(program, machine, title="part"):
    """Make the work of a program as `fabctl make` does."""
    return Work(
        program,
        machine,
        permit(program, machine),
        title=title,
        estimated_s=time_program(program, machine).total_s,
    )


def always(_pause):
    return True


def stop_run(program, machine, share, root, *, how="abort"):
    """Run a program and end it at a share of its time, by abort or by death; return folder and bench."""
    task = work(program, machine)
    bench = open_bench("sim://", machine, program)
    operator = Operator()
    begun = []

    def progress(now):
        begun.append(bench.port.clock_s()) if not begun else None
        if how == "abort" and now.elapsed_s >= share * task.estimated_s:
            operator.abort()

    def phase(kind, _facts):
        if kind == "started" and how == "kill":
            mortal.die_s = bench.port.clock_s() + share * task.estimated_s

    watchers = Watchers(operator, always, progress, phase)
    if how == "abort":
        run = carry_out(task, bench, watchers, root=root)
        return run.folder, bench.sim
    mortal = Mortal(bench.port, 1e9, root)
    dying = type(bench)(mortal, bench.here_mm, bench.sim)
    with pytest.raises(KilledError):
        carry_out(task, dying, watchers, root=root)
    bench.port.close()
    (left,) = (root.parent / f"{root.name}-left").iterdir()
    return left, bench.sim


def test_a_run_refused_before_its_journal_leaves_nothing_on_record(tmp_path):
    operator = Operator()
    operator.hold()
    program = own(0, HOMED)
    with pytest.raises(RefusedError, match="before anything was sent"):
        carry_out(
            work(program, HOMED),
            open_bench("sim://", HOMED, program),
            Watchers(operator, arm=always),
            root=tmp_path,
        )
    assert list(tmp_path.iterdir()) == []


def go_on(resumption, root):
    """Carry a resumption out on the virtual controller; return its end and its true path."""
    task = resumption.work
    bench = open_bench("sim://", task.machine, task.program, task.stood)
    run = carry_out(task, bench, Watchers(arm=always), root=root)
    return run, bench.sim


def in_work(sim):
    """Return a virtual tool's vertices, all counted from the work zero of the run, (k, 3) mm."""
    return sim.trace.xyz_mm - sim.trace.offset_changes[1][-1]


def cut_pieces(sim):
    """Return the straight pieces a virtual tool truly cut, (k, 2, 3) mm, and their power."""
    trace = sim.trace
    fed = np.flatnonzero(trace.kind == Kind.FEED)
    fed = fed[fed > 0]
    xyz = in_work(sim)
    return np.stack((xyz[fed - 1], xyz[fed]), axis=1), trace.power[fed]


def planned_pieces(program, first_row=0):
    """Return the straight pieces of a program's cuts from a row on, (k, 2, 3) mm."""
    moves = program.moves
    chords, index = to_chords(moves, program.start, is_arc(moves), 0.005)
    begin = starts(chords, program.start)
    kept = cuts(chords) & (index >= first_row)
    return np.stack((begin, chords["xyz"]), axis=1)[kept]


def points(pieces):
    """Spread points along pieces, (k, 3) mm."""
    counts = np.linalg.norm(pieces[:, 1] - pieces[:, 0], axis=1) // STEP_MM + 2
    out = [np.linspace(*piece, int(count)) for piece, count in zip(pieces, counts, strict=True)]
    return np.concatenate(out) if out else np.zeros((0, 3))


def length(pieces):
    return float(np.linalg.norm(pieces[:, 1] - pieces[:, 0], axis=1).sum())


def farthest(of, to):
    """Return the largest distance of points to the nearest of others, mm."""
    worst = 0.0
    for some in np.array_split(of, max(len(of) // 500, 1)):
        apart = np.linalg.norm(some[:, None] - to[None], axis=2).min(axis=1)
        worst = max(worst, float(apart.max(initial=0.0)))
    return worst


def rapids_are_high(sim, machine, begin_s):
    """Hold every rapid after a moment to the clearance height, or to straight up."""
    trace = sim.trace
    xyz, kind = in_work(sim), trace.kind
    if not machine.has_z:
        return
    slack = 2 / min(machine.steps_per_mm) + 0.002
    rows = np.flatnonzero((kind == Kind.RAPID) & (trace.time_s > begin_s))
    rows = rows[rows > 0]
    begin, end = xyz[rows - 1], xyz[rows]
    across = np.any(np.abs(end[:, :2] - begin[:, :2]) > slack, axis=1)
    low = np.minimum(begin[:, 2], end[:, 2]) < machine.clearance_mm - slack
    assert not np.any(across & low), "a rapid across below the clearance height"
    assert not np.any((end[:, 2] < begin[:, 2] - slack) & low), "a rapid down below the clearance height"


def stop_and_go_on(seed, machine, share, root, *, how):
    """Stop a run, resume it, and compare what both truly cut with the plan; return figures."""
    program = own(seed, machine)
    (root / "first").mkdir()
    folder, first = stop_run(program, machine, share, root / "first", how=how)
    past = look_back(folder, machine)
    if how == "kill":
        assert next(c.problem for c in open_conditions(past)).startswith("the run's own process still lives")
        past = replace(past, planned={**past.planned, "pid": None})
    assert open_conditions(past) == ()
    resumption = resume_run(past)
    run, second = go_on(resumption, root / "second")
    assert run.result.end_state == "done", run.result
    done, _ = cut_pieces(first)
    again, power = cut_pieces(second)
    entry = resumption.entry
    opening = entry.program.line <= entry.opening_lines
    feeding = cuts(entry.program.moves) & opening
    way_in_mm = float(lengths(entry.program.moves, entry.program.start)[feeding].sum())
    plan = planned_pieces(program)
    left_out_mm = farthest(points(plan), points(np.concatenate((done, again))))
    beside_mm = farthest(points(done), points(plan))
    twice_mm = length(done) + length(again) - way_in_mm - length(plan)
    row = int(np.argmax(program.line >= entry.line))
    line_mm = float(lengths(program.moves, program.start)[row])
    started_s = second.trace.time_s[np.argmax(second.trace.kind == Kind.FEED)]
    rapids_are_high(second, machine, 0.0 if not machine.homing else started_s)
    if machine.head.kind == "laser":
        way = np.cumsum(np.linalg.norm(again[:, 1] - again[:, 0], axis=1))
        assert np.all(power[way < way_in_mm - 0.2] == 0), "no power on the run-up"
    certain = last_certain(folder)
    return {
        "left_out_mm": left_out_mm,
        "beside_mm": beside_mm,
        "twice_mm": twice_mm,
        "line_mm": line_mm,
        "lines_open": certain.at_most - certain.at_least,
        "entry": entry,
        "program": program,
        "certain": certain,
    }


def lines_mm(figures):
    """Return the length of all cuts a journal leaves open, mm."""
    program, certain = figures["program"], figures["certain"]
    between = (program.line > certain.at_least) & (program.line <= certain.at_most)
    way = lengths(program.moves, program.start)
    return float(way[between & cuts(program.moves)].sum())


ENDS = [
    *itertools.product((0, 1), (ROUTER, HOMED, LASER, PEN), ("abort",)),
    *itertools.product((2, 3), (HOMED, LASER, PEN), ("kill",)),
]


def broken_promises(figures):
    """List what was promised and not kept; of two moves a stop lies on, the earlier is cut again."""
    most = max(lines_mm(figures), figures["line_mm"])
    kept = {
        "everything is cut": figures["left_out_mm"] < STEP_MM + 0.02,
        "nothing is cut beside the plan": figures["beside_mm"] < STEP_MM + 0.02,
        "nothing is cut twice beyond the lines the journal leaves open": figures["twice_mm"] <= most + 0.3,
    }
    return [promise for promise, held in kept.items() if not held]


@pytest.mark.parametrize(("seed", "machine", "how"), ENDS, ids=lambda v: getattr(v, "name", str(v)))
def test_law_what_both_runs_cut_is_the_plan_and_nothing_twice_beyond_a_line(seed, machine, how, tmp_path):
    share = 0.25 + 0.13 * seed + (0.2 if how == "kill" else 0.0)
    figures = stop_and_go_on(seed, machine, share, tmp_path, how=how)
    assert broken_promises(figures) == []


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_campaign_stopped_anywhere_and_gone_on_with(tmp_path):
    """600 runs stopped at random moments, by abort and by death, each resumed to its end."""
    from benchmarks.campaigns import record_campaign

    count = {"abort": 0, "kill": 0}
    worst = dict.fromkeys(("left_out_mm", "abort", "kill"), 0.0)
    one_line = 0
    for seed in range(600):
        random = np.random.default_rng(seed)
        how = ("abort", "kill")[seed % 2]
        machines = (ROUTER, HOMED, LASER, PEN) if how == "abort" else (HOMED, LASER, PEN)
        machine = machines[random.integers(len(machines))]
        root = tmp_path / str(seed)
        root.mkdir()
        figures = stop_and_go_on(seed, machine, random.uniform(0.02, 0.9), root, how=how)
        assert broken_promises(figures) == [], seed
        count[how] += 1
        worst["left_out_mm"] = max(worst["left_out_mm"], figures["left_out_mm"])
        worst[how] = max(worst[how], figures["twice_mm"])
        one_line += how == "abort" and figures["twice_mm"] <= figures["line_mm"] + 0.3
    record_campaign(
        "resume-stopped-anywhere",
        {
            "what": "true paths of a stopped run and of the run that went on with it, held to the plan: "
            "pytest -m campaign tests/job/test_resume.py",
            "runs ended by abort": count["abort"],
            "runs ended by death of the sender": count["kill"],
            "not cut in the end, beyond the points' own spacing, mm": round(
                max(worst["left_out_mm"] - STEP_MM, 0.0), 3
            ),
            "runs with rapids across or down below clearance": 0,
            "aborts that cut at most one line twice": one_line,
            "longest way cut twice after an abort, mm": round(worst["abort"], 1),
            "longest way cut twice after death, mm": round(worst["kill"], 1),
        },
    )


@pytest.fixture
def stopped(tmp_path):
    """A run of the homed router that was aborted half way, and its folder."""
    (tmp_path / "runs").mkdir()
    folder, _ = stop_run(own(0, HOMED), HOMED, 0.5, tmp_path / "runs")
    return folder


def synthetic(folder, machine, program, *records):
    """Write a run's folder with a journal of given transitions behind the planned one."""
    folder.mkdir(parents=True)
    (folder / "program.nc").write_bytes(program.text)
    journal = Journal(folder)
    planned = {"machine": machine.name, "lines": program.line_count, "program_sha256": program.digest}
    journal.transition("planned", planned | {"machine_sha256": machine_digest(machine)})
    for kind, facts in records:
        journal.transition(kind, facts)
    journal.close()
    return folder


ARMED = ("armed", {"work_mm": (0.0, 0.0, 5.0), "mpos_mm": (-10.0, -10.0, -3.0)})
STARTED = ("started", {"work_mm": (0.0, 0.0, 5.0), "mpos_mm": (-10.0, -10.0, -3.0)})


def ended(state, executed=20):
    return ("end", {"end_state": state, "executed": executed, "at_most": executed + 1})


@pytest.mark.parametrize(
    ("machine", "records", "problem", "remedy"),
    [
        (HOMED, [ARMED, STARTED, ended("done")], "the run is done", "run the program again"),
        (HOMED, [], "nothing of this run was ever sent", "from its first line"),
        (
            ROUTER,
            [ARMED, STARTED, ended("stopped, position unknown")],
            "the position is not known",
            "fabctl run FILE --from LINE` with line 21",
        ),
        (HOMED, [ARMED, STARTED], "the run's own process still lives", "wait for its end"),
        (
            HOMED,
            [("armed", {}), ("started", {}), ended("stopped, position known")],
            "does not say where work zero was",
            "touch off",
        ),
    ],
)
def test_an_open_condition_is_refused_with_its_remedy(machine, records, problem, remedy, tmp_path):
    past = look_back(synthetic(tmp_path / "run", machine, own(0, machine), *records))
    with pytest.raises(RefusedError) as caught:
        resume_run(past)
    assert problem in str(caught.value)
    assert remedy in str(caught.value)


def test_a_machine_with_switches_goes_on_after_a_lost_position(tmp_path):
    records = [ARMED, STARTED, ended("stopped, position unknown")]
    past = look_back(synthetic(tmp_path / "run", HOMED, own(0, HOMED), *records))
    resumption = resume_run(past)
    assert resumption.work.home is True
    assert resumption.entry.line >= 21


def test_a_changed_program_and_a_changed_machine_are_refused_together(tmp_path):
    program = own(0, HOMED)
    folder = synthetic(tmp_path / "run", HOMED, program, ARMED, STARTED, ended("stopped, position known"))
    (folder / "program.nc").write_bytes(program.text.replace(b"G1", b"G0", 1))
    changed = replace(HOMED, clearance_mm=9.0)
    with pytest.raises(RefusedError, match=r"no longer the program.*description of .* has changed"):
        refuse(open_conditions(look_back(folder, changed)), "run")


def test_a_run_is_gone_on_with_once(stopped, tmp_path):
    resumption = resume_run(look_back(stopped))
    run, _ = go_on(resumption, stopped.parent)
    assert run.result.end_state == "done"
    assert look_back(run.folder).planned["resumes"] == stopped.name
    with pytest.raises(RefusedError, match=f"{run.folder.name} went on with this run already"):
        resume_run(look_back(stopped))


@pytest.mark.parametrize(("sent", "free"), [(0, True), (4, True), (5, False)])
def test_a_second_run_that_never_came_past_its_way_back_leaves_the_first_to_be_gone_on_with(
    sent, free, tmp_path
):
    program = own(0, HOMED)
    known = (ARMED, STARTED, ended("stopped, position known"))
    first = synthetic(tmp_path / "first", HOMED, program, *known)
    planned = ("planned", {"resumes": "first", "opening_lines": 4, "lines": program.line_count})
    second = tmp_path / "second"
    second.mkdir()
    journal = Journal(second)
    end = {"end_state": "stopped, position known", "executed": sent, "at_most": sent}
    for kind, facts in (planned, ARMED, STARTED, ("end", end)):
        journal.transition(kind, facts)
    journal.close()
    assert (open_conditions(look_back(first)) == ()) is free


def test_a_later_line_than_is_proven_is_not_entered(stopped):
    past = look_back(stopped)
    with pytest.raises(InputError, match="are proven to be carried out"):
        resume_run(past, past.line + 1)
    assert resume_run(past, past.line - 5).entry.line <= past.line


def test_a_moved_work_zero_is_refused_before_the_first_line(stopped, tmp_path):
    resumption = resume_run(look_back(stopped))
    task = resumption.work
    bench = open_bench("sim://", task.machine, task.program, task.stood)
    x, y, z = bench.here_mm
    moved = replace(bench, here_mm=(x + 0.1, y, z))
    with pytest.raises(RefusedError, match="work zero has moved"):
        carry_out(task, moved, Watchers(arm=always), root=tmp_path / "second")
    (folder,) = (tmp_path / "second").iterdir()
    assert last_certain(folder).end_state in ("not started", "stopped, position known")
    assert last_certain(folder).at_most == 0
    assert not len(cut_pieces(bench.sim)[0])


def test_without_switches_a_machine_that_was_moved_is_refused(tmp_path):
    (tmp_path / "runs").mkdir()
    folder, _ = stop_run(own(0, ROUTER), ROUTER, 0.5, tmp_path / "runs")
    task = resume_run(look_back(folder)).work
    x, y, z = task.stood.place_mm
    elsewhere = replace(task.stood, place_mm=(x + 1, y, z))
    bench = open_bench("sim://", ROUTER, task.program, elsewhere)
    with pytest.raises(RefusedError, match="it was moved, or it was reset"):
        carry_out(task, bench, Watchers(arm=always), root=tmp_path / "second")


def test_a_tool_above_the_way_back_is_refused():
    program = own(0, ROUTER)
    _, task = enter_at(program, ROUTER, 20)
    with pytest.raises(RefusedError, match="the first move would go down"):
        task.guard("armed", {"work_mm": (0.0, 0.0, ROUTER.clearance_mm + 3)})
    task.guard("armed", {"work_mm": (0.0, 0.0, ROUTER.clearance_mm)})


def test_offsets_that_differ_from_the_journal_s_are_refused(tmp_path):
    offsets = {"G54": (1.0, 2.0, 3.0), "G92": (0.0, 0.0, 0.0), "TLO": 0.0}
    armed = ("armed", ARMED[1] | {"offsets": offsets})
    records = (armed, STARTED, ended("stopped, position known"))
    task = resume_run(look_back(synthetic(tmp_path / "run", HOMED, own(0, HOMED), *records))).work
    task.guard("armed", armed[1])
    for name, value in (("G92", (0.0, 0.0, 0.5)), ("TLO", 0.01), ("G54", (1.01, 2.0, 3.0))):
        with pytest.raises(RefusedError, match=f"{name} is"):
            task.guard("armed", armed[1] | {"offsets": offsets | {name: value}})


def test_a_run_goes_on_with_the_zero_of_the_tool_that_was_measured_in_its_pause(tmp_path):
    """The zero it was armed with is the old tool's: set back to that, the new one would cut too deep."""
    old, new = {"G54": (1.0, 2.0, 3.0)}, {"G54": (1.0, 2.0, 5.5)}
    armed = ("armed", ARMED[1] | {"offsets": old, "zero_mm": old["G54"]})
    started = ("started", STARTED[1] | {"zero_mm": old["G54"]})
    measured = ("measured", {"tool": "new", "section": 1, "offsets": new, "zero_mm": new["G54"]})
    records = (armed, started, ("probed", {}), measured, ended("stopped, position known"))
    task = resume_run(look_back(synthetic(tmp_path / "run", HOMED, own(0, HOMED), *records))).work
    assert task.stood.zero_mm == new["G54"]
    task.guard("armed", armed[1] | {"offsets": new, "zero_mm": new["G54"]})
    with pytest.raises(RefusedError, match="work zero has moved"):
        task.guard("armed", armed[1])


def test_a_run_that_ended_while_the_zero_followed_a_tool_is_refused(tmp_path):
    """Whether G10 took is not known: neither of the two zeros may be told to be the right one."""
    measured = ("measured", {"tool": "old", "section": 2, "offsets": {}, "zero_mm": (1.0, 2.0, 3.0)})
    records = (ARMED, STARTED, ("probed", {}), measured, ("probed", {}), ended("stopped, position known"))
    past = look_back(synthetic(tmp_path / "run", HOMED, own(0, HOMED), *records))
    with pytest.raises(RefusedError, match="is not certain"):
        resume_run(past)


def test_a_line_before_the_tool_that_was_measured_is_refused(tmp_path):
    measured = ("measured", {"tool": "new", "section": 2, "offsets": {}, "zero_mm": (1.0, 2.0, 5.5)})
    records = (ARMED, STARTED, measured, ended("stopped, position known"))
    past = look_back(synthetic(tmp_path / "run", HOMED, own(0, HOMED), *records))
    with pytest.raises(RefusedError, match="for the tool of section 2, and this is in section 1"):
        resume_run(past)


def test_a_line_of_a_foreign_file_is_found_in_what_was_written_of_it():
    lines = ["G20 G90 M3 S9000", "G0 Z0.2", "G0 X1 Y1", "G1 Z-0.1 F10", "G1 X2", "G1 Y2", "G0 Z0.2", "M30"]
    text = "\n".join(lines).encode()
    program = rewrite(read(text, "inch", full_scale=HOMED.head.full_scale), HOMED)
    entry, task = enter_at(program, HOMED, 6)
    assert entry.steps[-1].endswith("G1Y50.8F254S9000")
    assert (task.resumes, task.first_line) == ("", entry.line)
    assert np.isnan(np.frombuffer(leg_rows(task), LEG)["end"][0, 2])


def test_what_only_a_person_knows_is_asked(stopped):
    resumption = resume_run(look_back(stopped))
    asked = " ".join(resumption.questions)
    assert resumption.entry.tool in asked
    assert "stock has not moved" in asked
    _, task = enter_at(own(0, LASER), LASER, 10)
    assert task.program.moves["motion"][0] == RAPID
