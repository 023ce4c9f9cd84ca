"""A whole program opened: read, checked, timed and drawn."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from typing import Any

from benchmarks.measure import Peer, measure_row, race
from benchmarks.motions import relief, spoken, spoken_arcs
from fabctl.job.check import inspect
from fabctl.job.picture import program_scene
from fabctl.job.plan import kinematics, sync_of
from fabctl.preview.draw import draw
from fabctl.program.check import check
from fabctl.program.read import read
from fabctl.shop.machine import load_machine
from fabctl.toolpath.timing import estimate

LINES = 1_000_000
MACHINE = "plywood-router-600x900"


@dataclass(frozen=True)
class Work:
    text: bytes

    @property
    def facts(self) -> dict[str, Any]:
        return {"lines": self.text.count(b"\n"), "megabytes": len(self.text) / 1e6}


def prepare(scale: float) -> Work:
    return Work(spoken(relief(round(LINES * scale), pitch_mm=0.25)))


def ours(work: Work) -> bytes:
    program = read(work.text)
    report = inspect(program, load_machine(MACHINE))
    if report.estimated_s is None:
        raise RuntimeError(f"the benchmark's own program was refused: {report.findings[0]}")
    return draw(program_scene(program), svg=False)


def copy_by_lines(work: Work) -> bytes:
    """Copy the bytes through a plain loop over lines that splits their words."""
    out = []
    for line in io.BytesIO(work.text):
        out.append(b" ".join(line.split()))  # noqa: PERF401 - the plain loop is the point
    return b"\n".join(out)


PEERS = {"line_loop": Peer(copy_by_lines)}


def steps(work: Work) -> dict[str, float]:
    """Time each step of the way once, and the CPU of reading and timing."""
    machine = load_machine(MACHINE)
    marks, cpu = [time.perf_counter()], [time.process_time()]

    def mark() -> None:
        marks.append(time.perf_counter())
        cpu.append(time.process_time())

    program = read(work.text)
    mark()
    check(program, machine)
    mark()
    estimate(program.moves, program.start, kinematics(machine), sync=sync_of(program))
    mark()
    scene = program_scene(program)
    mark()
    draw(scene, svg=False)
    mark()
    names = ("read_s", "check_s", "time_s", "scene_s", "draw_s")
    out = {name: later - sooner for name, sooner, later in zip(names, marks, marks[1:], strict=False)}
    return out | {"read_and_timed_cpu_s": cpu[1] - cpu[0] + cpu[3] - cpu[2]}


def run(scale: float = 1.0) -> dict[str, Any]:
    what = "{lines:,} lines, {megabytes:.0f} MB, read, checked, timed and drawn as PNG"
    row = measure_row(__name__, scale, what, PEERS, rounds=3)
    row["times_the_line_loop"] = row["ours_s"] / row["line_loop_s"]
    row |= steps(prepare(scale))
    arcs = Work(spoken_arcs(relief(round(LINES * scale), pitch_mm=0.25)))
    found = race(arcs, ours, PEERS, rounds=3)
    return row | {
        "half_arcs_ours_s": found["ours_s"],
        "half_arcs_times_the_line_loop": found["ours_s"] / found["line_loop_s"],
    }
