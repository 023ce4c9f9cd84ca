"""A description drawn from a controller's settings is the machine the settings were made from."""

import pytest

from fabctl.errors import ProfileError
from fabctl.shop.firmware import firmware_names, load_firmware
from fabctl.shop.machine import load_machine, machine_names
from fabctl.shop.skeleton import NEEDED, machine_skeleton
from fabctl.sim.settings import DEFAULTS


def drawn(tmp_path, settings, firmware="grbl-1.1"):
    path = tmp_path / "drawn.toml"
    path.write_text(machine_skeleton("drawn", firmware, settings), encoding="utf-8")
    return load_machine(path)


@pytest.mark.parametrize("name", [name for name in machine_names() if load_machine(name).has_z])
def test_law_settings_of_a_machine_drawn_from_settings_are_those_settings(tmp_path, name):
    settings = load_machine(name).settings()
    again = drawn(tmp_path, settings).settings()
    # a spindle whose slowest speed nobody stored gets one to be measured
    assert again | {31: settings[31]} == settings


def test_a_blank_board_gives_a_description_that_loads(tmp_path):
    machine = drawn(tmp_path, DEFAULTS)
    assert machine.travel_mm == (200, 200, 200)
    assert machine.attended_only
    assert not machine.homing


@pytest.mark.parametrize("name", firmware_names())
def test_every_firmware_says_enough_for_a_description(tmp_path, name):
    wanted = load_firmware(name).settings.wanted(load_machine("router-3018").settings())
    assert drawn(tmp_path, wanted, name).firmware.name == name


def test_a_laser_is_known_by_its_mode(tmp_path):
    machine = drawn(tmp_path, DEFAULTS | {32: 1, 30: 255})
    assert (machine.head.kind, machine.head.on_word, machine.head.full_scale) == ("laser", "M4", 255)


@pytest.mark.parametrize("number", NEEDED)
def test_without_steps_rates_accelerations_and_travel_there_is_no_description(number):
    with pytest.raises(ProfileError, match=rf"does not tell \${number}"):
        machine_skeleton("mine", "grbl-1.1", DEFAULTS | {number: 0})


def test_what_no_controller_knows_has_a_remark():
    text = machine_skeleton("mine", "grbl-1.1", DEFAULTS)
    for key in ("travel_mm", "interlock", "stock_height_mm", "spin_up_s", "max_rpm"):
        lines = [line for line in text.splitlines() if line.startswith(f"{key} =")]
        assert lines
        assert all("#" in line for line in lines)


def test_settings_of_real_machines_give_descriptions_that_load(tmp_path, corpus):
    """Controllers of machines people own, as they saved their settings."""
    from fabctl.shop.grbl_settings import read_settings

    files = sorted((corpus / "machine").glob("*.set"))
    assert files
    for file in files:
        machine = drawn(tmp_path, read_settings(file).values)
        assert machine.travel_mm[0] > 0
