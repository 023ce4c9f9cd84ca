"""What a machine's own figures allow: how near a position must be, how long braking may take."""

from __future__ import annotations

import math

from fabctl.shop.machine import Machine


def tolerance_mm(machine: Machine) -> float:
    """Return how far a reported position may lie off the plan: a step on each axis, arcs, printed digits."""
    step = math.hypot(*(1 / value for value in machine.steps_per_mm if value > 0))
    return step + machine.arc_tolerance_mm + 0.005


def braking_limit_s(machine: Machine) -> float:
    """Return the longest this machine may take from a feed hold to standing still, s."""
    axes = zip(machine.max_rate_mm_min, machine.acceleration_mm_s2, strict=True)
    return 3.0 + 2 * max(rate / 60 / acceleration for rate, acceleration in axes if acceleration > 0)
