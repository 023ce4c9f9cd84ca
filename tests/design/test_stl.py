"""STL: text and binary, sound and damaged."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fabctl.design import stl_text
from fabctl.design.stl import read_stl
from fabctl.errors import DesignError
from fabctl.geometry.mesh import extents, volume_mm3

CUBE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1.0]])
SIDES = np.array(
    [
        [0, 2, 1], [0, 3, 2], [4, 5, 6], [4, 6, 7], [0, 1, 5], [0, 5, 4],
        [1, 2, 6], [1, 6, 5], [2, 3, 7], [2, 7, 6], [3, 0, 4], [3, 4, 7],
    ]
)  # fmt: skip


def cube(size=20.0):
    return (CUBE * size)[SIDES]


def binary(corners, *, header=b"test", count=None, tail=b""):
    facets = b"".join(
        struct.pack("<12fH", 0, 0, 1, *np.asarray(triangle, np.float32).reshape(-1), 0)
        for triangle in corners
    )
    return header.ljust(80) + struct.pack("<I", len(corners) if count is None else count) + facets + tail


def text(corners, *, name="part", newline="\n", form="%.9g"):
    lines = [f"solid {name}"]
    for triangle in corners:
        lines += ["  facet normal 0 0 nan", "    outer loop"]
        lines += ["      vertex " + " ".join(form % value for value in vertex) for vertex in triangle]
        lines += ["    endloop", "  endfacet"]
    return newline.join([*lines, f"endsolid {name}", ""]).encode()


def kinds(design):
    return [note.kind for note in design.notes]


@pytest.mark.parametrize(
    "data",
    [
        binary(cube()),
        binary(cube(), header=b"solid but binary"),
        text(cube()),
        text(cube(), newline="\r\n"),
        text(cube(), newline="\r"),
        text(cube(), newline=" "),
        text(cube(), name="a vertex of a solid endsolid facet"),
        text(cube()).upper(),
        text(cube(), form="%.6e"),
        b"\n\n  " + text(cube()),
        text(cube()).replace(b"solid part\n", b"", 1).replace(b"endsolid part", b"endsolid"),
    ],
)
def test_a_cube_is_read_however_it_is_written(data):
    design = read_stl(data, "cube.stl")
    assert (len(design.mesh.vertices), len(design.mesh)) == (8, 12)
    assert volume_mm3(design.mesh) == pytest.approx(8000)
    assert len(design.curves) == 0
    assert design.notes == ()


@given(
    hnp.arrays(np.float64, (4, 3, 3), elements=st.floats(-1e6, 1e6)),
    st.sampled_from(["%.17g", "%.9e", "%.3f"]),
)
def test_text_coordinates_are_what_float_makes_of_them(corners, form):
    found, line, solids = stl_text.read_corners(text(corners, form=form), "a.stl")
    wanted = [float(form % value) for value in corners.reshape(-1)]
    assert found.reshape(-1).tolist() == wanted
    assert line.tolist() == [2, 9, 16, 23]
    assert solids == 1


@pytest.mark.parametrize("last", [b"1.5x", b"2,5", b"1e5e5", b"1.5e", b"--1", b"0x10", b"1.2.3e+01"])
def test_the_very_last_coordinate_is_looked_at_to_its_end(last):
    """Nothing follows it that would be missed when it is read half."""
    head, _, tail = text(cube()).rpartition(b"vertex")
    x, y, _ = tail.split()[:3]
    broken = head + b"vertex " + b" ".join((x, y, last)) + b"\n" + tail[tail.index(b"\n") + 1 :]
    with pytest.raises(DesignError, match="is not a number"):
        stl_text.read_corners(broken, "a.stl")


@pytest.mark.parametrize("one", [b"1.25e+01", b"1.25E1", b"125e-001", b"1250000000000000000e-17", b"+12.5"])
def test_a_coordinate_written_otherwise_than_the_first_is_read_all_the_same(one):
    data = text(cube()) + text(cube()).replace(b"vertex 20 20 20", b"vertex 20 20 " + one)
    corners, _, _ = stl_text.read_corners(data, "a.stl")
    assert np.count_nonzero(corners == 12.5) == data.count(one) > 0


def test_text_is_read_alike_in_small_pieces(monkeypatch):
    data = text(cube()) + text(cube(5.0) + 100)
    whole, line, _ = stl_text.read_corners(data, "a.stl")
    monkeypatch.setattr(stl_text, "_CHUNK", 300)
    pieces, line_too, solids = stl_text.read_corners(data, "a.stl")
    assert np.array_equal(whole, pieces)
    assert np.array_equal(line, line_too)
    assert solids == 2


def test_several_solids_are_one_design():
    design = read_stl(text(cube()) + text(cube() + 30), "two.stl")
    assert kinds(design) == ["solids"]
    assert len(design.mesh) == 24


@pytest.mark.parametrize(
    ("broken", "place", "problem"),
    [
        (text(cube()).replace(b"vertex", b"corner", 1), "line 4", "'corner' where 'vertex' belongs"),
        (text(cube()).replace(b"endloop", b"endloops", 1), "line 7", "'endloops' where 'endloop' belongs"),
        (text(cube()).replace(b"vertex 0 0 0", b"vertex 0 0", 1), "line 5", "where 'vertex' belongs"),
        (text(cube()).replace(b"vertex 20 20 0", b"vertex 20 2,5 0", 1), "line 5", "'2,5' is not a number"),
        (
            text(cube()).replace(b"vertex 20 20 0", b"vertex 20 2.5.1 0", 1),
            "line 5",
            "'2.5.1' is not a number",
        ),
        (text(cube())[:1400], "line 81", "ends in the middle of a facet"),
    ],
)
def test_text_that_breaks_the_format_is_refused_with_its_line(broken, place, problem):
    with pytest.raises(DesignError, match=problem) as caught:
        read_stl(broken, "bad.stl")
    assert caught.value.file == "bad.stl"
    assert caught.value.place == place
    assert caught.value.remedy


def test_text_that_stops_between_facets_is_read_and_said():
    whole = text(cube())
    design = read_stl(whole[: whole.index(b"endsolid")], "cut.stl")
    assert kinds(design) == ["truncated"]


def test_a_facet_that_is_not_a_number_is_named():
    corners = cube()
    corners[7, 1, 2] = np.nan
    with pytest.raises(DesignError, match="1 of 12") as caught:
        read_stl(binary(corners), "nan.stl")
    assert caught.value.place == "facet 7"
    corners[3, 0, 0] = np.inf
    with pytest.raises(DesignError, match="2 of 12") as caught:
        read_stl(text(corners), "nan.stl")
    assert caught.value.place == "facet 3, line 23"


@pytest.mark.parametrize("count", [2, 11, 13, 10**9])
def test_a_count_that_lies_about_whole_facets_is_said(count):
    design = read_stl(binary(cube(), count=count), "count.stl")
    assert kinds(design) == ["count"]
    assert str(count) in design.notes[0].text
    assert "12" in design.notes[0].text
    assert len(design.mesh) == 12


def test_missing_facets_that_leave_a_hole_are_refused():
    with pytest.raises(
        DesignError, match=r"announces 12 triangles, the file holds 10 and the solid has holes"
    ):
        read_stl(binary(cube()[:10], count=12), "cut.stl")


def test_a_file_cut_inside_a_facet_is_refused_with_both_sizes():
    with pytest.raises(DesignError, match=r"684 bytes; the file has 600"):
        read_stl(binary(cube())[:600], "cut.stl")


def test_bytes_after_the_last_facet_are_left_out_and_said():
    design = read_stl(binary(cube(), tail=b"appendix"), "long.stl")
    assert kinds(design) == ["count"]
    assert design.notes[0].text.startswith("8 bytes")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "empty"),
        (b"x" * 50, "too few"),
        (b"solid\nendsolid\n", "no triangles"),
        (binary([]), "no triangles"),
        (binary(np.zeros((4, 3, 3))), "none of its 4 triangles"),
        (b"<!DOCTYPE html><html>" + b" " * 200, "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n", "Git LFS pointer.*12345"),
    ],
)
def test_what_is_no_solid_is_refused_with_the_reason(data, problem):
    with pytest.raises(DesignError, match=problem) as caught:
        read_stl(data, "not.stl")
    assert caught.value.file == "not.stl"
    assert caught.value.remedy


def test_a_solid_inside_out_is_turned_and_said():
    design = read_stl(binary(cube()[:, ::-1]), "in.stl")
    assert kinds(design) == ["orientation"]
    assert volume_mm3(design.mesh) == pytest.approx(8000)


def test_triangles_facing_the_wrong_way_are_turned_and_counted():
    corners = cube()
    corners[[2, 9]] = corners[[2, 9], ::-1]
    design = read_stl(binary(corners), "mixed.stl")
    assert "2 triangles" in design.notes[0].text
    assert volume_mm3(design.mesh) == pytest.approx(8000)


def test_cracks_within_rounding_are_welded_and_said():
    corners = cube()
    corners[5:] += 1e-13
    design = read_stl(text(corners, form="%.17g"), "crack.stl")
    assert kinds(design) == ["welded"]
    assert design.mesh.is_closed


def test_cracks_of_a_width_that_shows_stay_open_and_said():
    corners = cube()
    corners[5:] += 0.01
    design = read_stl(text(corners), "gap.stl")
    assert "open" in kinds(design)


def test_degenerate_and_doubled_triangles_go_and_are_counted():
    corners = np.concatenate((cube(), cube()[:3], cube()[:1, [0, 0, 1]]))
    design = read_stl(binary(corners), "twice.stl")
    assert kinds(design) == ["degenerate", "duplicates"]
    assert len(design.mesh) == 12


@pytest.mark.parametrize(
    ("size", "units", "largest_mm", "longest_mm", "said"),
    [
        (20.0, None, None, 20.0, ""),
        (20.0, "in", None, 508.0, ""),
        (20.0, "cm", None, 200.0, ""),
        (0.02, None, None, 20.0, "--units mm"),
        (0.02, "mm", None, 0.02, ""),
        (0.4, None, 300.0, 0.4, "--units in"),
        (1.375, None, None, 34.925, "--units mm"),
        (1.375, None, 30.0, 1.375, "--units in"),
        (3.0, None, None, 3.0, "--units in"),
        (9000.0, None, None, 9000.0, "--units um"),
    ],
)
def test_the_unit_is_told_or_judged_by_size_and_said(size, units, largest_mm, longest_mm, said):
    design = read_stl(binary(cube(size)), "unit.stl", units=units, largest_mm=largest_mm)
    low, high = extents(design.mesh)
    assert (high - low).max() == pytest.approx(longest_mm, rel=1e-6)
    assert kinds(design) == (["units"] if said else [])
    assert said in "".join(note.text for note in design.notes)


def test_a_unit_in_the_header_is_taken():
    design = read_stl(binary(cube(2.0), header=b"exported UNITS=inch by hand"), "unit.stl")
    assert extents(design.mesh)[1].tolist() == pytest.approx([50.8] * 3)
    assert kinds(design) == ["units"]


def test_an_unknown_unit_is_refused():
    with pytest.raises(DesignError, match="'furlong'"):
        read_stl(binary(cube()), "unit.stl", units="furlong")


REFUSED = ("stl_nan", "stl_empty_ascii", "stl_zero_triangles", "stl_zero_byte", "stl_truncated")
SILENT = ("stl_binary_solid_header",)


def test_bad_files_are_refused_or_read_with_a_word_as_their_index_expects(corpus, bad_index):
    names = [name for name in bad_index if name.startswith("mesh/stl_")]
    assert len(names) >= 12
    for name in names:
        data, stem = (corpus / "bad" / name).read_bytes(), name.removeprefix("mesh/").removesuffix(".stl")
        if stem in REFUSED:
            with pytest.raises(DesignError) as caught:
                read_stl(data, name)
            assert caught.value.file == name
            continue
        design = read_stl(data, name)
        assert (len(design.notes) == 0) == (stem in SILENT), name
        low, high = extents(design.mesh)
        wanted = 40 if stem == "stl_nonmanifold" else 20
        assert (high - low).tolist() == pytest.approx([wanted] * 3, rel=1e-6), name


def test_real_solids_have_the_size_their_index_gives(corpus, corpus_index):
    rows = {
        name: row for name, row in corpus_index.items() if name.startswith("3d/") and name.endswith(".stl")
    }
    assert len(rows) >= 15
    for name, row in rows.items():
        data = (corpus / name).read_bytes()
        if not row["bbox"]:
            with pytest.raises(DesignError, match="Git LFS"):
                read_stl(data, name)
            continue
        design = read_stl(data, name, units="mm")
        low, high = extents(design.mesh)
        wanted = [float(side) for side in row["bbox"].removesuffix(" units").split(" x ")]
        assert (high - low).tolist() == pytest.approx(wanted, abs=6e-4), name
        measures = dict(part.split("=") for part in row["other_measures"].split("; "))
        if measures["watertight"] == "True":
            assert design.mesh.is_closed, name
            assert volume_mm3(design.mesh) == pytest.approx(float(measures["volume"]), abs=6e-3), name
        else:
            assert design.notes, name
