"""Settings, their EEPROM image, and what a soft limit, a jog and a door do with them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabctl.sim.reports import fixed, setting_text
from fabctl.sim.settings import DEFAULTS, FLAGS, WHOLE, Settings


@given(st.sampled_from(sorted(set(DEFAULTS) - {0, 20})), st.floats(0, 255, width=32))
def test_what_is_stored_is_shown(number, value):
    settings = Settings()
    code, changed = settings.store(number, value)
    assert code == 0
    kept = float(bool(int(value))) if number in FLAGS else float(int(value)) if number in WHOLE else value
    assert settings[number] == kept
    assert changed <= 6
    assert settings.store(number, value) == (0, 0), "writing the same again changes no byte"


def test_homing_off_takes_soft_limits_with_it():
    settings = Settings({22: 1, 20: 1})
    settings.store(22, 0)
    assert settings[20] == 0


def test_restoring_settings_keeps_offsets_and_the_other_way_round():
    settings = Settings({100: 80})
    settings.store_coords(0, [1.0, 2.0, 3.0])
    settings.restore("$")
    assert (settings[100], settings.coords[0]) == (250, [1, 2, 3])
    settings.store(100, 80)
    settings.restore("#")
    assert (settings[100], settings.coords[0]) == (80, [0, 0, 0])


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (0, 3, "0.000"),
        (0.0004, 3, "0.000"),
        (0.0005, 3, "0.001"),
        (-1.5, 3, "-1.500"),
        (999.9996, 3, "1000.000"),
        (0.5, 0, "1"),
        (12, 0, "12"),
    ],
)
def test_numbers_are_written_as_by_the_firmware(value, decimals, text):
    assert fixed(value, decimals) == text


def test_every_setting_is_listed_once(connect):
    host = connect()
    host.others.clear()
    host.ask("$$")
    values = host.port.controller.board.settings.values
    assert host.others == [setting_text(number, values[number]) for number in DEFAULTS]


def test_settings_changed_over_the_wire_act(connect):
    host = connect()
    host.ask("$110=600")
    host.stream(["G0X10"])
    host.until("Idle")
    first, last = host.port.trace.motion_span_s()
    assert last - first == pytest.approx(1.05, rel=0.01)


def test_a_soft_limit_in_motion_brakes_and_keeps_the_position(connect):
    host = connect({20: 1, 22: 1}, homed=True)
    host.port.write(b"G90G53G1X-100F2000\nG53X5\n")
    host.wait(6.0)
    assert "ALARM:2" in host.others
    assert host.answers == ["ok"]
    host.port.write(b"\x18")
    host.wait(1.0)
    state, fields = host.status()
    assert state == "Alarm"
    told = [float(text) for text in fields["MPos"].split(",")]
    assert told == pytest.approx(host.port.trace.xyz_mm[-1].tolist(), abs=0.002)
    assert -100 < told[0] < -1


def test_check_mode_still_minds_soft_limits(connect):
    host = connect({20: 1, 22: 1}, homed=True)
    host.ask("$C")
    host.port.write(b"G53G0X5\n")
    host.wait(1.0)
    assert "ALARM:2" in host.others


def test_a_feed_hold_cancels_a_jog(connect):
    host = connect()
    host.stream(["$J=G91X50F1000", "$J=G91Y50F1000"])
    host.wait(0.5)
    host.port.write(b"!")
    host.until("Idle", within_s=1.0)
    assert host.port.trace.xyz_mm[-1, 0] < 15
    assert host.ask("G0X0") == "ok", "nothing of the jogs is left"
    host.until("Idle")
    assert host.port.trace.xyz_mm[-1] == pytest.approx([0, 0, 0])


def test_jogs_leave_the_modes_alone_and_refuse_g_code_meanwhile(connect):
    host = connect()
    host.stream(["G91G20F10"])
    assert host.stream(["$J=G90G21X5F1000", "G0X1"]) == ["ok", "error:9"]
    host.until("Idle")
    host.others.clear()
    host.ask("$G")
    assert host.others == ["[GC:G0 G54 G17 G20 G91 G94 M5 M9 T0 F254 S0]"]


def test_a_door_opened_again_while_restoring_starts_over(connect):
    host = connect()
    host.stream(["M3S500", "G1X20F500"])
    host.wait(0.5)
    host.port.write(b"\x84")
    host.until("Door:0")
    host.port.write(b"~")
    host.until("Door:3", within_s=1.0)
    host.port.write(b"\x84")
    host.until("Door:0", within_s=1.0)
    assert host.status()[1]["FS"] == "0,0"
    host.port.write(b"~")
    host.until("Idle", within_s=20)
    assert host.port.trace.xyz_mm[-1, 0] == pytest.approx(20)


def test_a_startup_line_that_is_wrong_is_not_stored(connect):
    host = connect()
    assert host.ask("$N1=G5") == "error:20"
    assert host.ask("$N1=G20") == "ok"
    host.others.clear()
    host.ask("$N")
    assert host.others == ["$N0=", "$N1=G20"]


def test_hold_within_an_arc_resumes_on_it(connect):
    host = connect()
    host.stream(["G2X0Y0I10J0F1500"])
    host.wait(1.0)
    host.port.write(b"!")
    host.until("Hold:0")
    host.port.write(b"~")
    host.until("Idle")
    path = host.port.trace.xyz_mm
    radius = ((path[:, 0] - 10) ** 2 + path[:, 1] ** 2) ** 0.5
    assert abs(radius - 10).max() < 0.01
    assert path[-1] == pytest.approx([0, 0, 0])
