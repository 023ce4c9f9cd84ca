"""A course to be cut off anywhere: a program whose every line takes the tool further along X.

Where the tool stands says how many lines it has made, so a machine that outlives the computer tells the
truth about what that computer left behind.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Sequence
from dataclasses import dataclass

from fabctl.record.statement import Statement
from fabctl.sim.controller import Controller

WHAT = (
    "A machine that outlives its computer is the witness: a statement is untrue when it calls a line made "
    "that was not, when a line arrived or began beyond what it says is the most, when it says done or not "
    "started and that is wrong, or a position the tool never had. The sender is `fabctl send` in a "
    "process of its own, killed with SIGKILL, then `fabctl status`; disks fail and are cut under the same "
    "sender in virtual time. `pytest -m campaign tests/record`. The rows of the daemon: `fabctl machine "
    "serve` with sixteen machines under way, at a named point with four, is killed and started anew; nothing "
    "may begin by itself, and no run before a zero is set. A part of the machines has switches, and most of "
    "their runs begin with homing: after a kill none counts as homed, a run homes it before its first line, "
    "and ends where it says. `python -m benchmarks.kept_crashes --write`."
)
"""The campaigns that this course is for, for the page of their figures."""
STEP_MM = 0.3
DRAIN = b"G4P0.01"
NEAR_MM = 0.002
"""Steps and printed digits."""
_X = re.compile(rb"X([-+]?[0-9.]+)")
_PERSONS = (b"M0", b"M1")
_OURS = re.compile(rb"[?!~\x18\x80-\xff]")


def course(
    lines: int,
    pause_at: int | None = None,
    feed_mm_min: int = 2000,
    *,
    on_word: str = "M3S5000",
    has_z: bool = True,
) -> bytes:
    """Write the program: a zigzag, with a place where a person acts when one is wanted.

    Parameters
    ----------
    lines : int
    pause_at : int, optional
        Before which line of the zigzag a person acts.
    feed_mm_min : int
    on_word : str
        Switches the head on; empty for one that nothing switches.
    has_z : bool
        Whether the machine has a Z axis.
    """
    up = ["G0Z5"] if has_z else []
    on = [*([on_word, "G4P0.1"] if on_word else []), *(["G1Z1F800"] if has_z else [])]
    off = [*up, *(["M5"] if on_word else [])]
    words = ["G21G90", *up, "G0X0Y0", *on]
    for number in range(1, lines + 1):
        if number == pause_at:
            words += [*off, "M0", *on]
        words.append(f"G1X{number * STEP_MM:.3f}Y{0.02 * (number % 3):.3f}F{feed_mm_min}")
    return "\n".join([*words, *off, "M2", ""]).encode()


@dataclass(frozen=True)
class Course:
    """A program as it was sent, line by line.

    Parameters
    ----------
    sent : sequence of (int, bytes)
        Number and text of each line that goes on the wire.
    x_mm : sequence of float
        Where the tool is in X after each of them.
    """

    sent: Sequence[tuple[int, bytes]]
    x_mm: Sequence[float]

    @classmethod
    def of(cls, program: bytes) -> Course:
        """Read it from what lies in the run's folder."""
        numbered = enumerate((line.replace(b" ", b"") for line in program.splitlines()), 1)
        lines = [(number, line) for number, line in numbered if line and line not in _PERSONS]
        x_mm, at = [], 0.0
        for _, line in lines:
            found = _X.search(line)
            at = float(found.group(1)) if found else at
            x_mm.append(at)
        return cls(lines, x_mm)

    def made(self, x_mm: float) -> int:
        """Return the last line that can be wholly executed with the tool at `x_mm`."""
        index = bisect.bisect_right(self.x_mm, x_mm + NEAR_MM)
        return self.sent[index - 1][0] if index else 0

    def begun(self, x_mm: float) -> int:
        """Return the last line that must have begun with the tool at `x_mm`."""
        index = bisect.bisect_left(self.x_mm, x_mm - NEAR_MM)
        return self.sent[min(index, len(self.sent) - 1)][0] if x_mm > NEAR_MM else 0

    def arrived(self, raw: bytes) -> int:
        """Return the last line of the program that a controller got whole, from all the bytes it got.

        Raises
        ------
        ValueError
            When it got something that is not the program from its first line on.
        """
        *lines, _ = _OURS.sub(b"", raw).split(b"\n")
        checks = [index for index, line in enumerate(lines) if line == b"$C"]
        checking = len(checks) % 2 == 1
        program = [
            line
            for line in lines[checks[-1] + 1 if checks else 0 :]
            if line not in {DRAIN, b""} and not line.startswith(b"$")
        ]
        if checking:
            return 0
        expected = [text for _, text in self.sent[: len(program)]]
        if program != expected:
            raise ValueError(f"{program[-3:]!r} is not {expected[-3:]!r}")
        return self.sent[len(program) - 1][0] if program else 0


@dataclass(frozen=True)
class Truth:
    """What a machine knows of a computer that is gone.

    Parameters
    ----------
    raw : bytes
        All it ever got.
    x_mm : float
        Where the tool was when the computer went, work coordinates.
    rest_mm : float
        Where it came to rest.
    """

    raw: bytes
    x_mm: float
    rest_mm: float


def tool_x_mm(controller: Controller) -> float:
    """Return where the tool truly is in X, now, in the middle of a move too."""
    return controller.board.plant.steps[0] / controller.board.settings[100]


def lies(said: Statement, course: Course, truth: Truth) -> list[str]:
    """Return what a statement says that is not true; empty when all of it is."""
    arrived, made = course.arrived(truth.raw), course.made(truth.x_mm)
    begun = course.begun(truth.rest_mm)
    last = course.sent[-1][0]
    ended = said.state in {"done", "stopped, position known", "stopped, position unknown"}
    found = []
    if not ended and said.state not in {"crashed", "not started", "no journal"}:
        found.append(f"state {said.state}")
    if said.state == "done" and (arrived, made) != (last, last):
        found.append(f"done, but {arrived} arrived and {made} were made of {last}")
    if said.state in {"not started", "no journal"} and arrived:
        found.append(f"{said.state}, but {arrived} lines arrived")
    if said.at_least > made:
        found.append(f"at least {said.at_least}, but only {made} were made")
    may_begin = said.at_most if ended or said.whole else last
    if begun > may_begin:
        found.append(f"at most {said.at_most}, but {begun} had begun")
    if not ended and arrived > said.at_most and said.state != "no journal":
        found.append(f"at most {said.at_most}, but {arrived} had arrived")
    if said.work_mm is not None and said.work_mm[0] > truth.x_mm + NEAR_MM:
        found.append(f"seen at X {said.work_mm[0]}, but the tool never was beyond {truth.x_mm}")
    return found
