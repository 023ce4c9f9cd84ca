"""DXF drawings made here with ezdxf come back as what was drawn."""

import contextlib
import io
import math
import subprocess
import sys

import ezdxf
import numpy as np
import pytest
from ezdxf.disassemble import recursive_decompose
from hypothesis import given, settings
from hypothesis import strategies as st

from fabctl.design.dxf import draw_dxf, read_dxf
from fabctl.design.dxf_entities import flatten_spline
from fabctl.design.dxf_units import INSUNITS_MM
from fabctl.errors import DesignError, RefusedError
from fabctl.geometry.curves import arc_centres, extents, flatten, lengths, segments


def drawing(version="R2010", units=4):
    document = ezdxf.new(version)
    document.header["$INSUNITS"] = units
    return document, document.modelspace()


def saved(document, fmt="asc"):
    if fmt == "bin":
        binary = io.BytesIO()
        document.write(binary, fmt="bin")
        return binary.getvalue()
    text = io.StringIO()
    document.write(text)
    return text.getvalue().encode("utf-8")


def ascii_dxf(*entities, header=""):
    """A DXF of bare pairs, as small programs write it; each entity ``LINE 10 0 20 0 …``."""
    body = "".join("0\n" + entity.replace(" ", "\n") + "\n" for entity in entities)
    section = f"0\nSECTION\n2\nHEADER\n{header}0\nENDSEC\n" if header else ""
    return f"{section}0\nSECTION\n2\nENTITIES\n{body}0\nENDSEC\n0\nEOF\n".encode()


FEW = settings(max_examples=25)  # each writes and reads a whole document

LINE = "LINE 8 0 10 0 20 0 11 50 21 20"
MM = "9\n$INSUNITS\n70\n4\n"


def notes_of(design, kind):
    return [str(note) for note in design.notes if note.kind == kind]


COORDINATE = st.floats(-500, 500).map(lambda value: round(value, 4))


class TestEntities:
    @FEW
    @given(
        st.tuples(COORDINATE, COORDINATE),
        st.floats(0.5, 300),
        st.floats(0, 359),
        st.floats(1, 358),
        st.booleans(),
    )
    def test_law_an_arc_written_is_the_arc_read(self, centre, radius, start, sweep, mirrored):
        document, space = drawing()
        extrusion = (0, 0, -1 if mirrored else 1)
        arc = space.add_arc(centre, radius, start, start + sweep, dxfattribs={"extrusion": extrusion})
        design = draw_dxf(saved(document), "a.dxf")
        begin, end, bulge, _ = segments(design.curves)
        where = np.array([-centre[0], centre[1]]) if mirrored else np.array(centre)
        assert np.allclose(arc_centres(begin, end, bulge), where, atol=1e-7 * radius + 1e-9)
        assert np.allclose(4 * np.arctan(np.abs(bulge)).sum(), math.radians(sweep), atol=1e-9)
        assert np.all(np.sign(bulge) == extrusion[2])
        assert np.allclose(
            sorted([begin[0].tolist(), end[-1].tolist()]),
            sorted(p.xyz[:2] for p in (arc.start_point, arc.end_point)),
        )

    def test_a_circle_is_a_closed_path_of_two_half_circles(self):
        document, space = drawing()
        space.add_circle((30, 40), 5)
        design = read_dxf(saved(document), "a.dxf")
        assert design.curves.closed.tolist() == [True]
        assert design.curves.bulge.tolist() == pytest.approx([1, 1])
        assert extents(design.curves) == pytest.approx((25, 35, 35, 45))

    @pytest.mark.parametrize("kind", ["LWPOLYLINE", "POLYLINE"])
    @pytest.mark.parametrize("closed", [False, True])
    def test_polylines_keep_their_bulges(self, kind, closed):
        document, space = drawing("R2000" if kind == "LWPOLYLINE" else "R12")
        points = [(0, 0, 0.5), (40, 0, 0), (40, 30, -0.25)]
        add = space.add_lwpolyline if kind == "LWPOLYLINE" else space.add_polyline2d
        add(points, format="xyb", close=closed)
        design = draw_dxf(saved(document), "a.dxf")
        assert design.curves.points.tolist() == [[0, 0], [40, 0], [40, 30]]
        assert design.curves.bulge.tolist() == [0.5, 0, -0.25 if closed else 0]
        assert design.curves.closed.tolist() == [closed]

    @FEW
    @given(
        st.floats(0, 2 * math.pi),
        st.floats(0.05, 1),
        st.floats(0, 6),
        st.floats(0.3, 6),
        st.sampled_from([0.1, 0.01]),
    )
    def test_law_a_chord_of_an_ellipse_is_within_the_tolerance(self, turn, ratio, start, sweep, tolerance):
        document, space = drawing()
        major = (60 * math.cos(turn), 60 * math.sin(turn))
        ellipse = space.add_ellipse((5, 7), major, ratio, start, start + sweep)
        design = draw_dxf(saved(document), "a.dxf", tolerance_mm=tolerance)
        exact = np.array([p.xyz[:2] for p in ellipse.vertices(np.linspace(start, start + sweep, 3000))])
        assert distance_to(flatten(design.curves, 1e-4), exact) <= tolerance + 1e-3

    def test_an_ellipse_as_wide_as_high_is_a_circle(self):
        document, space = drawing()
        space.add_ellipse((5, 7), (3, 4), 1.0)
        design = draw_dxf(saved(document), "a.dxf")
        assert lengths(design.curves)[0] == pytest.approx(10 * math.pi, abs=1e-9)
        assert len(design.curves.points) == 2

    @FEW
    @given(
        st.lists(st.tuples(COORDINATE, COORDINATE), min_size=4, max_size=9, unique=True),
        st.integers(2, 3),
        st.booleans(),
        st.sampled_from([1.0, 0.01]),
    )
    def test_law_a_chord_of_a_spline_is_within_the_tolerance(self, points, degree, rational, tolerance):
        document, space = drawing()
        if rational:
            weights = [1 + 0.5 * (k % 3) for k in range(len(points))]
            spline = space.add_rational_spline(points, weights, degree)
        else:
            spline = space.add_open_spline(points, degree)
        design = draw_dxf(saved(document), "a.dxf", tolerance_mm=tolerance)
        tool = spline.construction_tool()
        exact = np.array([p.xyz[:2] for p in tool.points(np.linspace(0, tool.max_t, 800))])
        assert distance_to(design.curves, exact) <= tolerance + 1e-6

    def test_a_periodic_spline_is_closed(self):
        document, space = drawing()
        space.add_spline().set_closed([(0, 0, 0), (50, 0, 0), (50, 40, 0), (0, 40, 0)])
        design = draw_dxf(saved(document), "a.dxf")
        assert design.curves.closed.tolist() == [True]

    def test_wrong_knots_are_refused(self):
        with pytest.raises(ValueError, match="7 knots"):
            flatten_spline(np.zeros((4, 3)), np.ones(4), np.arange(7.0), 3, 0.1)

    def test_the_frame_of_a_fitted_polyline_is_not_cut(self):
        body = ["POLYLINE 8 0 66 1 70 4"]
        body += [
            f"VERTEX 8 0 10 {x} 20 {y} 70 {flags}"
            for x, y, flags in ((0, 0, 16), (5, 50, 16), (0, 0, 8), (9, 0, 8))
        ]
        design = draw_dxf(ascii_dxf(*body, "SEQEND", header=MM), "a.dxf")
        assert design.curves.points.tolist() == [[0, 0], [9, 0]]

    def test_a_tilted_circle_is_seen_from_above(self):
        document, space = drawing()
        space.add_circle(
            (0, 0), 10, dxfattribs={"extrusion": (0, math.sin(math.pi / 3), math.cos(math.pi / 3))}
        )
        x0, y0, x1, y1 = extents(draw_dxf(saved(document), "a.dxf").curves)
        assert sorted((x1 - x0, y1 - y0)) == pytest.approx([10, 20], abs=0.05)


def distance_to(curves, places):
    """The largest distance of places from the chords of one path."""
    start, end, _, _ = segments(curves)
    worst = 0.0
    for chunk in np.array_split(places, max(len(places) // 200, 1)):
        along = end - start
        share = ((chunk[:, None] - start) * along).sum(-1) / np.maximum((along**2).sum(-1), 1e-300)
        foot = start + np.clip(share, 0, 1)[..., None] * along
        worst = max(worst, np.linalg.norm(chunk[:, None] - foot, axis=-1).min(axis=1).max())
    return worst


class TestBlocks:
    @FEW
    @given(
        st.tuples(COORDINATE, COORDINATE),
        st.floats(-180, 180),
        st.sampled_from([(1, 1), (-1, 1), (2, 2), (0.5, -0.5)]),
        st.booleans(),
        st.tuples(st.integers(1, 3), st.integers(1, 2)),
    )
    def test_law_inserts_lie_where_ezdxf_explodes_them(self, place, turn, scale, flipped, array):
        """Scaled, turned, mirrored, arrayed, on the back of the plane, one in another."""
        document, space = drawing()
        inner = document.blocks.new("INNER", base_point=(1, 2))
        inner.add_line((0, 0), (10, 5))
        inner.add_lwpolyline([(0, 0), (8, 0), (8, 6)], close=True)
        outer = document.blocks.new("OUTER")
        outer.add_blockref("INNER", (20, 10), {"rotation": 30, "xscale": -1})
        outer.add_line((3, 3), (4, 9))
        attributes = {"rotation": turn, "xscale": scale[0], "yscale": scale[1]}
        attributes |= {
            "column_count": array[0],
            "row_count": array[1],
            "column_spacing": 100,
            "row_spacing": 70,
        }
        space.add_blockref("OUTER", place, attributes | {"extrusion": (0, 0, -1 if flipped else 1)})
        design = draw_dxf(saved(document), "a.dxf")
        mine = {tuple(p) for p in design.curves.points.round(3).tolist()}
        theirs = []
        for entity in recursive_decompose(space):
            ends = (
                (entity.dxf.start, entity.dxf.end) if entity.dxftype() == "LINE" else entity.vertices_in_wcs()
            )
            theirs += [[p.x, p.y] for p in ends]
        assert len(design.curves) == 3 * array[0] * array[1]
        assert all(min(math.dist(p, q) for q in mine) < 2e-3 for p in theirs)

    def test_a_turned_block_in_one_scaled_unevenly_is_sheared_exactly(self):
        """By hand; ezdxf 1.4.5 keeps the inner block's axes at right angles and lands elsewhere."""
        document, space = drawing()
        document.blocks.new("INNER", base_point=(1, 2)).add_line((0, 0), (10, 5))
        document.blocks.new("OUTER").add_blockref("INNER", (20, 10), {"rotation": 30, "xscale": -1})
        space.add_blockref("OUTER", (0, 0), {"xscale": 2, "yscale": 0.5})
        cos, sin = math.cos(math.pi / 6), math.sin(math.pi / 6)
        expected = [
            [2 * (20 - (x - 1) * cos - (y - 2) * sin), (10 - (x - 1) * sin + (y - 2) * cos) / 2]
            for x, y in ((0, 0), (10, 5))
        ]
        assert np.allclose(draw_dxf(saved(document), "a.dxf").curves.points, expected)

    def test_a_circle_scaled_alike_stays_an_arc_and_otherwise_keeps_the_tolerance(self):
        document, space = drawing()
        document.blocks.new("HOLE").add_circle((0, 0), 5)
        space.add_blockref("HOLE", (0, 0), {"xscale": 2, "yscale": 2})
        space.add_blockref("HOLE", (100, 0), {"xscale": 4, "yscale": 1})
        design = draw_dxf(saved(document), "a.dxf", tolerance_mm=0.01)
        assert len(design.curves[0][0]) == 2
        assert lengths(design.curves)[0] == pytest.approx(20 * math.pi)
        points = design.curves[1][0] - [100, 0]
        middle = (points + np.roll(points, -1, axis=0)) / 2
        assert np.allclose(np.hypot(points[:, 0] / 4, points[:, 1]), 5)
        assert (1 - np.hypot(middle[:, 0] / 20, middle[:, 1] / 5)).max() * 20 < 0.05

    def test_layer_0_and_colour_by_block_come_from_the_insert(self):
        document, space = drawing()
        document.layers.add("CUT", color=5)
        block = document.blocks.new("B")
        block.add_line((0, 0), (5, 0), {"color": 0})
        block.add_line((0, 9), (5, 9), {"layer": "OWN", "color": 3})
        block.add_line((0, 20), (5, 20))
        space.add_blockref("B", (0, 0), {"layer": "CUT", "color": 1})
        design = draw_dxf(saved(document), "a.dxf")
        assert design.layer == ("CUT", "OWN", "CUT")
        assert design.colour == ("#ff0000", "#00ff00", "#0000ff")

    def test_blocks_nested_too_deep_are_refused(self):
        document, space = drawing()
        for depth in range(40):
            document.blocks.new(f"B{depth}").add_blockref(f"B{depth + 1}", (0, 0))
        document.blocks.new("B40").add_line((0, 0), (1, 0))
        space.add_blockref("B0", (0, 0))
        with pytest.raises(DesignError, match="deeper than 32"):
            read_dxf(saved(document), "a.dxf")

    def test_a_billion_copies_by_nesting_are_refused_before_one_is_drawn(self):
        document, space = drawing()
        for depth in range(10):
            block = document.blocks.new(f"B{depth}")
            for k in range(10):
                block.add_blockref(f"B{depth + 1}", (k, 0))
        document.blocks.new("B10").add_line((0, 0), (1, 0))
        space.add_blockref("B0", (0, 0))
        with pytest.raises(DesignError, match="limit is 200,000"):
            read_dxf(saved(document), "a.dxf")

    def test_blocks_that_all_insert_each_other_are_drawn_once_each_way(self):
        """Twenty of them: the ways through are more than anybody can walk."""
        document, space = drawing()
        for k in range(20):
            block = document.blocks.new(f"B{k}")
            block.add_line((k, 0), (k, 5))
            for other in range(20):
                block.add_blockref(f"B{other}", (0, 0))
        space.add_blockref("B0", (0, 0))
        with pytest.raises(DesignError, match="limit is 200,000"):
            read_dxf(saved(document), "a.dxf")

    def test_a_cycle_is_cut_where_it_closes(self):
        document, space = drawing()
        for name, other in (("A", "B"), ("B", "C"), ("C", "A")):
            block = document.blocks.new(name)
            block.add_line((0, 0), (5, 0))
            block.add_blockref(other, (0, 10))
        space.add_blockref("A", (0, 0))
        design = read_dxf(saved(document), "a.dxf")
        assert sorted(design.curves.points[:, 1].tolist()) == [0, 0, 10, 10, 20, 20]
        assert notes_of(design, "skipped") == [
            "block A: inserts itself (1 time): drawn once and not again within itself"
        ]

    def test_copies_of_an_array_carry_their_labels(self):
        document, space = drawing()
        document.blocks.new("B").add_circle((0, 0), 2, {"layer": "HOLES"})
        insert = space.add_blockref("B", (0, 0), {"column_count": 3, "column_spacing": 10})
        design = read_dxf(saved(document), "a.dxf")
        assert design.layer == ("HOLES",) * 3
        assert {ident.split("/")[0] for ident in design.ident} == {insert.dxf.handle}
        assert extents(design.curves) == pytest.approx((-2, -2, 22, 2))


class TestWhatIsNotCut:
    def test_every_kind_is_counted_with_its_remedy(self):
        document, space = drawing()
        space.add_line((0, 0), (50, 0))
        space.add_text("label")
        space.add_mtext("more")
        space.add_point((1, 1))
        space.add_solid([(0, 0), (1, 0), (1, 1)])
        space.add_hatch().paths.add_polyline_path([(0, 0), (1, 0), (1, 1)])
        space.add_3dface([(0, 0), (1, 0), (1, 1)])
        space.add_linear_dim(base=(0, 2), p1=(0, 0), p2=(3, 0)).render()
        space.add_xline((0, 0), (1, 1))
        design = read_dxf(saved(document), "a.dxf")
        assert lengths(design.curves).tolist() == [50]
        assert notes_of(design, "text") == [
            "1 MTEXT, 1 TEXT: text is not cut: convert it to outlines (explode text) in the CAD program"
        ]
        assert notes_of(design, "points")[0].startswith("1 POINT: points are not cut: draw a circle")
        assert notes_of(design, "filled")[0].startswith("1 HATCH, 1 SOLID: fills are not cut")
        assert notes_of(design, "solids")[0].startswith("1 3DFACE")
        assert notes_of(design, "dimensions")[0].startswith("1 DIMENSION")
        assert notes_of(design, "skipped")[0].startswith("1 XLINE not cut")

    def test_hidden_layers_and_entities_are_skipped_with_a_note_each(self):
        document, space = drawing()
        space.add_line((0, 0), (50, 0))
        for k, (name, hide) in enumerate(
            {
                "OFF": lambda x: x.off(),
                "ICE": lambda x: x.freeze(),
                "DRAFT": lambda x: setattr(x.dxf, "plot", 0),
            }.items()
        ):
            hide(document.layers.add(name))
            space.add_line((0, k + 1), (50, k + 1), {"layer": name})
        space.add_line((0, 7), (50, 7), {"layer": "Defpoints"})
        space.add_line((0, 8), (50, 8), {"invisible": 1})
        design = read_dxf(saved(document), "a.dxf")
        assert len(design.curves) == 1
        hidden = "\n".join(notes_of(design, "hidden"))
        assert len(notes_of(design, "hidden")) == 5
        for words in (
            "layer OFF: 1 entity left out: the layer is off",
            "layer ICE",
            "frozen",
            "DRAFT",
            "invisible",
        ):
            assert words in hidden

    def test_a_frozen_layer_hides_the_blocks_on_it_and_one_that_is_off_only_what_lies_on_it(self):
        document, space = drawing()
        document.layers.add("ICE").freeze()
        document.layers.add("OFF").off()
        block = document.blocks.new("B")
        block.add_line((0, 0), (5, 0))
        block.add_line((0, 9), (5, 9), {"layer": "OWN"})
        space.add_blockref("B", (0, 0), {"layer": "ICE"})
        space.add_blockref("B", (50, 0), {"layer": "OFF"})
        design = read_dxf(saved(document), "a.dxf")
        assert design.layer == ("OWN",)
        assert extents(design.curves)[0] == 50

    def test_a_drawing_in_paper_space_only_is_told_where_it_is(self):
        document, _ = drawing()
        document.layout("Layout1").add_line((0, 0), (5, 0))
        with pytest.raises(DesignError, match="paper space") as caught:
            read_dxf(saved(document), "a.dxf")
        assert "model space" in caught.value.remedy

    def test_height_is_flattened_and_said(self):
        document, space = drawing()
        space.add_line((0, 0, 0), (30, 0, 40))
        design = read_dxf(saved(document), "a.dxf")
        assert lengths(design.curves).tolist() == [30]
        assert "z from 0.00 to 40.00 mm" in notes_of(design, "flattened")[0]

    def test_a_flat_drawing_at_any_height_needs_no_word(self):
        document, space = drawing()
        space.add_circle((0, 0, 7), 5)
        assert not notes_of(read_dxf(saved(document), "a.dxf"), "flattened")


class TestNames:
    def test_colour_layer_and_handle_come_with_each_path(self):
        document, space = drawing()
        document.layers.add("ENGRAVE", color=2)
        made = [
            space.add_line((0, 0), (9, 0), {"layer": "ENGRAVE"}),
            space.add_line((0, 2), (9, 2), {"color": 7}),
            space.add_line((0, 4), (9, 4), {"true_color": 0x0A0B0C}),
        ]
        design = read_dxf(saved(document), "a.dxf")
        assert design.layer == ("ENGRAVE", "0", "0")
        assert design.colour == ("#ffff00", "#000000", "#0a0b0c")
        assert design.ident == tuple(entity.dxf.handle for entity in made)

    def test_without_handles_paths_are_numbered_by_kind(self):
        design = read_dxf(ascii_dxf(LINE, "CIRCLE 8 0 10 90 20 0 40 5", header=MM), "a.dxf")
        assert design.ident == ("LINE1", "CIRCLE1")

    def test_binary_and_ascii_read_alike(self):
        document, space = drawing()
        space.add_circle((1 / 3, 2 / 3), 5)
        space.add_spline([(0, 0), (5, 9), (20, 3)])
        first, second = (read_dxf(saved(document, fmt), "a.dxf") for fmt in ("asc", "bin"))
        assert np.array_equal(first.curves.points, second.curves.points)
        assert first.ident == second.ident

    def test_the_same_bytes_give_the_same_design(self):
        document, space = drawing()
        space.add_spline([(0, 0), (5, 9), (20, 3)])
        data = saved(document)
        assert (
            read_dxf(data, "a.dxf").curves.points.tobytes() == read_dxf(data, "a.dxf").curves.points.tobytes()
        )


class TestUnits:
    @pytest.mark.parametrize("code", INSUNITS_MM)
    def test_every_declared_unit_is_taken(self, code):
        document, space = drawing(units=code)
        factor_mm = INSUNITS_MM[code][1]
        space.add_line((0, 0), (300 / factor_mm, 400 / factor_mm))
        design = draw_dxf(saved(document), "a.dxf")
        assert lengths(design.curves)[0] == pytest.approx(500, rel=1e-9)

    def test_a_drawing_of_astronomical_size_is_refused_with_the_way_out(self):
        document, space = drawing(units=19)
        space.add_line((0, 0), (3, 4))
        with pytest.raises(DesignError, match=r"reaches 3\.78e\+19 mm") as caught:
            read_dxf(saved(document), "a.dxf")
        assert "--units mm" in caught.value.remedy

    @pytest.mark.parametrize(
        ("header", "reach", "width_mm"),
        [
            ("", 470, 470),  # mm unless implausible
            ("", 6, 152.4),  # 6 mm in all: inches
            ("9\n$MEASUREMENT\n70\n1\n", 6, 6),  # metric by its own word
            ("9\n$MEASUREMENT\n70\n0\n", 30, 762),  # imperial by its own word
            ("9\n$INSUNITS\n70\n0\n", 200, 200),
        ],
    )
    def test_without_a_unit_it_is_guessed_and_said(self, header, reach, width_mm):
        data = ascii_dxf(f"LINE 8 0 10 0 20 0 11 {reach} 21 1", header=header)
        design = read_dxf(data, "a.dxf", largest_mm=900)
        assert extents(design.curves)[2] == pytest.approx(width_mm)
        assert "--units" in notes_of(design, "units")[0]

    def test_the_person_has_the_last_word(self):
        document, space = drawing(units=1)
        space.add_line((0, 0), (300, 0))
        design = read_dxf(saved(document), "a.dxf", units="mm", largest_mm=500)
        assert lengths(design.curves).tolist() == [300]
        assert "declares inches" in notes_of(design, "units")[0]

    def test_an_unknown_unit_lists_the_known(self):
        with pytest.raises(DesignError) as caught:
            read_dxf(ascii_dxf(LINE), "a.dxf", units="furlong")
        assert "mm" in caught.value.remedy

    @pytest.mark.parametrize("machine_mm", [None, 600])
    def test_inches_that_only_fit_as_mm_are_refused_or_doubted(self, machine_mm):
        document, space = drawing(units=1)
        space.add_line((0, 0), (297, 0))
        if machine_mm:
            with pytest.raises(RefusedError, match="--units mm"):
                read_dxf(saved(document), "a.dxf", largest_mm=machine_mm)
        else:
            assert "--units mm" in notes_of(read_dxf(saved(document), "a.dxf"), "units")[0]

    def test_inches_that_would_not_fit_as_mm_either_are_left_to_the_machine(self):
        document, space = drawing(units=1)
        space.add_line((0, 0), (700, 0))
        design = read_dxf(saved(document), "a.dxf", largest_mm=600)
        assert lengths(design.curves).tolist() == pytest.approx([17780])
        assert not notes_of(design, "units")

    def test_inches_that_fit_are_inches(self):
        document, space = drawing(units=1)
        space.add_line((0, 0), (20, 0))
        design = read_dxf(saved(document), "a.dxf", largest_mm=600)
        assert lengths(design.curves).tolist() == [508]
        assert not notes_of(design, "units")


def specimen():
    document, space = drawing()
    document.layers.add("ICE").freeze()
    document.blocks.new("B").add_circle((0, 0), 5)
    space.add_blockref("B", (9, 9), {"xscale": 2, "column_count": 2, "column_spacing": 30})
    space.add_spline([(0, 0), (5, 9), (20, 3)])
    space.add_ellipse((5, 7), (3, 4), 0.5)
    space.add_lwpolyline([(0, 0, 0.5), (40, 0, 0)], format="xyb")
    space.add_text("label", dxfattribs={"layer": "ICE"})
    return document


SPECIMEN = {fmt: saved(specimen(), fmt) for fmt in ("asc", "bin")}


class TestDamage:
    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"", "empty"),
            (b"hello\nworld\n", "not a DXF"),
            (ascii_dxf("LINE 8 0 10 0,5 20 0 11 5 21 0"), "line 10: '0,5' has a decimal comma"),
            (ascii_dxf("LINE 8 0 10 inf 20 0 11 5 21 0"), "line 10: 'inf' is not a finite number"),
            (ascii_dxf("LINE 8 0 10 abc 20 0 11 5 21 0"), "line 10: 'abc' where a number belongs"),
            (ascii_dxf("LINE 8 0 x 10 20 0 11 5 21 0"), "line 9: 'x' where a group code belongs"),
            (ascii_dxf("LINE 8 0 99999 10 20 0"), "line 9: '99999' where a group code belongs"),
            (ascii_dxf(LINE)[:-20], "cut off"),
            (ascii_dxf(), "model space is empty"),
            (b"AutoCAD Binary DXF\r\n\x1a\x00" + b"\0SECTION\0\x02", "not readable as DXF"),
        ],
    )
    def test_damage_is_told_with_its_place(self, data, message):
        with pytest.raises(DesignError, match=message) as caught:
            read_dxf(data, "a.dxf")
        assert caught.value.file == "a.dxf"
        assert caught.value.remedy

    @FEW
    @given(st.data())
    def test_law_a_damaged_file_is_read_or_refused_but_never_crashes(self, data):
        whole = bytearray(
            ascii_dxf(LINE, "CIRCLE 8 0 5 1F 10 90 20 0 40 5", "ARC 8 0 10 5 20 5 40 5 50 0 51 90", header=MM)
        )
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(whole) - 1))
            whole[at] = data.draw(st.sampled_from(b"0123456789.,-eA \n\r\x00\xff"))
        with contextlib.suppress(DesignError, RefusedError):
            design = read_dxf(bytes(whole[: data.draw(st.integers(0, len(whole)))]), "a.dxf")
            assert np.isfinite(design.curves.points).all()

    @pytest.mark.campaign
    @settings(max_examples=3000)
    @given(st.randoms(use_true_random=False), st.sampled_from(["asc", "bin"]))
    def test_law_no_shuffled_or_torn_document_crashes(self, random, fmt):
        whole = bytearray(SPECIMEN[fmt])
        for _ in range(random.randint(1, 8)):
            at = random.randrange(22, len(whole))
            if fmt == "asc" and random.random() < 0.7:
                line, other = (whole.find(b"\n", k) + 1 for k in (at, random.randrange(len(whole))))
                whole[line:line] = whole[other : whole.find(b"\n", other) + 1]
            else:
                whole[at] = random.randrange(256)
        with contextlib.suppress(DesignError, RefusedError):
            assert np.isfinite(read_dxf(bytes(whole), "a.dxf").curves.points).all()

    def test_a_missing_eof_after_whole_sections_is_only_noted(self):
        design = read_dxf(ascii_dxf(LINE, header=MM).removesuffix(b"0\nEOF\n"), "a.dxf")
        assert notes_of(design, "truncated")

    @pytest.mark.parametrize("ending", [b"\r\n", b"\r"])
    def test_any_line_ending_will_do(self, ending):
        design = read_dxf(ascii_dxf(LINE, header=MM).replace(b"\n", ending), "a.dxf")
        assert len(design.curves) == 1

    def test_degenerate_entities_are_named_and_the_rest_is_cut(self):
        data = ascii_dxf(LINE, "CIRCLE 8 0 10 9 20 0 40 0", "ARC 8 0 10 0 20 0 40 5 50 30 51 30", header=MM)
        design = read_dxf(data, "a.dxf")
        assert len(design.curves) == 1
        assert "CIRCLE CIRCLE1 (radius 0)" in notes_of(design, "degenerate")[0]
        assert "start and end angle are equal" in notes_of(design, "degenerate")[0]


def test_ezdxf_is_loaded_only_when_a_drawing_is_read():
    code = "import sys, fabctl.design.dxf; sys.exit('ezdxf' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
