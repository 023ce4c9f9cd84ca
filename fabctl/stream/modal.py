"""The words that hold until they are said again: what was sent, against what the controller has."""

from __future__ import annotations

import re

from fabctl.stream.replies import ParserState

_LETTERS = {"F": re.compile(rb"F(\d+\.?\d*|\.\d+)"), "S": re.compile(rb"S(\d+\.?\d*|\.\d+)")}
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
    """

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._comparable = True

    def take(self, line: bytes) -> bool:
        """Note the words of a line that is sent; tell whether it makes the controller tell its offsets."""
        if b"F" in line or b"S" in line:
            for letter, pattern in _LETTERS.items():
                found = pattern.search(line)
                if found:
                    self._last[letter] = float(found.group(1))
        if self._comparable and _OTHERWISE.search(line):
            self._comparable = False
        return _OFFSETS.search(line) is not None

    def differs(self, told: ParserState) -> str:
        """Say which word the controller has otherwise; empty when all are as sent."""
        if not self._comparable:
            return ""
        found = {word[0]: word[1:] for word in told.words if word[:1] in self._last}
        wrong = [
            f"{letter}{found[letter]} instead of {letter}{sent:g}"
            for letter, sent in self._last.items()
            if letter in found and abs(float(found[letter]) - sent) > HALF
        ]
        return ", ".join(wrong)
