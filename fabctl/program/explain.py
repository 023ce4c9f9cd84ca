"""One line of G-code in words: what each word is, what the line does, and the modes it meets.

pygcode knows the words and their modal groups; position and modes come from our own reader. pygcode is slow
(about ten thousand lines a second) and sees one line here, never a program.
"""

from __future__ import annotations

import re

import numpy as np

from fabctl.errors import ProgramError
from fabctl.program.check import DROPPED, PRINTER, REPORTED
from fabctl.program.findings import Notebook
from fabctl.program.modal import CANCELLED, NO_MOTION, Modes
from fabctl.program.model import MACHINE, Finding
from fabctl.program.read import Reading, interpret
from fabctl.program.tokens import NO_CODE
from fabctl.shop.firmware import load_firmware
from fabctl.toolpath.moves import ARC_CCW, ARC_CW, DWELL, FEED, RAPID, Moves, lengths

_COMMENT = re.compile(r"\([^)]*\)?|;.*")

MOTION_WORDS = {
    RAPID: "rapid to",
    FEED: "feed to",
    ARC_CW: "arc clockwise to",
    ARC_CCW: "arc counter-clockwise to",
    DWELL: "dwell at",
}
SHOWN_MOVES = 8
EXPLAINED_FOR = "grbl-1.1"
"""The firmware whose words count where no machine is named."""


def explain(data: bytes, line_number: int, source: str = "program") -> str:
    r"""Say what a line does.

    Parameters
    ----------
    data : bytes
        The whole program: what a line means depends on those before it.
    line_number : int
        From 1.
    source : str
        Its name, for messages.

    Returns
    -------
    str
        Several lines of text.

    Raises
    ------
    ProgramError
        When there is no such line.

    Examples
    --------
    >>> print(explain(b"G21 G90\nG1 X10 F600\nY5\n", 3, "a.nc"))
    a.nc, line 3: Y5
    words:
      Y: axis word
    does:
      feed to X10 Y5 Z0 mm, 5 mm at 600 mm/min
    meets:
      G1 motion, G21 millimetres, G90 absolute, G17 plane XY, F600, S0, M5 head off, M9 coolant off
      at X10 Y0 Z0 mm
    """
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    if not lines[-1]:
        lines.pop()
    if not 1 <= line_number <= len(lines):
        raise ProgramError(
            f"there is no line {line_number}", file=source, remedy=f"choose one of 1 to {len(lines)}"
        )
    shown = lines[line_number - 1].decode("utf-8", "replace").strip()
    before = interpret(b"\n".join([*lines[: line_number - 1], b""]))
    after = interpret(b"\n".join([*lines[:line_number], b""]))
    parts = [f"{source}, line {line_number}: {shown}", "words:", *_words(shown), "does:"]
    parts += _deeds(before, after, line_number)
    modes = before.interpreter.modes
    parts += ["meets:", f"  {_modes(modes)}", f"  at {_point(modes.position)} mm"]
    ended = before.interpreter.ended_line
    if ended:
        parts.append(f"  the program ended at line {ended}: this line is never run")
    own = [str(f) for f in after.notes.findings() if line_number in f.lines]
    own += [str(f) for f in _unknown_to_grbl(lines[line_number - 1], line_number)]
    if own:
        parts += ["findings:", *(f"  {finding}" for finding in own)]
    return "\n".join(parts)


def _words(text: str) -> list[str]:
    """Name each word of a line by pygcode's knowledge."""
    clean = _COMMENT.sub("", text).replace(" ", "").replace("\t", "").strip("%/")
    if clean.startswith("$"):
        return ["  none: a command to the controller itself"]
    if bare := re.search(r"[A-Za-z](?![-+.\d])", clean):
        return [f"  none: {bare.group()} without a number is no word of G-code"]
    return [f"  {_describe(word.upper())}" for word in re.findall(r"[A-Za-z][-+.\d]*", clean)] or ["  none"]


def _unknown_to_grbl(line: bytes, line_number: int) -> tuple[Finding, ...]:
    """Report words of a line that `check` finds wrong on Grbl, those of 3D printers among them."""
    reading = interpret(line + b"\n")
    known = load_firmware(EXPLAINED_FOR).words | REPORTED | PRINTER
    notes = Notebook()
    for name in sorted(reading.first_lines):
        if name in PRINTER and name != "E":
            notes.add("printer", line_number, name)
        elif name == "E" or (name[0] in "GM" and name not in known and name[1:] != str(NO_CODE // 10)):
            notes.add("word-dropped" if name in DROPPED else "word-unsupported", line_number, name)
    return notes.findings()


def _describe(word: str) -> str:
    # pygcode brings six and its own tables: loaded only when a person asks for words
    from pygcode import words2gcodes  # noqa: PLC0415
    from pygcode.exceptions import (  # noqa: PLC0415
        GCodeBlockFormatError,
        GCodeParameterError,
        GCodeWordStrError,
    )
    from pygcode.words import text2words  # noqa: PLC0415

    if word[0] in "XYZ":
        return f"{word[0]}: axis word"
    try:
        codes, rest = words2gcodes(list(text2words(word)))
    except (
        GCodeBlockFormatError,
        GCodeParameterError,
        GCodeWordStrError,
        AssertionError,
        ValueError,
    ) as problem:
        return f"{word}: not understood ({problem})"
    if codes:
        text = str(codes[0].description)
        return text if ":" in text else f"{word}: {text}"
    if rest and rest[0].letter in "GM":
        return f"{word}: unknown word"
    return f"{word[0]}: parameter of the G or M word, or of the motion, in force"


def _deeds(before: Reading, after: Reading, line_number: int) -> list[str]:
    """Say which moves a line makes."""
    moves, line, state = after.interpreter.sheet.result()
    first = int(np.searchsorted(line, line_number))
    own = moves[first:]
    if not len(own):
        return ["  no motion"]
    begin = moves["xyz"][first - 1] if first else np.zeros(3)
    out = [_deed(row, float(mm)) for row, mm in zip(own, lengths(own, begin), strict=True)]
    if state["flags"][first] & MACHINE:
        out.append("  to a place only the machine knows (machine coordinates)")
    if len(out) > SHOWN_MOVES:
        out = [*out[:SHOWN_MOVES], f"  and {len(out) - SHOWN_MOVES} more moves"]
    if before.interpreter.modes.shift != after.interpreter.modes.shift:
        out.append("  and moves the work zero")
    return out


def _deed(move: Moves, length_mm: float) -> str:
    motion = int(move["motion"])
    if motion == DWELL:
        return f"  dwell {move['ij'][0]:g} s"
    text = f"  {MOTION_WORDS[motion]} {_point(move['xyz'].tolist())} mm, {length_mm:g} mm"
    if motion in (ARC_CW, ARC_CCW):
        text += f", radius {float(np.hypot(*move['ij'])):g} mm"
    if motion != RAPID:
        text += f" at {move['feed']:g} mm/min" if move["feed"] > 0 else " without any feed"
    return text


def _point(xyz: list[float]) -> str:
    return " ".join(f"{axis}{round(value, 4) + 0.0:g}" for axis, value in zip("XYZ", xyz, strict=True))


def _modes(modes: Modes) -> str:
    """Name the modes in force."""
    motion = {NO_MOTION: "no motion word yet", CANCELLED: "G80 no motion"}.get(modes.motion)
    tool = f", T{modes.tool}" if modes.tool else ""
    coolant = {0: "M9 coolant off", 1: "M7 mist", 2: "M8 flood", 3: "M7 M8 mist and flood"}[modes.coolant]
    return (
        f"{motion or f'G{modes.motion} motion'}, "
        f"{'G21 millimetres' if modes.unit_mm == 1 else 'G20 inches'}"
        f"{'' if modes.unit_seen or modes.unit_mm != 1 else ' (assumed)'}, "
        f"{'G91 relative' if modes.incremental else 'G90 absolute'}, "
        f"G{modes.plane} plane {'XY' if modes.plane == 17 else 'ZX' if modes.plane == 18 else 'YZ'}, "
        f"{'G93 inverse time, ' if modes.inverse_feed else ''}"
        f"F{modes.feed:g}, S{modes.speed:g}, "
        f"{f'M{modes.spindle} head on' if modes.spindle else 'M5 head off'}, {coolant}{tool}"
    )
