"""Come first on the host's processors: a stop must not wait until a plan is made.

A process that sends takes a hundredth of a processor for each machine and is wanted at once when it is
wanted. Where the account may, its main thread is scheduled before all ordinary work; else it is at least
nicer to itself. Threads that write the journal stay where they are.
"""

from __future__ import annotations

import contextlib
import os

NICE = -10
REALTIME_PRIORITY = 1


def come_first() -> str:
    """Ask the system to run this thread before others, as far as the account may.

    Returns
    -------
    str
        ``realtime``, ``nice``, or nothing when neither is allowed here.
    """
    if hasattr(os, "sched_setscheduler"):
        # processes started later are ordinary ones again
        policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, policy, os.sched_param(REALTIME_PRIORITY))
            return "realtime"
    if hasattr(os, "setpriority"):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, NICE)
            return "nice"
    return ""
