"""The reader: any G-code to motion, nothing lost and nothing silent."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabctl.errors import ProgramError
from fabctl.program import read as reading
from fabctl.program.emit import Dialect
from fabctl.program.findings import Notebook
from fabctl.program.model import CHANGE, LOST, PAUSE
from fabctl.program.read import read
from fabctl.program.tokens import Tokeniser
from fabctl.program.write import write
from fabctl.toolpath.moves import ARC_CCW, ARC_CW, DWELL, FEED, RAPID, Toolpath, lengths
from tests.program.test_write import moves

number_text = st.from_regex(r"[-+]?([0-9]{1,18}\.?[0-9]{0,18}|\.[0-9]{1,18})", fullmatch=True)
any_number_text = st.text("0123456789.+-", max_size=20)


def codes(program):
    """Kinds of finding and their first lines."""
    return {finding.code: finding.line for finding in program.findings}


@given(st.lists(number_text, min_size=1, max_size=30))
def test_numbers_equal_float_bit_for_bit(texts):
    data = "".join(f"X{text}\n" for text in texts).encode()
    values = Tokeniser(Notebook()).words(data, 1).value
    expected = np.array([float(text) if abs(float(text)) < 1e15 else np.nan for text in texts])
    assert values.tobytes() == expected.tobytes() or np.array_equal(
        values.view(np.int64)[~np.isnan(expected)], expected.view(np.int64)[~np.isnan(expected)]
    )
    assert np.array_equal(np.isnan(values), np.isnan(expected))


@given(st.lists(any_number_text, min_size=1, max_size=20))
def test_a_malformed_number_is_never_taken_for_one(texts):
    data = "".join(f"X{text}\n" for text in texts).encode()
    notes = Notebook()
    values = Tokeniser(notes).words(data, 1).value
    for i, text in enumerate(texts):
        if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)", text):
            assert values[i] == float(text) or abs(float(text)) >= 1e15
        else:
            assert np.isnan(values[i])
            assert i + 1 in notes.findings()[0].lines


@given(moves())
def test_reading_undoes_writing(rows):
    """write ∘ read = identity, as motion: bit for bit on what was written."""
    for dialect in (Dialect("spindle", full_scale=24000, spin_up_s=2), Dialect("beam", "M4", uses_z=False)):
        program = write(Toolpath(rows), dialect)
        again = read(program.text, full_scale=dialect.full_scale)
        assert again.line.tolist() == program.line.tolist()
        for name in ("motion", "xyz", "ij", "feed", "power"):
            np.testing.assert_array_equal(again.moves[name], program.moves[name], err_msg=name)
        for name in ("spindle", "speed"):
            np.testing.assert_array_equal(again.state[name], program.state[name], err_msg=name)
        assert {word for word in again.words if word[0] in "GM"} == {w for w in program.words if w[0] in "GM"}
        assert {f.code for f in again.findings} <= {"pause"}


MODAL_WORDS = """
    G0 G1 G2 G3 G20 G21 G90 G91 G17 G18 G19 G40 G80 G54 G55 G4P.5 M3 M4 M5 M8 M9 M6 T3 N7 F600 F20.5 S800 G28
    G53 G92 G81R2 G83Q1R1 G98 G99 G93 G94 L2 M0 P1 G10L20 G43.1 G64 G41 H1 E5
"""
words_of_a_line = st.lists(
    st.one_of(
        st.sampled_from(MODAL_WORDS.split()),
        st.builds(
            "{}{}".format,
            st.sampled_from("XYZIJKR"),
            st.decimals(-99, 99, places=3, allow_nan=False).map(str),
        ),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=50)
@given(st.lists(words_of_a_line, min_size=1, max_size=12), st.integers(1, 2))
def test_whole_arrays_give_what_single_lines_give(lines, repeat):
    plain = "G1 F500\n" + "".join(f"X{i} Y{-i}.5\nG2 X{i + 2} I1 J.1\nG3 X{i} R-3\n" for i in range(9))
    text = ("".join(" ".join(line) + "\n" + plain for line in lines) * repeat).encode()
    before = reading.SHORT_RUN_LINES
    try:
        reading.SHORT_RUN_LINES = 1
        fast = read(text)
        reading.SHORT_RUN_LINES = 1 << 60
        slow = read(text)
    finally:
        reading.SHORT_RUN_LINES = before
    assert fast.line.tolist() == slow.line.tolist()
    for name in ("motion", "xyz", "feed", "power"):
        np.testing.assert_array_equal(fast.moves[name], slow.moves[name], err_msg=name)
    np.testing.assert_allclose(fast.moves["ij"], slow.moves["ij"], rtol=1e-14, atol=1e-12)
    np.testing.assert_array_equal(fast.state, slow.state)
    assert codes(fast) == codes(slow)


@pytest.mark.parametrize(
    "setting", ["G92X3Y-2Z1", "G10L20P1X7Z2", "G10L2P1Y4", "G43.1Z2", "G20", "G91", "G20G91"]
)
def test_long_stretches_obey_what_was_set_before_them(setting):
    lines = [f"G1X{i}.5Y{i % 7}Z-{i % 3}F{100 + i}" for i in range(reading.SHORT_RUN_LINES + 60)]
    text = "\n".join(["G1X1Y2Z3F9", setting, *lines])
    fast = read(text.encode())
    slow = read(text.replace("F", "H1F").encode())  # a rare letter in each line: one by one
    np.testing.assert_array_equal(fast.moves, slow.moves)


@given(st.lists(words_of_a_line, min_size=1, max_size=30), st.integers(20, 200))
def test_chunks_change_nothing(lines, size):
    text = "".join(" ".join(line) + "\n" for line in lines).encode()
    before = reading.CHUNK_BYTES
    whole = read(text)
    try:
        reading.CHUNK_BYTES = size
        parts = read(text)
    finally:
        reading.CHUNK_BYTES = before
    np.testing.assert_array_equal(whole.moves, parts.moves)
    np.testing.assert_array_equal(whole.line, parts.line)
    np.testing.assert_array_equal(whole.word, parts.word)
    assert whole.findings == parts.findings
    assert whole.words == parts.words


@given(st.lists(words_of_a_line, min_size=1, max_size=20), st.sampled_from((b"\n", b"\r\n", b"\r")))
def test_line_ends_change_nothing(lines, end):
    text = end.join(" ".join(line).encode() for line in lines)
    plain = read(text.replace(end, b"\n"))
    np.testing.assert_array_equal(read(text).moves, plain.moves)
    np.testing.assert_array_equal(read(text).line, plain.line)


@given(st.lists(words_of_a_line, min_size=1, max_size=20))
def test_no_word_is_lost(lines):
    """Every G, M and T word and every unusual letter is kept with its line."""
    text = "".join(" ".join(line) + "\n" for line in lines)
    kept = read(text.encode()).word
    found = [
        (ord(letter), i)
        for i, line in enumerate(text.split("\n"), 1)
        for letter in re.findall("[A-Z]", line)
        if letter not in "XYZIJKFSPRN"
    ]
    assert list(zip(kept["letter"].tolist(), kept["line"].tolist(), strict=True)) == found


def xyz(text):
    """Positions of the moves of a program."""
    return read(text.encode()).moves["xyz"].tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("G20G1X1F1", [[25.4, 0, 0]]),
        ("G91G1X1F1\nX1\nG90X1\nG91X1", [[1, 0, 0], [2, 0, 0], [1, 0, 0], [2, 0, 0]]),
        ("G1X10F1\nG92X0\nX5\nG92.1\nX5", [[10, 0, 0], [15, 0, 0], [5, 0, 0]]),
        ("G1X10F1\nG10L20P1X0\nX5", [[10, 0, 0], [15, 0, 0]]),
        ("G0Z5\nG81X1Y2Z-3R1F100", [[0, 0, 5], [1, 2, 5], [1, 2, 1], [1, 2, -3], [1, 2, 5]]),
        ("G0Z5\nG99G82X1Z-3R1P.5F100", [[0, 0, 5], [1, 0, 5], [1, 0, 1], [1, 0, -3], [1, 0, -3], [1, 0, 1]]),
        ("G0Z5\nG91G81X1Z-4R-4L2F100\nG80", [[0, 0, 5]] + [[x, 0, z] for x in (1, 2) for z in (5, 1, -3, 5)]),
        ("G0Z1\nG83X0Z-2R1Q2F9", [[0, 0, 1]] * 3 + [[0, 0, z] for z in (-1, 1, -0.746, -2, 1)]),
        (
            "G0Z5\nG99G81X1Z-3R1F100\nG98G80G81X2Z-2R.5",
            [[0, 0, 5]] + [[1, 0, z] for z in (5, 1, -3, 1)] + [[2, 0, z] for z in (1, 0.5, -2, 1)],
        ),
        ("G43.1Z2\nG0Z1", [[0, 0, 3]]),
        ("(a (b) c)G0X1;X9", [[1, 0, 0]]),
        ("g0 x 1 . 5", [[1.5, 0, 0]]),
        ("/G0X1", [[1, 0, 0]]),
        ("N10 G0 X1 *71", [[1, 0, 0]]),
        ("G0X1\nM2\nG0X9", [[1, 0, 0]]),
        ("%\nG0X1\n%\nG0X9", [[1, 0, 0]]),
    ],
)
def test_words_mean_what_rs274_says(text, expected):
    np.testing.assert_allclose(xyz(text), expected, atol=1e-12)


def test_arcs_by_radius_and_by_absolute_centre_are_those_by_offset():
    by_offset = read(b"G2X10Y0I5J0F1").moves
    for text in (b"G2X10Y0R5F1", b"G90.1G2X10Y0I5J0F1"):
        np.testing.assert_allclose(read(text).moves["ij"], by_offset["ij"], atol=1e-12)
    long_way = read(b"G3X10Y0R-6F1")
    assert lengths(long_way.moves, long_way.start)[0] == pytest.approx(6 * (2 * np.pi - 2 * np.arcsin(5 / 6)))


def test_an_arc_in_another_plane_becomes_chords_on_the_arc():
    program = read(b"G18\nG3X10Z0I5K0F100")
    points = program.moves["xyz"]
    assert set(program.line.tolist()) == {2}
    np.testing.assert_allclose(np.hypot(points[:, 0] - 5, points[:, 2]), 5, atol=1e-9)
    assert points[-1].tolist() == [10, 0, 0]
    assert "arc-plane" in codes(program)


def test_inverse_time_feeds_become_mm_min():
    feeds = read(b"G93G1X10F2\nX30F2\nG94X40F5").moves["feed"]
    np.testing.assert_allclose(feeds, [20, 40, 5])


@pytest.mark.parametrize("words", ["G2X10I5", "G18G2X10I5"])
def test_inverse_time_feeds_of_arcs_count_along_the_arc(words):
    moves = read(f"G93{words}F2\nG94G17G1X20F5".encode()).moves
    np.testing.assert_allclose(moves["feed"][:-1], 2 * 5 * np.pi, rtol=1e-3)
    assert moves["feed"][-1] == 5


def test_stops_and_tool_changes_mark_the_next_move():
    flags = read(b"G0X1\nM0\nG0X2\nT5M6\nX3\nX4").state
    assert [bool(f & PAUSE) for f in flags["flags"]] == [False, True, False, False]
    assert [bool(f & CHANGE) for f in flags["flags"]] == [False, False, True, False]
    assert flags["tool"].tolist() == [0, 0, 5, 5]


def test_what_follows_home_is_marked_until_it_is_told_again():
    flags = read(b"G0Z5\nG91G28Z0\nG90\nG0X1\nG0Z3").state["flags"]
    assert [bool(f & LOST[2]) for f in flags] == [False, False, True, True, False]


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("G1X1.2.3F1", "number", 1),
        ("G21\n5X1", "letter-missing", 2),
        ("#1=3\nG1X[#1]", "expression", 1),
        ("o100 sub", "expression", 1),
        ("O1000\nG0X1", "program-number", 1),
        ("$100=1", "dollar", 1),
        (" $ 1 0 0=82", "dollar", 1),
        ("(c)$100=84", "dollar", 1),
        ("/$100=81", "dollar", 1),
        ("$H", "homing", 1),
        ("G0X1\n!\n", "realtime-character", 2),
        ("G0X1 (fin ! suite)", "realtime-in-comment", 1),
        ("G0X1\x00", "damaged", 1),
        ("G0X1 @", "character", 1),
        ("G1X1Q5F3", "word-unused", 1),
        ("G1X1I5F3", "word-unused", 1),
        ("G0X1X2", "letter-twice", 1),
        ("G0G1X2", "same-group", 1),
        ("M3M5", "same-group", 1),
        ("G80\nX1", "motion-cancelled", 2),
        ("X1", "motion-missing", 1),
        ("G2X1F1", "arc-centre-missing", 1),
        ("G2X10R4F1", "arc-radius-small", 1),
        ("G4", "dwell-missing", 1),
        ("G81X1F3", "canned-incomplete", 1),
        ("G28\nG91G0X1", "relative-after-home", 2),
        ("G38.2Z-3F1", "probe", 1),
        ("G55", "other-offset", 1),
        ("M30\nG0X1", "after-end", 2),
        ("(open\nG0X1", "comment-open", 1),
        ("G0X1)", "comment-stray", 1),
        ("G0X" + "0" * 90 + "1", "line-long", 1),
    ],
)
def test_every_oddity_is_reported_with_its_line(text, code, line):
    assert codes(read(text.encode())).get(code) == line


def test_utf8_comments_and_a_byte_order_mark_are_no_error():
    program = read("\ufeffG21G90\n(pièce n° 3 – façade)\nG1X1F1".encode())
    assert not [f for f in program.findings if f.severity != "note"]
    assert program.moves["xyz"].tolist() == [[1, 0, 0]]


@pytest.mark.parametrize("data", [b"", b" \r\n\t\n", bytes(range(128, 256)) * 8])
def test_what_is_no_text_is_refused(data):
    with pytest.raises(ProgramError, match=r"empty|not text"):
        read(data, "a.nc")


def test_a_million_words_of_one_kind_are_one_finding():
    program = read(b"G21G90G1F1\n" + b"X1 E1\n" * 5000)
    assert len([f for f in program.findings if f.code == "letter-missing"]) == 0
    assert len(program.lines_of("E")) == 5000


def test_motions_are_those_of_the_move_array():
    motion = read(b"G0X1\nG1X2F1\nG2X3I.5\nG3X4I.5\nG4P1").moves["motion"].tolist()
    assert motion == [RAPID, FEED, ARC_CW, ARC_CCW, DWELL]
