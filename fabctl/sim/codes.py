"""What Grbl 1.1 says in numbers, as data: errors, alarms, push messages.

Source: the protocol of Grbl 1.1h (gnea/grbl, doc/csv and grbl/report.c); the meanings are in our words.
"""

from __future__ import annotations

OK = 0

ERRORS: dict[int, str] = {
    1: "a word starts with something that is no letter",
    2: "a letter is not followed by a number",
    3: "a $ command the firmware does not know",
    4: "a value below zero where none can be",
    5: "homing asked for, but $22 is off",
    6: "step pulse shorter than 3 µs",
    7: "the EEPROM could not be read; defaults are in force",
    8: "a $ command that needs Idle",
    9: "G-code while alarmed or jogging",
    10: "soft limits need homing ($22)",
    11: "line longer than 79 characters after stripping",
    12: "step rate above what the board can make",
    13: "the safety door is open",
    14: "build info or startup line too long for the EEPROM",
    15: "jog target outside the travel",
    16: "jog without = or with words a jog may not have",
    17: "laser mode needs a PWM output",
    20: "a word this firmware does not have",
    21: "two words of one modal group in a block",
    22: "no feed rate in force",
    23: "a command word with a fraction",
    24: "two commands in a block both want the axis words",
    25: "a word given twice",
    26: "a command that needs axis words has none",
    27: "line number too large",
    28: "a command lacks the word it needs (P, L)",
    29: "a work coordinate system that does not exist",
    30: "G53 without G0 or G1",
    31: "axis words while nothing uses them",
    32: "an arc without an axis word in its plane",
    33: "an arc or probe whose target cannot be reached",
    34: "an arc radius too small for its chord",
    35: "an arc without an offset in its plane",
    36: "words left over that nothing uses",
    37: "G43.1 with another axis than Z",
    38: "tool number above 255",
}
"""Meaning of every ``error:N`` of Grbl 1.1h."""

ALARMS: dict[int, str] = {
    1: "hard limit hit; position unknown",
    2: "target outside the soft limits; position kept, reset needed",
    3: "reset while moving; position unknown",
    4: "the probe was not in its starting state",
    5: "the probe met nothing within its travel",
    6: "reset while homing",
    7: "door opened while homing",
    8: "a limit switch stayed closed after pull-off",
    9: "no limit switch found while homing",
}
"""Meaning of every ``ALARM:N`` a single-motor Grbl 1.1h can give."""

MESSAGES: dict[str, str] = {
    "critical": "Reset to continue",
    "lock": "'$H'|'$X' to unlock",
    "unlocked": "Caution: Unlocked",
    "enabled": "Enabled",
    "disabled": "Disabled",
    "door": "Check Door",
    "limits": "Check Limits",
    "program-end": "Pgm End",
    "restore": "Restoring defaults",
    "spindle": "Restoring spindle",
    "sleep": "Sleeping",
}
"""The texts of ``[MSG:…]`` lines, as they stand on the wire."""

VERSION = "1.1h"
BUILD_DATE = "20190825"
BANNER = f"\r\nGrbl {VERSION} ['$' for help]\r\n"
HELP = "[HLP:$$ $# $G $I $N $x=val $Nx=line $J=line $SLP $C $X $H ~ ! ? ctrl-x]\r\n"
