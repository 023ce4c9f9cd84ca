"""Rows as text: for the terminal and for docs/performance.md."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

Row = dict[str, Any]
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
LIBRARIES = ("numpy", "shapely", "trimesh", "manifold3d", "pygcode", "gcodeparser", "opencamlib", "pyclipr")
LIBRARIES += ("raygeo", "vpype", "vtk", "grbl-streamer")
PLAIN = {"name", "what", "scale", "missing", "rounds", "ours_s", "peak_mb", "input_mb", "exponent"}
HEAD = ("row", "work", "ours", "a peer's time over ours", "peak memory", "exponent", "more figures")


def seconds(value: float | None) -> str:
    """Write a time with three significant digits."""
    if value is None:
        return "–"
    return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"


def figure(value: Any) -> str:
    """Write any other figure shortly."""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def ratios(row: Row) -> Iterator[str]:
    """Say each peer's ratio, and which peers are not installed."""
    for key, value in row.items():
        if key.startswith("ratio_") and value is not None:
            yield f"{key.removeprefix('ratio_')} {value:.3g} ×"
    if row["missing"]:
        yield "not installed: " + ", ".join(row["missing"])


def others(row: Row) -> Iterator[str]:
    """Say the figures only this row has."""
    for key, value in row.items():
        if key in PLAIN or key.startswith("ratio_") or value is None or isinstance(value, (dict, list)):
            continue
        if key.endswith("_s") and not key.endswith("_per_s"):
            yield f"{key.removesuffix('_s').replace('_', ' ')} {seconds(value)}"
        else:
            yield f"{key.replace('_', ' ')} {figure(value)}"


def cells(row: Row) -> tuple[str, ...]:
    """Return what stands in each column."""
    memory = row.get("peak_mb")
    return (
        row["name"],
        str(row.get("what", "")),
        seconds(row.get("ours_s")),
        ", ".join(ratios(row)),
        "–" if memory is None else f"{memory:,.0f} MB",
        "–" if row.get("exponent") is None else f"{row['exponent']:.2f}",
        ", ".join(others(row)),
    )


def table(rows: Sequence[Row]) -> str:
    """Lay rows out as a table a terminal and Markdown both show."""
    lines = [HEAD, tuple("---" for _ in HEAD), *map(cells, rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def machine() -> str:
    """Say what the figures were measured on; no name of a host or path."""
    found = []
    for name in LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    python = ".".join(map(str, sys.version_info[:3]))
    return (
        f"Measured on {platform.system()} {platform.machine()}, {os.cpu_count()} cores shared with other "
        f"work, Python {python}, {', '.join(found)}."
    )


def page(path: Path, rows: Sequence[Row]) -> None:
    """Put the table into the page between its two marks; the notes round it stay."""
    old = path.read_text(encoding="utf-8") if path.exists() else f"# Performance\n\n{BEGIN}\n{END}\n"
    before, _, rest = old.partition(BEGIN)
    _, _, after = rest.partition(END)
    new = f"{before}{BEGIN}\n{machine()}\n\n{table(rows)}\n{END}{after}"
    path.write_text(new, encoding="utf-8")
