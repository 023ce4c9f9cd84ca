"""Play the whole table on one port: what may be played, the way back to how it was, and the report."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fabctl.conform.facts import NEEDS, Case, load_facts
from fabctl.conform.identify import Identity, Stored, identify, read_stored, restart
from fabctl.conform.play import Player, marks_of, position_of
from fabctl.errors import LinkError
from fabctl.shop.firmware import Firmware, load_firmware
from fabctl.shop.grbl_settings import Difference, Settings, compare
from fabctl.shop.machine import Machine
from fabctl.stream.port import Port

RESET = b"\x18"
BACK_MM_MIN = 300
BACK_S = 10.0
SYSTEMS = ("G54", "G55", "G56", "G57", "G58", "G59")


class Verdict(StrEnum):
    """How a fact came out."""

    HOLDS = "holds"
    DIFFERS = "differs"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One fact on one controller.

    Parameters
    ----------
    row, name : str
        Which.
    verdict : Verdict
    detail : str
        What was expected and what came, or why it was not tried.
    """

    row: str
    name: str
    verdict: Verdict
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What was found out about a controller.

    Parameters
    ----------
    port : str
        Its address.
    identity : Identity
        What it says of itself.
    firmware : str
        The profile whose facts were played.
    outcomes : tuple of Outcome
        In the order of the table.
    differences : tuple of Difference
        Settings that are not the machine's, when one was given.
    notes : tuple of str
        What a person should know: what was unlocked, what could not be put back.
    """

    port: str
    identity: Identity
    firmware: str
    outcomes: tuple[Outcome, ...]
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()

    def count(self, verdict: Verdict) -> int:
        """Return how many facts came out so."""
        return sum(outcome.verdict is verdict for outcome in self.outcomes)

    @property
    def conforms(self) -> bool:
        """Whether no fact and no setting differs, and the firmware's grammar understands every line."""
        fit = next((fit for fit in self.identity.fits if fit.name == self.firmware), None)
        understood = fit is not None and fit.whole
        return understood and not self.differences and not self.count(Verdict.DIFFERS)


@dataclass
class _Bench:
    """A controller under test, and how it was before."""

    player: Player
    before: Stored
    firmware: Firmware
    allowed: Collection[str]
    locked: bool
    notes: list[str] = field(default_factory=list)

    def why_not(self, case: Case) -> str:
        """Say why a case cannot be played here; empty when it can."""
        missing = [need for need in NEEDS if need in case.needs and need not in self.allowed]
        if missing:
            return NEEDS[missing[0]]
        wrong = self.missing_settings(case)
        if wrong and "eeprom" not in self.allowed:
            listed = ", ".join(f"${number}={value:g}" for number, value in wrong.items())
            return f"needs {listed}: --eeprom"
        return ""

    def missing_settings(self, case: Case) -> dict[int, float]:
        """Return the settings of a case that the controller does not have."""
        have, rules = self.before.values, self.firmware.settings
        return {
            number: value
            for number, value in rules.wanted(case.settings).items()
            if not rules.agree(number, value, have.get(number))
        }

    def play(self, case: Case) -> str:
        """Bring the controller to a clean start, play a case, and put back what it stored."""
        stores = "eeprom" in case.needs
        wrong = self.missing_settings(case)
        self.ready()
        start = self.player.report()
        try:
            for number, value in _in_order(wrong):
                if self.player.ask(f"${number}={value:g}")[-1:] != ["ok"]:
                    return f"${number}={value:g} was refused"
            return self.player.play(case.steps, position_of(start))
        finally:
            if stores or wrong:
                self.put_back()
            if "motion" in case.needs:
                self.go_back(start)

    def ready(self) -> None:
        """Reset, and unlock where it starts locked."""
        restart(self.player)
        if self.player.report().startswith("<Alarm"):
            self.player.ask("$X")

    def go_back(self, start: str) -> None:
        """Jog slowly to where a report says the machine stood, so that cases do not add up to a long way."""
        self.ready()
        words = "".join(f"{axis}{mm:.3f}" for axis, mm in zip("XYZ", position_of(start), strict=True))
        machine = "G53" if "MPos:" in start else ""
        self.player.ask(f"$J=G21G90{machine}{words}F{BACK_MM_MIN}")
        self.player.until(lambda: self.player.report().startswith("<Idle"), BACK_S)

    def put_back(self) -> None:
        """Store again whatever is not as it was; what cannot be is noted."""
        self.ready()
        for _ in range(2):
            # twice: soft limits go with homing, and homing comes back first
            now = read_stored(self.player)
            changed = {n: text for n, text in self.before.settings.items() if now.settings.get(n) != text}
            for number, text in _in_order(changed):
                self.player.ask(f"${number}={text}")
        for index, text in self.before.startup.items():
            if now.startup.get(index) != text:
                self.player.ask(f"$N{index}={text}")
        for number, name in enumerate(SYSTEMS, 1):
            wanted = self.before.offsets.get(name)
            if wanted and now.offsets.get(name) != wanted:
                words = "".join(f"{axis}{value}" for axis, value in zip("XYZ", wanted, strict=False))
                self.player.ask(f"G21G10L2P{number}{words}")

    def verify(self) -> None:
        """Note what is not as it was found."""
        now = read_stored(self.player)
        before = self.before
        gone = [f"${n}={text}" for n, text in before.settings.items() if now.settings.get(n) != text]
        gone += [f"$N{n}={text}" for n, text in before.startup.items() if now.startup.get(n) != text]
        gone += [f"{n} {','.join(v)}" for n, v in before.offsets.items() if now.offsets.get(n) != v]
        if gone:
            self.notes.append(f"not as it was found, set it by hand: {', '.join(gone)}")
        if self.locked:
            self.notes.append("it was locked and has been unlocked for the test: home before you cut")
        elif "motion" in self.allowed:
            self.notes.append(
                "it has moved and was stopped hard: home, or set the zero again, before you cut"
            )


def _in_order(values: Mapping[int, object]) -> list[tuple[int, object]]:
    # $20 is refused without $22
    return sorted(values.items(), key=lambda pair: (pair[0] != 22, pair[0]))


def conform(
    port: Port,
    *,
    machine: Machine | None = None,
    allowed: Collection[str] = (),
    rows: Collection[str] = (),
    tell: Callable[[Outcome], None] | None = None,
) -> Report:
    """Try a controller against the table of facts.

    Parameters
    ----------
    port : Port
        Open.
    machine : Machine, optional
        Its firmware's facts are played and its settings compared; without one the profile that fits best
        is taken.
    allowed : collection of str
        Which of `NEEDS` a person allows: none of them moves, switches or stores anything.
    rows : collection of str
        Play these rows alone; all when empty.
    tell : callable, optional
        Told each outcome as it comes.

    Returns
    -------
    Report

    Raises
    ------
    LinkError
        When nothing answers, or the machine is at work.
    """
    player = Player(port, {})
    identity = identify(player)
    firmware = machine.firmware if machine else load_firmware(identity.fits[0].name)
    player.marks = marks_of(firmware)
    locked = identity.state.startswith("Alarm")
    bench = _Bench(player, identity.stored, firmware, allowed, locked)
    outcomes: list[Outcome] = []
    finished = False
    try:
        for case in load_facts().cases:
            here = case.speaks_of(firmware) and case.holds_where(firmware.behaviour)
            if here and (not rows or case.row in rows):
                outcomes.append(_outcome(bench, case))
                if tell is not None:
                    tell(outcomes[-1])
        bench.ready()
        bench.verify()
        restart(player)
        finished = True
    finally:
        if not finished:
            # Ctrl-C or a lost answer in the middle: whatever moves or turns is to stop
            with contextlib.suppress(LinkError):
                port.write(RESET)
    differences = compare(machine, Settings(identity.stored.values, source=port.name)) if machine else ()
    return Report(port.name, identity, firmware.name, tuple(outcomes), differences, tuple(bench.notes))


def _outcome(bench: _Bench, case: Case) -> Outcome:
    reason = bench.why_not(case)
    if reason:
        return Outcome(case.row, case.name, Verdict.SKIPPED, reason)
    problem = bench.play(case)
    return Outcome(case.row, case.name, Verdict.DIFFERS if problem else Verdict.HOLDS, problem)
