"""What a file is, is decided by its bytes before its name."""

import gzip
import io
import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from fabctl.design.read import kind_of, read_design
from fabctl.errors import DesignError
from fabctl.geometry.curves import extents

SVG = b'<svg width="9mm" height="9mm" viewBox="0 0 9 9"><rect width="4" height="3"/></svg>'
SOLID = (
    b"solid a\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 9 0 0\nvertex 0 9 9\nendloop\nendfacet\n"
    b"endsolid a\n"
)
TRIANGLES = bytes(80) + (2).to_bytes(4, "little") + bytes(100)


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (SVG, "a.svg", "svg"),
        (SVG, "a.dxf", "svg"),
        (SVG, "a", "svg"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>" + SVG, "a", "svg"),
        (SVG.decode().encode("utf-16"), "a", "svg"),
        (b"<!-- made by hand -->" + SVG, "a", "svg"),
        (gzip.compress(SVG), "a.svgz", "svg"),
        (b"  0\r\nSECTION\r\n  2\r\nHEADER\r\n", "a.svg", "dxf"),
        (b"999\nwritten by\n0\nSECTION\n", "a", "dxf"),
        (b"AutoCAD Binary DXF\r\n\x1a\x00", "a", "dxf"),
        (b"solid part\nfacet normal 0 0 1\n", "a.stl", "stl"),
        (TRIANGLES, "a.bin", "stl"),
        (b"solid" + TRIANGLES[5:], "a.stl", "stl"),
        (b"anything", "a.DXF", "dxf"),
    ],
)
def test_the_kind_of_a_file(data, name, kind):
    assert kind_of(data, name) == kind


@pytest.mark.parametrize(
    ("data", "name", "says"),
    [
        (b"", "a.svg", "empty"),
        (b"\0\0\n \n", "a.dxf", "5 bytes, all of them zero or blank"),
        (b"\x89PNG\r\n\x1a\n", "a.png", "PNG files cannot be read yet as drawings"),
        (b"PK\x03\x04", "a.3mf", "3MF files cannot be read yet"),
        (b"v 0 0 0\nf 1 1 1\n", "a.OBJ", "OBJ files cannot be read yet"),
        (b"ISO-10303-21;", "a.stp", "STEP files cannot be read yet"),
        (b"\x89PNG\r\n\x1a\n", "a.svg", "looks like a PNG image"),
        (b"%PDF-1.7", "a", "looks like a PDF"),
        (b"PK\x03\x04", "a.dxf", "not a DXF file"),
        (b"AC1032", "a.dwg", "DWG"),
        (b"hello", "a.txt", "neither SVG, DXF nor STL"),
    ],
)
def test_what_is_no_drawing_is_refused_by_what_it_looks_like(data, name, says):
    with pytest.raises(DesignError, match=says) as caught:
        kind_of(data, name)
    assert caught.value.file == name
    assert caught.value.remedy


def test_a_drawing_is_read_from_its_path(tmp_path):
    file = tmp_path / "plate.svg"
    file.write_bytes(SVG)
    design = read_design(file)
    assert design.source == str(file)
    assert np.allclose(extents(design.curves), (0, 6, 4, 9))
    file.write_bytes(gzip.compress(SVG))
    assert np.array_equal(read_design(str(file)).curves.points, design.curves.points)


def test_what_cannot_be_opened_is_said(tmp_path):
    with pytest.raises(DesignError, match="no such file"):
        read_design(tmp_path / "no.svg")
    with pytest.raises(DesignError, match="a folder"):
        read_design(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_before_anybody_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "a.svg")
    with pytest.raises(DesignError, match="a device or a pipe") as caught:
        read_design(tmp_path / "a.svg")
    assert "standard input" in caught.value.remedy


def test_a_dash_is_standard_input(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(SVG)))
    file = tmp_path / "plate.svg"
    file.write_bytes(SVG)
    design = read_design("-")
    assert design.source == "standard input"
    assert np.array_equal(design.curves.points, read_design(file).curves.points)


def test_standard_input_without_end_is_cut_short(monkeypatch):
    monkeypatch.setattr("fabctl.design.read.LARGEST_BYTES", 1_000_000)
    endless = SimpleNamespace(read=lambda most: b"<" * most)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=endless))
    with pytest.raises(DesignError, match="the limit is 1 MB"):
        read_design("-")


@pytest.mark.parametrize("tolerance_mm", [0.0, -1.0, float("nan")])
def test_a_tolerance_must_be_above_zero(tolerance_mm, tmp_path):
    with pytest.raises(DesignError, match="tolerance"):
        read_design(tmp_path / "a.svg", tolerance_mm=tolerance_mm)


@pytest.mark.parametrize(
    "data", [SVG, b"0\nSECTION\n2\nENTITIES\n0\nENDSEC\n0\nEOF\n", SOLID], ids=["svg", "dxf", "stl"]
)
def test_an_unknown_unit_is_answered_with_the_usual_ones_first(data, tmp_path):
    file = tmp_path / "a"
    file.write_bytes(data)
    with pytest.raises(DesignError, match="furlong") as caught:
        read_design(file, units="furlong")
    assert "one of mm, cm, m, in, " in caught.value.remedy
    assert '"' not in caught.value.remedy
