"""The writer: what reaches the wire, and that it means the toolpath."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabctl.errors import ProgramError
from fabctl.program.emit import Dialect
from fabctl.program.write import write, write_blocks
from fabctl.toolpath.moves import ARC_CCW, ARC_CW, DWELL, FEED, MOVE, RAPID, Toolpath, lengths, starts, sweeps

SPINDLE = Dialect("spindle", full_scale=24000, spin_up_s=3)
BEAM = Dialect("beam", on_word="M4", uses_z=False)
WORD = re.compile(rb"([A-Z])(-?(?:\d+\.?\d*|\.\d+))")
coordinate = st.floats(-400, 400, allow_nan=False)


@st.composite
def moves(draw, motions=(RAPID, FEED, ARC_CW, ARC_CCW, DWELL), z=True):
    """Any moves whose arcs have equal radii at both ends."""
    n = draw(st.integers(1, 12))
    out = np.zeros(n, MOVE)
    at = np.zeros(3)
    for i in range(n):
        out["motion"][i] = motion = draw(st.sampled_from(motions))
        target = at.copy()
        if motion == DWELL:
            out["ij"][i, 0] = draw(st.floats(0.01, 20))
        elif motion in (ARC_CW, ARC_CCW):
            radius, begin = draw(st.floats(0.0001, 300)), draw(st.floats(0, 7))
            turn = draw(st.floats(0.001, 6.2))
            turn = draw(st.sampled_from((turn, 2 * np.pi))) * (1 if motion == ARC_CCW else -1)
            arm = radius * np.array((np.cos(begin), np.sin(begin)))
            out["ij"][i] = -arm
            if abs(turn) < 6.25:
                target[:2] += -arm + radius * np.array((np.cos(begin + turn), np.sin(begin + turn)))
            target[2] += draw(st.sampled_from((0.0, -0.5))) if z else 0.0
        else:
            target[:2] = draw(coordinate), draw(coordinate)
            target[2] = draw(st.floats(-20, 20)) if z else 0.0
        out["xyz"][i] = at = target
        out["feed"][i] = 0 if motion in (RAPID, DWELL) else draw(st.sampled_from((30.5, 600.0, 12345.6)))
        out["power"][i] = draw(st.sampled_from((0.25, 0.5, 1.0)))
    return out


def interpret(text):
    """Read our own dialect line by line: the plain second opinion for the tables."""
    rows, at, feed, motion, speed = [], np.zeros(3), 0.0, 0, 0.0
    for number, line in enumerate(text.splitlines(), 1):
        found = [(letter.decode(), float(value)) for letter, value in WORD.findall(line)]
        words = dict(found)
        dwell = ("G", 4.0) in found
        motion = next((int(v) for k, v in found if k == "G" and v in (0, 1, 2, 3)), motion)
        feed, speed = words.get("F", feed), words.get("S", speed)
        if not dwell and not {"X", "Y", "Z"} & words.keys():
            continue
        row = np.zeros((), MOVE)
        row["motion"] = DWELL if dwell else motion
        if dwell:
            row["ij"] = words["P"], 0
        else:
            at = np.array([words.get(axis, old) for axis, old in zip("XYZ", at, strict=True)])
            row["ij"] = words.get("I", 0.0), words.get("J", 0.0)
            row["feed"] = feed if motion else 0.0
        row["xyz"], row["power"] = at, speed
        rows.append((number, row))
    return np.array([r for _, r in rows], MOVE), [n for n, _ in rows]


@given(moves(), st.sampled_from((SPINDLE, BEAM, Dialect("none"), Dialect("switch"))), st.integers(2, 4))
def test_every_line_is_short_and_plain(rows, dialect, decimals):
    text = write(Toolpath(rows), dialect, decimals=decimals).text
    assert text.endswith(b"\n")
    for line in text[:-1].split(b"\n"):
        assert 0 < len(line) <= 70
        assert re.fullmatch(rb"(?:[GMXYZIJPFS]-?(?:0|[1-9]\d*)?(?:\.\d*[1-9])?)+", line), line
        assert not re.search(rb"-0?(?:[A-Z]|$)", line), "negative zero"


@given(moves(), st.sampled_from((SPINDLE, BEAM, Dialect("none"))))
def test_the_moves_of_a_program_are_those_of_its_text(rows, dialect):
    program = write(Toolpath(rows), dialect)
    read, lines = interpret(program.text)
    assert lines == program.line.tolist()
    for name in ("motion", "xyz", "ij", "feed"):
        np.testing.assert_array_equal(read[name], program.moves[name], err_msg=name)


@given(moves())
def test_writing_keeps_the_motion_within_the_rounding_bound(rows):
    program = write(Toolpath(rows), SPINDLE)
    own = program.origin >= 0
    kept, made = program.origin[own], program.moves[own]
    grid = 1e-3
    assert np.all(np.diff(kept) >= 0)
    last = np.flatnonzero((np.diff(kept, append=-1) != 0) & (made["motion"] != DWELL))
    assert np.abs(made["xyz"][last] - rows["xyz"][kept[last]]).max(initial=0) <= 1.5 * grid
    meant, turned = sweeps(rows, np.zeros(3)), sweeps(program.moves, program.start)[own]
    arc = np.isin(made["motion"], (ARC_CW, ARC_CCW))
    assert np.all(np.abs(turned[arc] - meant[kept[arc]]) < np.pi / 2)
    begin = starts(program.moves, program.start)[own]
    centre = (begin[:, :2] + made["ij"])[arc]
    old = (starts(rows, np.zeros(3))[:, :2] + rows["ij"])[kept[arc]]
    radius = np.hypot(*rows["ij"][kept[arc]].T)
    # the centre of a short arc is free along its axis: what counts is that both ends stay on the circle
    new_radius = np.hypot(*made["ij"][arc].T)
    assert np.all(np.hypot(*(made["xyz"][arc, :2] - centre).T) - new_radius <= 0.005)
    full = np.abs(meant[kept[arc]]) > 1
    assert np.all(np.hypot(*(centre - old).T)[full] <= 6 * grid + 1e-3 * radius[full])


@given(moves(), st.sampled_from((SPINDLE, BEAM)))
def test_same_moves_same_bytes(rows, dialect):
    assert write(Toolpath(rows), dialect).text == write(Toolpath(rows.copy()), dialect).text


@given(moves(), st.integers(1, 5))
def test_blocks_give_the_text_of_the_whole(rows, size):
    blocks = [rows[i : i + size] for i in range(0, len(rows), size)]
    streamed = b"".join(write_blocks(blocks, Dialect("none")))
    read, _ = interpret(streamed)
    whole, _ = interpret(write(Toolpath(rows), Dialect("none")).text)
    np.testing.assert_array_equal(read["xyz"], whole["xyz"])


def line(*points, feed=600.0, power=1.0, motion=FEED):
    """Moves along points."""
    out = np.zeros(len(points), MOVE)
    out["motion"], out["xyz"], out["feed"], out["power"] = motion, points, feed, power
    return out


def test_a_tool_change_ends_a_section_with_m5_and_m0():
    rows = line((0, 0, 5), (10, 0, 5), (20, 0, 5), (30, 0, 5))
    path = Toolpath(rows, operation=np.array([0, 0, 1, 1]), operations=("a", "b"), tool=("mill-6", "drill-3"))
    program = write(path, SPINDLE)
    lines = program.text.decode().split()
    first, second = program.sections
    assert (first.tool, second.tool) == ("mill-6", "drill-3")
    assert lines[first.last_line - 2 : first.last_line] == ["M5", "M0"]
    assert lines[second.first_line - 1] == "G21G90G17G94G54"
    assert lines[second.first_line : second.first_line + 3] == ["G0Z5", "M3S24000", "G4P3"]
    assert second.last_line == len(lines) == program.line_count
    assert lines[-3:] == ["G0Z5", "M5", "M2"]


def test_the_safe_retract_comes_before_the_spindle_and_never_commands_xy():
    lines = write(Toolpath(line((3, 4, -1)), start=np.array([1.0, 2.0, 0.0])), SPINDLE).text.decode().split()
    assert lines[1:6] == ["G0Z5", "M3S24000", "G4P3", "X1Y2", "G1Z0F600"]


def test_the_first_rapid_goes_across_before_down():
    rows = line((3, 4, 1), (9, 4, 1))
    rows["motion"][0] = RAPID
    lines = write(Toolpath(rows), SPINDLE).text.decode().split()
    assert lines[4:7] == ["X3Y4", "Z1", "G1X9F600"]


def test_a_beam_is_off_in_rapids_and_armed_in_m4_at_power_zero():
    rows = line((0, 0, 0), (10, 0, 0), (20, 0, 0), (30, 0, 0), power=0.5)
    rows["motion"] = [RAPID, FEED, RAPID, FEED]
    lines = write(Toolpath(rows), BEAM).text.decode().split()
    assert lines == ["G21G90G17G94G54", "M4S0", "G0X0Y0", "G1X10F600S500", "G0X20S0", "G1X30S500", "M5", "M2"]


def test_a_spindle_keeps_turning_in_rapids():
    rows = line((0, 0, 5), (0, 0, -1), (0, 0, 5), (9, 0, -1), power=0.5)
    rows["motion"], rows["power"][[0, 2]] = [RAPID, FEED, RAPID, FEED], 0
    assert b"S0" not in write(Toolpath(rows), SPINDLE).text


def test_a_plasma_torch_is_switched_for_each_cut():
    rows = line((0, 0, 0), (10, 0, 0), (20, 0, 0), (30, 0, 0))
    rows["motion"] = [RAPID, FEED, RAPID, FEED]
    lines = write(Toolpath(rows), Dialect("switch", uses_z=False)).text.decode().split()
    assert [text for text in lines if text[0] == "M"] == ["M3", "M5", "M3", "M5", "M2"]


def test_an_arc_that_would_round_to_a_full_circle_becomes_a_line():
    rows = line((10, 0, 0), (10.0004, 0, 0))
    rows["motion"][1], rows["ij"][1] = ARC_CCW, (0.0002, 0)
    program = write(Toolpath(rows), SPINDLE)
    assert lengths(program.moves, program.start)[program.origin == 1].sum() == 0


def test_a_full_circle_stays_one_when_its_ends_round_apart():
    rows = line((10.0005 - 1e-9, 0, 0), (10.0005 + 1e-9, 0, 0))
    rows["motion"][1], rows["ij"][1] = ARC_CW, (-10, 0)
    program = write(Toolpath(rows), SPINDLE)
    assert program.moves["motion"][program.origin == 1].tolist() == [ARC_CW]
    length_mm = lengths(program.moves, program.start)[program.origin == 1].sum()
    assert length_mm == pytest.approx(20 * np.pi, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "value"),
    [("xyz", np.nan), ("xyz", 10_000), ("feed", 0), ("feed", np.inf), ("power", 1.1), ("motion", 9)],
)
def test_a_value_no_line_can_say_is_refused_by_its_move(name, value):
    rows = line((0, 0, 0), (1, 1, 1))
    rows[name][1] = value
    with pytest.raises(ProgramError, match="move 1"):
        write(Toolpath(rows), SPINDLE)


def test_an_empty_toolpath_is_refused():
    with pytest.raises(ProgramError, match="no move"):
        write(Toolpath(np.zeros(0, MOVE)), SPINDLE)


def test_a_program_that_ends_risen_is_not_told_to_rise_again():
    rows = line((3, 4, 5), (3, 4, -1), (9, 4, -1), (9, 4, 5))
    rows["motion"][[0, 3]] = RAPID
    assert write(Toolpath(rows), SPINDLE).text.decode().split()[-4:] == ["X9", "G0Z5", "M5", "M2"]


def section(*rows):
    out = np.zeros(len(rows), MOVE)
    for row, (motion, x, z, time_s) in enumerate(rows):
        out[row]["motion"], out[row]["xyz"], out[row]["ij"][0] = motion, (x, 0, z), time_s
        out[row]["feed"], out[row]["power"] = (600, 0.5) if motion == FEED else (0, 0)
    return Toolpath(out)


@pytest.mark.parametrize(
    ("rows", "waits"),
    [
        ([(DWELL, 0, 5, 3), (RAPID, 9, 5, 0), (FEED, 9, -1, 0)], ["G4P3"]),
        ([(DWELL, 0, 5, 1), (RAPID, 9, 5, 0), (FEED, 9, -1, 0)], ["G4P2", "G4P1"]),
        ([(RAPID, 9, 5, 0), (FEED, 9, -1, 0), (DWELL, 9, -1, 3)], ["G4P3", "G4P3"]),
        ([(DWELL, 0, 5, 3), (FEED, 9, -1, 0)], ["G4P3", "G4P3"]),
    ],
)
def test_a_section_that_waits_above_the_stock_waits_for_its_spindle_no_longer(rows, waits):
    text = write(section(*rows), SPINDLE).text.decode()
    assert [line for line in text.splitlines() if line.startswith("G4")] == waits
