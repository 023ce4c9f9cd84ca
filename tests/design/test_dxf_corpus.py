"""Every DXF of the corpus, good and bad, against figures measured by others."""

import re
import tomllib
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from fabctl.design.dxf import read_dxf
from fabctl.errors import DesignError, FabctlError, RefusedError
from fabctl.geometry.curves import extents, lengths

TABLE = tomllib.loads((Path(__file__).parent / "dxf_corpus.toml").read_text(encoding="utf-8"))


def read(path, **options):
    return read_dxf(path.read_bytes(), path.name, **options)


def size(design):
    x0, y0, x1, y1 = extents(design.curves)
    return x1 - x0, y1 - y0


def length(design):
    return float(lengths(design.curves).sum())


def indexed(row):
    """The figures of INDEX.csv, in mm where the file declares a unit, else in its units."""
    width, height = re.findall(r"([\d.]+) x ([\d.]+)", row["bbox"])[-1]
    return (float(width), float(height)), float(row["length_mm"].split()[0])


def agrees(design, box_mm, length_mm):
    return np.allclose(size(design), box_mm, atol=0.05, rtol=0) and length(design) == pytest.approx(
        length_mm, rel=1e-3
    )


def test_the_table_names_every_dxf_of_the_corpus(corpus_index):
    assert sorted(TABLE) == sorted(Path(f).stem for f in corpus_index if f.startswith("dxf/"))


@pytest.mark.parametrize("name", TABLE)
def test_size_and_length_agree_with_the_index_or_the_table_says_why_not(name, corpus, corpus_index):
    row, path = TABLE[name], corpus / "dxf" / f"{name}.dxf"
    if "error" in row:
        with pytest.raises(DesignError, match=row["error"]) as caught:
            read(path)
        assert caught.value.file == path.name
        assert caught.value.remedy
        return
    design = read(path)
    same = agrees(design, *indexed(corpus_index[f"dxf/{name}.dxf"]))
    if "reason" in row:
        assert not same, "the difference is gone: take its explanation out of the table"
        assert agrees(design, row["box_mm"], row["length_mm"])
    else:
        assert same
    assert (int(design.curves.closed.sum()), int((~design.curves.closed).sum())) == (
        row["closed"],
        row["open"],
    )
    assert len(design.layer) == len(design.colour) == len(design.ident) == len(design.curves)


@pytest.mark.parametrize(
    ("name", "width_mm", "height_mm"),
    [("prusa3_mini_plate_wood", 477.14, 309.36), ("prusa3_sc10uu", 370, 370)],
)
def test_real_drawings_in_mm_that_declare_inches_are_refused_with_the_way_out(
    corpus, name, width_mm, height_mm
):
    path = corpus / "dxf" / f"{name}.dxf"
    with pytest.raises(RefusedError, match="--units mm"):
        read(path, largest_mm=900)
    assert any("--units mm" in note.text for note in read(path).notes)
    assert size(read(path, units="mm", largest_mm=900)) == pytest.approx((width_mm, height_mm), abs=0.05)


def test_one_drawing_in_five_versions_and_two_encodings_is_one(corpus):
    made = [read(corpus / "dxf" / f"tm_ae_{v}.dxf") for v in ("r12a", "r12b", "r2000a", "r2013a", "r2010b")]
    assert len({len(design.curves) for design in made}) == 1
    assert np.ptp([length(design) for design in made]) < 2
    assert np.allclose(made[0].curves.points, made[1].curves.points)
    assert np.allclose(made[2].curves.points, made[4].curves.points)


REFUSED = {
    "truncated": r"line 68: .*cut off",
    "garbage": "not a DXF",
    "zero_byte": "empty",
    "nan": r"line 24: 'nan' is not a finite number",
    "insert_bomb": "limit is 200,000",
    "inches_declared_mm_drawn": r"5334\.0 × 7543\.8 mm.*--units mm",
    "only_3dface": "1 3DFACE",
    "misaligned_codes": r"line 26: '20'",
}
"""What is refused: the message."""

READ = {
    "block_cycle": ((20, 20), 90, {"skipped"}),
    "missing_block": ((20, 20), 80, {"skipped"}),
    "insunits_99": ((100, 50), 300, {"units"}),
    "bad_radius": ((20, 20), 80, {"degenerate"}),
    "duplicates": ((100, 50), 300, {"duplicates"}),
    "layers_off_frozen": ((20, 20), 80, {"hidden"}),
    "far_from_origin": ((100, 50), 300, set()),
    "negative_extrusion": None,
}
"""What is read: box and length, mm, and the kinds of Note it must carry."""


def test_every_bad_file_has_its_outcome(bad_index):
    assert sorted(REFUSED | READ) == sorted(Path(f).stem for f in bad_index if f.startswith("dxf/"))


@pytest.mark.timeout(10)
@pytest.mark.parametrize("name", REFUSED | READ)
def test_bad_files_end_as_their_index_expects(name, corpus, bad_index):
    path = corpus / "bad" / "dxf" / f"{name}.dxf"
    severity = bad_index[f"dxf/{name}.dxf"]["severity"]
    tracemalloc.start()
    try:
        if name in REFUSED:
            with pytest.raises(FabctlError, match=REFUSED[name]) as caught:
                read(path, largest_mm=1000)
            assert severity.startswith("error")
            assert caught.value.file == path.name
            assert caught.value.remedy
        else:
            design = read(path, largest_mm=1000)
            assert "right result" in severity
            if READ[name] is not None:
                box_mm, length_mm, kinds = READ[name]
                assert size(design) == pytest.approx(box_mm, abs=1e-6)
                assert length(design) == pytest.approx(length_mm, abs=1e-6)
                assert kinds <= {note.kind for note in design.notes}
        assert tracemalloc.get_traced_memory()[1] < 500e6
    finally:
        tracemalloc.stop()


def test_both_ignored_layers_are_named(corpus):
    places = {note.place for note in read(corpus / "bad" / "dxf" / "layers_off_frozen.dxf").notes}
    assert len([place for place in places if place.startswith("layer ")]) == 2


def test_a_mirrored_arc_lands_where_its_plane_says(corpus):
    design = read(corpus / "bad" / "dxf" / "negative_extrusion.dxf")
    arcs = [points for points, bulge, closed in design.curves if np.any(bulge)]
    assert np.allclose(sorted(arcs[0].tolist()), [[25, 10], [30, 15]])


def test_survey_coordinates_keep_their_last_digit(corpus):
    design = read(corpus / "bad" / "dxf" / "far_from_origin.dxf")
    assert extents(design.curves) == (500000.123, 4000000.456, 500100.123, 4000050.456)


def test_an_entity_without_a_handle_is_not_named_by_its_place_in_memory(corpus):
    with pytest.raises(DesignError, match="SPLINE without a handle"):
        read_dxf((corpus / "dxf" / "tm_cycloidal.dxf").read_bytes(), "tm_cycloidal.dxf")
