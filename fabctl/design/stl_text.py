"""The triangles of an ASCII STL, read as whole arrays of tokens."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fabctl.errors import DesignError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_CHUNK = 1 << 22
"""Bytes read at once: small enough for the processor's cache, large enough to forget the loop."""

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
    # Letters, gap by gap and token by token: only coordinates are kept, all else becomes blank.
    flags = np.zeros(2 * len(start) + 1, bool)
    flags[1::2] = np.tile(_IS_COORDINATE, len(table))
    kept = np.repeat(flags, np.diff(edge, prepend=0, append=len(letters)))
    numbers = _parse(np.where(kept, letters, np.uint8(32)).tobytes(), 9 * len(table))
    if numbers is None:
        begins, ends = start[flags[1::2]], end[flags[1::2]]
        raise _number_error(chunk, begins, ends, source, first_line)
    return numbers.reshape(-1, 3, 3), start[::_TOKENS]


def _parse(text: bytes, expected: int) -> Floats | None:
    """Parse numbers between blanks; None when one of them is none."""
    if not expected:
        return np.empty(0)
    with warnings.catch_warnings():
        # Before numpy 2.3 bad text is a warning and a short array, later an error.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            numbers = np.fromstring(text, np.float64, sep=" ")
        except ValueError:
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
