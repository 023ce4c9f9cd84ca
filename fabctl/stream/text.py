"""The last door before the wire: a program's lines as the bytes that are sent, or a refusal.

Only letters, digits, signs and points pass. Comments, blanks and `%` stay behind: a ``!`` inside a comment
would hold the machine, a no-break space would toggle its coolant. ``$`` never passes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from fabctl.errors import RefusedError

_COMMENT = re.compile(rb"\([^()\r\n]*\)|;.*")
_BLANK = re.compile(rb"[ \t]+")
_WORDS = re.compile(rb"(?:[A-Z][-+]?(?:\d+\.?\d*|\.\d+))*")
_PERSON = re.compile(rb"M0*(?:0|1|6)(?![0-9.])")
_PERSON_ALONE = re.compile(rb"(?:N\d+)?(?:T\d+)?M0*(?:0|1|6)(?:T\d+)?")


@dataclass(frozen=True, slots=True)
class WireLine:
    """One line of a program as it is sent.

    Parameters
    ----------
    number : int
        Its line in the program, from 1.
    text : bytes
        Without a line ending.
    pause : bool
        A person must act here (M0, M1, M6): the line itself is never sent.
    note : str
        The line as written, for that person.
    """

    number: int
    text: bytes
    pause: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class TextFacts:
    """What one pass over a program tells.

    Parameters
    ----------
    sha256 : str
        Of all its bytes, hex.
    lines : int
        How many lines it has, blank ones included.
    """

    sha256: str
    lines: int


def wire_lines(stream: BinaryIO, limit_chars: int) -> Iterator[WireLine]:
    r"""Yield what is sent for each line of a program, from where `stream` stands.

    Parameters
    ----------
    stream : binary file
        The program; read a line at a time, so that its size does not matter.
    limit_chars : int
        The longest line the controller takes.

    Raises
    ------
    RefusedError
        At the first line that must not reach a controller.

    Examples
    --------
    >>> import io
    >>> [line.text for line in wire_lines(io.BytesIO(b"G21 (mm!)\n\nG1 X1.5 ; go\n"), 79)]
    [b'G21', b'G1X1.5']
    """
    number = 0
    for chunk in stream:
        for raw in chunk.splitlines():
            number += 1
            text = _BLANK.sub(b"", _COMMENT.sub(b"", raw)).upper()
            if not text or text == b"%":
                continue
            if not _WORDS.fullmatch(text):
                raise _refused(
                    number, raw, "holds what is no plain word of G-code", "letters and numbers only"
                )
            if len(text) > limit_chars:
                raise _refused(number, raw, f"has {len(text)} characters", f"at most {limit_chars}")
            pause = _PERSON.search(text) is not None
            if pause and not _PERSON_ALONE.fullmatch(text):
                raise _refused(number, raw, "mixes M0, M1 or M6 with other words", "such a word alone")
            yield WireLine(number, text, pause, raw.decode("ascii", "replace").strip() if pause else "")


def examine(stream: BinaryIO, limit_chars: int) -> TextFacts:
    """Read a program through once, refuse what must not be sent, and return to its beginning.

    Raises
    ------
    RefusedError
        At the first line that must not reach a controller, or when there is nothing to send.
    """
    digest = hashlib.sha256()
    lines = 0
    stream.seek(0)
    for chunk in stream:
        digest.update(chunk)
        lines += len(chunk.splitlines())
    stream.seek(0)
    sendable = sum(1 for _ in wire_lines(stream, limit_chars))
    stream.seek(0)
    if not sendable:
        raise RefusedError("the program has no line to send", remedy="look at the file that was written")
    return TextFacts(digest.hexdigest(), lines)


def _refused(number: int, raw: bytes, problem: str, expected: str) -> RefusedError:
    return RefusedError(
        f"{raw[:60]!r} {problem}; expected: {expected}",
        place=f"line {number}",
        remedy="run `fabctl check` on the program and let fabctl write it anew",
    )
