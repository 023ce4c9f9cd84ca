"""The person's own files, the shipped ones, and both places where the shipped ones can be."""

import shutil
from pathlib import Path

import pytest

from fabctl.errors import ProfileError
from fabctl.shop import library
from fabctl.shop.firmware import firmware_names, load_firmware
from fabctl.shop.job import job_names
from fabctl.shop.library import locate, shipped_folder, user_folder
from fabctl.shop.machine import load_machine, machine_names
from fabctl.shop.material import load_material, material_names
from fabctl.shop.tool import load_tool, tool_names

MACHINES = ("laser-400", "pen-plotter-a3", "plywood-router-600x900", "router-3018")


def test_what_is_shipped_is_listed_by_name():
    assert machine_names() == MACHINES
    assert firmware_names() == ("fluidnc", "grbl-1.1", "grblhal")
    assert {"plywood-3", "plywood-6", "plywood-12", "mdf-6", "acrylic-3", "cardboard"} <= set(
        material_names()
    )
    assert {"petg-0.5", "aluminium-2"} <= set(material_names())
    assert {"endmill-3.175", "endmill-6", "vbit-60", "laser-spot", "pen"} <= set(tool_names())


@pytest.mark.parametrize(
    ("shelf", "load"),
    [
        ("machines", load_machine),
        ("firmware", load_firmware),
        ("materials", load_material),
        ("tools", load_tool),
    ],
)
def test_every_shipped_file_loads(shelf, load):
    files = sorted(shipped_folder(shelf).iterdir())
    assert files
    for path in files:
        assert load(path.stem).name == path.stem
        assert load(path).name == path.stem


@pytest.mark.parametrize("wrong", ["router-3081", "routr-3018", "Router-3018"])
def test_an_unknown_name_gets_the_nearest_and_the_command_that_lists(wrong):
    with pytest.raises(ProfileError) as caught:
        load_machine(wrong)
    assert "router-3018" in caught.value.remedy
    assert "fabctl machines" in caught.value.remedy


def test_a_firmware_nobody_knows_is_named_with_the_file_and_with_all_there_are(tmp_path):
    text = Path(load_machine("router-3018").source).read_text(encoding="utf-8")
    file = tmp_path / "router-3018.toml"
    file.write_text(text.replace('"grbl-1.1"', '"marlin"'), encoding="utf-8")
    with pytest.raises(ProfileError) as caught:
        load_machine(file)
    assert (caught.value.file, caught.value.place) == (str(file), "firmware")
    assert "fluidnc, grbl-1.1, grblhal" in caught.value.remedy


def test_a_path_that_is_not_there_is_said_as_it_was_given():
    for path in ("shop/none.toml", "./none", "..\\evil"):
        with pytest.raises(ProfileError) as caught:
            locate("machines", path)
        assert caught.value.file == path


def test_an_own_file_is_taken_before_the_shipped_one(own_folder):
    folder = own_folder / "tools"
    folder.mkdir()
    text = (shipped_folder("tools") / "pen.toml").read_text(encoding="utf-8")
    (folder / "pen.toml").write_text(text.replace("0.5\n", "0.7\n"), encoding="utf-8")
    (folder / "brush.toml").write_text(text.replace('"pen"\ntitle', '"brush"\ntitle'), encoding="utf-8")
    assert load_tool("pen").diameter_mm == 0.7
    assert load_tool("brush").name == "brush"
    assert tool_names().count("pen") == 1
    assert "brush" in tool_names()


def test_a_copied_file_must_say_its_own_name(tmp_path):
    copy = tmp_path / "mine.toml"
    shutil.copy(shipped_folder("tools") / "pen.toml", copy)
    with pytest.raises(ProfileError, match=r'"pen" but the file is called mine\.toml') as caught:
        load_tool(copy)
    assert caught.value.place == "name"


def test_two_files_that_differ_in_case_only_are_refused(tmp_path):
    text = (shipped_folder("tools") / "pen.toml").read_text(encoding="utf-8")
    (tmp_path / "pen.toml").write_text(text, encoding="utf-8")
    (tmp_path / "PEN.toml").write_text(text, encoding="utf-8")
    if len(list(tmp_path.glob("*.toml"))) == 2:  # on a file system that tells them apart
        with pytest.raises(ProfileError, match="differs only in upper and lower case"):
            load_tool(tmp_path / "pen.toml")


def test_an_installed_package_finds_its_files_inside_itself(tmp_path, monkeypatch):
    """A wheel has no folder firmware_profiles/ beside the package."""
    package = tmp_path / "site" / "fabctl"
    for shelf in ("machines", "firmware"):
        target = package / "library" / "firmware_profiles" / shelf
        shutil.copytree(shipped_folder(shelf), target)
    monkeypatch.setitem(library.__dict__, "_PACKAGE", package)
    assert package in shipped_folder("machines").parents
    assert machine_names() == MACHINES
    assert load_machine("router-3018").firmware.name == "grbl-1.1"


def test_the_own_folder_follows_the_system_unless_named(monkeypatch, own_folder):
    assert user_folder("jobs") == own_folder / "jobs"
    monkeypatch.delenv("FABCTL_CONFIG")
    assert user_folder("jobs").parent.name == "fabctl"


def test_jobs_are_listed_from_both_places(own_folder):
    (own_folder / "jobs").mkdir()
    (own_folder / "jobs" / "mine.toml").write_text("", encoding="utf-8")
    assert "mine" in job_names()
