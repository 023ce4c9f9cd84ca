"""Read any drawing: what a file is, is decided by its first bytes, then by its name."""

from __future__ import annotations

import re
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fabctl.design.model import Design
from fabctl.errors import DesignError

if TYPE_CHECKING:
    from fabctl.design.image import Picture

LARGEST_BYTES = 200_000_000
"""A larger file is no drawing for a workshop, and would not fit in a small computer's memory."""

_DXF = re.compile(rb"\A\s*(?:999[ \t]*\r?\n[^\n]*\n\s*)*0[ \t]*\r?\n[ \t]*SECTION", re.IGNORECASE)
_XML_LOOKS = re.compile(r"\A\s*(?:<\?xml|<!DOCTYPE|<!--|<(?:[A-Za-z_][\w.-]*:)?[A-Za-z_])")
_OTHERS = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"PK\x03\x04", "a ZIP archive (perhaps 3MF)"),
    (b"ISO-10303-21", "a STEP model"),
    (b"AC10", "an AutoCAD DWG drawing"),
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a program"),
)
_REMEDY = "export it as SVG, DXF or STL"
_BURN = "plan a PNG, JPEG or BMP for a laser, or trace its outlines and save them as SVG"
_LATER = {".stp": "STEP", ".jpg": "JPEG"} | {
    f".{word.lower()}": word
    for word in ["3MF", "OBJ", "STEP", "IGES", "DWG", "PDF", "PNG", "JPEG", "BMP", "GIF"]
}
_IMAGES = frozenset({"PNG", "JPEG", "BMP", "GIF"})
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM")
_GZIP = b"\x1f\x8b"
_BY_NAME = {".svg": "svg", ".svgz": "svg", ".dxf": "dxf", ".stl": "stl"}
_CLAIMS = {
    "": "it",
    "svg": "not an SVG file: it",
    "dxf": "not a DXF file: it",
    "stl": "not an STL file: it",
}


def read_design(
    path: str | Path,
    *,
    units: str | None = None,
    tolerance_mm: float = 0.01,
    largest_mm: float | None = None,
) -> Design:
    """Read a drawing or a solid.

    Parameters
    ----------
    path : str or Path
        An SVG (also compressed), DXF or STL file, whatever its name; ``-`` is standard input.
    units : str, optional
        What one unit of the drawing is, where the file does not say or says it wrongly: ``mm``, ``in``, and
        for SVG ``px90``.
    tolerance_mm : float
        Largest distance of a chord from the curve it stands for, mm; a solid has none.
    largest_mm : float, optional
        The machine's larger travel, mm, to judge an unlikely scale by.

    Returns
    -------
    Design

    Raises
    ------
    DesignError
        When the file is not there, is none of these formats, is damaged, or holds nothing to cut.
    """
    source = str(path) if str(path) != "-" else "standard input"
    if not tolerance_mm > 0:
        raise DesignError(
            f"a chord tolerance of {tolerance_mm} mm", file=source, remedy="give one above zero, such as 0.01"
        )
    data = _load(Path(path), source)
    kind = kind_of(data, source)
    if kind == "svg":
        from fabctl.design.svg import read_svg  # noqa: PLC0415 - each format loads only its own libraries

        return read_svg(data, source, units=units, tolerance_mm=tolerance_mm, largest_mm=largest_mm)
    if kind == "dxf":
        from fabctl.design.dxf import read_dxf  # noqa: PLC0415

        return read_dxf(data, source, units=units, largest_mm=largest_mm, tolerance_mm=tolerance_mm)
    from fabctl.design.stl import read_stl  # noqa: PLC0415

    return read_stl(data, source, units=units, largest_mm=largest_mm)


def read_picture(path: str | Path) -> Picture | None:
    """Read an image to burn.

    Parameters
    ----------
    path : str or Path
        A file; standard input (``-``) is always a drawing.

    Returns
    -------
    Picture or None
        None when the file is no PNG, JPEG or BMP by its first bytes, or not there.

    Raises
    ------
    DesignError
        When it is an image, but damaged or too large.
    """
    if str(path) == "-" or not Path(path).is_file():
        return None
    try:
        with Path(path).open("rb") as stream:
            head = stream.read(8)
    except OSError:
        # whoever reads it as a drawing says what is wrong
        return None
    if not head.startswith(_PICTURES):
        return None
    from fabctl.design.image import read_image  # noqa: PLC0415 - loads pillow

    return read_image(_load(Path(path), str(path)), str(path))


def kind_of(data: bytes, source: str) -> str:
    r"""Tell the format of a file by its content, then by its name.

    Parameters
    ----------
    data : bytes
        The whole file.
    source : str
        Its name.

    Returns
    -------
    str
        ``svg``, ``dxf`` or ``stl``.

    Raises
    ------
    DesignError
        When it is none of these.

    Examples
    --------
    >>> kind_of(b"<svg/>", "wrong.dxf"), kind_of(b"0\nSECTION\n", "drawing")
    ('svg', 'dxf')
    """
    if not data.strip(b"\0 \t\r\n"):
        seen = f"{len(data)} bytes, all of them zero or blank" if data else "the file is empty"
        raise DesignError(seen, file=source, remedy="save or copy it again")
    suffix = Path(source).suffix.lower()
    named = _BY_NAME.get(suffix, "")
    kind = _kind_seen(data, named)
    if kind:
        return kind
    later = _LATER.get(suffix)
    if later:
        as_what, remedy = (" as drawings", _BURN) if later in _IMAGES else ("", _REMEDY)
        raise DesignError(f"{later} files cannot be read yet{as_what}", file=source, remedy=remedy)
    other = next((name for magic, name in _OTHERS if data.startswith(magic)), "")
    if other:
        raise DesignError(f"{_CLAIMS[named]} looks like {other}", file=source, remedy=_REMEDY)
    if not named:
        raise DesignError("neither SVG, DXF nor STL, by content and by name", file=source, remedy=_REMEDY)
    return named


def _kind_seen(data: bytes, named: str) -> str:
    """Return the format the content shows, "" when it shows none that can be read."""
    head = data[:4096]
    if head.startswith(_GZIP):
        return "svg"
    if head.startswith(b"AutoCAD Binary DXF") or _DXF.match(head.removeprefix(b"\xef\xbb\xbf")):
        return "dxf"
    if _is_binary_stl(data) or (head.lstrip()[:5].lower() == b"solid" and named in ("", "stl")):
        return "stl"
    return "svg" if _XML_LOOKS.match(_text(head)) else ""


def _text(head: bytes) -> str:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return head.decode("utf-16", "replace").lstrip("\ufeff")
    return head.removeprefix(b"\xef\xbb\xbf").decode("latin-1")


def _is_binary_stl(data: bytes) -> bool:
    """Whether the triangle count at byte 80 accounts for the size of the file."""
    return len(data) >= 134 and len(data) == 84 + 50 * int.from_bytes(data[80:84], "little")


def _load(path: Path, source: str) -> bytes:
    """Read a whole file, no more than the limit and from no device that might never end."""
    try:
        if str(path) == "-":
            return _limited(sys.stdin.buffer.read(LARGEST_BYTES + 1), source)
        kind = path.stat()
        if stat.S_ISDIR(kind.st_mode):
            raise DesignError("it is a folder, expected a file", file=source, remedy="name a drawing in it")
        if not stat.S_ISREG(kind.st_mode):
            raise DesignError(
                "it is a device or a pipe, expected a file",
                file=source,
                remedy="save it as a file, or pass it on standard input and write - for its name",
            )
        if kind.st_size > LARGEST_BYTES:
            raise _too_large(kind.st_size, source)
        with path.open("rb") as stream:
            return _limited(stream.read(LARGEST_BYTES + 1), source)
    except FileNotFoundError as error:
        remedy = "check the name and the folder"
        raise DesignError("there is no such file", file=source, remedy=remedy) from error
    except OSError as error:
        reason = error.strerror or str(error)
        remedy = "check its permissions"
        raise DesignError(f"it cannot be opened: {reason}", file=source, remedy=remedy) from error


def _limited(data: bytes, source: str) -> bytes:
    """Refuse what grew past the limit while it was read."""
    if len(data) > LARGEST_BYTES:
        raise _too_large(len(data), source)
    return data


def _too_large(size: int, source: str) -> DesignError:
    return DesignError(
        f"{size / 1e6:.0f} MB or more, the limit is {LARGEST_BYTES // 1_000_000} MB",
        file=source,
        remedy="simplify or split the drawing",
    )
