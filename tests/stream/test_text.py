"""The last door before the wire."""

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabctl.errors import RefusedError
from fabctl.stream.text import PIECE_BYTES, numbered, read_text


def wire(text):
    """Read a text in pieces of 3 bytes: line endings and words are cut everywhere."""
    pieces = [text[at : at + 3] for at in range(0, len(text), 3)]
    return [line for _, line in numbered(pieces, 79) if line is not None]


def test_comments_blanks_and_percent_stay_behind_and_numbers_are_those_of_the_file():
    lines = wire(b"%\nG21 (stop! now?)\n\n  g1 x1 y-.5 ; tool \xc3\xa0\nM5\n")
    assert [(line.number, line.text) for line in lines] == [(2, b"G21"), (4, b"G1X1Y-.5"), (5, b"M5")]


def test_each_way_of_ending_lines_counts_the_same():
    for end in (b"\n", b"\r\n", b"\r"):
        assert [line.number for line in wire(end.join([b"G21", b"", b"M5", b""]))] == [1, 3]


@pytest.mark.parametrize("line", [b"M0", b"M1", b"M6", b"T2M6", b"M06T1", b"N9M0", b"M0 (turn it over)"])
def test_where_a_person_acts_is_marked(line):
    (found,) = wire(line)
    assert found.pause


@pytest.mark.parametrize("line", [b"M3S1", b"M30", b"M60", b"G1X0", b"M10"])
def test_where_nobody_acts_is_not(line):
    (found,) = wire(line)
    assert not found.pause


@pytest.mark.parametrize("line", [b"G1X1", b"X1S3", b"g01 x1", b"G003X1I2", b"F100", b"S5", b"T1"])
def test_what_only_moves_is_marked(line):
    (found,) = wire(line)
    assert found.moves


@pytest.mark.parametrize(
    "line", [b"M3S1", b"G4P1", b"G10L20P1X0", b"G1.5X1", b"N5G1X1", b"G1X1G90", b"G54", b"M0"]
)
def test_what_does_more_is_not(line):
    (found,) = wire(line)
    assert not found.moves


def test_an_unclosed_comment_is_refused():
    with pytest.raises(RefusedError):
        wire(b"G1X1(half")


def test_the_digest_is_that_of_the_file():
    text = b"G21\r\nM5"
    facts = read_text(text, 79)
    assert (facts.sha256, facts.lines) == (hashlib.sha256(text).hexdigest(), 2)


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_text_of_many_pieces_reads_the_same_each_time(tmp_path, on_disk):
    program = b"".join(b"G1X%d.%d\n" % divmod(n, 10) for n in range(3 * PIECE_BYTES // 8))
    (tmp_path / "program.nc").write_bytes(program)
    text = read_text(tmp_path / "program.nc" if on_disk else program, 79)
    wanted = list(enumerate(program.splitlines(), 1))
    assert [(line.number, line.text) for line in text.wire_lines()] == wanted
    assert [(line.number, line.text) for line in text.wire_lines()] == wanted
    assert (text.sha256, text.lines) == (hashlib.sha256(program).hexdigest(), len(wanted))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda raw: raw[:-5] + b"G1X9\n", id="another last line"),
        pytest.param(lambda raw: raw[: 2 * PIECE_BYTES], id="cut short"),
        pytest.param(lambda raw: raw + b"G1X1\n", id="grown"),
        pytest.param(lambda raw: raw + raw, id="grown by whole pieces"),
    ],
)
def test_a_file_that_changes_after_the_check_is_not_sent(tmp_path, change):
    path = tmp_path / "program.nc"
    path.write_bytes(b"G1X1\n" * PIECE_BYTES)
    lines = read_text(path, 79).wire_lines()
    next(lines)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(RefusedError, match="changed after"):
        list(lines)


def test_a_program_without_a_line_is_refused():
    with pytest.raises(RefusedError, match="no line"):
        read_text(b"(nothing)\n\n", 79)


@given(st.binary(max_size=200))
def test_law_only_plain_words_pass_whatever_the_file_holds(text):
    try:
        lines = wire(text)
    except RefusedError:
        return
    assert all(re.fullmatch(rb"[A-Z0-9.+-]{1,79}", line.text) for line in lines)


PIECES = ["G1X1", "X-.5Y3.", "G1 X2", "m5", "M5", "M0", "x1", "(a!)", "", "%", "G1X1;b", "Y1.2.3", "X", "$X"]
PIECES += ["X" + "1" * 90]


@given(st.lists(st.sampled_from(PIECES), max_size=9), st.integers(0, 70))
def test_law_lines_looked_at_together_are_as_each_by_itself(lines, before):
    """Groups of plain lines take a short way; what goes out, or why not, is the same."""
    text = "\n".join([*["G1X1"] * before, *lines]).encode()

    def said(pieces):
        try:
            return [line for _, line in numbered(pieces, 79)]
        except RefusedError as error:
            return error.problem, error.place

    careful = said([b"".join(line + b" \n" for line in text.splitlines())])
    together = said([text])
    if isinstance(careful, tuple):
        assert together[1:] == careful[1:]
    else:
        assert together == careful
