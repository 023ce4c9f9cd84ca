"""Read DXF: model space as paths in mm, y up; all that is not cut is said."""

from __future__ import annotations

from typing import Any

import numpy as np

from fabctl.design.dxf_blocks import Drawn, Walk
from fabctl.design.dxf_tags import load
from fabctl.design.dxf_units import INSUNITS_MM, declared, doubt, guess
from fabctl.design.finish import counted, finish, listed
from fabctl.design.model import Design, Note
from fabctl.errors import DesignError
from fabctl.geometry.curves import extents
from fabctl.units import MM_PER_INCH

_TEXTS = {"TEXT", "MTEXT", "ATTRIB", "ARC_ALIGNED_TEXT", "RTEXT", "SHAPE"}
_NOTES_ON_PAPER = {"DIMENSION", "LEADER", "MULTILEADER", "TOLERANCE", "ARC_DIMENSION", "ACAD_TABLE"}
_FILLED = {"HATCH", "MPOLYGON", "SOLID", "TRACE", "WIPEOUT"}
_SOLIDS = {"3DFACE", "3DSOLID", "BODY", "REGION", "MESH", "SURFACE", "POLYLINE mesh"}
_FLAT = 1e-6
_FARTHEST_MM = 1e9
# Farther out a double no longer holds a micron.


def read_dxf(
    data: bytes,
    source: str,
    *,
    units: str | None = None,
    largest_mm: float | None = None,
    tolerance_mm: float = 0.01,
) -> Design:
    """Read a DXF drawing, ready for operations.

    Parameters
    ----------
    data : bytes
        ASCII or binary DXF.
    source : str
        The file as the person named it.
    units : str, optional
        What one unit of the drawing is, such as ``mm``; overrides what the file declares.
    largest_mm : float, optional
        The machine's larger travel, mm, to judge an unlikely scale by.
    tolerance_mm : float
        Largest distance of a chord from a spline or ellipse, mm. Lines, arcs and circles stay exact.

    Returns
    -------
    Design
        Duplicates removed, loose ends joined; layer, colour and handle of each path.

    Raises
    ------
    DesignError
        When the file is no DXF, is damaged, or holds nothing to cut.
    RefusedError
        When it declares a unit that makes it larger than the machine where mm would not.
    """
    return finish(
        draw_dxf(data, source, units=units, largest_mm=largest_mm, tolerance_mm=tolerance_mm),
        largest_mm=largest_mm,
    )


def draw_dxf(
    data: bytes,
    source: str,
    *,
    units: str | None = None,
    largest_mm: float | None = None,
    tolerance_mm: float = 0.01,
) -> Design:
    """Read a DXF drawing entity by entity, as drawn: nothing joined, nothing removed.

    Parameters
    ----------
    data, source, units, largest_mm, tolerance_mm
        As `read_dxf`.

    Returns
    -------
    Design

    Raises
    ------
    DesignError, RefusedError
        As `read_dxf`.
    """
    document, tags = load(data, source)
    unit = declared(tags.units, units, source)
    # Where the unit is yet to be guessed from the size, fine enough for either guess.
    factor = unit.factor_mm if unit else MM_PER_INCH
    found = Walk(document, source, tolerance_mm / factor, handles=tags.handles).run()
    if not found.ident:
        raise _nothing(document, found, source)
    curves = found.curves()
    x0, y0, x1, y1 = extents(curves)
    size = (float(x1 - x0), float(y1 - y0))
    notes = list(tags.notes)
    if unit is None:
        unit = guess(tags.units, tags.measurement, size, largest_mm)
    elif (
        units is None and tags.units in INSUNITS_MM and (note := doubt(tags.units, size, largest_mm, source))
    ):
        notes.append(note)
    reach_mm = max(map(abs, (x0, y0, x1, y1))) * unit.factor_mm
    if reach_mm > _FARTHEST_MM:
        raise DesignError(
            f"the drawing reaches {reach_mm:.3g} mm from its origin",
            file=source,
            remedy="check its units (--units mm reads one unit as 1 mm), and delete what lies far off",
        )
    if unit.note:
        notes.append(unit.note)
    scale = np.array([[unit.factor_mm, 0, 0], [0, unit.factor_mm, 0]])
    return Design(
        source,
        curves if unit.factor_mm == 1 else curves.transform(scale),
        tuple(found.layer),
        tuple(found.colour),
        tuple(found.ident),
        notes=(*notes, *_notes(found, unit.factor_mm)),
    )


def _notes(found: Drawn, factor_mm: float) -> list[Note]:
    notes = _left_out_notes(found)
    for (layer, reason), count in sorted(found.hidden.items()):
        remedy = "switch the layer on to cut it" if reason != "invisible" else "make it visible to cut it"
        thing = f"{count} entit{'y' if count == 1 else 'ies'}"
        what = f"{thing} left out: the layer is {reason}" if reason != "invisible" else f"{thing} invisible"
        notes.append(Note("hidden", f"{what}; {remedy}", f"layer {layer}"))
    for name, count in sorted(found.missing.items()):
        text = (
            f"inserted {counted(count, 'time')}, but the file has no such block: left out; bind or explode it"
        )
        notes.append(Note("skipped", text, f"block {name}"))
    for name, count in sorted(found.cycles.items()):
        text = f"inserts itself ({counted(count, 'time')}): drawn once and not again within itself"
        notes.append(Note("skipped", text, f"block {name}"))
    if found.degenerate:
        kinds = listed(found.degenerate)
        notes.append(
            Note("degenerate", f"{len(found.degenerate)} entities there is nothing of left out: {kinds}")
        )
    low, high = min(low for low, _ in found.z), max(high for _, high in found.z)
    if max(abs(low), abs(high)) * factor_mm > _FLAT and (high - low) * factor_mm > _FLAT:
        span = f"z from {low * factor_mm:.2f} to {high * factor_mm:.2f} mm"
        notes.append(Note("flattened", f"the drawing is not flat ({span}): taken as seen from above"))
    return notes


def _left_out_notes(found: Drawn) -> list[Note]:
    """Say what kinds of things are not cut, one Note for each remedy."""
    remedies = (
        ("text", _TEXTS, "text is not cut: convert it to outlines (explode text) in the CAD program"),
        (
            "dimensions",
            _NOTES_ON_PAPER,
            "dimensions and labels are not cut: nothing to do unless it is a shape",
        ),
        ("filled", _FILLED, "fills are not cut: draw their boundary as a polyline"),
        ("solids", _SOLIDS, "faces and solids are not cut: draw their outline, or export STL"),
        ("points", {"POINT"}, "points are not cut: draw a circle where a hole is meant"),
    )
    notes = []
    left = dict(found.left_out)
    for kind, types, remedy in remedies:
        met = {name: left.pop(name) for name in sorted(types) if name in left}
        if met:
            notes.append(Note(kind, f"{_tally(met)}: {remedy}"))
    if left:
        notes.append(Note("skipped", f"{_tally(left)} not cut: explode them or redraw as lines and arcs"))
    return notes


def _tally(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def _nothing(document: Any, found: Drawn, source: str) -> DesignError:
    """Say why there is nothing to cut, by what there is instead."""
    reasons = []
    if found.left_out:
        reasons.append(f"it holds only {_tally(dict(found.left_out))}")
    reasons += [
        f"{n} entities on layer {layer!r} are {why}" for (layer, why), n in sorted(found.hidden.items())
    ]
    reasons += [f"block {name!r} is missing" for name in sorted(found.missing)]
    reasons += found.degenerate[:3]
    remedy = "draw outlines in model space with LINE, ARC, CIRCLE, polylines or splines"
    on_paper = sum(len(layout) for layout in document.layouts if layout.name != "Model")
    in_blocks = sum(len(block) for block in document.blocks if not block.is_any_layout)
    if not reasons:
        reasons.append("its model space is empty")
    if on_paper:
        reasons.append(f"{on_paper} entities are in paper space")
        remedy = "move the drawing from the layout to model space (CHSPACE or copy), then export again"
    if in_blocks:
        reasons.append(f"{in_blocks} entities are in blocks")
    return DesignError("nothing to cut: " + "; ".join(reasons), file=source, remedy=remedy)
