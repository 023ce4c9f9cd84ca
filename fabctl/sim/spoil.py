"""Damage on the wire: bytes, lines and answers changed on their way, each at a moment its seed decides."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from fabctl.sim.faults import Count, Fault

Spoil = Callable[[bytes, int, "Armed"], bytes | None]
"""Takes bytes, where the fault begins, and the fault; None is "not yet: its line is not whole"."""

_UNREADABLE = b"k\xefo\r\n"


@dataclass(slots=True)
class Armed:
    """A fault that waits for its moment.

    Parameters
    ----------
    fault : Fault
    random : random.Random
        Its own dice: faults beside it change nothing for it.
    due : float
        When it strikes next, in what its kind counts; infinity when it is over.
    left : int
        Bytes it still has to take, of a run that began earlier.
    """

    fault: Fault
    random: random.Random
    due: float
    left: int = 0

    def rearm(self) -> None:
        """Find the next moment after this one."""
        every = self.fault.every
        self.due = self.due + self.random.expovariate(1.0 / every) if every else math.inf


def arm(fault: Fault, seed: int, index: int) -> Armed:
    """Give a fault its dice and its first moment."""
    dice = random.Random(f"{seed}/{index}/{fault.kind.name}")  # noqa: S311 - dice, no secret
    _, low, high = fault.kind.count.value
    drawn = dice.uniform(low, high)
    return Armed(fault, dice, drawn if fault.at is None else fault.at)


class Spoiler:
    r"""All that happens to the bytes of one direction.

    Parameters
    ----------
    armed : list of Armed
        Faults whose kind counts bytes.
    prefix : str
        What the kinds' names begin with in this direction.

    Examples
    --------
    >>> from fabctl.sim.faults import parse_faults
    >>> spoiler = Spoiler([arm(parse_faults("byte-lost:at=8")[0], 1, 0)])
    >>> spoiler.spoil(b"G1X1\n"), spoiler.spoil(b"G1Y10\n")
    (b'G1X1\n', b'G1Y0\n')
    """

    def __init__(self, armed: list[Armed], prefix: str = "") -> None:
        self._armed = armed
        self._prefix = prefix
        self.count = 0

    def spoil(self, data: bytes) -> bytes:
        """Return what of some bytes arrives, and as what."""
        begin, self.count = self.count, self.count + len(data)
        for armed in self._armed:
            if armed.left:
                data = _go_on(data, armed)
            elif armed.due < self.count:
                action = _ON_BYTES[armed.fault.kind.name.removeprefix(self._prefix)]
                # earlier faults may have shortened the bytes
                at = min(max(0, int(armed.due) - begin), max(0, len(data) - 1))
                spoiled = action(data, at, armed) if data else None
                if spoiled is not None:
                    data = spoiled
                    armed.rearm()
        return data


def _go_on(data: bytes, armed: Armed) -> bytes:
    taken = min(armed.left, len(data))
    armed.left -= taken
    return data[taken:]


def _lost(data: bytes, at: int, armed: Armed) -> bytes:  # noqa: ARG001
    return data[:at] + data[at + 1 :]


def _flipped(data: bytes, at: int, armed: Armed) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << armed.random.randrange(8)]) + data[at + 1 :]


def _doubled(data: bytes, at: int, armed: Armed) -> bytes:  # noqa: ARG001
    return data[: at + 1] + data[at:]


def _burst(data: bytes, at: int, armed: Armed) -> bytes:
    count = int(armed.fault.values["bytes"])
    return data[:at] + armed.random.randbytes(min(count, len(data) - at)) + data[at + count :]


def _noise(data: bytes, at: int, armed: Armed) -> bytes:
    return data[:at] + armed.random.randbytes(int(armed.fault.values["bytes"])) + data[at:]


def _packet(data: bytes, at: int, armed: Armed) -> bytes:
    count = int(armed.fault.values["bytes"])
    armed.left = max(0, at + count - len(data))
    return data[:at] + data[at + count :]


def _newline(data: bytes, at: int, armed: Armed) -> bytes | None:  # noqa: ARG001
    end = data.find(b"\n", at)
    if end < 0:
        return None
    begin = end - (end > 0 and data[end - 1 : end] == b"\r")
    return data[:begin] + data[end + 1 :]


def _line(data: bytes, at: int) -> tuple[int, int] | None:
    """Find the next line that is whole, from where a line begins."""
    begin = 0 if at == 0 else data.find(b"\n", at - 1) + 1
    end = data.find(b"\n", begin) + 1
    return None if end == 0 or (at and begin == 0) else (begin, end)


def _line_lost(data: bytes, at: int, armed: Armed) -> bytes | None:  # noqa: ARG001
    found = _line(data, at)
    return None if found is None else data[: found[0]] + data[found[1] :]


def _line_doubled(data: bytes, at: int, armed: Armed) -> bytes | None:  # noqa: ARG001
    found = _line(data, at)
    return None if found is None else data[: found[1]] + data[found[0] :]


_ON_BYTES: dict[str, Spoil] = {
    "byte-lost": _lost,
    "byte-flipped": _flipped,
    "byte-doubled": _doubled,
    "burst": _burst,
    "noise": _noise,
    "packet-lost": _packet,
    "newline-lost": _newline,
    "line-lost": _line_lost,
    "line-doubled": _line_doubled,
}

_ON_ANSWERS: dict[str, Callable[[bytes, Fault], bytes]] = {
    "ok-lost": lambda _answer, _fault: b"",
    "ok-doubled": lambda answer, _fault: answer * 2,
    "ok-garbled": lambda _answer, _fault: _UNREADABLE,
    "ok-late": lambda answer, _fault: answer,
    "ok-error": lambda _answer, fault: b"error:%d\r\n" % int(fault.values["code"]),
}


class AnswerSpoiler:
    """What happens to the answers among the controller's replies.

    Parameters
    ----------
    armed : list of Armed
        Faults whose kind counts answers.
    seed : int
        Of the jitter.

    Attributes
    ----------
    jitter_s : float
        How much later any reply may come.
    """

    def __init__(self, armed: list[Armed], seed: int = 0) -> None:
        self._armed = armed
        self._dice = random.Random(f"{seed}/jitter")  # noqa: S311 - dice, no secret
        self.jitter_s = 0.0
        self.count = 0

    def spoil(self, reply: bytes) -> tuple[bytes, float]:
        """Return what becomes of one reply, and how many s later it comes."""
        late_s = self._dice.uniform(0, self.jitter_s) if self.jitter_s else 0.0
        if not reply.startswith((b"ok", b"error:")):
            return reply, late_s
        self.count += 1
        for armed in self._armed:
            if armed.due <= self.count:
                reply = _ON_ANSWERS[armed.fault.kind.name](reply, armed.fault)
                late_s += armed.fault.values.get("delay_s", 0.0)
                armed.rearm()
        return reply, late_s


def of_count(armed: list[Armed], count: Count) -> list[Armed]:
    """Return the faults whose kind counts something."""
    return [one for one in armed if one.fault.kind.count is count]
