"""How a row is measured: in turn, by medians, with its memory and its growth.

A module of this folder gives `prepare(scale)` → work, `ours(work)` and a table of peers; `measure_row`
does the rest. Peers take turns with us in the same process (A B A B …), so that a busy machine slows all
alike.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

ROUNDS = 5
BUDGET_S = 60.0
"""After this long no further round is begun."""
GROWTH = (1, 4, 16)
"""Sizes of the work, from a sixteenth of the row's own up to it."""
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Peer:
    """Someone else who does the same work.

    Parameters
    ----------
    call : callable
        Does the work; gets what `prepare` made.
    modules, programs : tuple of str
        What must be installed.
    prepare : callable
        Turns the row's work into the peer's own form before each round; not timed.
    share : float
        Part of the work the peer is given; its time is multiplied accordingly. For peers that would take
        minutes and whose time grows evenly.
    says_seconds : bool
        Whether `call` returns its own seconds, without the start of its process.
    able : callable
        Whether it can be used at all, beyond `modules` and `programs`.
    """

    call: Callable[[Any], Any]
    modules: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    prepare: Callable[[Any], Any] = field(default=lambda work: work)
    share: float = 1.0
    says_seconds: bool = False
    able: Callable[[], bool] = field(default=lambda: True)

    def is_installed(self) -> bool:
        return (
            all(importlib.util.find_spec(name) for name in self.modules)
            and all(shutil.which(name) for name in self.programs)
            and self.able()
        )


def in_turn(
    contenders: Mapping[str, Peer], work: Any, rounds: int = ROUNDS, budget_s: float = BUDGET_S
) -> dict[str, list[float]]:
    """Time all contenders one after the other, again and again; return every one's seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    began = time.perf_counter()
    for _ in range(rounds):
        for name, contender in contenders.items():
            seconds[name].append(_once(contender, work))
        if time.perf_counter() - began > budget_s:
            break
    return seconds


def _once(contender: Peer, work: Any) -> float:
    material = contender.prepare(work)
    gc.collect()
    began = time.perf_counter()
    answer = contender.call(material)
    taken = time.perf_counter() - began
    return (answer if contender.says_seconds else taken) / contender.share


def race(
    work: Any,
    ours: Callable[[Any], Any],
    peers: Mapping[str, Peer],
    *,
    prefix: str = "",
    prepare: Callable[[Any], Any] | None = None,
    **how: Any,
) -> dict[str, Any]:
    """Race against the peers that are there: median seconds, ratios, and the names of those that are not."""
    there = {name: peer for name, peer in peers.items() if peer.is_installed()}
    us = Peer(ours) if prepare is None else Peer(ours, prepare=prepare)
    seconds = in_turn({"": us, **there}, work, **how)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    out: dict[str, Any] = {f"{prefix}ours_s": median[""]}
    for name in peers:
        out[f"{prefix}{name}_s"] = median.get(name)
        out[f"{prefix}ratio_{name}"] = median[name] / median[""] if name in median else None
    out["missing"] = [name for name in peers if name not in there]
    out["rounds"] = len(seconds[""])
    return out


def merge(*rows: Mapping[str, Any]) -> dict[str, Any]:
    """Put parts of a row together; their missing peers add up."""
    out: dict[str, Any] = {}
    missing: list[str] = []
    for row in rows:
        missing += [name for name in row.get("missing", []) if name not in missing]
        out |= row
    return out | {"missing": missing}


def growth(
    prepare: Callable[[float], Any], ours: Callable[[Any], Any], scale: float, rounds: int = 3
) -> dict[str, Any]:
    """Time us at ×1, ×4 and ×16 of a sixteenth of the work; fit the exponent of seconds over size."""
    seconds = []
    for times in GROWTH:
        work = prepare(scale * times / GROWTH[-1])
        seconds.append(statistics.median(in_turn({"": Peer(ours)}, work, rounds)[""]))
    exponent = float(np.polyfit(np.log(GROWTH), np.log(seconds), 1)[0])
    return {"scaling_s": seconds, "exponent": exponent}


def peak(module: str, scale: float) -> dict[str, Any]:
    """Do the work once in a process of its own; return how much memory that process had at most."""
    code = f"from benchmarks.measure import report_peak; report_peak({module!r}, {scale!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, env=environment()
    )
    out: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return out


def environment() -> dict[str, str]:
    """Return the environment of a fresh process that finds this project."""
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}


def report_peak(module: str, scale: float) -> None:
    """Print as JSON the memory before and after one turn of a row's own work."""
    row = importlib.import_module(module)
    work = row.prepare(scale)
    before = _high_water_mb()
    row.ours(work)
    print(json.dumps({"input_mb": before, "peak_mb": _high_water_mb()}))


def _high_water_mb() -> float | None:
    """Return the most memory this process has had, MB; None where the system does not tell.

    Linux hands a parent's ``ru_maxrss`` down to its children, so there the kernel's high-water mark is read.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    try:
        import resource
    except ImportError:
        return None
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def measure_row(
    module: str,
    scale: float,
    what: str,
    peers: Mapping[str, Peer],
    **how: Any,
) -> dict[str, Any]:
    """Measure a whole row: race, memory, growth.

    Parameters
    ----------
    module : str
        Has `prepare(scale)` and `ours(work)`.
    scale : float
        1 is the row as docs/performance.md shows it.
    what : str
        The work, for a person; ``{…}`` is filled from the dictionary `work.facts`, if there is one.
    """
    row = importlib.import_module(module)
    work = row.prepare(scale)
    facts = dict(getattr(work, "facts", {}))
    out = {"name": module.rpartition(".")[2], "what": what.format(**facts), "scale": scale, **facts}
    out |= race(work, row.ours, peers, **how)
    del work
    return out | peak(module, scale) | growth(row.prepare, row.ours, scale)
