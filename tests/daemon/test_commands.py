"""Commands that name a kept machine go through its keeper, and no port is opened twice."""

import json
import os
import subprocess
import sys

import pytest

from fabctl.daemon.places import places_folder
from fabctl.record.run import list_runs

PROGRAM = "G21\nG90\nM3S1000\nG0Z5\nG0X0Y0\nG1Z-0.5F600\nG1X12F1500\nM0\nG1X0\nG0Z5\nM5\n"


@pytest.fixture
def fabctl(kept, tmp_path):
    """Run fabctl as its own process, where the keeper is found."""

    def call(*argv, text=""):
        environment = os.environ | {
            "XDG_RUNTIME_DIR": str(kept.folder.parent.parent),
            "XDG_DATA_HOME": str(tmp_path),
        }
        command = [sys.executable, "-m", "fabctl", *map(str, argv)]
        return subprocess.run(
            command, env=environment, input=text, capture_output=True, text=True, timeout=60, check=False
        )

    return call


def test_send_goes_through_the_keeper(kept, fabctl, tmp_path):
    file = tmp_path / "square.nc"
    file.write_text(PROGRAM.replace("M0\n", ""))
    said = fabctl("send", file, "-m", "router-3018", "--confirm", "router-3018", "--json")
    assert said.returncode == 0, said.stderr
    told = json.loads(said.stdout)
    assert (told["end_state"], told["head_off"]) == ("done", True)
    assert "kept" in said.stderr
    (entry,) = list_runs(tmp_path / "fabctl" / "runs")
    assert entry.certain.end_state == "done"
    assert max(kept.served.controller.trace.xyz_mm[:, 0]) > 11.9


def test_a_pause_with_nobody_to_ask_ends_the_run_with_position_known(fabctl, tmp_path):
    file = tmp_path / "two.nc"
    file.write_text(PROGRAM.replace("M0\n", "G0Z5\nM5\nM0\nM3S1000\nG1Z-0.5F600\n"))
    said = fabctl("send", file, "-m", "router-3018", "--confirm", "router-3018")
    assert said.returncode == 6, said.stderr
    assert "Nobody is there to ask" in said.stderr
    assert "not armed" in said.stderr


def test_the_port_itself_is_not_opened_beside_the_keeper(kept, fabctl, tmp_path):
    file = tmp_path / "square.nc"
    file.write_text(PROGRAM.replace("M0\n", ""))
    said = fabctl("send", file, "-m", "router-3018", "--confirm", "router-3018", "--port", kept.served.url)
    assert said.returncode == 5
    assert "has" in said.stderr
    assert "port" in said.stderr


def test_a_program_goes_through_check_mode_before_its_first_run_and_not_again(kept, fabctl, tmp_path):
    file = tmp_path / "first.nc"
    file.write_text(PROGRAM.replace("M0\n", "").replace("X12", "X11"))
    for _ in range(2):
        assert fabctl("send", file, "-m", "router-3018", "--confirm", "router-3018").returncode == 0
    second, first = list_runs(tmp_path / "fabctl" / "runs")
    checked = ['"kind":"checked"' in (run.folder / "journal").read_text() for run in (first, second)]
    assert checked == [True, False]


def test_a_virtual_run_spares_no_machine_the_check_of_its_first(fabctl, tmp_path):
    file = tmp_path / "first.nc"
    file.write_text(PROGRAM.replace("M0\n", "").replace("X12", "X10.5"))
    assert fabctl("send", file, "-m", "router-3018", "--port", "sim://").returncode == 0
    assert fabctl("send", file, "-m", "router-3018", "--confirm", "router-3018").returncode == 0
    real, virtual = list_runs(tmp_path / "fabctl" / "runs")
    checked = ['"kind":"checked"' in (run.folder / "journal").read_text() for run in (virtual, real)]
    assert checked == [False, True]


def test_an_act_by_hand_moves_the_kept_machine_and_no_other(kept, fabctl):
    before = kept.served.controller.trace.xyz_mm[-1][1]
    said = fabctl("machine", "jog", "router-3018", "y5", "--confirm", "router-3018", "--json")
    assert said.returncode == 0, said.stderr
    assert kept.served.controller.trace.xyz_mm[-1][1] == pytest.approx(before + 5, abs=0.01)


@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_a_keeper_is_looked_for_in_one_place_however_often(tmp_path, monkeypatch, mode):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    tmp_path.chmod(mode)
    assert len({places_folder() for _ in range(3)}) == 1
