"""The triangles of an ASCII STL, read as whole arrays of tokens."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fabctl.decimals import numbers
from fabctl.errors import DesignError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Letters = NDArray[np.uint8]

_CHUNK = 1 << 19
"""Bytes read at once: small enough for the processor's cache, large enough to forget the loop."""

_FEW = 8
"""Fewer than one number in so many is read by itself."""

_LONG = 20
"""Characters; where numbers are longer, their digits are more than `fabctl.decimals` takes."""

_TOKENS = 21
"""facet normal i j k outer loop, three times vertex x y z, endloop endfacet."""

_WORDS = {
    0: "facet",
    1: "normal",
    5: "outer",
    6: "loop",
    7: "vertex",
    11: "vertex",
    15: "vertex",
    19: "endloop",
    20: "endfacet",
}
_IS_COORDINATE = np.isin(np.arange(_TOKENS), [8, 9, 10, 12, 13, 14, 16, 17, 18])
_SOLID = re.compile(rb"solid\b[^\n]*?(?=\bfacet\s+normal\b|\n|\Z)")


def read_corners(data: bytes, source: str) -> tuple[Floats, Ints, int]:
    """Read the triangles of an ASCII STL.

    Parameters
    ----------
    data : bytes
        The whole file.
    source : str
        Its name, for messages.

    Returns
    -------
    corners : (t, 3, 3) float64
        In the file's unit; each number is what ``float()`` makes of its text.
    line : (t,) int64
        Line of each triangle's ``facet``, counted from 1.
    solids : int
        Bodies named in the file.

    Raises
    ------
    DesignError
        When a facet is not written as the format wants it; names the line.
    """
    text = data.lower()
    if b"\n" not in text:
        text = text.replace(b"\r", b"\n")
    corners, lines = [np.empty((0, 3, 3))], [np.zeros(0, np.int64)]
    solids, line = 0, 1
    for chunk in _chunks(text):
        named = list(_SOLID.finditer(chunk)) if b"solid" in chunk else []
        solids += sum(not chunk.endswith(b"end", 0, match.start()) for match in named)
        found, at = _read_chunk(_blank(chunk, named), source, line)
        corners.append(found)
        breaks = np.flatnonzero(np.frombuffer(chunk, np.uint8) == 10)
        lines.append(line + np.searchsorted(breaks, at))
        line += len(breaks)
    return np.concatenate(corners), np.concatenate(lines), solids


def _chunks(text: bytes) -> Iterator[bytes]:
    """Divide the text behind an ``endfacet``."""
    begin = 0
    while begin < len(text):
        end = begin + _CHUNK
        if end < len(text):
            end = text.find(b"endfacet", end)
            end = len(text) if end < 0 else end + len(b"endfacet")
        yield text[begin:end]
        begin = end


def _blank(chunk: bytes, named: list[re.Match[bytes]]) -> bytes:
    """Blank lines that name a solid: a name may hold any word of the format."""
    if not named:
        return chunk
    blanked = bytearray(chunk)
    for match in named:
        begin = match.start() - 3 * chunk.endswith(b"end", 0, match.start())
        blanked[begin : match.end()] = b" " * (match.end() - begin)
    return bytes(blanked)


def _read_chunk(chunk: bytes, source: str, first_line: int) -> tuple[Floats, Ints]:
    """Read whole facets; returns corners and where in the chunk each facet begins."""
    letters = np.frombuffer(chunk, np.uint8)
    ink = np.zeros(len(letters) + 2, bool)
    np.greater(letters, 32, out=ink[1:-1])
    edge = np.flatnonzero(ink[1:] != ink[:-1])
    start, end = edge[0::2], edge[1::2]
    whole = len(start) // _TOKENS * _TOKENS
    table = letters[start[:whole]].reshape(-1, _TOKENS)
    length = (end[:whole] - start[:whole]).reshape(-1, _TOKENS)
    wrong = np.zeros(len(table), bool)
    # First letter and length tell the words of the format from all numbers and from each other.
    for column, word in _WORDS.items():
        wrong |= (table[:, column] != ord(word[0])) | (length[:, column] != len(word))
    if wrong.any() or whole < len(start):
        row = int(np.argmax(wrong)) if wrong.any() else len(table)
        raise _syntax_error(chunk, start[row * _TOKENS :], end[row * _TOKENS :], source, first_line)
    kept = np.tile(_IS_COORDINATE, len(table))
    begins, ends = start.compress(kept), end.compress(kept)
    corners = _numbers(chunk, letters, begins, ends)
    if corners is None:
        raise _number_error(chunk, begins, ends, source, first_line)
    return corners.reshape(-1, 3, 3), start[::_TOKENS]


def _numbers(chunk: bytes, letters: Letters, begins: Ints, ends: Ints) -> Floats | None:
    """Convert coordinates; None when one of them is no number."""
    if not len(begins):
        return np.zeros(0)
    sample = [chunk[a:b] for a, b in zip(begins[:9].tolist(), ends[:9].tolist(), strict=True)]
    if max(map(len, sample)) > _LONG:
        return _long_numbers(letters, begins, ends)
    values, hard = np.zeros(len(begins)), np.ones(len(begins), bool)
    if b"e" not in b"".join(sample):
        values, hard = numbers(chunk, begins, ends - begins)
    rest = np.flatnonzero(hard)
    if len(rest):
        begin, end = begins.take(rest), ends.take(rest)
        power, written = _powers(letters, begin, end)
        values[rest], hard[rest] = numbers(chunk, begin, end - begin - written, power)
        rest = np.flatnonzero(hard)
    if len(rest) * _FEW > len(hard):
        return _long_numbers(letters, begins, ends)
    if len(rest):
        tokens = [chunk[a:b] for a, b in zip(begins[rest].tolist(), ends[rest].tolist(), strict=True)]
        found = _parse(b" ".join(tokens), len(rest))
        if found is None:
            return None
        values[rest] = found
    return values


def _long_numbers(letters: Letters, begins: Ints, ends: Ints) -> Floats | None:
    """Convert numbers of any length: all but them becomes blank, and one call reads them all."""
    inside = np.zeros(len(letters) + 1, np.int8)
    inside[begins], inside[ends] = 1, -1
    kept = np.cumsum(inside[:-1], dtype=np.int8).view(np.bool_)
    return _parse(np.where(kept, letters, np.uint8(32)).tobytes(), len(begins))


def _powers(letters: Letters, begins: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """Find powers of ten written as e, a sign and two or three digits, and how many characters they take."""
    power, written = np.zeros(len(begins), np.int64), np.zeros(len(begins), np.int64)
    for digits in (2, 3):
        at = ends - (digits + 2)
        rows = np.flatnonzero((at > begins) & (letters.take(at, mode="clip") == ord("e")))
        at = at.take(rows)
        sign = letters.take(at + 1)
        value, sound = np.zeros(len(rows), np.int64), (sign == ord("+")) | (sign == ord("-"))
        for k in range(digits):
            digit = letters.take(at + (2 + k)) - np.uint8(ord("0"))
            sound &= digit < 10
            value *= 10
            value += digit
        np.negative(value, out=value, where=sign == ord("-"))
        power[rows], written[rows] = np.where(sound, value, 0), np.where(sound, digits + 2, 0)
    return power, written


def _parse(text: bytes, expected: int) -> Floats | None:
    """Parse numbers between blanks; None when one of them is none."""
    if not expected:
        return np.empty(0)
    with warnings.catch_warnings():
        # Before numpy 2.3 bad text is a warning and what was read before it, later an error.
        warnings.simplefilter("error", DeprecationWarning)
        try:
            numbers = np.fromstring(text, np.float64, sep=" ")
        except (ValueError, DeprecationWarning):
            return None
    return numbers if len(numbers) == expected else None


def _line(chunk: bytes, at: int, first_line: int) -> str:
    """Name the line of a place in a chunk."""
    breaks = chunk.count(b"\n", 0, at)
    return f"line {first_line + breaks}"


def _syntax_error(chunk: bytes, start: Ints, end: Ints, source: str, first_line: int) -> DesignError:
    """Find the first token of a facet that is not the one expected."""
    tokens = [chunk[a:b] for a, b in zip(start[:_TOKENS], end[:_TOKENS], strict=True)]
    wrong = [k for k, word in _WORDS.items() if k < len(tokens) and tokens[k] != word.encode()]
    k = wrong[0] if wrong else len(tokens)
    if k < len(tokens):
        seen = f"{tokens[k].decode('ascii', 'replace')[:40]!r} where {_WORDS[k]!r} belongs"
        at = int(start[k])
    else:
        seen, at = "the file ends in the middle of a facet", len(chunk)
    return DesignError(
        seen,
        file=source,
        place=_line(chunk, at, first_line),
        remedy="copy or export the file again; facets need three vertices each",
    )


def _number_error(chunk: bytes, begins: Ints, ends: Ints, source: str, first_line: int) -> DesignError:
    """Find the first coordinate that is no number: one by one, the file is refused anyway."""
    for a, b in zip(begins, ends, strict=True):
        if _parse(chunk[a:b], 1) is None:
            break
    return DesignError(
        f"{chunk[a:b].decode('ascii', 'replace')[:40]!r} is not a number",
        file=source,
        place=_line(chunk, int(a), first_line),
        remedy="export the file again; coordinates are plain decimal numbers",
    )
