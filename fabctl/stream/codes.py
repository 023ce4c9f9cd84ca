"""What Grbl's numbers mean: errors, alarms and messages as data.

Source: gnea/grbl v1.1, doc/csv/error_codes_en_US.csv and alarm_codes_en_US.csv for the numbers; the words
are ours.
"""

from __future__ import annotations

ERRORS: dict[int, str] = {
    1: "a word has no letter in front of its number",
    2: "a letter has no number, or a bad one, behind it",
    3: "the $ command is not known",
    4: "a value that must be positive is negative",
    5: "homing is off in the settings ($22=0)",
    6: "the step pulse must last at least 3 µs",
    7: "the stored settings could not be read and were replaced by the firmware's own",
    8: "the $ command is only taken while idle",
    9: "G-code is locked out: the controller is in alarm or jogging",
    10: "soft limits need homing to be on ($22=1)",
    11: "the line is longer than the controller can take",
    12: "the step rate of a setting is above what the controller can do",
    13: "the safety door was found open at start",
    14: "the line is too long to be stored as a start-up line",
    15: "the jog's target is beyond the machine's travel",
    16: "a jog command needs '=' and only takes certain words",
    17: "laser mode needs a controller with PWM output",
    20: "a G or M word is not supported",
    21: "two words of one modal group stand in one line",
    22: "no feed has been set",
    23: "a G or M number must be whole",
    24: "two words of one line both need the axis words",
    25: "a word stands twice in one line",
    26: "a G word needs axis words and has none",
    27: "the line number is outside 0 to 9,999,999",
    28: "a P or L word is missing",
    29: "only the work coordinates G54 to G59 exist",
    30: "G53 goes only with G0 or G1",
    31: "there are axis words nothing in the line uses",
    32: "an arc has no axis word in its plane",
    33: "the arc's end cannot be reached, or a probe's target is where it stands",
    34: "the arc's radius cannot be made to fit",
    35: "an arc has no I, J or K in its plane",
    36: "there are words nothing in the line uses",
    37: "the tool length offset has the wrong axis",
    38: "the tool number is above what the controller takes",
}
"""Grbl 1.1 ``error:N``."""

ALARMS: dict[int, str] = {
    1: "a limit switch was hit",
    2: "the target is beyond the machine's travel (soft limit)",
    3: "reset while moving",
    4: "the probe was not in the state expected before probing",
    5: "the probe touched nothing",
    6: "homing was ended by a reset",
    7: "homing was ended by the safety door",
    8: "homing could not get off the limit switch",
    9: "homing found no limit switch",
}
"""Grbl 1.1 ``ALARM:N``."""

ALARMS_POSITION_KNOWN: frozenset[int] = frozenset({2, 4, 5})
"""Alarms after which the controller's position is still true; after all others it is not."""


def error_meaning(code: int) -> str:
    """Say what an ``error:N`` means."""
    return ERRORS.get(code, "a number Grbl 1.1 does not have")


def alarm_meaning(code: int) -> str:
    """Say what an ``ALARM:N`` means."""
    return ALARMS.get(code, "a number Grbl 1.1 does not have")
