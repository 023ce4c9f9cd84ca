"""``fabctl status`` asks whoever keeps a machine."""

import json
import os
import subprocess
import sys
import threading
import time


def _status(kept, *argv):
    environment = os.environ | {"XDG_RUNTIME_DIR": str(kept.folder.parent.parent)}
    command = [sys.executable, "-m", "fabctl", "status", "--out", str(kept.runs), *argv]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_a_kept_machine_is_told_with_and_without_a_run(kept):
    kept.runs.mkdir(exist_ok=True)
    (row,) = json.loads(_status(kept, "--json"))
    assert (row["machine"], row["kept"]["state"]) == ("router-3018", "Idle")
    assert "stands at" in _status(kept)
    folder = kept.run_folder("told", ways=40)

    def run():
        with kept.line() as line:
            line.ask("run", folder=str(folder))

    thread = threading.Thread(target=run)
    thread.start()
    with kept.line() as line:
        while not (line.ask("status").get("progress") or {}).get("executed"):
            time.sleep(0.05)
        (row,) = json.loads(_status(kept, "told", "--json"))
        assert (row["state"], row["kept"]["run"]) == ("running", "told")
        assert "it goes on: fabctl machine hold router-3018, or abort router-3018" in _status(kept, "told")
        line.ask("hold")
        while "state        held" not in (held := _status(kept, "told")):
            time.sleep(0.05)
        assert "fabctl machine resume router-3018 goes on, abort router-3018 ends it" in held
        line.ask("abort")
    thread.join(20)
    (row,) = json.loads(_status(kept, "told", "--json"))
    assert (row["state"], row["kept"]["doing"]) == ("stopped, position known", None)
