"""STL: a solid as loose triangles, binary or text, with no unit and often with faults."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fabctl.design.model import Design, Note
from fabctl.design.stl_text import read_corners
from fabctl.errors import DesignError
from fabctl.geometry.curves import from_paths
from fabctl.geometry.mesh import EdgeReport, Mesh, extents, from_corners, inspect, transform
from fabctl.geometry.repair import clean, orient, outward
from fabctl.units import LENGTH_MM, MM_PER_INCH, UNIT_WORDS

Ints = NDArray[np.int64]

_FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_HEADER = 84
_TEXT = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*(?:solid|facet)\b", re.IGNORECASE)
_LFS = b"version https://git-lfs.github.com/spec/"
_AGAIN = "copy or export the file again"

METRES_BELOW = 0.5
"""A solid smaller than this as mm, with nothing said of units, is taken for one in metres."""

INCHES_BELOW = 12.0
"""A solid smaller than this as mm may be one in inches: taken so if its sides are whole 64ths."""

COMMON_MM = 2500.0
"""What fits a workshop's machines, mm, where the machine is not known."""


class _Triangles(NamedTuple):
    """What stands in the file: corners (t, 3, 3), the place of each facet's line or none, notes."""

    corners: NDArray[np.floating]
    line: Ints | None
    notes: list[Note]
    announced: int


def read_stl(
    data: bytes, source: str, *, units: str | None = None, largest_mm: float | None = None
) -> Design:
    """Read an STL file.

    Parameters
    ----------
    data : bytes
        The whole file.
    source : str
        Its name, for messages.
    units : str, optional
        What one unit of the file is, a key of `fabctl.units.LENGTH_MM`; without it mm, unless the size
        speaks for metres or inches (with a Note).
    largest_mm : float, optional
        The machine's larger travel, mm, to judge an unlikely scale by.

    Returns
    -------
    Design
        With `mesh`, no curves, and a Note for everything that was put right, guessed or left wrong.

    Raises
    ------
    DesignError
        When the file is empty, cut off, no STL at all, has a coordinate that is no number, or no triangle.
    """
    _refuse_strangers(data, source)
    found = _read(data, source)
    _refuse_not_finite(found, source)
    mesh, notes = _repair(found, source)
    factor, note = _unit(mesh, data, units, largest_mm, source)
    if factor != 1:
        scale = np.hstack((np.eye(3) * factor, np.zeros((3, 1))))
        mesh = transform(mesh, scale)
    notes = [*found.notes, *([note] if note else []), *notes]
    return Design(source, from_paths([]), mesh=mesh, notes=tuple(notes))


def _refuse_strangers(data: bytes, source: str) -> None:
    """Name files that are no STL at all."""
    if not data:
        raise DesignError("the file is empty", file=source, remedy=_AGAIN)
    if data.startswith(_LFS):
        size = re.search(rb"^size (\d+)", data, re.MULTILINE)
        real = f" for a file of {int(size.group(1))} bytes" if size else ""
        raise DesignError(
            f"this is a Git LFS pointer{real}, not the solid itself",
            file=source,
            remedy="run 'git lfs pull' in its repository, or download the file itself",
        )
    if data[:512].lstrip()[:1] == b"<":
        raise DesignError(
            "this is a web page or XML, not an STL", file=source, remedy="download the file itself"
        )


def _read(data: bytes, source: str) -> _Triangles:
    """Read text or binary; the size decides, since binary headers may start with ``solid`` too."""
    count = int.from_bytes(data[80:84], "little") if len(data) >= _HEADER else -1
    if count >= 0 and len(data) == _HEADER + count * _FACET.itemsize:
        return _read_binary(data, count, source)
    if _TEXT.match(data) and b"\0" not in data[:1024]:
        corners, line, solids = read_corners(data, source)
        notes = []
        if not re.search(rb"endsolid", data[-4096:], re.IGNORECASE):
            text = "the file does not end with 'endsolid': it may be cut off"
            notes.append(Note("truncated", f"{text}; {len(corners)} whole triangles read"))
        if solids > 1:
            notes.append(Note("solids", f"{solids} solids in one file, taken as one"))
        return _Triangles(corners, line, notes, len(corners))
    if len(data) < _HEADER:
        raise DesignError(
            f"{len(data)} bytes are too few for an STL, whose header alone takes {_HEADER}",
            file=source,
            remedy=_AGAIN,
        )
    return _read_binary(data, count, source)


def _read_binary(data: bytes, announced: int, source: str) -> _Triangles:
    """Read facets of 50 bytes; never more than are there."""
    body = len(data) - _HEADER
    there, rest = divmod(body, _FACET.itemsize)
    notes = []
    if announced > there and rest:
        raise DesignError(
            f"the header announces {announced} triangles, which take "
            f"{_HEADER + announced * _FACET.itemsize} bytes; the file has {len(data)} and ends in the middle "
            f"of triangle {there}",
            file=source,
            remedy=_AGAIN,
        )
    count = there
    if announced != there:
        text = f"the header announces {announced} triangles, the file holds {there}"
        if rest:
            count = announced
            text = (
                f"{body - announced * _FACET.itemsize} bytes after the last of {announced} triangles left out"
            )
        notes.append(Note("count", text))
    elif rest:
        notes.append(Note("count", f"{rest} bytes after the last of {announced} triangles left out"))
    corners = np.ascontiguousarray(np.frombuffer(data, _FACET, count, _HEADER)["corners"])
    return _Triangles(corners, None, notes, announced)


def _refuse_not_finite(found: _Triangles, source: str) -> None:
    """Name the first facet with a coordinate that is no finite number."""
    if not len(found.corners):
        raise DesignError("there are no triangles in it", file=source, remedy="export the solid again")
    # A sum is finite only if every term is; the single terms are looked at only when it is not.
    with np.errstate(invalid="ignore", over="ignore"):
        if np.isfinite(np.sum(found.corners, dtype=np.float64)):
            return
    bad = np.flatnonzero(~np.isfinite(found.corners).all(axis=(1, 2)))
    if len(bad):
        place = f"facet {bad[0]}" + (f", line {found.line[bad[0]]}" if found.line is not None else "")
        raise DesignError(
            f"{len(bad)} of {len(found.corners)} triangles have a coordinate that is not a finite number",
            file=source,
            place=place,
            remedy="repair the solid where it was drawn and export it again",
        )


def _repair(found: _Triangles, source: str) -> tuple[Mesh, list[Note]]:
    """Merge vertices and put right what can be put right, with a Note for each."""
    mesh, degenerate, repeated = clean(from_corners(found.corners))
    if not len(mesh.triangles):
        raise DesignError(
            f"none of its {len(found.corners)} triangles encloses anything",
            file=source,
            remedy="export the solid again",
        )
    report = inspect(mesh)
    notes = list(_left_out(degenerate, repeated))
    if len(report.open_edges):
        mesh, report, welded = _weld(mesh, report)
        notes += [welded] if welded else []
    if len(report.open_edges) and found.announced > len(found.corners):
        raise DesignError(
            f"the header announces {found.announced} triangles, the file holds {len(found.corners)} "
            f"and the solid has holes: {report.describe(mesh)}",
            file=source,
            remedy=_AGAIN,
        )
    if len(report.inconsistent):
        mesh, turned = orient(mesh)
        report = inspect(mesh)
        notes.append(Note("orientation", f"{turned} triangles faced against their neighbours: turned"))
    mesh, turned = outward(mesh)
    if turned:
        text = (
            "the solid was inside out: turned" if turned == 1 else f"{turned} bodies were inside out: turned"
        )
        notes.append(Note("orientation", text))
    if not report.is_sound:
        notes.append(_open_note(mesh, report))
    return mesh, notes


def _left_out(degenerate: int, repeated: int) -> Iterator[Note]:
    """Say what `clean` left out."""
    if degenerate:
        yield Note("degenerate", f"{degenerate} triangles with two corners on one spot left out")
    if repeated:
        yield Note("duplicates", f"{repeated} triangles left out that stand there twice or lie back to back")


def _weld(mesh: Mesh, report: EdgeReport) -> tuple[Mesh, EdgeReport, Note | None]:
    """Close cracks whose two sides differ by rounding, by manifold3d's reckoning of what is rounding.

    A weld that leaves as many open edges as before, or moves a vertex visibly, is not taken.
    """
    from manifold3d import Mesh64  # noqa: PLC0415 - only damaged files need it

    welder = Mesh64(np.array(mesh.vertices), mesh.triangles.astype(np.uint64))
    welder.merge()
    gone = np.array(welder.merge_from_vert, np.int64)
    kept = np.array(welder.merge_to_vert, np.int64)
    if not len(gone):
        return mesh, report, None
    target = np.arange(len(mesh.vertices))
    target[gone] = kept
    apart = float(np.max(np.abs(mesh.vertices[gone] - mesh.vertices[kept])))
    low, high = extents(mesh)
    welded, _, _ = clean(Mesh(mesh.vertices, target[mesh.triangles]))
    after = inspect(welded)
    if apart > 1e-5 * float(np.max(high - low)) or len(after.open_edges) >= len(report.open_edges):
        return mesh, report, None
    text = f"cracks closed: {len(gone)} vertices moved by at most {apart:.2g} units onto their neighbours"
    return welded, after, Note("welded", text)


def _open_note(mesh: Mesh, report: EdgeReport) -> Note:
    """Say what is still wrong with a mesh and what that means for slices."""
    if len(report.open_edges) or len(report.inconsistent):
        meaning = "it is not watertight: slices are closed with straight lines across its gaps"
    else:
        meaning = "its bodies touch along edges: slices stay closed"
    text = f"{report.describe(mesh)} (in the file's units); {meaning}"
    return Note("open" if len(report.open_edges) else "non-manifold", text)


def _unit(
    mesh: Mesh, data: bytes, units: str | None, largest_mm: float | None, source: str
) -> tuple[float, Note | None]:
    """Choose mm per unit: told, written in the header, or judged by the size."""
    if units is not None:
        return _unit_told(units, source), None
    low, high = extents(mesh)
    size = high - low
    header = re.search(rb"\bunits?\s*[=:]\s*([a-z]+)", data[:80].lower())
    word = header.group(1).decode() if header else ""
    if word in LENGTH_MM:
        text = f"read in {word} as its header says: {_box(size * LENGTH_MM[word])}"
        return LENGTH_MM[word], Note("units", text)
    return _unit_by_size(size, largest_mm or COMMON_MM)


def _unit_told(units: str, source: str) -> float:
    name = units.strip().lower()
    if name not in LENGTH_MM:
        raise DesignError(
            f"{units!r} is no unit of a solid",
            file=source,
            remedy=f"--units takes one of {UNIT_WORDS}",
        )
    return LENGTH_MM[name]


def _unit_by_size(size: NDArray[np.float64], limit: float) -> tuple[float, Note | None]:
    """Judge the unit by the size of the part, shape (3,) in that unit; the machine takes `limit` mm."""
    longest = float(size.max())
    if longest < METRES_BELOW and longest * LENGTH_MM["m"] <= limit:
        return LENGTH_MM["m"], _guess_note("metres", size, LENGTH_MM["m"])
    if longest < INCHES_BELOW and longest * MM_PER_INCH <= limit and _in_64ths(size):
        return MM_PER_INCH, _guess_note("inches", size, MM_PER_INCH)
    if longest < INCHES_BELOW:
        text = f"the part is only {_box(size)}: if it was drawn in inches, add --units in"
        return 1.0, Note("units", text)
    if longest > limit:
        text = f"the part is {_box(size)}: if it was drawn in a smaller unit, add --units um or --units mil"
        return 1.0, Note("units", text)
    return 1.0, None


def _in_64ths(size: NDArray[np.float64]) -> bool:
    """Whether all sides are whole 64ths, and one is no multiple of a half: inches look so, mm do not."""
    parts = size * 64
    whole = np.abs(parts - np.round(parts)) < 64 * 2e-4
    return bool(whole.all() and np.any(np.abs(size * 2 - np.round(size * 2)) > 1e-3))


def _guess_note(name: str, size: NDArray[np.float64], factor: float) -> Note:
    """Say that a unit was guessed, and how to overrule it."""
    text = (
        f"the part would be {_box(size)}: taken as {name} by its size, {_box(size * factor)}; "
        "if that is wrong, add --units mm"
    )
    return Note("units", text)


def _box(size: NDArray[np.float64]) -> str:
    """Write a size in mm."""
    return " × ".join(f"{side:.4g}" for side in size) + " mm"
