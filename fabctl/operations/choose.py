"""What to do with each path when nobody has written a job file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fabctl.geometry.curves import Curves
from fabctl.operations.drill import circles
from fabctl.shop.job import Operation, Tabs

LAYER_WORDS: dict[str, str] = {
    "ignore": r"ignore|guides?|construction|reference|dimensions?|annotations?|notes?|do not cut",
    "pocket": r"pockets?|grooves?|recess|dado|rebate",
    "drill": r"drill(ed|ing)?",
    "score": r"score[ds]?|scoring|folds?|crease|bend",
    "engrave": r"engrav(e|ed|ing)|etch(ed|ing)?|mark(s|ing)?|labels?",
    "profile": r"cut(s|ting)?|outlines?|profiles?|through|edge[. ]cuts",
}
"""Whole words in a layer's name that decide, the first that is found."""

COLOURS: dict[str, str] = {
    "#ff0000": "profile",
    "#000000": "profile",
    "#0000ff": "engrave",
    "#00ff00": "score",
    "#008000": "score",
}
"""Colours that decide where the layer's name does not: the custom of laser workshops. Others are cut."""

SAME_SIZE_MM = 0.05
"""A circle this near to a tool's diameter is drilled with it, mm."""

TABS = Tabs(count=4, width_mm=6.0, height_mm=1.5)
"""What holds a part that a spindle cuts out."""

_DEPTH = re.compile(r"(\d+(?:[.,]\d+)?)\s*mm", re.IGNORECASE)


def choose(
    curves: Curves, layers: Sequence[str], colours: Sequence[str], *, head: str, tool_mm: float
) -> list[Operation]:
    """Choose an operation for every path from its layer's name, its colour and its shape.

    Parameters
    ----------
    curves : Curves
        m paths.
    layers, colours : sequence of str
        Of each path.
    head : str
        Kind of the machine's head; a spindle drills circles of its tool's size and leaves tabs.
    tool_mm : float
        The tool's diameter, mm.

    Returns
    -------
    list of Operation
        One a path. Closed paths to be cut have ``side`` auto (outermost outside, inner ones inside), open
        ones are followed on the line. A hole on a layer of holes that is larger than the tool is cut along
        its inside.

    Examples
    --------
    >>> from fabctl.geometry.curves import from_paths
    >>> paths = from_paths([([[0, 0], [9, 0], [9, 9]], None, True), ([[0, 0], [5, 5]], None, False)])
    >>> [(o.kind, o.side) for o in choose(paths, ["", "fold"], ["", ""], head="laser", tool_mm=0.1)]
    [('profile', 'auto'), ('score', 'auto')]
    """
    named = {layer: _of_layer(layer) for layer in dict.fromkeys(layers)}
    kinds = [
        (named[layer] or Operation(COLOURS.get(colour, "profile")))
        for layer, colour in zip(layers, colours, strict=True)
    ]
    diameter = circles(curves)[1] if head == "spindle" else np.full(len(curves), np.nan)
    sized = np.abs(diameter - tool_mm) <= SAME_SIZE_MM
    wide = diameter > tool_mm + SAME_SIZE_MM
    closed = curves.closed.tolist()
    shapes = zip(kinds, closed, sized.tolist(), wide.tolist(), strict=True)
    return [_shaped(kind, head, *shape) for kind, *shape in shapes]  # one small object a path


def _shaped(kind: Operation, head: str, closed: bool, sized: bool, wide: bool) -> Operation:  # noqa: FBT001
    """Fit an operation to a path's shape: closed, a circle of the tool's size, a circle wider than it."""
    if kind.kind == "profile" and kind.depth_mm is None and sized:
        return Operation("drill", through=True)
    if kind.kind == "profile":
        return _cut(kind, side="auto" if closed else "on", held=head == "spindle" and closed)
    if kind.kind == "drill" and wide:
        return _cut(kind, side="inside", held=True)
    return kind


def _cut(kind: Operation, *, side: str, held: bool) -> Operation:
    """Return a profile as deep as the layer says, through when it says nothing."""
    tabs = TABS if held and kind.depth_mm is None else None
    return replace(kind, kind="profile", through=kind.depth_mm is None, tabs=tabs, side=side)


def _of_layer(layer: str) -> Operation | None:
    """Read an operation, and a depth such as ``pocket 5 mm``, out of a layer's name."""
    words = layer.replace("_", " ").replace("-", " ").lower()
    for kind, pattern in LAYER_WORDS.items():
        if re.search(rf"\b({pattern})\b", words):
            depth = _DEPTH.search(layer)
            depth_mm = float(depth.group(1).replace(",", ".")) if depth and kind != "ignore" else None
            return Operation(kind, depth_mm=depth_mm)
    return None
