"""Assemble: every cut once, inner before outer, rank by rank, through the air in safety."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabctl.operations.assemble import assemble
from fabctl.operations.engrave import engrave
from fabctl.operations.profile import profile
from fabctl.operations.step import Cuts
from fabctl.toolpath.moves import RAPID, starts


def rows_of(toolpath, cuts):
    """First and last row of each cut in a toolpath, found by its moves' bytes."""
    where = {}
    text = toolpath.moves.tobytes()
    size = toolpath.moves.dtype.itemsize
    for made in cuts:
        for group in made.groups:
            for cut in group:
                found, at = cut.moves.tobytes(), -1
                while True:
                    at = text.find(found, at + 1)
                    assert at >= 0, f"{cut.ident} is missing"
                    if at % size == 0:
                        break
                assert text.count(found) == 1
                where[made.step.name, cut.ident] = (at // size, at // size + len(cut.moves))
    return where


def demand_safe_air(toolpath, clearance_mm):
    begin, moves = starts(toolpath.moves, toolpath.start), toolpath.moves
    rapid = moves["motion"] == RAPID
    sideways = np.any(begin[:, :2] != moves["xyz"][:, :2], axis=1)
    assert np.all(moves["xyz"][rapid & sideways, 2] >= clearance_mm - 1e-9)
    falling = rapid & (moves["xyz"][:, 2] < begin[:, 2])
    assert np.all(moves["xyz"][falling, 2] > 0), "no rapid ends at or below the stock's top"


shapes = st.lists(
    st.tuples(
        st.integers(0, 3), st.integers(0, 3), st.sampled_from(["ring", "slit", "plain"]), st.integers(0, 1)
    ),
    min_size=1,
    max_size=9,
    unique_by=lambda s: s[:2],
)


def nested(bench, picks):
    """Parts on a grid, some with a hole and an island in it or a slit, of two ranks and two tools."""
    names: dict[tuple[int, int, str], list[tuple[str, tuple]]] = {}
    before = []
    for i, j, kind, rank in picks:
        x, y, name = i * 100, j * 100, f"{i}{j}"
        names.setdefault((rank, 6, "outside"), []).append((f"{name}.part", bench.rectangle(x, y, 80, 80)))
        if kind == "ring":
            tool = 3 + 3 * (i % 2)
            names.setdefault((rank, tool, "inside"), []).append(
                (f"{name}.hole", bench.circle(x + 40, y + 40, 60))
            )
            names.setdefault((rank, 6, "outside"), []).append(
                (f"{name}.island", bench.circle(x + 40, y + 40, 30))
            )
            before += [(f"{name}.island", f"{name}.hole"), (f"{name}.hole", f"{name}.part")]
        if kind == "slit":
            slit = bench.line([x + 10, y + 10], [x + 70, y + 70])
            names.setdefault((rank, 3, "on"), []).append((f"{name}.slit", slit))
            before.append((f"{name}.slit", f"{name}.part"))
    cuts = []
    for (rank, tool, side), members in names.items():
        step = bench.step(
            *(path for _, path in members),
            names=[name for name, _ in members],
            side=side,
            depth_mm=4.0,
            tool=bench.tool(float(tool)),
            rank=rank,
        )
        cuts.append(profile(step, bench.setup))
    return cuts, before


@settings(max_examples=50)
@given(shapes)
def test_inner_comes_before_outer_and_ranks_in_order_each_cut_once(bench, picks):
    cuts, before = nested(bench, picks)
    machine = bench.machine()
    toolpath = assemble(cuts, machine)
    where = {ident: rows for (_, ident), rows in rows_of(toolpath, cuts).items()}
    rank = {name: made.step.rank for made in cuts for name in made.step.ident}
    for inner, outer in before:
        if rank[inner] == rank[outer]:
            assert where[inner][1] <= where[outer][0]
    ranks = [cuts[i].step.rank for i in toolpath.operation]
    assert ranks == sorted(ranks)
    demand_safe_air(toolpath, machine.clearance_mm)


@given(shapes)
@settings(max_examples=30)
def test_a_tool_is_changed_no_oftener_than_inner_first_demands(bench, picks):
    cuts, _ = nested(bench, [(i, j, kind, 0) for i, j, kind, _ in picks])
    toolpath = assemble(cuts, bench.machine())
    tools = [toolpath.tool[i] for i in toolpath.operation]
    changes = sum(a != b for a, b in pairwise(tools))
    # Islands with 6 mm, holes and slits with 3 mm, parts with 6 mm: two changes do, however many parts.
    assert changes <= 2


def test_each_operation_keeps_its_name_and_tool(bench):
    cuts, _ = nested(bench, [(0, 0, "ring", 0), (1, 0, "slit", 1)])
    toolpath = assemble(cuts, bench.machine())
    assert list(toolpath.operations) == [made.step.name for made in cuts]
    assert list(toolpath.tool) == [made.step.tool.name for made in cuts]
    assert len(toolpath.operation) == len(toolpath.moves)


def test_same_cuts_same_bytes(bench):
    cuts, _ = nested(bench, [(i, j, "ring", 0) for i in range(3) for j in range(3)])
    one, two = (assemble(cuts, bench.machine()).moves.tobytes() for _ in range(2))
    assert one == two


def test_a_pen_is_lifted_between_lines_and_a_beam_is_off(bench):
    lines = [bench.line([i * 10, 0], [i * 10, 50]) for i in range(5)]
    pen = engrave(bench.step(*lines, kind="engrave", depth_mm=0.0, level_mm=-0.5), bench.setup)
    toolpath = assemble([pen], bench.machine("pen-plotter-a3"))
    demand_safe_air(toolpath, 3.0)
    beam = engrave(bench.step(*lines, kind="engrave", depth_mm=0.0), bench.setup)
    toolpath = assemble([beam], bench.machine("laser-400"))
    assert np.all(toolpath.moves["xyz"][:, 2] == 0)
    assert np.sum(toolpath.moves["motion"] == RAPID) in {4, 5}


@pytest.mark.parametrize("lift_mm", [0.4, 3.0])
def test_a_pen_lifted_only_a_little_is_no_reason_to_refuse(bench, lift_mm):
    machine = bench.machine("pen-plotter-a3")
    machine = replace(machine, head=replace(machine.head, pen_up_mm=lift_mm))
    pen = engrave(
        bench.step(bench.line([0, 0], [9, 9]), kind="engrave", depth_mm=0.0, level_mm=-0.5), bench.setup
    )
    toolpath = assemble([pen], machine)
    demand_safe_air(toolpath, lift_mm)
    assert toolpath.moves["xyz"][:, 2].max() == lift_mm


def test_nothing_to_cut_is_an_empty_toolpath(bench):
    step = bench.step(bench.rectangle(0, 0, 9, 9))
    assert len(assemble([Cuts(step, [])], bench.machine()).moves) == 0
