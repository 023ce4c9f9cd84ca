"""Read SVG: outlines in mm, y up from the bottom of the page, with all that was left out said.

What makes a drawing come in at the wrong size is decided in `fabctl.design.svg_units` and always said in a
Note of the kind ``units``. Placement on the stock is not decided here.
"""

from __future__ import annotations

import numpy as np

from fabctl.design.finish import finish, listed
from fabctl.design.model import Design, Note
from fabctl.design.svg_curves import curves_of
from fabctl.design.svg_tree import Drawing
from fabctl.design.svg_units import Page, page_of
from fabctl.design.svg_xml import parse
from fabctl.errors import DesignError
from fabctl.geometry.curves import extents

TOLERANCE_MM = 0.01
"""Chord tolerance unless another is asked for, mm."""

_LEFT_OUT = {
    "text": (
        "text",
        (
            "{n} text element{s} {are} not cut ({names}): a font is no outline. Convert text to paths "
            "(Inkscape: Path › Object to Path; Illustrator: Type › Create Outlines)"
        ),
    ),
    "hidden": (
        "hidden",
        "{n} hidden shape{s} {are} not cut ({names}): show {them} in the drawing if meant",
    ),
    "unpainted": (
        "hidden",
        "{n} shape{s} without stroke and fill {are} not cut ({names}): give {them} a stroke if meant",
    ),
    "unused": (
        "skipped",
        "{n} shape{s} in definitions, symbols, masks or clip paths {are} not cut by {themselves}",
    ),
    "empty": ("degenerate", "{n} shape{s} without size {are} left out ({names})"),
    "singular": ("degenerate", "{n} shape{s} scaled to nothing {are} left out ({names})"),
    "image": ("image", "{n} image{s} {are} not read ({names}): engrave pictures as a job of their own"),
    "foreignObject": ("skipped", "{n} foreignObject{s} {are} left out ({names})"),
    "script": ("skipped", "{n} script{s} {are} left out and never run"),
    "href": (
        "skipped",
        "{n} reference{s} to something not in this file {are} left out, nothing was opened ({names})",
    ),
    "cycle": (
        "skipped",
        "{n} use element{s} {are} left out ({names}): they draw {themselves} without end, or too deep",
    ),
    "dash": (
        "dash",
        (
            "{n} dashed shape{s} {are} cut as whole lines ({names}): break {them} up in the drawing if the "
            "gaps are meant (Inkscape: Extensions › Modify Path › Convert to Dashes)"
        ),
    ),
    "clip": (
        "clip",
        (
            "{n} clipped or masked element{s} {are} cut whole ({names}): cut {them} to shape in the drawing "
            "(Inkscape: Path › Intersection)"
        ),
    ),
    "css": ("css", "{n} style rule{s} {are} not followed ({names})"),
}


def read_svg(
    data: bytes,
    source: str,
    *,
    units: str | None = None,
    tolerance_mm: float = TOLERANCE_MM,
    largest_mm: float | None = None,
) -> Design:
    """Read an SVG drawing, ready to be made.

    Parameters
    ----------
    data : bytes
        The file, plain or gzip.
    source : str
        The file as the person named it.
    units : str, optional
        What one user unit (px) is: a unit such as ``mm``, or ``px90`` for 90 px per inch. Sizes the file
        states in mm or in stay as they are.
    tolerance_mm : float
        Largest distance of a chord from the curve it stands for, mm.
    largest_mm : float, optional
        The machine's larger travel; a larger drawing gets a Note, mm.

    Returns
    -------
    Design
        Duplicates removed, loops joined; see `fabctl.design.finish.finish`.

    Raises
    ------
    DesignError
        When the file cannot be read as SVG, or nothing in it can be cut.

    Examples
    --------
    >>> drawing = b'<svg width="20mm" height="10mm" viewBox="0 0 20 10"><circle r="2" cx="4" cy="7"/></svg>'
    >>> design = read_svg(drawing, "dot.svg")
    >>> [round(edge, 9) for edge in extents(design.curves)]
    [2.0, 1.0, 6.0, 5.0]
    """
    return finish(outline(data, source, units=units, tolerance_mm=tolerance_mm), largest_mm=largest_mm)


def outline(
    data: bytes, source: str, *, units: str | None = None, tolerance_mm: float = TOLERANCE_MM
) -> Design:
    """Read an SVG drawing as it stands: nothing removed, nothing joined, perhaps nothing there.

    Parameters
    ----------
    data, source, units, tolerance_mm
        As of `read_svg`.

    Returns
    -------
    Design
        One path a sub-path.

    Raises
    ------
    DesignError
        When the file cannot be read as SVG.
    """
    try:
        document = parse(data)
        page = page_of(document, units)
        drawing = Drawing(document, page)
        drawing.walk()
        element = np.array(drawing.element, np.int64)
        curves = curves_of(drawing.pen, drawing.matrices, element, drawing.ident, tolerance_mm)
    except DesignError as error:
        error.file = source
        raise
    if page.height_px is None and len(curves):
        # Without a page the bottom of the drawing is where y begins.
        curves = curves.transform([[1.0, 0.0, 0.0], [0.0, 1.0, -extents(curves)[1]]])
    notes = [*document.notes, _units_note(page), *_left_out_notes(drawing.left_out)]
    return Design(
        source,
        curves,
        layer=tuple(drawing.layer[i] for i in drawing.element),
        colour=tuple(drawing.colour[i] for i in drawing.element),
        ident=tuple(drawing.ident[i] for i in drawing.element),
        notes=tuple(notes),
    )


def _units_note(page: Page) -> Note:
    side = page.pixel.size_mm
    scale = page.matrix[0] * side
    size = (
        f"page {page.width_px * side:.6g} × {page.height_px * side:.6g} mm"
        if page.width_px is not None and page.height_px is not None
        else "no page size: y begins at the drawing's lower edge"
    )
    if not page.from_px:
        return Note("units", f"{size}, one user unit is {scale:.6g} mm, as the file says")
    hint = "" if page.pixel.sure else "; if the size is wrong, give the units (mm, in, px90, px72)"
    return Note("units", f"one user unit is {scale:.6g} mm ({page.pixel.reason}), {size}{hint}")


def _left_out_notes(left_out: dict[str, list[str]]) -> list[Note]:
    notes = []
    for key, (kind, text) in _LEFT_OUT.items():
        names = left_out.get(key, [])
        if names:
            one = len(names) == 1
            words = {
                "n": len(names),
                "s": "" if one else "s",
                "are": "is" if one else "are",
                "them": "it" if one else "them",
                "themselves": "itself" if one else "themselves",
                "names": listed(names),
            }
            notes.append(Note(kind, text.format(**words), names[0] if one else ""))
    return notes
