"""``fabctl machine sim``: what it prints is what opens."""

import os
import signal
import subprocess
import sys

import pytest
import serial

WAYS = ["--pty", "--socket=0"] if os.name == "posix" else ["--socket=0"]


def served(*words):
    command = [sys.executable, "-c", "from fabctl.cli.main import main; main()", "machine", "sim", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("way", WAYS)
def test_the_first_line_is_what_to_open_and_ctrl_c_ends_it(way):
    process = served("router-3018", way, "--faults", "ok-error:at=1:code=33")
    try:
        url = process.stdout.readline().strip()
        with serial.serial_for_url(url, timeout=10) as port:
            port.write(b"G4P0\n")
            assert port.read_until(b"error:33").endswith(b"error:33")
        if os.name == "posix":
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
            assert "Ctrl-C" in process.stderr.read()
    finally:
        process.kill()
        process.communicate()


def test_a_probe_touches_the_plate_it_is_served_with():
    process = served("router-3018", "--socket=0", "--plate=-0.5")
    try:
        with serial.serial_for_url(process.stdout.readline().strip(), timeout=10) as port:
            port.write(b"G38.2Z-2F400\n")
            assert port.read_until(b":1]").splitlines()[-1].startswith(b"[PRB:0.000,0.000,-0.5")
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--faults", "byte-last"], 'did you mean "byte-lost"'),
        (["--faults", "host-stall"], "sim:// URL"),
        (["--pty", "--socket", "2000"], "choose one"),
    ],
)
def test_what_cannot_be_served_is_refused(fabctl, words, told):
    said = fabctl("machine", "sim", "router-3018", *words)
    assert said.code == 3
    assert told in said.err
