"""DXF as it lies in the file: pairs of lines, a group code and a value, checked before anything is built.

A library that repairs in silence turns ``0,5`` into 0 and a shifted file into another drawing. So the pairs
of an ASCII file are walked here first, and what is wrong is told with its line.
"""

from __future__ import annotations

import io
import logging
import math
import re
import struct
from dataclasses import dataclass, replace
from typing import Any

from fabctl.design.model import Note
from fabctl.errors import DesignError

BINARY_SENTINEL = b"AutoCAD Binary DXF\r\n\x1a\x00"

_AGAIN = "open it in the program that wrote it and export it again as DXF (R2000 or later)"
_NAME = re.compile(rb"[0-9]*[A-Za-z_*$][\w$*.-]*")
_GEOMETRY = (b"ENTITIES", b"BLOCKS")
_CHECKED = (*_GEOMETRY, b"HEADER", b"TABLES")
# Text that an encoding cannot say is kept as it is; only layer names are shown.
_ODD_BYTES = "surrogateescape"


@dataclass(frozen=True)
class Tags:
    """What the pairs say that ezdxf fills in by itself.

    Parameters
    ----------
    units : int or None
        ``$INSUNITS``; None when the file does not say.
    measurement : int or None
        ``$MEASUREMENT``: 0 imperial, 1 metric; None when the file does not say.
    handles : bool
        Whether entities carry handles to name them by.
    notes : tuple of Note
    """

    units: int | None
    measurement: int | None
    handles: bool
    notes: tuple[Note, ...] = ()


def _is_number(code: int) -> bool:
    return 10 <= code <= 59 or 110 <= code <= 149 or 210 <= code <= 239


def _check_number(value: bytes, *, strict: bool, line: int, source: str) -> None:
    """Refuse what is no finite number; only geometry must be finite."""
    try:
        number = float(value)
    except ValueError as error:
        shown = value.decode("latin-1").strip()[:40]
        if b"," in value:
            raise DesignError(
                f"{shown!r} has a decimal comma, expected a point",
                file=source,
                place=f"line {line}",
                remedy="export the DXF again with the decimal point (set the program's language to English)",
            ) from error
        if not strict:
            return
        raise DesignError(
            f"{shown!r} where a number belongs", file=source, place=f"line {line}", remedy=_AGAIN
        ) from error
    if strict and not math.isfinite(number):
        raise DesignError(
            f"{value.decode('latin-1').strip()!r} is not a finite number",
            file=source,
            place=f"line {line}",
            remedy="delete or redraw that entity, then export again",
        )


def _lines(data: bytes) -> list[bytes]:
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    while lines and not lines[-1].strip(b" \t\r\0\x1a"):
        lines.pop()
    return lines


def _check_start(lines: list[bytes], source: str) -> int:
    """Return the row of the first pair after comments."""
    row = 0
    while row < len(lines) and (not lines[row].strip() or lines[row].strip() == b"999"):
        row += 2 if lines[row].strip() else 1
    if [part.strip() for part in lines[row : row + 2]] != [b"0", b"SECTION"]:
        raise DesignError(
            "not a DXF: it does not begin with a SECTION",
            file=source,
            place=f"line {row + 1}",
            remedy="check that the file is whole and really is a DXF; a DWG must be exported as DXF",
        )
    return row


def check_tags(data: bytes, source: str) -> Tags:
    """Walk the pairs of an ASCII DXF.

    Parameters
    ----------
    data : bytes
        The whole file.
    source : str
        Its name, for messages.

    Returns
    -------
    Tags

    Raises
    ------
    DesignError
        With the line: no DXF, a line too many or too few, no number where one belongs, a decimal comma, a
        coordinate that is not finite, or a file that ends before its end.
    """
    lines = _lines(data)
    row = start = _check_start(lines, source)
    section, variable = b"", b""
    header: dict[bytes, int] = {}
    handles = False
    # Pair by pair: whether a pair is right depends on the section and variable before it.
    for row in range(start, len(lines) - 1, 2):
        code, value = _pair(lines, row, source)
        word = value.strip().upper()
        if code == 0 and word == b"EOF":
            return Tags(header.get(b"$INSUNITS"), header.get(b"$MEASUREMENT"), handles)
        if code in (0, 2):
            section = _section_after(section, code, word, lines[row - 1])
        elif section in _CHECKED and _is_number(code):
            _check_number(value, strict=section in _GEOMETRY, line=row + 2, source=source)
        elif section == b"HEADER":
            variable = _take_variable(header, variable, code, word)
        handles |= code == 5 and section in _GEOMETRY
    last = _unended(lines, row, section, source)
    return Tags(header.get(b"$INSUNITS"), header.get(b"$MEASUREMENT"), handles, (last,))


def _section_after(section: bytes, code: int, word: bytes, before: bytes) -> bytes:
    """Return the section the file is in after a pair of code 0 or 2."""
    if code == 0 and word == b"ENDSEC":
        return b""
    return word if code == 2 and before.strip().upper() == b"SECTION" else section


def _take_variable(header: dict[bytes, int], variable: bytes, code: int, word: bytes) -> bytes:
    """Keep the integers of the header; return the variable the next pair belongs to."""
    if code == 70 and word.lstrip(b"-").isdigit():
        header[variable] = int(word)
    return word if code == 9 else variable


def _pair(lines: list[bytes], row: int, source: str) -> tuple[int, bytes]:
    value = lines[row + 1]
    try:
        code = int(lines[row])
    except ValueError as error:
        raise _shifted(lines[row], "a group code", row + 1, source) from error
    if not -5 <= code <= 1071:
        raise _shifted(lines[row], "a group code", row + 1, source)
    if code == 0 and not _NAME.fullmatch(value.strip()):
        raise _shifted(value, "the name of an entity", row + 2, source)
    return code, value


def _shifted(seen: bytes, wanted: str, line: int, source: str) -> DesignError:
    return DesignError(
        f"{seen.decode('latin-1').strip()[:40]!r} where {wanted} belongs: "
        "a line too many or too few shortly before shifts codes and values",
        file=source,
        place=f"line {line}",
        remedy=_AGAIN,
    )


def _unended(lines: list[bytes], row: int, section: bytes, source: str) -> Note:
    """Accept a file without its last word, but none cut off in the middle."""
    if section:
        raise DesignError(
            f"the file ends within the section {section.decode('latin-1')}: it was cut off",
            file=source,
            place=f"line {len(lines)}",
            remedy="copy or download it again, or " + _AGAIN,
        )
    return Note("truncated", "the file has no EOF at its end; its sections are whole", f"line {row + 2}")


def load(data: bytes, source: str) -> tuple[Any, Tags]:
    """Load a document.

    Parameters
    ----------
    data : bytes
        ASCII or binary DXF.
    source : str
        Its name, for messages.

    Returns
    -------
    document : ezdxf.document.Drawing
    tags : Tags

    Raises
    ------
    DesignError
        When it cannot be read as DXF.
    """
    if not data.strip(b"\0 \t\r\n"):
        raise DesignError("the file is empty", file=source, remedy="save or copy it again")
    import ezdxf  # noqa: PLC0415 - half a second, only where a DXF is read
    from ezdxf import recover  # noqa: PLC0415
    from ezdxf.document import Drawing  # noqa: PLC0415
    from ezdxf.filemanagement import dxf_stream_info  # noqa: PLC0415
    from ezdxf.lldxf.const import DXFError  # noqa: PLC0415
    from ezdxf.lldxf.tagger import binary_tags_loader  # noqa: PLC0415

    logger = logging.getLogger("ezdxf")
    if not logger.handlers:
        # What matters of ezdxf's log comes as Note or error; the rest would stand between a person's lines.
        logger.addHandler(logging.NullHandler())
    wrong = (
        *(DXFError, ValueError, LookupError, AttributeError, TypeError, ArithmeticError, RecursionError),
        *(StopIteration, AssertionError, OSError, struct.error),
    )

    def whole(document: Any) -> Any:
        """Return a document whose model space is there."""
        document.modelspace()  # a KeyError here is damage, too
        return document

    if data.startswith(BINARY_SENTINEL):
        try:
            document = whole(Drawing.load(binary_tags_loader(data, errors=_ODD_BYTES)))
        except wrong as error:
            raise _unreadable(error, source) from error
        return document, _binary_tags(document)
    if b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    tags = check_tags(data, source)
    try:
        encoding = dxf_stream_info(io.StringIO(data.decode("utf-8", "ignore"))).encoding
        return whole(ezdxf.read(io.StringIO(data.decode(encoding, _ODD_BYTES), newline=None))), tags
    except wrong as first:
        try:
            document, auditor = recover.read(io.BytesIO(data))
            whole(document)
        except wrong as error:
            raise _unreadable(first, source) from error
        faults = len(auditor.errors) + len(auditor.fixes)
        text = f"the file is damaged ({first}), {faults} faults were repaired: compare the picture"
        return document, replace(tags, notes=(*tags.notes, Note("repaired", text)))


def _binary_tags(document: Any) -> Tags:
    header = document.header
    units = header.get("$INSUNITS", None)
    # ezdxf fills in $MEASUREMENT where an R12 file has none.
    measurement = header.get("$MEASUREMENT", None) if document.dxfversion > "AC1009" else None
    return Tags(units, measurement, handles=True)


def _unreadable(error: Exception, source: str) -> DesignError:
    # An entity without a handle is named by a place in memory, another one each time.
    told = re.sub(r"\(#\d{9,}\)", " without a handle", str(error))
    reason = " ".join(told.split())[:200] or type(error).__name__
    return DesignError(f"not readable as DXF: {reason}", file=source, remedy=_AGAIN)
