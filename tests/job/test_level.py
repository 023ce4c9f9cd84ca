"""Height maps in their files, and programs laid onto them."""

import json

import numpy as np
import pytest

from fabctl.errors import InputError, RefusedError
from fabctl.job.level import HeightMap, level, read_map, write_map, zero_guard
from fabctl.program.read import read
from fabctl.shop.machine import load_machine
from fabctl.shop.material import load_material
from fabctl.shop.stock import stock_of
from fabctl.toolpath.level import Surface
from fabctl.toolpath.moves import DWELL, RAPID, starts

MACHINE = load_machine("router-3018")
PROGRAM = b"""G21 G90 (a part)
M3 S8000
G0 Z5
G0 X10 Y10
G1 Z-1 F200
G1 X60 F600
G3 X60 Y30 I0 J10
G1 X10
G1 Y10
G0 Z5
G28
M5
M2
"""


def bowed(scale=0.4, machine="router-3018"):
    x, y = np.meshgrid(np.linspace(-1, 1, 5), np.linspace(-1, 1, 4))
    heights = scale * (x * y + 0.3 * x**2)
    return HeightMap(
        Surface((0.0, 0.0), (20.0, 15.0), heights),
        machine,
        "2026-01-05T10:00:00+00:00",
        (0.0, 0.0, -3.0),
        0.01,
    )


def test_a_map_written_and_read_is_the_same(tmp_path):
    path = tmp_path / "plate.json"
    write_map(path, bowed())
    back = read_map(path)
    assert np.array_equal(back.surface.heights_mm, bowed().surface.heights_mm)
    assert (back.machine, back.taken, back.zero_mm, back.spread_mm) == (
        "router-3018",
        "2026-01-05T10:00:00+00:00",
        (0.0, 0.0, -3.0),
        0.01,
    )
    write_map(tmp_path / "again.json", back)
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


def _changed(values, key, value):
    return values | {key: value}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda v: _changed(v, "units", "in"), "mm"),
        (lambda v: _changed(v, "kind", "a drawing"), "expected"),
        (lambda v: _changed(v, "colour", "red"), "no height map has"),
        (lambda v: {key: value for key, value in v.items() if key != "machine"}, "missing"),
        (lambda v: _changed(v, "heights_mm", [[0, 1], [0]]), "checksum"),
        (lambda v: _changed(v, "machine", "laser-400"), "checksum"),
        (lambda v: _changed(v, "spread_mm", True), "holds"),
        (lambda v: [v], "object"),
    ],
)
def test_a_map_that_was_changed_is_none(tmp_path, change, word):
    path = tmp_path / "plate.json"
    write_map(path, bowed())
    path.write_text(json.dumps(change(json.loads(path.read_text("utf-8")))), "utf-8")
    with pytest.raises(InputError) as told:
        read_map(path)
    assert word in str(told.value)
    assert str(path) in str(told.value)
    assert told.value.remedy


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("heights_mm", [[0, 1], [0]], "one length"),
        ("heights_mm", [], "one length"),
        ("heights_mm", [[0, None], [0, 0]], "row 1, column 2"),
        ("heights_mm", [[0, 1e9], [0, 0]], "row 1, column 2"),
        ("heights_mm", [[0, 1]], "2 × 2"),
        ("origin_mm", [0], "2 lengths"),
        ("work_zero_mm", [0, 0, "z"], "3 lengths"),
        ("taken", "yesterday", "no date"),
        ("pitch_mm", [1, 0], "above 0"),
    ],
)
def test_a_map_with_nonsense_and_a_right_checksum_is_none_either(tmp_path, key, value, word, monkeypatch):
    path = tmp_path / "plate.json"
    write_map(path, bowed())
    values = json.loads(path.read_text("utf-8")) | {key: value}
    path.write_text(json.dumps(values), "utf-8")
    monkeypatch.setattr("fabctl.job.level._digest", lambda _values: values["sha256"])
    with pytest.raises(InputError) as told:
        read_map(path)
    assert word in str(told.value)


@pytest.mark.parametrize(
    "raw", [b"", b"[", b"[" * 100000, b"\xff\xfe", b'{"heights_mm": [[NaN]]}', b"1" * 2_000_000]
)
def test_a_file_that_is_no_map_is_refused(tmp_path, raw):
    (tmp_path / "a.json").write_bytes(raw)
    with pytest.raises(InputError):
        read_map(tmp_path / "a.json")
    with pytest.raises(InputError, match="cannot be read"):
        read_map(tmp_path / "none.json")


@pytest.mark.parametrize("at", range(0, 1200, 61))
def test_a_map_with_one_byte_flipped_is_refused_or_the_same(tmp_path, at):
    path = tmp_path / "plate.json"
    write_map(path, bowed())
    raw = bytearray(path.read_bytes())
    at %= len(raw)
    raw[at] ^= 0x04
    path.write_bytes(bytes(raw))
    try:
        back = read_map(path)
    except InputError:
        return
    assert np.array_equal(back.surface.heights_mm, bowed().surface.heights_mm)


def test_a_levelled_program_follows_the_stock_and_knows_its_lines():
    made = level(read(PROGRAM, "part.nc"), MACHINE, bowed())
    program, surface = made.program, bowed().surface
    cutting = ~np.isin(program.moves["motion"], (RAPID, DWELL)) & (program.origin >= 0)
    ends = program.moves["xyz"][cutting]
    depth = ends[:, 2] - surface.at(ends[:, :2])
    lines = program.original_line[cutting]
    assert np.all(np.abs(depth[lines >= 5] + 1) <= 0.0112)
    assert set(lines.tolist()) == {5, 6, 7, 8, 9}
    assert np.all(np.diff(program.original_line[program.original_line > 0]) >= 0)
    assert made.permit.program_sha256 == program.digest
    made.permit.demand(program.digest, MACHINE)


def test_no_retract_the_writer_puts_in_is_nearer_to_the_stock():
    made = level(read(PROGRAM, "part.nc"), MACHINE, bowed(2.0))
    program, surface = made.program, bowed(2.0).surface
    begin = starts(program.moves, program.start)
    rapid = program.moves["motion"] == RAPID
    across = np.flatnonzero(rapid & np.any(program.moves["xyz"][:, :2] != begin[:, :2], axis=1))
    assert len(across)
    share = np.linspace(0, 1, 50)[:, None]
    for row in across:
        way = begin[row] + (program.moves["xyz"][row] - begin[row]) * share
        assert np.all(way[:, 2] - surface.at(way[:, :2]) >= MACHINE.clearance_mm - 1e-3)
    last = program.moves["xyz"][rapid][-1]
    assert last[2] == pytest.approx(MACHINE.clearance_mm + surface.heights_mm.max(), abs=1e-3)


def test_level_stock_changes_no_byte():
    flat = HeightMap(Surface((0, 0), (40, 40), np.zeros((2, 3))), "router-3018", "2026-01-05", (0, 0, 0))
    from fabctl.job.check import inspect

    program = read(PROGRAM, "part.nc")
    made = level(program, MACHINE, flat)
    assert made.program.text == inspect(program, MACHINE).emitted.text
    assert made.pieces == 0


def test_a_map_of_another_machine_or_too_small_or_a_pen_is_refused():
    program = read(PROGRAM, "part.nc")
    with pytest.raises(RefusedError, match="not on router-3018"):
        level(program, MACHINE, bowed(machine="plywood-router-600x900"))
    small = HeightMap(Surface((0, 0), (5, 5), np.zeros((3, 3))), "router-3018", "2026-01-05", (0, 0, 0))
    with pytest.raises(RefusedError, match="half a pitch") as told:
        level(program, MACHINE, small)
    assert told.value.place == "line 6"


def test_what_is_wrong_after_levelling_is_found_again():
    """A surface two millimetres low makes a cut through the stock that was none."""
    stock = stock_of(load_material("plywood-6"), 100, 60)
    deep = read(PROGRAM.replace(b"Z-1", b"Z-6"), "part.nc")
    level(deep, MACHINE, bowed(0.1), stock)
    low = HeightMap(Surface((0, 0), (40, 40), np.full((2, 3), -2.0)), "router-3018", "2026-01-05", (0, 0, 0))
    with pytest.raises(RefusedError, match="stock is 6 mm thick"):
        level(deep, MACHINE, low, stock)


def test_only_a_run_from_the_maps_own_zero_passes_the_guard():
    plywood = load_machine("plywood-router-600x900")
    guard = zero_guard(bowed(machine=plywood.name), plywood)
    guard("armed", {"zero_mm": (0.0, 0.0, -3.001), "work_mm": (0.0, 0.0, 5.0)})
    with pytest.raises(RefusedError, match="work zero has moved"):
        guard("armed", {"zero_mm": (0.0, 0.0, -3.5), "work_mm": (0.0, 0.0, 5.0)})
    assert zero_guard(bowed(), MACHINE) is None
