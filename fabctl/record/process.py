"""Which process writes a record, told so that a later process can say whether it still lives.

A number alone is not enough: it is given to another process after the first has died. With the moment it
was born it is.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

_BORN_FIELD = 19
"""Of /proc/PID/stat, counted from the state behind the name: proc_pid_stat(5), field 22."""
_DEAD = frozenset({"Z", "X", "x"})


def identity() -> dict[str, str | int]:
    """Return what tells this process from every other: ``pid``, ``process_started``, ``host``."""
    pid = os.getpid()
    return {"pid": pid, "process_started": born(pid) or "", "host": platform.node()}


def lives(facts: Mapping[str, object]) -> bool | None:
    """Tell whether the process that `identity` once described still lives.

    Parameters
    ----------
    facts : mapping
        With what `identity` returned.

    Returns
    -------
    bool or None
        None when it cannot be told: the facts are missing, or of another computer.
    """
    pid, started = facts.get("pid"), facts.get("process_started")
    if not isinstance(pid, int) or not started or facts.get("host") != platform.node():
        return None
    now = born(pid)
    return None if now == "" else now == started


def born(pid: int) -> str | None:
    """Return a text that is the same as long as a process lives and never comes again.

    Parameters
    ----------
    pid : int
        Number of a process of this computer.

    Returns
    -------
    str or None
        None when there is no such process any more; empty when the system does not tell.
    """
    if sys.platform == "win32":
        return _born_windows(pid)
    return _born_proc(pid) if Path("/proc/self/stat").exists() else _born_ps(pid)


def _born_proc(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    except OSError:
        return ""
    # the name stands in brackets and may hold blanks and brackets itself
    fields = stat.rpartition(")")[2].split()
    if fields[0] in _DEAD:
        return None
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        boot = ""
    return f"{boot}/{fields[_BORN_FIELD]}"


def _born_ps(pid: int) -> str | None:
    import subprocess  # noqa: PLC0415 - only where there is no /proc: macOS and the BSDs

    try:
        said = subprocess.run(  # noqa: S603 - a number is no shell word
            ["/bin/ps", "-o", "state=,lstart=", "-p", str(pid)],
            capture_output=True,
            text=True,
            check=False,
            env={"LC_ALL": "C", "TZ": "UTC"},
        ).stdout
    except OSError:
        return ""
    state, _, started = said.strip().partition(" ")
    return " ".join(started.split()) if state and state[0] not in _DEAD else None


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _QUERY = 0x1000
    _NO_SUCH = 87
    _STILL_ACTIVE = 259

    def _born_windows(pid: int) -> str | None:
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.OpenProcess.restype = wintypes.HANDLE
        handle = kernel.OpenProcess(_QUERY, False, pid)
        if not handle:
            return None if ctypes.get_last_error() == _NO_SUCH else ""
        try:
            code, times = wintypes.DWORD(), [wintypes.FILETIME() for _ in range(4)]
            known = kernel.GetExitCodeProcess(wintypes.HANDLE(handle), ctypes.byref(code))
            # a handle that somebody holds keeps a dead process known
            if known and code.value != _STILL_ACTIVE:
                return None
            if not known or not kernel.GetProcessTimes(wintypes.HANDLE(handle), *map(ctypes.byref, times)):
                return ""
            return f"{times[0].dwHighDateTime}/{times[0].dwLowDateTime}"
        finally:
            kernel.CloseHandle(wintypes.HANDLE(handle))

else:

    def _born_windows(pid: int) -> str | None:
        del pid
        return ""
