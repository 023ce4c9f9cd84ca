"""Play the steps of a case on a port, and say what was otherwise than the table has it.

Nothing of the sender is used: what tries the controller must not share the sender's own mistakes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from fabctl.conform.facts import Range, Step, Wanted
from fabctl.shop.firmware import Firmware
from fabctl.stream.port import Port

POLL_S = 0.01
REPORT_S = 0.2
SHOWN = 6
"""So many lines of what came are told when it was not what was expected."""

AXES = ("x", "y", "z")
Point = tuple[float, float, float]


def marks_of(firmware: Firmware) -> dict[str, str]:
    """Return what the marks of the table stand for with this firmware, as regular expressions."""
    stand_for = {re.escape("{version}"): r"\d+\.\d+[a-z]?", re.escape("{text}"): ".*"}
    banners = [re.escape(text) for text in firmware.speaks.banner]
    for mark, meaning in stand_for.items():
        banners = [text.replace(mark, meaning) for text in banners]
    blocks, ring = firmware.planner_blocks - 1, firmware.rx_buffer_bytes
    measured = firmware.name == "grbl-1.1"
    build = f",{blocks},{ring}(,\\d+)*" if max(firmware.speaks.build_numbers) else ""
    return {
        "{banner}": f"({'|'.join(banners)})",
        "{build}": build,
        # other firmwares keep a byte of the ring to themselves, or have another one on USB
        "{room}": f"{blocks},{ring}" if measured else rf"{blocks},\d+",
    }


class Player:
    """One host at one port that listens more than it talks.

    Parameters
    ----------
    port : Port
        Open.
    marks : dict of str to str
        See `marks_of`.
    power : callable, optional
        The PWM duty now, 0 to 1, where it can be seen.
    """

    def __init__(
        self, port: Port, marks: Mapping[str, str], power: Callable[[], float] | None = None
    ) -> None:
        self.port = port
        self.power = power
        self.lines: list[str] = []
        self.reports: list[str] = []
        self.marks = marks
        self._rest = b""

    def listen(self, seconds: float) -> None:
        """Take in what comes for a time, s."""
        end_s = self.port.clock_s() + seconds
        while (left_s := end_s - self.port.clock_s()) > 0:
            self._rest += self.port.read(left_s)
            *whole, self._rest = self._rest.split(b"\n")
            for line in (piece.decode("latin-1").strip() for piece in whole):
                if line:
                    (self.reports if line.startswith("<") else self.lines).append(line)

    def until(self, done: Callable[[], bool], seconds: float) -> bool:
        """Listen until something is so, at most a time in s; tell whether it is."""
        end_s = self.port.clock_s() + seconds
        while not done() and self.port.clock_s() < end_s:
            self.listen(POLL_S)
        return done()

    def ask(self, line: str, seconds: float = 5.0) -> list[str]:
        """Send a line and return what came up to its answer, the answer last."""
        self.lines.clear()
        self.port.write(line.encode("latin-1") + b"\n")
        self.until(lambda: any(_is_answer(text) for text in self.lines), seconds)
        return list(self.lines)

    def report(self, seconds: float = 1.0) -> str:
        """Poll once and return the report; empty when none comes."""
        self.reports.clear()
        self.port.write(b"?")
        self.until(lambda: bool(self.reports), seconds)
        return self.reports[-1] if self.reports else ""

    def play(self, steps: Iterable[Step], origin: Point = (0.0, 0.0, 0.0)) -> str:
        """Play steps until one is otherwise.

        Parameters
        ----------
        steps : iterable of Step
        origin : (x, y, z) float
            Where the machine stands: positions of the steps are counted from there.

        Returns
        -------
        str
            What was expected and what came; empty when all is as it should be.
        """
        return next((problem for step in steps if (problem := self._step(step, origin))), "")

    def _step(self, step: Step, origin: Point) -> str:
        self.lines.clear()
        began_s = self.port.clock_s()
        self.port.write(step.send)
        self.listen(step.wait_s)
        problem = self._expected(step) or self._counted(step)
        if not problem and step.status is not None:
            problem = self._status(step.status, began_s, origin)
        return problem or self._power(step.power)

    def _expected(self, step: Step) -> str:
        wanted = [self._marked(pattern) for pattern in step.expect]
        if wanted and not self.until(lambda: in_order(wanted, self.lines), step.within_s):
            return f"expected {_shown(step.expect)} after {_sent(step)}, came {_shown(self.lines)}"
        unwanted = [line for line in self.lines if step.never and re.fullmatch(step.never, line)]
        return f"came {_shown(unwanted)} after {_sent(step)}, which must not" if unwanted else ""

    def _counted(self, step: Step) -> str:
        if not step.count:
            return ""
        count = sum(bool(re.fullmatch(step.count, line)) for line in self.lines)
        if step.least <= count <= step.most:
            return ""
        span = f"{step.least}" if step.least == step.most else f"{step.least} to {step.most}"
        return f"expected {span} × {step.count} after {_sent(step)}, came {count}: {_shown(self.lines)}"

    def _status(self, wanted: Wanted, began_s: float, origin: Point) -> str:
        state, form = re.compile(wanted.state), re.compile(self._marked(wanted.report))
        end_s = self.port.clock_s() + wanted.within_s
        last = ""
        while self.port.clock_s() < end_s:
            said = self.report(REPORT_S)
            if not said:
                if wanted.silent:
                    return ""
                continue
            last = said
            if state.fullmatch(said.strip("<>").split("|")[0]) and form.fullmatch(said):
                break
        else:
            form_too = "" if wanted.report == ".*" else f" and {wanted.report}"
            came = last or "nothing"
            return f"expected {wanted.state}{form_too} within {wanted.within_s:g} s, last came {came}"
        after_s = self.port.clock_s() - began_s
        if not _inside(after_s, wanted.after_s):
            return f"{wanted.state} came after {after_s:.2f} s, expected {_span(wanted.after_s)} s"
        return _figures(wanted, last, origin)

    def _power(self, wanted: Range | None) -> str:
        if wanted is None or self.power is None or _inside(duty := self.power(), wanted):
            return ""
        return f"the PWM duty is {duty:.3f}, expected {_span(wanted)}"

    def _marked(self, pattern: str) -> str:
        for mark, meaning in self.marks.items():
            pattern = pattern.replace(mark, meaning)
        return pattern


def in_order(patterns: Sequence[str], lines: Sequence[str]) -> bool:
    """Tell whether patterns match lines in this order, others between them.

    Examples
    --------
    >>> in_order(["ok", "b"], ["a", "ok", "c", "b"]), in_order(["b", "ok"], ["ok", "b"])
    (True, False)
    """
    rest = iter(lines)
    return all(any(re.fullmatch(pattern, line) for line in rest) for pattern in patterns)


def position_of(report: str) -> Point:
    """Return the machine position of a status report, mm; of one that names the work position that.

    Examples
    --------
    >>> position_of("<Idle|MPos:1.000,2.000,-3.000|FS:0,0>")
    (1.0, 2.0, -3.0)
    """
    found = re.search(r"\|[MW]Pos:([^|>]*)", report)
    if not found:
        return (0.0, 0.0, 0.0)
    x, y, z = [float(text) for text in found.group(1).split(",")][:3]
    return x, y, z


def _figures(wanted: Wanted, report: str, origin: Point) -> str:
    if not wanted.figures:
        return ""
    found = re.search(r"\|FS?:([^|>]*)", report)
    speeds = [float(text) for text in found.group(1).split(",")] if found else []
    moved = [a - b for a, b in zip(position_of(report), origin, strict=True)]
    figures = dict(zip(AXES, moved, strict=True)) | dict(zip(("speed", "spindle"), speeds, strict=False))
    for name, span in wanted.figures.items():
        if name not in figures or not _inside(figures[name], span):
            return f"expected {name} {_span(span)}, came {report}"
    return ""


def _inside(value: float, span: Range | None) -> bool:
    return span is None or span[0] <= value <= span[1]


def _span(span: Range | None) -> str:
    return f"{span[0]:g} to {span[1]:g}" if span else "anything"


def _is_answer(line: str) -> bool:
    return line == "ok" or line.startswith("error:")


def _shown(lines: Sequence[str]) -> str:
    said = ", ".join(lines[:SHOWN]) + (f" and {len(lines) - SHOWN} more" if len(lines) > SHOWN else "")
    return said or "nothing"


def _sent(step: Step) -> str:
    return repr(step.send[:40])[1:] if step.send else "waiting"
