"""Machines a daemon dies with, some with switches, drawn by a seed; and the course each of them runs."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.course import Course, course
from benchmarks.kept_boards import BoardSpec
from benchmarks.kept_shop import quick_machine
from fabctl.daemon.client import Line
from fabctl.job.check import inspect, load_program, rewritten
from fabctl.job.folder import Work, lay_out
from fabctl.record.workorder import LEGS_NAME, ORDER_NAME, PROGRAM_NAME
from fabctl.shop.machine import Machine
from fabctl.shop.permit import machine_digest

LINES, PAUSE_AT = 500, 300
FEED_MM_MIN = 4000
INWARD_MM = 8.0
"""How far from its switches a machine stands when it is switched on."""
TOP_MM = 10.0
"""What the height is called to which homing lifts the tool: above all heights of the course."""
READY_LIMIT_S = 60.0
HOME_IN_THE_RUN = 0.6
"""Of so many runs on machines with switches homing is a part; the others begin with a homed machine."""


@dataclass(frozen=True)
class Model:
    """A shipped machine, and how its head is switched on.

    Parameters
    ----------
    base : str
    on_word : str
        Empty for a head that nothing switches on.
    low : str
        Axes that home to the low end here, whatever the shipped machine does: the course goes up in both.
    """

    base: str
    on_word: str
    low: str = ""


# those with switches are the last ones
MODELS = (
    Model("router-3018", "M3S5000"),
    Model("plywood-router-600x900", "M3S9000", low="xy"),
    Model("pen-plotter-a3", ""),
    Model("laser-400", "M4S300"),
)
SHARES = (2, 1, 1, 1)


class Pattern:
    """A run's folder made once for a model, and copied for each machine.

    Parameters
    ----------
    model : Model
    folder : Path
        Made here.
    whole : bool
        Whether it has a check pass first and a pause in its middle.
    """

    def __init__(self, model: Model, folder: Path, *, whole: bool) -> None:
        folder.mkdir()
        machine = quick_machine(model.base, "pattern", folder, model.low)
        text = course(
            LINES, PAUSE_AT if whole else None, FEED_MM_MIN, on_word=model.on_word, has_z=machine.has_z
        )
        (folder / "course.nc").write_bytes(text)
        program, permit = rewritten(inspect(load_program(folder / "course.nc"), machine, None), None)
        self._folder = folder
        lay_out(folder, Work(program, machine, permit, title="course"), check_first=whole)
        self.course = Course.of((folder / PROGRAM_NAME).read_bytes())

    def copy(self, folder: Path, machine: Machine, *, home: bool | None = None) -> Path:
        """Lay the run out for a machine."""
        folder.mkdir(parents=True)
        for name in (PROGRAM_NAME, LEGS_NAME):
            shutil.copyfile(self._folder / name, folder / name)
        order = json.loads((self._folder / ORDER_NAME).read_text(encoding="utf-8"))
        order |= {"machine": machine.name, "machine_sha256": machine_digest(machine), "home": home}
        (folder / ORDER_NAME).write_text(json.dumps(order), encoding="utf-8")
        return folder


@dataclass(frozen=True)
class Bench:
    """A machine under a daemon, and what it is to run.

    Parameters
    ----------
    machine : Machine
    pattern : Pattern
    homes : bool
        Whether its run begins with homing, though it was homed before.
    """

    machine: Machine
    pattern: Pattern
    homes: bool

    def spec(self, link: str) -> BoardSpec:
        """Return the board it is, with a link to its wire; without one it restarts when opened."""
        machine = self.machine
        if not machine.homing:
            return BoardSpec(link, machine.settings())
        ends = zip(machine.homed_mm, machine.home, strict=True)
        x, y, z = (at - INWARD_MM if end == "max" else at + INWARD_MM for at, end in ends)
        # a controller without a Z motor has its switch closed
        options = {"start_mm": (x, y, z if machine.has_z else 0.0)}
        return BoardSpec(link, machine.settings(), options)

    def make_ready(self, line: Line) -> None:
        """Home it where it has switches, and set the work zero where the course begins."""
        machine = self.machine
        if machine.homing:
            line.ask("home", limit_s=READY_LIMIT_S)
        axes = "XYZ" if machine.has_z else "XY"
        here_mm = dict.fromkeys(axes, 0.0)
        if machine.homing and machine.has_z:
            here_mm["Z"] = TOP_MM
        line.ask("zero", here_mm=here_mm, limit_s=READY_LIMIT_S)

    def lay_out(self, folder: Path) -> Path:
        """Lay out its run."""
        return self.pattern.copy(folder, self.machine, home=True if self.homes else None)


def draw_models(seed: str, count: int, *, homes: bool = False) -> list[tuple[Model, bool]]:
    """Choose models by a seed alone, and whether their runs home.

    Parameters
    ----------
    seed : str
    count : int
    homes : bool
        Whether the first one is sure to have switches, and to home in its run.

    Examples
    --------
    >>> [model.base for model, _ in draw_models("killed/0", 3)] == [
    ...     model.base for model, _ in draw_models("killed/0", 3)
    ... ]
    True
    """
    dice = random.Random(f"kept-machines/{seed}")
    drawn = [(dice.choices(MODELS, SHARES)[0], dice.random() < HOME_IN_THE_RUN) for _ in range(count)]
    return [(dice.choice(MODELS[1:]), True), *drawn[1:]] if homes else drawn


def draw_benches(seed: str, count: int, scratch: Path, *, whole: bool) -> list[Bench]:
    """Draw machines by a seed, and lay out what they run.

    Parameters
    ----------
    seed : str
    count : int
    scratch : Path
        Where machines and patterns are written.
    whole : bool
        As for `Pattern`; then one of them homes for sure.
    """
    drawn = draw_models(seed, count, homes=whole)
    models = dict.fromkeys(model for model, _ in drawn)
    patterns = {model: Pattern(model, scratch / f"pattern-{model.base}", whole=whole) for model in models}
    found = []
    for index, (model, homes) in enumerate(drawn):
        machine = quick_machine(model.base, f"bench-{index}", scratch, model.low)
        found.append(Bench(machine, patterns[model], homes and machine.homing))
    return found


def links_of(benches: Sequence[Bench], scratch: Path, *, restarts: bool) -> list[str]:
    """Return a link for each board's wire; empty ones where boards restart when they are opened."""
    return ["" if restarts else str(scratch / f"tty-{index}") for index in range(len(benches))]
