"""Who sends comes first where the account may, with all its threads."""

import os
import subprocess
import sys

import pytest

TELL = """
import os, threading
from fabctl.daemon.haste import come_first
print(come_first() or "nothing")
def tell():
    print(os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0))
tell()
thread = threading.Thread(target=tell)
thread.start()
thread.join()
"""


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="this system schedules otherwise")
def test_the_sender_comes_first_and_so_do_its_threads():
    """A thread that waits for a processor while it holds the interpreter's lock keeps all waiting."""
    done = subprocess.run([sys.executable, "-c", TELL], capture_output=True, text=True, check=True)
    said, policy, nice, *thread = done.stdout.split()
    kept = {"realtime": int(policy) == os.SCHED_RR, "nice": int(nice) < 0}
    assert kept.get(said, int(policy) == os.SCHED_OTHER)
    assert thread == [policy, nice]
