"""Levelling, as a person types it."""

import json

import numpy as np
import pytest

from fabctl.job.level import HeightMap, write_map
from fabctl.toolpath.level import Surface

PART = """G21 G90
M3 S8000
G0 Z5
G0 X10 Y10
G1 Z-1 F200
G1 X60 F600
G1 Y30
G0 Z5
M5
M2
"""


@pytest.fixture
def part(tmp_path):
    path = tmp_path / "part.nc"
    path.write_text(PART, encoding="utf-8")
    return path


@pytest.fixture
def plate(tmp_path):
    path = tmp_path / "plate.json"
    heights = 0.3 * np.random.default_rng(3).random((4, 5))
    write_map(
        path, HeightMap(Surface((0, 0), (20, 15), heights), "router-3018", "2026-01-05T10:00:00", (0, 0, 0))
    )
    return path


def test_a_program_is_levelled_and_passes_the_check(fabctl, part, plate, tmp_path):
    out = tmp_path / "out.nc"
    said = fabctl("level", part, "--map", plate, "-o", out, "--json")
    assert said.code == 0
    told = json.loads(said.out)
    assert told["moves_added"] > 2
    assert told["machine"] == "router-3018"
    assert fabctl("check", out, "-m", "router-3018").code == 0
    assert "5 × 4 points" in fabctl("level", part, "--map", plate).out
    assert fabctl("level", part, "--map", plate, "-o", "-").out.startswith("G21")


def test_a_coarser_tolerance_needs_fewer_moves(fabctl, part, plate):
    fine, coarse = (
        json.loads(fabctl("level", part, "--map", plate, "--tolerance", t, "--json").out)["moves_added"]
        for t in ("0.002", "0.1")
    )
    assert fine > coarse


def test_what_cannot_be_levelled_is_refused(fabctl, part, plate, tmp_path):
    assert fabctl("level", part).code == 3
    assert fabctl("level", part, "--map", tmp_path / "none.json").code == 3
    assert fabctl("level", part, "--map", plate, "-m", "laser-400").code == 4
    assert fabctl("level", part, "--map", plate, "--tolerance", "0").code == 3
    assert fabctl("send", part, "-m", "router-3018", "--map", plate, "--from", 5).code == 4


def test_a_levelled_program_is_sent_in_one_go(fabctl, part, plate, tmp_path):
    said = fabctl("send", part, "-m", "router-3018", "--map", plate, "--out", tmp_path / "runs", "--json")
    assert said.code == 0
    assert json.loads(said.out)["end_state"] == "done"
    assert "height map" in said.err
    (folder,) = (tmp_path / "runs").iterdir()
    assert (folder / "program.nc").read_text("utf-8").count("Z") > 8
