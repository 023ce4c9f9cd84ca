"""SVG shapes and path data as rows of lines, cubic Béziers and elliptic arcs, in user units.

A quadratic Bézier is raised to a cubic, which is exact; an arc keeps its centre and two half axes, which
any affine map carries to the same form. Points are complex numbers here: paths are walked one command at a
time anyway, since each begins where the one before it ended.
"""

from __future__ import annotations

import cmath
import math
import re
from array import array
from collections.abc import Callable, Iterator

from fabctl.design.svg_units import NUMBER
from fabctl.errors import DesignError

LINE, CUBIC, ARC = 0.0, 1.0, 2.0
COLUMNS = 13
"""kind, start, end; then of a CUBIC both control points, of an ARC centre, half axes u, v, from and sweep."""

LARGEST_SEGMENTS = 1_000_000
LARGEST_PATH_CHARS = 8_000_000

_COMMAND = re.compile(r"([MmZzLlHhVvCcSsQqTtAa])([^MmZzLlHhVvCcSsQqTtAa]*+)")
_NUMBER = re.compile(NUMBER)
_NUMBERS = re.compile(rf"(?:[\s,]*+{NUMBER})*+[\s,]*+")
_ARC = re.compile(rf"[\s,]*+({NUMBER})" * 3 + r"[\s,]*+([01])" * 2 + rf"[\s,]*+({NUMBER})" * 2)
_ARITY = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "S": 4, "Q": 4, "T": 2, "A": 7}
_CONTINUES = {"S": "CS", "T": "QT"}
_NO_DATA = (0.0,) * 8


class Pen:
    """Collects the rows of all shapes of a drawing.

    Attributes
    ----------
    rows : array of float64
        `COLUMNS` numbers a segment.
    heads : list of int
        The first row of each sub-path.
    closed : list of bool
        Whether the sub-path was closed.
    empty : int
        Sub-paths without a segment so far.
    at, begin : complex
        The current point and the first point of the sub-path.
    """

    def __init__(self) -> None:
        self.rows = array("d")
        self.heads: list[int] = []
        self.closed: list[bool] = []
        self.empty = 0
        self.at = self.begin = 0j
        self.control: complex | None = None
        self._fresh = True

    def __len__(self) -> int:
        return len(self.rows) // COLUMNS

    def move(self, to: complex) -> None:
        """Begin a sub-path."""
        self.at = self.begin = to
        self._fresh = True

    def _add(self, kind: float, to: complex, data: tuple[float, ...]) -> None:
        if self._fresh:
            self.heads.append(len(self))
            self.closed.append(False)
            self._fresh = False
        if len(self.rows) >= COLUMNS * LARGEST_SEGMENTS:
            raise _too_many()
        self.rows.extend((kind, self.at.real, self.at.imag, to.real, to.imag, *data))
        self.at = to

    def line(self, to: complex) -> None:
        """Draw a line."""
        self._add(LINE, to, _NO_DATA)

    def cubic(self, first: complex, second: complex, to: complex) -> None:
        """Draw a cubic Bézier."""
        data = (first.real, first.imag, second.real, second.imag, 0.0, 0.0, 0.0, 0.0)
        self._add(CUBIC, to, data)

    def arc(self, centre: complex, u: complex, v: complex, begin: float, sweep: float, to: complex) -> None:
        """Draw centre + u·cos t + v·sin t for t from begin over sweep, rad."""
        data = (centre.real, centre.imag, u.real, u.imag, v.real, v.imag, begin, sweep)
        self._add(ARC, to, data)

    def close(self) -> None:
        """Go back to the first point of the sub-path."""
        if not self._fresh:
            if self.at != self.begin:
                self.line(self.begin)
            self.closed[-1] = True
        else:
            self.empty += 1
        self.at = self.begin
        self._fresh = True


def _too_many() -> DesignError:
    return DesignError(f"more than {LARGEST_SEGMENTS} segments", remedy="simplify or split the drawing")


def ellipse(pen: Pen, centre: complex, rx: float, ry: float) -> None:
    """Draw a circle or an ellipse; nothing when a radius is not above zero."""
    if min(rx, ry) <= 0:
        pen.empty += 1
        return
    pen.move(centre + rx)
    pen.arc(centre, complex(rx), 1j * ry, 0.0, 2 * math.pi, centre + rx)
    pen.close()


def rectangle(pen: Pen, corner: complex, width: float, height: float, rx: float, ry: float) -> None:
    """Draw a rectangle with rounded corners; nothing when a side is not above zero."""
    if min(width, height) <= 0:
        pen.empty += 1
        return
    rx, ry = min(max(rx, 0.0), width / 2), min(max(ry, 0.0), height / 2)
    if not rx or not ry:
        rx = ry = 0.0
    pen.move(corner + rx)
    corners = ((width, 0.0), (width, height), (0.0, height), (0.0, 0.0))
    inward = ((-1, 1), (-1, -1), (1, -1), (1, 1))
    for turn, ((x, y), (sx, sy)) in enumerate(zip(corners, inward, strict=True)):
        across, along = complex(x + sx * rx, y), complex(x, y + sy * ry)
        before, after = (across, along) if turn % 2 == 0 else (along, across)
        if pen.at != corner + before:
            pen.line(corner + before)
        if rx:
            centre = corner + complex(x + sx * rx, y + sy * ry)
            pen.arc(centre, complex(rx), 1j * ry, (turn - 1) * math.pi / 2, math.pi / 2, corner + after)
    pen.close()


def polyline(pen: Pen, text: str, *, closed: bool) -> None:
    """Draw the points of a polyline or polygon.

    Raises
    ------
    DesignError
        When the points cannot be read or their number is odd.
    """
    if len(text) > LARGEST_PATH_CHARS:
        raise _too_many()
    values = _values(text, 0)
    if len(values) % 2:
        raise DesignError(f"points has {len(values)} numbers, expected pairs", remedy="draw the shape again")
    if len(values) < 4:
        pen.empty += 1
        return
    pen.move(complex(values[0], values[1]))
    for i in range(2, len(values), 2):
        pen.line(complex(values[i], values[i + 1]))
    if closed:
        pen.close()


def path(pen: Pen, text: str) -> None:
    """Draw path data.

    Parameters
    ----------
    pen : Pen
    text : str
        Value of ``d``.

    Raises
    ------
    DesignError
        When it cannot be read to its end; the standard would draw up to the error, but half a contour is
        worse than none.

    Source
    ------
    SVG 2, chapter 9 and appendix B.2 (arc implementation notes).
    """
    if len(text) > LARGEST_PATH_CHARS:
        raise DesignError("a single path of more than 8 MB", remedy="split the path")
    pen.move(0j)
    drawn, previous = len(pen), ""
    for command, values, place in _commands(text):
        letter = command.upper()
        if not previous and letter != "M":
            raise DesignError(
                f"path data begins with {command!r} at character {place}, expected M",
                remedy="draw the path again",
            )
        if letter == "Z":
            pen.close()
        else:
            if previous not in _CONTINUES.get(letter, ""):
                pen.control = None
            _DRAW[letter](pen, values, command.islower())
        previous = letter
    if len(pen) == drawn:
        pen.empty += 1


def _commands(text: str) -> Iterator[tuple[str, array[float], int]]:
    """Yield command, its numbers, and its 1-based character."""
    lead = len(text) - len(text.lstrip())
    if lead < len(text) and _COMMAND.match(text, lead) is None:
        raise _syntax(text, lead)
    for count, found in enumerate(_COMMAND.finditer(text)):
        if count > LARGEST_SEGMENTS:
            raise _too_many()
        command, arguments = found.groups()
        at = found.start()
        arity = _ARITY.get(command.upper(), 0)
        values = _arc_values(arguments, at + 1) if arity == 7 else _values(arguments, at + 1)
        if (arity and (not values or len(values) % arity)) or (not arity and values):
            raise DesignError(
                f"path data at character {at + 1}: {command} takes {arity or 'no'} numbers, "
                f"{len(values)} follow",
                remedy="delete or redraw the path; the standard would draw it up to here",
            )
        yield command, values, at + 1


def _syntax(text: str, at: int, offset: int = 0) -> DesignError:
    return DesignError(
        f"path data or points cannot be read at character {at + offset + 1}: {text[at : at + 12].strip()!r}",
        remedy="delete or redraw the shape; the standard would draw it up to here",
    )


def _values(text: str, offset: int) -> array[float]:
    read = _NUMBERS.match(text)
    end = read.end() if read else 0
    if end < len(text):
        raise _syntax(text, end, offset)
    values = array("d", map(float, _NUMBER.findall(text)))
    return _finite(values, text, offset)


def _arc_values(text: str, offset: int) -> array[float]:
    """Read the arguments of arcs, whose two flags may stand without any space."""
    values = array("d")
    at, end = 0, len(text.rstrip(" ,\t\r\n"))
    while at < end:
        found = _ARC.match(text, at)
        if found is None:
            raise _syntax(text, at, offset)
        values.extend(map(float, found.groups()))
        at = found.end()
    return _finite(values, text, offset)


def _finite(values: array[float], text: str, offset: int) -> array[float]:
    if not all(map(math.isfinite, values)):
        raise DesignError(
            f"a number past every measure at character {offset + 1}: {text.strip()[:24]!r}",
            remedy="delete or redraw the shape",
        )
    return values


def _points(pen: Pen, values: array[float], count: int, *, relative: bool) -> Iterator[list[complex]]:
    """Yield ``count`` points at a time, relative ones from where the pen then is."""
    for i in range(0, len(values), 2 * count):
        base = pen.at if relative else 0j
        yield [base + complex(values[j], values[j + 1]) for j in range(i, i + 2 * count, 2)]


def _draw_move(pen: Pen, values: array[float], relative: bool) -> None:  # noqa: FBT001 - table below
    for i, (to,) in enumerate(_points(pen, values, 1, relative=relative)):
        if i:
            pen.line(to)
        else:
            pen.move(to)


def _draw_line(pen: Pen, values: array[float], relative: bool) -> None:  # noqa: FBT001
    for (to,) in _points(pen, values, 1, relative=relative):
        pen.line(to)


def _draw_horizontal(pen: Pen, values: array[float], relative: bool) -> None:  # noqa: FBT001
    for x in values:
        pen.line(complex(x + (pen.at.real if relative else 0.0), pen.at.imag))


def _draw_vertical(pen: Pen, values: array[float], relative: bool) -> None:  # noqa: FBT001
    for y in values:
        pen.line(complex(pen.at.real, y + (pen.at.imag if relative else 0.0)))


def _draw_cubic(pen: Pen, values: array[float], relative: bool) -> None:  # noqa: FBT001
    for first, second, to in _points(pen, values, 3, relative=relative):
        pen.cubic(first, second, to)
        pen.control = second


def _draw_smooth(pen: Pen, values: array[float], relative: bool) -> None:  # noqa: FBT001
    for second, to in _points(pen, values, 2, relative=relative):
        first = pen.at if pen.control is None else 2 * pen.at - pen.control
        pen.cubic(first, second, to)
        pen.control = second


def _quadratic(pen: Pen, control: complex, to: complex) -> None:
    pen.cubic(pen.at + (control - pen.at) * (2 / 3), to + (control - to) * (2 / 3), to)
    pen.control = control


def _draw_quadratic(pen: Pen, values: array[float], relative: bool) -> None:  # noqa: FBT001
    for control, to in _points(pen, values, 2, relative=relative):
        _quadratic(pen, control, to)


def _draw_smooth_quadratic(pen: Pen, values: array[float], relative: bool) -> None:  # noqa: FBT001
    for (to,) in _points(pen, values, 1, relative=relative):
        _quadratic(pen, pen.at if pen.control is None else 2 * pen.at - pen.control, to)


def _draw_arc(pen: Pen, values: array[float], relative: bool) -> None:  # noqa: FBT001
    for i in range(0, len(values), 7):
        rx, ry, tilt_deg, large, sweep, x, y = values[i : i + 7]
        to = complex(x, y) + (pen.at if relative else 0j)
        _elliptic(pen, abs(rx), abs(ry), tilt_deg, bool(large), bool(sweep), to)


def _elliptic(pen: Pen, rx: float, ry: float, tilt_deg: float, large: bool, sweep: bool, to: complex) -> None:  # noqa: FBT001
    """Draw an arc given by its end points: centre and angles by SVG 2, B.2.4, radii grown by B.2.5."""
    if to == pen.at:
        return
    if not rx or not ry:
        pen.line(to)
        return
    tilt = cmath.rect(1.0, math.radians(tilt_deg))
    half = (pen.at - to) / 2 / tilt
    x, y = half.real / rx, half.imag / ry
    reach = x * x + y * y
    if reach > 1:
        rx, ry = rx * math.sqrt(reach), ry * math.sqrt(reach)
        x, y, reach = half.real / rx, half.imag / ry, 1.0
    away = math.sqrt(max(1 / reach - 1, 0.0)) * (-1 if large == sweep else 1)
    middle = complex(y, -x) * away
    begin = cmath.phase(complex(x, y) - middle)
    turn = cmath.phase((complex(-x, -y) - middle) / (complex(x, y) - middle))
    if sweep and turn <= 0:
        turn += 2 * math.pi
    elif not sweep and turn >= 0:
        turn -= 2 * math.pi
    centre = complex(middle.real * rx, middle.imag * ry) * tilt + (pen.at + to) / 2
    pen.arc(centre, rx * tilt, 1j * ry * tilt, begin, turn, to)


_DRAW: dict[str, Callable[[Pen, array[float], bool], None]] = {
    "M": _draw_move,
    "L": _draw_line,
    "H": _draw_horizontal,
    "V": _draw_vertical,
    "C": _draw_cubic,
    "S": _draw_smooth,
    "Q": _draw_quadratic,
    "T": _draw_smooth_quadratic,
    "A": _draw_arc,
}
