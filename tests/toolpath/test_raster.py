"""Rasters: what is burnt where, against the image itself."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fabctl.errors import InputError
from fabctl.program.emit import Dialect
from fabctl.program.write import write_blocks
from fabctl.toolpath.dither import DITHERS
from fabctl.toolpath.moves import FEED, MOVE, RAPID
from fabctl.toolpath.raster import (
    Lines,
    Tone,
    find_runs,
    level_blocks,
    overscan_mm,
    raster,
    render,
    resample,
)

BEAM = Dialect("beam", on_word="M4", uses_z=False)
shapes = st.tuples(st.integers(1, 12), st.integers(1, 12))
greys = shapes.flatmap(lambda shape: arrays(np.uint8, shape, elements=st.sampled_from([0, 90, 200, 255])))
greys_16 = shapes.flatmap(lambda shape: arrays(np.uint16, shape))


def lines_of(grey, **more):
    """One line for each row and one dot for each pixel, 0.5 mm."""
    height, width = grey.shape
    return Lines(width * 0.5, height * 0.5, 0.5, 3000, **more)


def moves_of(grey, tone=None, **more):
    blocks = list(raster(grey, lines_of(grey, **more), tone or Tone()))
    return np.concatenate(blocks) if blocks else np.zeros(0, MOVE)


def burnt(moves, shape, corner=(0.0, 0.0)):
    """Paint feeds with power on a grid of 0.5 mm, as the head would; a dot burnt twice fails."""
    out = np.zeros(shape)
    here = None
    for move in moves:
        there = move["xyz"][:2] - corner
        if move["motion"] == FEED and move["power"] > 0:
            assert here[1] == there[1]
            a, b = sorted((here[0] / 0.5, there[0] / 0.5))
            assert a == round(a)
            assert b == round(b)
            dots = out[shape[0] - 1 - int(there[1] // 0.5), round(a) : round(b)]
            assert not dots.any()
            dots[:] = move["power"]
        here = there
    return out


@given(greys, st.booleans(), st.sampled_from([0.0, 2.0]), st.sampled_from([math.inf, 1.0]))
@settings(max_examples=80)
def test_what_is_burnt_is_the_image(grey, both_ways, overscan, skip):
    moves = moves_of(grey, both_ways=both_ways, overscan_mm=overscan, skip_mm=skip)
    assert np.allclose(burnt(moves, grey.shape), 1 - grey / 255, atol=1e-12)


@given(arrays(np.uint8, shapes, elements=st.integers(0, 3)))
def test_rendering_runs_is_identity(levels):
    runs = find_runs(levels)
    assert render(runs).tolist() == levels.tolist()
    same_row = runs.row[1:] == runs.row[:-1]
    assert np.all(runs.level[1:][same_row] != runs.level[:-1][same_row])


@pytest.mark.parametrize("kind", DITHERS)
def test_white_images_give_no_moves(kind):
    assert list(raster(np.full((9, 7), 255, np.uint8), Lines(7, 9, 0.3, 600), Tone(1, kind))) == []


@given(greys, st.sampled_from([0.5, 1.0, math.inf]))
def test_white_is_never_begun_nor_ended_with(grey, skip):
    """Each stretch between two rapids burns at its first and at its last dot and crosses no skipped gap."""
    moves = moves_of(grey, skip_mm=skip)
    rapid = np.flatnonzero(moves["motion"] == RAPID)
    for stretch in np.split(moves, rapid)[1:]:
        assert stretch["power"][1] > 0
        assert stretch["power"][-1] > 0
        unlit = stretch["power"][1:] == 0
        assert np.all(np.abs(np.diff(stretch["xyz"][:, 0]))[unlit] < skip)
    white_rows = grey.min(axis=1) == 255
    assert len({*moves["xyz"][:, 1].tolist()}) == np.count_nonzero(~white_rows)


def test_short_gaps_are_fed_and_long_ones_skipped():
    grey = np.array([[0, 255, 0, 255, 255, 255, 0]], np.uint8)
    moves = moves_of(grey, skip_mm=1.5, overscan_mm=1)
    assert moves["motion"].tolist() == [RAPID, FEED, FEED, FEED, FEED, FEED, RAPID, FEED, FEED, FEED]
    assert moves["xyz"][:, 0].tolist() == [-1, 0, 0.5, 1, 1.5, 2.5, 2, 3, 3.5, 4.5]
    assert moves["power"].tolist() == [0, 0, 1, 0, 1, 0, 0, 0, 1, 0]


def test_second_lines_run_back_over_the_same_places():
    grey = np.array([[255, 0, 100, 255]] * 2, np.uint8)
    there, back = np.split(moves_of(grey, overscan_mm=1), 2)
    assert there["xyz"][:, 0].tolist() == [-0.5, 0.5, 1, 1.5, 2.5]
    assert there["feed"].tolist() == [0, 3000, 3000, 3000, 3000]
    assert back["xyz"][:, 0].tolist() == [2.5, 1.5, 1, 0.5, -0.5]
    assert there["power"][2:4].tolist() == back["power"][3:1:-1].tolist()


@given(
    arrays(np.uint8, st.integers(1, 12), elements=st.sampled_from([0, 90, 255])), st.sampled_from([1.0, 9.0])
)
def test_both_directions_are_symmetric(row, skip):
    """A mirrored line run from the right makes the mirrored moves, bit for bit."""
    moves = moves_of(np.array([row, row[::-1]]), overscan_mm=2, skip_mm=skip)
    there, back = np.split(moves, 2)
    assert (len(row) * 0.5 - there["xyz"][:, 0]).tolist() == back["xyz"][:, 0].tolist()
    for name in ("motion", "feed", "power"):
        assert there[name].tolist() == back[name].tolist()


def test_white_lines_do_not_upset_the_to_and_fro():
    grey = np.full((5, 4), 255, np.uint8)
    grey[[0, 2, 3]] = 0
    moves = moves_of(grey)
    begins = moves["xyz"][moves["motion"] == RAPID]
    assert begins[:, 0].tolist() == [0, 2, 0]
    assert begins[:, 1].tolist() == [2.25, 1.25, 0.75]


def test_one_way_lines_all_begin_at_the_left():
    moves = moves_of(np.zeros((3, 4), np.uint8), both_ways=False)
    assert moves["xyz"][moves["motion"] == RAPID, 0].tolist() == [0, 0, 0]


def test_corner_and_height_of_the_head_are_kept():
    moves = moves_of(np.zeros((2, 2), np.uint8), corner_mm=(10, 20, 3))
    assert moves["xyz"].min(axis=0).tolist() == [10, 20.25, 3]
    assert moves["xyz"].max(axis=0).tolist() == [11, 20.75, 3]


def test_one_pixel_covers_its_whole_square():
    moves = np.concatenate(list(raster(np.zeros((1, 1), np.uint8), Lines(3, 2, 0.5, 600), Tone())))
    burns = moves[moves["power"] > 0]
    assert len(burns) == 4
    assert burns["xyz"][:, 1].tolist() == [1.75, 1.25, 0.75, 0.25]
    assert set(moves["xyz"][:, 0].tolist()) == {0.0, 3.0}


@given(greys, st.integers(1, 60), st.sampled_from(DITHERS), st.sampled_from([0.5, 0.3, 0.8]))
@settings(max_examples=60)
def test_block_size_changes_no_byte(grey, dots, kind, pitch):
    height, width = grey.shape
    lines, tone = Lines(width * 0.5, height * 0.5, pitch, 3000, overscan_mm=1), Tone(2, kind)
    whole = b"".join(write_blocks(raster(grey, lines, tone), BEAM))
    parts = b"".join(write_blocks(raster(grey, lines, tone, block_dots=dots), BEAM))
    assert whole == parts


def exact_mean(grey, row, column, shape):
    """Mean of one resampled dot in fractions."""
    height, width = grey.shape
    total = Fraction(0)
    for i in range(height):
        down = min(Fraction(i + 1), Fraction((row + 1) * height, shape[0])) - max(
            Fraction(i), Fraction(row * height, shape[0])
        )
        for j in range(width):
            across = min(Fraction(j + 1), Fraction((column + 1) * width, shape[1])) - max(
                Fraction(j), Fraction(column * width, shape[1])
            )
            total += max(down, Fraction(0)) * max(across, Fraction(0)) * int(grey[i, j])
    return total * shape[0] * shape[1] / (height * width)


@given(greys_16, shapes)
@settings(max_examples=40)
def test_resampled_dots_are_exact_means(grey, shape):
    found = resample(grey, shape)
    assert found.shape == shape
    for row, column in np.ndindex(*shape):
        assert abs(exact_mean(grey, row, column, shape) - int(found[row, column])) <= Fraction(1, 2)


@given(greys, shapes, st.data())
def test_rows_are_resampled_alike_together_or_apart(grey, shape, data):
    cut = data.draw(st.integers(0, shape[0] - 1))
    whole = resample(grey, shape)
    last = resample(grey, shape, cut, cut + 1)
    assert whole[cut].tolist() == last[0].tolist()


@given(greys, st.sampled_from(["floyd-steinberg", "sierra", "burkes"]))
def test_mean_power_is_that_of_the_image(grey, kind):
    height, width = grey.shape
    levels = np.concatenate(list(level_blocks(grey, lines_of(grey), Tone(1, kind))))
    assert abs(levels.sum() - (1 - grey / 255).sum()) <= 0.5 * (2 * height + 2 * width) + 0.01


def test_energy_of_a_large_image_survives_resampling_and_dithering():
    ramp = np.linspace(0, 255, 300).astype(np.uint8)
    grey = np.broadcast_to(ramp, (200, 300))
    for kind in DITHERS[1:]:
        levels = np.concatenate(list(level_blocks(grey, Lines(90, 60, 0.2, 600), Tone(1, kind))))
        assert levels.mean() == pytest.approx(1 - grey.mean() / 255, abs=0.005)


def test_gamma_and_curve_bend_the_tones():
    middle = np.full((1, 1), 128, np.uint8)
    plain = Tone(255).wanted(middle)[0, 0]
    assert Tone(255, gamma=2).wanted(middle)[0, 0] < plain < Tone(255, gamma=0.5).wanted(middle)[0, 0]
    curve = ((0.0, 0.0), (0.5, 0.9), (1.0, 1.0))
    assert Tone(255, curve=curve).wanted(middle)[0, 0] > 1.7 * plain


def test_faintest_mark_begins_at_low_power_and_white_at_none():
    shares = Tone(4, low=0.2, high=0.6).shares()
    assert shares == pytest.approx([0, 0.3, 0.4, 0.5, 0.6])


def test_near_white_is_left_out_when_asked():
    grey = np.array([[250, 251, 240]], np.uint8)
    assert np.flatnonzero(Tone(255, white=0.98).wanted(grey)[0]).tolist() == [2]


def test_black_is_the_same_at_8_and_at_16_bits():
    for dtype in (np.uint8, np.uint16):
        assert moves_of(np.zeros((1, 1), dtype))["power"].max() == 1


def test_overscan_reaches_the_feed():
    assert overscan_mm(6000, 500) == pytest.approx(100**2 / 1000)


@pytest.mark.parametrize(
    ("make", "seen"),
    [
        (lambda: Tone(0), "0 levels"),
        (lambda: Tone(256), "256 levels"),
        (lambda: Tone(dither="stucki"), "stucki"),
        (lambda: Tone(gamma=math.nan), "gamma of nan"),
        (lambda: Tone(low=0.9, high=0.5), "0.9 to 0.5"),
        (lambda: Tone(white=0), "white from 0"),
        (lambda: Tone(curve=((0.5, 0.0), (0.5, 1.0))), "turns back"),
        (lambda: Tone(curve=((0.0, 0.0), (1.0, 1.5))), "off 0..1"),
        (lambda: Tone(curve=()), "off 0..1"),
        (lambda: Lines(math.nan, 1, 0.1, 600), "nan"),
        (lambda: Lines(1, 1, 0, 600), "expected a length"),
        (lambda: Lines(1, 1, 0.1, -5), "-5"),
        (lambda: Lines(1, 1, 0.1, 600, overscan_mm=-1), "overscan of -1"),
        (lambda: Lines(1, 1, 0.1, 600, skip_mm=0), "gaps from 0"),
        (lambda: Lines(1, 1, 0.1, 600, corner_mm=(0, math.inf, 0)), "corner"),
        (lambda: Lines(1e4, 1e4, 0.001, 600), "1e\\+14 dots"),
        (lambda: list(raster(np.zeros((0, 4), np.uint8), Lines(1, 1, 1, 600), Tone())), "shape \\(0, 4\\)"),
        (lambda: list(raster(np.zeros((4, 4)), Lines(1, 1, 1, 600), Tone())), "float64"),
    ],
)
def test_what_makes_no_raster_is_refused(make, seen):
    with pytest.raises(InputError, match=seen):
        make()
