"""Read any drawing: what a file is, is decided by its first bytes, then by its name."""

from __future__ import annotations

import re
from pathlib import Path

from fabctl.design.model import Design
from fabctl.errors import DesignError

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
_BY_NAME = {".svg": "svg", ".svgz": "svg", ".dxf": "dxf", ".stl": "stl"}


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
        An SVG (also compressed), DXF or STL file, whatever its name.
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
    source = str(path)
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
        raise DesignError("the file is empty", file=source, remedy="save or copy it again")
    named = _BY_NAME.get(Path(source).suffix.lower(), "")
    head = data[:4096]
    if data[:2] == b"\x1f\x8b":
        return "svg"
    if head.startswith(b"AutoCAD Binary DXF") or _DXF.match(head.removeprefix(b"\xef\xbb\xbf")):
        return "dxf"
    if _is_binary_stl(data) or (head.lstrip()[:5].lower() == b"solid" and named in ("", "stl")):
        return "stl"
    if _XML_LOOKS.match(_text(head)):
        return "svg"
    for magic, name in _OTHERS:
        if head.startswith(magic):
            article = "a" if named == "dxf" else "an"
            claimed = f"not {article} {named.upper()} file: it" if named else "it"
            raise DesignError(f"{claimed} looks like {name}", file=source, remedy=_REMEDY)
    if not named:
        raise DesignError("neither SVG, DXF nor STL, by content and by name", file=source, remedy=_REMEDY)
    return named


def _text(head: bytes) -> str:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return head.decode("utf-16", "replace").lstrip("\ufeff")
    return head.removeprefix(b"\xef\xbb\xbf").decode("latin-1")


def _is_binary_stl(data: bytes) -> bool:
    """Whether the triangle count at byte 80 accounts for the size of the file."""
    return len(data) >= 134 and len(data) == 84 + 50 * int.from_bytes(data[80:84], "little")


def _load(path: Path, source: str) -> bytes:
    try:
        if path.is_dir():
            raise DesignError("it is a folder, expected a file", file=source, remedy="name a drawing in it")
        size = path.stat().st_size
        if size > LARGEST_BYTES:
            raise DesignError(
                f"{size / 1e6:.0f} MB, the limit is {LARGEST_BYTES // 1_000_000} MB",
                file=source,
                remedy="simplify or split the drawing",
            )
        return path.read_bytes()
    except FileNotFoundError as error:
        remedy = "check the name and the folder"
        raise DesignError("there is no such file", file=source, remedy=remedy) from error
    except OSError as error:
        reason = error.strerror or str(error)
        remedy = "check its permissions"
        raise DesignError(f"it cannot be opened: {reason}", file=source, remedy=remedy) from error
