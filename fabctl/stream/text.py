"""The last door before the wire: a program's lines as the bytes that are sent, or a refusal.

Only letters, digits, signs and points pass. Comments, blanks and `%` stay behind: a ``!`` inside a comment
would hold the machine, a no-break space would toggle its coolant. ``$`` never passes.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from fabctl.errors import InputError, RefusedError

PIECE_BYTES = 1 << 16
TURN_LINES = 1000
GROUP_LINES = 64
"""So many are looked at as one: a line by itself costs three times as much."""
LONGEST_LINE_BYTES = 1 << 20

_COMMENT = re.compile(rb"\([^()\r\n]*\)|;.*")
_BLANK = re.compile(rb"[ \t]+")
_PLAIN_LINES = re.compile(rb"(?:[A-LN-Z][-+]?(?:\d++\.?+\d*+|\.\d++)|\n)*+")
_MOVES = re.compile(rb"(?:(?:G0*[0-3](?![0-9.]))?+(?:[A-FH-LN-Z][-+]?(?:\d++\.?+\d*+|\.\d++))*+(?:\n|\Z))*+")
_WORDS = re.compile(rb"(?:[A-Z][-+]?(?:\d+\.?\d*|\.\d+))*")
_PERSON = re.compile(rb"M0*(?:0|1|6)(?![0-9.])")
_PERSON_ALONE = re.compile(rb"(?:N\d+)?(?:T\d+)?M0*(?:0|1|6)(?:T\d+)?")


class WireLine(NamedTuple):
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
    moves : bool
        Whether it names no M word, and no G word but G0 to G3: it goes without a closer look.
    """

    number: int
    text: bytes
    pause: bool = False
    note: str = ""
    moves: bool = False


class Text:
    r"""A program's text: read a piece at a time, whatever its size, and the same at every reading.

    The first reading, `examine`, refuses what must not be sent and takes the digest; each later one
    compares every piece with it before a line of it is handed out. `read_text` does the first at once.

    Parameters
    ----------
    program : bytes or Path
        The text, or the file that holds it.
    limit_chars : int
        The longest line the controller takes.

    Attributes
    ----------
    sha256 : str
        Of all its bytes, hex; known once it is examined.
    lines : int
        How many lines it has, blank ones included; known once it is examined.
    """

    def __init__(self, program: bytes | Path, limit_chars: int) -> None:
        self._program = program
        self._limit_chars = limit_chars
        self._digests: list[bytes] = []
        self.sha256 = ""
        self.lines = 0

    def examine(self) -> Iterator[None]:
        """Read the text for the first time; yield now and then, so that others get their turn.

        Raises
        ------
        RefusedError
            At the first line that must not reach a controller, or when there is nothing to send.
        InputError
            When the file cannot be read.
        """
        whole = hashlib.sha256()
        lines = sendable = 0
        for number, line in numbered(self._first_reading(whole), self._limit_chars):
            lines = number
            sendable += line is not None
            if number % TURN_LINES == 0:
                yield
        if not sendable:
            raise RefusedError("the program has no line to send", remedy="look at the file that was written")
        self.sha256, self.lines = whole.hexdigest(), lines

    def wire_lines(self) -> Iterator[WireLine]:
        """Yield what is sent for each line, from the first.

        Raises
        ------
        RefusedError
            Where the text is no longer the one that was read first; nothing of that piece is handed out.
        """
        return (line for _, line in numbered(self._same_again(), self._limit_chars) if line is not None)

    def _first_reading(self, whole: hashlib._Hash) -> Iterator[bytes]:
        for piece in self._pieces():
            whole.update(piece)
            self._digests.append(hashlib.sha256(piece).digest())
            yield piece

    def _same_again(self) -> Iterator[bytes]:
        known = iter(self._digests)
        for piece in self._pieces():
            if hashlib.sha256(piece).digest() != next(known, None):
                raise self._changed()
            yield piece
        if next(known, None) is not None:
            raise self._changed()

    def _pieces(self) -> Iterator[bytes]:
        try:
            with self._open() as file:
                while piece := file.read(PIECE_BYTES):
                    yield piece
        except OSError as error:
            raise InputError(
                f"the program cannot be read: {error.strerror or error}",
                file=str(self._program),
                remedy="look at the disk; write the program again",
            ) from error

    def _open(self) -> BinaryIO:
        return io.BytesIO(self._program) if isinstance(self._program, bytes) else self._program.open("rb")

    def _changed(self) -> RefusedError:
        return RefusedError(
            "the program changed after it was checked",
            file=self._program.name if isinstance(self._program, Path) else "",
            remedy="leave the run's folder alone while it runs; check and send again",
        )


def read_text(program: bytes | Path, limit_chars: int) -> Text:
    r"""Read a program's text for the first time, all of it.

    Parameters
    ----------
    program : bytes or Path
        The text, or the file that holds it.
    limit_chars : int
        The longest line the controller takes.

    Raises
    ------
    RefusedError
        At the first line that must not reach a controller, or when there is nothing to send.
    InputError
        When the file cannot be read.

    Examples
    --------
    >>> text = read_text(b"G21 (mm!)\n\nG1 X1.5 ; go\n", 79)
    >>> [line.text for line in text.wire_lines()], text.lines
    ([b'G21', b'G1X1.5'], 3)
    """
    text = Text(program, limit_chars)
    for _ in text.examine():
        pass
    return text


def numbered(pieces: Iterable[bytes], limit_chars: int) -> Iterator[tuple[int, WireLine | None]]:
    """Yield each line of a text: its number from 1, and what is sent for it, if anything.

    Parameters
    ----------
    pieces : iterable of bytes
        The text in order, cut anywhere.
    limit_chars : int
        The longest line the controller takes.

    Raises
    ------
    RefusedError
        At the first line that must not reach a controller.
    """
    number = 0
    for lines in _whole_lines(pieces):
        for at in range(0, len(lines), GROUP_LINES):
            group = lines[at : at + GROUP_LINES]
            plain = _are_plain(group, limit_chars)
            moves = plain and _are_moves(b"\n".join(group))
            for raw in group:
                number += 1
                if plain:
                    yield number, WireLine(number, raw, moves=moves or _are_moves(raw))
                else:
                    yield number, _wire_line(number, raw, limit_chars)


def _are_plain(group: list[bytes], limit_chars: int) -> bool:
    """Tell whether lines are sent as they are: words without blanks, comments, M words or lower case."""
    return (
        max(map(len, group)) <= limit_chars
        and b"" not in group
        and _PLAIN_LINES.fullmatch(b"\n".join(group)) is not None
    )


def _are_moves(lines: bytes) -> bool:
    return _MOVES.fullmatch(lines) is not None


def _whole_lines(pieces: Iterable[bytes]) -> Iterator[list[bytes]]:
    rest = b""
    for piece in pieces:
        text = rest + piece
        # a carriage return at the very end may be half of a line ending
        cut = 1 + max(text.rfind(b"\n"), text.rfind(b"\r", 0, len(text) - 1))
        yield text[:cut].splitlines()
        rest = text[cut:]
        if len(rest) > LONGEST_LINE_BYTES:
            raise RefusedError(
                f"a line of over {LONGEST_LINE_BYTES} bytes", remedy="send a program, not another file"
            )
    yield rest.splitlines()


def _wire_line(number: int, raw: bytes, limit_chars: int) -> WireLine | None:
    text = _BLANK.sub(b"", _COMMENT.sub(b"", raw)).upper()
    if not text or text == b"%":
        return None
    if not _WORDS.fullmatch(text):
        raise _refused(number, raw, "holds what is no plain word of G-code", "letters and numbers only")
    if len(text) > limit_chars:
        raise _refused(number, raw, f"has {len(text)} characters", f"at most {limit_chars}")
    pause = _PERSON.search(text) is not None
    if pause and not _PERSON_ALONE.fullmatch(text):
        raise _refused(number, raw, "mixes M0, M1 or M6 with other words", "such a word alone")
    note = raw.decode("ascii", "replace").strip() if pause else ""
    return WireLine(number, text, pause, note, _are_moves(text))


def _refused(number: int, raw: bytes, problem: str, expected: str) -> RefusedError:
    return RefusedError(
        f"{raw[:60]!r} {problem}; expected: {expected}",
        place=f"line {number}",
        remedy="run `fabctl check` on the program and let fabctl write it anew",
    )
