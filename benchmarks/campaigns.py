"""Figures of long seeded campaigns, kept in one file from which docs/reliability.md is written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from benchmarks.measure import ROOT
from fabctl.errors import InputError
from fabctl.record.files import atomic_write

RELIABILITY = ROOT / "benchmarks" / "reliability.json"
WHAT = "what"
"""The one figure that is a sentence: what was done, with which command it is done again."""

Figure = str | int | float | bool | None
Figures = Mapping[str, Figure]

_NAME = re.compile(r"[a-z0-9]+(?:[-_/][a-z0-9]+)*")


def record_campaign(name: str, figures: Figures, path: Path = RELIABILITY) -> None:
    """Keep a campaign's figures in the place of its older ones.

    Afterwards ``python -m benchmarks.reliability --write`` brings the page up to date.

    Parameters
    ----------
    name : str
        Lower case; ``group/row`` names make one table of a group.
    figures : mapping of str to str, int, float, bool or None
        Flat: name with its unit to value; `what` is a sentence about the whole.
    path : Path
        The file; the project's own by default.

    Raises
    ------
    InputError
        When a name or a figure is of another kind.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} is no campaign's name", remedy="write it as stop-latency or faults/ok-lost"
        )
    for key, value in figures.items():
        if value is not None and not isinstance(value, (str, int, float)):
            raise InputError(
                f"the figure {key} is a {type(value).__name__}", file=name, remedy="give flat figures only"
            )
    kept = campaigns(path)
    kept[name] = dict(figures)
    ordered = {key: kept[key] for key in sorted(kept)}
    atomic_write(path, json.dumps(ordered, indent=1, ensure_ascii=False) + "\n")


def campaigns(path: Path = RELIABILITY) -> dict[str, Figures]:
    """Return all figures kept, by campaign."""
    if not path.exists():
        return {}
    kept: dict[str, Figures] = json.loads(path.read_text(encoding="utf-8"))
    return kept
