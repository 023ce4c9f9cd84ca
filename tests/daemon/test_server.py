"""A kept machine, spoken to over its address: one thing at a time, and every hand reaches it."""

import json
import signal
import stat
import threading
import time

import pytest

from fabctl.daemon.client import Line, is_kept, kept_machines
from fabctl.errors import InputError, LinkError, RefusedError
from fabctl.record.journal import last_certain
from fabctl.record.run import read_run
from fabctl.shop.machine import load_machine
from fabctl.sim.controller import Options
from fabctl.sim.serve import serve_socket
from tests.daemon.conftest import await_connected, daemon_at


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
        assert line.ask("hold") == {"doing": "run"}
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
        ([1], "is an object"),
    ],
)
def test_a_request_that_makes_no_sense_is_answered_and_changes_nothing(kept, said, error):
    with kept.line() as line:
        line._peer.sendall(json.dumps(said).encode() + b"\n")
        reply = line.hear(10)
        assert error in reply["error"]["problem"]
        assert line.ask("status")["doing"] is None


def test_noise_is_hung_up_on_and_the_machine_is_still_kept(kept):
    with kept.line() as line:
        line._peer.sendall(b"x" * 100_000)
        with pytest.raises(LinkError, match="gone"):
            line.hear(10)
    assert is_kept("router-3018", kept.folder)


def test_a_second_keeper_of_the_same_machine_is_refused(kept):
    from fabctl.daemon.places import listen_at, place_of

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
