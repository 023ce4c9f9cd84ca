"""Explaining a line, and pygcode as a second opinion on words."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pygcode import Line, Machine

from fabctl.errors import ProgramError
from fabctl.program.emit import Dialect
from fabctl.program.explain import explain
from fabctl.program.read import read
from fabctl.program.write import write
from fabctl.toolpath.moves import FEED, RAPID, Toolpath
from tests.program.test_write import moves


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("G21G90\nG1X10F600", 2, "feed to X10 Y0 Z0 mm, 10 mm at 600 mm/min"),
        ("G20\nG0X1", 2, "rapid to X25.4 Y0 Z0 mm"),
        ("G2X10I5F9", 1, "radius 5 mm at 9 mm/min"),
        ("G1X1", 1, "without any feed"),
        ("G4P2", 1, "dwell 2 s"),
        ("M2\nG0X1", 2, "the program ended at line 1"),
        ("G91\nG0X1", 2, "G91 relative"),
        ("M104", 1, "M104: unknown word"),
        ("G1X1.2.3", 1, "is not a number"),
        ("(only a comment)", 1, "no motion"),
        ("#1=3", 1, "no Grbl knows"),
        ("G81X1Z-1R1F9", 1, "Drilling Cycle"),
        ("G53G0X1", 1, "only the machine knows"),
        ("$H", 1, "none: a command to the controller itself"),
        ("G1X1E5F9", 1, "[word-unsupported]"),
        ("G55", 1, "Select Coordinate System 2"),
        ("M3S5\nM8\nG18\nG93", 4, "M3 head on, M8 flood"),
    ],
)
def test_a_line_is_told_in_words(text, line, expected):
    assert expected in explain(text.encode(), line, "a.nc")


@pytest.mark.parametrize(
    ("line", "code"),
    [("M98P1", "word-unsupported"), ("M104S200", "printer"), ("G43H1", "word-dropped"), ("G41D1", "unsupp")],
)
def test_a_word_check_refuses_is_explained_with_its_finding(line, code):
    told = explain(f"G21G90\n{line}\nG0X1\n".encode(), 2)
    assert re.search(rf"line 2: (error|warning): .*\[.*{code}", told)
    assert "[" not in explain(f"G21G90\n{line}\nG0X1\n".encode(), 3)


def test_prose_is_answered_with_one_sentence_not_with_its_letters():
    told = explain(b"foo bar\n", 1)
    words = told[told.index("words:\n") : told.index("does:")].splitlines()
    assert words == ["words:", "  none: f without a number is no word of G-code"]


@given(st.text("GMXYZIJRFSPTN0123456789.-( );%/#$!\n", max_size=60))
def test_any_line_is_explained_without_a_traceback(text):
    for number in range(1, len(text.split("\n"))):
        assert explain(text.encode(), number).startswith(f"program, line {number}: ")


@pytest.mark.parametrize("line", [0, 3, -1])
def test_a_line_that_is_not_there_is_refused(line):
    with pytest.raises(ProgramError, match=f"no line {line}"):
        explain(b"G0X1\nX2\n", line, "a.nc")


@given(moves(motions=(RAPID, FEED)))
def test_pygcode_ends_where_we_end(rows):
    program = write(Toolpath(rows), Dialect("spindle", spin_up_s=1))
    machine = Machine()
    for line in program.text.decode().splitlines():
        machine.process_block(Line(line).block)
    ours = read(program.text).moves["xyz"][-1]
    assert [machine.pos.values[axis] for axis in "XYZ"] == pytest.approx(ours.tolist(), abs=1e-9)


@given(moves())
def test_pygcode_finds_the_same_words(rows):
    text = write(Toolpath(rows), Dialect("spindle", spin_up_s=1)).text.decode()
    ours = [match for line in text.splitlines() for match in re.findall("[A-Z]", line)]
    theirs = [str(word)[0] for line in text.splitlines() for word in Line(line).block.words]
    assert theirs == ours
