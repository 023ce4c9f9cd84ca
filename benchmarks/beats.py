"""Boards that only keep time: lines are swallowed at an even rate, and what a sender asks is answered.

Sixteen virtual controllers in real time would take the very cores that are to be measured; sixteen of these
take a tenth of one. A board reports the end of the last line it answered as its position, and counts what it
was sent before it answered: it sees a window that is too large, and a ring that runs dry.
"""

from __future__ import annotations

import gc
import json
import math
import re
import select
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from benchmarks.far_end import Terminal

BEAT_S = 0.002
BANNER = b"\r\nGrbl 1.1h ['$' for help]\r\n"
_WORD = re.compile(r"([FXYZ])([-+.0-9]+)")
_PIECE = re.compile(rb"[\x18?!~\x80-\xff]")


@dataclass
class Beat:
    """One board.

    Parameters
    ----------
    terminal : Terminal
        Its wire.
    dump : dict of bytes to bytes
        What it answers to `$$`, `$I` and the like before the `ok`.
    per_s : float
        Lines it swallows a second; infinite for a board that answers at once.
    """

    terminal: Terminal
    dump: dict[bytes, bytes]
    per_s: float
    pending: deque[bytes] = field(default_factory=deque)
    rest: bytes = b""
    held: bool = False
    credit: float = 0.0
    waiting_bytes: int = 0
    most_waiting_bytes: int = 0
    answered: int = 0
    dry: int = 0
    reports: int = 0
    words: dict[str, float] = field(default_factory=lambda: dict.fromkeys("XYZF", 0.0))
    holds_s: list[float] = field(default_factory=list)

    def turn(self, past_s: float) -> None:
        """Answer as many lines as fit into the time that passed."""
        self.credit = min(self.credit + past_s * self.per_s, 4.0 if self.per_s < math.inf else math.inf)
        if self.held or not self.pending or self.credit < 1.0:
            return
        out = b""
        while self.pending and self.credit >= 1.0:
            line = self.pending.popleft()
            self.credit -= 1.0
            self.waiting_bytes -= len(line) + 1
            self._follow(line)
            out += (self._modes() if line == b"$G" else self.dump.get(line, b"")) + b"ok\r\n"
            self.answered += 1
        self.dry += not self.pending
        self.terminal.write(out)

    def hear(self) -> None:
        """Take what the host has sent, and note when a hold came."""
        heard = self.terminal.read()
        if _PIECE.search(heard):
            self.holds_s += [time.monotonic()] * heard.count(b"!")
            for code in _PIECE.findall(heard):
                self._obey(code)
            heard = _PIECE.sub(b"", heard.rpartition(b"\x18")[2])
        if not heard:
            return
        *lines, self.rest = (self.rest + heard).split(b"\n")
        self.pending += lines
        self.waiting_bytes += sum(map(len, lines)) + len(lines)
        self.most_waiting_bytes = max(self.most_waiting_bytes, self.waiting_bytes + len(self.rest))
        if self.per_s == math.inf:
            self.turn(1.0)

    def _obey(self, code: bytes) -> None:
        if code == b"\x18":
            self.pending.clear()
            self.rest, self.waiting_bytes, self.held = b"", 0, False
            self.terminal.write(BANNER)
        elif code == b"?":
            self.terminal.write(self._report())
        elif code in b"!~":
            self.held = code == b"!"

    def _follow(self, line: bytes) -> None:
        if line[:1] in b"FXYZ" or line.startswith(b"G1"):
            self.words.update((axis, float(value)) for axis, value in _WORD.findall(line.decode("ascii")))

    def _report(self) -> bytes:
        state = "Hold:0" if self.held else "Run" if self.pending else "Idle"
        x, y, z, _ = self.words.values()
        # the offsets with every tenth report, the overrides with the one after it, as Grbl tells them
        turn = self.reports % 10
        self.reports += 1
        told = {0: "|WCO:0.000,0.000,0.000", 1: "|Ov:100,100,100"}.get(turn, "")
        return f"<{state}|MPos:{x:.3f},{y:.3f},{z:.3f}|Bf:15,128|FS:0,0{told}>\r\n".encode()

    def _modes(self) -> bytes:
        return f"[GC:G1 G54 G17 G21 G90 G94 M5 M9 T0 F{self.words['F']:g} S0]\r\n".encode()


def dump_of(settings: dict[int, float]) -> dict[str, str]:
    """Return what a board with these settings answers to the questions a sender begins with."""
    zeros = "".join(f"[{name}:0.000,0.000,0.000]\r\n" for name in ("G54", "G55", "G56", "G57", "G58", "G59"))
    zeros += "".join(f"[{name}:0.000,0.000,0.000]\r\n" for name in ("G28", "G30", "G92"))
    return {
        "$I": "[VER:1.1h.20190825:]\r\n[OPT:V,15,128]\r\n",
        "$$": "".join(f"${number}={value:.3f}\r\n" for number, value in settings.items()),
        "$N": "$N0=\r\n$N1=\r\n",
        "$#": f"{zeros}[TLO:0.000]\r\n[PRB:0.000,0.000,0.000:0]\r\n",
    }


def serve_beats(what: dict[str, Any]) -> dict[str, Any]:
    """Serve many boards until standard input ends.

    Parameters
    ----------
    what : dict
        ``count`` boards at ``per_s`` lines a second that answer ``dump``; with ``prompt`` they look at once
        at what comes and note when, else at every beat.
    """
    dump = {key.encode(): value.encode() for key, value in what["dump"].items()}
    boards = [Beat(Terminal(), dump, what["per_s"]) for _ in range(what["count"])]
    by_wire = {board.terminal.master: board for board in boards}
    wires = [*by_wire, sys.stdin.fileno()]
    print(json.dumps([board.terminal.url for board in boards]), flush=True)
    gc.freeze()
    before_s, late = time.monotonic(), []
    ready: list[int] = []
    while sys.stdin.fileno() not in ready:
        if not what.get("prompt"):
            time.sleep(max(0.0, before_s + BEAT_S - time.monotonic()))
        left_s = max(0.0, before_s + BEAT_S - time.monotonic())
        ready = select.select(wires, (), (), left_s)[0]
        for wire in ready:
            if wire in by_wire:
                by_wire[wire].hear()
        now_s = time.monotonic()
        past_s = now_s - before_s
        if past_s >= BEAT_S:
            late.append(past_s - BEAT_S)
            for board in boards:
                board.turn(past_s)
            before_s = now_s
    late.sort()
    return {
        "answered": sum(board.answered for board in boards),
        "most_waiting_bytes": max(board.most_waiting_bytes for board in boards),
        "dry": sum(board.dry for board in boards),
        "late_p99_s": late[int(len(late) * 0.99)],
        "late_max_s": late[-1],
        "cpu_s": time.process_time(),
        "holds_s": [board.holds_s for board in boards],
    }
