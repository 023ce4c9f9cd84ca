"""The words that hold until they are said again: what was sent, against what the controller has."""

from __future__ import annotations

import re

from fabctl.stream.replies import ParserState

_LETTERS = {"F": re.compile(rb"F(\d+\.?\d*|\.\d+)"), "S": re.compile(rb"S(\d+\.?\d*|\.\d+)")}
# what nearly every line is; no other G or M stands behind
_MOVES = re.compile(rb"G0*[0-3](?![0-9.])[^GM]*\Z")
_ON = re.compile(rb"M0*([34])(?![0-9.])")
# inches change what F is told in, inverse time what it means, an end of program what holds
_OTHERWISE = re.compile(rb"G0*(?:20|93)(?![0-9.])|M0*(?:2|30)(?![0-9])")
_OFFSETS = re.compile(rb"M0*(?:2|30)(?![0-9])|G0*(?:10|43\.1|49|5[4-9]|92)(?![0-9])")
HALF = 0.5 + 1e-6
"""Grbl tells F and S as whole numbers."""


class Words:
    r"""Feed and speed as they were last sent.

    A changed coordinate is seen where the machine goes; a changed feed or speed is not, but for `$G`.

    Examples
    --------
    >>> words = Words()
    >>> [words.take(line) for line in (b"G1X5F900", b"M3S5000", b"X7", b"G55")]
    [False, False, False, True]
    >>> words.differs(ParserState(("G1", "F900", "S5000"))), words.differs(ParserState(("F90", "S5000")))
    ('', 'F90 instead of F900')
    >>> words.steady, words.take(b"M4S0"), words.steady
    (True, False, False)
    """

    def __init__(self) -> None:
        # the text that named them last: nearly all is never looked at
        self._last = {"F": b"", "S": b""}
        self._comparable = True
        self._turned_on: set[bytes] = set()

    @property
    def steady(self) -> bool:
        """Whether the head was turned on by M3 alone: then a speed that is told is one it has."""
        return self._turned_on == {b"3"}

    def take(self, line: bytes) -> bool:
        """Note the words of a line that is sent; tell whether it makes the controller tell its offsets."""
        self.take_moves(line)
        if (b"G" not in line and b"M" not in line) or _MOVES.match(line):
            return False
        if self._comparable and _OTHERWISE.search(line):
            self._comparable = False
        self._turned_on.update(_ON.findall(line))
        return _OFFSETS.search(line) is not None

    def take_moves(self, lines: bytes) -> None:
        """Note the words of lines that are sent, none of which does anything but move."""
        if b"F" in lines:
            self._last["F"] = lines
        if b"S" in lines:
            self._last["S"] = lines

    def differs(self, told: ParserState) -> str:
        """Say which word the controller has otherwise; empty when all are as sent."""
        if not self._comparable:
            return ""
        sent = {
            letter: float(found[-1])
            for letter, lines in self._last.items()
            if (found := _LETTERS[letter].findall(lines))
        }
        has = {word[0]: word[1:] for word in told.words if word[:1] in sent}
        wrong = [
            f"{letter}{has[letter]} instead of {letter}{value:g}"
            for letter, value in sent.items()
            if letter in has and abs(float(has[letter]) - value) > HALF
        ]
        return ", ".join(wrong)
