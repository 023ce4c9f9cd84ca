"""From a drawing to a program on every kind of head: what the machine is really told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely

from fabctl.errors import DesignError, FabctlError, RefusedError
from fabctl.job.check import approve
from fabctl.job.plan import Order, plan
from fabctl.shop.job import Operation
from fabctl.toolpath.moves import ARC_CCW, ARC_CW, RAPID, starts

PLATE = """
<rect id="plate" x="0" y="0" width="80" height="60" fill="none" stroke="red"/>
<circle id="hole" cx="20" cy="30" r="10" fill="none" stroke="red"/>
<path id="mark" d="M 45 20 L 70 40" fill="none" stroke="#0000ff"/>
<path id="slit" d="M 45 50 L 70 50" fill="none" stroke="red"/>
"""

NEIGHBOURS = """
<rect id="a" width="30" height="30" stroke="red"/>
<rect id="b" x="30.5" width="30" height="30" stroke="red"/>
"""

SLOT = """
<rect id="a" width="60" height="60" stroke="red"/>
<rect id="slot" x="9" y="9" width="30" height="0.8" stroke="red"/>
"""

KNIFE = """
name = "knife"
title = "Drag knife"
kind = "knife"
diameter_mm = 0.9
cutting_length_mm = 5
"""


def drawing(folder: Path, body: str) -> Path:
    path = folder / "drawing.svg"
    path.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="120mm" height="90mm" viewBox="0 0 120 90">'
        f"{body}</svg>",
        encoding="utf-8",
    )
    return path


def made(bench, folder, machine, material, body=PLATE, **keys):
    machine = bench.machine(machine) if isinstance(machine, str) else machine
    order = Order(drawing(folder, body), machine, bench.material(material), "test", **keys)
    result = plan(order)
    approve(result.program, machine, result.stock)
    return result


def cutting(result):
    moves = result.program.moves
    begin = starts(moves, result.program.start)
    return moves, begin, np.isin(moves["motion"], (1, ARC_CW, ARC_CCW))


def test_a_router_engraves_then_cuts_inside_then_the_outline(bench, tmp_path):
    result = made(bench, tmp_path, "plywood-router-600x900", "plywood-12")
    moves, begin, cuts = cutting(result)
    order = [result.toolpath.operations[i] for i in result.toolpath.operation]
    assert order[0] == "engrave"
    low = moves["xyz"][cuts].min(axis=0)
    assert low[2] == pytest.approx(-12.3)
    outline = np.flatnonzero(cuts & (moves["xyz"][:, 2] < -5) & (moves["xyz"][:, 0] < low[0] + 1e-3))
    assert outline.min() > np.flatnonzero(moves["motion"] == ARC_CCW).max(), (
        "the hole comes before the outline"
    )
    rapid = moves["motion"] == RAPID
    assert np.all(moves["xyz"][rapid & (moves["xyz"][:, 2] < begin[:, 2]), 2] > 0)


def test_a_laser_keeps_the_parts_size_and_never_lifts(bench, tmp_path):
    result = made(bench, tmp_path, "laser-400", "plywood-3")
    moves, _, cuts = cutting(result)
    assert np.ptp(moves["xyz"][cuts, 0]) == pytest.approx(80.15, abs=0.01)
    assert np.ptp(moves["xyz"][cuts, 1]) == pytest.approx(60.15, abs=0.01)
    radius = np.hypot(*moves["ij"][moves["motion"] == ARC_CCW].T)
    assert radius == pytest.approx(10 - 0.075, abs=0.01)
    assert b"Z" not in result.program.text
    assert np.all(moves["power"][moves["motion"] == RAPID] == 0)
    engraved = result.toolpath.operation == list(result.toolpath.operations).index("engrave")
    assert result.toolpath.moves["power"][engraved].max() < result.toolpath.moves["power"].max() or (
        result.toolpath.moves["feed"][engraved].max() > result.toolpath.moves["feed"][~engraved].max()
    )


def test_a_pen_draws_on_the_line_and_is_lifted_between(bench, tmp_path):
    result = made(bench, tmp_path, "pen-plotter-a3", "paper")
    moves, begin, cuts = cutting(result)
    sideways = np.any(begin[:, :2] != moves["xyz"][:, :2], axis=1)
    assert np.all(moves["xyz"][cuts & sideways, 2] == -0.5)
    known = np.cumsum(cuts) > 0
    assert np.all(moves["xyz"][(moves["motion"] == RAPID) & sideways & known, 2] == 3)
    assert np.ptp(moves["xyz"][cuts, 0]) == pytest.approx(80, abs=0.002)
    lifted = np.sum((moves["motion"] == RAPID) & sideways & known)
    assert lifted == 3, "four paths, three ways between them"


def test_a_knife_follows_the_line_as_deep_as_its_sheet(bench, tmp_path):
    tool = tmp_path / "knife.toml"
    tool.write_text(KNIFE, encoding="utf-8")
    result = made(bench, tmp_path, bench.knife_machine(), "cardboard", tool=str(tool))
    moves, begin, cuts = cutting(result)
    thick = result.stock.thickness_mm
    assert moves["xyz"][cuts, 2].min() == pytest.approx(-thick, abs=0.001)
    assert np.ptp(moves["xyz"][cuts, 0]) == pytest.approx(80, abs=0.002)
    sideways = np.any(begin[:, :2] != moves["xyz"][:, :2], axis=1)
    assert np.all(begin[cuts & sideways, 2] == moves["xyz"][cuts & sideways, 2]), (
        "a blade is never dragged down"
    )


def test_same_drawing_same_bytes(bench, tmp_path):
    one, two = (made(bench, tmp_path, "plywood-router-600x900", "plywood-12") for _ in range(2))
    assert one.program.text == two.program.text


def test_an_arranged_job_keeps_its_tool_changes_few(bench, tmp_path):
    body = "".join(
        f'<rect id="r{i}" x="{i * 55}" y="0" width="40" height="60" fill="none" stroke="red"/>'
        f'<circle id="h{i}" cx="{i * 55 + 20}" cy="30" r="5" fill="none" stroke="red"/>'
        for i in range(2)
    )
    thin = "endmill-3.175"
    operations = (
        Operation("profile", ident="h*", side="inside", through=True, tool=thin),
        Operation("profile", ident="r*", side="outside", through=True),
    )
    result = made(
        bench, tmp_path, "plywood-router-600x900", "plywood-12", body, tool="endmill-6", operations=operations
    )
    assert [section.tool for section in result.program.sections] == [thin, "endmill-6"]


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ('<path id="bow" d="M10 10L70 50V10L10 50Z" stroke="red"/>', DesignError, "bow.* crosses itself"),
        (NEIGHBOURS, RefusedError, r"a.* and b.* are 0\.50 mm apart"),
        (SLOT, RefusedError, r"slot.* is too fine for the tool"),
    ],
)
def test_what_would_spoil_the_work_is_refused_by_name(bench, tmp_path, body, error, message):
    with pytest.raises(error, match=message) as caught:
        made(bench, tmp_path, "plywood-router-600x900", "plywood-12", body)
    assert caught.value.remedy
    assert caught.value.place


def test_the_corpus_bow_tie_is_never_cut_in_silence(bench, corpus):
    file = corpus / "bad" / "svg" / "self_intersecting.svg"
    for machine, material in (("laser-400", "plywood-3"), ("plywood-router-600x900", "plywood-12")):
        order = Order(file, bench.machine(machine), bench.material(material), "bow-tie")
        with pytest.raises(FabctlError, match="bowtie"):
            plan(order)
    on_line = replace(order, operations=(Operation("engrave", ident="*"),))
    assert len(plan(on_line).program.text) > 0


def test_thousands_of_small_circles_are_each_cut_once(bench, tmp_path):
    rows = "".join(
        f'<circle cx="{2 + (i % 45) * 2.5}" cy="{2 + (i // 45) * 2.5}" r="1" stroke="red"/>'
        for i in range(1500)
    )
    result = made(bench, tmp_path, "laser-400", "plywood-3", rows)
    arcs = result.program.moves[np.isin(result.program.moves["motion"], (ARC_CW, ARC_CCW))]
    assert len(arcs) == 2 * 1500
    centres = shapely.points(np.round(arcs["xyz"][:, :2], 3))
    assert len(np.unique(shapely.to_wkb(centres))) == 3000
