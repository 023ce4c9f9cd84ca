"""A tool setter: a fixed touch plate that says how far a tool sticks out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fabctl.shop.schema import Key, Rule, Table

SETTER = Table(
    (
        Key("x_mm", "number", "middle of its plate, machine coordinates", low=-10000, high=0),
        Key("y_mm", "number", "middle of its plate, machine coordinates", low=-10000, high=0),
        Key(
            "from_z_mm",
            "number",
            "machine Z from which it is searched: the longest tool still clears the plate there",
            low=-10000,
            high=0,
        ),
        Key("depth_mm", "number", "longest way down from there", default=30.0, low=0.5, high=300),
        Key("fast_mm_min", "number", "feed of the search", default=100.0, low=1, high=2000),
        Key("slow_mm_min", "number", "feed of the touch that counts", default=25.0, low=1, high=500),
    ),
    (
        Rule(
            ("slow_mm_min", "fast_mm_min"),
            lambda slow, fast: slow <= fast,
            "the touch that counts is the slower one",
            "at most fast_mm_min",
        ),
    ),
)
"""Schema of a machine's ``[setter]``."""


@dataclass(frozen=True, slots=True)
class Setter:
    """Where a tool is measured; see `SETTER` for each field's meaning and unit."""

    x_mm: float
    y_mm: float
    from_z_mm: float
    depth_mm: float = 30.0
    fast_mm_min: float = 100.0
    slow_mm_min: float = 25.0


def within_travel(setter: dict[str, Any] | None, axes: dict[str, Any]) -> bool:
    """Tell whether all of a setter's way lies within the travel of the axes.

    Parameters
    ----------
    setter : dict or None
        Values of ``[setter]``.
    axes : dict
        Values of ``[axes]``; its ``z`` is None when there is none.

    Examples
    --------
    >>> axes = {name: {"travel_mm": 100.0} for name in "xyz"}
    >>> within_travel({"x_mm": -5.0, "y_mm": -99.0, "from_z_mm": -80.0, "depth_mm": 30.0}, axes)
    False
    """
    if setter is None:
        return True
    lowest_mm = setter["from_z_mm"] - setter["depth_mm"]
    ends = {"x": setter["x_mm"], "y": setter["y_mm"], "z": lowest_mm}
    return all(axes[axis] is not None and -axes[axis]["travel_mm"] <= at for axis, at in ends.items())
