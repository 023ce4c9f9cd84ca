"""Run rows, print them as a table or JSON, write docs/performance.md: ``python -m benchmarks [NAME …]``."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT
from benchmarks.table import page, table

PAGE = ROOT / "docs" / "performance.md"
FIGURES = ROOT / "benchmarks" / "figures.json"


def names() -> list[str]:
    """List the modules of this folder that are rows: those with a `run`; nothing is imported for that."""
    folder = Path(__file__).parent
    return sorted(
        path.stem for path in folder.glob("*.py") if "\ndef run(" in path.read_text(encoding="utf-8")
    )


def measure(chosen: Sequence[str], scale: float) -> list[dict[str, Any]]:
    """Run rows one after the other, saying on stderr which one is at work."""
    rows = []
    for name in chosen:
        print(f"{name} …", file=sys.stderr, flush=True)
        module = importlib.import_module(f"benchmarks.{name}")
        rows.append({"name": name, "missing": [], **module.run(scale)})
    return rows


def keep(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put new rows in the place of old ones in the kept figures; return all."""
    old = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else []
    by_name = {row["name"]: row for row in [*old, *rows]}
    every = [by_name[name] for name in sorted(by_name)]
    FIGURES.write_text(json.dumps(every, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return every


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="rows to run; all by default")
    parser.add_argument("--json", action="store_true", help="print a list, or one object for one NAME")
    parser.add_argument("--scale", type=float, default=1.0, metavar="N", help="times the work, default 1")
    parser.add_argument("--write", action="store_true", help="write the table of docs/performance.md")
    parser.add_argument("--list", action="store_true", help="print the names of the rows")
    options = parser.parse_args(arguments)
    known = names()
    if options.list:
        print("\n".join(known))
        return 0
    unknown = [name for name in options.names if name not in known]
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; there are: {', '.join(known)}")
    rows = measure(options.names or known, options.scale)
    if options.write:
        page(PAGE, keep(rows))
    if options.json:
        one = len(options.names) == 1
        print(json.dumps(rows[0] if one else rows, indent=1, ensure_ascii=False))
    else:
        print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
