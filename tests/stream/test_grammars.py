"""Grammars from firmware profiles: what each firmware says is read, and nothing that would mislead."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabctl.shop.dialect import Speech
from fabctl.shop.firmware import firmware_names, load_firmware
from fabctl.stream.grammar import GRBL, grammar_of, parse_reply
from fabctl.stream.replies import (
    Banner,
    BuildOptions,
    Note,
    Offset,
    Setting,
    StartupLine,
    State,
    Status,
    TextSetting,
    ToolLength,
    Unknown,
)
from fabctl.stream.rules import Realtime

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"
HAL, FLUID = (grammar_of(load_firmware(name).speaks) for name in ("grblhal", "fluidnc"))
SAID = {
    name: (TRANSCRIPTS / f"{name}.txt").read_text(encoding="ascii").splitlines()
    for name in ("grblhal", "fluidnc")
}


def test_the_profile_of_grbl_says_what_the_default_grammar_is():
    assert load_firmware("grbl-1.1").speaks == Speech()


@pytest.mark.parametrize(("name", "line"), [(name, line) for name in SAID for line in SAID[name]])
def test_every_line_of_a_transcript_is_understood(name, line):
    raw = line.encode()
    assert not isinstance(parse_reply(raw, grammar_of(load_firmware(name).speaks)), Unknown)


@pytest.mark.parametrize("name", SAID)
def test_the_transcripts_hold_much_that_is_no_grbl(name):
    """The profile is needed: Grbl's own grammar refuses a good part of it."""
    refused = [line for line in SAID[name] if isinstance(parse_reply(line.encode(), GRBL), Unknown)]
    assert len(refused) >= 10


@pytest.mark.parametrize(
    ("grammar", "raw", "reply"),
    [
        (HAL, b"GrblHAL 1.1f ['$' or '$HELP' for help]", Banner("GrblHAL", "1.1f")),
        (HAL, b"[OPT:VN,100,1024,3,0]", BuildOptions("VN", 100, 1024)),
        (HAL, b"[BOARD:T41U5XBB]", Note("BOARD", "T41U5XBB")),
        (HAL, b"$300=grblHAL", TextSetting(300, "grblHAL")),
        (HAL, b"$110=500.000", Setting(110, 500)),
        (HAL, b"[G59.2:1.000,2.000,3.000]", Offset("G59.2", (1, 2, 3))),
        (FLUID, b"Grbl 4.0 [FluidNC v4.0.1 (esp32-wifi) '$' for help]", Banner("Grbl", "4.0")),
        (FLUID, b"[OPT:PHS]", BuildOptions("PHS")),
        (FLUID, b"[TLO:0.000,0.000,1.500]", ToolLength(1.5)),
        (FLUID, b"$/macros/startup_line1=M3S1000", StartupLine(1, "M3S1000")),
        (
            HAL,
            b"<Run:2|MPos:1.000,2.000,3.000,4.000|FS:60,100,98|A:>",
            Status(State.RUN, (1, 2, 3), feed_mm_min=60, speed=100, accessories="", measured_rpm=98),
        ),
        (HAL, b"<Door:4|MPos:1.000,2.000,3.000>", Status(State.DOOR_RESUMING, (1, 2, 3))),
        (HAL, b"<Alarm:11|MPos:1.000,2.000,3.000>", Status(State.ALARM, (1, 2, 3))),
    ],
)
def test_what_differs_is_read_as_what_it_is(grammar, raw, reply):
    assert parse_reply(raw, grammar) == reply


@pytest.mark.parametrize(
    ("grammar", "raw"),
    [
        (HAL, b"[G54:0.000,0.000,0.000:15.00]"),
        (HAL, b"[G51:2.000,2.000,1.000]"),
        (HAL, b"<Idle|MPos:0.000,0.000,0.000|Sc:XY>"),
        (HAL, b"<Idle|MPos:0.000,0.000,0.000|D:1>"),
        (HAL, b"<Idle|MPos:0.000,0.000,0.000|MPG:1>"),
        (HAL, b"<Tool|MPos:0.000,0.000,0.000>"),
        (HAL, b"<Run|MPos:0.000,0.000,0.000|SD:12.5,part.nc>"),
        (FLUID, b"<Run|MPos:0.000,0.000,0.000|SD:12.50,/part.nc>"),
        (FLUID, b"[TLO:1.000,0.000,0.000]"),
        (GRBL, b"[G59.1:0.000,0.000,0.000]"),
        (GRBL, b"<Run:2|MPos:0.000,0.000,0.000>"),
        (GRBL, b"<Run|MPos:0.000,0.000,0.000|FS:1,2,3>"),
        (GRBL, b"[OPT:V,15,128,3,0]"),
        (GRBL, b"[BOARD:x]"),
        (GRBL, b"$300=name"),
    ],
)
def test_what_changes_the_meaning_of_a_coordinate_or_who_commands_is_refused(grammar, raw):
    assert parse_reply(raw, grammar) == Unknown(raw)


@given(st.binary(max_size=80), st.sampled_from([HAL, FLUID]))
def test_law_no_bytes_make_a_grammar_fail(raw, grammar):
    assert parse_reply(raw, grammar) is not None


@given(st.sampled_from([line for line in SAID["grblhal"] if line.startswith("<")]), st.data())
def test_law_a_report_with_a_lost_byte_is_refused_or_another_sound_report(line, data):
    raw = line.encode()
    at = data.draw(st.integers(0, len(raw) - 1))
    assert isinstance(parse_reply(raw[:at] + raw[at + 1 :], HAL), (Status, Unknown))


@pytest.mark.parametrize("name", firmware_names())
def test_the_bytes_fabctl_sends_in_real_time_mean_the_same_everywhere(name):
    meanings = {code.number: code.meaning for code in load_firmware(name).realtime}
    grbl = {code.number: code.meaning for code in load_firmware("grbl-1.1").realtime}
    assert {code: meanings[code] for code in Realtime} == {code: grbl[code] for code in Realtime}
    assert not any(0x20 <= byte <= 0x7E and chr(byte) not in "?!~" for byte in meanings)


def test_settings_of_real_machines_are_replies_of_the_grammar(corpus):
    """What real controllers said to ``$$``, as people saved it, less their own remarks behind the value."""
    lines = [
        line.split(";")[0].split("(")[0].strip()
        for path in sorted((corpus / "machine").iterdir())
        if path.suffix in {".set", ".txt", ".gcode"}
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
    ]
    settings = [line for line in lines if re.match(r"\$\d+\s*=", line)]
    assert len(settings) > 200
    wrong = [line for line in settings if not isinstance(parse_reply(line.encode()), Setting)]
    assert wrong == []
