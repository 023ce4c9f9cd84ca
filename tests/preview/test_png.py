"""PNG pictures have ink where the moves are, whichever way it is put there."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fabctl.preview import png
from fabctl.preview.png import LONGEST_PX, MANY_POINTS, MARGIN_PX, render_png, render_relief
from fabctl.preview.scene import Scene, Stroke

BLUE = (0x1F, 0x5F, 0xBF)


def pixels(data: bytes) -> NDArray[np.int16]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(np.int16)


def frame(*strokes: Stroke) -> Scene:
    """A scene of 100 × 50 mm: 14 px a mm, its lower left corner at (44, 44 + 700)."""
    return Scene("figure", strokes, (0.0, 0.0, 100.0, 50.0))


def blue(*lines: list[tuple[float, float]], width_mm: float = 0.0, dashed: bool = False) -> Stroke:
    points = np.vstack([np.array(line, float) for line in lines])
    offsets = np.cumsum([0, *map(len, lines)])
    return Stroke("cut", "#1f5fbf", points, offsets, dashed, width_mm)


def inked(picture: NDArray[np.int16], colour: tuple[int, int, int] = BLUE) -> NDArray[np.bool_]:
    """Say where the picture's own area is of a colour, legend and title left out."""
    inner = picture[MARGIN_PX - 3 : MARGIN_PX + 703, MARGIN_PX - 3 : MARGIN_PX + LONGEST_PX + 3]
    near: NDArray[np.bool_] = np.abs(inner - colour).sum(axis=2) < 200
    return near


def many(stroke: Stroke) -> Stroke:
    """The same lines with so many points that they are drawn by arrays."""
    share = np.linspace(0, 1, MANY_POINTS + 1)[:, None]
    lines = [stroke.points[a:b] for a, b in zip(stroke.offsets[:-1], stroke.offsets[1:], strict=True)]
    fine = [np.vstack([a + (b - a) * share for a, b in pairwise(line)]) for line in lines]
    offsets = np.cumsum([0, *map(len, fine)])
    return Stroke(stroke.name, stroke.colour, np.vstack(fine), offsets, stroke.dashed, stroke.width_mm)


FIGURE = blue([(10, 10), (90, 10), (90, 40)], [(20, 20), (50, 35)])


@pytest.mark.parametrize("stroke", [FIGURE, many(FIGURE)], ids=["few", "many"])
def test_ink_is_where_the_lines_are_and_nowhere_else(stroke: Stroke) -> None:
    mark = inked(pixels(render_png(frame(stroke))))
    y, x = np.nonzero(mark)
    across, up = (x - 3) / 14, 50 - (y - 3) / 14
    on = [
        (np.abs(up - 10) < 0.2) & (across > 9.8) & (across < 90.2),
        (np.abs(across - 90) < 0.2) & (up > 9.8) & (up < 40.2),
        (np.abs(up - 20 - (across - 20) / 2) < 0.25) & (across > 19.8) & (across < 50.2),
    ]
    assert np.all(on[0] | on[1] | on[2])
    assert len(np.unique(x[on[0]])) > 79 * 14
    assert len(np.unique(y[on[1]])) > 29 * 14
    assert len(np.unique(x[on[2]])) > 29 * 14


@pytest.mark.parametrize(
    "stroke",
    [
        FIGURE,
        blue([(3, 3), (97, 3), (97, 47), (3, 47), (3, 3)], [(15, 25), (60, 25)], width_mm=4),
        blue([(50 + 20 * np.cos(a), 25 + 20 * np.sin(a)) for a in np.linspace(0, 6, 400)], width_mm=1.5),
        blue([(i, 25 + 20 * (-1) ** i) for i in range(5, 95)]),
    ],
    ids=["lines", "wide", "ring", "zigzag"],
)
def test_drawing_by_arrays_agrees_with_drawing_line_by_line(
    stroke: Stroke, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = frame(stroke)
    slow = pixels(render_png(scene))
    monkeypatch.setattr(png, "MANY_POINTS", 0)
    fast = pixels(render_png(scene))
    assert fast.shape == slow.shape
    for one, other in ((slow, fast), (fast, slow)):
        # one pixel either way, no more: every inked pixel has a neighbour inked in the other picture
        plain, painted = np.abs(one - other[0, 0]).sum(axis=2), other
        strong = plain > 300
        near = np.zeros_like(strong)
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                moved = np.roll(painted, (dy, dx), axis=(0, 1))
                near |= np.abs(moved - one).sum(axis=2) < 200
        assert not np.any(strong & ~near)
    assert np.abs(fast - slow).mean() < 3


def test_a_wide_cut_lets_the_stock_shine_through_and_is_as_wide_as_its_tool() -> None:
    picture = pixels(render_png(frame(many(blue([(10, 25), (90, 25)], width_mm=10)))))
    column = picture[:, MARGIN_PX + 50 * 14]
    stock = np.array([0xF3, 0xE6, 0xC8])
    faint = np.abs(column - (stock + (np.array(BLUE) - stock) * 0x60 / 255)).sum(axis=1) < 12
    assert abs(int(faint.sum()) - 140) <= 2
    assert abs(int(np.flatnonzero(faint).mean()) - (MARGIN_PX + 350)) <= 1


def test_rapids_leave_gaps_and_do_not_join_what_is_apart() -> None:
    lines = [[(5.0, y), (95.0, y)] for y in (10.0, 30.0)]
    for stroke in (blue(*lines, dashed=True), many(blue(*lines, dashed=True))):
        mark = inked(pixels(render_png(frame(stroke))))
        rows = mark.any(axis=1).nonzero()[0]
        assert rows.max() - rows.min() < 20 * 14 + 4
        assert not mark[rows.min() + 4 : rows.max() - 3].any()
    few = inked(pixels(render_png(frame(blue(*lines, dashed=True)))))
    share = few[few.any(axis=1)].mean()
    assert 0.3 < share < 0.6


def test_the_longer_side_has_its_pixels_and_an_empty_scene_is_drawn_too() -> None:
    picture = pixels(render_png(frame(FIGURE)))
    assert picture.shape[1] == LONGEST_PX + 2 * MARGIN_PX
    assert pixels(render_png(Scene("nothing", []))).shape[0] > 0


def test_a_relief_is_darker_where_it_is_deeper_and_dark_where_cut_through() -> None:
    z_mm = np.zeros((50, 100))
    z_mm[:, 30:60], z_mm[:, 60:] = -4, -6
    picture = pixels(render_relief(z_mm, 1.0, 6.0, "seat"))
    shades = [picture[MARGIN_PX + 350, MARGIN_PX + 14 * x].sum() for x in (10, 45, 80)]
    assert shades[0] > shades[1] > shades[2]
    assert shades[2] < 150
