"""Bytes of anybody's G-code to words: letter, number and line of each, as arrays.

Numbers equal ``float()`` bit for bit: digits are gathered as one integer, which is exact, and divided by an
exact power of ten, which rounds once.

Source: the three-multiplication conversion of eight digits is Daniel Lemire's, "Quickly parsing eight
digits" (2018); Langdale and Lemire, "Parsing gigabytes of JSON per second" (2019).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fabctl.program.findings import VALUES, Notebook

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]
Cells = NDArray[np.uint64]

_UPPER = bytes(b - 32 if ord("a") <= b <= ord("z") else b for b in range(256))
_BLANK = b" \t\r\v\f"
_REALTIME = frozenset([*b"?!~", 0x18, 0x84, 0x85, *range(0x90, 0x9F), 0xA0, 0xA1])
_PLAIN = bytes(b for b in (*_BLANK, *b"\n", *range(0x20, 0x7F)) if b not in _REALTIME)
_OUT_OF_PLACE = bytes(b for b in range(256) if b not in _PLAIN)
_COMMENT = re.compile(rb"\((?:[^()\n]|\([^()\n]*\))*\)|\([^)\n]*\)|[(;][^\n]*")
_NUMBER = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)")
_CHECKSUM = re.compile(rb"\*\d+$")

_NUMBER_BYTE, _LETTER, _NEWLINE, _ODD = range(4)
_CLASS = bytes(
    _NUMBER_BYTE
    if b in b"0123456789.+-"
    else _NEWLINE
    if b == ord("\n")
    else _LETTER
    if ord("A") <= b <= ord("Z") and b != ord("O")
    else _ODD
    for b in range(256)
)

LINE_LIMIT = 79
"""Characters of a line Grbl 1.1 takes, comments and blanks not counted."""

_TEN = 10.0 ** np.arange(23)


@dataclass(frozen=True)
class Words:
    """Words in the order they stand.

    Parameters
    ----------
    letter : (k,) uint8
        Upper case.
    value : (k,) float64
        Its number; nan where it is malformed.
    line : (k,) int64
        From 1.
    """

    letter: Bytes
    value: Floats
    line: Ints


class Tokeniser:
    """Turns one chunk of whole lines after the other into words."""

    def __init__(self, notes: Notebook) -> None:
        self.notes = notes
        self.begun = False
        """Whether a line with words or a % was seen."""
        self.ended_line = 0
        """Line of the % that ended the program, 0 before."""

    def words(self, chunk: bytes, first_line: int) -> Words:
        """Read a chunk.

        Parameters
        ----------
        chunk : bytes
            Whole lines ended by LF.
        first_line : int
            Number of its first line.

        Returns
        -------
        Words
        """
        if chunk.translate(None, _PLAIN):
            chunk = self._plain(chunk, first_line)
        if b"(" in chunk or b";" in chunk:
            self._comments(chunk, first_line)
            chunk = _COMMENT.sub(b"", chunk)
        text = chunk.translate(_UPPER, _BLANK)
        kind = np.frombuffer(text.translate(_CLASS), np.uint8)
        if kind.max(initial=0) == _ODD:
            text = self._odd_lines(text, np.flatnonzero(kind == _ODD), first_line)
            kind = np.frombuffer(text.translate(_CLASS), np.uint8)
        words = self._split(text, kind, first_line)
        self.begun = self.begun or bool(len(words.letter))
        return words

    def _plain(self, chunk: bytes, first_line: int) -> bytes:
        """Report and remove bytes that have no place in a program."""
        lines = chunk.split(b"\n")
        for i, line in enumerate(lines):  # only chunks with such bytes come here
            if not line.translate(None, _PLAIN):
                continue
            command = _COMMENT.sub(b"", line)
            self._report_odd_bytes(line, command, first_line + i)
            lines[i] = line.translate(None, _OUT_OF_PLACE)
        return b"\n".join(lines)

    def _report_odd_bytes(self, line: bytes, command: bytes, number: int) -> None:
        odd, odd_command = (bytes(set(text.translate(None, _PLAIN))) for text in (line, command))
        if 0 in odd:
            self.notes.add("damaged", number)
        for code, where in (("realtime-character", odd_command), ("realtime-in-comment", odd)):
            acting = [b for b in where if b in _REALTIME]
            if acting and (code == "realtime-character" or not odd_command):
                self._note_bytes(code, number, acting)
        strange = [b for b in odd_command if b not in _REALTIME and b]
        if strange:
            self._note_bytes("not-ascii", number, strange)

    def _note_bytes(self, code: str, number: int, odd: list[int]) -> None:
        for b in sorted(set(odd))[: VALUES + 1]:
            self.notes.add(code, number, chr(b) if 0x20 < b < 0x7F else f"0x{b:02X}")

    def _comments(self, chunk: bytes, first_line: int) -> None:
        """Report comments that are nested or never closed."""
        for match in re.finditer(rb"\([^)\n]*\([^\n]*|\([^)\n]*$", chunk, re.MULTILINE):
            comment = _COMMENT.match(chunk, match.start())
            line = first_line + chunk.count(b"\n", 0, match.start())
            before = chunk[chunk.rfind(b"\n", 0, match.start()) + 1 : match.start()]
            if b";" in before or comment is None:
                continue
            if comment.group().endswith(b")"):
                self.notes.add("comment-nested", line)
            else:
                shown = comment.group()[:20].decode("ascii", "replace")
                self.notes.add("comment-open", line, shown)

    def _odd_lines(self, text: bytes, odd: Ints, first_line: int) -> bytes:
        """Settle lines with characters no word is made of; each is looked at by itself."""
        lines = text.split(b"\n")
        ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
        for i in np.unique(np.searchsorted(ends, odd)).tolist():
            if b"%" in lines[i] and (self.begun or any(lines[:i])):
                self._end(lines, i, first_line)
                break
            lines[i] = self._odd_line(lines[i], first_line + i)
        return b"\n".join(lines)

    def _end(self, lines: list[bytes], i: int, first_line: int) -> None:
        """End the program at the % of line i of a chunk."""
        self.ended_line = first_line + i
        extra = [first_line + k for k in range(i + 1, len(lines)) if lines[k].strip(b"%")]
        self.notes.add("after-end", np.array(extra, np.int64), "%")
        lines[i:] = [b""] * (len(lines) - i)

    def _odd_line(self, line: bytes, number: int) -> bytes:
        """Return what is left of a line once its odd characters are understood and reported."""
        notes = self.notes
        if b"%" in line:
            self.begun = True
            return b""
        if line.startswith(b"/"):
            notes.add("block-delete", number)
            line = line.lstrip(b"/")
        if b"$" in line:
            shown = line[:20].decode("ascii")
            notes.add("homing" if line == b"$H" else "dollar", number, shown)
            return b""
        if re.fullmatch(rb"O\d+", line):
            notes.add("program-number", number)
            return b""
        if re.search(rb"[#\[\]<>=]|O", line):
            notes.add("expression", number, line[:20].decode("ascii"))
            return b""
        if _CHECKSUM.search(line):
            notes.add("checksum", number)
            line = _CHECKSUM.sub(b"", line)
        if b")" in line:
            notes.add("comment-stray", number)
            line = line.replace(b")", b"")
        rest = re.sub(rb"[A-Z0-9.+-]", b"", line)
        if rest:
            notes.add("character", number, repr(rest[:1].decode("ascii")))
            return b""
        return line

    def _split(self, text: bytes, kind: Bytes, first_line: int) -> Words:
        """Find the words of clean text and convert their numbers."""
        data = np.frombuffer(text, np.uint8)
        heads = np.flatnonzero(kind)
        letters = data[heads]
        newline = letters == ord("\n")
        number = np.cumsum(newline)
        length = np.diff(heads, append=len(data)) - 1
        size = np.diff(heads[newline], prepend=-1) - 1
        if size.max(initial=0) > LINE_LIMIT:
            long = np.flatnonzero(size > LINE_LIMIT)
            self.notes.add("line-long", first_line + long, str(size[long[0]]))
        loose = np.flatnonzero(newline & (length > 0))
        if len(loose):
            self.notes.add("letter-missing", first_line + number[loose])
        if len(kind) and kind[0] == _NUMBER_BYTE:
            self.notes.add("letter-missing", first_line)
        word = ~newline
        line = first_line + number[word]
        values = self._numbers(text, heads[word] + 1, length[word], line, letters[word])
        return Words(letters[word], values, line)

    def _numbers(self, text: bytes, begin: Ints, length: Ints, line: Ints, letters: Bytes) -> Floats:
        """Convert numbers; what the fast form does not cover goes through float()."""
        values, hard = numbers(text, begin, length)
        for i in np.flatnonzero(hard).tolist():  # more than 15 digits, or malformed: rare
            token = text[begin[i] : begin[i] + length[i]]
            if _NUMBER.fullmatch(token) and abs(float(token)) < 1e15:
                values[i] = float(token)
            else:
                values[i] = np.nan
                self.notes.add("number", int(line[i]), repr(chr(letters[i]) + token[:24].decode("ascii")))
        return values


def numbers(text: bytes, begin: Ints, length: Ints) -> tuple[Floats, Bools]:
    """Convert many decimal numbers of up to 15 digits.

    Parameters
    ----------
    text : bytes
    begin, length : (k,) int64
        Where each stands.

    Returns
    -------
    values : (k,) float64
        Bit for bit what ``float()`` gives.
    hard : (k,) bool
        Those not converted: no digit, two points or signs, more than 16 characters.

    Examples
    --------
    >>> values, hard = numbers(b"1.5 -.25 +007 1.2.3", np.array([0, 4, 9, 14]), np.array([3, 4, 4, 5]))
    >>> values[:3].tolist(), hard.tolist()
    ([1.5, -0.25, 7.0], [False, False, False, True])
    """
    if not len(begin):
        return np.zeros(0), np.zeros(0, bool)
    padded = text + b"\0" * 16
    window = np.ndarray((len(padded) - 7,), "<u8", padded, strides=(1,))
    first = np.frombuffer(padded, np.uint8)[begin]
    signed = (first == ord("-")) | (first == ord("+"))
    begin, length = begin + signed, length - signed
    low = np.minimum(length, 8)
    whole, scale, bad, digits = _eight(window[begin + length - low], low)
    long = np.flatnonzero(length > 8)
    if len(long):
        rest = np.minimum(length[long] - 8, 8)
        upper, upper_scale, upper_bad, upper_digits = _eight(window[begin[long]], rest)
        pointed = digits[long] < 8
        bad[long] |= upper_bad | (pointed & (upper_digits < rest)) | (length[long] > 16)
        bad[long] |= digits[long] + upper_digits > 15
        scale[long] = np.where(pointed, scale[long], np.where(upper_digits < rest, upper_scale + 8, 0))
        whole[long] += upper * _TEN[digits[long]]
        digits[long] += upper_digits
    whole /= _TEN[scale]
    np.negative(whole, out=whole, where=first == ord("-"))
    return whole, bad | (digits == 0)


def _eight(cells: Cells, length: Ints) -> tuple[Floats, Ints, Bools, Ints]:
    """Convert up to eight characters that stand at the low end of a cell.

    Returns their digits as a whole number, the digits behind the point, whether they are malformed, and how
    many digits there are.
    """
    u = np.uint64
    # characters move to the top of the cell; what was not theirs becomes leading zeros
    x = (cells ^ u(0x3030303030303030)) << ((8 - np.maximum(length, 1)) * 8).astype(u)
    x[length == 0] = 0
    marks = x & u(0x1010101010101010)
    point = marks >> u(4)
    below = point - u(1)
    bad = (marks & (marks - u(1))) != 0
    some = marks != 0
    bad |= some & ((x & (point * u(0xFF))) != point * u(0x1E))
    closed = ((x & below) << u(8)) | (x & ~((point << u(8)) - u(1)))
    x = np.where(some, closed, x)
    # log2 of the point's bit from the exponent of a double: exact, and one pass
    place = ((point.astype(np.float64).view(np.int64) >> 52) - 1023) >> 3
    scale = np.where(some, 7 - place, 0)
    x = x * u(10) + (x >> u(8))
    pairs, mask = u(0x000F424000000064), u(0x000000FF000000FF)
    value = ((x & mask) * pairs + ((x >> u(16)) & mask) * u(0x0000271000000001)) >> u(32)
    return value.astype(np.float64), scale, bad, length - some
