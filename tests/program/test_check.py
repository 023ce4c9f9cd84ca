"""Checks, permits and rewriting: what a machine cannot do is found before anything moves."""

import re
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabctl.errors import RefusedError
from fabctl.program.arcs import reach
from fabctl.program.check import _OWN_LINE, _sound_text, check, feed_limits, permit, rewrite
from fabctl.program.findings import BY_MACHINE, KINDS, Notebook
from fabctl.program.model import Program
from fabctl.program.read import read
from fabctl.program.write import write
from fabctl.shop.machine import load_machine
from fabctl.shop.material import load_material
from fabctl.shop.stock import Stock
from fabctl.toolpath.moves import ARC_CCW, ARC_CW, CHUNK_MOVES, DWELL, FEED, MOVE, RAPID, Toolpath
from tests.program.test_write import moves

ROUTER = load_machine("router-3018")
LASER = load_machine("laser-400")
PLOTTER = load_machine("pen-plotter-a3")
STOCK = Stock(load_material("plywood-6"), 200.0, 100.0, 6.0)
HEADER = "G21G90\nM3S1000\nG0Z5\n"


def found(text, machine=ROUTER, stock=None):
    """Findings of a program: code to (severity, first line)."""
    program = read(text.encode(), "a.nc", full_scale=machine.head.full_scale)
    return {f.code: (f.severity, f.line) for f in check(program, machine, stock)}


def test_a_sound_program_has_no_findings():
    assert found(HEADER + "X10Y10\nG1Z-1F100\nX20\nG0Z5\nM5\nM2\n", stock=STOCK) == {}


@pytest.mark.parametrize(
    ("text", "machine", "code", "severity", "line"),
    [
        ("G1X10", ROUTER, "feed-missing", "error", 4),
        ("G1X301F100", ROUTER, "envelope", "error", 4),
        ("X300\nG1Y100F100\nG2X300Y-100I0J-100", ROUTER, "envelope", "error", 6),
        ("G1Z-1F100\nG0X5", ROUTER, "rapid-in-stock", "error", 5),
        ("G0Z-1", ROUTER, "rapid-plunge", "error", 4),
        ("G0Z-1", PLOTTER, "rapid-plunge", "warning", 4),
        ("M5\nG1Z-1F100", ROUTER, "head-off", "error", 5),
        ("S0\nG1Z-1F100", ROUTER, "power-zero", "warning", 5),
        ("M4\nG1Z-1F100", ROUTER, "head-reverse", "error", 5),
        ("S99999G1Z-1F100", ROUTER, "speed-high", "warning", 4),
        ("G1Z-1F900", ROUTER, "feed-fast", "warning", 4),
        ("G1X9F900\nG4P3", LASER, "beam-standing", "error", 5),
        ("G0X9", LASER, "beam-in-rapid", "warning", 3),
        ("G1Z-1F9", LASER, "z-missing", "error", 3),
        ("G4P700", ROUTER, "dwell-long", "warning", 4),
        ("M6T3", ROUTER, "tool-change", "warning", 4),
        ("G43H1", ROUTER, "word-dropped", "warning", 4),
        ("G41D1", ROUTER, "word-unsupported", "error", 4),
        ("G1X1A5F9", ROUTER, "axis-unsupported", "error", 4),
        ("M104S200", ROUTER, "printer", "error", 4),
        ("$H", ROUTER, "homing", "error", 4),
        ("$H", LASER, "homing", "warning", 4),
        ("G28Z0", ROUTER, "machine-coordinates", "warning", 4),
    ],
)
def test_each_thing_is_found_on_its_line(text, machine, code, severity, line):
    assert found(HEADER + text + "\nG1X2F100\n", machine).get(code) == (severity, line)


def test_cuts_beside_and_far_below_the_stock_are_said():
    text = HEADER + "G1Z-8F100\nX-3\nX201"
    assert found(text, stock=STOCK).keys() >= {"stock-outside", "stock-through"}
    assert not found(text).keys() & {"stock-outside", "stock-through"}


@pytest.mark.parametrize(
    ("depth_mm", "stock", "room"),
    [
        (7, STOCK, None),
        (7.01, STOCK, "the stock is 6 mm thick, and 1 mm more is allowed"),
        (20, None, None),
        (20.01, None, "has 20 mm"),
    ],
)
def test_a_cut_far_below_the_stock_forbids_the_run(depth_mm, stock, room):
    text = HEADER + f"X10Y10\nG1Z-{depth_mm}F100\nX20\nG0Z5\n"
    deep = [f for f in check(read(text.encode()), ROUTER, stock) if f.code == "stock-through"]
    assert len(deep) == (room is not None)
    for finding in deep:
        assert (finding.severity, finding.line) == ("error", 5)
        assert room in finding.problem


@pytest.mark.parametrize(
    ("text", "machine", "spans"),
    [
        (
            "G21G90M4S500\nG0X500Y10\nG1X520F900\n",
            LASER,
            ["X goes from 500.000 to 520.000 mm, 520.000 mm in"],
        ),
        ("G21G90M4S500\nG0X-500Y10\nG1X-520F900\n", LASER, ["X goes from -520.000 to -500.000 mm, 520.000"]),
        ("G21G90M4S500\nG0X-390Y10\nG1X-200F900\n", LASER, []),
        (HEADER + "X9Y9Z50\n", ROUTER, ["Z goes from 5.000 to 50.000 mm, 50.000 mm in all with Z0"]),
    ],
)
def test_the_way_from_work_zero_must_fit_the_travel_too(text, machine, spans):
    program = read(text.encode(), "far.nc", full_scale=machine.head.full_scale)
    said = [f.problem for f in check(program, machine) if f.code == "envelope"]
    assert len(said) == len(spans)
    assert all(span in problem for span, problem in zip(spans, said, strict=True))
    assert all("work zero is touched off" in problem for problem in said)


def test_a_rapid_into_a_hole_just_drilled_is_no_plunge():
    assert found(HEADER + "G81X5Y5Z-3R1F100\nG83X9Z-6R1Q2\nG80\nG0Z5\n").keys() == {"canned-cycle"}


def test_repeats_are_one_finding_that_lists_its_lines():
    program = read((HEADER + "G41D1\n" * 30 + "G1X2F9").encode())
    finding = next(f for f in check(program, ROUTER) if f.code == "word-unsupported")
    assert finding.count == 30
    assert finding.lines == tuple(range(4, 24))
    assert "30 lines: 4, 5" in finding.problem
    assert "and 10 more" in finding.problem


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ("$100=10\n$RST=*\n$100=10", "dollar", "$100=10, $RST=* changes"),
        ("!\n~?\n!", "realtime-character", "(!, ?, ~)"),
        ("G1X1.2.3\nX--5", "number", "'X1.2.3', 'X--5' is not"),
        ("$1=1\n$2=1\n$3=1\n$4=1\n$5=1\n$6=1", "dollar", "$1=1, $2=1, $3=1, $4=1, $5=1 and others"),
    ],
)
def test_folded_findings_show_each_thing_seen(text, code, told):
    problem = next(f.problem for f in read((HEADER + text).encode()).findings if f.code == code)
    assert told in problem


def test_an_exponent_is_no_printer():
    assert found(HEADER + "G1X1F1e5")["word-unsupported"] == ("error", 4)
    assert "printer" not in found(HEADER + "G1X1F1e5")
    assert found(HEADER + "G1X1F1E5\nM104S200")["printer"] == ("error", 4)


def test_feed_limits_follow_the_direction():
    program = read(b"G1X10F1\nZ1\nX20Z2\nG2X30I5\nG4P1")
    limits = feed_limits(program, ROUTER)
    np.testing.assert_allclose(limits[:2], [2000, 800])
    assert 2000 < limits[2] < 2020
    assert limits[3] == 2000


@given(moves(z=False))
def test_what_is_permitted_is_exactly_what_was_checked(rows):
    """A permit fits the bytes it was given for, and no other."""
    rows["xyz"][:, :2] *= 0.1
    rows["ij"] *= 0.1
    rows["feed"] = np.where(rows["feed"] > 0, 500, 0)
    rows["xyz"][:, 2] = 6
    own = write(Toolpath(rows), ROUTER)
    errors = [f for f in check(own, ROUTER) if f.severity == "error"]
    if errors:
        with pytest.raises(RefusedError):
            permit(own, ROUTER)
        return
    given_permit = permit(own, ROUTER)
    given_permit.demand(own.digest, ROUTER)
    with pytest.raises(RefusedError):
        given_permit.demand(sha256(own.text + b"\n").hexdigest(), ROUTER)


def test_foreign_bytes_are_never_permitted():
    program = read((HEADER + "G1X5F100\n").encode(), "a.nc")
    with pytest.raises(RefusedError, match="not written here"):
        permit(program, ROUTER)
    permit(rewrite(program, ROUTER), ROUTER)


def test_a_long_program_is_measured_as_its_moves_one_by_one():
    """Law: where work is cut into pieces leaves no trace in boxes and feed limits."""
    count = CHUNK_MOVES + 300
    rng = np.random.default_rng(8)
    rows = np.zeros(count, MOVE)
    rows["motion"] = rng.choice([RAPID, FEED, ARC_CW, ARC_CCW, DWELL], count)
    rows["xyz"], rows["ij"] = rng.integers(-3, 4, (count, 3)), rng.integers(-3, 4, (count, 2))
    start = np.array([1.0, -1.0, 2.0])
    rows["xyz"][rows["motion"] == DWELL] = np.nan
    last = np.maximum.accumulate(np.where(rows["motion"] == DWELL, -1, np.arange(count)))
    rows["xyz"] = np.where((last >= 0)[:, None], rows["xyz"][last], start)
    whole = Program("a", b"", rows, np.arange(count), start)
    low, high = reach(rows, start)
    limits = feed_limits(whole, ROUTER)
    for k in [*range(200), *range(CHUNK_MOVES - 100, count)]:
        begin = rows["xyz"][k - 1] if k else start
        alone = rows[k : k + 1].copy()
        one_low, one_high = reach(alone, begin)
        assert np.array_equal(one_low[0], low[k])
        assert np.array_equal(one_high[0], high[k])
        assert feed_limits(Program("a", b"", alone, np.zeros(1, int), begin.copy()), ROUTER)[0] == limits[k]


def test_findings_at_hand_serve_a_permit_as_a_new_check_does():
    rows = np.zeros(1, MOVE)
    rows["motion"], rows["xyz"], rows["feed"], rows["power"] = FEED, (5, 5, 1), 100, 0.5
    own, far = write(Toolpath(rows), ROUTER), rows.copy()
    assert permit(own, ROUTER, findings=check(own, ROUTER)) == permit(own, ROUTER)
    far["xyz"] = 5000, 5, 1
    beyond = write(Toolpath(far), ROUTER)
    with pytest.raises(RefusedError, match="5000"):
        permit(beyond, ROUTER, findings=check(beyond, ROUTER))
    foreign = read(own.text, "a.nc")
    with pytest.raises(RefusedError, match="not written here"):
        permit(foreign, ROUTER, findings=())


def test_own_bytes_are_looked_at_once_more():
    rows = np.zeros(1, MOVE)
    rows["motion"], rows["feed"], rows["power"] = FEED, 100, 0.5
    own = write(Toolpath(rows), ROUTER)
    for line in (b"$RST=*\n", b"G1X1(a)\n", b"!\n", b"G1" + b"X1" * 40 + b"\n"):
        with pytest.raises(RefusedError, match="line that may be sent"):
            permit(replace(own, text=own.text + line), ROUTER)


@given(st.lists(st.sampled_from([*"G1X-.0 M?Y9\n", "G1X5\n", "Y-.5", "\n"]), max_size=30), st.integers(3, 20))
def test_looking_at_the_whole_text_finds_what_looking_at_each_line_finds(parts, limit):
    text = "".join(parts).encode()
    *lines, rest = text.split(b"\n")
    sound = not rest and all(len(line) <= limit and _OWN_LINE.fullmatch(line) for line in lines)
    assert sound or not _sound_text(text, limit)
    if sound and lines and not re.search(rb"\.[GMXY\n]", text):
        assert _sound_text(text, limit)


@given(
    st.lists(
        st.sampled_from(["X5", "Y7", "X1Y1", "Z-1", "G2X9I2", "M0", "T2M6", "G91X1", "G90X3"]), max_size=20
    )
)
def test_a_rewritten_program_maps_back_to_the_original_lines(lines):
    text = HEADER + "G1F100\n" + "\n".join(lines) + "\nX77Y77"
    program = read(text.encode(), "a.nc")
    if any(f.severity == "error" for f in check(program, ROUTER)):
        return
    own = rewrite(program, ROUTER)
    kept = own.original_line > 0
    assert np.all(np.diff(own.original_line[kept]) >= 0)
    np.testing.assert_allclose(own.moves["xyz"][kept], program.moves["xyz"][own.origin[kept]], atol=1.5e-3)
    stops = sum("M0" in line or "M6" in line for line in lines)
    assert min(stops, 1) < len(own.sections) <= 1 + stops
    assert own.text.count(b"M0\n") == len(own.sections) - 1
    assert own.sections[-1].last_line == own.line_count


@pytest.mark.parametrize(
    ("text", "machine", "severity", "sent"),
    [
        ("G1X10Y10Z-5F500\nG1X50", ROUTER, "error", None),
        ("G2X10I5F500", ROUTER, "error", None),
        ("G1X10F500\nX20", ROUTER, "warning", "G4P3 G1Z0F500 X10 X20 G0Z5"),
        ("G1X10F500\nX20\nT2M6\nG1Y5", ROUTER, "warning", "G4P3 X20 G1Z0F500 Y5 G0Z5"),
        ("G0Z5\nG1Z-1F100\nX4", ROUTER, "warning", "G4P3 G1Z-1F100 X4 G0Z5"),
        ("G91\nG1X5F100", ROUTER, "warning", "G4P3 X0Y0 G1Z0F100 X5"),
        ("G0Z5\nG0X-150Y-100\nG1Z-1F100", ROUTER, None, "G4P3 X-150Y-100 G1Z-1F100"),
        ("M8\nG0Z6\nX0\nG0Y5\nG1Z-1F100", ROUTER, None, "G4P3 M8 Z6 X0 Y5 G1Z-1F100"),
        ("G0X1Y2\nG1Z-1F100", ROUTER, None, "G4P3 X1Y2 G1Z-1F100"),
        ("G0X1Y2\nG1X5F100", ROUTER, None, "G4P3 X1Y2 G1Z0F100 X5"),
        ("G0X5Y5Z0\nG1Z-1F100", ROUTER, None, "G4P3 X5Y5 G1Z0F100 Z-1"),
        ("G28\nG0Z5\nX4Y4\nG1Y3F100", ROUTER, None, "G4P3 X4Y4 G1Y3F100"),
        ("G1X5F100", LASER, "warning", "M4S0 G1X5F100S1000 M5"),
        ("G0X5Y0\nG1X9F100", LASER, None, "M4S0 G0X5Y0 G1X9F100S1000 M5"),
    ],
)
def test_where_a_program_begins_is_taken_from_it_or_from_nowhere(text, machine, severity, sent):
    """No X, Y or rapid down is made up for a file that does not say where it begins."""
    head_word = "M4" if machine is LASER else "M3"
    program = read(f"G21G90\n{head_word}S1000\n{text}\n".encode(), full_scale=machine.head.full_scale)
    said = [f.severity for f in check(program, machine) if f.code == "start-unknown"]
    assert said == ([severity] if severity else [])
    if sent is None:
        with pytest.raises(RefusedError, match="wherever the tool stands"):
            rewrite(program, machine)
        return
    own = rewrite(program, machine)
    assert sent in own.text.decode().replace("\n", " ")
    permit(own, machine)
    assert np.array_equal(read(own.text).moves["motion"], own.moves["motion"])


def test_a_move_home_is_rewritten_as_a_retract_in_place():
    text = "G21G90\nM3S1000\nG0X20Y30Z9\nG91G28Z0\nG90\nG0X50\nG0Z2\nG1Z-1F100\nG28\n"
    own = rewrite(read(text.encode()), ROUTER)
    assert "X20Y30Z9 Z5 X50 Z2 G1Z-1F100 G0Z5" in own.text.decode().replace("\n", " ")


def test_a_laser_program_in_m3_is_rewritten_in_m4():
    own = rewrite(read(b"G21G90\nM3\nG0X5S0\nG1X9F900S500\nG0X20S0\nM5"), LASER)
    assert own.text.split() == b"G21G90G17G94G54 M4S0 G0X5 G1X9F900S500 G0X20S0 M5 M2".split()


def test_coolant_is_kept():
    own = rewrite(read((HEADER + "M8\nG1X5F100\nX6\nM9\nX7").encode()), ROUTER)
    assert "M8 G1X5F100 X6 M9 X7" in own.text.decode().replace("\n", " ")


def test_coolant_is_off_at_the_end_though_the_program_forgets_it():
    own = rewrite(read((HEADER + "M8\nG1X5F100\nX6").encode()), ROUTER)
    assert own.text.decode().split()[-4:] == ["M9", "G0Z5", "M5", "M2"]


def test_rapids_of_a_written_program_never_count_as_plunges():
    rows = np.zeros(4, MOVE)
    rows["motion"] = [RAPID, FEED, FEED, RAPID]
    rows["xyz"] = [(5, 5, 5), (5, 5, -2), (50, 5, -2), (50, 5, 5)]
    rows["feed"], rows["power"] = [0, 100, 100, 0], 0.5
    assert check(write(Toolpath(rows), ROUTER), ROUTER, STOCK) == ()


def test_the_page_of_checks_lists_every_kind_with_its_severity():
    page = (Path(__file__).parents[2] / "docs" / "checks.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| `")]
    told = {row[1].strip(" `"): row[2].strip() for row in rows}
    assert told == {code: BY_MACHINE.get(code, kind.severity) for code, kind in KINDS.items()}
    assert all(len(row) == 6 and row[3].strip() and row[4].strip() for row in rows)


def test_what_is_weighed_by_machine_is_weighed_as_the_page_says():
    seen = {
        "homing": [("$H\nG1X1F100", ROUTER), ("$H\nG1X1F100", LASER)],
        "rapid-plunge": [("G0Z-1", ROUTER), ("G0Z-1", PLOTTER)],
        "rapid-in-stock": [("G1Z-1F100\nG0X5", ROUTER), ("G1Z-1F100\nG0X5", PLOTTER)],
        "beam-standing": [("G4P.3\nG1X1F100", LASER), ("G4P.2\nG1X1F100", LASER)],
        "start-unknown": [("G1Z-1F100", ROUTER), ("G1X1F100", ROUTER)],
    }
    assert set(seen) == set(BY_MACHINE)
    for code, cases in seen.items():
        header = "G21G90\nM3S1000\n"
        assert [found(header + text + "\n", machine)[code][0] for text, machine in cases] == [
            "error",
            "warning",
        ]
        assert {"error", "warning"} <= set(re.findall(r"error|warning", BY_MACHINE[code]))


@pytest.mark.parametrize("code", sorted(KINDS))
def test_every_kind_says_what_and_what_to_do(code):
    notes = Notebook()
    notes.add(code, 3, "this")
    (finding,) = notes.findings()
    assert finding.line == 3
    assert finding.problem
    assert finding.remedy
    assert "{}" not in finding.problem
