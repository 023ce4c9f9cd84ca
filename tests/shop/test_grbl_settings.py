"""Saved `$$` lists, as real senders write them and as they go wrong."""

import pytest

from fabctl.errors import ProfileError
from fabctl.shop.grbl_settings import CHANGES_NOTHING, Difference, compare, parse_settings, read_settings
from fabctl.shop.machine import load_machine, machine_names


def answer(machine, changes=()):
    """The `$$` answer of a controller set up as its profile says, but for the changes."""
    values = {**machine.settings(), **dict(changes)}
    return (
        "".join(f"${number}={value:.3f}\r\n" for number, value in values.items() if value is not None)
        + "ok\r\n"
    )


@pytest.mark.parametrize("name", machine_names())
def test_a_controller_set_up_as_its_profile_says_does_not_differ(name):
    machine = load_machine(name)
    settings = parse_settings(answer(machine))
    assert compare(machine, settings) == ()
    assert settings.travel_mm == machine.travel_mm
    assert not settings.reports_inches


def test_each_setting_that_differs_is_listed_with_both_values():
    machine = load_machine("router-3018")
    settings = parse_settings(answer(machine, {32: 1, 100: 801.0, 11: None}))
    assert compare(machine, settings) == (
        Difference(11, 0.01, None),
        Difference(32, 0, 1),
        Difference(100, 800.0, 801.0),
    )
    assert str(compare(machine, settings)[2]) == "$100 (X steps/mm): 801, the profile says 800"


@pytest.mark.parametrize("number", sorted(set(load_machine("router-3018").settings()) - CHANGES_NOTHING))
def test_no_setting_escapes_the_comparison(number):
    machine = load_machine("router-3018")
    settings = parse_settings(answer(machine, {number: machine.settings()[number] + 1}))
    assert [difference.number for difference in compare(machine, settings)] == [number]


@pytest.mark.parametrize(
    ("file", "travel_mm"),
    [
        ("ob_ACRO1010.set", (800, 800, 70)),
        ("ob_LEAD1010.set", (810, 730, 90)),
        ("ob_CBEAM.set", (270, 270, 80)),
        ("ob_1010PLAS.set", (740, 830, 80)),
        ("ob_HAL_LEAD1515.set", (1180, 1270, 90)),
        ("engravinator_grbl_settings.gcode", (130, 130, 0)),
    ],
)
def test_real_lists_are_read(corpus, file, travel_mm):
    settings = read_settings(corpus / "machine" / file)
    assert settings.travel_mm == travel_mm
    assert settings.notes == ()


def test_the_lists_of_several_machines_in_one_file_are_not_mixed(corpus):
    with pytest.raises(ProfileError, match="settings stand twice") as caught:
        read_settings(corpus / "machine" / "siredmar_grbl_settings.txt")
    assert "line 47" in str(caught.value)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("grbl_negative_accel.set", ["line 20, $120", "negative"]),
        ("grbl_wrong_type.set", ["line 17, $110", "'fast' is not a number"]),
        ("grbl_zero_steps.set", ["line 14, $100", "more than 0"]),
        ("grbl_missing_travel.set", ["$130", "$131", "missing"]),
    ],
)
def test_lists_that_cannot_be_true_are_refused(corpus, bad_index, file, said):
    assert bad_index[f"profile/{file}"]["severity"].startswith(("error", '"error'))
    with pytest.raises(ProfileError) as caught:
        read_settings(corpus / "bad" / "profile" / file)
    for text in (file, *said):
        assert text in str(caught.value)


def test_unknown_settings_are_noted_and_the_rest_is_used(corpus):
    settings = read_settings(corpus / "bad" / "profile" / "grbl_unknown_key.set")
    assert len(settings.values) == 25
    assert ["$999" in settings.notes[0], "$abc" in settings.notes[1]] == [True, True]


def test_a_value_given_twice_is_noted_with_both_values(corpus):
    settings = read_settings(corpus / "bad" / "profile" / "grbl_duplicate_key.set")
    assert settings.values[100] == 250
    assert len(settings.notes) == 1
    assert "250" in settings.notes[0]
    assert "80" in settings.notes[0]


def test_a_controller_that_reports_inches_is_converted(corpus):
    settings = read_settings(corpus / "bad" / "profile" / "grbl_inches.set")
    assert settings.reports_inches
    assert settings.position_mm(-10.0) == -254.0
    assert settings.travel_mm == (600, 400, 80)


@pytest.mark.parametrize("value", ["", "nan", "inf", "1e3", "0x10", "1,5", "9" * 30, "--1"])
def test_only_plain_numbers_are_numbers(value):
    with pytest.raises(ProfileError, match="is not a number"):
        parse_settings(answer(load_machine("router-3018")) + f"$100={value}\n")


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ProfileError, match="cannot be read"):
        read_settings(tmp_path / "none.set")
