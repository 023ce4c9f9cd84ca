"""How the command line says things: columns, JSON, notes; data to stdout, messages to stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click


def columns(rows: Sequence[Sequence[str]], heading: Sequence[str]) -> str:
    """Lay out rows in columns, two spaces between them.

    Examples
    --------
    >>> print(columns([["pen", "0.5 mm"]], ["name", "width"]))
    name  width
    pen   0.5 mm
    """
    table = [list(heading), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(heading))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )


def as_json(value: Any) -> None:
    """Print a value as JSON on stdout, keys in their own order."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def say(text: str, *, colour: str | None = None) -> None:
    """Tell the person something on stderr; NO_COLOR is obeyed."""
    plain = colour is None or os.environ.get("NO_COLOR") is not None or not sys.stderr.isatty()
    click.echo(text if plain else click.style(text, fg=colour), err=True)


def notes(lines: Iterable[str]) -> None:
    """Tell notes, one a line, each once."""
    for line in dict.fromkeys(lines):
        say(f"note: {line}", colour="yellow")


def facts(values: Mapping[str, str]) -> str:
    """Lay out a summary: one fact a line, values aligned.

    Examples
    --------
    >>> print(facts({"parts": "4", "cut length": "12.3 m"}))
    parts       4
    cut length  12.3 m
    """
    width = max(map(len, values), default=0)
    return "\n".join(f"{key.ljust(width)}  {value}" for key, value in values.items())
