"""Going on with a run from the command line: shown first, refused with a remedy, recorded as what it is."""

import json
import re

import pytest

from fabctl.cli import motion
from fabctl.record.framing import encode_record
from fabctl.record.journal import read_journal
from tests.job.test_resume import HOMED, own, stop_run


@pytest.fixture
def stopped(tmp_path):
    """A run of the homed router that was aborted half way."""
    (tmp_path / "runs").mkdir()
    folder, _ = stop_run(own(0, HOMED), HOMED, 0.5, tmp_path / "runs")
    return folder


def test_the_way_back_is_shown_step_by_step_and_written_by_a_dry_run(fabctl, stopped, tmp_path):
    back = tmp_path / "back.nc"
    said = fabctl("resume", stopped, "--dry-run", "-o", back)
    assert said.code == 0
    order = [
        said.err.index(word) for word in ("up to machine Z", "across to X", "spindle on", "on with line")
    ]
    assert order == sorted(order)
    assert back.read_bytes().splitlines()[1] == b"G53G0Z-3"
    assert fabctl("resume", stopped, "-n").out.encode() == back.read_bytes()
    (only,) = stopped.parent.iterdir()
    assert only == stopped


def test_a_dry_run_tells_programs_the_same(fabctl, stopped):
    said = json.loads(fabctl("resume", stopped.name, "--out", stopped.parent, "-n", "--json").out)
    assert said["run"] == stopped.name
    assert said["executed_at_least"] < said["line"]
    assert len(said["steps"]) > 4
    assert said["questions"]


def test_a_run_goes_on_to_its_end_and_its_record_names_the_run_before(fabctl, stopped):
    said = fabctl("resume", "last", "--out", stopped.parent, "--json")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert told["end_state"] == "done"
    assert "taken for granted: The stock has not moved" in said.err
    listed = fabctl("runs", "--out", stopped.parent).out
    assert stopped.name in listed
    again = fabctl("resume", stopped, "--confirm", HOMED.name)
    assert again.code == 4
    assert "went on with this run already" in again.err
    assert "Remedy: fabctl resume" in again.err


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["resume", "nothing"], 3, "there is no run 'nothing'"),
        (["resume", "RUN", "--confirm", "laser-400"], 3, "--confirm laser-400, but the machine is"),
        (["resume", "RUN", "--port", "/dev/no-such-port"], 4, "nothing of it is cut on"),
        (["resume", "RUN", "--from", "9999"], 3, "are proven to be carried out"),
    ],
)
def test_what_cannot_be_gone_on_with_is_refused_with_its_remedy(fabctl, stopped, argv, code, words):
    said = fabctl(*[str(stopped) if word == "RUN" else word for word in argv])
    assert (said.code, words in said.err) == (code, True), said.err
    assert "Remedy" in said.err


@pytest.fixture
def real(stopped):
    """The same run, as it would have been on a port."""
    records = [dict(record) for record in read_journal(stopped).records]
    records[0]["port"] = "/dev/ttyUSB9"
    (stopped / "journal").write_bytes(b"".join(map(encode_record, records)) + b"\n")
    return stopped


def test_a_real_run_never_goes_on_virtually_by_itself(fabctl, real):
    for port in ((), ("--port", "sim://")):
        said = fabctl("resume", real, *port, "--confirm", HOMED.name)
        assert (said.code, "nothing would be cut. Remedy: name the port" in said.err) == (4, True), said.err
    assert fabctl("resume", real, "--dry-run").code == 0
    (only,) = real.parent.iterdir()
    assert only == real


def test_a_real_run_goes_on_at_the_port_that_is_named(fabctl, real):
    said = fabctl("resume", real, "--port", "/dev/no-such-port")
    assert (said.code, "nobody is there to ask" in said.err) == (3, True), said.err
    assert "was on          /dev/ttyUSB9" in said.err


def test_what_was_cut_where_is_seen_in_the_list_of_runs(fabctl, real):
    assert "/dev/ttyUSB9" in fabctl("runs", "--out", real.parent).out
    assert json.loads(fabctl("status", real, "--json").out)[0]["port"] == "/dev/ttyUSB9"


def test_a_virtual_run_is_said_to_be_one(fabctl, stopped):
    assert re.search(r"virtual +\d+ to", fabctl("runs", "--out", stopped.parent).out)
    assert "sim://, the virtual controller: nothing was cut" in fabctl("status", stopped).out


def test_a_file_is_run_from_a_line(fabctl, tmp_path):
    file = tmp_path / "part.nc"
    lines = ["G21 G90 M3 S9000", "G0 Z8", "G0 X10 Y10", "G1 Z-1 F200", "G1 X40", "G1 Y30", "G0 Z8", "M5"]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    shown = fabctl("run", file, "-m", HOMED.name, "--from", 6, "--dry-run")
    assert "across to X40.000 Y10.000" in shown.out
    assert "down to Z-1.000 at 200 mm/min, no rapid, along ground already cut" in shown.out
    said = fabctl("run", file, "-m", HOMED.name, "--from", 6, "--out", tmp_path / "runs")
    assert said.code == 0, said.err
    assert "taken for granted: Everything before line" in said.err
    sent = next((tmp_path / "runs").glob("*/program.nc")).read_text(encoding="utf-8")
    assert re.search(r"^G1Y30F200S9000$", sent, re.MULTILINE)
    assert "X10" not in sent
    assert fabctl("send", file, "-m", HOMED.name, "--from", 8).code == 4


def test_a_dry_run_from_a_line_tells_programs_the_same(fabctl, tmp_path):
    file = tmp_path / "part.nc"
    file.write_text("G21 G90 M3 S9000\nG0 Z8\nG0 X10 Y10\nG1 Z-1 F200\nG1 X40\nG0 Z8\nM5\n", encoding="utf-8")
    said = json.loads(fabctl("run", file, "-m", HOMED.name, "--from", 5, "-n", "--json").out)
    assert (said["machine"], said["opening_lines"] > 3, said["estimated_s"] > 1) == (HOMED.name, True, True)
    whole = json.loads(fabctl("send", file, "-m", HOMED.name, "-n", "--json").out)
    assert whole["lines"] > 5
    assert len(whole["sha256"]) == 64


def test_each_question_is_asked_by_itself_and_one_no_ends_it(monkeypatch):
    answers = iter((True, False))
    asked = []

    def confirm(question, *, abort, err):
        asked.append(question)
        if not next(answers):
            raise motion.click.Abort

    monkeypatch.setattr(motion.click, "confirm", confirm)
    with pytest.raises(motion.click.Abort):
        motion.demand_answers(("tool in?", "stock there?", "never asked"), "/dev/ttyUSB0", None)
    assert asked == ["tool in?", "stock there?"]
