"""What a machine or a piece of stock cannot do, found before anything moves."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fabctl.errors import RefusedError
from fabctl.program.arcs import is_arc, radii, radii_disagree
from fabctl.program.envelope import SLACK_MM, look_at_reach, lost_axes, told_from
from fabctl.program.findings import Notebook
from fabctl.program.model import CHANGE, PAUSE, PENDING, SEVERITIES, Finding, Program
from fabctl.program.tokens import NO_CODE
from fabctl.program.write import dialect_of, write_sections
from fabctl.shop.machine import Machine
from fabctl.shop.permit import Permit, machine_digest
from fabctl.shop.stock import Stock
from fabctl.toolpath.moves import CHUNK_MOVES, DWELL, RAPID, Moves, lengths, starts
from fabctl.units import format_duration

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

DWELL_LONG_S = 600.0
SLOWEST_MM_MIN = 0.1
"""The last decimal of a feed word."""
BEAM_STILL_S = 0.3
"""A beam that stands longer burns."""

PRINTER = frozenset(
    f"M{n}" for n in (82, 83, 84, 104, 105, 106, 107, 108, 109, 117, 140, 190, 201, 203, 204, 205, 400, 500)
) | {"E", "G26", "G29"}
"""Words only 3D printers use."""

REPORTED = frozenset(
    ("G81", "G82", "G83", "G98", "G99", "G90.1", "G91.1", "G92.2", "G92.3", "G53", "G80", "M6", "M60")
)
"""Words the reader carries out, and reports where that matters, whatever the firmware."""

DROPPED = frozenset(
    ("G40", "G43", "G49", "G61", "G61.1", "G64", "M1", "M7", "M8", "M9", "G59.1", "G59.2", "G59.3")
)
"""Words whose absence changes nothing a three-axis machine without a changer could do."""

_PAIR = np.zeros(1 << 16, bool)
"""Pairs of bytes that may stand side by side in a line we write."""
for _first, _second in (
    (b"\n0123456789.", b"GMXYZIJFSP"),
    (b"GMXYZIJFSP", b"-.0123456789"),
    (b"-", b".0123456789"),
    (b"0123456789", b".0123456789\n"),
    (b".", b"0123456789"),
):
    _PAIR[(np.array(list(_first))[:, None] * 256 + np.array(list(_second))).ravel()] = True

_OWN_LINE = re.compile(rb"(?:[GMXYZIJFSP]-?(?:\d+\.?\d*|\.\d+))+")


def check(program: Program, machine: Machine, stock: Stock | None = None) -> tuple[Finding, ...]:
    """Find what is wrong with a program on a machine.

    Parameters
    ----------
    program : Program
        Read or written.
    machine : Machine
    stock : Stock, optional
        Its lower left corner is work zero, its top Z0.

    Returns
    -------
    tuple of Finding
        The reader's own included; errors first, then by line. Repeats of one kind are one finding.
    """
    notes = Notebook()
    _words(program, machine, notes)
    if np.any(program.moves["motion"] != DWELL):
        _motion(program, machine, notes)
        look_at_reach(program, machine, stock, notes)
        _head(program, machine, notes)
        _rapids(program, machine, notes)
    else:
        notes.add("nothing-to-do", 1)
    if len(program.origin):
        _own_lines(program, machine, notes)
    own = tuple(_for_machine(finding, machine) for finding in program.findings)
    return tuple(sorted(own + notes.findings(), key=lambda f: (SEVERITIES.index(f.severity), f.line, f.code)))


def _for_machine(finding: Finding, machine: Machine) -> Finding:
    """Give a reader's finding the weight it has on this machine."""
    if finding.code == "homing" and not machine.homing:
        return replace(finding, severity="error", remedy="this machine does not home; take the line out")
    return finding


def _words(program: Program, machine: Machine, notes: Notebook) -> None:
    """Words the firmware lacks; of each all lines are listed."""
    names = set(program.words)
    printer = sorted(names & PRINTER)
    if printer == ["E"]:  # an exponent more likely than an extruder
        notes.add("word-unsupported", _lines(program, "E"), "E")
        printer = []
    if printer:
        lines = np.concatenate([_lines(program, name) for name in printer])
        notes.add("printer", lines, ", ".join(printer[:8]))
    if "M6" in names:
        tenths = program.word["tenths"][program.word["letter"] == ord("T")]
        shown = ", ".join(f"T{t // 10}" for t in sorted(set(tenths.tolist())))
        notes.add("tool-change", _lines(program, "M6"), shown or "M6")
    for name in sorted(names - PRINTER - REPORTED - machine.firmware.words):
        if name in "ABCUVW":
            notes.add("axis-unsupported", _lines(program, name), name)
        elif name[0] in "GM":
            code = "word-dropped" if name in DROPPED else "word-unsupported"
            impossible = name[1:] == str(NO_CODE // 10)
            shown = f"{name[0]} with an impossible number" if impossible else name
            notes.add(code, _lines(program, name), shown)
    _modes_told(program, notes)


def _lines(program: Program, name: str) -> Ints:
    lines = program.lines_of(name)
    return lines if len(lines) else np.array([program.words[name]])


def _modes_told(program: Program, notes: Notebook) -> None:
    """Units and distance mode must be said before the first move."""
    if not len(program.line):
        return
    first = int(program.line[0])
    told = min(program.words.get(word, 1 << 62) for word in ("G90", "G91"))
    if len(program.state) and program.state["flags"][0] & PENDING:
        notes.add("unit-missing", first)
    if told > first:
        notes.add("distance-missing", first)


def _motion(program: Program, machine: Machine, notes: Notebook) -> None:
    """Feeds, arcs and dwells."""
    moves, line = program.moves, program.line
    dwell, rapid = moves["motion"] == DWELL, moves["motion"] == RAPID
    notes.add("feed-missing", line[~dwell & ~rapid & ~(moves["feed"] > 0)])
    limit = feed_limits(program, machine)
    fast = ~dwell & ~rapid & (moves["feed"] > limit * 1.0001)
    if fast.any():
        row = int(np.argmax(np.where(fast, moves["feed"], 0)))
        notes.add(
            "feed-fast", line[fast], f"{moves['feed'][row]:g} mm/min where {limit[row]:.0f} are possible"
        )
    arc = is_arc(moves)
    if arc.any():
        at_start, at_end = radii(moves, program.start)
        wrong = arc & radii_disagree(at_start, at_end)
        if wrong.any():
            row = int(np.argmax(wrong))
            detail = f"{at_start[row]:.4g} mm at its start, {at_end[row]:.4g} mm at its end"
            notes.add("arc-radii-differ", line[wrong], detail)
    long = dwell & (moves["ij"][:, 0] > DWELL_LONG_S)
    if long.any():
        notes.add("dwell-long", line[long], format_duration(float(moves["ij"][long, 0].max())))


def feed_limits(program: Program, machine: Machine) -> Floats:
    """Return the fastest feed each move can have along its direction, shape (n,), mm/min; a dwell inf."""
    moves = program.moves
    limits = np.full(len(moves), np.inf)
    for first in range(0, len(moves), CHUNK_MOVES):
        some, limit = moves[first : first + CHUNK_MOVES], limits[first : first + CHUNK_MOVES]
        begin = moves["xyz"][first - 1] if first else program.start
        length = lengths(some, begin)
        length[length == 0] = 1.0
        arc = is_arc(some)
        way = np.abs(np.diff(some["xyz"], axis=0, prepend=np.reshape(begin, (1, 3))))
        for axis, rate in enumerate(machine.max_rate_mm_min):
            # an arc points everywhere in turn: the slower of X and Y holds
            share = way[:, axis] / length if axis == 2 else np.where(arc, 1.0, way[:, axis] / length)
            np.minimum(limit, rate / np.maximum(share, 1e-300), out=limit, where=share > 1e-9)
    limits[moves["motion"] == DWELL] = np.inf
    return limits


def _head(program: Program, machine: Machine, notes: Notebook) -> None:
    """Spindle or beam off while cutting, on while standing, faster than full scale."""
    head, moves, line, state = machine.head, program.moves, program.line, program.state
    if head.kind in ("pen", "knife") or not len(state):
        return
    cutting = (moves["motion"] != RAPID) & (moves["motion"] != DWELL)
    on = state["spindle"] > 0
    if head.kind == "spindle":
        below = cutting & (np.minimum(moves["xyz"][:, 2], starts(moves, program.start)[:, 2]) < -SLACK_MM)
        working = below if below.any() else cutting
        notes.add("head-off", line[working & ~on])
        notes.add("power-zero", line[working & on & (state["speed"] <= 0)])
        notes.add("head-reverse", line[working & (state["spindle"] == 4)])
        most = head.max_rpm
    else:
        fires = cutting & on & ((state["speed"] > 0) | (head.kind == "plasma"))
        if cutting.any() and not fires.any():
            notes.add("head-off", int(line[np.argmax(cutting)]))
        most = head.full_scale
    high = on & (state["speed"] > most * (1 + 1e-9))
    if high.any():
        notes.add("speed-high", line[high], f"{state['speed'][high].max():g}, more than {most:g}")
    if head.kind == "laser":
        _beam(program, machine, notes)


def _beam(program: Program, machine: Machine, notes: Notebook) -> None:
    """A beam in constant power burns where the head stands."""
    moves, line, state = program.moves, program.line, program.state
    constant = (state["spindle"] == 3) & (state["speed"] > 0)
    still = constant & (moves["motion"] == DWELL)
    if still.any():
        longest = float(moves["ij"][still, 0].max())
        severity = SEVERITIES[0] if longest >= BEAM_STILL_S else SEVERITIES[1]
        notes.add("beam-standing", line[still], format_duration(longest), severity=severity)
    if not machine.head.laser_mode or machine.head.on_word == "M4":
        notes.add("beam-in-rapid", line[constant & (moves["motion"] == RAPID)])


def _rapids(program: Program, machine: Machine, notes: Notebook) -> None:
    """Rapids below Z0, but for those in a hole that was just drilled."""
    if not machine.has_z or machine.head.kind == "laser":
        return
    moves, line = program.moves, program.line
    end = moves["xyz"]
    deep = (moves["motion"] == RAPID) & (end[:, 2] < -SLACK_MM)
    lost = lost_axes(program)
    if lost is not None:
        deep &= ~lost[:, 2]
    if not deep.any():
        return
    begin = starts(moves, program.start)
    across = np.any(np.abs(end[:, :2] - begin[:, :2]) > SLACK_MM, axis=1)
    in_stock = deep & across & (begin[:, 2] < -SLACK_MM)
    # running minimum of the cut depth at one place: places are kept apart by an offset larger than any Z
    place = np.cumsum(across) * 2e4
    cut = np.where((moves["motion"] != RAPID) & (moves["motion"] != DWELL), end[:, 2], 1e4)
    cut = np.minimum.accumulate(cut - place) + place
    plunge = deep & (end[:, 2] < begin[:, 2] - SLACK_MM) & (end[:, 2] < cut - 0.01)
    severity = SEVERITIES[0] if machine.head.kind == "spindle" else SEVERITIES[1]
    for code, rows in (("rapid-plunge", plunge), ("rapid-in-stock", in_stock)):
        if rows.any():
            notes.add(code, line[rows], f"{end[rows, 2].min():.3f} mm", severity=severity)


def _own_lines(program: Program, machine: Machine, notes: Notebook) -> None:
    """Hold a written program to the writer's own rule, as a second look before the wire."""
    limit = machine.firmware.emit_limit_chars
    if _sound_text(program.text, limit):
        return
    for number, line in enumerate(program.text.split(b"\n"), 1):  # something is wrong: find out where
        last = number == program.line_count + 1 and not line
        if not last and (len(line) > limit or not _OWN_LINE.fullmatch(line)):
            notes.add("line-emitted", number, f"{line[:80]!r} is not a line that may be sent")


def _sound_text(text: bytes, limit: int) -> bool:
    """Whether each line is of `_OWN_LINE`'s form and not too long, for the whole text at once."""
    if not text.endswith(b"\n") or text.translate(None, b"GMXYZIJFSP-.0123456789\n"):
        return False
    kind = np.frombuffer(b"\n" + text, np.uint8)
    ends = np.flatnonzero(kind == ord("\n"))
    if np.diff(ends).max(initial=0) > limit + 1:
        return False
    pairs = kind[:-1].astype(np.uint16) * 256 + kind[1:]
    if not _PAIR[pairs].all():
        return False
    # one point a number: two points with no letter between them belong to the same one
    points = np.flatnonzero(kind == ord("."))
    letters = np.cumsum(kind >= ord("A"))[points]
    return bool(np.all(letters[1:] != letters[:-1]))


def permit(
    program: Program,
    machine: Machine,
    stock: Stock | None = None,
    *,
    findings: tuple[Finding, ...] | None = None,
) -> Permit:
    """Permit a program to run, or refuse it.

    Parameters
    ----------
    program : Program
        Written by `write` or `rewrite`: nothing else ever reaches the wire.
    machine : Machine
    stock : Stock, optional
    findings : tuple of Finding, optional
        What `check` said of this very program, machine and stock, not to be looked for twice.

    Returns
    -------
    Permit

    Raises
    ------
    RefusedError
        When `check` finds an error, or the bytes are not our own.
    """
    if not len(program.origin):
        raise RefusedError(
            "these bytes were not written here",
            file=program.source,
            remedy="rewrite the program for the machine first",
        )
    found = check(program, machine, stock) if findings is None else findings
    refuse_errors(found, program.source, machine)
    return Permit(program.digest, machine.name, machine_digest(machine), stock)


def refuse_errors(findings: tuple[Finding, ...], source: str, machine: Machine) -> None:
    """Raise when a finding is an error.

    Raises
    ------
    RefusedError
        Naming the first one that is a cause, and how many more there are.
    """
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        # That nothing moves comes of the other errors where there are any.
        first = next((error for error in errors if error.code != "nothing-to-do"), errors[0])
        count = len(errors) - 1
        more = f" (and {count} more error{'s'[: count > 1]}: see `fabctl check`)" if count else ""
        raise RefusedError(
            f"not on {machine.title}: {first.problem}{more}",
            file=source,
            place=f"line {first.line}" if first.line else "",
            remedy=first.remedy,
        )


def rewrite(program: Program, machine: Machine, *, decimals: int | None = None) -> Program:
    """Write a program that was read anew for a machine: the same motion in our own bytes.

    Moves to places only the machine knows (G28, G30, G53) become retracts to the clearance height, feeds and
    speeds beyond the machine's are held to its limits, M0 and M6 begin new sections.

    Parameters
    ----------
    program : Program
    machine : Machine
    decimals : int, optional
        Of coordinates in mm; the firmware's by default.

    Returns
    -------
    Program
        ``original_line`` maps each move to the line of the file it came from.

    Raises
    ------
    RefusedError
        When `check` finds an error.
    """
    refuse_errors(check(program, machine), program.source, machine)
    moves, state = settled(program, machine), program.state
    told = told_from(program)
    limit = feed_limits(program, machine)
    cutting = (moves["motion"] != RAPID) & (moves["motion"] != DWELL)
    # inverse time over a speck of a way asks for less than a line can say: it is rounded up
    moves["feed"] = np.where(cutting, np.clip(moves["feed"], SLOWEST_MM_MIN, limit), 0.0)
    most = machine.head.max_rpm if machine.head.kind == "spindle" else machine.head.full_scale
    speed = np.where(state["spindle"] > 0, np.clip(state["speed"], 0, most), 0.0)
    moves["power"] = speed / machine.head.full_scale
    if machine.head.kind == "plasma":
        moves["power"] = state["spindle"] > 0
    stops = (state["flags"] & (PAUSE | CHANGE)) != 0
    begins = np.flatnonzero(stops)
    if not len(begins) or begins[0] > 0:
        begins = np.concatenate(([0], begins)).astype(np.int64)
    tools = [f"T{state['tool'][row]}" if state["tool"][row] else "" for row in begins]
    out = write_sections(
        moves,
        program.start,
        dialect_of(machine),
        tools,
        begins,
        told=told,
        coolant=state["coolant"] if "M8" in machine.firmware.words else None,
        decimals=machine.firmware.decimals_mm if decimals is None else decimals,
        title=program.source,
    )
    line = np.where(out.origin >= 0, program.line[out.origin], 0)
    return replace(out, original_line=line)


def settled(program: Program, machine: Machine) -> Moves:
    """Return a program's moves with a safe place for every coordinate it leaves open.

    Parameters
    ----------
    program : Program
    machine : Machine
        Its clearance height is where rapids go that name no other.

    Returns
    -------
    (n,) MOVE
    """
    moves = program.moves.copy()
    _settle_lost(moves, program, machine)
    _settle_untold(moves, told_from(program), machine)
    return moves


def _settle_lost(moves: NDArray[np.void], program: Program, machine: Machine) -> None:
    """Give lost coordinates a safe place: Z the clearance height, X and Y the last known."""
    lost = lost_axes(program)
    if lost is None:
        return
    for axis in (0, 1):
        if lost[:, axis].any():
            last = np.maximum.accumulate(np.where(lost[:, axis], -1, np.arange(len(moves))))
            moves["xyz"][:, axis] = np.where(last >= 0, moves["xyz"][last, axis], program.start[axis])
    moves["xyz"][lost[:, 2], 2] = machine.clearance_mm


def _settle_untold(moves: NDArray[np.void], told: Ints, machine: Machine) -> None:
    """Keep rapids before the first cut at the clearance height where no Z was named yet."""
    if not machine.has_z:
        return
    cutting = (moves["motion"] != RAPID) & (moves["motion"] != DWELL)
    first_cut = int(np.argmax(cutting)) if cutting.any() else len(moves)
    moves["xyz"][: max(min(first_cut, int(told[2])), 0), 2] = machine.clearance_mm
