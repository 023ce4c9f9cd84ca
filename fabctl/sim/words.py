"""From the characters of a line to words: Grbl's number format and its modal groups.

Source: Grbl 1.1h, grbl/nuts_bolts.c and grbl/gcode.c; RS274/NGC version 3, table 4.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from fabctl.errors import ProgramError
from fabctl.sim import codes

SIGNIFICANT_DIGITS = 8
"""Digits of a number that count; the rest only shift its point."""

PROBES = frozenset({382, 383, 384, 385})
"""Motion modes of G38.2 … G38.5."""
G80 = 80

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)")


class RejectedError(ProgramError):
    """A line the firmware answers with ``error:N``.

    Parameters
    ----------
    code : int
        The N; a key of `codes.ERRORS`.
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"error:{code}: {codes.ERRORS[code]}", remedy="send a line Grbl 1.1 understands")
        self.code = code


def read_number(line: str, at: int) -> tuple[float, int]:
    """Read the number at a position as Grbl does; return it and the position behind it.

    Raises
    ------
    RejectedError
        error:2 when no digit stands there.

    Examples
    --------
    >>> read_number("X-1.5Y2", 1)
    (-1.5, 5)
    >>> read_number("X1234567890", 1)
    (1234567800.0, 11)
    """
    match = _NUMBER.match(line, at)
    if match is None:
        raise RejectedError(2)
    text = match.group()
    value = float(text)
    if len(text) > SIGNIFICANT_DIGITS:
        value = _cut(text, value)
    return value, match.end()


def _cut(text: str, value: float) -> float:
    whole, _, fraction = text.lstrip("+-").partition(".")
    digits = whole + fraction
    if len(digits) <= SIGNIFICANT_DIGITS:
        return value
    kept = digits[:SIGNIFICANT_DIGITS].ljust(len(whole), "0")
    cut = float(kept[: len(whole)] + "." + kept[len(whole) :])
    return -cut if text.startswith("-") else cut


@dataclass(slots=True)
class Modal:
    """The modal state a block starts from and leaves behind."""

    motion: int = 0
    feed_inverse: bool = False
    inches: bool = False
    incremental: bool = False
    plane: int = 0
    offset_on: bool = False
    wcs: int = 0
    flow: int = 0
    spindle: int = 5
    flood: bool = False
    mist: bool = False

    def copy(self) -> Modal:
        """Return a copy."""
        return Modal(
            self.motion, self.feed_inverse, self.inches, self.incremental, self.plane, self.offset_on,
            self.wcs, self.flow, self.spindle, self.flood, self.mist,
        )  # fmt: skip


@dataclass(slots=True)
class Block:
    """One line's words: values by letter, commands by modal group, and what wants the axis words."""

    modal: Modal
    values: dict[str, float] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)
    non_modal: str = ""
    axis_command: str = ""
    jog: bool = False


MOTION, NON_MODAL, OFFSET = "motion", "non-modal", "tool length"
"""What a block's axis words belong to."""

_LETTERS = frozenset("FIJKLNPRSTXYZ")
_NOT_NEGATIVE = frozenset("FNPTS")
_SIMPLE: dict[int, tuple[str, str, int | bool]] = {
    17: ("plane", "plane", 0),
    18: ("plane", "plane", 1),
    19: ("plane", "plane", 2),
    93: ("feed mode", "feed_inverse", True),
    94: ("feed mode", "feed_inverse", False),
    20: ("units", "inches", True),
    21: ("units", "inches", False),
    **{54 + n: ("wcs", "wcs", n) for n in range(6)},
}
_TENTHS: dict[int, frozenset[int]] = {
    28: frozenset({0, 10}),
    30: frozenset({0, 10}),
    92: frozenset({0, 10}),
    38: frozenset({20, 30, 40, 50}),
    43: frozenset({10}),
    61: frozenset({0}),
    90: frozenset({0}),
    91: frozenset({0, 10}),
}
"""Fractions (in hundredths) a G word may have; others are error:20, and error:23 for words not here."""
_M_GROUPS: dict[int, str] = {0: "flow", 1: "flow", 2: "flow", 30: "flow", 3: "spindle", 4: "spindle",
                             5: "spindle", 8: "coolant", 9: "coolant"}  # fmt: skip
_BARE_GROUPS: dict[int, str] = {40: "cutter", 61: "control"}


def read_block(line: str, modal: Modal, *, mist: bool = False) -> Block:
    """Read all words of a stripped, upper-case line; a line of a jog begins with ``$J=``.

    Raises
    ------
    RejectedError
        With the code of the first word that is wrong, from left to right.
    """
    jog = line.startswith("$")
    block = Block(modal.copy(), jog=jog)
    if jog:
        block.modal.motion = 1
        block.modal.feed_inverse = False
    at = 3 if jog else 0
    values = block.values
    end = len(line)
    while at < end:
        letter = line[at]
        if not "A" <= letter <= "Z":
            raise RejectedError(1)
        value, at = read_number(line, at + 1)
        if letter == "G":
            _take_g(block, value)
        elif letter == "M":
            _take_m(block, value, mist=mist)
        else:
            _check_value(letter, value, values)
            values[letter] = value
    return block


def _check_value(letter: str, value: float, values: dict[str, float]) -> None:
    if letter not in _LETTERS:
        raise RejectedError(20)
    if letter == "T" and value > 255:
        raise RejectedError(38)
    if letter in values:
        raise RejectedError(25)
    if value < 0 and letter in _NOT_NEGATIVE:
        raise RejectedError(4)


def _claim(block: Block, owner: str) -> None:
    if block.axis_command:
        raise RejectedError(24)
    block.axis_command = owner


def _group(block: Block, group: str) -> None:
    if group in block.groups:
        raise RejectedError(21)
    block.groups.add(group)


def _take_g(block: Block, value: float) -> None:
    number = int(value)
    fraction = round(100 * (value - number))
    if number in (0, 1, 2, 3, 38):
        _claim(block, MOTION)
    elif number in (43, 49):
        _claim(block, OFFSET)
    elif number in (10, 28, 30, 92) and fraction == 0:
        _claim(block, NON_MODAL)
    if number == 49:
        fraction = 0  # the firmware clears it for both words of this group
    _check_fraction(number, fraction, value)
    if number in _SIMPLE:
        group, name, setting = _SIMPLE[number]
        setattr(block.modal, name, setting)
    else:
        group = _take_other(block, number, fraction)
    _group(block, group)


def _check_fraction(number: int, fraction: int, value: float) -> None:
    allowed = _TENTHS.get(number)
    if allowed is None:
        known = number in _SIMPLE or number in (0, 1, 2, 3, 4, 10, 40, 49, 53, 80)
        if not known or value < 0:
            raise RejectedError(20)
        if fraction > 0:
            raise RejectedError(23)
    elif fraction not in allowed:
        raise RejectedError(20)


def _take_other(block: Block, number: int, fraction: int) -> str:
    if number in (4, 10, 28, 30, 53, 92):
        block.non_modal = f"G{number}.1" if fraction == 10 else f"G{number}"
        return "non-modal"
    if number in (0, 1, 2, 3, 38, 80):
        block.modal.motion = 380 + fraction // 10 if number == 38 else number
        return "motion"
    if number in (43, 49):
        block.modal.offset_on = number == 43
        return "tool length"
    if number in (90, 91):
        if fraction:
            return "arc distance"
        block.modal.incremental = number == 91
        return "distance"
    return _BARE_GROUPS[number]


def _m_group(value: float, *, mist: bool) -> str:
    number = int(value)
    if round(100 * (value - number)) > 0:
        raise RejectedError(23)
    group = "coolant" if mist and number == 7 else _M_GROUPS.get(number)
    if group is None or value < 0:
        raise RejectedError(20)
    return group


def _take_m(block: Block, value: float, *, mist: bool) -> None:
    group = _m_group(value, mist=mist)
    modal, number = block.modal, int(value)
    if group == "flow":
        if number != 1:  # M1 is read and ignored
            modal.flow = {0: 3}.get(number, number)
    elif group == "spindle":
        modal.spindle = number
    else:
        modal.mist = number != 9 and (modal.mist or number == 7)
        modal.flood = number != 9 and (modal.flood or number == 8)
    _group(block, group)
