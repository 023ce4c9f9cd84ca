"""Entering a program in its middle: the state rebuilt, the way back, and that neither ever harms."""

import math

import numpy as np
import pytest

from fabctl.errors import RefusedError
from fabctl.program.check import permit, rewrite
from fabctl.program.envelope import lost_axes
from fabctl.program.read import read
from fabctl.program.resume import cuts, number_text, reenter
from fabctl.program.state import own_program, state_before
from fabctl.program.write import write
from fabctl.shop.machine import load_machine
from fabctl.toolpath.cutter import flat_end
from fabctl.toolpath.moves import ARC_CCW, ARC_CW, FEED, MOVE, RAPID, Toolpath
from fabctl.toolpath.removal import blank, engage
from tests.program.foreign import Foreign, SecondOpinion

ROUTER, HOMED = load_machine("router-3018"), load_machine("plywood-router-600x900")
LASER, PEN = load_machine("laser-400"), load_machine("pen-plotter-a3")
MACHINES = (ROUTER, HOMED, LASER, PEN)
ZERO_MM = (-550.0, -850.0, -60.0)
"""Work zero on the homed router."""
ZEROS_MM = {ROUTER.name: None, HOMED.name: ZERO_MM, LASER.name: None, PEN.name: (-400.0, -300.0, -12.0)}


def own(seed, machine, cuttings=4):
    """Write a random toolpath of one to three tools for a machine."""
    random = np.random.default_rng(seed)
    beam = machine.head.kind == "laser"
    low = 0.0 if beam else machine.head.pen_down_mm if machine.head.kind == "pen" else -1.5
    high = 0.0 if beam else machine.clearance_mm
    rows, operation = [], []
    here = np.array([0.0, 0.0, high])
    for cutting in range(cuttings):
        n = int(random.integers(2, 9))
        at = random.uniform(5, 60, 2)
        feed, power = random.uniform(200, 600), random.uniform(0.4, 0.9)
        some = np.zeros(n + 3, MOVE)
        some["motion"], some["feed"], some["power"] = FEED, feed, power
        points = at + np.cumsum(random.uniform(-6, 6, (n + 3, 2)), axis=0)
        some["xyz"][:, :2], some["xyz"][:, 2] = points, low
        some["motion"][0], some["xyz"][0] = RAPID, [*points[0], high]
        some["xyz"][1, :2], some["feed"][1] = points[0], feed / 3
        arc = 2 + int(random.integers(0, n))
        some["motion"][arc] = random.choice([ARC_CW, ARC_CCW])
        some["ij"][arc] = (some["xyz"][arc, :2] - some["xyz"][arc - 1, :2]) / 2
        some["motion"][-1], some["xyz"][-1] = RAPID, [*points[-2], high]
        if beam:
            some = np.delete(some, 1)
        rows.append(some)
        operation.append(np.full(len(some), cutting))
    tools = sorted(int(i) for i in random.integers(0, 2, cuttings))
    path = Toolpath(
        np.concatenate(rows),
        here,
        np.concatenate(operation),
        [f"cut {i}" for i in range(cuttings)],
        [f"tool-{i}" for i in tools],
    )
    return write(path, machine)


def emitted(seed):
    """Give a program in our own bytes and its machine: half of them foreign ones rewritten."""
    if seed % 2:
        machine = MACHINES[seed // 2 % 4]
        return own(seed, machine), machine
    machine = (ROUTER, HOMED)[seed // 2 % 2]
    return rewrite(read(Foreign(seed).text, "foreign", full_scale=machine.head.full_scale), machine), machine


def same_state(state, heard, *, tool=True):
    """Say whether a rebuilt state is what the second opinion holds to be in force."""
    return (
        (not state.motion or state.motion == heard.motion)
        and (state.modes, state.head, state.coolant) == (heard.modes, heard.head, heard.coolant)
        and state.speed == pytest.approx(heard.speed)
        and (state.feed_mode == "G93" or state.feed_mm_min == pytest.approx(heard.feed))
        and (not tool or state.tool == heard.tool)
        and math.dist(state.position_mm, heard.position) < 1e-6
    )


def states_agree(text, full_scale=1000.0, *, tool=True):
    """Compare the state before every line of a text; return how many lines that were."""
    opinion = SecondOpinion()
    lines = text.decode().splitlines()
    for number, line in enumerate(lines, 1):
        state = state_before(text, number, full_scale=full_scale)
        assert same_state(state, opinion.heard, tool=tool), (number, line, state, opinion.heard)
        assert opinion.take(line) == 0, (number, line)
    return len(lines)


def goes_up_across_down(program, entry, machine):
    """Hold the way back to its order: up, across at the top, down at feed, and only to where the tool was."""
    added = entry.opening_lines
    opening = entry.program.moves[entry.program.line <= added]
    xyz, motion = opening["xyz"], opening["motion"]
    across = np.flatnonzero(np.any(np.diff(xyz[:, :2], axis=0) != 0, axis=1)) + 1
    rapid, sinks = motion == RAPID, np.flatnonzero(np.diff(xyz[:, 2]) < 0) + 1
    if machine.has_z and machine.head.kind != "laser":
        top = xyz[0, 2]
        assert motion[0] == RAPID
        assert top >= max(machine.clearance_mm, program.moves["xyz"][:, 2].max())
        assert np.all(xyz[rapid, 2] == top), "every rapid is at the top"
        assert np.all(motion[sinks] == FEED), "down is never rapid"
        assert np.all(xyz[across, 2] == top), "across only at the top"
        assert not len(sinks) or not len(across) or sinks[0] > across[-1], "across before down"
    else:
        assert np.all(xyz[:, 2] == program.moves["xyz"][0, 2])
    assert np.all(opening["power"][rapid] == 0) or machine.head.kind == "spindle"
    row = int(np.argmax(program.line >= entry.line))
    place = program.moves["xyz"][row - 1]
    assert np.array_equal(xyz[-1], place), "it ends where the line entered begins"
    if machine.head.kind == "laser":
        assert np.all(opening["power"] == 0), "no power before the line entered"
    # the way down ends where the program's own tool had been: nothing stands there
    assert place[2] >= 0 or np.any(np.all(program.moves["xyz"][:row] == place, axis=1))


def lead_back(program, machine):
    """Enter a program at every line; return how many lines could be entered."""
    opinion, entered = SecondOpinion(), 0
    text = program.text
    last_cut = int(program.line[cuts(program.moves)][-1])
    known = {}
    for number, line in enumerate(text.decode().splitlines(), 1):
        known[number] = opinion.heard
        opinion.take(line)
    for number in range(1, last_cut + 1):
        entry = reenter(program, machine, number, zero_mm=ZEROS_MM[machine.name])
        assert entry.line >= number
        between = (program.line >= number) & (program.line < entry.line)
        assert not cuts(program.moves[between]).any(), "nothing that cuts is left out"
        permit(entry.program, machine)
        goes_up_across_down(program, entry, machine)
        heard = SecondOpinion()
        lines = entry.program.text.decode().splitlines()
        for words in lines[: entry.opening_lines]:
            assert heard.take(words) == 0
        want = known[entry.line]
        assert (heard.heard.modes, heard.heard.head) == (want.modes, want.head)
        assert heard.heard.coolant == want.coolant
        assert math.dist(heard.heard.position[:2], want.position[:2]) < 1e-9
        assert heard.take(lines[entry.opening_lines]) == 0
        assert heard.heard.position[:2] == pytest.approx(known[entry.line + 1].position[:2], abs=1e-9)
        assert heard.heard.motion == known[entry.line + 1].motion
        assert heard.heard.feed == pytest.approx(known[entry.line + 1].feed)
        if heard.heard.head != "M5":
            assert heard.heard.speed == pytest.approx(known[entry.line + 1].speed)
        assert text.decode().splitlines()[entry.line :] == lines[entry.opening_lines + 1 :]
        entered += 1
    return entered


@pytest.mark.parametrize("seed", range(30))
def test_law_rebuilt_state_is_the_second_opinions_at_every_line_of_a_foreign_program(seed):
    assert states_agree(Foreign(seed).text) > 20


@pytest.mark.parametrize("seed", range(10))
def test_law_rebuilt_state_is_the_second_opinions_at_every_line_we_write(seed):
    program, machine = emitted(seed)
    assert states_agree(program.text, machine.head.full_scale, tool=False) > 20


@pytest.mark.parametrize("seed", range(10))
def test_law_every_line_can_be_entered_up_across_down_and_never_rapid(seed):
    program, machine = emitted(seed)
    assert lead_back(program, machine) > 20


def carved_ways_back(program, machine, pitch_mm=0.5):
    """Carve a program move by move; at each line the way back must find nothing left to remove."""
    cutter = flat_end(3.0)
    stock = blank(120, 120, pitch_mm, origin_mm=(-15.0, -15.0))
    entered = done = 0
    last_cut = int(program.line[cuts(program.moves)][-1])
    for number in range(1, last_cut + 1):
        entry = reenter(program, machine, number, zero_mm=ZEROS_MM[machine.name])
        row = int(np.argmax(program.line >= entry.line))
        begin = program.moves["xyz"][done - 1] if done else program.start
        stock = engage(stock, program.moves[done:row], begin, cutter).left
        done = row
        opening = entry.program.moves[entry.program.line <= entry.opening_lines]
        bite = engage(stock, opening, entry.program.start, cutter)
        assert bite.deepest_mm.max() < 1e-6, (number, entry.steps)
        entered += 1
    return entered


@pytest.mark.parametrize("seed", [0, 1])
def test_law_the_way_back_touches_no_uncut_stock(seed):
    program, machine = emitted(seed)
    assert carved_ways_back(program, machine) > 20


@pytest.mark.campaign
@pytest.mark.timeout(7200)
def test_campaign_every_line_of_a_thousand_programs():
    """Rebuilt state, way back and permit at every line of 1,000 programs; carving at every line of 100."""
    from benchmarks.campaigns import record_campaign

    read_lines = own_lines = entered = carved = 0
    for seed in range(1000):
        program, machine = emitted(seed)
        if not seed % 2:
            read_lines += states_agree(Foreign(seed).text)
        own_lines += states_agree(program.text, machine.head.full_scale, tool=False)
        entered += lead_back(program, machine)
        if seed < 200 and machine.head.kind == "spindle":
            carved += carved_ways_back(program, machine)
    assert min(read_lines, own_lines, entered, carved) > 10_000, "the promises were tried at that many lines"
    record_campaign(
        "resume-every-line",
        {
            "what": "state rebuilt and way back built, permitted and followed at every line: "
            "pytest -m campaign tests/program/test_resume.py",
            "programs": 1000,
            "lines of foreign programs": read_lines,
            "lines of our own": own_lines,
            "states that differ": 0,
            "lines entered": entered,
            "rapids down or below the top": 0,
            "lines entered over a carved stock": carved,
            "ways back that touched uncut stock": 0,
        },
    )


def test_an_arc_is_begun_again_at_its_start():
    text = b"G21G90G17G94G54\nG0Z5\nM3S9000\nX0Y0\nG1Z-1F100\nG2X10I5F300\nG1X20\nG0Z5\nM5\nM2\n"
    entry = reenter(own_program(text, "arc", ROUTER), ROUTER, 6)
    assert entry.line == 6
    assert entry.program.text.splitlines()[-6:-4] == [b"G1Z-1F100", b"G2X10I5F300S9000"]
    assert "the whole arc from its start" in entry.steps[-1]


def test_rapids_on_the_way_to_the_next_cut_are_not_made_again():
    text = b"G21G90G17G94G54\nG0Z5\nM3S9000\nX0Y0\nG1Z-1F100\nX9\nG0Z5\nX30\nG1Z-1\nX40\nG0Z5\nM5\nM2\n"
    entry = reenter(own_program(text, "two cuts", ROUTER), ROUTER, 7)
    assert entry.line == 9
    assert b"G0X30Y0" in entry.program.text


def test_a_homed_machine_rises_in_machine_coordinates_and_knows_its_height():
    program = own(3, HOMED)
    line = int(program.line[cuts(program.moves)][3])
    entry = reenter(program, HOMED, line, zero_mm=ZERO_MM)
    assert entry.program.text.splitlines()[1] == b"G53G0Z-3"
    assert entry.program.moves["xyz"][0, 2] == -3 - ZERO_MM[2]
    blind = reenter(program, HOMED, line)
    assert blind.program.text == entry.program.text


def test_the_height_of_the_top_of_the_travel_is_known_only_with_work_zero():
    program = own(3, HOMED)
    line = int(program.line[cuts(program.moves)][3])
    assert lost_axes(reenter(program, HOMED, line, zero_mm=ZERO_MM).program) is None
    assert lost_axes(reenter(program, HOMED, line).program)[:, 2].tolist()[:2] == [True, True]


def test_down_goes_at_half_the_z_rate_through_air_and_at_the_slowest_plunge_below():
    first = b"G21G90G17G94G54\nG0Z5\nM3S9000\nX0Y0\nG1Z-1F90\nX9F300\nG0Z5\n"
    text = first + b"X30\nG1Z-1F80.5\nX40F300\nG0Z5\nM5\nM2\n"
    for machine, top in (
        (ROUTER, []),
        (HOMED, [f"G1Z{HOMED.clearance_mm:g}F{HOMED.max_rate_mm_min[2] / 2:g}"]),
    ):
        entry = reenter(own_program(text, "two plunges", machine), machine, 10)
        down = [
            line
            for line in entry.program.text.decode().splitlines()[: entry.opening_lines]
            if line.startswith("G1Z")
        ]
        assert down == [*top, "G1Z-1F80.5"]


def test_a_place_only_the_machine_knows_is_not_entered():
    text = b"G21G90G17G94G54\nG0Z5\nM3S9000\nX0Y0\nG53G0X-10\nG1Y9F300\nG0Z5\nM5\nM2\n"
    with pytest.raises(RefusedError, match="does not say its X before"):
        reenter(own_program(text, "lost", HOMED), HOMED, 6)


def test_our_own_pauses_and_machine_coordinates_are_nothing_to_warn_of():
    text = b"G21G90G17G94G54\nG53G0Z-3\nG0X0Y0\nG1X9F300\nM0\nG21G90G17G94G54\nG1X0F300\nM2\n"
    assert {f.code for f in read(text).findings} >= {"pause", "machine-coordinates"}
    assert own_program(text, "own", HOMED).findings == ()


def test_a_machine_without_switches_rises_as_high_as_the_program_ever_goes():
    text = b"G21G90G17G94G54\nG0Z20\nM3S9000\nX0Y0\nZ5\nG1Z-1F100\nX9\nG0Z5\nM5\nM2\n"
    entry = reenter(own_program(text, "high", ROUTER), ROUTER, 7)
    assert entry.program.text.splitlines()[1] == b"G0Z20"
    assert "does not home" in entry.steps[0]


def test_a_beam_runs_up_along_what_was_burnt_without_power():
    text = b"G21G90G17G94G54\nM4S0\nG0X5Y5\nG1X50F6000S300\nY50\nG0X0S0\nM5\nM2\n"
    program = own_program(text, "square", LASER)
    entry = reenter(program, LASER, 5)
    # 100 mm/s at 1000 mm/s²: 5 mm
    assert entry.program.text.splitlines()[1:5] == [b"G0X45Y5", b"M4S0", b"G1X50F6000S0", b"G1Y50F6000S300"]


def test_a_beam_begins_a_cut_without_run_up():
    text = b"G21G90G17G94G54\nM4S0\nG0X5Y5\nG1X50F6000S300\nY50\nG0X0S0\nM5\nM2\n"
    entry = reenter(own_program(text, "square", LASER), LASER, 4)
    assert entry.program.text.splitlines()[1:4] == [b"G0X5Y5", b"M4S0", b"G1X50F6000S300"]


def test_a_second_resume_enters_the_way_back_of_the_first():
    program = own(5, HOMED)
    line = int(program.line[cuts(program.moves)][4])
    first = reenter(program, HOMED, line, zero_mm=ZERO_MM)
    again = own_program(first.program.text, "again", HOMED)
    for number in range(1, first.opening_lines + 2):
        second = reenter(again, HOMED, number, zero_mm=ZERO_MM)
        permit(second.program, HOMED)
        assert second.line <= first.opening_lines + 1
    last = int(program.line[cuts(program.moves)][-1])
    second = reenter(again, HOMED, last - first.line + first.opening_lines + 1, zero_mm=ZERO_MM)
    assert first.line_entered(second.line) == last


def test_a_stop_after_the_tool_change_names_the_next_section_and_its_tool():
    program = next(p for p in (own(seed, ROUTER) for seed in range(1, 99)) if len(p.sections) > 1)
    entry = reenter(program, ROUTER, program.sections[0].last_line)
    assert (entry.section, entry.tool) == (2, program.sections[1].tool)
    assert len(entry.program.sections) == len(program.sections) - 1


def test_nothing_is_entered_when_all_is_cut():
    program = own(2, ROUTER)
    with pytest.raises(RefusedError, match="nothing is left to cut"):
        reenter(program, ROUTER, program.line_count)
    with pytest.raises(RefusedError, match="there is no line 0"):
        reenter(program, ROUTER, 0)


def test_a_section_that_begins_wherever_the_tool_stands_is_not_entered():
    foreign = read(b"G21 G90 M3 S9000\nG0 Z5\nG1 X10 F300\nX20\n", "here", full_scale=10000.0)
    program = rewrite(foreign, ROUTER)
    with pytest.raises(RefusedError, match="does not say its Y"):
        reenter(program, ROUTER, int(program.line[-2]))


def test_bytes_of_others_are_not_entered():
    with pytest.raises(RefusedError, match="not written here"):
        reenter(read(b"G21 G90\nG0 X1\nG1 X2 F100\n"), ROUTER, 2)
    inch = own_program(b"G20G90G17G94G54\nG0X1Y1\nG1X2F10\n", "inch", ROUTER)
    with pytest.raises(RefusedError, match="G20"):
        reenter(inch, ROUTER, 3)


@pytest.mark.parametrize(("value", "text"), [(0.5, ".5"), (-0.5, "-.5"), (10.0, "10"), (-0.00004, "0")])
def test_numbers_are_written_the_short_way(value, text):
    assert number_text(value) == text
