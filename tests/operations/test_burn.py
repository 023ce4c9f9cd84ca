"""Burning: how many lines a controller takes, and which names the two rooms share."""

import numpy as np
import pytest

from fabctl.errors import RefusedError
from fabctl.geometry.curves import from_paths
from fabctl.operations import burn
from fabctl.operations.burn import most_lines_s
from fabctl.operations.step import Step
from fabctl.shop.job import DITHERS as NAMED
from fabctl.shop.job import Raster
from fabctl.shop.machine import load_machine
from fabctl.shop.recipe import Recipe
from fabctl.shop.tool import load_tool
from fabctl.toolpath.dither import DITHERS


def test_a_job_can_name_every_dithering_there_is():
    assert sorted(NAMED) == sorted(DITHERS)


def test_an_eight_bit_controller_takes_as_many_lines_as_was_measured():
    """376 lines a second of a raster on real firmware (docs on the link)."""
    assert most_lines_s(load_machine("laser-400")) == pytest.approx(376, rel=0.03)


def test_a_raster_of_millions_of_lines_is_refused(monkeypatch):
    monkeypatch.setattr(burn, "MOST_MOVES", 50)
    frame = from_paths([([[20, 5], [22, 5], [22, 7], [20, 7]], None, True)])
    recipe = Recipe(1000, 1000, 0, 0.1, 0.5)
    step = Step("raster", "raster", frame, ["picture"], load_tool("laser-spot"), recipe, 0.0)
    grey = np.random.default_rng(0).integers(0, 256, (20, 20)).astype(np.uint8)
    with pytest.raises(RefusedError, match="more than 50 lines"):
        burn.burn(step, grey, Raster(pitch_mm=0.1), load_machine("laser-400"))
