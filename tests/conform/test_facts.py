"""The measured facts about Grbl, replayed against the virtual controller and, marked real, against a board.

FABCTL_GRBL_PORT names the board's port (any pyserial URL), FABCTL_GRBL_ALLOW what may be done with it:
motion, outputs, eeprom, with commas between them; nothing when it is not set.
"""

import os
import time
from dataclasses import replace

import pytest

from fabctl.conform.facts import NEEDS, Step, load_facts, unescaped
from fabctl.conform.play import Player, marks_of
from fabctl.conform.suite import Verdict, conform
from fabctl.shop.dialect import Behaviour
from fabctl.shop.firmware import firmware_names, load_firmware
from fabctl.sim.controller import Options
from fabctl.sim.plant import Wiring
from fabctl.sim.port import SimPort
from fabctl.stream.port import open_port

GRBL = load_firmware("grbl-1.1")
FACTS = load_facts()
CASES = [case for case in FACTS.cases if case.speaks_of(GRBL) and case.holds_where(GRBL.behaviour)]
ROWS = [str(n) for n in range(1, 24)] + ["6a", "6b"]
MOVING = {110: 3000, 111: 3000, 112: 3000, 120: 200, 121: 200, 122: 200}
"""Settings of a brisk small machine, where a case names none."""
WIRES = ("switches", "probe_z_mm", "probe_closed", "stuck_axes", "closed_axes")


def sim_port(case):
    options = dict(case.bench)
    wires = {name: options.pop(name) for name in WIRES if name in options}
    for name in ("stuck_axes", "closed_axes"):
        if name in wires:
            wires[name] = frozenset(int(axis) for axis in wires[name])
    settings = {} if options.get("blank_eeprom") else MOVING | dict(case.settings)
    return SimPort(settings, Options(wiring=Wiring(**wires) if wires else None, **options))


def player_of(case):
    port = sim_port(case)
    outputs = port.controller.board.outputs
    player = Player(port, marks_of(GRBL), lambda: outputs.pwm / 255)
    if case.reset:
        player.listen(0.5)
    return player


def name_of(case):
    return f"{case.row}: {case.name}"


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_the_virtual_controller_holds_every_fact(case):
    assert player_of(case).play(case.steps) == ""


def test_every_row_is_covered():
    """Each fact has a case, or a reason why none can be."""
    assert {case.row for case in CASES} | FACTS.elsewhere.keys() == set(ROWS)
    assert all(len(reason) > 20 for reason in FACTS.elsewhere.values())


def test_what_a_case_depends_on_is_known():
    behaviours = set(Behaviour.__dataclass_fields__)
    for case in FACTS.cases:
        assert case.needs <= set(NEEDS)
        assert set(case.only) <= set(firmware_names())
        assert {name.removeprefix("-") for name in case.when} <= behaviours
        assert not case.bench or "bench" in case.needs


@pytest.mark.parametrize("case", [case for case in CASES if not case.needs], ids=name_of)
def test_what_needs_no_consent_neither_moves_nor_switches_nor_stores(case):
    """On the virtual controller: the true path is a point, the outputs stay off, the EEPROM is as it was."""
    port = sim_port(case)
    port.read(0.5)
    eeprom = bytes(port.controller.board.settings.eeprom)
    player = Player(port, marks_of(GRBL))
    player.play(case.steps)
    player.listen(5.0)
    assert len({tuple(point) for point in port.trace.xyz_mm.tolist()}) == 1
    assert port.controller.board.outputs.pwm == 0
    assert bytes(port.controller.board.settings.eeprom) == eeprom


@pytest.mark.parametrize(
    "step",
    [
        Step(b"\x18", 1.0, never="ALARM.*"),
        Step(b"$I\n", expect=("ok", r"\[VER:.*\]")),
        Step(b"G21\n", 0.2, count="ok", least=2, most=2),
        Step(b"", 0.1, power=(0, 0.1)),
    ],
)
def test_a_wrong_fact_is_noticed(step):
    """The player can fail: a row turned into its opposite does."""
    case = next(case for case in CASES if case.row == "10" and "no alarm, position" in case.name)
    player = player_of(case)
    assert player.play(case.steps[:1]) == ""
    assert player.play([step]) != ""


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"state": "Alarm"}, "expected Alarm"),
        ({"report": ".*Bf:1,1.*"}, "and .*Bf:1,1.*"),
        ({"figures": {"x": (5, 6)}}, "expected x 5 to 6"),
        ({"figures": {"spindle": (1, 2)}}, "expected spindle 1 to 2"),
        ({"after_s": (30, 31)}, "expected 30 to 31 s"),
    ],
)
def test_a_wrong_report_is_noticed(changed, said):
    case = next(case for case in CASES if case.name == "hold and resume")
    last = case.steps[-1]
    wrong = replace(last, status=replace(last.status, within_s=0.5, **changed))
    player = player_of(case)
    assert said in player.play([*case.steps[:-1], wrong])


def test_bytes_of_the_table_are_written_as_in_c():
    assert unescaped(r"G1\n\x18\xC3\xA0!") == b"G1\n\x18\xc3\xa0!"


@pytest.mark.real
def test_a_real_controller_holds_every_fact():
    url = os.environ.get("FABCTL_GRBL_PORT")
    if not url:
        pytest.skip("FABCTL_GRBL_PORT names no controller")
    allowed = [word for word in os.environ.get("FABCTL_GRBL_ALLOW", "").split(",") if word]
    port = open_port(url)
    time.sleep(2.0)  # opening the port resets the board
    try:
        report = conform(port, allowed=allowed)
    finally:
        port.close()
    assert [outcome for outcome in report.outcomes if outcome.verdict is Verdict.DIFFERS] == []
