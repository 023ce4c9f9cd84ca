"""What every reader of drawings ends with."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabctl.design.finish import finish
from fabctl.design.model import Design, Note
from fabctl.errors import DesignError
from fabctl.geometry.curves import Curves, extents, from_paths, lengths

SQUARE = [[0, 0], [9, 0], [9, 9], [0, 9]]


def design(*paths, layers=None, notes=()):
    m = len(paths)
    names = tuple(f"p{i}" for i in range(m))
    return Design("a.svg", from_paths(paths), layers or ("",) * m, ("",) * m, names, notes=notes)


def kinds(done):
    return [note.kind for note in done.notes]


def test_a_clean_drawing_is_left_alone():
    one = design((SQUARE, None, True), ([[20, 0], [30, 0]], None, False))
    done = finish(one)
    assert np.array_equal(done.curves.points, one.curves.points)
    assert kinds(done) == []


def test_duplicates_of_one_layer_are_cut_once_and_of_two_kept_and_said():
    twice = ((SQUARE, None, True), (SQUARE[::-1], None, True))
    assert len(finish(design(*twice)).curves) == 1
    done = finish(design(*twice, layers=("cut", "engrave")))
    assert done.layer == ("cut", "engrave")
    assert "another layer" in str(done.notes[0])


def test_pieces_of_one_layer_become_a_loop_and_of_two_do_not():
    sides = [([a, b], None, False) for a, b in zip(SQUARE, SQUARE[1:] + SQUARE[:1], strict=True)]
    done = finish(design(*sides))
    assert done.curves.closed.tolist() == [True]
    assert done.ident == ("p0",)
    assert kinds(done) == ["joined"]
    assert not finish(design(*sides, layers=("a", "b", "a", "b"))).curves.closed.any()


@given(st.floats(0, 0.4))
def test_law_gaps_close_up_to_the_tolerance_and_no_further(gap_mm):
    open_square = ([*SQUARE, [0, gap_mm]], None, False)
    done = finish(design(open_square), join_mm=0.2)
    assert done.curves.closed[0] == (gap_mm <= 0.2)
    assert ("gap" in kinds(done)) == (gap_mm > 0.2)


def test_dots_and_numbers_that_are_none_are_left_out_with_their_names():
    points = np.array([[1, 1], [1, 1], [np.nan, 0], [5, 5], [0, 0], [9, 0]], float)
    broken = Curves(points, np.zeros(6), np.array([0, 2, 4, 6]), np.zeros(3, bool))
    done = finish(Design("a.svg", broken, ("",) * 3, ("",) * 3, ("dot", "nan", "line")))
    assert done.ident == ("line",)
    assert ["nan" in str(done.notes[0]), "dot" in str(done.notes[1])] == [True, True]


def test_points_that_repeat_go_and_arcs_stay():
    path = ([[0, 0], [0, 0], [9, 0], [9, 0], [9, 9]], [0, 1, 0, -0.5, 0], False)
    one = design(path)
    done = finish(one)
    assert done.curves.points.tolist() == [[0, 0], [9, 0], [9, 9]]
    assert done.curves.bulge.tolist() == [1, -0.5, 0]
    assert lengths(done.curves) == pytest.approx(lengths(one.curves))
    assert extents(done.curves) == pytest.approx(extents(one.curves))


def test_a_path_that_crosses_itself_is_named():
    done = finish(design(([[0, 0], [9, 9], [9, 0], [0, 9]], None, True)))
    assert kinds(done) == ["self-intersecting"]
    assert done.notes[0].place == "p0"


def test_a_drawing_larger_than_the_machine_is_said():
    assert kinds(finish(design((SQUARE, None, True)), largest_mm=5)) == ["size"]
    assert kinds(finish(design((SQUARE, None, True)), largest_mm=9)) == []


def test_nothing_left_is_an_error_that_says_what_was_left_out():
    with pytest.raises(DesignError, match="nothing to cut: 3 texts") as caught:
        finish(design(notes=(Note("units", "mm"), Note("text", "3 texts"))))
    assert "mm" not in caught.value.problem
    assert caught.value.file == "a.svg"


def test_ends_that_meet_are_joined_without_a_word_on_gaps_and_loops_there_are_none_of():
    curves = from_paths([([[0, 0], [9, 0]], None, False), ([[9, 0], [9, 9]], None, False)])
    (note,) = finish(Design("a.svg", curves, ("", ""), ("", ""), ("a", "b"))).notes
    assert "1 pair of ends" in note.text
    assert "widest gap" not in note.text
    assert "closed" not in note.text


def test_the_length_of_what_is_too_short_is_told_however_short():
    curves = from_paths([([[0, 0], [1e-8, 0]], None, False)])
    with pytest.raises(DesignError, match="the longest is 1e-08 mm"):
        finish(Design("a.svg", curves, ("",), ("",), ("a",)))
