"""Planning: what is said, in which words, and what a refusal names."""

import numpy as np
import pytest

from fabctl.errors import RefusedError
from fabctl.job.plan import plan

PAGE = '<svg width="300px" height="150px" viewBox="0 0 300 150">{}</svg>'


@pytest.fixture
def drawing(tmp_path):
    """Write a drawing whose file does not say how large a px is."""

    def write(*shapes):
        file = tmp_path / "part.svg"
        file.write_text(PAGE.format("".join(shapes)), encoding="utf-8")
        return file

    return write


def rectangle(x, y, width, height, name="part", extra=""):
    box = f'x="{x}" y="{y}" width="{width}" height="{height}"'
    return f'<rect id="{name}" {box} fill="none" stroke="#000" {extra}/>'


def test_a_refusal_of_an_operation_names_the_file(drawing, order):
    near = drawing(rectangle(0, 0, 90, 90, "a"), rectangle(92, 0, 90, 90, "b"))
    with pytest.raises(RefusedError, match=r"a and b are 0\.53 mm apart") as caught:
        plan(order(near, "router-3018", "plywood-6"))
    assert caught.value.file == str(near)
    assert caught.value.place.startswith("x ")


def test_the_readers_notes_are_told_before_a_refusal(drawing, order):
    near = drawing(rectangle(0, 0, 90, 90, "a"), rectangle(92, 0, 90, 90, "b"))
    told = []
    with pytest.raises(RefusedError):
        plan(order(near, "router-3018", "plywood-6"), told.append)
    assert any("96" in note and "px" in note for note in told)


def test_the_readers_notes_stand_in_the_plan_too(drawing, order):
    told = []
    made = plan(order(drawing(rectangle(0, 0, 90, 90)), "router-3018", "plywood-6"), told.append)
    assert told
    assert set(told) < set(made.notes)


def layered(*shapes, layer="Guides"):
    return f'<g id="{layer}">{"".join(shapes)}</g>'


def test_what_is_ignored_widens_nothing_and_is_no_part(drawing, order):
    part, guide = rectangle(100, 50, 90, 60), rectangle(0, 0, 280, 140, "frame")
    alone = plan(order(drawing(part), "router-3018", "plywood-6"))
    made = plan(order(drawing(part, layered(guide, layer="guides")), "router-3018", "plywood-6"))
    assert (made.stock.width_mm, made.stock.height_mm) == (alone.stock.width_mm, alone.stock.height_mm)
    assert list(made.design.ident) == ["part"]
    assert np.allclose(made.design.curves.points, alone.design.curves.points)
    assert any("1 of 2 paths ignored" in note for note in made.notes)


def test_a_drawing_of_nothing_but_ignored_paths_is_refused(drawing, order):
    with pytest.raises(RefusedError, match="every path is ignored"):
        plan(order(drawing(layered(rectangle(0, 0, 90, 60), layer="guides")), "router-3018", "plywood-6"))


def test_what_is_true_of_several_steps_is_said_once(drawing, order):
    shapes = rectangle(0, 0, 200, 140), rectangle(40, 40, 100, 60, "hole")
    made = plan(order(drawing(*shapes), "router-3018", "plywood-6"))
    said = [note for note in made.notes if "stepdown is" in note]
    assert len(said) == 1
    assert said[0].startswith("profile outside, profile inside: ")
