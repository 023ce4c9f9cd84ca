"""A kept machine, spoken to over its address: one thing at a time, and every hand reaches it."""

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import ExitStack

import pytest

from fabctl.daemon.client import Line, is_kept, kept_machines
from fabctl.daemon.places import BACKLOG, listen_at, place_of, speak_to
from fabctl.daemon.recorded import Watchers
from fabctl.daemon.remote import RemoteOperator, run_kept
from fabctl.daemon.server import MOST_PEERS
from fabctl.errors import InputError, LinkError, RefusedError, StoppedKnownError
from fabctl.record.journal import last_certain
from fabctl.record.run import read_run
from fabctl.shop.machine import load_machine
from fabctl.sim.controller import Options
from fabctl.sim.faults import parse_faults
from fabctl.sim.serve import serve_pty, serve_socket
from tests.daemon.conftest import await_connected, daemon_at, keeping


def hear_all(line):
    """Take in events for as long as somebody speaks."""
    while True:
        line.hear(10)


def test_status_tells_what_the_machine_does(kept):
    with kept.line() as line:
        said = line.ask("status")
    assert (said["machine"], said["state"], said["doing"]) == ("router-3018", "Idle", None)
    assert len(said["mpos_mm"]) == 3
    assert said["connected"] is True
    assert kept_machines(kept.folder) == ("router-3018",)


def test_a_run_goes_through_and_is_recorded_and_another_follows_without_a_restart(kept):
    restarts = []
    for name in ("a", "b"):
        folder = kept.run_folder(name)
        events = []
        with kept.line() as line:
            done = line.ask("run", folder=str(folder), event=events.append)
        assert done["result"]["end_state"] == "done"
        assert read_run(folder).end_state == last_certain(folder).end_state == "done"
        kinds = [event["kind"] for event in events if event["event"] == "phase"]
        assert kinds == ["connected", "armed", "started", "end"]
        assert any(event["event"] == "progress" for event in events)
        restarts.append(len([e for e in kept.served.controller.trace.events if e.name == "reset"]))
    assert restarts[0] == restarts[1]


def test_a_busy_machine_takes_no_second_run_and_an_abort_from_another_line_ends_the_first(kept):
    folder, ends = kept.run_folder("busy", ways=40), []

    def run():
        with kept.line() as line:
            ends.append(line.ask("run", folder=str(folder)))

    thread = threading.Thread(target=run)
    thread.start()
    with kept.line() as line:
        while not (line.ask("status").get("progress") or {}).get("executed"):
            time.sleep(0.05)
        with pytest.raises(RefusedError, match="busy: run"):
            line.ask("run", folder=str(folder))
        assert line.ask("hold") == {"doing": "run", "run": "busy", "begun": True, "pause": None}
        while line.ask("status")["state"] != "Hold:0":
            time.sleep(0.05)
        line.ask("abort")
    thread.join(20)
    assert ends[0]["result"]["end_state"] == "stopped, position known"
    assert ends[0]["result"]["cause"] == "operator abort"
    assert ends[0]["result"]["head_off"] is True


def test_a_program_that_is_not_the_checked_one_is_refused(kept):
    folder = kept.run_folder("another")
    with (folder / "program.nc").open("ab") as file:
        file.write(b"G1X30\n")
    with kept.line() as line, pytest.raises(RefusedError, match="not the bytes"):
        line.ask("run", folder=str(folder))
    assert b"G1X30" not in (folder / "program.nc").read_bytes()[:-6]


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"do": "fly"}, "no such request"),
        ({"do": "run"}, "without its folder"),
        ({"do": "run", "folder": "/nowhere"}, "is no work order"),
        ({"do": "hold"}, "nothing is running"),
        ({"do": "answer", "section": 2, "yes": True}, "nothing is running"),
        ([1], "is an object"),
    ],
)
def test_a_request_that_makes_no_sense_is_answered_and_changes_nothing(kept, said, error):
    with kept.line() as line:
        line._peer.sendall(json.dumps(said).encode() + b"\n")
        reply = line.hear(10)
        assert error in reply["error"]["problem"]
        assert line.ask("status")["doing"] is None


@pytest.mark.parametrize(
    "noise",
    [
        b"[" * 60_000,
        b'{"id":1,"do":"answer","section":Infinity,"yes":true}',
        b'{"id":1,"do":"override","feed":Infinity}',
        b'{"id":1,"do":"override","feet":100}',
        b'{"id":1,"do":"answer","section":2,"yes":true}',
    ],
    ids=["deep", "no section", "no feed", "feet", "nobody asked"],
)
def test_nothing_that_is_said_in_mid_run_ends_the_keeper_or_the_run(busy, noise):
    """An exception in the loop would leave the machines running, with nobody to stop them."""
    with busy.line() as line:
        line._peer.sendall(noise + b"\n")
        assert "error" in line.hear(10)
        said = line.ask("status", limit_s=10)
    assert (said["doing"], said["pause"]) == ("run", None)


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """A kept router in the middle of a run, for all that leave it so."""
    with keeping(tmp_path_factory.mktemp("busy")) as it, it.line() as line:
        line.say("run", folder=str(it.run_folder("long", ways=400)))
        while line.hear(20).get("event") != "progress":
            pass
        yield it


def test_who_leaks_lines_keeps_nobody_out(busy):
    with ExitStack() as stack:
        for _ in range(MOST_PEERS + 5):
            stack.enter_context(busy.line())
        with busy.line() as line:
            assert line.ask("status", limit_s=10)["doing"] == "run"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a full queue looks like nobody")
def test_a_keeper_that_is_slow_to_answer_the_door_is_not_taken_for_none(tmp_path):
    """Whoever believed that would go to the virtual controller, and a stop would go nowhere."""
    path = tmp_path / "a.sock"
    with ExitStack() as stack:
        server = stack.enter_context(listen_at(path))
        for _ in range(BACKLOG + 1):
            stack.enter_context(speak_to(path))

        def open_the_door():
            time.sleep(0.2)
            stack.enter_context(server.accept()[0])

        thread = threading.Thread(target=open_the_door)
        thread.start()
        with speak_to(path) as line:
            assert line.getpeername() == str(path)
        thread.join()


def test_a_guard_that_is_killed_in_mid_run_is_replaced_and_whoever_watches_is_told(ending):
    with ending.line() as line:
        line.say("run", folder=str(ending.run_folder(ways=40)))
        while line.hear(20).get("event") != "progress":
            pass
        os.kill(guard_of(ending.process.pid), signal.SIGKILL)
        while (said := line.hear(20)).get("event") != "note":
            pass
        assert "Nothing guards the machine: the guard process is gone" in said["text"]
        while "guarded again" not in said.get("text", ""):
            said = line.hear(20)
        said = line.ask("status")
        assert (said["unguarded"], said["guard_restarts"]) == ("", 1)
        # it is a true one: it stops the machine when the keeper dies
        ending.end(signal.SIGKILL)
    log = ending.runs.parent / "fabctl" / "runs" / "guard.jsonl"
    until_s = time.monotonic() + 15
    while "ends" not in log.read_text() and time.monotonic() < until_s:
        time.sleep(0.05)
    said = json.loads(log.read_text().splitlines()[-1])
    assert (said["machines"], said["ends"]) == (["router-3018"], ["stopped, position known"])
    ending.served.close()
    assert ending.served.controller.board.outputs.pwm == 0


def guard_of(keeper: int) -> int:
    """Find the one child of a keeper."""
    told = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    (pid,) = [int(pid) for pid, parent in map(str.split, told.splitlines()) if int(parent) == keeper]
    return pid


MISTAKEN = """
import os, signal, socket, sys
if os.environ.get("UNGUARDED"):
    del socket.send_fds
from fabctl.cli.main import main
def fail(number, frame):
    if "selectors" not in frame.f_code.co_filename:
        # among the coroutines it would be a mistake of one machine's work: a little later, then
        signal.setitimer(signal.ITIMER_REAL, 0.003)
        return
    raise ValueError("a mistake")
signal.signal(signal.SIGUSR1, fail)
signal.signal(signal.SIGALRM, fail)
sys.argv[0] = "fabctl"
sys.exit(main())
"""


def test_an_error_that_nobody_expected_ends_the_keeper_and_its_guard_stops_the_machine(tmp_path):
    """Ending in order, the guard would be sent home while the machines run on."""
    machine = load_machine("router-3018")
    with (
        serve_pty(machine.settings(), Options()) as served,
        daemon_at(tmp_path, served.url, machine, served, ("-c", MISTAKEN)) as it,
    ):
        with it.line() as line:
            line.say("run", folder=str(it.run_folder(ways=40)))
            while line.hear(20).get("event") != "progress":
                pass
            it.process.send_signal(signal.SIGUSR1)
            assert it.process.wait(20) == 1
        log = it.runs.parent / "fabctl" / "runs" / "guard.jsonl"
        assert json.loads(log.read_text())["ends"] == ["stopped, position known"]
        served.close()
        assert served.controller.board.outputs.pwm == 0


def test_where_nothing_can_guard_it_is_said_and_a_keeper_that_fails_resets_what_runs(tmp_path, monkeypatch):
    """A host that does not share open ports: there is no guard to leave it to."""
    monkeypatch.setenv("UNGUARDED", "1")
    machine = load_machine("router-3018")
    with (
        serve_pty(machine.settings(), Options()) as served,
        daemon_at(tmp_path, served.url, machine, served, ("-c", MISTAKEN)) as it,
    ):
        with it.line() as line:
            assert "does not let a guard process" in line.ask("status")["unguarded"]
            line.say("run", folder=str(it.run_folder(ways=40)))
            notes = []
            while (said := line.hear(20)).get("event") != "progress":
                notes += [said["text"]] if said.get("event") == "note" else []
            assert len(notes) == 1
            assert "Nothing guards the machine" in notes[0]
            until_s = time.monotonic() + 10
            while not served.controller.board.outputs.pwm and time.monotonic() < until_s:
                time.sleep(0.02)
            assert served.controller.board.outputs.pwm > 0
            it.process.send_signal(signal.SIGUSR1)
            assert it.process.wait(20) == 1
        assert it.process.stderr.read().count(b"Nothing guards the machine") == 1
        time.sleep(0.3)
        served.close()
        assert served.controller.board.outputs.pwm == 0


def test_a_stop_right_behind_a_run_is_heard_before_the_run_begins(kept):
    folder = kept.run_folder("stopped at once")
    with kept.line() as line:
        run = {"id": 1, "do": "run", "folder": str(folder)}
        line._peer.sendall(b"".join(json.dumps(it).encode() + b"\n" for it in (run, {"id": 2, "do": "hold"})))
        replies = [line.hear(20) for _ in range(2)]
    assert [reply["id"] for reply in replies] == [2, 1]
    assert "before anything was sent" in replies[1]["error"]["problem"]
    assert not (folder / "journal").exists()


def test_what_is_stopped_while_its_folder_is_laid_out_never_begins(kept):
    folder = kept.run_folder("stopped before")
    with kept.line() as line:
        operator = RemoteOperator(line)
        operator.hold()
        with pytest.raises(RefusedError, match="before anything was sent"):
            run_kept(line, folder, Watchers(operator))
    assert not (folder / "journal").exists()


def test_a_position_said_to_be_unknown_at_unlocking_lets_no_run_begin(ending):
    with ending.line() as line:
        with pytest.raises(StoppedKnownError):
            line.ask("probe", plate_mm=0, feeler={"depth_mm": 0.5, "fast_mm_min": 300, "slow_mm_min": 100})
        line.ask("unlock", position="unknown")
        with pytest.raises(RefusedError, match="position of X, Y, Z is not known"):
            line.ask("run", folder=str(ending.run_folder()))


def test_a_controller_that_restarts_unsaid_while_it_stands_lets_no_run_begin(tmp_path):
    """Neither a banner nor an alarm tells of it: only that it counts from zero again."""
    machine = load_machine("router-3018")
    faults = parse_faults("reboot-silent:at=5")
    with (
        serve_socket(machine.settings(), Options(), faults=faults) as served,
        daemon_at(tmp_path, served.url, machine, served) as it,
        it.line() as line,
    ):
        line.ask("jog", way_mm=[2.0, 0, 0])
        line.ask("follow")
        while line.hear(20).get("event") != "trouble":
            pass
        with pytest.raises(RefusedError, match="may have restarted"):
            line.ask("run", folder=str(it.run_folder()))


def test_noise_is_hung_up_on_and_the_machine_is_still_kept(kept):
    with kept.line() as line:
        line._peer.sendall(b"x" * 100_000)
        with pytest.raises(LinkError, match="gone"):
            line.hear(10)
    assert is_kept("router-3018", kept.folder)


def test_a_second_keeper_of_the_same_machine_is_refused(kept):
    with pytest.raises(InputError, match="kept already"):
        listen_at(place_of("router-3018", kept.folder))
    assert is_kept("router-3018", kept.folder)


def test_the_address_is_its_owners_alone(kept):
    (address,) = kept.folder.iterdir()
    assert stat.S_IMODE(address.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.folder.stat().st_mode) == 0o700


def test_ending_the_daemon_holds_and_resets_what_runs(ending):
    folder = ending.run_folder(ways=40)
    with ending.line() as line:
        line.say("run", folder=str(folder))
        while line.hear(20).get("event") != "progress":
            pass
        time.sleep(0.5)
        assert ending.end(signal.SIGINT) == 0
    assert last_certain(folder).end_state == "stopped, position known"
    ending.served.close()
    assert ending.served.controller.board.outputs.pwm == 0
    assert not is_kept("router-3018", ending.folder)


def test_killed_in_mid_run_the_guard_stops_the_machine_and_the_journal_says_crashed(ending):
    folder = ending.run_folder(ways=40)
    with ending.line() as line:
        line.say("run", folder=str(folder))
        while (line.hear(20).get("kind")) != "started":
            pass
        time.sleep(1.0)
        ending.end(signal.SIGKILL)
        with pytest.raises(LinkError, match="keeper is gone"):
            hear_all(line)
    log = ending.runs.parent / "fabctl" / "runs" / "guard.jsonl"
    until_s = time.monotonic() + 15
    while not log.is_file() and time.monotonic() < until_s:
        time.sleep(0.05)
    assert json.loads(log.read_text())["ends"] == ["stopped, position known"]
    ending.served.close()
    assert ending.served.controller.board.outputs.pwm == 0
    certain = last_certain(folder)
    assert certain.end_state == "crashed"
    assert certain.at_least <= certain.at_most


def test_nobody_keeps_what_was_never_served(tmp_path):
    with pytest.raises(LinkError, match="nobody keeps"):
        Line("router-3018", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_lost_in_mid_run_ends_it_unknown_and_is_kept_again_once_it_is_back(tmp_path):
    machine = load_machine("router-3018")
    first = serve_socket(machine.settings(), Options())
    number = int(first.url.rpartition(":")[2])
    with daemon_at(tmp_path, first.url, machine, first) as it:
        folder = it.run_folder(ways=40)
        with it.line() as line:
            line.say("run", folder=str(folder))
            while line.hear(20).get("event") != "progress":
                pass
            first.close()
            said = {}
            while "id" not in said:
                said = line.hear(20)
        assert said["result"]["result"]["end_state"] == "stopped, position unknown"
        assert said["result"]["result"]["head_off"] is None
        assert last_certain(folder).end_state == "stopped, position unknown"
        with serve_socket(machine.settings(), Options(), port=number):
            said = await_connected(it)
            assert (said["homed"], said["not_known"]) == (False, "XYZ")
            with it.line() as line:
                again = str(it.run_folder("again"))
                with pytest.raises(RefusedError, match="position of X, Y, Z is not known"):
                    line.ask("run", folder=again)
                line.ask("zero", here_mm={"X": 0.0, "Y": 0.0})
                with pytest.raises(RefusedError, match="position of Z is not known"):
                    line.ask("run", folder=again)
                line.ask("zero", here_mm={"Z": 0.0})
                assert line.ask("run", folder=again)["result"]["end_state"] == "done"
            it.end()
