"""Whether the process that wrote a record still lives."""

import os
import subprocess
import sys

from fabctl.record.process import born, identity, lives


def test_this_process_lives():
    assert lives(identity()) is True


def test_a_number_that_was_given_anew_is_another_process():
    assert lives(identity() | {"process_started": "before"}) is False


def test_another_computer_and_missing_facts_are_not_told():
    assert lives(identity() | {"host": "elsewhere"}) is None
    assert lives({}) is None
    assert lives({"pid": os.getpid()}) is None


def test_a_process_that_was_killed_is_dead_before_and_after_its_parent_has_noticed():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    facts = identity() | {"pid": child.pid, "process_started": born(child.pid)}
    assert lives(facts) is True
    child.kill()
    if os.name == "posix":
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert lives(facts) is False
    child.wait()
    assert lives(facts) is False
