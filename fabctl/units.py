"""Units: the only file with 25.4 in it.

Inside fabctl a length is mm, a feed mm/min, a time s, an angle deg, a rotation rpm, a power W.
Strings with units exist only in TOML files, designs and on the command line; they are parsed here.
"""

from __future__ import annotations

import math
import re

from fabctl.errors import InputError

MM_PER_INCH = 25.4
"""Exact by the international yard and pound agreement of 1959."""

LENGTH_MM: dict[str, float] = {
    "mm": 1.0,
    "cm": 10.0,
    "m": 1000.0,
    "in": MM_PER_INCH,
    "inch": MM_PER_INCH,
    "ft": MM_PER_INCH * 12,
    "pt": MM_PER_INCH / 72,
    "pc": MM_PER_INCH / 6,
    "mil": MM_PER_INCH / 1000,
    "thou": MM_PER_INCH / 1000,
    "dm": 100.0,
    "um": 1e-3,
    "µm": 1e-3,
    '"': MM_PER_INCH,
}
"""Millimetres in one of each length unit a person may write, the usual ones first."""

UNIT_WORDS = ", ".join(unit for unit in LENGTH_MM if unit.isascii() and unit.isalpha())
"""The units as a message lists them: those that need no quoting, the usual ones first."""

_LENGTH = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([a-zµA-Z\"]*)\s*")


def parse_length_mm(text: str, *, default_unit: str = "mm") -> float:
    """Parse a length a person wrote, such as ``12mm``, ``1/2 in`` is not accepted, ``0.5 in`` is.

    Parameters
    ----------
    text : str
        A number with an optional unit.
    default_unit : str
        The unit of a bare number; a key of `LENGTH_MM`.

    Returns
    -------
    float
        Length in mm.

    Raises
    ------
    InputError
        When the text is no finite number or the unit is unknown.

    Examples
    --------
    >>> parse_length_mm("0.5in")
    12.7
    >>> parse_length_mm("3")
    3.0
    """
    match = _LENGTH.fullmatch(text)
    unit = (match.group(2) or default_unit).lower() if match else ""
    if match is None or unit not in LENGTH_MM:
        raise InputError(
            f"{text!r} is not a length",
            remedy=f"write a number with one of {UNIT_WORDS}",
        )
    value = float(match.group(1)) * LENGTH_MM[unit]
    if not math.isfinite(value):
        raise InputError(f"{text!r} is not a finite length", remedy="write an ordinary number")
    return value


def format_duration(seconds: float) -> str:
    """Write a time in s as a person says it.

    Examples
    --------
    >>> format_duration(3725)
    '1 h 02 min 05 s'
    >>> format_duration(61.4)
    '1 min 01 s'
    >>> format_duration(2.25)
    '2.2 s'
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours} h {minutes:02d} min {rest:02d} s" if hours else f"{minutes} min {rest:02d} s"
