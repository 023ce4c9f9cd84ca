"""The campaign of faults: ``python -m benchmarks.faults [KIND …] [--seeds N] [--keep FOLDER] [--write]``.

Each kind of fault strikes so many runs of small jobs, at moments and with figures its seed decides. What is
kept in a folder is not run again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.campaigns import WHAT, record_campaign
from benchmarks.fault_campaign import Asked, Campaign, Found, as_json, recalled, summary, tell
from benchmarks.fault_judge import Verdict
from benchmarks.fault_runs import one
from fabctl.sim.faults import KINDS

SEEDS = 400
PIECE = 50
SAID = (
    "Runs of small jobs (milling with arcs, engraving with M4, cutting with M3, drilling with dwells, a tool "
    "change, homing) on the virtual controller, one fault each, at a moment drawn from the whole run: while "
    "connecting, homing, zeroing, running, held, paused. A quarter of the runs is held, aborted or reset by "
    "the operator too. A lie is any broken promise: done with a wrong path, a position said to be known that "
    "is not, motion after an unasked banner or after the end, a beam standing for over 0.3 s while the host "
    "could act, a head said to be off that is on, a hang. Again: `python -m benchmarks.faults --write`."
)


def stretch(kind: str, first: int, last: int, folder: Path | None) -> list[Verdict]:
    """Run some seeds of one kind, or read what was kept of them."""
    path = None if folder is None else folder / f"{kind}-{first}-{last}.json"
    if path is not None and path.exists():
        return recalled(json.loads(path.read_text(encoding="utf-8")))
    verdicts = [one(kind, seed) for seed in range(first, last)]
    if path is not None:
        path.write_text(json.dumps(as_json(verdicts)), encoding="utf-8")
    return verdicts


def campaign(asked: Asked, told: Callable[[str], None] = tell) -> Found:
    """Run all seeds of some kinds."""
    kinds, folder = asked.kinds, asked.folder
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    # all kinds get their first seeds before any gets its last
    first, end = asked.first_seed, asked.first_seed + asked.seeds
    pieces = [(k, low, min(low + PIECE, end)) for low in range(first, end, PIECE) for k in kinds]
    found: Found = {}
    with ProcessPoolExecutor(asked.at_once) as pool:
        done = pool.map(stretch, *zip(*pieces, strict=True), [folder] * len(pieces))
        for (kind, low, high), verdicts in zip(pieces, done, strict=True):
            found.setdefault(kind, []).extend(verdicts)
            wrong = [f"{low + at}: {v.lies}" for at, v in enumerate(verdicts) if v.lies]
            told(f"{kind} {low} … {high}: {len(wrong)} lies {wrong[:3] or ''}")
    return found


def record(found: Found) -> None:
    """Keep the figures: of each kind, and of all together."""
    for kind, verdicts in found.items():
        record_campaign(f"faults/{kind}", summary(verdicts))
    everything = [verdict for verdicts in found.values() for verdict in verdicts]
    record_campaign("faults", {WHAT: SAID, "kinds": len(found), **summary(everything)})


def kept(folder: Path) -> Found:
    """Read all that was kept in a folder, by kind."""
    found: Found = {}
    for kind in KINDS:
        for path in sorted(folder.glob(f"{kind}-[0-9]*-[0-9]*.json")):
            found.setdefault(kind, []).extend(recalled(json.loads(path.read_text(encoding="utf-8"))))
    return found


CAMPAIGN = Campaign("faults", __doc__ or "", SEEDS, campaign, kept, record)


if __name__ == "__main__":
    sys.exit(CAMPAIGN.main())
