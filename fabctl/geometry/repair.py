"""Repair of meshes: what can be put right without guessing a shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fabctl.geometry.mesh import Mesh, degenerate_triangles, flip, merge_rows, volume_mm3

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def clean(mesh: Mesh) -> tuple[Mesh, int, int]:
    """Leave out triangles that enclose nothing.

    Parameters
    ----------
    mesh : Mesh

    Returns
    -------
    mesh : Mesh
        The same object when there was nothing to do.
    degenerate : int
        Triangles left out because a vertex stands twice in them.
    repeated : int
        Triangles left out because the same one is there already, or because it lies back to back with
        another one (a wall of no thickness, as where two solids touch: neither of the two is kept).
    """
    if mesh.edges.is_sound:
        return mesh, 0, 0
    slim = degenerate_triangles(mesh)
    kept = mesh.triangles[~slim]
    if not len(kept):
        return Mesh(mesh.vertices, kept), int(slim.sum()), 0
    least = np.argmin(kept, axis=1)[:, None]
    turned = np.take_along_axis(kept, (least + np.arange(3)) % 3, axis=1)
    away = turned[:, 1] > turned[:, 2]
    _, group = merge_rows(np.sort(turned, axis=1).astype(np.float64))
    first = np.full(group.max() + 1, -1)
    ahead, back = (np.bincount(group, side, len(first)) for side in (~away, away))
    stay = np.zeros(len(kept), bool)
    for side, wanted in ((~away, (ahead > 0) & (back == 0)), (away, (back > 0) & (ahead == 0))):
        rows = np.flatnonzero(side)[::-1]
        first[group[rows]] = rows
        stay[first[wanted]] = True
    repeated = len(kept) - int(stay.sum())
    if not repeated and not slim.any():
        return mesh, 0, 0
    return Mesh(mesh.vertices, kept[stay]), int(slim.sum()), repeated


def bodies(mesh: Mesh) -> Ints:
    """Number the connected bodies of a mesh.

    Returns
    -------
    (t,) int64
        The body of each triangle; triangles that share an edge are one body.
    """
    edges = mesh.edges
    if edges.is_sound:
        a, b = edges.half[0::2] // 3, edges.half[1::2] // 3
    else:
        owner = np.repeat(np.arange(len(edges.offsets) - 1), np.diff(edges.offsets))
        same = np.flatnonzero(owner[1:] == owner[:-1])
        a, b = edges.half[same] // 3, edges.half[same + 1] // 3
    label = np.arange(len(mesh.triangles))
    count = len(label)
    # Each thing hooks to a lower neighbour, chains are followed to their ends, and the ends are the things
    # of the next round: few of them, and few rounds.
    while len(a):
        end = np.arange(count)
        end[np.maximum(a, b)] = np.minimum(a, b)
        while True:
            beyond = end.take(end)
            if np.array_equal(beyond, end):
                break
            end = beyond
        stays = end == np.arange(count)
        number = (np.cumsum(stays) - 1).take(end)
        count = int(number.max()) + 1
        label = number.take(label)
        a, b = number.take(a), number.take(b)
        apart = np.flatnonzero(a != b)
        a, b = a.take(apart), b.take(apart)
    return label


def orient(mesh: Mesh) -> tuple[Mesh, int]:
    """Turn triangles so that neighbours face the same way.

    Parameters
    ----------
    mesh : Mesh

    Returns
    -------
    mesh : Mesh
        In each body the side that most triangles already faced wins; the same object when nothing turned.
    turned : int
        Triangles turned.

    Notes
    -----
    Only edges of exactly two triangles carry orientation; a surface without two sides (a Möbius band)
    keeps a seam, which `inspect` then still shows.
    """
    edges = mesh.edges
    at = edges.offsets[:-1][np.diff(edges.offsets) == 2]
    a, b = edges.half[at] // 3, edges.half[at + 1] // 3
    clash = edges.forward[at] == edges.forward[at + 1]
    if not clash.any():
        return mesh, 0
    root, odd = _unite(len(mesh.triangles), a, b, clash)
    odd_count, size = np.bincount(root, odd, len(root)), np.bincount(root, minlength=len(root))
    odd = odd ^ (odd_count * 2 > size)[root]
    triangles = np.where(odd[:, None], mesh.triangles[:, [0, 2, 1]], mesh.triangles)
    return Mesh(mesh.vertices, triangles), int(odd.sum())


def outward(mesh: Mesh) -> tuple[Mesh, int]:
    """Turn bodies that are inside out.

    Parameters
    ----------
    mesh : Mesh
        Oriented alike within each body, see `orient`.

    Returns
    -------
    mesh : Mesh
        The same object when nothing turned.
    turned : int
        Bodies turned: all of them when the volume of the whole is negative, then those of negative volume
        whose box lies in no other body's box. A cavity lies within its solid and stays as it is.
    """
    if not len(mesh.triangles):
        return mesh, 0
    whole = volume_mm3(mesh) < 0
    label = bodies(mesh)
    count = int(label.max()) + 1
    if count == 1:
        return (flip(mesh), 1) if whole else (mesh, 0)
    volume = _sixfold_volumes(mesh, label, count)
    wrong = volume > 0 if whole else volume < 0
    if not wrong.any():
        return (flip(mesh), count) if whole else (mesh, 0)
    low, high = _boxes(mesh, label, count)
    # Few bodies are negative; each is held against all others at once.
    for i in np.flatnonzero(wrong):
        around = np.all((low <= low[i]) & (high >= high[i]), axis=1)
        around[i] = False
        wrong[i] = not around.any()
    turn = wrong ^ whole
    if not turn.any():
        return mesh, 0
    if turn.all():
        return flip(mesh), count
    triangles = np.where(turn[label][:, None], mesh.triangles[:, [0, 2, 1]], mesh.triangles)
    return Mesh(mesh.vertices, triangles), int(turn.sum())


def _sixfold_volumes(mesh: Mesh, label: Ints, count: int) -> Floats:
    """Return six times the signed volume of each body, shape (count,), mm³.

    Tetrahedra to the middle of the mesh: a body with holes is judged as if it were closed from there.
    """
    a, b, c = ((mesh.vertices - mesh.vertices.mean(axis=0))[mesh.triangles[:, k]].T for k in range(3))
    share = sum(a[i] * (b[j] * c[k] - b[k] * c[j]) for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)))
    return np.asarray(np.bincount(label, share, count), np.float64)


def _boxes(mesh: Mesh, label: Ints, count: int) -> tuple[Floats, Floats]:
    """Return the lowest and the highest corner of each body, shape (count, 3) each, mm."""
    a, b, c = (mesh.vertices[mesh.triangles[:, k]] for k in range(3))
    order = np.argsort(label, kind="stable")
    begin = np.searchsorted(label[order], np.arange(count))
    low: Floats = np.minimum.reduceat(np.minimum(np.minimum(a, b), c)[order], begin)
    high: Floats = np.maximum.reduceat(np.maximum(np.maximum(a, b), c)[order], begin)
    return low, high


def _unite(n: int, a: Ints, b: Ints, odd: Bools) -> tuple[Ints, Bools]:
    """Join n things by links a–b; a link says whether the two are of opposite kind.

    Returns the root of each thing and whether it is of the root's opposite kind. Roots are hooked to
    smaller roots and paths halved until nothing changes, about log n rounds over whole arrays.
    """
    root = np.arange(n)
    parity = np.zeros(n, bool)
    while True:
        ra, rb = root[a], root[b]
        apart = np.flatnonzero(ra != rb)
        if not len(apart):
            return root, parity
        a, b, odd = a[apart], b[apart], odd[apart]
        ra, rb = ra[apart], rb[apart]
        high, low = np.maximum(ra, rb), np.minimum(ra, rb)
        hook = np.full(n, -1)
        hook[high[::-1]] = np.arange(len(high))[::-1]
        chosen = hook[hook >= 0]
        parity[high[chosen]] = (parity[a] ^ parity[b] ^ odd)[chosen]
        root[high[chosen]] = low[chosen]
        while True:
            above = root[root]
            if np.array_equal(above, root):
                break
            parity ^= parity[root] & (root != above)
            root = above
