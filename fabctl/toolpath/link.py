"""Linking: how the tool point gets from one cut to the next without touching the stock."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fabctl.errors import InputError, RefusedError
from fabctl.toolpath.moves import FEED, MOVE, RAPID, Bools, Floats, Ints, Moves, Toolpath

TOUCH_MM = 1e-6
"""Two places nearer than this are one."""


def link_paths(
    paths: Sequence[Moves],
    begins: ArrayLike,
    *,
    clearance_mm: float,
    plunge_mm_min: float | ArrayLike,
    start: ArrayLike = (0.0, 0.0, 0.0),
    approach_mm: float = 1.0,
    stock_top_mm: float = 0.0,
    retract: bool = True,
) -> tuple[Moves, Ints]:
    """Join cuts of a rotating tool: retract, rapid over, rapid down to just above the stock, plunge.

    Parameters
    ----------
    paths : sequence of (n,) MOVE
        Each from its begin to its retract, without rapids of its own need.
    begins : (m, 3) float
        Where each path begins, mm.
    clearance_mm : float
        Height at which the tool travels, mm, work coordinates; above the stock by more than `approach_mm`.
    plunge_mm_min : float or (m,) float
        Feed straight down to where a path begins.
    start : (3,) float
        Where the tool point stands first, mm.
    approach_mm : float
        Rapids end this far above the stock's top.
    stock_top_mm : float
        mm, work coordinates.
    retract : bool
        Whether the last move goes up to the clearance.

    Returns
    -------
    moves : (k,) MOVE
        No rapid of a link goes below the stock's top; links to a path have its power, its retract too, so
        that a spindle keeps turning.
    path : (k,) int64
        The path each move belongs to; links belong to the path they lead to, the last retract to the last.

    Raises
    ------
    RefusedError
        When the clearance is not above the approach height.
    InputError
        When a place is not finite or the counts differ.

    Notes
    -----
    Paths that begin where the one before ends are joined without a link.
    """
    begin, before, flat, owner = _flattened(paths, begins, start)
    low = stock_top_mm + approach_mm
    if not (clearance_mm >= low and approach_mm >= 0):
        raise RefusedError(
            f"the clearance of {clearance_mm} mm is not above {low} mm, the stock's top and the approach",
            remedy="raise the clearance",
        )
    count = len(begin)
    links = np.zeros((count, 4), MOVE)
    links["motion"] = (RAPID, RAPID, RAPID, FEED)
    height = np.maximum(clearance_mm, before[:, 2])
    down = np.maximum(begin[:, 2], low)
    links["xyz"][:, 0] = np.column_stack((before[:, :2], height))
    links["xyz"][:, 1] = np.column_stack((begin[:, :2], height))
    links["xyz"][:, 2] = np.column_stack((begin[:, :2], np.minimum(down, height)))
    links["xyz"][:, 3] = begin
    links["feed"][:, 3] = plunge_mm_min
    _power(links, paths)
    apart = np.linalg.norm(begin - before, axis=1) > TOUCH_MM
    sideways = np.hypot(*(begin - before)[:, :2].T) > TOUCH_MM
    wanted = np.empty((count, 4), bool)
    wanted[:, 0] = apart & sideways & (before[:, 2] < height - TOUCH_MM)
    wanted[:, 1] = apart & sideways
    # Straight below the tool there is no need to go up first, only to slow down in time.
    here = np.where(sideways, height, before[:, 2])
    wanted[:, 2] = apart & (here > down + TOUCH_MM)
    landed = np.where(wanted[:, 2], down, here)
    rises = apart & ~sideways & (begin[:, 2] > before[:, 2])
    links["motion"][rises, 3] = RAPID
    links["feed"][rises, 3] = 0.0
    wanted[:, 3] = apart & (np.abs(landed - begin[:, 2]) > TOUCH_MM)
    return _woven(links, wanted, flat, owner, clearance_mm if retract else None)


def link_level(
    paths: Sequence[Moves], begins: ArrayLike, *, start: ArrayLike = (0.0, 0.0, 0.0)
) -> tuple[Moves, Ints]:
    """Join cuts of a head without depth, such as a beam: straight rapids with the power off.

    Parameters
    ----------
    paths : sequence of (n,) MOVE
    begins : (m, 3) float
        mm.
    start : (3,) float
        mm.

    Returns
    -------
    moves : (k,) MOVE
    path : (k,) int64
        As for `link_paths`.

    Raises
    ------
    InputError
        When a place is not finite or the counts differ.
    """
    begin, before, flat, owner = _flattened(paths, begins, start)
    links = np.zeros((len(begin), 1), MOVE)
    links["motion"] = RAPID
    links["xyz"][:, 0] = begin
    wanted = np.linalg.norm(begin - before, axis=1, keepdims=True) > TOUCH_MM
    return _woven(links, wanted, flat, owner, None)


def concatenate(toolpaths: Sequence[Toolpath]) -> Toolpath:
    """Put toolpaths one after the other; each must begin where the one before ends.

    Parameters
    ----------
    toolpaths : sequence of Toolpath

    Returns
    -------
    Toolpath
        With all operations, in order.

    Raises
    ------
    RefusedError
        When there is a gap: closing it takes a rapid, and only `link_paths` knows a safe one.
    """
    kept = [t for t in toolpaths if len(t.moves)]
    _check_joints(kept)
    shift = np.cumsum([0] + [len(t.operations) for t in kept])
    return Toolpath(
        moves=np.concatenate([t.moves for t in kept]) if kept else np.zeros(0, MOVE),
        start=kept[0].start.copy() if kept else np.zeros(3),
        operation=np.concatenate(
            [np.zeros(0, np.int64)] + [t.operation + s for t, s in zip(kept, shift, strict=False)]
        ),
        operations=[name for t in kept for name in t.operations],
        tool=[name for t in kept for name in t.tool],
    )


def _check_joints(kept: Sequence[Toolpath]) -> None:
    """Refuse toolpaths with a gap between them."""
    for i, (a, b) in enumerate(pairwise(kept)):  # a loop over toolpaths: few
        gap = float(np.linalg.norm(a.moves["xyz"][-1] - b.start))
        if not gap <= TOUCH_MM:
            raise RefusedError(
                f"toolpath {i + 1} begins {gap:.3f} mm from the end of the one before",
                remedy="link them with rapids at clearance",
            )


def _flattened(
    paths: Sequence[Moves], begins: ArrayLike, start: ArrayLike
) -> tuple[Floats, Floats, Moves, Ints]:
    """Return where each path begins, where the tool stands before it, all moves and their paths."""
    begin = np.asarray(begins, float).reshape(-1, 3)
    if len(begin) != len(paths):
        raise InputError(f"{len(paths)} paths but {len(begin)} begins", remedy="give one begin a path")
    flat = np.concatenate(paths) if paths else np.zeros(0, MOVE)
    stand = np.asarray(start, float).reshape(1, 3)
    if not (np.all(np.isfinite(begin)) and np.all(np.isfinite(flat["xyz"])) and np.all(np.isfinite(stand))):
        raise InputError("a place to link is not finite", remedy="repair the paths")
    size = np.array([len(p) for p in paths], np.int64)
    owner = np.repeat(np.arange(len(paths)), size)
    ends = begin.copy()
    full = size > 0
    ends[full] = flat["xyz"][np.cumsum(size)[full] - 1]
    before = np.concatenate((stand, ends))[:-1] if len(begin) else begin
    return begin, before, flat, owner


def _power(links: Moves, paths: Sequence[Moves]) -> None:
    """Give links the power of the path they lead to; a retract keeps the power it comes from."""
    own = np.array([p["power"][0] if len(p) else 0.0 for p in paths])
    last = np.array([p["power"][-1] if len(p) else 0.0 for p in paths])
    links["power"] = own[:, None]
    if len(paths) > 1:
        links["power"][1:, 0] = last[:-1]


def _woven(
    links: Moves, wanted: Bools, flat: Moves, owner: Ints, clearance_mm: float | None
) -> tuple[Moves, Ints]:
    """Lay links and paths in order."""
    count, each = links.shape
    leads = np.repeat(np.arange(count), each).reshape(count, each)
    parts = [links[wanted], flat]
    path = [leads[wanted], owner]
    key: list[NDArray[np.int64]] = [2 * leads[wanted], 2 * owner + 1]
    last = parts[1][-1:] if len(flat) else links[wanted][-1:]
    if clearance_mm is not None and len(last) and last["xyz"][0, 2] < clearance_mm - TOUCH_MM:
        up = last.copy()
        up["motion"], up["feed"], up["ij"] = RAPID, 0.0, 0.0
        up["xyz"][:, 2] = clearance_mm
        parts.append(up)
        path.append(np.array([count - 1]))
        key.append(np.array([2 * count]))
    order = np.argsort(np.concatenate(key), kind="stable")
    return np.concatenate(parts)[order], np.concatenate(path)[order]
