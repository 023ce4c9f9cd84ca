"""SVG lengths, viewports and transforms: how large one user unit is and where it lies."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from fabctl.design.svg_xml import Document, Node
from fabctl.errors import DesignError
from fabctl.units import LENGTH_MM, MM_PER_INCH, UNIT_WORDS

Matrix = tuple[float, float, float, float, float, float]
"""a, b, c, d, e, f of SVG: x' = a·x + c·y + e, y' = b·x + d·y + f."""

IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
NUMBER = r"[-+]?+(?:[0-9]++\.?+[0-9]*+|\.[0-9]++)(?:[eE][-+]?+[0-9]++)?+"

_LENGTH = re.compile(rf"\s*({NUMBER})\s*([A-Za-z%]*)\s*")
_NUMBERS = re.compile(NUMBER)
_TRANSFORM = re.compile(rf"[\s,]*([A-Za-z]+)\s*\(((?:[\s,]*+{NUMBER}(?:px|deg)?+)*+)[\s,]*\)[\s;]*")
_INKSCAPE = re.compile(r"\s*([0-9]+)\.([0-9]+)")
_ILLUSTRATOR = re.compile(r"Generator:\s*Adobe Illustrator")
_ABSOLUTE_MM = {unit: LENGTH_MM[unit] for unit in ("mm", "cm", "in", "pt", "pc")} | {"q": 0.25}
_PAPERS_MM = {
    "A0": (841, 1189),
    "A1": (594, 841),
    "A2": (420, 594),
    "A3": (297, 420),
    "A4": (210, 297),
    "A5": (148, 210),
    "Letter": (8.5 * MM_PER_INCH, 11 * MM_PER_INCH),
    "Legal": (8.5 * MM_PER_INCH, 14 * MM_PER_INCH),
    "Tabloid": (11 * MM_PER_INCH, 17 * MM_PER_INCH),
}


@dataclass(frozen=True)
class Pixel:
    """How large one px, which is one user unit without a viewBox, is.

    Parameters
    ----------
    size_mm : float
        Side of one px, mm.
    reason : str
        What the size was decided from, for a Note.
    sure : bool
        Whether the file itself says so, or only the standard.
    """

    size_mm: float
    reason: str
    sure: bool = True


@dataclass(frozen=True)
class Page:
    """The outermost viewport.

    Parameters
    ----------
    pixel : Pixel
    matrix : Matrix
        From user units to px, y down.
    width_px, height_px : float or None
        Size of the page; None where the file gives none.
    user_width, user_height : float
        What percentages are of, user units.
    from_px : bool
        Whether the size of a px matters to the size of the drawing.
    """

    pixel: Pixel
    matrix: Matrix
    width_px: float | None
    height_px: float | None
    user_width: float
    user_height: float
    from_px: bool


def multiply(m: Matrix, n: Matrix) -> Matrix:
    """Return the map that applies n first and m after it."""
    return (
        m[0] * n[0] + m[2] * n[1],
        m[1] * n[0] + m[3] * n[1],
        m[0] * n[2] + m[2] * n[3],
        m[1] * n[2] + m[3] * n[3],
        m[0] * n[4] + m[2] * n[5] + m[4],
        m[1] * n[4] + m[3] * n[5] + m[5],
    )


def length(text: str, pixel_mm: float, *, font: float = 16.0, span: float = 100.0) -> float:
    """Parse a length.

    Parameters
    ----------
    text : str
        Such as ``12``, ``3.5mm``, ``20%``.
    pixel_mm : float
        Side of one px, mm.
    font : float
        What 1 em is, user units.
    span : float
        What 100 % is, user units.

    Returns
    -------
    float
        User units.

    Raises
    ------
    DesignError
        When it is no finite number or its unit is unknown.

    Examples
    --------
    >>> length("10mm", 0.25), length("20%", 0.25, span=50), length("2em", 0.25)
    (40.0, 10.0, 32.0)
    """
    match = _LENGTH.fullmatch(text)
    if match and not match.group(2) and math.isfinite(plain := float(match.group(1))):
        return plain
    unit = match.group(2).lower() if match else ""
    number = float(match.group(1)) if match else math.nan
    factors = {"": 1.0, "px": 1.0, "%": span / 100, "em": font, "rem": 16.0, "ex": font / 2, "ch": font / 2}
    factor = _ABSOLUTE_MM[unit] / pixel_mm if unit in _ABSOLUTE_MM else factors.get(unit, math.nan)
    if not math.isfinite(number * factor):
        raise DesignError(
            f"{text[:40]!r} is not a length",
            remedy="write a finite number with one of px, mm, cm, in, pt, pc, Q, em, ex, % or no unit",
        )
    return number * factor


def transform(text: str) -> Matrix:
    """Parse the value of a transform attribute.

    Raises
    ------
    DesignError
        When a function is unknown, has a wrong number of arguments or one that is not finite.

    Examples
    --------
    >>> transform("translate(1 2) scale(3)")
    (3.0, 0.0, 0.0, 3.0, 1.0, 2.0)
    """
    matrix, at = IDENTITY, 0
    end = len(text.rstrip())
    while at < end:
        match = _TRANSFORM.match(text, at)
        single = match and _single(match.group(1), [float(v) for v in _NUMBERS.findall(match.group(2))])
        if match is None or single is None:
            if not at and text.strip() in ("none", ""):
                return IDENTITY
            raise DesignError(
                f"transform {text[:60]!r} cannot be read at character {at + 1}",
                remedy="expected matrix, translate, scale, rotate, skewX or skewY with their numbers",
            )
        matrix, at = multiply(matrix, single), match.end()
    if not all(map(math.isfinite, matrix)):
        raise DesignError(f"transform {text[:60]!r} is not finite", remedy="write ordinary numbers")
    return matrix


def _single(name: str, v: list[float]) -> Matrix | None:
    """Return the matrix of one transform function, None when it is not one."""
    match (name.lower(), len(v)):
        case ("matrix", 6):
            return (v[0], v[1], v[2], v[3], v[4], v[5])
        case ("translate", 1 | 2):
            return (1.0, 0.0, 0.0, 1.0, v[0], v[1] if len(v) > 1 else 0.0)
        case ("scale", 1 | 2):
            return (v[0], 0.0, 0.0, v[-1], 0.0, 0.0)
        case ("rotate", 1 | 3):
            cos, sin = _cos_sin(v[0])
            turn: Matrix = (cos, sin, -sin, cos, 0.0, 0.0)
            return turn if len(v) == 1 else about(turn, v[1], v[2])
        case ("skewx", 1):
            return (1.0, 0.0, math.tan(math.radians(v[0])), 1.0, 0.0, 0.0)
        case ("skewy", 1):
            return (1.0, math.tan(math.radians(v[0])), 0.0, 1.0, 0.0, 0.0)
    return None


def _cos_sin(angle_deg: float) -> tuple[float, float]:
    """Return cosine and sine, exact at quarter turns."""
    quarter, rest = divmod(angle_deg, 90.0) if math.isfinite(angle_deg) else (0.0, math.nan)
    if rest == 0.0:
        return ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[int(quarter) % 4]
    return math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))


def about(matrix: Matrix, x: float, y: float) -> Matrix:
    """Return the map applied around a point instead of the origin."""
    return multiply(multiply((1.0, 0.0, 0.0, 1.0, x, y), matrix), (1.0, 0.0, 0.0, 1.0, -x, -y))


def view_box(node: Node) -> tuple[float, float, float, float] | None:
    """Return the viewBox of an element, None when it has none.

    Raises
    ------
    DesignError
        When it is not four finite numbers, the last two above zero.
    """
    text = node.attributes.get("viewBox", "").strip()
    if not text or text == "none":
        return None
    numbers = [float(part) for part in _NUMBERS.findall(text)]
    left_over = _NUMBERS.sub("", text).strip(" ,\t\r\n")
    if len(numbers) != 4 or left_over or not all(map(math.isfinite, numbers)) or min(numbers[2:]) <= 0:
        raise DesignError(
            f"viewBox={text[:60]!r} must be four numbers: x y width height, width and height above zero",
            remedy="set the page size again in the drawing program",
        )
    return (numbers[0], numbers[1], numbers[2], numbers[3])


def fit(box: tuple[float, float, float, float], width: float, height: float, rule: str) -> Matrix:
    """Map a viewBox into a viewport by preserveAspectRatio.

    Parameters
    ----------
    box : (x, y, width, height)
        User units inside.
    width, height : float
        The viewport, units outside.
    rule : str
        Value of preserveAspectRatio; ``""`` is ``xMidYMid meet``.

    Returns
    -------
    Matrix
        From inside to outside.
    """
    sx, sy = width / box[2], height / box[3]
    words = rule.split()
    align = next((word for word in words if word.startswith("x")), "xMidYMid")
    if "none" not in words:
        sx = sy = max(sx, sy) if "slice" in words else min(sx, sy)
    share = {"Min": 0.0, "Mid": 0.5, "Max": 1.0}
    dx = (width - box[2] * sx) * share.get(align[1:4], 0.5)
    dy = (height - box[3] * sy) * share.get(align[5:8], 0.5)
    return (sx, 0.0, 0.0, sy, dx - box[0] * sx, dy - box[1] * sy)


def pixel_of(document: Document, units: str | None) -> Pixel:
    """Decide how large one px is: by the person's word, the writer's sign, the page, or the standard.

    Parameters
    ----------
    document : Document
    units : str or None
        A unit of `fabctl.units.LENGTH_MM` for one user unit, or ``px90`` for 90 px per inch.

    Returns
    -------
    Pixel

    Raises
    ------
    InputError
        When units is neither.

    Source
    ------
    CSS Values 4, § 6.2 (96 px per inch); Inkscape 0.92 release notes (90 before); Adobe Illustrator's SVG
    export writes points as px.
    """
    if units:
        return _pixel_of_units(units)
    root = document.root
    inkscape = _INKSCAPE.match(root.attributes.get("inkscape:version", ""))
    if inkscape:
        version = (int(inkscape.group(1)), int(inkscape.group(2)))
        name = f"Inkscape {version[0]}.{version[1]}"
        if version < (0, 92):
            return Pixel(MM_PER_INCH / 90, f"{name} wrote it, with 90 px per inch")
        return Pixel(MM_PER_INCH / 96, f"{name} wrote it, with 96 px per inch")
    if _ILLUSTRATOR.search(document.comments) or ("data-name" in root.attributes and "id" in root.attributes):
        return Pixel(MM_PER_INCH / 72, "Adobe Illustrator wrote it, with 72 px per inch")
    paper = _paper(root)
    if paper:
        return Pixel(MM_PER_INCH / paper[1], f"its page is {paper[0]} at {paper[1]} px per inch")
    return Pixel(MM_PER_INCH / 96, "96 px per inch by the SVG standard: the file does not say", sure=False)


def _pixel_of_units(units: str) -> Pixel:
    name = units.strip().lower()
    match = re.fullmatch(r"(?:px)?\s*([0-9]+(?:\.[0-9]+)?)\s*(?:px|dpi|ppi)?", name)
    if match and float(match.group(1)) > 0:
        return Pixel(MM_PER_INCH / float(match.group(1)), f"{match.group(1)} px per inch as asked")
    if name == "px":
        return Pixel(MM_PER_INCH / 96, "96 px per inch as asked")
    if name not in LENGTH_MM:
        raise DesignError(
            f"{units!r} is no unit of a drawing",
            remedy=f"use one of {UNIT_WORDS}, or px96, px90, px72",
        )
    return Pixel(LENGTH_MM[name], f"one user unit is 1 {name} as asked")


def _paper(root: Node) -> tuple[str, int] | None:
    """Return the one paper size and px per inch the page fits to half a px, None when there is none."""
    sizes: list[float] = []
    for key in ("width", "height"):
        match = _LENGTH.fullmatch(root.attributes.get(key, ""))
        if match is None or match.group(2).lower() not in ("", "px"):
            return None
        sizes.append(float(match.group(1)))
    short, long = sorted(sizes)
    found = [
        (name, ppi)
        for name, (w, h) in _PAPERS_MM.items()
        for ppi in (96, 90, 72)
        if abs(w / MM_PER_INCH * ppi - short) < 0.6 and abs(h / MM_PER_INCH * ppi - long) < 0.6
    ]
    return found[0] if len(found) == 1 else None


def page_of(document: Document, units: str | None) -> Page:
    """Find the size and the scale of the drawing.

    Parameters
    ----------
    document : Document
    units : str or None
        As of `pixel_of`.

    Returns
    -------
    Page

    Raises
    ------
    DesignError
        When width, height or viewBox cannot be what they claim; InputError for units.
    """
    root = document.root
    pixel = pixel_of(document, units)
    box = view_box(root)
    given = {key: _outer_length(root, key, pixel) for key in ("width", "height")}
    width, height = given["width"], given["height"]
    physical = any(_physical(root.attributes.get(key, "")) for key in given)
    if box is not None and units and units.strip().lower() in LENGTH_MM:
        # A person's word on the user unit overrules the page's size.
        width, height, physical = box[2], box[3], False
    if box is None:
        return Page(pixel, IDENTITY, width, height, width or 100.0, height or 100.0, from_px=True)
    width, height = _filled_in(width, height, box[2], box[3])
    matrix = fit(box, width, height, root.attributes.get("preserveAspectRatio", ""))
    return Page(pixel, matrix, width, height, box[2], box[3], from_px=not physical)


def _filled_in(
    width: float | None, height: float | None, user_width: float, user_height: float
) -> tuple[float, float]:
    """Return width and height, what is missing taken from the viewBox and its proportion."""
    if width is None:
        width = user_width if height is None else height * user_width / user_height
        return width, user_height if height is None else height
    return width, width * user_height / user_width if height is None else height


def _physical(text: str) -> bool:
    match = _LENGTH.fullmatch(text)
    return bool(match and match.group(2).lower() in _ABSOLUTE_MM)


def _outer_length(root: Node, key: str, pixel: Pixel) -> float | None:
    """Return the page's width or height in px; None when it is left to the viewBox."""
    text = root.attributes.get(key, "").strip()
    if text in ("", "auto") or text.endswith("%"):
        return None
    try:
        value = length(text, pixel.size_mm)
    except DesignError as error:
        raise DesignError(f"{key}={error.problem}", place=f"line {root.line}", remedy=error.remedy) from error
    if value <= 0:
        raise DesignError(
            f"{key}={text[:40]!r} must be above zero",
            place=f"line {root.line}",
            remedy="set the page size again in the drawing program",
        )
    return value
