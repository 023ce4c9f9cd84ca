"""The campaign of faults: ``python -m benchmarks.faults [KIND …] [--seeds N] [--keep FOLDER] [--write]``.

Each kind of fault strikes so many runs of small jobs, at moments and with figures its seed decides. What is
kept in a folder is not run again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

from benchmarks.campaigns import WHAT, Figure, record_campaign
from benchmarks.fault_judge import ALLOWED_MM, REFUSED, Verdict
from benchmarks.fault_runs import one
from fabctl.sim.faults import KINDS
from fabctl.stream.stops import EndState

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


def summary(verdicts: Sequence[Verdict]) -> dict[str, Figure]:
    """Count how runs ended and what was wrong with that."""
    ends = Counter(verdict.end for verdict in verdicts)
    strayed = [verdict for verdict in verdicts if verdict.off_mm > ALLOWED_MM]
    able = [verdict.beam_s for verdict in verdicts if not verdict.deaf_host]
    blind = [verdict.beam_s for verdict in verdicts if verdict.deaf_host]
    return {
        "runs": len(verdicts),
        "done": ends[EndState.DONE.value],
        "known": ends[EndState.KNOWN.value],
        "unknown": ends[EndState.UNKNOWN.value],
        "refused": ends[REFUSED],
        "lies": sum(bool(verdict.lies) for verdict in verdicts),
        "hangs": ends["hang"],
        "unseen_excursions": len(strayed),
        "worst_unseen_mm": round(max((verdict.off_mm for verdict in strayed), default=0.0), 3),
        "unseen_power": sum(verdict.unseen_power for verdict in verdicts),
        "unseen_feed": sum(verdict.unseen_feed for verdict in verdicts),
        "farthest_mm": round(max((verdict.away_mm for verdict in verdicts), default=0.0), 2),
        "share_of_bound": round(max((verdict.away_share for verdict in verdicts), default=0.0), 3),
        "beam_standing_s": round(max(able, default=0.0), 3),
        "beam_host_away_s": round(max(blind, default=0.0), 3),
        "head_not_seen": sum(verdict.head is None and verdict.end != REFUSED for verdict in verdicts),
    }


def stretch(kind: str, first: int, last: int, folder: Path | None) -> list[Verdict]:
    """Run some seeds of one kind, or read what was kept of them."""
    path = None if folder is None else folder / f"{kind}-{first}-{last}.json"
    if path is not None and path.exists():
        return [Verdict(**kept) for kept in json.loads(path.read_text(encoding="utf-8"))]
    verdicts = [one(kind, seed) for seed in range(first, last)]
    if path is not None:
        path.write_text(json.dumps([asdict(verdict) for verdict in verdicts]), encoding="utf-8")
    return verdicts


def campaign(
    kinds: Iterable[str],
    seeds: int,
    folder: Path | None = None,
    processes: int = 1,
    tell: Callable[[str], None] = print,
) -> dict[str, list[Verdict]]:
    """Run all seeds of some kinds.

    Parameters
    ----------
    kinds : iterable of str
    seeds : int
        From 0.
    folder : Path, optional
        Where finished stretches are kept.
    processes : int
    tell : callable
        Told of each stretch that is done.
    """
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    # all kinds get their first seeds before any gets its last
    pieces = [(k, low, min(low + PIECE, seeds)) for low in range(0, seeds, PIECE) for k in kinds]
    found: dict[str, list[Verdict]] = {}
    with ProcessPoolExecutor(processes) as pool:
        done = pool.map(stretch, *zip(*pieces, strict=True), [folder] * len(pieces))
        for (kind, low, high), verdicts in zip(pieces, done, strict=True):
            found.setdefault(kind, []).extend(verdicts)
            wrong = [f"{low + at}: {v.lies}" for at, v in enumerate(verdicts) if v.lies]
            tell(f"{kind} {low} … {high}: {len(wrong)} lies {wrong[:3] or ''}")
    return found


def record(found: dict[str, list[Verdict]]) -> None:
    """Keep the figures: of each kind, and of all together."""
    for kind, verdicts in found.items():
        record_campaign(f"faults/{kind}", summary(verdicts))
    everything = [verdict for verdicts in found.values() for verdict in verdicts]
    record_campaign("faults", {WHAT: SAID, "kinds": len(found), **summary(everything)})


def kept(folder: Path) -> dict[str, list[Verdict]]:
    """Read all that was kept in a folder, by kind."""
    found: dict[str, list[Verdict]] = {}
    for kind in KINDS:
        for path in sorted(folder.glob(f"{kind}-[0-9]*-[0-9]*.json")):
            verdicts = json.loads(path.read_text(encoding="utf-8"))
            found.setdefault(kind, []).extend(Verdict(**verdict) for verdict in verdicts)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="kinds of faults; all by default")
    parser.add_argument(
        "--seeds", type=int, default=SEEDS, metavar="N", help=f"runs of each, default {SEEDS}"
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep what is done, and go on from there")
    parser.add_argument("--kept", action="store_true", help="run nothing: take all that --keep holds")
    parser.add_argument("--processes", type=int, default=1, metavar="N")
    parser.add_argument("--write", action="store_true", help="write the figures of docs/reliability.md")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.kinds if name not in KINDS]
    if unknown:
        parser.error(f"no kind {', '.join(unknown)}; there are: {', '.join(KINDS)}")
    if options.kept and options.keep is None:
        parser.error("--kept says nothing without --keep FOLDER")
    found = (
        kept(options.keep)
        if options.kept
        else campaign(
            options.kinds or list(KINDS),
            options.seeds,
            options.keep,
            options.processes,
            lambda text: print(text, file=sys.stderr, flush=True),
        )
    )
    if options.write:
        record(found)
    everything = summary([verdict for verdicts in found.values() for verdict in verdicts])
    print(json.dumps(everything, indent=1))
    return 1 if everything["lies"] else 0


if __name__ == "__main__":
    sys.exit(main())
