"""Real designs nobody here drew: from the file to a finished run, or refused with reason and remedy."""

import pytest

from fabctl.daemon.recorded import Watchers
from fabctl.errors import FabctlError
from fabctl.job.check import approve
from fabctl.job.folder import Work
from fabctl.job.picture import deviation_mm
from fabctl.job.plan import plan
from fabctl.job.run import carry_out, open_bench

DONE = [
    ("svg/maslowcnc_6_Inch_Square_Test_Shape.svg", "router-3018", "plywood-6"),
    ("svg/dizcza_Lampa_outline4mm.svg", "plywood-router-600x900", "plywood-12"),
    ("svg/t-oster_box-6x3x3-on-3mm.svg", "laser-400", "plywood-3"),
    ("svg/dizcza_Lampa_outline4mm.svg", "pen-plotter-a3", "paper"),
    ("dxf/voron0_mid_panel.dxf", "laser-400", "acrylic-3"),
    ("dxf/pp_shredder_side_6mm.dxf", "router-3018", "plywood-6"),
    ("dxf/pp_slider_bracket2.dxf", "plywood-router-600x900", "mdf-6"),
    ("3d/assimp_spherehole.stl", "router-3018", "plywood-6"),
    ("3d/printnc_x_gantry.stl", "laser-400", "plywood-3"),
    ("3d/openflexure_optics.stl", "plywood-router-600x900", "plywood-12"),
]

REFUSED = [
    # too large
    ("svg/jtubb_20InchBedOptimizedLayout.svg", "router-3018", "plywood-6", "reaches 300"),
    ("dxf/pp_extpro_front.dxf", "laser-400", "plywood-3", "reaches 400"),
    ("3d/tm_featuretype.stl", "router-3018", "plywood-6", "does not fit"),
    # too thick, or not for this head at all
    ("svg/dizcza_Lampa_outline4mm.svg", "laser-400", "aluminium-2", "laser"),
    # too fine for the tool
    ("svg/t-oster_box-6x3x3-on-3mm.svg", "router-3018", "plywood-6", "too fine for the tool"),
    ("svg/gernreich_living-hinge-dogbone-50x200mm.svg", "plywood-router-600x900", "plywood-6", "too fine"),
    ("3d/printnc_x_gantry.stl", "router-3018", "plywood-6", "too fine for the tool"),
]


@pytest.mark.parametrize(("file", "machine", "material"), DONE)
def test_a_real_design_runs_to_its_end_on_a_machine_that_fits(
    corpus, order, tmp_path, file, machine, material
):
    made = plan(order(corpus / file, machine, material))
    findings, permit = approve(made.program, made.order.machine, made.stock)
    assert not [f for f in findings if f.severity == "error"]
    bench = open_bench("sim://", made.order.machine, made.program)
    work = Work(made.program, made.order.machine, permit, file)
    run = carry_out(work, bench, Watchers(arm=lambda _: True), root=tmp_path)
    assert run.record.end_state == "done"
    assert run.record.head_off is True
    assert deviation_mm(made.program, run.true_path.xyz_mm) < 0.05


@pytest.mark.parametrize(("file", "machine", "material", "reason"), REFUSED)
def test_a_real_design_is_refused_where_it_cannot_be_made(corpus, order, file, machine, material, reason):
    with pytest.raises(FabctlError, match=reason) as caught:
        plan(order(corpus / file, machine, material))
    assert caught.value.exit_code in {3, 4}
    assert caught.value.remedy


@pytest.mark.parametrize("file", ["dxf/pp_slider_bracket2.dxf", "svg/dizcza_Lampa_outline4mm.svg"])
@pytest.mark.parametrize(("machine", "thickness_mm"), [("router-3018", 20.5), ("pen-plotter-a3", 14.0)])
def test_stock_too_thick_to_go_below_the_head_is_refused(corpus, order, file, machine, thickness_mm):
    with pytest.raises(FabctlError, match="thicker than") as caught:
        plan(order(corpus / file, machine, "plywood-12", thickness_mm=thickness_mm))
    assert caught.value.exit_code == 4
    assert caught.value.remedy
