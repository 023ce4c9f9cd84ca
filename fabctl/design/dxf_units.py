"""What one unit of a DXF is: declared, told by the person, or guessed and said."""

from __future__ import annotations

from dataclasses import dataclass

from fabctl.design.model import Note
from fabctl.errors import DesignError, RefusedError
from fabctl.units import LENGTH_MM, MM_PER_INCH, UNIT_WORDS

INSUNITS_MM: dict[int, tuple[str, float]] = {
    1: ("inches", MM_PER_INCH),
    2: ("feet", 12 * MM_PER_INCH),
    3: ("miles", 63360 * MM_PER_INCH),
    4: ("millimetres", 1.0),
    5: ("centimetres", 10.0),
    6: ("metres", 1e3),
    7: ("kilometres", 1e6),
    8: ("microinches", MM_PER_INCH * 1e-6),
    9: ("mils", MM_PER_INCH * 1e-3),
    10: ("yards", 36 * MM_PER_INCH),
    11: ("ångström", 1e-7),
    12: ("nanometres", 1e-6),
    13: ("microns", 1e-3),
    14: ("decimetres", 100.0),
    15: ("decametres", 1e4),
    16: ("hectometres", 1e5),
    17: ("gigametres", 1e12),
    18: ("astronomical units", 1.495978707e14),
    19: ("light years", 9.4607304725808e18),
    20: ("parsecs", 3.0856775814913673e19),
    21: ("US survey feet", 1.2e6 / 3937),
    22: ("US survey inches", 1e5 / 3937),
    23: ("US survey yards", 3.6e6 / 3937),
    24: ("US survey miles", 5280 * 1.2e6 / 3937),
}
"""Name and mm of each value of $INSUNITS; 0 is unitless.

Source: Autodesk DXF reference, HEADER section; US survey foot: 1200/3937 m (Mendenhall order, 1893).
"""

TINY_MM = 12.0
"""A whole drawing smaller than this as mm, with nothing said of units, is taken for one in inches."""

COMMON_MM = 2500.0
"""What fits a workshop's machines, mm, where the machine is not known."""


@dataclass(frozen=True)
class Unit:
    """The unit chosen.

    Parameters
    ----------
    factor_mm : float
        mm in one unit of the drawing.
    note : Note or None
        What was guessed or overridden; None where the file's word was taken as it is.
    """

    factor_mm: float
    note: Note | None = None


def declared(insunits: int | None, units: str | None, source: str) -> Unit | None:
    """Take the unit the person or the file gives.

    Parameters
    ----------
    insunits : int or None
        Value of $INSUNITS.
    units : str or None
        The person's word, a key of `fabctl.units.LENGTH_MM`.
    source : str
        The file, for messages.

    Returns
    -------
    Unit or None
        None where neither says.

    Raises
    ------
    DesignError
        When the person's unit is unknown.

    Examples
    --------
    >>> declared(5, None, "a.dxf").factor_mm, declared(1, "mm", "a.dxf").factor_mm
    (10.0, 1.0)
    """
    known = INSUNITS_MM.get(insunits or 0)
    if units is None:
        return Unit(known[1]) if known else None
    if units.strip().lower() not in LENGTH_MM:
        raise DesignError(
            f"{units!r} is no unit of a DXF drawing",
            file=source,
            remedy=f"--units takes one of {UNIT_WORDS}",
        )
    factor = LENGTH_MM[units.strip().lower()]
    if known and known[1] != factor:
        return Unit(factor, Note("units", f"read in {units} as told; the file declares {known[0]}"))
    return Unit(factor)


def guess(
    insunits: int | None, measurement: int | None, size: tuple[float, float], largest_mm: float | None
) -> Unit:
    """Guess the unit from the size of the drawing.

    Millimetres, unless the whole drawing would then be tiny and inches bring it to a usual size; the
    file's $MEASUREMENT counts where it is there.

    Parameters
    ----------
    insunits : int or None
        Value of $INSUNITS, which is none of the known ones.
    measurement : int or None
        Value of $MEASUREMENT: 0 imperial, 1 metric.
    size : (float, float)
        Width and height, units of the drawing.
    largest_mm : float or None
        The machine's larger travel, mm.

    Returns
    -------
    Unit
        With its Note.

    Examples
    --------
    >>> guess(None, None, (6.4, 5.0), None).factor_mm, guess(None, None, (470, 422), None).factor_mm
    (25.4, 1.0)
    """
    longest = max(size)
    fits = longest * MM_PER_INCH <= (largest_mm or COMMON_MM)
    inches = measurement != 1 and fits and (longest < TINY_MM or (measurement == 0 and longest < 4 * TINY_MM))
    said = "gives no unit" if not insunits else f"gives $INSUNITS {insunits}, which means nothing"
    name, factor, other = ("inches", MM_PER_INCH, "mm") if inches else ("mm", 1.0, "in")
    width, height = size[0] * factor, size[1] * factor
    text = (
        f"the file {said}: taken as {name} by its size, {width:.2f} × {height:.2f} mm; "
        f"if that is wrong, add --units {other}"
    )
    return Unit(factor, Note("units", text))


def doubt(
    insunits: int | None, size: tuple[float, float], largest_mm: float | None, source: str
) -> Note | None:
    """Doubt a declared unit that makes the drawing larger than the machine when mm would not.

    Parameters
    ----------
    insunits : int or None
        Value of $INSUNITS that was taken.
    size : (float, float)
        Width and height, units of the drawing.
    largest_mm : float or None
        The machine's larger travel, mm; without it there is only a Note.
    source : str
        The file, for messages.

    Returns
    -------
    Note or None

    Raises
    ------
    RefusedError
        When the machine is known and only mm fit it.
    """
    name, factor = INSUNITS_MM[insunits or 4]
    longest, limit = max(size), largest_mm or COMMON_MM
    if factor <= 1.0 or longest * factor <= limit or longest > limit:
        return None
    width, height = size[0] * factor, size[1] * factor
    text = (
        f"the file declares {name}, which makes it {width:.1f} × {height:.1f} mm; "
        f"drawn in mm it would be {size[0]:.1f} × {size[1]:.1f} mm"
    )
    if largest_mm is None:
        return Note("units", text + ": if that is meant, add --units mm")
    raise RefusedError(
        f"{text}, and the machine travels {largest_mm:.0f} mm",
        file=source,
        remedy="add --units mm if it was drawn in mm; else take a larger machine or scale the drawing",
    )
