"""Pixels of very many short strokes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from fabctl.preview.ink import LONG_PX, ink, widened

POINT = st.tuples(st.integers(0, 199), st.integers(0, 149))


@given(st.lists(st.lists(POINT, min_size=1, max_size=8), min_size=1, max_size=6))
def test_pixels_lie_on_the_lines_and_leave_no_gap(lines: list[list[tuple[int, int]]]) -> None:
    """Law: within half a pixel of its line each pixel, and one in every column or row it crosses."""
    offsets = np.cumsum([0, *map(len, lines)])
    points = np.array([point for line in lines for point in line], float)
    mask = ink(points, offsets, (150, 200), 1)
    y, x = np.nonzero(mask)
    nearest = np.full(len(x), np.inf)
    for line in lines:
        for (x0, y0), (x1, y1) in zip(line, line[1:] or line, strict=False):
            steps = max(abs(x1 - x0), abs(y1 - y0), 1)
            for k in range(steps + 1):
                at_x, at_y = x0 + (x1 - x0) * k / steps, y0 + (y1 - y0) * k / steps
                away = np.maximum(np.abs(x - at_x), np.abs(y - at_y))
                assert away.min() <= 0.51
                nearest = np.minimum(nearest, away)
    assert nearest.max(initial=0) <= 0.51


@pytest.mark.parametrize("length", [LONG_PX - 1, LONG_PX, LONG_PX + 1, 3 * LONG_PX])
def test_short_and_long_pieces_meet_without_a_seam(length: int) -> None:
    mask = ink(np.array([[5.0, 7], [5 + length, 7]]), np.array([0, 2]), (20, 300), 1)
    assert mask.sum() == length + 1
    assert mask[7, 5 : 6 + length].all()


def test_polylines_of_one_point_are_dots_and_none_is_no_ink() -> None:
    mask = ink(np.array([[3.0, 2], [8, 2]]), np.array([0, 1, 2]), (5, 10), 1)
    assert np.argwhere(mask).tolist() == [[2, 3], [2, 8]]
    assert not ink(np.zeros((0, 2)), np.zeros(1, np.int64), (5, 10), 3).any()


@pytest.mark.parametrize("width", [1, 2, 3, 4, 7, 20])
@pytest.mark.parametrize("way", [(30, 0), (0, 30)])
def test_lines_are_as_wide_as_pillow_draws_them(width: int, way: tuple[int, int]) -> None:
    ends = [(40, 40), (40 + way[0], 40 + way[1])]
    image = Image.new("L", (110, 110))
    ImageDraw.Draw(image).line(ends, fill=1, width=width)
    ours = ink(np.array(ends, float), np.array([0, 2]), (110, 110), width)
    middle = (55, slice(None)) if way[1] else (slice(None), 55)
    assert np.array_equal(ours[middle], np.asarray(image, bool)[middle])


@given(st.integers(1, 40), st.integers(0, 2**32))
def test_a_pixel_is_covered_exactly_when_a_disc_around_ink_reaches_it(half: int, seed: int) -> None:
    width = 2 * half + 1
    mask = np.zeros((40, 50), bool)
    rng = np.random.default_rng(seed)
    mask[rng.integers(0, 40, 4), rng.integers(0, 50, 4)] = True
    y, x = np.indices(mask.shape)
    expected = np.zeros_like(mask)
    for at_y, at_x in np.argwhere(mask):
        expected |= (x - at_x) ** 2 + (y - at_y) ** 2 <= (width / 2) ** 2
    assert np.array_equal(widened(mask, width), expected)
