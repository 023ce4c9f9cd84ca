"""Acts by hand, as a person types them, on the virtual controller."""

import io
import json
import sys

import pytest

PLYWOOD = "plywood-router-600x900"
COMMANDS = {
    "home": (PLYWOOD,),
    "jog": ("router-3018", "x2", "y-1"),
    "zero": ("router-3018", "x", "y", "z1.5"),
    "probe": ("router-3018", "--plate", "1.5"),
    "frame": ("router-3018", "--box", "0,0,20,10"),
    "level": ("router-3018", "--area", "0,0,20,10", "--grid", "3x2"),
    "unlock": (PLYWOOD, "--position", "unknown"),
}


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_act_says_what_moves_and_a_dry_run_opens_no_port(fabctl, name):
    said = fabctl("machine", name, *COMMANDS[name], "-n", "--port", "/dev/none")
    assert said.code == 0
    assert "dry run" in said.err
    assert "moves" in said.out or "sets" in said.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_act_runs_on_the_virtual_controller_and_tells_it_as_json(fabctl, name):
    said = fabctl("machine", name, *COMMANDS[name], "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)
    assert fabctl("machine", name, *COMMANDS[name]).out


@pytest.mark.parametrize("name", COMMANDS)
def test_another_machine_confirmed_is_refused(fabctl, name):
    assert fabctl("machine", name, *COMMANDS[name], "--confirm", "laser-400").code == 3


@pytest.mark.parametrize("name", COMMANDS)
def test_a_port_that_is_none_is_a_link_fault(fabctl, name):
    machine = COMMANDS[name][0]
    said = fabctl("machine", name, *COMMANDS[name], "--port", "/dev/none", "--confirm", machine)
    assert said.code == 5


def test_a_jog_goes_where_it_says(fabctl):
    told = json.loads(fabctl("machine", "jog", "router-3018", "x2", "y-1", "--feed", 600, "--json").out)
    assert told["way_mm"] == pytest.approx([2, -1, 0], abs=0.003)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("x11",), 4),
        (("x",), 3),
        (("q3",), 3),
        (("x1", "X2"), 3),
        (("xten",), 3),
        (("x1", "--feed", "0"), 4),
    ],
)
def test_a_jog_that_cannot_be_is_refused(fabctl, words, code):
    assert fabctl("machine", "jog", "router-3018", *words).code == code


def test_a_homed_machine_may_go_far_but_not_beyond_its_travel(fabctl):
    assert fabctl("machine", "jog", PLYWOOD, "x-400", "--json").code == 0
    said = fabctl("machine", "jog", PLYWOOD, "x-700")
    assert said.code == 4
    assert "leaves the travel" in said.err


def test_a_probe_that_finds_nothing_ends_with_position_known(fabctl):
    said = fabctl("machine", "probe", "router-3018", "--depth", 3)
    assert said.code == 6
    assert "ALARM:5" in said.err
    assert "start closer to it" in said.err
    assert "clip is on the tool" in said.err
    said = fabctl("machine", "probe", "router-3018", "--port", "sim://?faults=probe-closed")
    assert said.code == 4


def test_a_probe_touches_the_plate_that_a_url_lays(fabctl):
    said = fabctl("machine", "probe", "router-3018", "--measure", "--port", "sim://?plate_mm=-7.5", "--json")
    assert json.loads(said.out)["machine_mm"] == pytest.approx(-7.5, abs=0.003)


def test_a_tool_is_measured_and_the_next_one_follows(fabctl):
    first = json.loads(fabctl("machine", "probe", "router-3018", "--measure", "--json").out)
    said = fabctl("machine", "probe", "router-3018", "--reference", first["machine_mm"], "--json")
    assert json.loads(said.out)["machine_mm"] == pytest.approx(first["machine_mm"], abs=0.003)
    assert fabctl("machine", "probe", "router-3018", "--measure", "--towards", "x+").code == 3


def test_a_frame_needs_a_box_or_a_program(fabctl, tmp_path):
    assert fabctl("machine", "frame", "router-3018").code == 3
    assert fabctl("machine", "frame", "router-3018", "--box", "0,0,1").code == 3
    assert fabctl("machine", "frame", PLYWOOD, "--box", "0,0,2000,10").code == 4
    program = tmp_path / "part.nc"
    program.write_text("G21 G90\nG0 Z5\nM3 S9000\nG0 X5 Y5\nG1 Z-1 F100\nG1 X30 Y20\nG0 Z5\nM5\nM2\n")
    told = json.loads(fabctl("machine", "frame", "router-3018", program, "--json").out)
    assert (told["box"]["low_mm"], told["box"]["high_mm"]) == ([5, 5], [30, 20])


@pytest.mark.parametrize(("asked", "moves"), [((), 2000), (("--feed", 9000), 2000), (("--feed", 1200), 1200)])
def test_a_frame_moves_with_the_feed_that_was_said(fabctl, asked, moves):
    box = ("machine", "frame", "router-3018", "--box", "0,0,20,10", *asked)
    said = fabctl(*box)
    assert f"{moves} mm/min" in said.err
    assert f"{moves} mm/min" in said.out
    assert json.loads(fabctl(*box, "--json").out)["feed_mm_min"] == moves
    assert f"{moves} mm/min" in fabctl(*box, "-n").out


def test_a_frame_without_a_feed_is_refused_before_anything_is_asked(fabctl):
    said = fabctl("machine", "frame", "router-3018", "--box", "0,0,20,10", "--feed", 0, "-n")
    assert (said.code, said.out) == (4, "")
    assert "a feed of 0 mm/min" in said.err


def test_a_surveyed_map_levels_a_program(fabctl, tmp_path):
    assert fabctl("machine", "level", "router-3018", "--area", "0,0,40,30", "--grid", "4x3").code == 0
    program = tmp_path / "part.nc"
    program.write_text("G21 G90\nG0 Z5\nM3 S9000\nG0 X5 Y5\nG1 Z-1 F100\nG1 X30 Y20\nG0 Z5\nM5\nM2\n")
    assert fabctl("level", program, "--map", "router-3018-heights.json").code == 0
    assert fabctl("machine", "level", "router-3018", "--area", "0,0,40,30", "--grid", "4by3").code == 3


def test_machines_without_switches_do_not_home_and_without_z_do_not_probe(fabctl):
    assert fabctl("machine", "home", "router-3018").code == 4
    assert fabctl("machine", "probe", "laser-400").code == 4
    assert fabctl("machine", "unlock", "router-3018").code == 3
    assert fabctl("machine", "unlock", "router-3018", "--position", "kept").code == 4


def test_the_console_takes_one_line_after_the_other_and_survives_what_is_refused(fabctl, monkeypatch):
    lines = "x5 f500\nwhere\nx99\nzero x y\nprobe 1.5\nnonsense\n\nfrown\nquit\nx3\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    said = fabctl("machine", "jog", "router-3018")
    assert said.code == 0
    told = said.out.splitlines()
    assert [line.split(":")[0] for line in told] == ["x5", "where", "zero", "probe"]
    assert "X5.000" in told[1]
    assert "at most 10 mm" in said.err
    assert said.err.count("is no word here") == 2
