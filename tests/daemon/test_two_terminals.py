"""One run, two terminals: either answers its pauses, and the other hears of it."""

import json
import os
import subprocess
import sys

import pytest

from fabctl.record.run import list_runs
from tests.daemon.terminals import Terminal

NAME = "router-3018"
CUT = "M3S1000\nG1Z-0.5F600\nG1X{x}F1500\nG0Z5\nM5\n"
PROGRAM = "G21\nG90\nG0Z5\nG0X0Y0\nM0\n" + CUT.format(x=2) + "M0\n" + CUT.format(x=0)


@pytest.fixture
def there(kept, tmp_path):
    """Where the keeper and the runs are found."""
    return {"XDG_RUNTIME_DIR": str(kept.folder.parent.parent), "XDG_DATA_HOME": str(tmp_path)}


@pytest.fixture
def first(there, tmp_path):
    """The terminal that began a run, at its first pause."""
    file = tmp_path / "three.nc"
    file.write_text(PROGRAM)
    terminal = Terminal(("send", file, "-m", NAME, "--confirm", NAME, "--no-check-first"), there)
    terminal.sees(b"Type 2 to go on; anything else ends the run")
    yield terminal
    if terminal.process.poll() is None:
        terminal.process.terminate()
        terminal.ends()


@pytest.fixture
def fabctl(there):
    """Run fabctl without a terminal."""

    def call(*argv):
        command = [sys.executable, "-m", "fabctl", *argv]
        return subprocess.run(
            command, env=os.environ | there, input="", capture_output=True, text=True, timeout=60, check=False
        )

    return call


def test_the_second_terminal_answers_and_the_first_goes_on_and_answers_the_next(
    first, fabctl, there, tmp_path
):
    said = fabctl("status")
    assert "for an answer before section 2: line 5, M0" in said.stdout
    assert f"fabctl machine answer {NAME}" in said.stdout
    (row,) = json.loads(fabctl("status", "--json").stdout)
    assert (row["state"], row["asks_for_section"], row["kept"]["pause"]["section"]) == ("paused", 2, 2)
    for word in ("1", "3", "yes", "old"):
        refused = fabctl("machine", "answer", NAME, word)
        assert refused.returncode == 4
        assert "it is section 2" in refused.stderr
    assert fabctl("machine", "answer", NAME).returncode == 3
    assert "section 2 is not begun by it" in fabctl("machine", "resume", NAME).stderr
    told = json.loads(fabctl("machine", "answer", NAME, "2", "--json").stdout)
    assert (told["machine"], told["section"], told["yes"], told["here"]) == (NAME, 2, True, True)
    first.sees(b"section 2 was answered at another terminal: the run goes on")
    first.sees(b"Type 3 to go on")
    second = Terminal(("machine", "answer", NAME), there)
    second.sees(b"Type 3 to go on")
    # the question that was answered elsewhere takes nothing of what is typed for this one
    first.types("3")
    second.sees(b"section 3 was answered at another terminal: the run goes on")
    assert second.ends() == 0
    assert first.ends() == 0, first.said.decode(errors="replace")
    (entry,) = list_runs(tmp_path / "fabctl" / "runs")
    assert entry.certain.end_state == "done"


def test_at_the_second_terminal_any_other_word_ends_the_run(first, fabctl, there):
    second = Terminal(("machine", "answer", NAME), there)
    second.sees(b"Type 2 to go on")
    second.types("new")
    second.sees(b"old one was not measured")
    first.sees(b"old one was not measured")
    second.sees(b"Type 2 to go on", 2)
    second.types("yes")
    second.sees(b"position known")
    assert second.ends() == 0
    first.sees(b"section 2 was declined at another terminal")
    assert first.ends() == 6
    assert fabctl("machine", "answer", NAME, "2").returncode == 4


def test_who_leaves_the_second_terminal_leaves_the_run_as_it_is(first, there):
    second = Terminal(("machine", "answer", NAME), there)
    second.sees(b"Type 2 to go on")
    second.process.send_signal(2)
    assert second.ends() == 4
    assert b"given up" in second.said
    first.types("nothing")
    assert first.ends() == 6
    assert b"another terminal" not in first.said


def test_a_hold_in_the_pause_has_the_keyboard_first_and_the_section_is_asked_for_again(first):
    first.process.send_signal(2)
    first.sees(b"Enter: go on. a and Enter: end the run.")
    first.types("2")
    first.sees(b"Still held.")
    first.types("")
    first.sees(b"Type 2 to go on", 2)
    first.types("a")
    assert first.ends() == 6
    assert b"not armed" in first.said
