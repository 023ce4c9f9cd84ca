"""Every SVG of the corpus, good and bad, against figures measured by others."""

import re
import tomllib
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from fabctl.design.read import read_design
from fabctl.design.svg import outline, read_svg
from fabctl.errors import DesignError
from fabctl.geometry.curves import extents, lengths

TABLE = tomllib.loads((Path(__file__).parent / "svg_corpus.toml").read_text(encoding="utf-8"))
CUT = sorted(name for name, row in TABLE.items() if "error" not in row)
RESCALED = sorted(name for name, row in TABLE.items() if "px per inch" in row.get("reason", ""))

# What each hostile or malformed file comes to: an error whose text is matched, or length and kinds of Notes.
SQUARE = (80.0, ())
BAD = {
    "self_intersecting": (320.0, ("self-intersecting",)),
    "open_contour": (150.0, ()),
    "tiny_gap": (200.0, ("joined",)),
    "zero_length": (80.0, ("degenerate", "degenerate")),
    "nan_inf": r"line 3 \(#nan\): .*character 3",
    "coords_1e9_mm": r"far: a coordinate of 1e\+09 mm: nothing may reach past 100000 mm",
    "billion_laughs_small": r"line 2: entity 'l1' is made of other entities",
    "xxe_external_entity": r"line 2: entity 'x' names a file, which is never opened",
    "href_traversal": (80.0, ("image", "skipped")),
    "script_and_import": (80.0, ("skipped", "skipped", "css")),
    "huge_viewbox": r"nothing to cut: 1 path shorter than 0.001 mm .* check the scale",
    "zero_viewbox": r"viewBox='0 0 0 0' must be four numbers",
    "negative_viewbox": r"viewBox='0 0 -100 100' must be four numbers",
    "bad_units": r"line 2: width='10furlongs' is not a length.*px, mm, cm, in",
    "no_units_at_all": (101.6, ()),
    "truncated": r"line 2 column 1: not well-formed XML",
    "png_named": r"not an SVG file: it looks like a PNG image",
    "no_geometry": r"nothing to cut",
    "zero_byte": r"the file is empty",
    "text_only": r"nothing to cut: 1 text element .* Convert text to paths",
    "use_cycle": (80.0, ("skipped",)),
    "deep_nesting_3000": SQUARE,
    "bad_path_syntax": r"line 3 \(#typo\): .*character 22: 'foo'",
    "singular_transform": r"nothing to cut: 2 shapes scaled to nothing",
    "duplicates": (80.0, ("duplicates",)),
    "utf16": SQUARE,
    "latin1_undeclared": (80.0, ("encoding",)),
    "hidden_things": (80.0, ("hidden", "skipped")),
    "gzip_15MB": SQUARE,
    "percent_and_em": (104.0, ()),
}


def size(design):
    x0, y0, x1, y1 = extents(design.curves)
    return np.array([x1 - x0, y1 - y0])


def length(design):
    return float(lengths(design.curves).sum())


def raw(corpus, name, **options):
    path = corpus / "svg" / f"{name}.svg"
    return outline(path.read_bytes(), path.name, **options)


def indexed(row):
    """Box and length of INDEX.csv, None where its tool failed."""
    box = re.search(r"geom ([\d.]+) x ([\d.]+)", row["bbox"])
    return box and (np.array([float(box[1]), float(box[2])]), float(row["length_mm"]))


def test_the_table_names_every_svg_of_the_corpus(corpus_index):
    assert sorted(TABLE) == sorted(Path(f).stem for f in corpus_index if f.startswith("svg/"))


def test_the_table_names_every_bad_svg(bad_index):
    assert sorted(BAD) == sorted(Path(f).stem for f in bad_index if f.startswith("svg/"))


@pytest.mark.parametrize("name", CUT)
def test_size_and_length_agree_with_the_index_or_the_table_says_why_not(name, corpus, corpus_index):
    row = TABLE[name]
    design = raw(corpus, name)
    known = indexed(corpus_index[f"svg/{name}.svg"])
    agree = known is not None and (
        np.abs(size(design) - known[0]).max() <= 0.05 and length(design) == pytest.approx(known[1], rel=1e-3)
    )
    if "reason" in row:
        assert not agree, "the difference is gone: take its explanation out of the table"
        known = np.array(row["box_mm"]), row["length_mm"]
    assert np.abs(size(design) - known[0]).max() <= 0.05
    assert length(design) == pytest.approx(known[1], rel=1e-3)


@pytest.mark.parametrize(
    "name", [name for name, row in TABLE.items() if "px per inch" in row.get("reason", "")]
)
def test_a_drawing_in_the_wrong_pixels_would_be_seen(name, corpus, corpus_index):
    """The comparison can fail: at 96 px per inch these have the size of INDEX.csv, which is not true."""
    box, length_mm = indexed(corpus_index[f"svg/{name}.svg"])
    design = raw(corpus, name, units="px96")
    assert np.abs(size(design) - box).max() <= 0.05
    assert length(design) == pytest.approx(length_mm, rel=1e-3)
    assert np.abs(np.array(TABLE[name]["box_mm"]) - box).max() > 1


@pytest.mark.parametrize("name", CUT)
def test_what_is_made_of_a_real_drawing_is_clean(name, corpus):
    """Finishing keeps the box, never adds length, and leaves only finite paths with a name."""
    before, design = raw(corpus, name), read_design(corpus / "svg" / f"{name}.svg")
    assert np.isfinite(design.curves.points).all()
    assert lengths(design.curves).min() >= 0.001
    assert length(design) <= length(before) + 0.05 * len(before.curves)
    assert np.abs(size(design) - size(before)).max() <= 0.05
    assert len(design.layer) == len(design.colour) == len(design.ident) == len(design.curves)
    assert all(design.ident)


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if "error" in row])
def test_a_drawing_of_text_alone_is_refused_with_the_remedy(name, corpus):
    with pytest.raises(DesignError, match=TABLE[name]["error"]):
        read_design(corpus / "svg" / f"{name}.svg")


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_comes_to_exactly_this(name, bad_index, corpus):
    expected, file = BAD[name], next(f for f in bad_index if Path(f).stem == name and f.startswith("svg/"))
    path = corpus / "bad" / file
    if isinstance(expected, str):
        with pytest.raises(DesignError, match=f"(?s){expected}") as caught:
            read_design(path)
        assert caught.value.file == str(path)
        assert caught.value.remedy
        assert "error" in bad_index[file]["severity"]
        return
    design = read_design(path)
    assert length(design) == pytest.approx(expected[0], abs=0.02)
    assert tuple(note.kind for note in design.notes if note.kind != "units") == expected[1]
    assert not bad_index[file]["severity"].startswith("error (")


def test_bad_files_do_not_fill_the_memory(bad_index, corpus):
    tracemalloc.start()
    for file in bad_index:
        if file.startswith("svg/"):
            try:
                read_design(corpus / "bad" / file)
            except DesignError:
                continue
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500e6


@pytest.mark.parametrize("name", ["barebaric_multicolor", "t-oster_test", "universalbit_unbt"])
def test_the_same_bytes_give_the_same_design(name, corpus):
    data = (corpus / "svg" / f"{name}.svg").read_bytes()
    first, second = read_svg(data, name), read_svg(data, name)
    assert first.curves.points.tobytes() == second.curves.points.tobytes()
    assert first.curves.bulge.tobytes() == second.curves.bulge.tobytes()
    assert (first.layer, first.colour, first.ident, first.notes) == (
        second.layer,
        second.colour,
        second.ident,
        second.notes,
    )
