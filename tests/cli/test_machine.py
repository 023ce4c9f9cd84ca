"""The group ``fabctl machine``, and what it says without a port."""

import json
import subprocess
import sys

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
