"""Cycles of permutations."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabctl.geometry.cycles import cycles


@given(st.permutations(range(40)))
def test_cycles_of_any_permutation(following):
    following = np.array(following)
    order, offsets = cycles(following)
    assert sorted(order) == list(range(40))
    for a, b in itertools.pairwise(offsets):
        ring = order[a:b]
        assert ring[0] == ring.min()
        assert np.array_equal(following[ring], np.roll(ring, -1))
    assert np.all(np.diff(order[offsets[:-1]]) > 0)


@pytest.mark.parametrize("length", [1, 50_000])
def test_cycles_long_and_short(length):
    """Long cycles are walked, short ones doubled: both kinds beside each other."""
    shuffled = np.random.default_rng(1).permutation(50_000)
    following = np.empty(50_000, np.int64)
    following[shuffled[:length]] = np.roll(shuffled[:length], -1)
    following[shuffled[length:]] = shuffled[length:]
    order, offsets = cycles(following)
    assert max(np.diff(offsets).tolist()) == length
    long = np.argmax(np.diff(offsets))
    ring = order[offsets[long] : offsets[long + 1]]
    assert np.array_equal(following[ring], np.roll(ring, -1))
