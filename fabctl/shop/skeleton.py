"""A machine's description drawn from what its controller says: a builder's first step, not the last."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from fabctl.errors import ProfileError

AXES = ("x", "y", "z")
NEEDED = tuple(base + axis for base in (100, 110, 120, 130) for axis in range(3))
"""Settings without which nothing can be written: steps, rates, accelerations and travel of three axes."""

_SLOWEST_SHARE = 0.25


def machine_skeleton(name: str, firmware: str, settings: Mapping[int, float], *, baud: int = 115200) -> str:
    """Write a machine's description as far as its controller knows it.

    Parameters
    ----------
    name : str
        Of the machine and of the file.
    firmware : str
        Name of its firmware's profile.
    settings : mapping of int to float
        ``$$``. What FluidNC does not tell is as in Grbl's generic build.
    baud : int
        Of the port.

    Returns
    -------
    str
        TOML that loads; lines that no controller knows end in a remark.

    Raises
    ------
    ProfileError
        When the controller does not tell steps, rates, accelerations and travel.

    Examples
    --------
    >>> generic = {n: 250.0 for n in NEEDED}
    >>> machine_skeleton("mine", "grbl-1.1", generic).splitlines()[4]
    'name = "mine"'
    """
    missing = [f"${number}" for number in NEEDED if not settings.get(number, 0) > 0]
    if missing:
        raise ProfileError(
            f"the controller does not tell {', '.join(missing)}",
            place="$$",
            remedy="set them in the controller, or write the file by hand (docs/profiles.md)",
        )
    blocks = [_head_of_file(name, firmware, baud)]
    blocks += [_axis(settings, index, axis) for index, axis in enumerate(AXES)]
    blocks += [_motion(settings), _homing(settings), _head(settings), _safety(settings)]
    return "\n\n".join(blocks) + "\n"


def _head_of_file(name: str, firmware: str, baud: int) -> str:
    text = json.dumps(name)
    return f"""# Drawn from the controller's settings. It loads as it is, but it is a start: a controller
# believes what it was told. Correct the lines with a remark and measure the axes
# (docs/profiles.md, Describe your own machine), then take the remarks out.

name = {text}
title = {text} # what a person calls it
firmware = "{firmware}"
baud = {baud}"""


def _axis(settings: Mapping[int, float], index: int, axis: str) -> str:
    lines = [
        f"[axes.{axis}]",
        f"travel_mm = {_plain(settings[130 + index])} # measure: from stop to stop, less 2 mm on either side",
        f"steps_per_mm = {_plain(settings[100 + index])} # measure: jog 200 mm along a ruler",
        f"max_rate_mm_min = {_plain(settings[110 + index])}",
        f"acceleration_mm_s2 = {_plain(settings[120 + index])}",
    ]
    if _bit(settings, 3, index):
        lines.append("invert_direction = true")
    if _bit(settings, 23, index):
        lines.append('home = "min"')
    return "\n".join(lines)


def _motion(settings: Mapping[int, float]) -> str:
    return f"""[motion]
junction_deviation_mm = {_within(settings.get(11, 0.01), 0.001, 1)}
arc_tolerance_mm = {_within(settings.get(12, 0.002), 0.0005, 1)}
step_idle_ms = {_within(settings.get(1, 255), 0, 255)}
step_pulse_us = {_within(math.ceil(settings.get(0, 10)), 3, 100)}
invert_enable = {_flag(settings, 4)}"""


def _homing(settings: Mapping[int, float]) -> str:
    return f"""[homing]
enabled = {_flag(settings, 22)}
soft_limits = {_flag(settings, 20)}
hard_limits = {_flag(settings, 21)}
invert_switches = {_flag(settings, 5)}
invert_probe = {_flag(settings, 6)}
locate_mm_min = {_within(settings.get(24, 25), 1, 5000)}
seek_mm_min = {_within(settings.get(25, 500), 1, 20000)}
debounce_ms = {_within(settings.get(26, 250), 0, 1000)}
pull_off_mm = {_within(settings.get(27, 1), 0.1, 50)}"""


def _head(settings: Mapping[int, float]) -> str:
    full = settings.get(30, 0) or 1000
    if settings.get(32):
        return f"""[head]
kind = "laser"
full_scale = {_plain(full)}
power_w = 5 # optical power of the beam: look at its data sheet
on_word = "M4"
laser_mode = true"""
    slowest = settings.get(31, 0)
    remark = "measure: the slowest speed that bears a cut"
    return f"""[head]
kind = "spindle" # or laser, pen, knife, plasma
full_scale = {_plain(full)}
max_rpm = {_plain(full)} # measure: at full power
min_rpm = {_plain(slowest or round(full * _SLOWEST_SHARE))}{"" if slowest else f" # {remark}"}
on_word = "M3"
spin_up_s = 5 # until it turns at its speed"""


def _safety(settings: Mapping[int, float]) -> str:
    clearance = min(5.0, settings[132] / 4)
    stock = max(0.05, settings[132] / 3)
    return f"""[safety]
clearance_mm = {_plain(clearance)}
attended_only = true # false only with an interlock
interlock = "none" # what cuts the power of spindle or beam when the computer dies
stock_height_mm = {_plain(round(stock, 2))} # measure: what fits below the tool with clearance above
holding = "" # how stock is held down"""


def _plain(value: float) -> str:
    return f"{round(value, 4):.4f}".rstrip("0").rstrip(".")


def _within(value: float, low: float, high: float) -> str:
    return _plain(min(max(value, low), high))


def _flag(settings: Mapping[int, float], number: int) -> str:
    # where a firmware keeps more than a switch there, its lowest bit is the switch; masks are all or nothing
    return "true" if int(settings.get(number, 0)) & 1 else "false"


def _bit(settings: Mapping[int, float], number: int, index: int) -> bool:
    return bool(int(settings.get(number, 0)) >> index & 1)
