"""Pictures of plans, programs and runs, and how far a true path is from the planned one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fabctl.design.read import read_design
from fabctl.errors import RefusedError
from fabctl.job.folder import unnamed
from fabctl.job.plan import Plan
from fabctl.job.run import Run, TruePath
from fabctl.preview.draw import draw
from fabctl.preview.png import render_relief
from fabctl.preview.scene import Scene, scene_of_curves, scene_of_moves
from fabctl.program.model import Program
from fabctl.record.files import atomic_write
from fabctl.shop.tool import Tool, load_tool
from fabctl.toolpath.cutter import Cutter, ball_end, flat_end, v_end
from fabctl.toolpath.moves import FEED, MOVE, RAPID
from fabctl.toolpath.removal import blank, remove_along
from fabctl.toolpath.trace import deviation

Floats = NDArray[np.float64]

RELIEF_CELLS = 1300
"""Cells along the longer side of a picture of what is left."""


def design_scene(path: Path, units: str | None = None) -> tuple[Scene, list[str]]:
    """Show a drawing alone.

    Parameters
    ----------
    path : Path
    units : str, optional
        The drawing's unit.

    Returns
    -------
    Scene
    list of str
        What the reader has to say.

    Raises
    ------
    DesignError
        When it cannot be read.
    RefusedError
        When it is a solid: that is drawn as what a machine and a material make of it.
    """
    design = read_design(path, units=units)
    if design.mesh is not None:
        raise RefusedError(
            "a solid is drawn as the sheets it is cut from",
            file=str(path),
            remedy="name machine and material (-m, -M)",
        )
    return scene_of_curves(design), [str(note) for note in design.notes]


def plan_scene(made: Plan) -> Scene:
    """Show a plan: stock, parts, toolpath by operation, rapids, start point, extents.

    Parameters
    ----------
    made : Plan
    """
    program = made.program
    owner = made.toolpath.operation
    # Rows the writer put in belong to the operation of the row after them.
    origin = np.where(program.origin >= 0, program.origin, len(owner))
    origin = np.minimum.accumulate(origin[::-1])[::-1]
    return scene_of_moves(
        made.order.title,
        program.moves,
        program.start,
        operation=owner[np.minimum(origin, len(owner) - 1)],
        operations=made.toolpath.operations,
        widths_mm=[cuts.step.tool.width_mm(cuts.step.depth_mm) for cuts in made.cuts],
        stock=(0.0, 0.0, made.stock.width_mm, made.stock.height_mm),
        parts=made.design.curves,
    )


def program_scene(program: Program) -> Scene:
    """Show a program of whatever origin.

    Parameters
    ----------
    program : Program
    """
    return scene_of_moves(program.source, program.moves, program.start)


def deviation_mm(program: Program, path_mm: Floats) -> float:
    """Compare where a tool truly went with where its program says, as curves, both ways, in mm.

    Parameters
    ----------
    program : Program
    path_mm : (k, 3) float64
        From the first line on, work coordinates.
    """
    moves = program.moves.copy()
    first = np.logical_and.accumulate(unnamed(program), axis=0)
    moves["xyz"] = np.where(first, path_mm[0], moves["xyz"])
    return deviation(path_mm, moves, path_mm[0]).max_mm


@dataclass(frozen=True)
class Pictures:
    """What was drawn of a run.

    Parameters
    ----------
    deviation_mm : float or None
        Largest distance between true and planned path; None where nobody saw the true one.
    files : dict of str to str
        What each shows, and its name in the run's folder.
    """

    deviation_mm: float | None
    files: dict[str, str] = field(default_factory=dict)


def draw_run(made: Plan, run: Run) -> Pictures:
    """Draw a run into its folder: the toolpath, and what is left of the stock.

    Parameters
    ----------
    made : Plan
    run : Run

    Returns
    -------
    Pictures
    """
    atomic_write(run.folder / "toolpath.svg", draw(plan_scene(made), svg=True))
    files = {"toolpath": "toolpath.svg"}
    if run.true_path is None:
        return Pictures(None, files)
    atomic_write(run.folder / "cut.png", cut_png(made, run.true_path))
    files["picture"] = "cut.png"
    return Pictures(deviation_mm(made.program, run.true_path.xyz_mm), files)


def cut_png(made: Plan, true_path: TruePath) -> bytes:
    """Draw what the virtual machine truly did to the stock.

    Parameters
    ----------
    made : Plan
    true_path : TruePath

    Returns
    -------
    bytes
        A PNG: the relief a cutter left, or the lines a beam or pen drew.
    """
    stock, title = made.stock, f"{made.order.title}: as cut by the virtual {made.order.machine.name}"
    if made.order.machine.head.kind != "spindle":
        return draw(_marks_scene(made, true_path, title), svg=False)
    pitch = max(stock.width_mm, stock.height_mm) / RELIEF_CELLS
    left = blank(stock.width_mm, stock.height_mm, pitch)
    bounds = [*true_path.sections, len(true_path.xyz_mm)]
    for section, (first, last) in zip(made.program.sections, pairwise(bounds), strict=False):
        left = remove_along(left, true_path.xyz_mm[first:last], cutter_of(load_tool(section.tool)))
    return render_relief(left.z_mm, pitch, stock.thickness_mm, title)


def cutter_of(tool: Tool) -> Cutter:
    """Say what shape a tool sweeps.

    Parameters
    ----------
    tool : Tool
    """
    if tool.kind == "ballnose":
        return ball_end(tool.diameter_mm)
    if tool.kind == "vbit":
        return v_end(tool.diameter_mm, tool.angle_deg, tool.tip_mm)
    return flat_end(tool.diameter_mm)


def _marks_scene(made: Plan, true_path: TruePath, title: str) -> Scene:
    """Show where a beam was on, or a pen down, on the stock."""
    head = made.order.machine.head
    on = true_path.power > 0 if head.kind == "laser" else true_path.xyz_mm[:, 2] <= head.pen_down_mm + 1e-3
    moves = np.zeros(len(true_path.xyz_mm), MOVE)
    moves["motion"] = np.where(on, FEED, RAPID)
    moves["xyz"] = true_path.xyz_mm
    stock = (0.0, 0.0, made.stock.width_mm, made.stock.height_mm)
    width = made.cuts[0].step.tool.diameter_mm if made.cuts else 0.0
    whole = scene_of_moves(
        title, moves, true_path.xyz_mm[0], operations=[head.kind], widths_mm=[width], stock=stock
    )
    return replace(whole, strokes=[stroke for stroke in whole.strokes if not stroke.dashed], start=None)
