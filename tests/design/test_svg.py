"""SVG drawings: size, place, what is seen and what is said."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabctl.design.svg import outline, read_svg
from fabctl.errors import DesignError
from fabctl.geometry.curves import extents, lengths

MM = 'width="100mm" height="100mm" viewBox="0 0 100 100"'
RECT = '<rect id="r" x="10" y="20" width="30" height="40" stroke="red" fill="none"/>'


def svg(body, attributes=MM):
    return f'<svg xmlns="http://www.w3.org/2000/svg" {attributes}>{body}</svg>'.encode()


def drawn(body, attributes=MM, **options):
    return outline(svg(body, attributes), "a.svg", **options)


def box(design):
    return [round(edge, 6) for edge in extents(design.curves)]


def kinds(design):
    return [note.kind for note in design.notes if note.kind != "units"]


def said(design, kind):
    return next(str(note) for note in design.notes if note.kind == kind)


def radii(curves):
    """The radius of every segment from its chord and bulge."""
    points = curves.points
    chord = np.hypot(*(np.roll(points, -1, axis=0) - points).T)
    return chord * (1 + curves.bulge**2) / (4 * np.abs(curves.bulge))


# Size


@pytest.mark.parametrize(
    ("attributes", "unit_mm"),
    [
        (MM, 1.0),
        ('width="10cm" height="10cm" viewBox="0 0 100 100"', 1.0),
        ('width="1in" height="1in" viewBox="0 0 100 100"', 0.254),
        ('width="72pt" height="72pt" viewBox="0 0 100 100"', 0.254),
        ('width="6pc" height="6pc" viewBox="0 0 100 100"', 0.254),
        ('width="400Q" height="400Q" viewBox="0 0 100 100"', 1.0),
        ('width="96px" height="96px" viewBox="0 0 96 96"', 25.4 / 96),
        ('width="96" height="96"', 25.4 / 96),
        ('viewBox="0 0 100 100"', 25.4 / 96),
        ('width="100%" height="100%" viewBox="0 0 100 100"', 25.4 / 96),
        ('width="50mm" viewBox="0 0 100 100"', 0.5),
        ('height="50mm" viewBox="0 0 100 100"', 0.5),
        ('width="100mm" height="100mm"', 25.4 / 96),
        ('width="744.09448" height="1052.3622"', 25.4 / 90),
        ('width="595.28" height="841.89" viewBox="0 0 595.28 841.89"', 25.4 / 72),
        ('width="100" height="100" inkscape:version="0.91 r13725"', 25.4 / 90),
        ('width="100" height="100" inkscape:version="0.48.5 r10040"', 25.4 / 90),
        ('width="100" height="100" inkscape:version="0.92.1 r15371"', 25.4 / 96),
        ('width="100" height="100" inkscape:version="1.4 (abc)"', 25.4 / 96),
        ('width="100mm" height="100mm" viewBox="0 0 100 100" inkscape:version="0.91 r13725"', 1.0),
        ('id="Layer_1" data-name="Layer 1" viewBox="0 0 72 72"', 25.4 / 72),
    ],
)
def test_one_user_unit_is_what_page_and_writer_say(attributes, unit_mm):
    x0, y0, x1, y1 = extents(drawn(RECT, attributes).curves)
    assert (x1 - x0, y1 - y0) == pytest.approx((30 * unit_mm, 40 * unit_mm), rel=1e-9)


def test_illustrator_signs_in_a_comment_and_means_points():
    data = b"<!-- Generator: Adobe Illustrator 15.1.0, SVG Export -->" + svg(RECT, 'viewBox="0 0 72 72"')
    design = outline(data, "a.svg")
    assert lengths(design.curves).sum() == pytest.approx(140 * 25.4 / 72)
    assert "Adobe Illustrator" in said(design, "units")


@pytest.mark.parametrize(
    ("units", "unit_mm"),
    [("mm", 1), ("in", 25.4), ("px90", 25.4 / 90), ("72dpi", 25.4 / 72), ("px", 25.4 / 96)],
)
def test_the_person_has_the_last_word_on_a_pixel(units, unit_mm):
    design = drawn(RECT, 'width="100" height="100" inkscape:version="0.48"', units=units)
    assert lengths(design.curves).sum() == pytest.approx(140 * unit_mm)


def test_a_size_the_file_states_is_not_touched_by_the_persons_pixel():
    assert box(drawn(RECT, MM, units="px72")) == [10, 40, 40, 80]


def test_unknown_units_are_refused_with_those_there_are():
    with pytest.raises(DesignError, match=r"furlong.*px96"):
        drawn(RECT, units="furlong")


def test_a_guess_is_said_with_what_to_do():
    text = said(drawn(RECT, ""), "units")
    assert "96 px per inch by the SVG standard" in text
    assert "px90" in text


def test_lengths_inside_have_units_of_their_own():
    design = drawn(
        '<rect x="10mm" y="1cm" width="10%" height="2em" font-size="5"/>', 'width="96mm" height="96mm"'
    )
    width = 96 / 10
    assert box(design) == [10, round(96 - 10 - 10 * 25.4 / 96, 6), 10 + width, 86]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("", [50, 0, 150, 100]),
        ("xMinYMin", [0, 0, 100, 100]),
        ("xMaxYMid meet", [100, 0, 200, 100]),
        ("xMidYMid slice", [0, -50, 200, 150]),
        ("xMidYMin slice", [0, -100, 200, 100]),
        ("none", [0, 0, 200, 100]),
    ],
)
def test_preserve_aspect_ratio_places_the_view_box(rule, expected):
    attributes = f'width="200mm" height="100mm" viewBox="5 5 10 10" preserveAspectRatio="{rule}"'
    assert box(drawn('<rect x="5" y="5" width="10" height="10"/>', attributes)) == expected


@settings(max_examples=50)
@given(st.floats(0.01, 50), st.floats(-30, 30), st.floats(-30, 30))
def test_law_scaling_the_view_box_scales_the_drawing(factor, x, y):
    body = f'<path d="M{x:f} {y:f}l9 1 a5 4 10 0 1 3 3 c1 2 3 4 9 9z"/>'
    one = drawn(body, 'width="100mm" height="100mm" viewBox="0 0 100 100"', tolerance_mm=0.001)
    many = drawn(
        body,
        f'width="{100 * factor!r}mm" height="{100 * factor!r}mm" viewBox="0 0 100 100"',
        tolerance_mm=0.001 * factor,
    )
    # Recognised arcs may fall on either side of the bound by rounding; the shape is the same all the same.
    assert np.allclose(
        np.array(extents(many.curves)), np.array(extents(one.curves)) * factor, atol=0.003 * factor
    )
    assert lengths(many.curves).sum() == pytest.approx(lengths(one.curves).sum() * factor, rel=1e-3)


@settings(max_examples=50)
@given(st.floats(-180, 180), st.floats(0.05, 5), st.floats(-50, 50), st.floats(-50, 50), st.booleans())
def test_law_a_circle_stays_a_circle_under_similarity(turn_deg, scale, x, y, mirrored):
    flip = "scale(-1 1)" if mirrored else ""
    transform = f"translate({x!r} {y!r}) rotate({turn_deg!r}) {flip} scale({scale!r})"
    design = drawn(f'<g transform="{transform}"><circle cx="3" cy="4" r="2"/></g>')
    curves = design.curves
    assert len(curves.points) == 2
    assert radii(curves) == pytest.approx(2 * scale, rel=1e-6)
    assert lengths(curves)[0] == pytest.approx(4 * math.pi * scale, rel=1e-5)


def test_a_circle_scaled_unevenly_is_an_ellipse_of_chords():
    design = drawn('<circle cx="10" cy="10" r="5" transform="scale(2 1)"/>')
    assert not design.curves.bulge.any()
    x, y = ((design.curves.points - [20, 90]) / [10, 5]).T
    assert np.hypot(x, y) == pytest.approx(1, abs=1e-9)


# Place


def test_y_is_up_from_the_bottom_of_the_page():
    assert box(drawn(RECT)) == [10, 40, 40, 80]


def test_without_a_page_y_begins_at_the_drawing():
    assert extents(drawn(RECT, "").curves)[1] == pytest.approx(0)


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        ("translate(5)", [15, 40, 45, 80]),
        ("translate(5,-5)", [15, 45, 45, 85]),
        ("scale(2)", [20, -20, 80, 60]),
        ("rotate(90)", [-60, 60, -20, 90]),
        ("rotate(90 10 20)", [-30, 50, 10, 80]),
        ("matrix(1 0 0 1 7 8)", [17, 32, 47, 72]),
        ("skewX(45)", [30, 40, 100, 80]),
        ("skewY(45)", [10, 0, 40, 70]),
        ("translate(10 0) scale(2) , translate(0 1)", [30, -22, 90, 58]),
        ("none", [10, 40, 40, 80]),
    ],
)
def test_transforms_move_shapes(transform, expected):
    assert box(drawn(f'<g transform="{transform}">{RECT}</g>')) == expected


def test_transforms_nest_from_the_inside_out():
    assert box(drawn(f'<g transform="translate(10 0)"><g transform="scale(2)">{RECT}</g></g>')) == [
        30,
        -20,
        90,
        60,
    ]


@pytest.mark.parametrize(
    "transform", ["rotate(1 2)", "scale()", "spin(3)", "matrix(1 2 3)", "scale(1e400)", "x"]
)
def test_a_transform_that_cannot_be_read_is_refused_with_its_element(transform):
    with pytest.raises(DesignError, match="transform") as caught:
        drawn(f'<g id="turned" transform="{transform}">{RECT}</g>')
    assert "#turned" in caught.value.place


def test_a_nested_svg_has_its_own_viewport():
    body = f'<svg x="10" y="10" width="20" height="20" viewBox="0 0 100 100">{RECT}</svg>'
    assert box(drawn(body)) == [12, 78, 18, 86]


# What is drawn


def test_shapes_become_paths_with_their_names_and_colours():
    design = drawn(
        '<line id="l" x1="0" y1="0" x2="3" y2="4" stroke="blue"/>'
        '<polyline points="0,0 1,0 1,1" stroke="#0f0" fill="none"/>'
        '<polygon points="0 0 1 0 1 1" fill="rgb(1,2,3)"/>'
        '<ellipse cx="5" cy="5" rx="2" ry="2"/>'
        '<path d="M0 0h1v1zM5 5h1" style="stroke:currentColor" color="#123456"/>'
    )
    assert design.ident == (
        "l",
        "polyline[1] line 1",
        "polygon[1] line 1",
        "ellipse[1] line 1",
        *["path[1] line 1"] * 2,
    )
    assert design.colour == ("#0000ff", "#00ff00", "#010203", "#000000", "#123456", "#123456")
    assert design.curves.closed.tolist() == [False, False, True, True, True, False]
    assert lengths(design.curves)[:2].tolist() == [5.0, 2.0]
    assert np.abs(design.curves.bulge).max() == pytest.approx(1)


@pytest.mark.parametrize(
    ("radii_text", "rx", "ry"),
    [
        ('rx="3"', 3, 3),
        ('ry="3"', 3, 3),
        ('rx="3" ry="2"', 3, 2),
        ('rx="99" ry="99"', 15, 20),
        ('rx="3" ry="0"', 0, 0),
    ],
)
def test_rounded_corners_have_the_length_of_their_arcs(radii_text, rx, ry):
    design = drawn(f'<rect x="10" y="20" width="30" height="40" {radii_text}/>', tolerance_mm=1e-5)
    h = ((rx - ry) / (rx + ry)) ** 2 if rx else 0
    corners = math.pi * (rx + ry) * (1 + 3 * h / (10 + math.sqrt(4 - 3 * h)))
    assert lengths(design.curves)[0] == pytest.approx(140 - 4 * rx - 4 * ry + corners, rel=1e-5)
    assert box(design) == [10, 40, 40, 80]
    assert design.curves.bulge.any() == (rx == ry and rx > 0)


def test_use_draws_its_target_where_it_stands():
    design = drawn(
        f'<defs>{RECT}</defs><use id="u" href="#r" x="5" y="-5"/>'
        '<use id="v" xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="#r" transform="scale(.5)"/>'
    )
    assert design.ident == ("u/r", "v/r")
    assert box(design) == [5, 45, 45, 90]


def test_use_gives_its_style_to_what_has_none():
    design = drawn('<defs><path id="p" d="M0 0H9"/></defs><use href="#p" stroke="lime"/>')
    assert design.colour == ("#00ff00",)


def test_a_symbol_fits_the_size_of_its_use():
    design = drawn(
        f'<symbol id="s" viewBox="0 0 100 100">{RECT}</symbol>'
        '<use href="#s" x="10" y="10" width="20" height="20"/>'
    )
    assert box(design) == [12, 78, 18, 86]


@pytest.mark.parametrize(
    ("css", "body", "colour"),
    [
        (".a{stroke:red}", '<path class="b a" d="M0 0H9"/>', "#ff0000"),
        ("#p{stroke:red} path{stroke:blue}", '<path id="p" d="M0 0H9"/>', "#ff0000"),
        ("path{stroke:blue}", '<path stroke="red" d="M0 0H9"/>', "#0000ff"),
        ("path{stroke:blue}", '<path style="stroke:red" d="M0 0H9"/>', "#ff0000"),
        ("path{stroke:blue!important}", '<path style="stroke:red" d="M0 0H9"/>', "#0000ff"),
        ("g .a{stroke:blue} .a{stroke:red}", '<g><path class="a" d="M0 0H9"/></g>', "#0000ff"),
        ("g > .a{stroke:blue}", '<g><a><path class="a" stroke="red" d="M0 0H9"/></a></g>', "#ff0000"),
        (".a,.b{stroke:red}/* .b{stroke:blue} */", '<path class="b" d="M0 0H9"/>', "#ff0000"),
        ("*{stroke:red}", '<path d="M0 0H9"/>', "#ff0000"),
        (
            "@media print{.a{stroke:blue}.b{stroke:blue}} .b{stroke:red}",
            '<path class="a b" d="M0 0H9"/>',
            "#ff0000",
        ),
    ],
)
def test_style_rules_win_by_their_weight(css, body, colour):
    assert drawn(f"<style>{css}</style>{body}").colour == (colour,)


def test_layers_are_inkscapes_labels_or_plain_groups():
    design = drawn(
        '<g xmlns:inkscape="x" inkscape:groupmode="layer" inkscape:label="Cut here" id="layer1">'
        '<g id="inner"><path d="M0 0H1"/></g></g>'
        '<g id="Engrave"><g id="deep"><path d="M0 0H2"/></g></g><path d="M0 0H3"/>'
    )
    assert design.layer == ("Cut here", "Engrave", "")


# What is not drawn


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (f'<g display="none">{RECT}</g>', "hidden"),
        (f'<g style="display:none">{RECT}</g>', "hidden"),
        (f'<g visibility="hidden">{RECT}</g>', "hidden"),
        (f'<g opacity="0">{RECT}</g>', "hidden"),
        ('<rect width="5" height="5" fill="none"/>', "hidden"),
        (f"<defs>{RECT}</defs>", "skipped"),
        (f"<symbol>{RECT}</symbol>", "skipped"),
        (f"<clipPath>{RECT}</clipPath>", "skipped"),
        ("<text>hello</text>", "text"),
        ('<image href="file:///etc/hostname" width="5" height="5"/>', "image"),
        ('<use href="http://localhost:9/a.svg#x"/>', "skipped"),
        ('<rect width="0" height="5"/>', "degenerate"),
        (f'<g transform="scale(0 1)">{RECT}</g>', "degenerate"),
    ],
)
def test_what_is_not_cut_is_said(body, kind):
    design = drawn(body)
    assert len(design.curves) == 0
    assert kinds(design) == [kind]
    with pytest.raises(DesignError, match="nothing to cut"):
        read_svg(svg(body), "a.svg")


def test_a_child_may_be_visible_in_a_hidden_group():
    shown = RECT.replace("<rect", '<rect visibility="visible"')
    assert len(drawn(f'<g visibility="hidden">{RECT}{shown}</g>').curves) == 1


def test_elements_of_other_name_spaces_are_not_drawn():
    body = f'{RECT}<x:rect xmlns:x="other" width="9" height="9"/><metadata><path d="M0 0H9"/></metadata>'
    assert len(drawn(body).curves) == 1


def test_dashes_and_clips_are_said_and_cut_whole():
    design = drawn(f'<g stroke-dasharray="3 2">{RECT}</g><g clip-path="url(#c)">{RECT}</g>')
    assert kinds(design) == ["dash", "clip"]
    assert lengths(design.curves).tolist() == [140, 140]


@pytest.mark.parametrize(
    ("body", "match"),
    [
        ('<rect id="q" x="1furlong" width="1" height="1"/>', "x='1furlong'"),
        ('<rect id="q" x="NaN" width="1" height="1"/>', "x='NaN'"),
        ('<circle id="q" r="1e999"/>', "r='1e999'"),
        ('<path id="q" d="M0 0 L5"/>', "L takes 2 numbers, 1 follow"),
        ('<path id="q" d="L5 5"/>', "expected M"),
        ('<path id="q" d="M0 0 A1 1 0 2 0 5 5"/>', "cannot be read at character 7"),
        ('<path id="q" d="M0 0 L 1e999 5"/>', "past every measure"),
        ('<polygon id="q" points="0 0 1"/>', "expected pairs"),
        ('<svg id="q" width="5" height="5" viewBox="0 0 0 5"/>', "viewBox"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_id(body, match):
    with pytest.raises(DesignError, match=match) as caught:
        drawn(RECT + body)
    assert "#q" in caught.value.place
    assert caught.value.file == "a.svg"
    assert caught.value.remedy


def test_clones_without_measure_are_refused():
    groups = "".join(f'<g id="a{i}">' + f'<use href="#a{i - 1}"/>' * 20 + "</g>" for i in range(1, 9))
    with pytest.raises(DesignError, match="once every <use> is followed"):
        drawn(f'<defs><g id="a0">{RECT}</g>{groups}</defs><use href="#a8"/>')


def test_entities_of_illustrator_are_read_and_growing_ones_refused():
    head = b'<!DOCTYPE svg [<!ENTITY ns "http://www.w3.org/2000/svg">]>'
    plain = svg(RECT).replace(b"http://www.w3.org/2000/svg", b"&ns;")
    assert len(outline(head + plain, "a.svg").curves) == 1
    big = b'<!DOCTYPE svg [<!ENTITY a "' + b"x" * 9999 + b'">]>'
    with pytest.raises(DesignError, match="expands without measure"):
        outline(big + svg("<desc>" + "&a;" * 200 + "</desc>"), "a.svg")


def test_two_hyphens_in_a_comment_are_forgiven_and_said():
    design = drawn(f"<!-- a -- b -->{RECT}")
    assert len(design.curves) == 1
    assert kinds(design) == ["xml"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1252"])
def test_declared_encodings_are_read(encoding):
    text = f'<?xml version="1.0" encoding="{encoding}"?>' + svg(f'<g id="gâteau">{RECT}</g>').decode()
    assert outline(text.encode(encoding), "a.svg").layer == ("gâteau",)


@pytest.mark.parametrize("encoding", ["rot13", "zlib", "no-such-thing", "utf-7"])
def test_other_encodings_are_refused(encoding):
    data = f'<?xml version="1.0" encoding="{encoding}"?>'.encode() + svg(RECT)
    with pytest.raises(DesignError, match=r"says it is written in"):
        outline(data, "a.svg")
