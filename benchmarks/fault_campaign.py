"""What the campaigns of faults have in common: their command line, what is kept of them, how it is told."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.campaigns import Figure
from benchmarks.fault_judge import ALLOWED_MM, REFUSED, Verdict
from fabctl.sim.faults import KINDS
from fabctl.stream.stops import EndState

Found = dict[str, list[Verdict]]
"""Verdicts by kind of fault."""


@dataclass(frozen=True)
class Asked:
    """What a campaign is to do.

    Parameters
    ----------
    kinds : sequence of str
    seeds : int
        How many of each.
    first_seed : int
    folder : Path or None
        Where what is done is kept.
    at_once : int
        Beside each other.
    """

    kinds: Sequence[str]
    seeds: int
    first_seed: int = 0
    folder: Path | None = None
    at_once: int = 1


@dataclass(frozen=True)
class Campaign:
    """A campaign of faults.

    Parameters
    ----------
    name : str
        Of its module.
    about : str
        For its help.
    seeds : int
        How many of each kind, when nothing is said.
    run : callable
        Does it, and tells of each part that is done.
    kept : callable
        Reads what was kept in a folder.
    record : callable
        Keeps the figures.
    """

    name: str
    about: str
    seeds: int
    run: Callable[[Asked, Callable[[str], None]], Found]
    kept: Callable[[Path], Found]
    record: Callable[[Found], None]

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Run the command line; 1 when a promise was broken."""
        options = self._parsed(arguments)
        kinds = options.kinds or list(KINDS)
        asked = Asked(kinds, options.seeds, options.first_seed, options.keep, options.at_once)
        found = self.kept(options.keep) if options.kept else self.run(asked, tell)
        if options.write:
            self.record(found)
        everything = summary([verdict for verdicts in found.values() for verdict in verdicts])
        print(json.dumps(everything, indent=1))
        return 1 if everything["lies"] else 0

    def _parsed(self, arguments: Sequence[str] | None) -> argparse.Namespace:
        parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{self.name}", description=self.about)
        add = parser.add_argument
        add("kinds", nargs="*", metavar="KIND", help="kinds of faults; all by default")
        add("--seeds", type=int, default=self.seeds, metavar="N", help=f"runs of each, default {self.seeds}")
        add("--first-seed", type=int, default=0, metavar="N")
        add("--keep", type=Path, metavar="FOLDER", help="keep what is done, and go on from there")
        add("--kept", action="store_true", help="run nothing: take all that --keep holds")
        add("--at-once", "--processes", type=int, default=1, metavar="N", help="so many beside each other")
        add("--write", action="store_true", help="write the figures of docs/reliability.md")
        options = parser.parse_args(arguments)
        unknown = [name for name in options.kinds if name not in KINDS]
        if unknown:
            parser.error(f"no kind {', '.join(unknown)}; there are: {', '.join(KINDS)}")
        if options.kept and options.keep is None:
            parser.error("--kept says nothing without --keep FOLDER")
        return options


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


def tell(text: str) -> None:
    """Tell of a part that is done, at once and beside the figures."""
    print(text, file=sys.stderr, flush=True)


def recalled(verdicts: Sequence[dict[str, Any]]) -> list[Verdict]:
    """Return verdicts from JSON."""
    return [Verdict(**verdict) for verdict in verdicts]


def as_json(verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """Return verdicts as JSON keeps them."""
    return [asdict(verdict) for verdict in verdicts]
