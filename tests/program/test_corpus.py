"""Real G-code nobody here wrote, against figures of an interpreter nobody here wrote."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fabctl.errors import RefusedError
from fabctl.program.arcs import reach
from fabctl.program.check import check, permit, rewrite
from fabctl.program.read import read
from fabctl.shop.machine import load_machine
from fabctl.toolpath.moves import DWELL, RAPID, lengths, starts

DIFFERENT = tomllib.loads(Path(__file__).with_name("gcode_corpus.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def hall():
    """A router large enough for every file of the corpus."""
    router = load_machine("plywood-router-600x900")
    rates = (20000.0, 20000.0, 20000.0)
    return replace(router, travel_mm=(2000.0, 2000.0, 500.0), max_rate_mm_min=rates)


def feeding(program):
    """Which moves feed."""
    return (program.moves["motion"] != RAPID) & (program.moves["motion"] != DWELL)


def figures(program):
    """Box and length of all feed moves, their starts included: what the reference measures."""
    feed = feeding(program)
    low, high = reach(program.moves, program.start)
    begin = starts(program.moves, program.start)[feed]
    if not feed.any():
        return np.zeros((2, 3)), 0.0
    box = np.minimum(low[feed], begin).min(axis=0), np.maximum(high[feed], begin).max(axis=0)
    return np.array(box), float(lengths(program.moves, program.start)[feed].sum())


def agrees(program, row):
    """Whether box and length are those of the index within 0.01 % (and its last decimal)."""
    told = re.findall(r"-?\d+\.\d+", row["bbox"])
    if not told or not row["length_mm"]:
        return False
    expected = np.array(told, float).reshape(2, 3)
    box, length_mm = figures(program)
    size = np.abs(expected).max()
    expected_mm = float(row["length_mm"])
    return np.abs(box - expected).max() <= max(2e-3, 1e-4 * size) and abs(length_mm - expected_mm) <= max(
        0.011, 1e-4 * expected_mm
    )


def test_box_and_length_agree_with_the_reference_or_the_table_says_why(corpus, corpus_index, hall):
    rows = {name[6:]: row for name, row in corpus_index.items() if name.startswith("gcode/")}
    assert set(DIFFERENT) <= set(rows)
    wrong = []
    for name, row in rows.items():
        program = read((corpus / "gcode" / name).read_bytes(), name)
        if agrees(program, row) == (name in DIFFERENT):
            wrong.append((name, figures(program), row["bbox"], row["length_mm"]))
        finding = DIFFERENT.get(name, {}).get("finding", "")
        codes = {f.code for f in check(program, hall)}
        if finding and finding not in codes:
            wrong.append((name, finding, codes))
    assert not wrong


def test_real_programs_are_rewritten_as_the_same_motion_or_refused(corpus, corpus_index, hall):
    passed = 0
    for path in sorted((corpus / "gcode").iterdir()):
        if path.stat().st_size > 1_000_000:
            continue
        program = read(path.read_bytes(), path.name, full_scale=hall.head.full_scale)
        if any(finding.severity == "error" for finding in check(program, hall)):
            with pytest.raises(RefusedError):
                rewrite(program, hall)
            continue
        own = rewrite(program, hall)
        passed += 1
        permit(own, hall).demand(own.digest, hall)
        feed = feeding(own) & (own.origin >= 0)
        length_mm = float(lengths(own.moves, own.start)[feed].sum())
        assert length_mm == pytest.approx(figures(program)[1], rel=2e-3, abs=0.01), path.name
        assert np.all(own.original_line[feed] == program.line[own.origin[feed]])
        assert max(map(len, own.text.splitlines())) <= 70
    assert passed >= 12
