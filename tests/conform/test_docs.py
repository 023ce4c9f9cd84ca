"""docs/conform.md and the table of controllers in docs/profiles.md say what is so."""

import re
from pathlib import Path

import pytest

from fabctl.cli.machine_conform import conform
from fabctl.conform.facts import NEEDS, load_facts
from fabctl.shop.firmware import load_firmware

DOCS = Path(__file__).parents[2] / "docs"
CONFORM = (DOCS / "conform.md").read_text(encoding="utf-8")
CONTROLLERS = (
    (DOCS / "profiles.md").read_text(encoding="utf-8").split("## Other controllers\n")[1].split("\n## ")[0]
)
ROWS = {
    cells[0].strip(): [cell.strip() for cell in cells[1:]]
    for line in CONTROLLERS.splitlines()
    if line.startswith("| ") and (cells := line.strip("|").split("|"))
}
FIRMWARES = [load_firmware(name.strip("`")) for name in ROWS[""]]


def test_every_option_the_page_names_exists():
    named = set(re.findall(r"`(--[\w-]+)", CONFORM))
    assert named <= {text for option in conform.params for text in option.opts}
    assert {"--motion", "--outputs", "--eeprom", "--confirm", "--profile-out", "--row", "--json"} <= named


def test_every_need_has_its_option():
    for need, reason in NEEDS.items():
        assert need == "bench" or f"--{need}" in reason


def test_about_twenty_cases_are_for_the_virtual_controller_alone():
    assert 15 <= sum("bench" in case.needs for case in load_facts().cases) <= 25


@pytest.mark.parametrize("at", range(len(FIRMWARES)), ids=[firmware.name for firmware in FIRMWARES])
def test_the_table_of_controllers_is_that_of_the_profiles(at):
    firmware, does = FIRMWARES[at], FIRMWARES[at].behaviour
    assert ROWS["ring, most under way"][at].startswith(f"{firmware.rx_buffer_bytes}, {firmware.window_bytes}")
    assert ROWS["planner"][at].startswith(str(firmware.planner_blocks - 1))
    assert ("same error" in ROWS["after an error"][at]) == does.error_sticks
    assert (ROWS["G92 after a reset"][at] == "kept") == does.keeps_g92
    assert ROWS["ring overflows"][at] == (
        f"alarm {does.overflow_alarm}" if does.overflow_alarm else "silently"
    )
    assert ("cut short" in ROWS["line too long"][at]) == does.cuts_long_lines
    assert ("not deaf" in ROWS["storing an offset"][at]) == (not firmware.eeprom_words)
    assert (ROWS["`?` while homing"][at] == "answered") == does.reports_homing
    assert (ROWS["homed together"][at] == "Z, then X and Y") == (does.homing_cycles == ("z", "xy"))
    assert ("$N" in ROWS["start-up lines"][at]) == ("$N" in firmware.speaks.asks)
    absent = [rule.number for rule in firmware.settings.rules if rule.absent]
    assert ("no `$0`" in ROWS["settings compared"][at]) == bool(absent)
