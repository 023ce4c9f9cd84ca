"""Dithering against a loop over single dots, and what it keeps of an image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabctl.errors import InputError
from fabctl.toolpath.dither import DITHERS, KERNELS, MOST_LEVELS, UNIT, bayer_matrix, diffuse, dither, nearest

DIFFUSING = sorted(KERNELS)


def tones_of(seed, shape, levels):
    return np.random.default_rng(seed).integers(0, levels * UNIT + 1, shape).astype(np.int32)


def diffused_by_loop(tones, kernel):
    """Decide dot after dot, row after row, in Python's own whole numbers."""
    rows, columns = tones.shape
    error = [[0] * columns for _ in range(rows)]
    out = np.zeros(tones.shape, np.uint8)
    for row in range(rows):
        for column in range(columns):
            due = 0
            for down, across, weight in kernel.taps:
                if row >= down and 0 <= column - across < columns:
                    due += weight * error[row - down][column - across]
            wish = int(tones[row, column]) + ((due + 2 ** (kernel.bits - 1)) >> kernel.bits)
            out[row, column] = (wish + UNIT // 2) // UNIT
            error[row][column] = wish - int(out[row, column]) * UNIT
    reach = kernel.rows
    return out, ([[0] * columns] * reach + error)[-reach:]


def blocks_of(tones, size):
    return [tones[begin : begin + size] for begin in range(0, len(tones), size)]


shapes = st.tuples(st.integers(1, 24), st.integers(1, 24))


@given(st.integers(0, 2**32), shapes, st.sampled_from([1, 2, 7, MOST_LEVELS]), st.sampled_from(DIFFUSING))
@settings(max_examples=60)
def test_wavefront_is_loop(seed, shape, levels, name):
    tones = tones_of(seed, shape, levels)
    found, below = diffuse(tones, KERNELS[name])
    expected, errors = diffused_by_loop(tones, KERNELS[name])
    assert found.tolist() == expected.tolist()
    assert (below - UNIT // 2).tolist() == errors
    assert found.max() <= levels


@given(st.integers(0, 2**32), shapes, st.integers(1, 24), st.sampled_from(DITHERS))
@settings(max_examples=60)
def test_block_size_changes_no_dot(seed, shape, size, kind):
    tones = tones_of(seed, shape, 3)
    whole = np.concatenate(list(dither([tones], kind)))
    parts = np.concatenate(list(dither(blocks_of(tones, size), kind)))
    assert whole.tolist() == parts.tolist()


@given(st.integers(0, 2**32), shapes, st.sampled_from([1, 5]), st.sampled_from(DIFFUSING))
@settings(max_examples=60)
def test_energy_is_kept_but_for_the_borders(seed, shape, levels, name):
    tones = tones_of(seed, shape, levels)
    kernel = KERNELS[name]
    found, _ = diffuse(tones, kernel)
    rows, columns = shape
    # half a level leaves with each weight whose tap lands outside; half a unit is rounded in each dot
    landed = np.zeros((rows, columns))
    for down, across, weight in kernel.taps:
        low, high = max(0, -across), min(columns, columns - across)
        landed[: max(rows - down, 0), low : max(low, high)] += weight
    lost = (2**kernel.bits - landed).sum() / 2**kernel.bits / 2
    assert abs(found.sum() - tones.sum(dtype=np.int64) / UNIT) <= lost + 0.5 * tones.size / UNIT


@given(st.integers(0, UNIT), st.integers(1, 3), st.integers(1, 3), st.integers(0, 8))
def test_bayer_keeps_the_mean_of_whole_tiles(tone, down, across, level):
    tones = np.full((8 * down, 8 * across), level * UNIT + tone, np.int32)
    found = next(dither([tones], "bayer"))
    assert abs(found.mean() - level - tone / UNIT) <= 1 / 128 + 1 / UNIT


@pytest.mark.parametrize("kind", DITHERS)
def test_whole_levels_stay_as_they_are(kind):
    levels = np.random.default_rng(3).integers(0, MOST_LEVELS + 1, (17, 23))
    found = next(dither([(levels * UNIT).astype(np.int32)], kind))
    assert found.tolist() == levels.tolist()


@pytest.mark.parametrize("kind", DITHERS)
def test_white_and_black_have_no_speckles(kind):
    for tone in (0, UNIT):
        found = next(dither([np.full((40, 40), tone, np.int32)], kind))
        assert np.all(found == tone // UNIT)


def test_half_tone_diffused_is_half_black_everywhere():
    found, _ = diffuse(np.full((64, 64), UNIT // 2, np.int32), KERNELS["floyd-steinberg"])
    tiles = found.reshape(8, 8, 8, 8).mean(axis=(1, 3))
    assert np.abs(tiles - 0.5).max() < 0.1


def test_nearest_rounds_halves_up():
    assert nearest(np.array([[UNIT // 2 - 1, UNIT // 2, 255 * UNIT]], np.int32)).tolist() == [[0, 1, 255]]


@pytest.mark.parametrize("name", DIFFUSING)
def test_weights_of_kernels_add_up(name):
    kernel = KERNELS[name]
    assert sum(weight for _, _, weight in kernel.taps) == 2**kernel.bits


def test_bayer_matrix_holds_each_rank_once():
    assert sorted(bayer_matrix(3).ravel().tolist()) == list(range(64))


def test_unknown_dithering_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="floyd-steinberg"):
        next(dither([np.zeros((1, 1), np.int32)], "stucki"))
