"""Malformed and hostile G-code: each file of the corpus behaves as its index expects."""

from contextlib import suppress

import pytest

from fabctl.errors import ProgramError, RefusedError
from fabctl.program.check import check, permit, rewrite
from fabctl.program.read import read
from fabctl.shop.machine import load_machine

ROUTER, LASER, PLOTTER = "router-3018", "laser-400", "pen-plotter-a3"

# file: machine, the findings a person must see with the first line of each, and the own lines that are sent
# (None where the program is refused).
EXPECTED = {
    "unsupported_words.nc": (ROUTER, {"word-unsupported": (3, 5, 6, 7)}, None),
    "two_motions_one_line.nc": (ROUTER, {"same-group": (3,)}, None),
    "missing_feed.nc": (ROUTER, {"feed-missing": (4,)}, None),
    "arc_off_axis_valid.nc": (ROUTER, {}, "X0Y0 G1Z0F300 G2X10I5J.5"),
    "arc_inconsistent_radius.nc": (ROUTER, {"arc-radii-differ": (4,)}, None),
    "arc_r_too_small.nc": (ROUTER, {"arc-radius-small": (4,)}, None),
    "line_over_256_chars.nc": (ROUTER, {"line-long": (4,)}, "G4P3 G1Z0F500 X10Y5 X20"),
    "latin1_comments.nc": (ROUTER, {"realtime-in-comment": (3,)}, "G4P3 G1Z0F500 X10"),
    "null_bytes.nc": (ROUTER, {"damaged": (4,)}, None),
    "crlf.nc": (ROUTER, {"start-unknown": (3,)}, "G4P3 G1Z0F500 X10 Y10"),
    "cr_only.nc": (ROUTER, {"start-unknown": (3,)}, "G4P3 G1Z0F500 X10 Y10"),
    "zero_byte.nc": (ROUTER, "empty", None),
    "comments_only.nc": (ROUTER, {"nothing-to-do": (1,)}, None),
    "out_of_envelope.nc": (ROUTER, {"envelope": (6, 7)}, None),
    "spindle_never_started.nc": (ROUTER, {"head-off": (4,)}, None),
    "realtime_chars.nc": (
        ROUTER,
        {"realtime-in-comment": (3,), "realtime-character": (4,)},
        "G4P3 G1Z0F500 X10 X20",
    ),
    "dollar_commands.nc": (ROUTER, {"dollar": (1,), "homing": (3,)}, None),
    "no_units_no_distance_mode.nc": (
        ROUTER,
        {"unit-missing": (2,), "distance-missing": (2,)},
        "X0Y0 G1Z0F10 X1",
    ),
    "g91_left_on.nc": (ROUTER, {"relative-left-on": (3,), "start-unknown": (4,)}, "X0Y0 G1Z0F500 X10 X20"),
    "g92_in_job.nc": (ROUTER, {"shifted": (3,)}, "G4P3 G1Z0F500 X10"),
    "rapid_plunge.nc": (ROUTER, {"rapid-plunge": (4,)}, None),
    "unbalanced_comment.nc": (ROUTER, {"comment-open": (3,), "comment-stray": (5,)}, "G4P3 G1Z0F500 X10 X20"),
    "number_overflow.nc": (ROUTER, {"number": (3,)}, None),
    "percent_in_middle.nc": (ROUTER, {"after-end": (6,)}, "G4P3 G1Z0F500 X10"),
    "toolchange.nc": (
        ROUTER,
        {"tool-change": (3,)},
        "G4P3 G1Z0F500 X10 G0Z5 M5 M0 G21G90G17G94G54 G0Z5 M3S1000 G4P3 X10 G1Z0F500 X20",
    ),
    "laser_on_while_still.nc": (LASER, {"beam-standing": (3,), "beam-in-rapid": (4,)}, None),
    "marlin_words.nc": (ROUTER, {"printer": (1,)}, None),
    "binary_named.nc": (ROUTER, "not text", None),
    "huge_dwell.nc": (ROUTER, {"dwell-long": (3,)}, "G4P3 G1Z0F500 G4P100000 X10"),
    "feed_too_fast.nc": (ROUTER, {"feed-fast": (3,)}, "G4P3 G1Z0F2000 X10"),
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_bad_file_behaves_as_its_index_expects(corpus, name):
    machine_name, expected, sent = EXPECTED[name]
    machine = load_machine(machine_name)
    data = (corpus / "bad" / "gcode" / name).read_bytes()
    if isinstance(expected, str):
        with pytest.raises(ProgramError, match=expected) as caught:
            read(data, name)
        assert caught.value.file == name
        return
    program = read(data, name, full_scale=machine.head.full_scale)
    findings = check(program, machine)
    for code, lines in expected.items():
        assert tuple(sorted(f.line for f in findings if f.code == code)) == lines, (code, findings)
    assert all(finding.remedy for finding in findings)
    if sent is None:
        with pytest.raises(RefusedError) as refused:
            rewrite(program, machine)
        assert refused.value.file == name
        assert refused.value.place.startswith("line ")
    else:
        own = rewrite(program, machine)
        assert sent in " ".join(own.text.decode().split())
        permit(own, machine)


def test_every_bad_program_of_the_index_is_in_the_table_and_none_passes_in_silence(corpus, bad_index):
    rows = {name[6:]: row for name, row in bad_index.items() if name.startswith("gcode/")}
    assert set(rows) == set(EXPECTED)
    for name, row in rows.items():
        _, expected, sent = EXPECTED[name]
        if row["severity"].startswith("error (exit"):
            assert sent is None, name
        elif row["severity"].startswith(("warning", "error")):
            assert expected, name
        else:
            assert sent is not None, name


def test_a_pen_plotter_needs_no_spindle(corpus):
    data = (corpus / "bad" / "gcode" / "spindle_never_started.nc").read_bytes()
    plotter = load_machine(PLOTTER)
    assert not [f for f in check(read(data), plotter) if f.severity == "error"]


def test_no_torn_or_flipped_program_brings_a_traceback(corpus):
    machine = load_machine(ROUTER)
    sent = []
    for path in sorted((corpus / "bad" / "gcode").iterdir()):
        data = path.read_bytes()[:400]
        for i in range(0, len(data), 7):
            for torn in (data[:i], data[:i] + bytes([data[i] ^ 0x55]) + data[i + 1 :]):
                with suppress(ProgramError, RefusedError):
                    sent.append(rewrite(read(torn, path.name), machine).text)
    assert sent
    assert set(b"".join(sent)) <= set(b"\n+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
