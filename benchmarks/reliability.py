"""The page of what was tried to make the sender lie: ``python -m benchmarks.reliability [--write]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.campaigns import WHAT, Figures, campaigns
from benchmarks.measure import ROOT
from benchmarks.table import figure

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def tables(kept: Mapping[str, Figures]) -> str:
    """Lay all campaigns out as Markdown: a section for each, one table for each group.

    Parameters
    ----------
    kept : mapping of str to figures
        By name; ``group/row`` is a row of the group's table, below the group's own figures.

    Examples
    --------
    >>> print(tables({"stops": {"what": "Ten stops.", "worst_ms": 4.0}}))
    ## Stops
    <BLANKLINE>
    Ten stops.
    <BLANKLINE>
    | figure | value |
    |---|---|
    | worst ms | 4 |
    """
    groups: dict[str, dict[str, Figures]] = {}
    for name, figures in kept.items():
        group, _, row = name.partition("/")
        groups.setdefault(group, {})[row] = figures
    return "\n\n".join(block for group, rows in sorted(groups.items()) for block in _section(group, rows))


def _section(group: str, rows: Mapping[str, Figures]) -> Iterator[str]:
    yield f"## {_words(group).capitalize()}"
    own = rows.get("", {})
    if own.get(WHAT):
        yield str(own[WHAT])
    values = {key: value for key, value in own.items() if key != WHAT}
    if values:
        lines = [f"| {_words(key)} | {_cell(value)} |" for key, value in values.items()]
        yield "\n".join(["| figure | value |", "|---|---|", *lines])
    named = {name: row for name, row in rows.items() if name}
    if named:
        yield _grid(named)


def _grid(rows: Mapping[str, Figures]) -> str:
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    head = ["", *(_words(key) for key in columns)]
    lines = [[name, *(_cell(row.get(key)) for key in columns)] for name, row in rows.items()]
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *lines])


def _words(key: str) -> str:
    return key.replace("_", " ").replace("-", " ")


def _cell(value: object) -> str:
    return "–" if value is None else figure(value)


def written(page: str, kept: Mapping[str, Figures]) -> str:
    """Return the page with the figures between its marks replaced."""
    before, after = page.split(BEGIN, maxsplit=1)[0], page.split(END)[1]
    return f"{before}{BEGIN}\n{tables(kept)}\n{END}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables, or write them into the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reliability", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md")
    if parser.parse_args(arguments).write:
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), campaigns()), encoding="utf-8")
    else:
        print(tables(campaigns()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
