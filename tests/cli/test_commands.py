"""Commands as a person types them."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fabctl.cli.main import COMMANDS

ON_3018 = ("-m", "router-3018", "-M", "plywood-6")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_examples(fabctl, name):
    said = fabctl(name, "--help")
    assert said.code == 0
    assert f"fabctl {name}" in said.out
    assert "Example" in said.out


@pytest.mark.parametrize("name", ["machines", "materials", "tools", "jobs", "runs"])
def test_lists_are_the_same_as_text_and_as_json(fabctl, name):
    rows = json.loads(fabctl(name, "--json").out)
    text = fabctl(name).out
    assert all(row["name"] in text for row in rows)
    assert bool(rows) == (name != "runs")


def test_one_broken_file_hides_no_other_and_is_named(fabctl, tmp_path):
    folder = tmp_path / "config" / "machines"
    folder.mkdir(parents=True)
    (folder / "mine.toml").write_text("name = 3\n", encoding="utf-8")
    said = fabctl("machines", "--json")
    assert said.code == 3
    assert "mine.toml" in said.err
    assert "router-3018" in {row["name"] for row in json.loads(said.out)}


def test_runs_of_a_folder_that_is_not_there_are_an_error(fabctl, tmp_path):
    assert fabctl("runs", "--out", tmp_path / "nowhere").code == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux")
def test_a_full_disk_is_said_and_is_no_bug(square):
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "fabctl", "plan", str(square), *ON_3018, "-o", "-"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 3
    assert b"No space left" in done.stderr
    assert b"bug" not in done.stderr


def test_before_anything_moves_machine_extents_time_and_material_are_shown(fabctl, square, tmp_path):
    said = fabctl("make", square, *ON_3018, "--out", tmp_path / "runs")
    before = said.err.split("% , line")[0]
    for word in ("machine", "extents", "time estimated", "material", "first tool"):
        assert f"\n{word}" in before


def test_a_mistyped_command_gets_the_nearest_one(fabctl):
    said = fabctl("material")
    assert said.code == 2
    assert "Did you mean 'materials'?" in said.err


def test_planning_writes_a_program_that_passes_the_check(fabctl, square, tmp_path):
    out = tmp_path / "a.nc"
    planned = fabctl("plan", square, *ON_3018, "-o", out, "--json")
    assert planned.code == 0
    told = json.loads(planned.out)
    assert told["parts"] == 1
    assert told["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    checked = fabctl("check", out, "-m", "router-3018", "--json")
    assert checked.code == 0
    assert json.loads(checked.out)["passed"]


def test_the_same_drawing_gives_the_same_bytes(fabctl, square, tmp_path):
    for name in ("a.nc", "b.nc"):
        assert fabctl("plan", square, *ON_3018, "-o", tmp_path / name).code == 0
    assert (tmp_path / "a.nc").read_bytes() == (tmp_path / "b.nc").read_bytes()


def test_a_program_can_go_to_stdout(square):
    done = subprocess.run(
        [sys.executable, "-m", "fabctl", "plan", str(square), *ON_3018, "-o", "-"],
        capture_output=True,
        check=True,
    )
    assert done.stdout.startswith(b"G21G90")
    assert done.stdout.endswith(b"M2\n")


def test_making_ends_with_a_record_pictures_and_the_true_path(fabctl, square, tmp_path):
    said = fabctl("make", square, *ON_3018, "--out", tmp_path / "runs", "--json")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert told["end_state"] == "done"
    assert told["head_off"] is True
    assert told["deviation_mm"] < 0.05
    (folder,) = (tmp_path / "runs").iterdir()
    assert {"run.json", "program.nc", "toolpath.svg", "cut.png"} <= {path.name for path in folder.iterdir()}
    listed = json.loads(fabctl("runs", "--out", tmp_path / "runs", "--json").out)
    assert [row["end_state"] for row in listed] == ["done"]


def test_the_picture_shows_the_part_cut_out(fabctl, square, tmp_path):
    fabctl("make", square, *ON_3018, "--out", tmp_path / "runs")
    (folder,) = (tmp_path / "runs").iterdir()
    pixels = np.asarray(Image.open(folder / "cut.png").convert("RGB"), int)
    dark = pixels.sum(axis=2) < 150
    wood = (pixels[..., 0] > 200) & (pixels[..., 2] < 200)
    middle = np.argwhere(dark).mean(axis=0).astype(int)
    assert 0.05 < dark.mean() < 0.4
    assert wood.mean() > 0.4
    # The hole's slug is still there, inside its own ring of air.
    assert wood[tuple(middle)]


def test_a_dry_run_opens_no_port(fabctl, square, tmp_path):
    said = fabctl("make", square, *ON_3018, "--port", "/dev/no-such-port", "-n", "--out", tmp_path / "runs")
    assert said.code == 0
    assert "nothing was sent" in said.err
    assert not (tmp_path / "runs").exists()


def test_a_missing_port_is_named_with_its_remedy_and_leaves_nothing(fabctl, square, tmp_path):
    said = fabctl("make", square, *ON_3018, "--port", "/dev/no-such-port", "--confirm", "router-3018")
    assert said.code == 5
    assert "/dev/no-such-port" in said.err
    assert "Remedy" in said.err


def test_confirming_another_machine_stops_before_anything_moves(fabctl, square):
    said = fabctl("make", square, *ON_3018, "--confirm", "laser-400")
    assert said.code == 3
    assert "router-3018" in said.err


def test_without_a_person_a_real_port_asks_for_confirmation(fabctl, square):
    said = fabctl("make", square, *ON_3018, "--port", "socket://127.0.0.1:9")
    assert said.code == 3
    assert "--confirm router-3018" in said.err


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (("-m", "laser-400", "-M", "aluminium-2"), 4, "aluminium"),
        (("-m", "router-3018", "-M", "plywood-6", "--units", "m"), 4, "reaches 300"),
        (("-m", "router-3018", "-M", "plywood-6", "--stock", "40x40"), 4, "stock"),
        (("-m", "router-3018", "-M", "plywood-6", "-t", "vbit-60"), 4, ""),
        (("-m", "router-3081", "-M", "plywood-6"), 3, "router-3018"),
        (("-m", "router-3018", "-M", "plywood"), 3, "plywood-6"),
        (("-m", "router-3018"), 3, "--material"),
        (("-m", "router-3018", "-M", "plywood-6", "--stock", "40"), 3, "--stock"),
        (("-m", "router-3018", "-M", "plywood-6", "--thickness", "6 furlong"), 3, "--thickness: '6 furlong'"),
        (("-m", "router-3018", "-M", "plywood-6", "--stock", "wide x 40"), 3, "--stock: 'wide'"),
        (("-m", "router-3018", "-M", "plywood-6", "--at", "238,10"), 4, "square.svg, as planned"),
    ],
)
def test_what_cannot_be_made_is_refused_with_reason_and_remedy(fabctl, square, tmp_path, argv, code, words):
    said = fabctl("plan", square, *argv, "-o", tmp_path / "no.nc")
    assert said.code == code
    assert words.lower() in said.err.lower()
    assert "Remedy" in said.err
    assert not (tmp_path / "no.nc").exists()


def test_a_job_by_name_runs_on_another_machine_or_is_refused(fabctl, tmp_path):
    assert fabctl("plan", "stool").code == 0
    small = fabctl("plan", "stool", "-m", "router-3018")
    assert small.code == 4
    assert "300" in small.err


def test_explaining_a_line_says_its_words_and_the_state_it_meets(fabctl, tmp_path):
    path = tmp_path / "a.nc"
    path.write_text("G21 G90\nG0 Z5\nM3 S1000\nG1 X10 Y5 F600\nG2 X20 I5 J0\n", encoding="ascii")
    said = fabctl("explain", f"{path}:5")
    assert said.code == 0
    assert "G2" in said.out
    assert "F600" in said.out
    assert fabctl("explain", f"{path}:99").code == 3
    assert fabctl("explain", str(path)).code == 3


def test_check_lists_findings_with_lines_and_refuses_by_exit_code(fabctl, tmp_path):
    path = tmp_path / "bad.nc"
    path.write_text("G21 G90\nG41 X1\nG1 X5000 F100\n", encoding="ascii")
    said = fabctl("check", path, "-m", "router-3018", "--json")
    assert said.code == 4
    found = json.loads(said.out)["findings"]
    assert {2} <= {f["line"] for f in found if f["severity"] == "error"}
    assert all(f["remedy"] for f in found)


def test_sending_a_foreign_program_runs_it_anew_written(fabctl, tmp_path):
    path = tmp_path / "foreign.nc"
    path.write_text(
        "(café ! ~)\nG20 G90\nG0 Z0.2\nM3 S5000\nG0 X1 Y1\nG1 Z-0.05 F10\nG1 X2 F20\nG0 Z0.2\nM5\n", "utf-8"
    )
    said = fabctl("send", path, "-m", "router-3018", "--out", tmp_path / "runs", "--json")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert told["end_state"] == "done"
    (folder,) = (tmp_path / "runs").iterdir()
    sent = (folder / "program.nc").read_bytes()
    assert b"X50.8" in sent
    assert not set(sent) & set(b"!~?$()")


def test_a_run_that_stops_names_the_program_that_was_sent_and_the_next_command(fabctl, tmp_path):
    path = tmp_path / "foreign.nc"
    path.write_text("(a)\n(b)\nG21 G90\nM3 S5000\nG0 Z5\nG1 Z-1 F200\nG1 X50\nG1 X0\nG0 Z5\nM5\n", "utf-8")
    argv = ["send", path, "-m", "router-3018", "--port", "sim://?faults=ok-lost:at=9"]
    said = fabctl(*argv)
    assert said.code == 6, said.err
    (folder,) = (tmp_path / "data" / "fabctl" / "runs").iterdir()
    assert f"next    fabctl resume {folder.name}, or start again" in said.out
    assert f"fabctl: {folder / 'program.nc'}, line " in said.err
    assert "next" in json.loads(fabctl(*argv, "--json").out)


@pytest.mark.parametrize("ending", ["svg", "png"])
@pytest.mark.parametrize("what", ["design", "plan", "program", "job"])
def test_previews_of_everything_in_both_formats(fabctl, square, tmp_path, what, ending):
    picture = tmp_path / f"look.{ending}"
    program = tmp_path / "a.nc"
    fabctl("plan", square, *ON_3018, "-o", program)
    files = {"design": (square,), "plan": (square, *ON_3018), "program": (program,), "job": ("stool",)}
    said = fabctl("preview", *files[what], "-o", picture)
    assert said.code == 0, said.err
    data = picture.read_bytes()
    assert data.startswith(b"<?xml" if ending == "svg" else b"\x89PNG")
    assert len(data) > 1000


def test_a_preview_needs_a_picture_s_name(fabctl, square, tmp_path):
    assert fabctl("preview", square, "-o", tmp_path / "look.pdf").code == 3


def test_a_preview_for_a_machine_needs_the_material_too(fabctl, square, tmp_path):
    said = fabctl("preview", square, "-m", "router-3018", "-o", tmp_path / "look.png")
    assert (said.code, "--material missing" in said.err) == (3, True)


def test_a_picture_that_is_empty_or_not_there_is_said_to_be_that(fabctl, tmp_path):
    (tmp_path / "empty.png").touch()
    argv = ("-m", "laser-400", "-M", "plywood-3", "--width", "50")
    assert "the file is empty" in fabctl("plan", tmp_path / "empty.png", *argv).err
    assert "there is no such file" in fabctl("plan", tmp_path / "none.png", *argv).err


def test_a_refusal_names_a_cause_and_counts_the_others(fabctl, tmp_path):
    path = tmp_path / "bad.nc"
    path.write_text("G21 G90\nG1 X--5 F100\n", encoding="ascii")
    said = fabctl("send", path, "-m", "router-3018")
    assert (said.code, "is not a number (and 1 more error: see" in said.err) == (4, True), said.err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("check", "-", "-m", "router-3018"), "may run"),
        (("send", "-", "-m", "router-3018", "-n"), "on the wire"),
        (("explain", "-:3"), "feed to X10"),
    ],
)
def test_a_dash_is_standard_input(argv, words):
    text = b"G21G90M3S900\nG0Z5X0Y0\nG1X10F500\n"
    done = subprocess.run(
        [sys.executable, "-m", "fabctl", *argv], input=text, capture_output=True, check=True
    )
    assert words in done.stdout.decode()


def _serve(machine: str) -> tuple[subprocess.Popen, str]:
    """Start a virtual controller in real time behind a loopback socket."""
    code = (
        "import sys, time\n"
        "from fabctl.shop.machine import load_machine\n"
        "from fabctl.sim.controller import Options\n"
        "from fabctl.sim.serve import serve_socket\n"
        "m = load_machine(sys.argv[1])\n"
        "server = serve_socket(m.settings())\n"
        "print(server.url, flush=True)\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, machine], stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline().strip()


@pytest.fixture
def real_time_run(square, tmp_path):
    """A run on a virtual controller in real time, already under way: (process, what it said so far)."""
    server, url = _serve("router-3018")
    command = [sys.executable, "-m", "fabctl", "make", str(square), *ON_3018, "--port", url]
    command += ["--confirm", "router-3018", "--out", str(tmp_path / "runs")]
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL}
    run = subprocess.Popen(command, text=True, **pipes)
    said = []
    for line in run.stderr:
        said.append(line)
        if ": 0 %" in line:
            break
    time.sleep(1.0)
    yield run, said
    for process, used in ((run, (run.stderr, run.stdin)), (server, (server.stdout,))):
        process.kill()
        process.wait()
        for pipe in used:
            pipe.close()


def _rest(run, said) -> str:
    told = "".join(said) + "".join(run.stderr)
    run.wait(timeout=60)
    return told


POSIX = pytest.mark.skipif(os.name == "nt", reason="signals to another process are POSIX")


@POSIX
def test_a_no_is_a_refusal_and_no_bug(square, tmp_path):
    terminal, keyboard = os.openpty()
    command = [sys.executable, "-m", "fabctl", "make", str(square), *ON_3018, "--port", "/dev/none"]
    with subprocess.Popen(command, stdin=keyboard, stderr=subprocess.PIPE, cwd=tmp_path) as asked:
        said = b""
        while b"[y/N]" not in said and (more := os.read(asked.stderr.fileno(), 4096)):
            said += more
        os.write(terminal, b"n\n")
        told = asked.stderr.read().decode()
        assert (asked.wait(timeout=30), "nothing more was done" in told) == (4, True)
    os.close(terminal)
    os.close(keyboard)


@POSIX
def test_first_ctrl_c_is_a_feed_hold_the_second_a_soft_reset_and_both_are_said(real_time_run):
    run, said = real_time_run
    run.send_signal(signal.SIGINT)
    time.sleep(2.0)
    run.send_signal(signal.SIGINT)
    told = _rest(run, said)
    assert "feed hold" in told
    assert "soft reset" in told
    assert run.returncode in {6, 7}, told
    assert "head off" in told


@POSIX
def test_after_a_hold_only_an_empty_line_goes_on_and_a_ends_the_run(real_time_run):
    run, said = real_time_run
    run.send_signal(signal.SIGINT)
    time.sleep(1.0)
    run.stdin.write("no stop\n")
    run.stdin.flush()
    time.sleep(1.0)
    run.stdin.write("a\n")
    run.stdin.flush()
    told = _rest(run, said)
    assert "Still held" in told
    assert run.returncode == 6, told
    assert "position known" in told


@POSIX
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_that_ends_a_process_ends_the_run_first_with_the_head_off(real_time_run, tmp_path, name):
    run, said = real_time_run
    run.send_signal(getattr(signal, name))
    told = _rest(run, said)
    assert run.returncode == 6, told
    (folder,) = (tmp_path / "runs").iterdir()
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert record["head_off"] is True
    assert record["end_state"] == "stopped, position known"
    assert record["cause"] == "operator abort"
