"""The group ``fabctl machine``, and what it says without a port."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fabctl.cli.machine import MACHINE_COMMANDS
from fabctl.shop.machine import load_machine, machine_names


@pytest.mark.parametrize("name", MACHINE_COMMANDS)
def test_every_command_of_the_group_explains_itself_with_examples(fabctl, name):
    said = fabctl("machine", name, "--help")
    assert said.code == 0
    assert f"fabctl machine {name}" in said.out
    assert "Example" in said.out


def test_the_group_lists_its_commands_without_importing_them():
    code = (
        "import sys\n"
        "from fabctl.cli.main import main\n"
        "try:\n    main(['machine', '--help'])\n"
        "except SystemExit:\n    pass\n"
        "print('LOADED', [m for m in sys.modules if m.startswith('fabctl.cli.machine_')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(text in " ".join(done.stdout.split()) for _, text in MACHINE_COMMANDS.values())
    assert done.stdout.strip().endswith("LOADED []")


def test_a_mistyped_command_of_the_group_gets_the_nearest_one(fabctl):
    said = fabctl("machine", "shwo")
    assert said.code == 2
    assert "Did you mean 'show'?" in said.err
    assert "fabctl machine --help" in fabctl("machine", "xyzzy").err


@pytest.mark.parametrize("name", machine_names())
def test_show_names_every_setting_the_description_implies(fabctl, name):
    shown = json.loads(fabctl("machine", "show", name, "--json").out)
    settings = load_machine(name).settings()
    assert {int(number): value for number, value in shown["settings"].items()} == settings
    text = fabctl("machine", "show", name).out
    assert all(f"\n${number} " in text for number in settings)


def test_show_of_a_machine_nobody_described_is_bad_input(fabctl):
    assert fabctl("machine", "show", "nowhere-9000").code == 3


@pytest.mark.parametrize(("firmware", "limits", "report"), [("grblhal", 7, 123), ("fluidnc", None, 3)])
def test_show_names_the_settings_as_the_machines_own_firmware_has_them(
    fabctl, tmp_path, firmware, limits, report
):
    text = Path(load_machine("router-3018").source).read_text(encoding="utf-8")
    text = text.replace('"router-3018"', '"mine"').replace('"grbl-1.1"', f'"{firmware}"')
    text = text.replace("enabled = false", "enabled = true\ninvert_switches = true")
    mine = tmp_path / "mine.toml"
    mine.write_text(text, encoding="utf-8")
    settings = json.loads(fabctl("machine", "show", mine, "--json").out)["settings"]
    assert (settings.get("5"), settings["10"]) == (limits, report)


@pytest.mark.parametrize("firmware", ["grblhal", "fluidnc"])
def test_a_job_is_planned_and_made_for_a_machine_of_another_firmware(fabctl, tmp_path, square, firmware):
    """Behind sim:// stands a Grbl 1.1 all the same."""
    text = Path(load_machine("router-3018").source).read_text(encoding="utf-8")
    mine = tmp_path / "mine.toml"
    mine.write_text(
        text.replace('"router-3018"', '"mine"').replace('"grbl-1.1"', f'"{firmware}"'), encoding="utf-8"
    )
    said = fabctl("make", square, "-m", mine, "-M", "plywood-6", "--out", tmp_path / "runs", "--json")
    assert said.code == 0
    assert json.loads(said.out)["end_state"] == "done"
