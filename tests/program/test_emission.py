"""Law: whatever the job, only plain short lines reach the wire, and never a word about settings."""

import random
from dataclasses import replace

import numpy as np
import pytest

from fabctl.errors import ProgramError
from fabctl.program.check import check, rewrite
from fabctl.program.emit import Dialect
from fabctl.program.read import read
from fabctl.program.resume import cuts, reenter
from fabctl.program.state import own_program
from fabctl.program.write import dialect_of, write_sections
from fabctl.shop.machine import load_machine, machine_names
from fabctl.stream.text import numbered
from fabctl.toolpath.moves import ARC_CCW, ARC_CW, DWELL, FEED, MOVE, RAPID
from tests.program.foreign import Foreign

MACHINES = [load_machine(name) for name in machine_names()]
LONGEST = 70
JOBS_AT_ONCE = 250

_ALLOWED = np.zeros(256, bool)
_ALLOWED[0x20:0x7F] = True
_ALLOWED[list(b"?!~$")] = False
_ALLOWED[ord("\n")] = True


def is_plain(text):
    """Say whether all lines are at most 70 bytes of what no controller acts on or takes for a setting."""
    data = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(data == ord("\n"))
    lengths = np.diff(ends, prepend=-1) - 1
    return bool(_ALLOWED[data].all() and lengths.max(initial=0) <= LONGEST and text.endswith(b"\n"))


def on_the_wire(text, machine):
    """Return what the sender would send of a text: its lines, joined."""
    found = numbered((text,), machine.firmware.line_limit_chars)
    lines = [line.text for _, line in found if line is not None]
    return b"\n".join(lines) + b"\n"


def wild(generator, count, most):
    """Return numbers as a mistaken operation might make them: huge, tiny, on and beside the grid."""
    kinds = generator.integers(0, 6, count)
    even = generator.uniform(-1, 1, count)
    table = np.stack(
        (
            even * most,
            even * 50,
            np.round(even * 50, 1),
            even * 1e-4,
            np.copysign(most, even),
            np.zeros(count) * np.copysign(1.0, even),
        )
    )
    return table[kinds, np.arange(count)]


def toolpaths(seed, jobs=JOBS_AT_ONCE):
    """Make the moves of many random jobs in one array; return them with where each begins."""
    generator = np.random.default_rng(seed)
    sizes = generator.integers(1, 9, jobs)
    n = int(sizes.sum())
    moves = np.zeros(n, MOVE)
    moves["motion"] = generator.choice([RAPID, FEED, FEED, FEED, ARC_CW, ARC_CCW, DWELL], n)
    moves["xyz"] = np.stack([wild(generator, n, 9900.0) for _ in range(3)], axis=1)
    moves["feed"] = np.exp(generator.uniform(np.log(0.06), np.log(99_000), n))
    moves["power"] = generator.choice([0.0, 1.0, 1e-9, 0.5, 1 / 3], n)
    # half circles from where the move before ended, and now and then a centre that fits nothing
    arc = (moves["motion"] == ARC_CW) | (moves["motion"] == ARC_CCW)
    bound = np.concatenate(([True], (arc | (moves["motion"] == DWELL))[:-1]))
    moves["motion"][arc & bound] = FEED
    arc &= ~bound
    before = np.concatenate((np.zeros((1, 3)), moves["xyz"][:-1]))
    odd = arc & (generator.random(n) < 0.03)
    moves["xyz"][arc] = before[arc] + generator.uniform(-5, 5, (int(arc.sum()), 3))
    moves["ij"][arc] = (moves["xyz"][arc, :2] - before[arc, :2]) / 2
    moves["ij"][odd] += generator.uniform(-2, 2, (int(odd.sum()), 2))
    dwell = moves["motion"] == DWELL
    moves["ij"][dwell] = 0.0
    moves["ij"][dwell, 0] = generator.choice([0.0, 1e-4, 0.25, 99.9], int(dwell.sum()))
    return moves, np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.int64), generator


def any_dialect(generator):
    """Choose how the writer speaks: a machine's way, or any other it knows."""
    if generator.random() < 0.3:
        return dialect_of(MACHINES[generator.integers(len(MACHINES))])
    return Dialect(
        head=str(generator.choice(["spindle", "beam", "switch", "none"])),
        on_word=str(generator.choice(["M3", "M4"])),
        full_scale=float(generator.choice([1.0, 100.0, 255.0, 1000.0, 24000.0])),
        spin_up_s=float(generator.choice([0.0, 0.5, 5.0])),
        clearance_mm=float(generator.choice([0.5, 5.0, 38.1])),
        uses_z=bool(generator.random() < 0.8),
        end_word=str(generator.choice(["M2", "M30"])),
    )


def write_jobs(seed, jobs=JOBS_AT_ONCE, *, together=1):
    """Write many random jobs, one or some of them a section; return their text."""
    moves, begins, generator = toolpaths(seed, jobs)
    begins = begins[::together]
    tools = [f"T{i}!?$" for i in range(len(begins))]
    coolant = generator.integers(0, 4, len(moves)).astype(np.uint8) if generator.random() < 0.3 else None
    program = write_sections(
        moves,
        np.zeros(3),
        any_dialect(generator),
        tools,
        begins,
        coolant=coolant,
        decimals=int(generator.integers(0, 5)),
        title="$H ! ? ~",
    )
    return program.text


COMMENTS = (
    "(fin ! suite)",
    "; $100=84 ?",
    "($RST=*)",
    "(caf\u00e9 ~ 100 %)",
    ";\u00d6ffnen \x84 \x90\xa0",
    "(MSG, $X ? ! ~)",
    "(" + "x" * 200 + ")",
)


def foreign_jobs(seed, jobs=20):
    """Write many foreign jobs as one file, pauses between them, with comments a controller would act on."""
    pick = random.Random(seed)
    lines = []
    for job in range(jobs):
        body = Foreign(1000 * seed + job, features=1).lines[:-1]
        # each job starts from known modes, wherever the one before ended
        lines += ["G21 G90 G17 G94 G54 G80", "G0 Z5.0000", *body[0:1], "M5", "M0", "M3 S5000", *body[1:]]
        lines += [pick.choice(COMMENTS)]
    text = "\n".join([*lines, "M30"])
    return text.encode("latin-1", "replace") + b"\n"


def hold(text, machine):
    """Hold a program's text, and what the sender makes of it, to the law."""
    assert is_plain(text)
    sent = on_the_wire(text, machine)
    assert is_plain(sent)
    return sent.count(b"\n")


def rewrite_jobs(seed, jobs=20):
    """Read many foreign jobs, write them anew and enter them in their middle; return jobs and lines."""
    machine = [m for m in MACHINES if m.head.kind == "spindle"][seed % 2]
    program = read(foreign_jobs(seed, jobs), "$H!?~", full_scale=machine.head.full_scale)
    assert not [f for f in check(program, machine) if f.severity == "error"]
    own = rewrite(program, machine)
    lines = hold(own.text, machine)
    rows = np.flatnonzero(cuts(own.moves))
    entry = reenter(own, machine, int(own.line[rows[seed % len(rows)]]))
    return lines + hold(entry.program.text, machine)


@pytest.mark.parametrize("seed", range(8))
def test_law_written_jobs_are_plain_short_lines(seed):
    assert hold(write_jobs(seed, together=1 + 9 * (seed % 2)), MACHINES[0]) > 3 * JOBS_AT_ONCE


@pytest.mark.parametrize("seed", range(4))
def test_law_foreign_jobs_are_plain_short_lines_once_rewritten(seed):
    assert rewrite_jobs(seed) > 100


def test_an_arc_that_bulges_beyond_what_can_be_written_is_refused():
    """Its ends are within 10 m; its chords, for its centre is too far away to be written, are not."""
    moves = np.zeros(2, MOVE)
    moves["motion"], moves["feed"] = [RAPID, ARC_CW], [0, 100]
    moves["xyz"] = [[0, 9990, 0], [2000, 9990, 0]]
    moves["ij"][1] = [1000, -39990]
    with pytest.raises(ProgramError, match="below 10 m"):
        write_sections(moves, np.zeros(3), Dialect("none"), [""], np.zeros(1, np.int64))


def test_the_law_can_be_broken():
    assert is_plain(b"G1X1\n")
    for foul in (b"G1X1!\n", b"$H\n", b"G1X1?\n", b"(\xa0)\n", b"G1X1\r\n", b"G1" + b"9" * 69 + b"\n", b"G1"):
        assert not is_plain(foul)


@pytest.mark.parametrize(
    "foul",
    [b"G1X1.2.3", b"G1X1..2", b"G1X--1", b"G1X1-2", b"G1XY1", b"X", b"G1 X1", b"g1x1", b"G1X" + b"1" * 68],
)
def test_a_line_that_is_not_ours_is_found_before_it_goes(foul):
    own = own_program(b"G21G90G17G94G54\nG0X0Y0\nG1X9F300\nM2\n", "own", MACHINES[0])
    assert "line-emitted" not in [f.code for f in check(own, MACHINES[0])]
    spoilt = replace(own, text=own.text.replace(b"G1X9F300", foul))
    assert [(f.line, f.severity) for f in check(spoilt, MACHINES[0]) if f.code == "line-emitted"] == [
        (3, "error")
    ]


def test_a_feed_less_than_a_line_can_say_is_rounded_up():
    machine = MACHINES[-1]
    text = b"G21 G90 G0 Z5\nM3 S9000\nG0 X1 Y1\nG93\nG1 X1.001 F8\nG94\nG1 X9 F100\nG0 Z5\nM5\nM2\n"
    own = rewrite(read(text, "speck", full_scale=machine.head.full_scale), machine)
    assert b"X1.001F0.1" in own.text


WHAT = "every line at most 70 bytes of 0x20 to 0x7E without ? ! ~ $, as written and as sent: "
COMMAND = "pytest -m campaign tests/program/test_emission.py"


@pytest.mark.campaign
@pytest.mark.timeout(7200)
def test_campaign_random_toolpaths():
    """960,000 toolpaths by every dialect: each a section, 25 a section, and thousands in one array."""
    from benchmarks.campaigns import record_campaign

    lines = jobs = 0
    for at_once, together, batches in ((250, 1, 100), (250, 25, 380), (4000, 4000, 210)):
        for seed in range(batches):
            lines += hold(write_jobs(jobs + seed, at_once, together=together), MACHINES[0])
        jobs += at_once * batches
    assert jobs == 960_000
    figures = {"random toolpaths written": jobs, "lines": lines, "lines that break the rule": 0}
    record_campaign("emission-of-toolpaths", {"what": WHAT + COMMAND, **figures})


@pytest.mark.campaign
@pytest.mark.timeout(7200)
def test_campaign_forty_thousand_foreign_jobs():
    """Foreign jobs with comments a controller would act on, rewritten, and entered in their middle."""
    from benchmarks.campaigns import record_campaign

    lines = jobs = 0
    for seed in range(40_000 // 20):
        lines += rewrite_jobs(seed)
        jobs += 20
    assert lines > 40 * jobs > 1_000_000, "the law was held to that many lines"
    figures = {"foreign jobs rewritten": jobs, "lines": lines, "lines that break the rule": 0}
    record_campaign("emission-of-foreign-jobs", {"what": WHAT + COMMAND, **figures})
