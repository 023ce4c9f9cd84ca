"""Planning: what is said, in which words, and what a refusal names."""

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
