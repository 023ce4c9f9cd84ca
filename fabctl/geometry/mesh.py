"""Meshes: triangles over shared vertices, and what is wrong with them.

A *half-edge* is one side of one triangle: number ``3·t + k`` runs from ``triangles[t, k]`` to
``triangles[t, (k + 1) % 3]``. In a sound solid each half-edge has exactly one twin that runs the other way
in the neighbouring triangle; everything here and in `fabctl.geometry.slicing` rests on that pairing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_CHUNK_ROWS = 1 << 14
"""Rows mixed at once: they stay in the processor's cache."""


@dataclass(frozen=True)
class Mesh:
    """An immutable triangle mesh.

    Parameters
    ----------
    vertices : (v, 3) float64
        mm.
    triangles : (t, 3) int64
        Vertex numbers, counter-clockwise seen from outside.
    """

    vertices: Floats
    triangles: Ints

    def __post_init__(self) -> None:
        for array in (self.vertices, self.triangles):
            array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.triangles)

    @cached_property
    def edges(self) -> Edges:
        """The half-edges gathered by edge; worked out once."""
        return _gather_edges(self)

    @cached_property
    def twin(self) -> Ints:
        """The half-edge each half-edge meets, shape (3 t,); −1 where there is none."""
        return _pair(self)

    @property
    def is_closed(self) -> bool:
        """Whether every half-edge has a twin: every slice is then made of closed contours."""
        return bool(np.all(self.twin >= 0))


@dataclass(frozen=True)
class Edges:
    """Half-edges sorted by the edge they lie on.

    Parameters
    ----------
    half : (3 t,) int64
        Half-edges, those of one edge side by side.
    offsets : (e + 1,) int64
        Edge i has the half-edges ``half[offsets[i]:offsets[i + 1]]``.
    forward : (3 t,) bool
        Whether each of `half` runs from the lower to the higher vertex number; these stand first.
    is_sound : bool
        Whether every edge has one half-edge forward and one backward, and no more.
    """

    half: Ints
    offsets: Ints
    forward: Bools
    is_sound: bool


@dataclass(frozen=True)
class EdgeReport:
    """What keeps a mesh from being a solid, and where.

    Parameters
    ----------
    open_edges : (a, 2) int64
        Vertices of edges that only one triangle has.
    nonmanifold : (b, 2) int64
        Vertices of edges that more than two triangles share.
    inconsistent : (c, 2) int64
        Vertices of edges whose two triangles face opposite ways.
    degenerate : (d,) int64
        Triangles with a vertex twice.
    """

    open_edges: Ints
    nonmanifold: Ints
    inconsistent: Ints
    degenerate: Ints

    @property
    def is_sound(self) -> bool:
        """Whether there is nothing to report."""
        return not any(map(len, (self.open_edges, self.nonmanifold, self.inconsistent, self.degenerate)))

    def describe(self, mesh: Mesh) -> str:
        """Say in one line what is wrong, how often, and where the first of each kind is.

        Parameters
        ----------
        mesh : Mesh
            The mesh reported on.

        Returns
        -------
        str
            Empty when there is nothing to report.
        """
        parts = []
        for name, found in (
            ("open", self.open_edges),
            ("non-manifold", self.nonmanifold),
            ("inconsistently oriented", self.inconsistent),
        ):
            if len(found):
                x, y, z = mesh.vertices[found[0]].mean(axis=0)
                parts.append(f"{len(found)} {name} edges, first near x {x:.3f} y {y:.3f} z {z:.3f} mm")
        if len(self.degenerate):
            parts.append(f"{len(self.degenerate)} degenerate triangles, first number {self.degenerate[0]}")
        return "; ".join(parts)


def merge_rows(points: NDArray[np.floating]) -> tuple[Ints, Ints]:
    """Find equal points, bit for bit but with −0 equal to 0.

    Parameters
    ----------
    points : (n, 3) float32 or float64
        Finite numbers.

    Returns
    -------
    first : (v,) int64
        For each different point its first row, ascending.
    number : (n,) int64
        The point in `first` that each row equals.

    Notes
    -----
    Rows are hashed to the bits that stay free beside the row number, so that one sort of plain integers
    finds equal rows together; rows that merely share a hash are told apart afterwards.

    Examples
    --------
    >>> merge_rows(np.array([[0, 0, 1], [2, 2, 2], [-0.0, 0, 1]]))
    (array([0, 1]), array([0, 1, 0]))
    """
    n = len(points)
    if not n:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    exact = np.ascontiguousarray(points) + points.dtype.type(0)
    columns = np.ascontiguousarray(exact.view(np.uint32 if exact.itemsize == 4 else np.uint64).T)
    bits = max(n - 1, 1).bit_length()
    packed = _hashed(columns, bits)
    packed |= np.arange(n, dtype=np.uint64)
    packed.sort()
    starts = np.ones(n, bool)
    np.not_equal(packed[1:] >> np.uint64(bits), packed[:-1] >> np.uint64(bits), out=starts[1:])
    packed &= np.uint64((1 << bits) - 1)
    row = packed.view(np.int64)
    first = row.compress(starts)  # the lowest row of each hash
    order = np.argsort(first)
    rank = np.empty(len(first), np.int64)
    rank[order] = np.arange(len(first))
    number = np.empty(n, np.int64)
    number[row] = np.repeat(rank, np.diff(np.flatnonzero(starts), append=n))
    first = first.take(order)
    differs = np.zeros(n, bool)
    for column in columns:
        differs |= column != column.take(first).take(number)
    if differs.any():
        return _told_apart(columns, first, number, differs)
    return first, number


def _hashed(columns: NDArray[np.unsignedinteger], free: int) -> NDArray[np.uint64]:
    """Mix each row of some columns, shape (n,); so many low bits are left free."""
    out = np.empty(columns.shape[1], np.uint64)
    for begin in range(0, len(out), _CHUNK_ROWS):
        part = columns[:, begin : begin + _CHUNK_ROWS]
        mixed = np.zeros(part.shape[1], np.uint64)
        for column in part:
            mixed ^= column
            mixed *= _GOLDEN
            mixed ^= mixed >> np.uint64(29)
        mixed *= _GOLDEN
        mixed >>= np.uint64(free)
        np.left_shift(mixed, np.uint64(free), out=out[begin : begin + _CHUNK_ROWS])
    return out


def _told_apart(
    columns: NDArray[np.unsignedinteger], first: Ints, number: Ints, differs: Bools
) -> tuple[Ints, Ints]:
    """Sort the rows of those hashes that different rows share by all they are."""
    same = first[number]
    rows = np.flatnonzero(np.isin(number, number[differs]))
    _, at, which = np.unique(columns[:, rows], axis=1, return_index=True, return_inverse=True)
    same[rows] = rows[at][which.reshape(-1)]
    is_first = same == np.arange(len(same))
    return np.flatnonzero(is_first), (np.cumsum(is_first) - 1)[same]


def from_corners(corners: NDArray[np.floating]) -> Mesh:
    """Merge the loose triangles of a file into a mesh.

    Parameters
    ----------
    corners : (t, 3, 3) float32 or float64
        Three points of each triangle, mm.

    Returns
    -------
    Mesh
        Points equal bit for bit are one vertex; vertices stand in the order they first appear.

    Examples
    --------
    >>> two = from_corners(np.array([[[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[1, 0, 0], [1, 1, 0], [0, 1, 0.0]]]))
    >>> len(two.vertices), two.triangles.tolist()
    (4, [[0, 1, 2], [1, 3, 2]])
    """
    points = corners.reshape(-1, 3)
    first, number = merge_rows(points)
    return Mesh(points[first].astype(np.float64) + 0.0, number.reshape(-1, 3))


def volume_mm3(mesh: Mesh) -> float:
    """Measure the volume inside a closed mesh; negative when it is inside out.

    Returns
    -------
    float
        mm³.
    """
    if not len(mesh.triangles):
        return 0.0
    x, y, z = (np.ascontiguousarray(column) for column in mesh.vertices.T)
    x, y, z = x - x.mean(), y - y.mean(), z - z.mean()
    a, b, c = (np.ascontiguousarray(column) for column in mesh.triangles.T)
    # Prism under each triangle: twice its area seen from above, times three times its mean height.
    xa, ya = x.take(a), y.take(a)
    doubled = (x.take(b) - xa) * (y.take(c) - ya) - (x.take(c) - xa) * (y.take(b) - ya)
    return float(np.sum(doubled * (z.take(a) + z.take(b) + z.take(c)))) / 6


def extents(mesh: Mesh) -> tuple[Floats, Floats]:
    """Measure the box around the triangles.

    Returns
    -------
    low, high : (3,) float64
        mm; nan when there is nothing.
    """
    if not len(mesh.triangles):
        return np.full(3, np.nan), np.full(3, np.nan)
    used = np.zeros(len(mesh.vertices), bool)
    used[mesh.triangles.reshape(-1)] = True
    columns = [column[used] for column in mesh.vertices.T]
    return np.array([column.min() for column in columns]), np.array([column.max() for column in columns])


def transform(mesh: Mesh, matrix: ArrayLike) -> Mesh:
    """Move, turn, mirror or scale a mesh.

    Parameters
    ----------
    matrix : (3, 4) float
        Affine map.

    Returns
    -------
    Mesh
        A mirror keeps the outside outside.
    """
    m = np.asarray(matrix, float)
    moved = Mesh(mesh.vertices @ m[:, :3].T + m[:, 3], mesh.triangles)
    a, b, c = m[:, :3]
    return flip(moved) if np.dot(np.cross(a, b), c) < 0 else moved


def flip(mesh: Mesh) -> Mesh:
    """Turn a mesh inside out."""
    return Mesh(mesh.vertices, np.ascontiguousarray(mesh.triangles[:, [0, 2, 1]]))


def degenerate_triangles(mesh: Mesh) -> Bools:
    """Mark triangles with a vertex twice.

    Returns
    -------
    (t,) bool
    """
    a, b, c = mesh.triangles.T
    return np.asarray((a == b) | (b == c) | (c == a))


def inspect(mesh: Mesh) -> EdgeReport:
    """Look for what keeps a mesh from being a solid.

    Returns
    -------
    EdgeReport
        Open, non-manifold and inconsistent edges, degenerate triangles; a degenerate triangle's own edges
        are not counted.
    """
    none = np.zeros((0, 2), np.int64)
    edges = mesh.edges
    if edges.is_sound:
        return EdgeReport(none, none, none, none[:, 0])
    degenerate = degenerate_triangles(mesh)
    if degenerate.any():
        rest = inspect(Mesh(mesh.vertices, mesh.triangles[~degenerate]))
        return EdgeReport(rest.open_edges, rest.nonmanifold, rest.inconsistent, np.flatnonzero(degenerate))
    uses = np.diff(edges.offsets)
    origin = mesh.triangles.reshape(-1)
    dest = mesh.triangles[:, [1, 2, 0]].reshape(-1)
    at = edges.offsets[:-1]
    ends = np.sort(np.column_stack((origin[edges.half[at]], dest[edges.half[at]])), axis=1)
    pair = np.flatnonzero(uses == 2)
    clash = pair[edges.forward[at[pair]] == edges.forward[at[pair] + 1]]
    return EdgeReport(ends[uses == 1], ends[uses > 2], ends[clash], none[:, 0])


def _gather_edges(mesh: Mesh) -> Edges:
    """Sort half-edges by edge; within one edge forward ones first, then by number."""
    corner = np.array(mesh.triangles.T, np.uint64, order="C")
    n = corner.size
    bits = max(n - 1, 1).bit_length()
    key = np.empty(n, np.uint64)
    for k in range(3):
        start, end = corner[k], corner[(k + 1) % 3]
        edge = np.minimum(start, end)
        edge *= np.uint64(len(mesh.vertices))
        edge += np.maximum(start, end)
        edge <<= np.uint64(1)
        edge |= start > end
        key[k::3] = edge
    if (2 * len(mesh.vertices) ** 2).bit_length() + bits <= 64:
        # Key and number fit one word: sorting plain words is several times faster than an argsort.
        key <<= np.uint64(bits)
        key |= np.arange(n, dtype=np.uint64)
        key.sort()
        half = (key & np.uint64((1 << bits) - 1)).view(np.int64)
        key >>= np.uint64(bits)
    else:
        half = np.argsort(key, kind="stable")
        key = key[half]
    if n % 2 == 0 and np.all(key[0::2] ^ key[1::2] == 1):
        forward = np.zeros(n, bool)
        forward[0::2] = True
        return Edges(half, np.arange(0, n + 1, 2), forward, is_sound=True)
    forward = key & np.uint64(1) == 0
    key >>= np.uint64(1)
    starts = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))
    return Edges(half, np.concatenate((starts, [n])).astype(np.int64), forward, is_sound=False)


def _pair(mesh: Mesh) -> Ints:
    """Find the twin of each half-edge, shape (3 t,), −1 for none."""
    edges = mesh.edges
    twin = np.full(3 * len(mesh.triangles), -1)
    if edges.is_sound:
        twin[edges.half] = edges.half.reshape(-1, 2)[:, ::-1].reshape(-1)
        return twin
    uses = np.diff(edges.offsets)
    at = edges.offsets[:-1][uses == 2]
    at = at[edges.forward[at] != edges.forward[at + 1]]
    a, b = edges.half[at], edges.half[at + 1]
    twin[a], twin[b] = b, a
    if np.any(uses > 2):
        a, b = _pair_crowded(mesh, np.flatnonzero(uses > 2))
        twin[a], twin[b] = b, a
    return twin


def _pair_crowded(mesh: Mesh, crowded: Ints) -> tuple[Ints, Ints]:
    """Pair half-edges around edges of more than two triangles so that each pair encloses material.

    Around the edge, material begins behind a half-edge that runs backward and ends at one that runs
    forward. Walking round counter-clockwise the two pair like brackets; of walls on the same spot the
    opening one counts first, so that solids that touch face to face become one.
    """
    edges = mesh.edges
    uses = np.diff(edges.offsets)[crowded]
    group = np.repeat(np.arange(len(crowded)), uses)
    position = np.arange(len(group)) - np.repeat(np.cumsum(uses) - uses, uses)
    at = edges.offsets[crowded][group] + position
    half, forward = edges.half[at], edges.forward[at]
    corner = mesh.triangles.reshape(-1)
    origin, dest = corner[half], corner[half - half % 3 + (half + 1) % 3]
    third = corner[half - half % 3 + (half + 2) % 3]
    low = mesh.vertices[np.minimum(origin, dest)]
    axis = mesh.vertices[np.maximum(origin, dest)] - low
    length = np.linalg.norm(axis, axis=1)
    # an edge without length, of a triangle that names a vertex twice or of two in one place, has no round
    length[length == 0] = 1.0
    axis /= length[:, None]
    helper = np.eye(3)[np.argmin(np.abs(axis), axis=1)]
    e1 = np.cross(axis, helper)
    e2 = np.cross(axis, e1)
    arm = mesh.vertices[third] - low
    angle = np.arctan2(np.einsum("ij,ij->i", arm, e2), np.einsum("ij,ij->i", arm, e1))
    angle = np.round(np.mod(angle, 2 * np.pi), 9)
    angle[angle >= 6.283185307] = 0.0
    order = np.lexsort((forward, angle, group))
    left, right = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    while len(order):
        opens, ends = ~forward[order], group[order]
        following = np.arange(1, len(order) + 1)
        starts = np.flatnonzero(np.concatenate(([True], ends[1:] != ends[:-1])))
        following[np.concatenate((starts[1:], [len(order)])) - 1] = starts
        match = np.flatnonzero(opens & ~opens[following])
        if not len(match):
            break
        left.append(half[order[match]])
        right.append(half[order[following[match]]])
        keep = np.ones(len(order), bool)
        keep[match] = keep[following[match]] = False
        order = order[keep]
    return np.concatenate(left), np.concatenate(right)
