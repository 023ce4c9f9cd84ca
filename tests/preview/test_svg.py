"""SVG pictures are true to scale: a ruler laid on the print shows the millimetres of the program."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

import numpy as np
import pytest
from defusedxml.ElementTree import fromstring

from fabctl.preview.draw import draw
from fabctl.preview.scene import Scene, Stroke
from fabctl.preview.svg import MARGIN_MM, render_svg

SVG = "{http://www.w3.org/2000/svg}"
SQUARE = np.array([[10.0, 20], [60, 20], [60, 50], [10, 50], [10, 20]])


def scene(title: str = "seat", name: str = "profile", **more: float) -> Scene:
    strokes = [
        Stroke("rapid", "#e0a030", np.array([[0.0, 0], [10, 20]]), np.array([0, 2]), dashed=True),
        Stroke(name, "#1f5fbf", np.vstack((SQUARE, SQUARE + 2)), np.array([0, 5, 10]), **more),
    ]
    return Scene(title, strokes, (0.0, 0.0, 100.0, 80.0), (0.0, 0.0))


def shown(drawn: Scene) -> Element:
    return fromstring(render_svg(drawn))


def of_class(root: Element, name: str) -> Element:
    return next(element for element in root.iter() if element.get("class") == name)


def test_a_user_unit_is_a_millimetre() -> None:
    root = shown(scene())
    sizes = [float(root.get(side, "").removesuffix("mm")) for side in ("width", "height")]
    assert root.get("viewBox") == f"0 0 {sizes[0]:.3f} {sizes[1]:.3f}"
    assert sizes == [100 + 2 * MARGIN_MM, 80 + 2 * MARGIN_MM]


def test_coordinates_are_those_of_the_moves_and_y_is_up() -> None:
    root = shown(scene())
    path = of_class(root, "profile").get("d", "")
    assert path.startswith("M10.000 20.000L60.000 20.000L60.000 50.000")
    assert path.count("M") == 2
    matrix = [float(v) for v in re.findall(r"-?[\d.]+", root.find(f"{SVG}g").get("transform", ""))]
    assert matrix == [1, 0, 0, -1, MARGIN_MM, 80 + MARGIN_MM]


def test_a_cut_is_as_wide_as_its_tool_and_a_rapid_a_dashed_hair() -> None:
    root = shown(scene(width_mm=6.0))
    assert float(of_class(root, "profile").get("stroke-width", "")) == 6
    rapid = of_class(root, "rapid")
    assert rapid.get("stroke-dasharray")
    assert float(rapid.get("stroke-width", "")) < 0.5
    assert of_class(root, "profile").get("stroke-dasharray") is None


def test_stock_and_start_are_marked() -> None:
    root = shown(scene())
    stock = of_class(root, "stock")
    assert [float(stock.get(key, "")) for key in ("x", "y", "width", "height")] == [0, 0, 100, 80]
    assert of_class(root, "start") is not None


def test_names_cannot_break_out_of_their_place() -> None:
    root = shown(scene('<script>"&', 'a" onload="x<'))
    assert root.find(f"{SVG}title").text == '<script>"&'
    assert of_class(root, 'a" onload="x<') is not None


def test_the_legend_says_names_and_extents() -> None:
    texts = [element.text for element in shown(scene()).iter(f"{SVG}text")]
    assert texts == ["rapid", "profile", "52.0 × 32.0 mm"]


def test_an_empty_scene_is_a_picture_that_says_so() -> None:
    texts = [element.text for element in shown(Scene("nothing", [])).iter(f"{SVG}text")]
    assert texts == ["nothing to cut"]


@pytest.mark.parametrize("svg", [True, False])
def test_the_same_scene_gives_the_same_bytes(svg: bool) -> None:
    assert draw(scene(), svg=svg) == draw(scene(), svg=svg)
    assert draw(scene(), svg=svg).startswith(b"<?xml" if svg else b"\x89PNG")
