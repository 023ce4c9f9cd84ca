"""The runner of the benchmarks: what it prints, never how fast anything is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import names
from benchmarks.measure import Peer, race
from benchmarks.table import BEGIN, END, page, table

ROOT = Path(__file__).resolve().parent.parent


def bench(*words):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_one_row_is_one_object_with_the_keys_scripts_read():
    row = json.loads(bench("stl", "--json", "--scale", "0.002").stdout)
    assert row["name"] == "stl"
    assert row["ours_s"] > 0
    assert row["triangles"] == pytest.approx(660, rel=0.2)
    assert ("trimesh" in row["missing"]) == (row["ratio_trimesh"] is None)
    assert len(row["scaling_s"]) == 3
    assert {"exponent", "peak_mb", "what"} <= set(row)


def test_every_row_of_the_issue_is_there():
    rows = {
        "slicing",
        "stl",
        "reading",
        "writing",
        "ordering",
        "curves",
        "timing",
        "removal",
        "regions",
        "program",
    }
    assert rows <= set(names())


def test_unknown_rows_are_refused_with_the_known_ones():
    done = bench("slicin")
    assert done.returncode == 2
    assert "slicing" in done.stderr


def test_missing_peers_are_said_and_the_race_goes_on():
    row = race(None, lambda _: None, {"ghost": Peer(lambda _: None, ("no_such_module",))}, rounds=1)
    assert row["missing"] == ["ghost"]
    assert row["ratio_ghost"] is None
    assert "not installed: ghost" in table([row | {"name": "x"}])


def test_shares_of_the_work_count_for_the_whole():
    row = race(None, lambda _: 1, {"slow": Peer(lambda _: 2.0, share=0.25, says_seconds=True)}, rounds=1)
    assert row["slow_s"] == 8.0


def test_the_page_keeps_its_notes_round_the_table(tmp_path):
    path = tmp_path / "performance.md"
    path.write_text(f"# Title\n{BEGIN}\nstale\n{END}\nnotes\n", encoding="utf-8")
    page(path, [{"name": "row", "missing": [], "ours_s": 0.5}])
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# Title\n")
    assert text.endswith("notes\n")
    assert "| row |" in text
    assert "stale" not in text
