"""From a design to a program: read, place, choose, cut, put in order, write, time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fabctl.design.model import Design, Note
from fabctl.design.read import read_design, read_picture
from fabctl.errors import DesignError, RefusedError
from fabctl.geometry.curves import Curves
from fabctl.geometry.regions import nest, offset, to_polygons
from fabctl.geometry.slicing import sheet_heights, slice_mesh
from fabctl.job.burn import Burning
from fabctl.job.placing import in_sheets, place
from fabctl.operations.assemble import assemble
from fabctl.operations.choose import SAME_SIZE_MM, choose
from fabctl.operations.crowding import has_room_between
from fabctl.operations.drill import circles, drill
from fabctl.operations.engrave import engrave
from fabctl.operations.pocket import pocket
from fabctl.operations.profile import profile
from fabctl.operations.step import Cuts, Setup, Step
from fabctl.operations.steps import THROUGH_MM, steps_of
from fabctl.program.model import Program
from fabctl.program.write import write
from fabctl.shop.job import Job, Operation, Placement, Raster, operation_of
from fabctl.shop.machine import Machine, load_machine
from fabctl.shop.material import Material, load_material
from fabctl.shop.recipe import recipe
from fabctl.shop.stock import Stock
from fabctl.shop.tool import Tool, load_tool, tool_names
from fabctl.toolpath.moves import RAPID, Toolpath, lengths
from fabctl.toolpath.planner import ControllerCost, Kinematics
from fabctl.toolpath.timing import Timing, estimate

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

OPERATIONS: dict[str, Callable[[Step, Setup], Cuts]] = {
    "profile": profile,
    "pocket": pocket,
    "drill": drill,
    "engrave": engrave,
}
"""What makes cuts of each kind of step."""

FLATTEN_MM = 0.002
"""Curves of a drawing are followed this closely, so that arcs can be fitted within 0.01 mm after."""


@dataclass(frozen=True)
class Order:
    """What a person asks for.

    Parameters
    ----------
    design : Path
        The drawing or solid.
    machine : Machine
    material : Material
    title : str
        What the summary calls it.
    tool : str, optional
        A name; chosen from the library when left out.
    stock_mm : (width, height), optional
        Size of the sheet, mm; as large as the drawing needs when left out.
    thickness_mm : float, optional
        As measured; the material's when left out.
    units : str, optional
        The drawing's unit when the file does not say or says it wrong.
    placement : Placement, optional
        Where the drawing's lower left corner comes to lie; beside the edge when left out.
    operations : sequence of Operation, optional
        From a job file; chosen from layers, colours and shapes when left out.
    as_written : bool
        Keep the order of `operations`.
    raster : Raster, optional
        How a picture is burnt; of a drawing there is nothing to burn.
    """

    design: Path
    machine: Machine
    material: Material
    title: str
    tool: str | None = None
    stock_mm: tuple[float, float] | None = None
    thickness_mm: float | None = None
    units: str | None = None
    placement: Placement | None = None
    operations: Sequence[Operation] | None = None
    as_written: bool = False
    raster: Raster | None = None


@dataclass(frozen=True)
class Plan:
    """What an order comes to, before anything is checked or moved.

    Parameters
    ----------
    order : Order
    stock : Stock
    design : Design
        On the stock, mm, work coordinates.
    cuts : sequence of Cuts
        Each step and what it comes to.
    toolpath : Toolpath
    program : Program
    timing : Timing
    notes : sequence of str
        What a person should know.
    """

    order: Order
    stock: Stock
    design: Design
    cuts: Sequence[Cuts]
    toolpath: Toolpath
    program: Program
    timing: Timing
    notes: Sequence[str] = field(default=())


def order_of(job: Job, *, machine: str | None = None, material: str | None = None) -> Order:
    """Load what a job file names.

    Parameters
    ----------
    job : Job
    machine, material : str, optional
        Others than the job's: the same design on what is at hand.

    Raises
    ------
    ProfileError
        When machine or material is unknown or its file is wrong.
    """
    return Order(
        design=job.design,
        machine=load_machine(machine or job.machine),
        material=load_material(material or job.material),
        title=job.title,
        tool=job.tool,
        stock_mm=(job.width_mm, job.height_mm),
        thickness_mm=job.thickness_mm,
        units=job.units or None,
        placement=job.placement,
        operations=None if job.raster else job.operations,
        as_written=job.order == "as-written",
        raster=job.raster,
    )


def plan(order: Order, tell: Callable[[str], None] | None = None) -> Plan:
    """Turn an order into a program for its machine.

    Parameters
    ----------
    order : Order
    tell : callable, optional
        Called with each note of the reader as soon as the design is read: on a refusal, nobody else tells
        them, and a wrong unit is often its reason. They stand in the plan's notes, too.

    Returns
    -------
    Plan
        The same order gives the same bytes.

    Raises
    ------
    DesignError
        When the design cannot be read.
    RefusedError
        When this machine, tool, material or stock cannot make it: with the reason and the remedy.
    """
    largest = max(order.machine.travel_mm[:2])
    burning = _burning(order)
    if burning is not None:
        design = burning.frame()
    else:
        design = read_design(order.design, units=order.units, largest_mm=largest, tolerance_mm=FLATTEN_MM)
    if tell is not None:
        for note in design.notes:
            tell(str(note))
    try:
        return _planned(order, design) if burning is None else _burnt(order, design, burning)
    except (DesignError, RefusedError) as error:
        error.file = error.file or design.source
        raise


def _burning(order: Order) -> Burning | None:
    """Read a picture; None where the design is a drawing."""
    picture = read_picture(order.design)
    if picture is None:
        if order.raster is not None:
            # What is no drawing either, empty or not there, is said to be that.
            read_design(order.design, units=order.units)
            raise RefusedError(
                "a drawing has lines to follow and no greys to burn",
                file=str(order.design),
                remedy="leave out --width and the table [raster], or name a PNG, JPEG or BMP",
            )
        return None
    if order.operations:
        raise RefusedError(
            "a picture has no paths for operations",
            file=picture.source,
            remedy="write a table [raster] in the job file instead of [[operation]]",
        )
    burning = Burning(picture, order.raster or Raster(), order.machine, order.material)
    burning.demand_beam()
    return burning


def _burnt(order: Order, design: Design, burning: Burning) -> Plan:
    """Turn a picture into a program."""
    thickness = _thickness_mm(order)
    tool = _tool(order, design, thickness)
    step = burning.step(tool, thickness)
    placement = order.placement or burning.placement(step)
    design, stock = place(design, order.machine, order.material, tool, placement, order.stock_mm, thickness)
    cuts, toolpath = burning.made(step, design, placement.rotation_deg)
    return _finished(order, stock, design, [cuts], toolpath, tool)


def _planned(order: Order, design: Design) -> Plan:
    """Turn a design as read into a program."""
    thickness = _thickness_mm(order)
    design = _kept(design, order)
    tool = _tool(order, design, thickness)
    if design.mesh is not None:
        room = order.stock_mm or order.machine.travel_mm[:2]
        design = in_sheets(design, room, thickness, tool)
    design, stock = place(
        design, order.machine, order.material, tool, order.placement, order.stock_mm, thickness
    )
    steps = steps_of(
        design.curves,
        design.ident,
        _operations(design, order, tool.diameter_mm),
        machine=order.machine,
        stock=stock,
        tool_of=lambda name: load_tool(name) if name else tool,
        as_written=order.as_written,
        written=order.operations or (),
    )
    if not steps:
        raise _nothing_left(design)
    setup = Setup(stock.thickness_mm, THROUGH_MM.get(order.machine.head.kind, 0.0))
    cuts = [OPERATIONS[step.kind](step, setup) for step in steps]
    return _finished(order, stock, design, cuts, assemble(cuts, order.machine), tool)


def _finished(
    order: Order, stock: Stock, design: Design, cuts: Sequence[Cuts], toolpath: Toolpath, tool: Tool
) -> Plan:
    """Write and time a toolpath."""
    program = write(toolpath, order.machine, title=order.title)
    timing = time_program(program, order.machine)
    notes = _notes(design, order, cuts, tool, timing)
    return Plan(order, stock, design, cuts, toolpath, program, timing, notes)


def kinematics(machine: Machine) -> Kinematics:
    """Say how a machine moves in the words of the planner, its controller's own slowness included.

    Parameters
    ----------
    machine : Machine
    """
    firmware, cost = machine.firmware, machine.firmware.cost
    return Kinematics(
        steps_per_mm=machine.steps_per_mm,
        max_rate_mm_min=machine.max_rate_mm_min,
        acceleration_mm_s2=machine.acceleration_mm_s2,
        junction_deviation_mm=machine.junction_deviation_mm,
        arc_tolerance_mm=machine.arc_tolerance_mm,
        look_ahead_blocks=firmware.look_ahead_blocks,
        laser_mode=machine.head.laser_mode,
        step_idle_ms=machine.step_idle_ms,
        dwell_step_s=firmware.dwell_step_s,
        cost=ControllerCost(
            block_s=cost.line_s,
            char_s=cost.char_s,
            word_s=cost.word_s,
            digit_s=cost.digit_s,
            replan_s=cost.replan_s,
            segment_s=cost.segment_s,
            step_s=cost.step_s,
            link_bytes_s=machine.baud / 10,
        ),
    )


def time_program(program: Program, machine: Machine) -> Timing:
    """Time a program as its machine's controller will run it.

    Parameters
    ----------
    program : Program
    machine : Machine
    """
    lines = _line_chars(program.text)
    return estimate(
        program.moves,
        program.start,
        kinematics(machine),
        sync=sync_of(program),
        line_chars=lines[program.line - 1] if len(lines) else None,
    )


def _line_chars(text: bytes) -> Ints:
    """Return how many characters each line has, its end apart."""
    if b"\r" in text:
        return np.array([len(line) for line in text.splitlines()], np.int64)
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
    ends = ends if text.endswith(b"\n") else np.append(ends, len(text))
    return np.diff(ends, prepend=-1) - 1


def sync_of(program: Program) -> Bools:
    """Say before which moves the head is switched, (n,): the planner runs empty there.

    Parameters
    ----------
    program : Program
    """
    if not len(program.state):
        return np.zeros(len(program.moves), bool)
    spindle = program.state["spindle"]
    return np.asarray(np.diff(spindle, prepend=spindle[:1]) != 0)


def _thickness_mm(order: Order) -> float:
    return order.material.thickness_mm if order.thickness_mm is None else order.thickness_mm


def _tool(order: Order, design: Design, thickness_mm: float) -> Tool:
    """Return the tool asked for, or the thickest one that fits the head, the material and the drawing."""
    if order.tool:
        return load_tool(order.tool)
    kinds = {"spindle": {"endmill"}, "laser": {"laser"}, "pen": {"pen"}, "knife": {"knife"}}
    wanted = kinds.get(order.machine.head.kind, set())
    fitting = [tool for name in tool_names() if (tool := load_tool(name)).kind in wanted]
    if not fitting:
        raise RefusedError(
            f"no tool for a {order.machine.head.kind} is known",
            remedy="name one with --tool, or describe one (docs/profiles.md)",
        )
    fitting.sort(key=lambda tool: -tool.diameter_mm)
    able = [tool for tool in fitting if _able(tool, order)] or fitting
    curves, level = design.curves, np.zeros(len(design.curves), np.int64)
    if design.mesh is not None and len(able) > 1:
        slices = slice_mesh(design.mesh, sheet_heights(design.mesh, thickness_mm))
        curves, level = slices.contours, slices.plane
    fits = [tool for tool in able if _fits_inside(curves, level, tool)]
    roomy = (tool for tool in fits if design.mesh is not None or has_room_between(curves, tool.diameter_mm))
    return next(roomy, fits[-1] if fits else able[-1])


def _able(tool: Tool, order: Order) -> bool:
    """Say whether machine, tool and material go together through the whole sheet."""
    thick = _thickness_mm(order)
    if tool.cutting_length_mm and tool.cutting_length_mm < thick:
        return False
    try:
        recipe(order.machine, tool, order.material)
    except RefusedError:
        return False
    return True


def _fits_inside(curves: Curves, level: Ints, tool: Tool) -> bool:
    """Say whether a tool fits inside every hole of a drawing or of each sheet, or drills it."""
    inner = nest(curves, level).depth % 2 == 1
    holes = curves.take(inner & curves.closed)
    drilled = np.abs(circles(holes)[1] - tool.diameter_mm) <= SAME_SIZE_MM
    holes = holes.take(~drilled)
    if not len(holes):
        return True
    polygons = to_polygons(holes, 0.01, repair=True)
    return all(len(offset([polygon], -tool.diameter_mm / 2, 0.01)) for polygon in polygons)


def _kept(design: Design, order: Order) -> Design:
    """Leave out what is ignored: it shall widen no stock, push no part aside and be shown as none."""
    if design.mesh is not None:
        return design
    # Whether a path is ignored hangs on its layer or the job file, whatever the tool.
    chosen = _operations(design, order, 1.0)
    rows = [i for i, operation in enumerate(chosen) if operation is not None and operation.kind != "ignore"]
    if len(rows) == len(chosen):
        return design
    if not rows:
        raise _nothing_left(design)
    kept = replace(
        design,
        curves=design.curves.take(rows),
        layer=[design.layer[i] for i in rows],
        colour=[design.colour[i] for i in rows],
        ident=[design.ident[i] for i in rows],
    )
    said = f"{len(chosen) - len(rows)} of {len(chosen)} paths ignored, as their layer or the job file says"
    return kept.with_notes(Note("ignored", said))


def _nothing_left(design: Design) -> RefusedError:
    return RefusedError(
        "nothing is left to cut: every path is ignored",
        file=design.source,
        remedy="look at the layers' names and colours, or write a job file (docs/operations.md)",
    )


def _operations(design: Design, order: Order, tool_mm: float) -> list[Operation | None]:
    """Give every path its operation: by the job file, or chosen."""
    if order.operations is None:
        return list(
            choose(
                design.curves,
                design.layer,
                design.colour,
                head=order.machine.head.kind,
                tool_mm=tool_mm,
            )
        )
    paths = zip(design.layer, design.colour, design.ident, strict=True)
    return [operation_of(order.operations, *path) for path in paths]


def _notes(design: Design, order: Order, cuts: Sequence[Cuts], tool: Tool, timing: Timing) -> list[str]:
    """Gather what reader, recipes, operations and timing have to say, each once."""
    said = [str(note) for note in design.notes]
    if order.tool is None:
        said.append(f"tool: {tool.title}, chosen as the thickest that fits (--tool names another)")
    steps: dict[str, dict[str, None]] = {}
    for cut in cuts:
        for text in (*cut.step.recipe.notes, *cut.notes):
            steps.setdefault(text, {})[cut.step.name] = None
    said += [f"{', '.join(names)}: {text}" for text, names in steps.items()]
    said += timing.bites
    return list(dict.fromkeys(said))


@dataclass(frozen=True)
class Figures:
    """What a plan measures.

    Parameters
    ----------
    parts : int
        Pieces that come loose: contours cut outside, or around which a beam or knife goes.
    cut_mm, rapid_mm : float
        Way made at feed and by rapids, all passes counted, mm.
    """

    parts: int
    cut_mm: float
    rapid_mm: float


def measure(made: Plan) -> Figures:
    """Measure a plan's parts and ways.

    Parameters
    ----------
    made : Plan
    """
    length = lengths(made.program.moves, made.program.start)
    rapid = made.program.moves["motion"] == RAPID
    parts = sum(len(cuts.step.curves) for cuts in made.cuts if cuts.step.side == "outside")
    return Figures(parts, float(length[~rapid].sum()), float(length[rapid].sum()))
