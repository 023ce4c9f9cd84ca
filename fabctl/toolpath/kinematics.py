"""How a machine moves and what its controller costs, as the planner needs to know it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fabctl.errors import InputError


@dataclass(frozen=True)
class ControllerCost:
    """What a line costs an 8-bit controller, in s; it starves the planner above some 200 lines/s.

    Parameters
    ----------
    block_s : float
        Parsing and planning a block, its text apart; an arc's chord costs it too.
    char_s, word_s, digit_s : float
        For each character received, word parsed and digit converted.
    replan_s : float
        For each block in the look-ahead whose speeds are computed anew.
    segment_s : float
        For each stretch of at most `segment_span_s` the step timer is prepared for.
    step_s : float
        For each step of the leading axis.
    segment_span_s : float
        Longest prepared stretch.
    link_bytes_s : float
        Bytes a second the serial link carries.

    Notes
    -----
    Defaults: Grbl 1.1h on an ATmega328P at 16 MHz, 115,200 baud, measured instruction by instruction.
    """

    block_s: float = 1.1e-3
    char_s: float = 6e-6
    word_s: float = 59e-6
    digit_s: float = 22e-6
    replan_s: float = 29e-6
    segment_s: float = 0.75e-3
    step_s: float = 14e-6
    segment_span_s: float = 0.01
    link_bytes_s: float = 11520.0


@dataclass(frozen=True)
class Kinematics:
    """How a machine moves: what its controller's settings say, in SI-like units of this project.

    Parameters
    ----------
    steps_per_mm : (3,) float
        ``$100``–``$102``; 0 means the axes are not rounded to steps.
    max_rate_mm_min : (3,) float
        ``$110``–``$112``.
    acceleration_mm_s2 : (3,) float
        ``$120``–``$122``.
    junction_deviation_mm : float
        ``$11``.
    arc_tolerance_mm : float
        ``$12``: largest distance of an arc's chord from the arc.
    look_ahead_blocks : int
        Blocks the planner sees at a time, the one being made included.
    laser_mode : bool
        ``$32``: power changes ride along with the motion; without it each one stops the machine.
    step_idle_ms : float
        ``$1``: what the controller waits after each stop; 255 keeps the motors on and waits not at all.
    dwell_step_s : float
        A dwell is rounded up to whole steps of this.
    sync_s : float
        Time lost at a stop besides braking, idling and starting.
    cost : ControllerCost, optional
        Given, the controller's own slowness counts.

    Examples
    --------
    >>> belt = Kinematics((40, 40, 200), (8000, 8000, 1500), (400, 400, 150), junction_deviation_mm=0.02)
    >>> belt.idle_s
    0.0
    """

    steps_per_mm: tuple[float, float, float]
    max_rate_mm_min: tuple[float, float, float]
    acceleration_mm_s2: tuple[float, float, float]
    junction_deviation_mm: float = 0.01
    arc_tolerance_mm: float = 0.002
    look_ahead_blocks: int = 14
    laser_mode: bool = False
    step_idle_ms: float = 255
    dwell_step_s: float = 0.05
    sync_s: float = 0.003
    cost: ControllerCost | None = None

    def __post_init__(self) -> None:
        positive = (
            *self.max_rate_mm_min,
            *self.acceleration_mm_s2,
            self.arc_tolerance_mm,
            self.look_ahead_blocks,
            self.dwell_step_s,
        )
        held = (*self.steps_per_mm, self.junction_deviation_mm, self.step_idle_ms, self.sync_s)
        if not (np.all(np.isfinite((*positive, *held))) and min(positive) > 0 and min(held) >= 0):
            raise InputError(
                f"rates, accelerations and tolerances must be positive and finite, not {self}",
                remedy="correct the machine profile",
            )

    @property
    def idle_s(self) -> float:
        """What each stop waits for the motors, s."""
        return 0.0 if self.step_idle_ms >= 255 else self.step_idle_ms / 1000
