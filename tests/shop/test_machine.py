"""Machines and their firmware: facts, the Grbl settings they imply, and what cannot be true together."""

import math
from dataclasses import replace

import pytest

from fabctl.errors import ProfileError
from fabctl.shop.firmware import load_firmware
from fabctl.shop.library import shipped_folder
from fabctl.shop.machine import load_machine, machine_names
from fabctl.shop.permit import machine_digest
from fabctl.shop.setter import Setter

PLYWOOD = "plywood-router-600x900"
SETTER = "[setter]\nx_mm = -20\ny_mm = -30\nfrom_z_mm = -10\n"
GRBL = load_firmware("grbl-1.1")
ROUTER = load_machine("router-3018")


def written(tmp_path, name, *changes, shelf="machines"):
    """The shipped file of a name with some of its text changed, in a folder of its own."""
    text = (shipped_folder(shelf) / f"{name}.toml").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_grbl_is_what_was_measured():
    assert (GRBL.rx_buffer_bytes, GRBL.window_bytes) == (128, 127)
    assert (GRBL.planner_blocks, GRBL.look_ahead_blocks) == (16, 14)
    assert (GRBL.line_limit_chars, GRBL.emit_limit_chars) == (79, 70)
    assert GRBL.dwell_step_s == 0.05
    assert GRBL.cost.line_s == 1.1e-3
    assert GRBL.cost.segment_s == 0.75e-3
    assert {"G0", "G38.2", "G92.1", "M30"} <= GRBL.words
    assert not {"M6", "M7", "G41", "G81", "G5"} & GRBL.words
    assert "R" in GRBL.letters
    assert not {"A", "G", "M"} & GRBL.letters


def test_alarms_that_lose_the_position_are_known():
    assert [code.number for code in GRBL.alarms if code.position_lost] == [1, 3, 6, 7, 8, 9]
    assert GRBL.alarm(77).position_lost
    assert not GRBL.error(77).position_lost
    assert "feed" in GRBL.error(22).meaning


@pytest.mark.parametrize("name", machine_names())
def test_settings_name_every_fact_grbl_knows(name):
    machine = load_machine(name)
    settings = machine.settings()
    assert list(settings) == sorted(settings)
    axes = 3 if machine.has_z else 2
    assert len(settings) == 22 + 4 * axes
    assert all(math.isfinite(value) and value >= 0 for value in settings.values())
    assert [settings[100 + axis] for axis in range(axes)] == list(machine.steps_per_mm[:axes])
    assert [settings[130 + axis] for axis in range(axes)] == list(machine.travel_mm[:axes])
    assert settings[30] == machine.head.full_scale
    assert settings[32] == machine.head.laser_mode


def test_masks_carry_one_bit_an_axis():
    assert load_machine("laser-400").settings()[23] == 0b011
    assert load_machine("plywood-router-600x900").settings()[23] == 0
    assert load_machine("plywood-router-600x900").settings()[3] == 0b010


def test_machine_coordinates_are_negative_after_homing():
    router = load_machine("plywood-router-600x900")
    assert router.envelope_mm == ((-600.0, -900.0, -80.0), (0.0, 0.0, 0.0))
    assert router.homed_mm == (-3.0, -3.0, -3.0)
    assert load_machine("laser-400").homed_mm == (-398.0, -398.0, 0.0)


def test_the_laser_turns_off_at_standstill():
    head = load_machine("laser-400").head
    assert (head.kind, head.on_word, head.laser_mode) == ("laser", "M4", True)
    assert not load_machine("laser-400").has_z


def test_machines_without_an_interlock_are_attended():
    assert [name for name in machine_names() if not load_machine(name).attended_only] == ["pen-plotter-a3"]


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("router-3018", "enabled = false", "soft_limits = true", "soft limits need homing"),
        ("router-3018", "max_rpm = 10000", "max_rpm = 1000", "not below min_rpm"),
        ("router-3018", "full_scale = 10000", "full_scale = 5000", "S could not ask for it"),
        ("router-3018", 'on_word = "M3"', 'on_word = "M4"', "does not fit the kind"),
        ("router-3018", 'on_word = "M3"', "", "does not fit the kind"),
        ("router-3018", 'on_word = "M3"', 'on_word = "M3"\nlaser_mode = true', "no laser needs it false"),
        ("router-3018", "attended_only = true", "attended_only = false", "must not run alone"),
        ("router-3018", "clearance_mm = 5", "clearance_mm = 45", "less than [axes.z] travel_mm"),
        ("router-3018", "max_rate_mm_min = 2000", "max_rate_mm_min = 3000", "at most 2250 mm/min"),
        ("router-3018", 'firmware = "grbl-1.1"', 'firmware = "grbl-1.2"', "nearest are grbl-1.1"),
        ("laser-400", "laser_mode = true", "laser_mode = false", "M4 needs laser_mode"),
        ("laser-400", "power_w = 40", "", "needs the power of its beam"),
        ("pen-plotter-a3", "pen_up_mm = 3", "pen_up_mm = 0", "must be lifted"),
        ("pen-plotter-a3", "pen_up_mm = 3", "pen_up_mm = 30", "lifted further than the Z axis goes"),
        ("pen-plotter-a3", "[axes.z]", "[axes.a]", "only a laser does without a Z axis"),
        ("router-3018", "[safety]", f"{SETTER}[safety]", "a machine that does not home"),
        (
            PLYWOOD,
            "[safety]",
            f"{SETTER}depth_mm = 71\n[safety]",
            "the way down to its plate leaves the travel",
        ),
        (PLYWOOD, "[safety]", f"{SETTER}slow_mm_min = 101\n[safety]", "the slower one"),
        (PLYWOOD, "[safety]", f"{SETTER}z_mm = -3\n[safety]", "z_mm"),
        (PLYWOOD, "[safety]", "[setter]\nx_mm = 5\ny_mm = -3\nfrom_z_mm = -9\n[safety]", "x_mm"),
    ],
)
def test_facts_that_cannot_be_true_together_are_refused(tmp_path, name, old, new, said):
    with pytest.raises(ProfileError) as caught:
        load_machine(written(tmp_path, name, (old, new)))
    assert said in str(caught.value)


@pytest.mark.parametrize("value", ["-8", '"80"', "nan"])
def test_a_wrong_value_in_a_table_that_others_depend_on_is_told_once_and_no_bug(tmp_path, value):
    with pytest.raises(ProfileError) as caught:
        load_machine(written(tmp_path, PLYWOOD, ("travel_mm = 80", f"travel_mm = {value}")))
    assert str(caught.value).count("[axes.z] travel_mm") == 1


def test_a_setter_is_a_place_on_the_machine_and_one_that_is_not_there_changes_no_permit(tmp_path):
    found = load_machine(written(tmp_path, PLYWOOD, ("[safety]", f"{SETTER}[safety]")))
    assert found.setter == Setter(-20.0, -30.0, -10.0, 30.0, 100.0, 25.0)
    bare = load_machine(PLYWOOD)
    assert bare.setter is None
    assert machine_digest(replace(found, setter=None)) == machine_digest(bare) != machine_digest(found)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("window_bytes = 127", "window_bytes = 128", "less than rx_buffer_bytes"),
        ("emit_limit_chars = 70", "emit_limit_chars = 80", "at most line_limit_chars"),
        ("look_ahead_blocks = 14", "look_ahead_blocks = 17", "at most planner_blocks"),
        ('"G0",', '"G00",', "no G or M word"),
        ('"F",', '"f",', "no single capital letter"),
        ('eeprom_words = ["G10"', 'eeprom_words = ["G11"', "words that are accepted at all"),
    ],
)
def test_firmware_facts_that_cannot_be_true_together_are_refused(tmp_path, old, new, said):
    with pytest.raises(ProfileError) as caught:
        load_firmware(written(tmp_path, "grbl-1.1", (old, new), shelf="firmware"))
    assert said in str(caught.value)


def test_a_changed_firmware_file_is_read_anew(tmp_path):
    path = written(tmp_path, "grbl-1.1", shelf="firmware")
    assert load_firmware(path).window_bytes == 127
    path.write_text(
        path.read_text(encoding="utf-8").replace("window_bytes = 127", "window_bytes = 100"), "utf-8"
    )
    assert load_firmware(path).window_bytes == 100


@pytest.mark.parametrize(
    ("file", "places"),
    [
        (
            "generic_machine_wrong_types.toml",
            ["name: 42", "[axes.x] travel_mm", "max_rate_mm_min", "[axes.y]", "laser"],
        ),
        ("generic_machine_syntax.toml", ["line 1, column 10"]),
        ("generic_machine_path.toml", ["name: '../../../tmp/evil'", "post_script: unknown key"]),
    ],
)
def test_bad_machine_files_of_the_corpus_are_refused_with_their_places(corpus, bad_index, file, places):
    assert bad_index[f"profile/{file}"]["severity"].startswith("error")
    with pytest.raises(ProfileError) as caught:
        load_machine(corpus / "bad" / "profile" / file)
    for place in (file, *places):
        assert place in str(caught.value)


@pytest.mark.parametrize(
    ("number", "wanted", "found", "agrees"),
    [
        (5, 7, 7, True),  # a switch of Grbl 1.1, one bit an axis here
        (5, 7, 1, False),
        (10, 123, 511, True),
        (10, 123, 3, False),
        (22, 1, 5, True),  # more bits for what Grbl 1.1 has no word for
        (22, 1, 4, False),
        (32, 0, 2, False),  # a lathe
        (110, 2000, 2000.0004, True),
        (110, 2000, 2001, False),
    ],
)
def test_settings_of_grblhal_are_compared_by_what_counts(number, wanted, found, agrees):
    rules = load_firmware("grblhal").settings
    limits = replace(ROUTER.limits, invert_switches=True, enabled=True)
    machine = replace(ROUTER, limits=limits)
    assert rules.wanted(machine.settings())[number] == wanted
    assert rules.agree(number, wanted, found) is agrees


def test_settings_fluidnc_does_not_have_are_not_asked_of_it():
    wanted = load_firmware("fluidnc").settings.wanted(ROUTER.settings())
    assert not wanted.keys() & {0, 1, 11, 12, 27}
    assert {100, 110, 120, 130, 22, 30} < wanted.keys()
    assert GRBL.settings.wanted(ROUTER.settings()) == ROUTER.settings()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Grbl {version} ['$' for help]", "Grbl ['$' for help]", "no banner"),
        ('asks = ["$I"', 'startup_line = "N0"\nasks = ["$I"', "does not say where"),
        ("[speaks] #", '[speaks]\nform = "x"\n#', "unknown key"),
    ],
)
def test_a_grammar_that_cannot_be_is_refused(tmp_path, old, new, said):
    with pytest.raises(ProfileError, match=said):
        load_firmware(written(tmp_path, "grbl-1.1", (old, new), shelf="firmware"))
