"""Anybody's G-code to a Program: every word understood or reported, nothing carried out in silence.

Method and figures: the words of a chunk are found by a table of bytes, numbers converted eight digits at a
time, plain stretches interpreted as whole arrays, the rest line by line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fabctl.errors import ProgramError
from fabctl.program import fast
from fabctl.program.findings import Notebook
from fabctl.program.interpret import Interpreter
from fabctl.program.modal import Modes, Sheet
from fabctl.program.model import WORD, Program, word_name
from fabctl.program.tokens import NO_CODE, Tokeniser, Words

Ints = NDArray[np.int64]

CHUNK_BYTES = 1 << 18
"""Text read at once: its arrays stay in the processor's cache, and memory stays flat."""
SHORT_RUN_LINES = 40
"""Fewer plain lines than this are cheaper one by one."""
NOT_TEXT_SHARE = 0.1
"""More bytes than this share that no text holds, and the file is no text."""

_TEXT = bytes(range(0x20, 0x7F)) + b"\t\r\n\f\v"
_COMMON = b"XYZIJKFSPRN"


def read(data: bytes, source: str = "program", *, full_scale: float = 1000.0) -> Program:
    r"""Read a G-code program as motion in mm.

    Parameters
    ----------
    data : bytes
        The file; lines ended by LF, CR or CRLF.
    source : str
        Its name, for messages.
    full_scale : float
        The S word that means power 1 (``$30``).

    Returns
    -------
    Program
        Its lines are those of `data`; its findings name every oddity. Positions count in the work
        coordinates the program starts in, from X0 Y0 Z0; machine coordinates (G53, G28) are taken to be the
        same and marked in ``state["flags"]``.

    Raises
    ------
    ProgramError
        When the file is empty or no text at all.

    Examples
    --------
    >>> program = read(b"G21 G90\nG1 X10 F600 (cut)\nX1e1\n")
    >>> program.moves["xyz"].tolist(), program.line.tolist()
    ([[10.0, 0.0, 0.0], [1.0, 0.0, 0.0]], [2, 3])
    >>> program.words["G1"], program.words["E"]
    (2, 3)
    """
    _demand_text(data, source)
    reading = interpret(data, full_scale)
    modes, notes = reading.interpreter.modes, reading.notes
    if modes.incremental:
        notes.add("relative-left-on", max(reading.first_lines.get("G91", 0), 1))
    moves, line, state = reading.interpreter.sheet.result()
    return Program(
        source=source,
        text=data,
        moves=moves,
        line=line,
        findings=notes.findings(),
        words=reading.first_lines,
        state=state,
        word=np.concatenate([np.zeros(0, WORD), *reading.kept]),
        full_scale=full_scale,
    )


@dataclass(frozen=True)
class Reading:
    """What is known when the last line was carried out.

    Parameters
    ----------
    notes : Notebook
    interpreter : Interpreter
        Holds the modes and the rows of motion.
    kept : list of (k,) WORD
    first_lines : dict of str to int
    """

    notes: Notebook
    interpreter: Interpreter
    kept: list[NDArray[np.void]] = field(default_factory=list)
    first_lines: dict[str, int] = field(default_factory=dict)


def interpret(data: bytes, full_scale: float = 1000.0) -> Reading:
    """Carry out all lines of a text.

    Parameters
    ----------
    data : bytes
    full_scale : float

    Returns
    -------
    Reading
    """
    notes = Notebook()
    head = data[:CHUNK_BYTES]
    # a little more than the lines there will be if all of the file is as its beginning
    room = max(head.count(b"\n"), head.count(b"\r")) * 21 * len(data) // (20 * max(len(head), 1)) + 1
    interpreter, tokeniser = Interpreter(Modes(), Sheet(notes, full_scale, room)), Tokeniser(notes)
    reading = Reading(notes, interpreter)
    for chunk in _chunks(data):
        words = tokeniser.words(chunk, 1 + tokeniser.lines)
        if not interpreter.ended_line:
            _remember(words, reading.kept, reading.first_lines)
            _carry_out(words, interpreter)
        ended = interpreter.ended_line
        if ended:
            extra = words.line[(words.line > ended) & (words.letter != ord("N"))]
            notes.add("after-end", extra, f"line {ended}")
        if tokeniser.ended_line:
            break
    return reading


def _demand_text(data: bytes, source: str) -> None:
    if not data or data.isspace():
        raise ProgramError("the file is empty", file=source, remedy="export the program again")
    head = data[: 1 << 16]
    strange = len(head.translate(None, _TEXT + b"\0"))
    # a Latin-1 or UTF-8 comment or a torn file has some strange bytes; only a binary has them everywhere
    if strange > 32 and strange > NOT_TEXT_SHARE * len(head):
        raise ProgramError(
            f"not text: {100 * strange / len(head):.0f} % of its bytes are in no G-code",
            file=source,
            remedy="choose the G-code file itself, not an archive, picture or project file",
        )


def _chunks(data: bytes) -> Iterator[bytes]:
    """Yield whole lines with LF ends."""
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    position = 0
    lf_only = b"\r" not in data
    ending = b"\n" if b"\n" in data else b"\r"
    while position < len(data):
        end = data.find(ending, position + CHUNK_BYTES) + 1 or len(data)
        chunk = data[position:end]
        if not lf_only:
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if not chunk.endswith(b"\n"):
            chunk += b"\n"
        yield chunk
        position = end


def _remember(words: Words, kept: list[NDArray[np.void]], first_lines: dict[str, int]) -> None:
    """Keep G, M, T and unusual words, and the first line of every word."""
    unusual = [letter for letter in words.letters if letter not in _COMMON]
    rows = np.concatenate([np.zeros(0, np.int64), *map(words.places, unusual)])
    tenths = np.full(len(rows), NO_CODE)
    at = 0
    for letter in unusual:
        count = len(words.places(letter))
        if letter in (fast.G, fast.M, fast.T):
            tenths[at : at + count] = words.tenths(letter)
        at += count
    if len(unusual) > 1:
        order = np.argsort(rows, kind="stable")
        rows, tenths = rows[order], tenths[order]
    out = np.empty(len(rows), WORD)
    out["letter"], out["tenths"], out["line"] = words.letter.take(rows), tenths, words.line.take(rows)
    kept.append(out)
    for letter in words.letters:
        places = words.places(letter)
        if letter not in (fast.G, fast.M):
            first_lines.setdefault(chr(letter), int(words.line[places[0]]))
            continue
        numbers = words.tenths(letter)
        for number in np.flatnonzero(np.bincount(numbers)).tolist():
            name = word_name(letter, number)
            if name not in first_lines:
                first_lines[name] = int(words.line[places[np.argmax(numbers == number)]])


def _carry_out(words: Words, interpreter: Interpreter) -> None:
    """Interpret a chunk: plain stretches as arrays, lines with rare words one by one."""
    count = len(words.line)
    slow = np.searchsorted(words.line, fast.slow_lines(words))
    at = 0
    for stop in [*slow.tolist(), count]:
        while at < stop and not interpreter.ended_line:
            if interpreter.modes.plain and words.line[stop - 1] - words.line[at] >= SHORT_RUN_LINES:
                fast.run(words.part(at, stop), interpreter.modes, interpreter.sheet)
                at = stop
            else:
                at = _one_line(words, at, interpreter)
        if stop < count and not interpreter.ended_line:
            at = _one_line(words, stop, interpreter)


def _one_line(words: Words, at: int, interpreter: Interpreter) -> int:
    """Interpret the line whose first word is `at`; return where the next line's words begin."""
    number = int(words.line[at])
    end = int(np.searchsorted(words.line, number, side="right"))
    letters = words.letter[at:end].tobytes().decode("ascii")
    interpreter.line(number, letters, words.value[at:end].tolist())
    return end
