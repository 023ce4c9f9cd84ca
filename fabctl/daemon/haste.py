"""Come first on the host's processors: a stop must not wait until a plan is made.

A process that sends takes a hundredth of a processor for each machine and is wanted at once when it is
wanted. Where the account may, it is scheduled before all ordinary work; else it is at least nicer to itself.
Its later threads are too, and must be: one that writes the journal, put aside by somebody's plan while it
holds the interpreter's lock, would keep the stop waiting as well. So is its guard.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

NICE = -10
REALTIME_PRIORITY = 1


def come_first() -> str:
    """Ask the system to run this thread, and what it starts, before others, as far as the account may.

    Returns
    -------
    str
        ``realtime``, ``nice``, or nothing when neither is allowed here.
    """
    if hasattr(os, "sched_setscheduler"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(REALTIME_PRIORITY))
            return "realtime"
    if hasattr(os, "setpriority"):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, NICE)
            return "nice"
    return ""


@contextlib.contextmanager
def coming_first() -> Iterator[str]:
    """Come first while the context lasts, and be as before afterwards: what is drawn then can wait.

    Threads and processes begun meanwhile stay first.

    Yields
    ------
    str
        As `come_first` returned it.
    """
    with contextlib.ExitStack() as after:
        if hasattr(os, "sched_setscheduler"):
            after.callback(_set_back, os.sched_getscheduler(0), os.sched_getparam(0))
        if hasattr(os, "setpriority"):
            after.callback(os.setpriority, os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0))
        yield come_first()


def _set_back(policy: int, param: os.sched_param) -> None:
    # a policy this account may not set, it cannot have left
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, policy, param)
