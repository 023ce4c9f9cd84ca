"""Bytes of anybody's G-code to words: letter, number and line of each, as arrays.

A word is a letter and what stands between it and the next letter or line end: a table of bytes finds them
all, `fabctl.decimals` converts their numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fabctl.decimals import numbers
from fabctl.program.findings import VALUES, Notebook

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]

_UPPER = bytes(b - 32 if ord("a") <= b <= ord("z") else b for b in range(256))
_BLANK = b" \t\r\v\f"
_REALTIME = frozenset([*b"?!~", 0x18, 0x84, 0x85, *range(0x90, 0x9F), 0xA0, 0xA1])
_PLAIN = bytes(b for b in (*_BLANK, *b"\n", *range(0x20, 0x7F)) if b not in _REALTIME)
_OUT_OF_PLACE = bytes(b for b in range(256) if b not in _PLAIN)
# each alternative begins with a plain character: the search then skips from one such to the next
_COMMENT = re.compile(rb"\((?:[^()\n]|\([^()\n]*\))*\)|\([^)\n]*\)|\([^\n]*|;[^\n]*")
_NUMBER = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)")
_CHECKSUM = re.compile(rb"\*\d+$")

_LETTERS = bytes(b for b in range(ord("A"), ord("Z") + 1) if b != ord("O"))
_NUMBER_BYTE, _HEAD, _ODD = range(3)
_CLASS = bytes(
    _NUMBER_BYTE if b in b"0123456789.+-" else _HEAD if b in _LETTERS + b"\n" else _ODD for b in range(256)
)

LINE_LIMIT = 79
"""Characters of a line Grbl 1.1 takes, comments and blanks not counted."""

NO_CODE = 10_000
"""Tenths of a number no G, M or T word can have."""


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
    _places: dict[int, Ints] = field(default_factory=dict, repr=False, compare=False)
    _tenths: dict[int, Ints] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def letters(self) -> bytes:
        """Each letter that stands in a word, once."""
        text = self.letter.tobytes()
        return bytes(letter for letter in _LETTERS if letter in text)

    def places(self, letter: int) -> Ints:
        """Return the words with a letter, shape (m,); looked for once."""
        if letter not in self._places:
            self._places[letter] = np.flatnonzero(self.letter == letter)
        return self._places[letter]

    def tenths(self, letter: int) -> Ints:
        """Return ten times the numbers of the words with a letter, whole, (m,); `NO_CODE` where none."""
        if letter not in self._tenths:
            scaled = np.rint(self.value.take(self.places(letter)) * 10)
            sane = (scaled >= 0) & (scaled < NO_CODE)
            if not sane.all():
                scaled[~sane] = NO_CODE
            self._tenths[letter] = scaled.astype(np.int64)
        return self._tenths[letter]

    def part(self, begin: int, end: int) -> Words:
        """Return some words that stand side by side."""
        if begin == 0 and end == len(self.letter):
            return self
        return Words(self.letter[begin:end], self.value[begin:end], self.line[begin:end])


class Tokeniser:
    """Turns one chunk of whole lines after the other into words."""

    def __init__(self, notes: Notebook) -> None:
        self.notes = notes
        self.begun = False
        """Whether a line with words or a % was seen."""
        self.lines = 0
        """How many lines were read so far."""
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
        text = chunk.translate(_UPPER, _BLANK)
        kind = np.frombuffer(text.translate(_CLASS), np.uint8)
        if kind.max(initial=0) == _ODD:
            text = self._tidy(chunk, first_line)
            kind = np.frombuffer(text.translate(_CLASS), np.uint8)
        words = self._split(text, kind, first_line)
        self.begun = self.begun or bool(len(words.letter))
        return words

    def _tidy(self, chunk: bytes, first_line: int) -> bytes:
        """Return a chunk's words alone: comments and what no word is made of are settled."""
        if chunk.translate(None, _PLAIN):
            chunk = self._plain(chunk, first_line)
        if b"(" in chunk or b";" in chunk:
            self._comments(chunk, first_line)
            chunk = _COMMENT.sub(b"", chunk)
        text = chunk.translate(_UPPER, _BLANK)
        kind = np.frombuffer(text.translate(_CLASS), np.uint8)
        odd = np.flatnonzero(kind == _ODD)
        return self._odd_lines(text, odd, first_line) if len(odd) else text

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
        heads = np.flatnonzero(kind.view(np.bool_))
        letters = np.frombuffer(text, np.uint8).take(heads)
        newline = letters == ord("\n")
        ends = np.flatnonzero(newline)
        breaks = heads.take(ends)
        size = np.diff(breaks, prepend=-1) - 1
        if size.max(initial=0) > LINE_LIMIT:
            long = np.flatnonzero(size > LINE_LIMIT)
            self.notes.add("line-long", first_line + long, str(size[long[0]]))
        starts = np.concatenate(([0], ends[:-1] + 1))
        loose = np.flatnonzero(heads.take(starts) > np.concatenate(([0], breaks[:-1] + 1)))
        if len(loose):
            self.notes.add("letter-missing", first_line + loose)
        self.lines += len(ends)
        word = np.flatnonzero(~newline)
        line = np.repeat(np.arange(first_line, first_line + len(ends)), ends - starts)
        begin = heads.take(word)
        begin += 1
        word += 1
        length = heads.take(word)
        length -= begin
        word -= 1
        letter = letters.take(word)
        return Words(letter, self._numbers(text, begin, length, line, letter), line)

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
