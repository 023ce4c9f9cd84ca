"""Who sends comes first where the account may; what it starts does not."""

import os
import subprocess
import sys

import pytest

TELL = """
import os, subprocess, sys, threading
from fabctl.daemon.haste import come_first
print(come_first() or "nothing")
print(os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK, os.getpriority(os.PRIO_PROCESS, 0))
thread = threading.Thread(target=lambda: print(os.sched_getscheduler(0)))
thread.start()
thread.join()
child = [sys.executable, "-c", "import os; print(os.sched_getscheduler(0))"]
print(subprocess.check_output(child, text=True))
"""


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="this system schedules otherwise")
def test_the_sender_comes_first_and_its_threads_and_children_do_not():
    done = subprocess.run([sys.executable, "-c", TELL], capture_output=True, text=True, check=True)
    said, policy, nice, thread, child = done.stdout.split()
    kept = {"realtime": int(policy) == os.SCHED_RR, "nice": int(nice) < 0}
    assert kept.get(said, int(policy) == os.SCHED_OTHER)
    assert int(thread) == int(child) == os.SCHED_OTHER
