"""Whole runs over the virtual controller: how they go, and each way they can end."""

import itertools
import math
import re
from dataclasses import replace

import pytest

from fabctl.errors import LinkError, RefusedError, StoppedKnownError, StoppedUnknownError
from fabctl.shop.permit import Permit
from fabctl.sim.controller import Options
from fabctl.stream.leg import Leg
from fabctl.stream.run import Hooks, Order
from fabctl.stream.sender import run
from fabctl.stream.stops import Cause, EndState, Operator
from tests.stream.peer import ROUTER, grbl


def test_a_program_runs_to_its_end_and_everything_is_verified(bench, square_job):
    it, job = bench(), square_job()
    result = it.run(job)
    assert result.end_state is EndState.DONE
    assert result.sent == result.acknowledged == result.executed == result.lines == len(job.lines)
    assert result.head_off is True
    assert result.work_mm == (0, 0, 5)
    assert result.error() is None
    assert it.kinds == ["connected", "zeroed", "armed", "started", "end"]
    assert it.rest() == (0.0, 0.0)


def test_the_check_pass_finds_a_bad_line_before_anything_moves(bench, square_job):
    it, job = bench(), square_job()
    job.say("G1X1E5")
    result = it.run(job, check_first=True)
    assert result.cause is Cause.ERROR
    assert f"line {len(job.lines)}" in result.reason
    assert len(it.port.trace) <= 2 or it.port.trace.xyz_mm.any() == 0
    assert "started" not in it.kinds


def test_a_sound_program_passes_the_check_and_then_runs(bench, square_job):
    it = bench()
    assert it.run(square_job(), check_first=True).end_state is EndState.DONE
    assert it.kinds == ["connected", "zeroed", "checked", "armed", "started", "end"]


def test_zero_is_set_by_g10_and_never_by_g92(bench, square_job):
    it = bench()
    it.run(square_job())
    assert b"G10L20P1X0.000Y0.000Z0.000\n" in it.wire.sent
    assert b"G92" not in it.wire.sent


def test_a_line_that_writes_eeprom_goes_alone(bench, new_job):
    job = new_job()
    for k in range(30):
        job.go(k, 0, 0)
        if k % 10 == 5:
            job.say("G10L2P2X0Y0")
    it = bench()
    assert it.run(job, legs=()).end_state is EndState.DONE
    flying = 0
    for way, data in it.wire.log:
        if way == "down" and b"G10L2P2" in data:
            assert flying == 0
            assert data.count(b"\n") == 1
        flying += data.count(b"\n") if way == "down" else -len(re.findall(rb"(?m)^ok|^error", data))


def test_law_bytes_in_flight_never_exceed_the_window(bench, square_job):
    it = bench()
    it.run(square_job(chords=200), check_first=True)
    lengths, flying, most, text = [], 0, 0, b""
    for way, data in it.wire.log:
        if way == "down":
            if data == b"\x18":
                lengths.clear()
                continue
            lines = data.replace(b"?", b"").split(b"\n")
            lengths += [len(line) + 1 for line in lines[:-1]]
        else:
            text += data
            *whole, text = text.split(b"\n")
            for line in whole:
                if line.strip() == b"ok" or line.startswith(b"error"):
                    lengths.pop(0)
        flying = sum(lengths)
        most = max(most, flying)
    assert 100 < most <= 127


@pytest.mark.parametrize(
    "spoil",
    [
        lambda order: {"program": order.program + b"G0X1\n"},
        lambda order: {"permit": Permit(order.permit.program_sha256, "other", order.permit.machine_sha256)},
        lambda order: {"permit": Permit(order.permit.program_sha256, order.machine.name, "0" * 64)},
    ],
    ids=["another program", "another machine", "another description"],
)
def test_without_a_fitting_permit_no_byte_leaves(bench, square_job, spoil):
    it = bench()
    order = it.order(square_job())
    parts = {"program": order.program, "permit": order.permit} | spoil(order)
    with pytest.raises(RefusedError, match="check"):
        run(it.port, Order(machine=order.machine, **parts))
    assert it.wire.sent == b""


@pytest.mark.parametrize(
    "line", ["$100=80", "G1X1 (x) !", "G1X1é", "/G1X1", "[MSG]", "G0X" + "1" * 80, "M5M0"]
)
def test_a_line_that_must_not_reach_a_controller_is_refused_before_the_first_byte(bench, new_job, line):
    it = bench()
    with pytest.raises(RefusedError, match="line 3"):
        it.run(new_job().say(line))
    assert it.wire.sent == b""


def test_settings_of_another_machine_are_refused_before_anything_moves(bench, square_job):
    it = bench(settings={100: 80.0, 130: 9999.0})
    with pytest.raises(RefusedError, match=r"\$100 is 80, the profile says 800; \$130 is 9999"):
        it.run(square_job())
    assert it.rest() == (0.0, 0.0)


def test_a_harmless_difference_is_told(bench, square_job):
    result = bench(settings={26: 99.0}).run(square_job())
    assert result.end_state is EndState.DONE
    assert any("$26 is 99" in note for note in result.notes)


def test_stored_start_up_lines_are_refused(bench, square_job):
    it = bench()
    it.port.read(1.0)
    it.port.write(b"$N0=M3S1000\n")
    it.port.read(2.0)
    with pytest.raises(RefusedError, match=r"\$N0=M3S1000"):
        it.run(square_job())


def test_a_controller_that_never_answers_is_a_link_error(bench, square_job, wire):
    with pytest.raises(LinkError, match="does not answer"):
        bench(wire=wire(up=lambda data, now_s: b"")).run(square_job())


def test_noise_at_the_wrong_speed_is_named_as_such(bench, square_job, wire):
    noisy = wire(up=lambda data, now_s: bytes(byte ^ 0xA5 for byte in data) + b"\n")
    with pytest.raises(LinkError, match="another speed"):
        bench(wire=noisy).run(square_job())


def test_a_busy_machine_is_left_alone(bench, square_job):
    it = bench()
    it.port.read(1.0)
    it.port.write(b"G1X100F60\n")
    it.port.read(0.5)
    with pytest.raises(LinkError, match="busy: Run"):
        it.run(square_job())
    assert b"\x18" not in it.wire.sent


# How a run ends. Each row spoils one thing once the tool is well inside the job, and names the end.


def after(pattern, change, count=1):
    """Change the first matches of `pattern` that come after two seconds of the run."""

    def spoil(data, now_s):
        if now_s < spoil.begin_s or spoil.left == 0:
            return data
        new, found = re.subn(pattern, change, data, count=spoil.left)
        spoil.left -= found
        return new

    spoil.begin_s, spoil.left = 8.0, count
    return spoil


BANNER = b"\r\nGrbl 1.1h ['$' for help]\r\n"
SPOILT = {
    "banner": ({"up": after(rb"ok\r\n", BANNER)}, Cause.RESTART, EndState.UNKNOWN),
    "garbled ok": ({"up": after(rb"ok\r\n", b"o\x8b\r\n")}, Cause.UNKNOWN_REPLY, EndState.KNOWN),
    "doubled ok": ({"up": after(rb"ok\r\n", b"ok\r\nok\r\n")}, Cause.STRAY_ANSWER, EndState.KNOWN),
    "lost ok": ({"up": after(rb"ok\r\n", b"")}, Cause.STALL, EndState.KNOWN),
    "error": ({"up": after(rb"ok\r\n", b"error:20\r\n")}, Cause.ERROR, EndState.KNOWN),
    "limit switch": ({"up": after(rb"ok\r\n", b"ALARM:1\r\n")}, Cause.ALARM_LOST, EndState.UNKNOWN),
    "asleep": ({"up": after(rb"<Run", b"<Sleep")}, Cause.SLEEP, EndState.UNKNOWN),
    "impossible": ({"up": after(rb"<Run", b"<Check")}, Cause.STATE_JUMP, EndState.UNKNOWN),
    "unknown state": ({"up": after(rb"<Run", b"<Fly")}, Cause.UNKNOWN_REPLY, EndState.KNOWN),
    "reset byte": ({"down": after(rb"G1X", b"\x18G1X")}, Cause.ALARM_LOST, EndState.UNKNOWN),
    "flipped digit": ({"down": after(rb"Y-?(\d)", b"Y4\\1")}, Cause.OFF_PATH, EndState.KNOWN),
    "letter lost": ({"down": after(rb"G1X", b"G1")}, Cause.ERROR, EndState.KNOWN),
    "silence": ({"up": after(rb"(?s).*", b"", count=10**9)}, Cause.SILENCE, EndState.UNKNOWN),
}


@pytest.mark.parametrize("name", SPOILT)
def test_each_fault_stops_the_job_by_the_table_with_spindle_off_and_nothing_moving_after(
    bench, square_job, wire, name
):
    change, cause, end_state = SPOILT[name]
    for spoil in change.values():
        spoil.left = 10**9 if name == "silence" else 1
    it = bench(wire=wire(**change))
    result = it.run(square_job(chords=300))
    assert (result.cause, result.end_state) == (cause, end_state)
    assert result.head_off is (None if name == "silence" else True)
    assert result.executed < result.lines
    moved_mm, power = it.rest()
    assert moved_mm == 0
    assert power == 0
    assert it.kinds[-2:] == ["stop", "end"]
    kind = StoppedKnownError if end_state is EndState.KNOWN else StoppedUnknownError
    assert isinstance(result.error(), kind)


def test_a_lost_newline_never_ends_as_done(bench, square_job, wire):
    it = bench(wire=wire(down=after(rb"\n", b"")))
    result = it.run(square_job())
    assert result.end_state is not EndState.DONE
    assert it.rest() == (0.0, 0.0)


def test_a_stall_is_noticed_within_two_seconds(bench, square_job, wire):
    spoil = after(rb"ok\r\n", b"")
    it = bench(wire=wire(up=spoil))
    seen = []
    hooks = Hooks(progress=seen.append)
    result = it.run(square_job(), hooks)
    assert result.cause is Cause.STALL
    changes = [b.elapsed_s for a, b in itertools.pairwise(seen) if a.work_mm != b.work_mm]
    assert seen[-1].elapsed_s - changes[-1] <= 2.0


def test_a_long_dwell_is_no_stall(bench, new_job):
    job = new_job().go(5, 0, 0).say("G4P7").go(0, 0, 0)
    assert bench().run(job).end_state is EndState.DONE


def test_a_bad_line_stops_at_the_first_error_and_keeps_position(bench, square_job):
    it, job = bench(), square_job()
    job.lines[20] = "G1X5E3"
    result = it.run(job)
    assert (result.cause, result.end_state, result.head_off) == (Cause.ERROR, EndState.KNOWN, True)
    assert "line 21" in result.reason
    assert result.executed < 21
    assert it.rest() == (0.0, 0.0)


def test_a_soft_limit_alarm_keeps_position(bench, new_job, homed):
    it = bench("pen-plotter-a3", options=homed())
    result = it.run(new_job().go(0, 0, 0).go(1000, 0, 0))
    assert (result.cause, result.end_state) == (Cause.ALARM_KNOWN, EndState.KNOWN)
    assert it.rest() == (0.0, 0.0)


def test_a_port_that_dies_ends_with_position_unknown_and_says_the_head_was_not_seen(bench, square_job):
    it = bench()
    hooks = it.hooks(progress=lambda now: it.port.close() if now.executed > 20 else None)
    result = it.run(square_job(), hooks)
    assert (result.cause, result.end_state) == (Cause.PORT_LOST, EndState.UNKNOWN)
    assert result.head_off is None
    assert "could not be seen to be off" in str(result.error())


def test_a_program_that_leaves_the_spindle_on_is_not_done(bench, square_job):
    it, job = bench(), square_job()
    job.lines.remove("M5")
    result = it.run(job)
    assert (result.cause, result.end_state, result.head_off) == (Cause.HEAD_ON, EndState.KNOWN, True)
    assert it.rest() == (0.0, 0.0)


def test_a_wrong_end_position_is_not_done(bench, square_job):
    result = bench().run(square_job(), end_mm=(0.0, 0.1, 5.0))
    assert (result.cause, result.end_state) == (Cause.WRONG_END, EndState.KNOWN)


def test_blocks_left_in_the_planner_are_not_done(bench, square_job, wire):
    spoilt = wire(up=lambda data, now_s: data.replace(b"Bf:15,", b"Bf:14,"))
    result = bench(settings={10: 3}, wire=spoilt).run(square_job())
    assert (result.cause, result.end_state) == (Cause.LEFT_OVER, EndState.KNOWN)


def test_buffers_in_the_report_are_accepted_when_empty(bench, square_job):
    assert bench(settings={10: 3}).run(square_job()).end_state is EndState.DONE


def test_a_beam_that_stands_still_is_held_and_turned_off(bench, new_job, homed):
    it = bench("laser-400", options=homed())
    job = new_job().say("M3S500").go(10, 0, 0, 1000).say("G4P5").go(0, 0, 0, 1000).say("M5")
    result = it.run(job)
    assert (result.cause, result.head_off) == (Cause.BEAM_STANDING, True)
    assert it.rest() == (0.0, 0.0)


def test_a_short_dwell_that_was_asked_for_may_burn(bench, new_job, homed):
    job = new_job().say("M3S500").go(10, 0, 0, 1000).say("G4P0.2").go(0, 0, 0, 1000).say("M5")
    assert bench("laser-400", options=homed()).run(job).end_state is EndState.DONE


@pytest.mark.parametrize(("home", "homes"), [(None, True), (True, True), (False, False)])
def test_a_machine_with_switches_homes_first_though_nothing_locks_it(bench, new_job, homed, home, homes):
    """After a soft reset it is Idle, homed or not: only what was seen over this link counts."""
    it = bench("pen-plotter-a3", options=homed())
    it.run(new_job().go(1, 0, 0), home=home)
    assert (b"$H\n" in it.wire.sent) is homes


@pytest.mark.parametrize("state", ["Door:0", "Hold:0", "Check"])
def test_a_machine_that_is_not_idle_is_not_begun_with(bench, new_job, state):
    it, peer = bench(), grbl(ROUTER)

    def transition(_kind, _facts):
        peer.status = f"<{state}|MPos:0.000,0.000,0.000|FS:0,0>"

    with pytest.raises(RefusedError, match=f"not ready: {state}"):
        run(peer, it.order(new_job().go(1, 0, 0), here_mm=None), Hooks(transition=transition))
    assert b"G" not in peer.heard


def test_an_error_of_our_own_stops_the_machine_first(bench, square_job):
    it = bench()

    def full_disk(now):
        if now.executed > 10:
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space") as caught:
        it.run(square_job(), it.hooks(progress=full_disk))
    assert caught.value.__notes__ == ["the machine was stopped: position known, head off"]
    assert it.rest() == (0.0, 0.0)


# The operator


def doing(bench_, step):
    """Hooks whose progress calls `step(operator, progress)` from the tenth executed line on."""
    operator = Operator()
    return bench_.hooks(
        operator=operator, progress=lambda now: step(operator, now) if now.executed > 10 else None
    )


def test_abort_brakes_resets_and_knows_where_it_is(bench, square_job):
    it = bench()
    result = it.run(square_job(), doing(it, lambda operator, now: operator.abort()))
    assert (result.cause, result.end_state, result.head_off) == (Cause.OPERATOR_ABORT, EndState.KNOWN, True)
    assert not any(event.name == "alarm" for event in it.port.trace.events)
    assert result.mpos_mm == pytest.approx(it.port.trace.xyz_mm[-1], abs=0.0011)
    assert it.rest() == (0.0, 0.0)
    tail = it.wire.sent[it.wire.sent.index(b"!") :]
    assert set(tail) <= set(b"!?\x18")


def test_reset_is_at_once_and_position_is_not_certain(bench, square_job):
    it = bench()
    result = it.run(square_job(), doing(it, lambda operator, now: operator.reset()))
    assert (result.cause, result.end_state, result.head_off) == (Cause.OPERATOR_RESET, EndState.UNKNOWN, True)
    assert b"!" not in it.wire.sent
    assert it.rest() == (0.0, 0.0)


def test_hold_stops_the_spindle_and_resume_goes_on_to_the_end(bench, square_job):
    it, held = bench(), []

    def step(operator, now):
        if not held:
            operator.hold()
        if now.state == "Hold:0":
            held.append(now)
            if len(held) == 6:
                operator.resume()
        elif not held:
            held.clear()

    result = it.run(square_job(), doing(it, step))
    assert result.end_state is EndState.DONE
    assert held[-1].speed == 0
    assert it.wire.sent.count(b"\x9e") == 1
    assert it.kinds[-3:] == ["hold", "resume", "end"]


def test_a_hold_asked_for_as_the_run_starts_lets_no_line_go_first(bench, square_job):
    it, operator, gone = bench(), Operator(), []

    def told(kind, _facts):
        if kind == "started":
            operator.hold()

    def progress(now):
        if now.state == "Hold:0":
            gone.append(now.sent)
            operator.resume()

    hooks = replace(it.hooks(operator=operator, progress=progress), transition=told)
    assert it.run(square_job(), hooks).end_state is EndState.DONE
    assert gone[0] == 0


def test_a_hold_then_a_reset_keeps_position_because_the_machine_stood(bench, square_job):
    it, held = bench(), []

    def step(operator, now):
        if not held and now.state == "Run":
            operator.hold()
        if now.state == "Hold:0":
            held.append(now)
            if len(held) == 4:
                operator.reset()

    result = it.run(square_job(), doing(it, step))
    assert (result.cause, result.end_state, result.head_off) == (Cause.OPERATOR_RESET, EndState.KNOWN, True)


def test_a_hold_at_the_machine_is_waited_out(bench, square_job, wire):
    it = bench(wire=wire(down=after(rb"\?", b"?!")))
    held = []

    def step(operator, now):
        if now.state.startswith("Hold"):
            held.append(now)
            operator.resume()

    assert it.run(square_job(), doing(it, step)).end_state is EndState.DONE
    assert held


# Sections


def two_sections(new_job):
    job = new_job().say("M3S5000").go(5, 0, 0, 600).say("M5").say("M0 (change to V-bit!)")
    return job.say("M3S5000").go(0, 0, 0, 600).say("M5")


def test_a_pause_waits_for_a_person_with_the_head_off_and_is_never_sent(bench, new_job):
    it, asked = bench(), []

    def arm(pause):
        asked.append((pause, it.rest()))
        return True

    result = it.run(two_sections(new_job), it.hooks(arm=arm))
    assert result.end_state is EndState.DONE
    (pause, rest), *others = asked
    assert not others
    assert (pause.section, pause.note, rest) == (2, "M0 (change to V-bit!)", (0.0, 0.0))
    assert b"M0" not in it.wire.sent
    assert it.kinds == ["connected", "zeroed", "armed", "started", "pause", "section", "end"]


def test_a_pause_with_the_head_still_on_ends_the_run_before_anybody_is_asked(bench, new_job):
    it, asked = bench(), []
    job = new_job().say("M3S5000").go(5, 0, 0, 600).say("M0").say("M3S5000").go(0, 0, 0, 600).say("M5")
    result = it.run(job, it.hooks(arm=asked.append))
    assert (result.cause, result.end_state, asked) == (Cause.HEAD_ON, EndState.KNOWN, [])


def test_in_check_mode_nobody_is_asked_and_no_hold_is_sent(bench, square_job):
    """What the operator asks for meanwhile waits for the end of the check."""
    it, asked, operator = bench(), [], Operator()

    def progress(now):
        if now.checking:
            operator.hold()
        elif now.state == "Hold:0":
            operator.resume()

    def arm(pause):
        asked.append(pause)
        return True

    job = square_job(chords=400).say("M0 (change)").say("M3S5000").go(1, 0, 5, 600).say("M5")
    hooks = it.hooks(operator=operator, progress=progress, arm=arm)
    assert it.run(job, hooks, check_first=True).end_state is EndState.DONE
    assert len(asked) == 1
    assert it.kinds == [
        *("connected", "zeroed", "checked", "armed", "started", "hold", "resume", "pause", "section", "end")
    ]


def test_a_section_that_is_not_armed_ends_the_run(bench, new_job):
    it = bench()
    result = it.run(two_sections(new_job))
    assert (result.cause, result.end_state) == (Cause.DECLINED, EndState.KNOWN)
    assert result.executed == 5


def test_progress_bounds_hold_the_true_line(bench, square_job):
    """At every report the line the tool was truly on lies between the two bounds."""
    it, job, wrong = bench(), square_job(), []

    def progress(now):
        assert now.executed <= now.at_most <= now.sent
        assert now.acknowledged <= now.sent
        wrong.append(now.executed)

    it.run(job, it.hooks(progress=progress))
    assert wrong == sorted(wrong)


def test_a_hold_nobody_asked_for_and_nobody_ends_is_ended_after_ten_minutes(bench, square_job, wire):
    it = bench(wire=wire(down=after(rb"\?", b"!")))
    result = it.run(square_job(chords=300))
    assert (result.cause, result.end_state, result.head_off) == (Cause.HELD, EndState.KNOWN, True)
    assert it.rest() == (0.0, 0.0)


@pytest.mark.parametrize("latency_s", [0.001, 0.016])
def test_a_slow_adapter_is_no_straying_from_the_path(bench, new_job, latency_s):
    """Answers that come with a report in one piece are of lines parsed after it."""
    there = bench(
        options=Options(cpu_model=True, latency_s=latency_s),
        acceleration_mm_s2=(1200.0, 1200.0, 500.0),
        max_rate_mm_min=(9000.0, 9000.0, 5000.0),
        steps_per_mm=(80.0, 80.0, 400.0),
    )
    job = new_job().go(0, 0, 0, 3000)
    for i in range(1, 400):
        end = (round(i / 5, 3), 0.0, round(1.5 * math.sin(i / 20), 3))
        job.say(f"X{end[0]:g}Z{end[2]:g}").legs.append(Leg(len(job.lines), end))
    assert there.run(job).end_state is EndState.DONE
