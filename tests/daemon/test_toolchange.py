"""A tool measured in the pause of a kept machine's run, asked for at a terminal."""

import sys
import threading
import time

import pytest

from fabctl.errors import InputError, RefusedError
from fabctl.record.run import list_runs
from tests.daemon.terminals import Terminal

PROGRAM = (
    "G21\nG90\nM3S1000\nG0Z5\nG0X0Y0\nG1Z-0.5F600\nG1X3F1500\nG0Z5\nM5\nM0\n"
    "M3S1000\nG1Z-0.5F600\nG1X0F1500\nG0Z5\nM5\n"
)
LONGER_MM = 0.25


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are a POSIX thing")
def test_both_tools_are_measured_in_the_pause_and_the_run_goes_on_with_the_new_zero(kept, tmp_path):
    wiring = kept.served.controller.board.plant.wiring
    with kept.line() as line:
        zero = line.ask("zero", here_mm={"X": 0, "Y": 0, "Z": 2})["offset_mm"]
    wiring.probe_z_mm = zero[2] + kept.machine.clearance_mm - 0.5
    file = tmp_path / "two.nc"
    file.write_text(PROGRAM)
    there = {"XDG_RUNTIME_DIR": str(kept.folder.parent.parent), "XDG_DATA_HOME": str(tmp_path)}
    argv = ("send", file, "-m", "router-3018", "--confirm", "router-3018", "--no-check-first")
    terminal = Terminal(argv, there)
    question = b"anything else ends the run"
    terminal.sees(question)
    with kept.line() as line:
        assert line.ask("status")["pause"]["section"] == 2
        with pytest.raises(InputError, match="old or new"):
            line.ask("measure", tool="both")
    terminal.types("new")
    terminal.sees(b"old one was not measured")
    terminal.sees(question, 2)
    terminal.types("old")
    terminal.sees(b"change it now")
    wiring.probe_z_mm += LONGER_MM
    terminal.sees(question, 3)
    terminal.types("new")
    terminal.sees(b"+0.250 mm longer")
    terminal.sees(question, 4)
    terminal.types("2")
    assert terminal.ends() == 0, terminal.said.decode(errors="replace")
    with kept.line() as line:
        where = line.ask("where")
    assert where["zero_mm"] == pytest.approx((zero[0], zero[1], zero[2] + LONGER_MM), abs=0.003)
    assert where["work_mm"] == pytest.approx((0, 0, 5), abs=0.02)
    (entry,) = list_runs(tmp_path / "fabctl" / "runs")
    assert entry.certain.end_state == "done"
    assert entry.certain.latest["measured"]["longer_mm"] == pytest.approx(LONGER_MM, abs=0.003)


def test_a_tool_is_measured_in_a_pause_or_at_rest_and_not_beside_something_else(kept):
    ends = []

    def jog():
        with kept.line() as line:
            ends.append(line.ask("jog", way_mm=[0, 2, 0], feed_mm_min=120))

    thread = threading.Thread(target=jog)
    thread.start()
    with kept.line() as line:
        while line.ask("status")["doing"] != "jog" and not ends:
            time.sleep(0.01)
        with pytest.raises(RefusedError, match="not in a pause"):
            line.ask("measure", tool="old")
    thread.join(20)
    assert ends[0]["way_mm"][1] == pytest.approx(2, abs=0.003)
