"""Every kind of finding: its severity, what it says and what to do (docs/checks.md for people)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fabctl.program.model import SEVERITIES, Finding, Severity

Ints = NDArray[np.int64]
LISTED = 20
"""Lines a finding names one by one."""
VALUES = 5
"""Different things seen that a finding names one by one."""


@dataclass(frozen=True)
class Kind:
    """What all findings of one kind share.

    Parameters
    ----------
    severity : {"error", "warning", "note"}
    problem : str
        What was seen; ``{}`` takes the figures of the first place.
    remedy : str
    """

    severity: Severity
    problem: str
    remedy: str


def _error(problem: str, remedy: str) -> Kind:
    return Kind("error", problem, remedy)


def _warning(problem: str, remedy: str) -> Kind:
    return Kind("warning", problem, remedy)


def _note(problem: str, remedy: str) -> Kind:
    return Kind("note", problem, remedy)


KINDS: dict[str, Kind] = {
    # the text
    "damaged": _error("NUL bytes: the file is damaged, half written or cut off", "export it again"),
    "realtime-character": _warning(
        "real-time characters ({}) outside comments: a controller acts on them at once",
        "they are never sent; take them out of the file",
    ),
    "realtime-in-comment": _note(
        "real-time characters ({}) inside comments", "nothing: comments are never sent"
    ),
    "not-ascii": _error("a byte outside ASCII ({}) in a command", "export the file again as plain text"),
    "character": _error("{} is no part of any word", "correct the line"),
    "comment-open": _warning(
        "a comment is never closed: {}", "close it with ) on its line; the rest of the line is left out"
    ),
    "comment-nested": _note(
        "a parenthesis inside a comment", "nothing: the comment ends at the matching one"
    ),
    "comment-stray": _warning("a ) without its (", "it was read as if not there; look at the line"),
    "block-delete": _warning(
        "a line marked with / for skipping", "it is carried out, as Grbl does; delete it or the /"
    ),
    "line-long": _warning(
        "{} characters in a line: more than the controller takes", "it is rewritten shorter"
    ),
    "number": _error("{} is not a number", "correct the line"),
    "letter-missing": _error("a number without a letter before it", "correct the line"),
    "letter-twice": _error("{} twice in a line (Grbl error:25)", "split the line in two"),
    "expression": _error(
        "parameters, expressions or subprograms ({}), which no Grbl knows",
        "export the program without them, or expand it with the CAM's post-processor",
    ),
    "dollar": _error(
        "{} changes or asks the controller's settings", "take it out; settings belong to the profile"
    ),
    "homing": _warning("$H homes the machine in mid-program", "home before the run; the line is left out"),
    "checksum": _note("line checksums (*)", "nothing: they are left out"),
    "program-number": _note("program numbers (O)", "nothing: they are left out"),
    "after-end": _warning("words after the program's end ({})", "they are not run; delete them or the end"),
    # the words
    "word-unsupported": _error(
        "{} is not understood by the controller (Grbl error:20)", "export for Grbl without it"
    ),
    "word-dropped": _warning(
        "{} is not understood by the controller", "nothing: it is left out of what is sent"
    ),
    "word-unused": _error(
        "{}: a word nothing in its line asks for (Grbl error:36)",
        "take it out, or add the word it belongs to",
    ),
    "printer": _error("words of a 3D printer ({})", "this is not a program for this machine"),
    "same-group": _error("two words of one modal group: {} (Grbl error:21)", "split the line in two"),
    "axis-unsupported": _error("{}: an axis this machine does not have", "export for three axes"),
    "unit-missing": _warning(
        "neither G20 nor G21 before the first move", "mm are assumed and G21 is sent; say it"
    ),
    "distance-missing": _warning(
        "neither G90 nor G91 before the first move", "G90 is assumed and sent; say it"
    ),
    "motion-missing": _warning("axis words before any G0 to G3", "G0 is assumed, as after a reset; say it"),
    "motion-cancelled": _error("axis words after G80 without a motion word", "add G0 or G1"),
    "feed-missing": _error("a cutting move without a feed (Grbl error:22)", "add an F word before it"),
    "feed-inverse": _note("inverse time feeds (G93)", "nothing: they are rewritten as mm/min"),
    "dwell-missing": _error("G4 without P", "add P with the seconds"),
    "dwell-long": _warning("a dwell of {}", "look whether seconds were meant: P counts seconds here"),
    "canned-cycle": _note("drilling cycles ({})", "nothing: they are expanded"),
    "canned-incomplete": _error("a drilling cycle without {}", "add it"),
    "arc-centre-missing": _error("an arc without centre or radius (Grbl error:35)", "add I and J, or R"),
    "arc-radius-small": _error("R {} (Grbl error:34)", "correct R or the end point"),
    "arc-radii-differ": _error(
        "an arc whose radii disagree: {} (Grbl error:33)", "export with more decimals, or correct the centre"
    ),
    "arc-plane": _note("arcs in G18 or G19", "nothing: they are rewritten as chords within 0.002 mm"),
    "arc-absolute": _note("arc centres in absolute coordinates (G90.1)", "nothing: they are rewritten"),
    "shifted": _warning(
        "{} moves the work zero in mid-program",
        "it is followed and left out; set zero before the run instead",
    ),
    "saved-offset": _warning(
        "{} writes an offset the controller keeps",
        "followed but not written; set zero before the run instead",
    ),
    "other-offset": _warning(
        "work coordinate system {}: its offset is not known here", "taken to be that of G54; use G54"
    ),
    "machine-coordinates": _warning(
        "{}: where it goes depends on the machine's own zero",
        "it is rewritten as a retract to the clearance height",
    ),
    "relative-after-home": _error(
        "a relative move after {}: where it goes is not known",
        "give X, Y and Z in absolute coordinates first",
    ),
    "probe": _error("probing ({}) inside a program", "probe before the run"),
    "tool-change": _warning(
        "tool changes ({}) without a tool changer", "the run stops at each and asks for the tool"
    ),
    "pause": _note("M0 or M1: a pause", "the run stops there until a person goes on"),
    "relative-left-on": _note("the program ends in G91", "nothing: modes are set anew for every run"),
    # the machine and the stock
    "nothing-to-do": _error("no motion at all", "look whether this is the right file"),
    "envelope": _error("{}", "put work zero nearer to the design, or take a larger machine"),
    "start-unknown": _warning(
        "{}", "begin with a rapid to Z, then to X and Y; extents and times count from X0 Y0 Z0"
    ),
    "stock-outside": _warning("{}", "look whether the stock is the right one, and where it lies"),
    "stock-through": _error("{}", "look whether Z0 is the stock's top, and whether this is its thickness"),
    "z-missing": _error("Z moves on a machine without Z", "export for two axes"),
    "feed-fast": _warning("feed {}", "it is held to the machine's limit; times count with that"),
    "speed-high": _warning("S {}", "it is held to full scale; export for this machine"),
    "head-off": _error("cutting with the spindle or beam off", "add M3 and S before the first cut"),
    "head-reverse": _error(
        "M4 on a spindle: a laser's program, or the wrong way round", "export for this machine"
    ),
    "power-zero": _warning("cutting at S 0 although the head is on", "add an S word before the first cut"),
    "rapid-plunge": _warning("a rapid down to Z {}, below the stock's top", "plunge with G1 and a feed"),
    "rapid-in-stock": _warning("a rapid across at Z {}, below the stock's top", "retract above Z0 first"),
    "beam-standing": _error(
        "the beam is on (M3) while the head stands for {}",
        "fire hazard: use M4, or switch it off before the dwell",
    ),
    "beam-in-rapid": _warning("the beam is on (M3) in rapids", "use M4: it follows the speed"),
    "line-emitted": _error("{}", "report this: a program written here broke its own rule"),
}
"""By code. The severity is that of the default; `check` raises or lowers it where the head makes it."""

BY_MACHINE = {
    "homing": "by machine: error where it does not home, else warning",
    "rapid-plunge": "by machine: error on a spindle, warning on a pen, knife or torch",
    "rapid-in-stock": "by machine: error on a spindle, warning on a pen, knife or torch",
    "beam-standing": "by time: error from 0.3 s on, warning below",
    "start-unknown": "by motion: error when the very first is a cut below Z0 or an arc, else warning",
}
"""How severe the kinds are that `check` weighs by more than their code, in the words of docs/checks.md."""


@dataclass
class Notebook:
    """Findings as they come, grouped by kind."""

    places: dict[str, list[Ints]] = field(default_factory=dict)
    details: dict[str, list[str]] = field(default_factory=dict)
    severity: dict[str, Severity] = field(default_factory=dict)

    def add(
        self, code: str, lines: int | Ints, detail: str = "", *, severity: Severity | None = None
    ) -> None:
        """Note one kind of thing at one or more lines; the first few different details are shown."""
        where = np.atleast_1d(np.asarray(lines, np.int64))
        if not len(where):
            return
        kind = KINDS[code]
        key = f"{code}\0{detail}" if code in _BY_DETAIL else code
        self.places.setdefault(key, []).append(where)
        seen = self.details.setdefault(key, [])
        if len(seen) <= VALUES and detail not in seen:
            seen.append(detail)
        self.severity.setdefault(key, severity or kind.severity)

    def findings(self) -> tuple[Finding, ...]:
        """Return one finding for each kind, errors first, then by line."""
        found = []
        for key, parts in self.places.items():
            code = key.partition("\0")[0]
            lines = np.unique(np.concatenate(parts))
            found.append(_finding(code, lines, _shown(code, self.details[key]), self.severity[key]))
        return tuple(sorted(found, key=lambda f: (SEVERITIES.index(f.severity), f.line, f.code, f.problem)))


_BY_DETAIL = frozenset({"word-unsupported", "word-dropped", "envelope", "axis-unsupported"})
"""Kinds that are one finding for each thing named, not one for all."""

_BY_VALUE = frozenset(
    [
        "realtime-character",
        "realtime-in-comment",
        "not-ascii",
        "character",
        "comment-open",
        "number",
        "letter-twice",
        "expression",
        "dollar",
        "word-unused",
        "same-group",
        "canned-cycle",
        "shifted",
        "saved-offset",
        "other-offset",
        "machine-coordinates",
        "probe",
    ]
)
"""Kinds whose one finding shows each thing seen, not the first alone."""


def _shown(code: str, details: list[str]) -> str:
    """Join the details of one finding, a few at most."""
    if code not in _BY_VALUE:
        return details[0]
    return ", ".join(details[:VALUES]) + (" and others" if len(details) > VALUES else "")


def _finding(code: str, lines: Ints, detail: str, severity: Severity) -> Finding:
    kind = KINDS[code]
    problem = kind.problem.format(detail) if "{}" in kind.problem else kind.problem
    listed = tuple(lines[:LISTED].tolist())
    if len(lines) > 1:
        more = f" and {len(lines) - LISTED} more" if len(lines) > LISTED else ""
        problem += f" ({len(lines)} lines: {', '.join(map(str, listed))}{more})"
    return Finding(severity, listed[0], problem, kind.remedy, code, listed, len(lines))
