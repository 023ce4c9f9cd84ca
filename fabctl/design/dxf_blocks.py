"""The walk through a DXF: model space, the blocks inserted in it, and what each layer hides."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fabctl.design.dxf_entities import OUTLINES, DegenerateError, Entity, Outline, kind_of_entity
from fabctl.errors import DesignError
from fabctl.geometry.curves import Curves, Floats, flatten, from_paths

MOST_PATHS = 200_000
"""Entities that inserted blocks may draw in all, and blocks that may be inserted in all."""

FARTHEST = 1e15
"""Coordinates beyond, in units of the drawing, are damage."""

DEEPEST = 32
"""Blocks within blocks."""

BYBLOCK, BYLAYER = 0, 256
BLACK = "#000000"
_SILENT = {"VIEWPORT", "ATTDEF", "SEQEND"}


@dataclass(frozen=True)
class Context:
    """What an insert hands down to the entities of its block.

    Parameters
    ----------
    block : str
        The block's name in lower case; empty for the model space.
    layer : str
        Taken by entities on layer 0.
    colour : str
        Taken by entities coloured by block.
    tolerance : float
        Largest distance of a chord from its curve, units of the block.
    """

    block: str
    layer: str
    colour: str
    tolerance: float


@dataclass
class Drawn:
    """Everything found, path by path, and everything not.

    Parameters
    ----------
    parts : list of Curves
        Units of the drawing.
    layer, colour, ident : list of str
        One a path.
    left_out : Counter of str
        Entities by type that cannot be cut.
    hidden : Counter of (layer, reason)
        Entities not shown.
    degenerate : list of str
        Entities there is nothing of, each with the reason.
    missing, cycles : Counter of str
        Blocks that are not there, or insert themselves.
    z : list of (float, float)
        Lowest and highest z of each entity.
    """

    parts: list[Curves] = field(default_factory=list)
    layer: list[str] = field(default_factory=list)
    colour: list[str] = field(default_factory=list)
    ident: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    hidden: Counter[tuple[str, str]] = field(default_factory=Counter)
    degenerate: list[str] = field(default_factory=list)
    missing: Counter[str] = field(default_factory=Counter)
    cycles: Counter[str] = field(default_factory=Counter)
    z: list[tuple[float, float]] = field(default_factory=list)

    def curves(self) -> Curves:
        """Return all parts as one."""
        if len(self.parts) != 1:
            counts = np.concatenate([[0], *(np.diff(part.offsets) for part in self.parts)])
            merged = Curves(
                np.concatenate([np.empty((0, 2)), *(part.points for part in self.parts)]),
                np.concatenate([np.empty(0), *(part.bulge for part in self.parts)]),
                np.cumsum(counts).astype(np.int64),
                np.concatenate([np.empty(0, bool), *(part.closed for part in self.parts)]),
            )
            self.parts = [merged]
        return self.parts[0]

    def add(self, inner: Drawn, curves: Curves, prefix: str, copies: int) -> None:
        """Take over what an inserted block draws, its curves already in place, ``copies`` times over."""
        self.parts.append(curves)
        self.layer += inner.layer * copies
        self.colour += inner.colour * copies
        self.ident += [prefix + ident for ident in inner.ident] * copies
        self.degenerate += [prefix + text for text in inner.degenerate]
        self.z += inner.z
        self.left_out.update(inner.left_out)
        self.missing.update(inner.missing)
        self.cycles.update(inner.cycles)
        self.hidden.update(inner.hidden)


class Walk:
    """One walk through a document.

    Each block is drawn once for each layer, colour and scale it is inserted with; every further insert is
    a map of whole arrays.

    Parameters
    ----------
    document : ezdxf.document.Drawing
    source : str
        The file, for messages.
    tolerance : float
        Largest distance of a chord from its curve, units of the drawing.
    handles : bool
        Whether entities are named by their handles or by type and number.
    """

    def __init__(self, document: Any, source: str, tolerance: float, *, handles: bool) -> None:
        self.document = document
        self.source = source
        self.tolerance = tolerance
        self.handles = handles
        self._sheets: dict[Context, Drawn] = {}
        self._cyclic: set[tuple[str, str]] = set()
        self._layers = {layer.dxf.name.lower(): layer for layer in document.layers}
        self._numbers: Counter[str] = Counter()
        from ezdxf.lldxf.const import DXFError  # noqa: PLC0415 - loaded by now; not before a DXF is read

        self._damage = (DXFError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError)

    def run(self) -> Drawn:
        """Walk the model space.

        Returns
        -------
        Drawn

        Raises
        ------
        DesignError
            When blocks would draw more than `MOST_PATHS`, or nest deeper than `DEEPEST`.
        """
        self._limit()
        return self._sheet(self.document.modelspace(), Context("", "0", BLACK, self.tolerance))

    def _limit(self) -> None:
        """Count what inserts would draw before any is drawn, and find those that close a circle."""
        counts: dict[str, int] = {}

        def copies(name: str, stack: tuple[str, ...]) -> int:
            """Count what one insert of a block draws, itself among them."""
            block, key = self.document.blocks.get(name), name.lower()
            if block is None:
                return 1
            if key in stack:
                self._cyclic.add((stack[-1], key))
                return 1
            if len(stack) > DEEPEST:
                raise DesignError(
                    f"blocks nest deeper than {DEEPEST}",
                    file=self.source,
                    place=f"block {name}",
                    remedy="explode the blocks in the CAD program",
                )
            if key not in counts:
                counts[key] = 1 + sum(
                    _array_size(entity) * copies(_name(entity), (*stack, key))
                    if entity.dxftype() == "INSERT"
                    else 1
                    for entity in block
                )
            return counts[key]

        # Multiplied, not listed: an array may claim a million million copies.
        inserts = [
            (i, _array_size(i) * copies(_name(i), ())) for i in self.document.modelspace().query("INSERT")
        ]
        drawn = sum(count for _, count in inserts)
        if drawn > MOST_PATHS:
            worst = max(inserts, key=lambda pair: pair[1])[0]
            raise DesignError(
                f"inserted blocks would draw {drawn:,} entities, the limit is {MOST_PATHS:,}",
                file=self.source,
                place=f"INSERT of block {_name(worst)}",
                remedy="draw fewer copies, or explode and simplify the blocks",
            )

    def _sheet(self, layout: Any, context: Context) -> Drawn:
        """Draw a block, or the model space, in its own coordinates."""
        found = Drawn()
        for entity in layout:
            kind = kind_of_entity(entity)
            layer = self._layer(entity, context)
            if kind == "INSERT":
                self._insert(found, entity, layer, context)
            elif kind in _SILENT:
                continue
            elif reason := self._hides(entity, layer):
                found.hidden[layer, reason] += 1
            elif kind in OUTLINES:
                self._draw(found, entity, layer, context)
            else:
                found.left_out[kind] += 1
        return found

    def _layer(self, entity: Entity, context: Context) -> str:
        name = str(_attribute(entity, "layer", "0")).encode("utf-8", "replace").decode()
        return context.layer if name == "0" else name

    def _hides(self, entity: Entity, name: str) -> str:
        """Return why the entity is not shown, or nothing."""
        if _attribute(entity, "invisible", 0):
            return "invisible"
        layer = self._layers.get(name.lower())
        if layer is None:
            return ""
        if layer.is_frozen():
            return "frozen"
        if layer.is_off():
            return "off"
        if name.lower() == "defpoints" or not _attribute(layer, "plot", 1):
            return "not plotted"
        return ""

    def _draw(self, found: Drawn, entity: Entity, layer: str, context: Context) -> None:
        kind = kind_of_entity(entity)
        self._numbers[kind] += 1
        handle = _attribute(entity, "handle", None) if self.handles else None
        name = str(handle or f"{kind}{self._numbers[kind]}")
        try:
            # What overflows is damage, to be said and not to be drawn.
            with np.errstate(over="raise", invalid="raise", divide="raise"):
                outline = OUTLINES[kind](entity, context.tolerance)
                _check_reach(outline)
        except DegenerateError as reason:
            found.degenerate.append(f"{kind} {name} ({reason})")
            return
        except self._damage as reason:
            found.degenerate.append(f"{kind} {name} (damaged: {reason})")
            return
        found.parts.append(from_paths(outline.paths))
        found.layer.append(layer)
        found.colour.append(self._colour(entity, layer, context))
        found.ident.append(name)
        found.z.append(outline.z)

    def _colour(self, entity: Entity, layer_name: str, context: Context) -> str:
        true_colour = _attribute(entity, "true_color", None)
        if true_colour is not None:
            return f"#{true_colour & 0xFFFFFF:06x}"
        colour = int(_attribute(entity, "color", BYLAYER))
        if colour == BYBLOCK:
            return context.colour
        if colour != BYLAYER:
            return _rgb(colour)
        layer = self._layers.get(layer_name.lower())
        if layer is None:
            return BLACK
        true_colour = _attribute(layer, "true_color", None)
        if true_colour is not None:
            return f"#{true_colour & 0xFFFFFF:06x}"
        return _rgb(abs(int(_attribute(layer, "color", 7))))

    def _insert(self, found: Drawn, insert: Entity, layer: str, context: Context) -> None:
        name = _name(insert)
        block = self.document.blocks.get(name)
        reason = self._hides(insert, layer)
        handle = _attribute(insert, "handle", None) if self.handles else None
        # A layer that is off hides only what lies on it; a frozen one all that was inserted on it.
        if reason in ("invisible", "frozen", "not plotted"):
            found.hidden[layer, reason] += 1
        elif block is None:
            found.missing[name] += 1
        elif (context.block, name.lower()) in self._cyclic:
            found.cycles[name] += 1
        else:
            found.left_out += Counter({"ATTRIB": len(insert.attribs)})
            matrix = _matrix(insert)
            scale = float(np.linalg.norm(matrix[:, :2], 2))
            if not 0 < scale < FARTHEST:
                found.degenerate.append(f"INSERT {handle or name} (scaled by {scale:g})")
                return
            # Rounded to a power of two, so that copies of about one size share their sheet.
            tolerance = context.tolerance / 2.0 ** math.ceil(math.log2(scale))
            inner = Context(name.lower(), layer, self._colour(insert, layer, context), tolerance)
            if inner not in self._sheets:
                self._sheets[inner] = self._sheet(block, inner)
            sheet, shifts = self._sheets[inner], _array(insert)
            curves = _repeated(_placed(sheet.curves(), matrix, tolerance), shifts)
            found.add(sheet, curves, f"{handle or name}/", len(shifts))


def _check_reach(outline: Outline) -> None:
    farthest = max((float(np.abs(points).max(initial=0.0)) for points, _, _ in outline.paths), default=0.0)
    if not farthest <= FARTHEST:
        raise DegenerateError(f"farther than {FARTHEST:g} units from the origin")


def _placed(curves: Curves, matrix: Floats, tolerance: float) -> Curves:
    """Map a block to where it is inserted; arcs stay arcs where x and y are scaled alike."""
    gram = matrix[:, :2].T @ matrix[:, :2]
    size = float(gram.trace()) / 2
    similar = abs(gram[0, 0] - gram[1, 1]) <= 1e-9 * size and abs(gram[0, 1]) <= 1e-9 * size
    return (curves if similar else flatten(curves, tolerance)).transform(matrix)


def _repeated(curves: Curves, shifts: Floats) -> Curves:
    """Draw curves once at each shift, shape (k, 2)."""
    if len(shifts) == 1:
        return curves
    steps = np.arange(len(shifts)) * len(curves.points)
    offsets = (curves.offsets[:-1] + steps[:, None]).reshape(-1)
    return Curves(
        (curves.points + shifts[:, None]).reshape(-1, 2),
        np.tile(curves.bulge, len(shifts)),
        np.append(offsets, len(curves.points) * len(shifts)),
        np.tile(curves.closed, len(shifts)),
    )


def _attribute(entity: Entity, name: str, default: Any) -> Any:
    """Return an attribute, or the default also where the entity's type knows no such attribute."""
    return entity.dxf.get(name, default) if entity.dxf.is_supported(name) else default


def _name(insert: Entity) -> str:
    return str(_attribute(insert, "name", None) or "")


def _rgb(index: int) -> str:
    """Say an AutoCAD colour index; 7, white on a black screen, is black on paper."""
    from ezdxf.colors import DXF_DEFAULT_COLORS  # noqa: PLC0415

    return BLACK if index == 7 else f"#{DXF_DEFAULT_COLORS[index % 256]:06x}"


def _matrix(insert: Entity) -> Floats:
    """Seen from above, the map from a block to where it is inserted, shape (2, 3)."""
    m = np.array(list(insert.matrix44())).reshape(4, 4)
    placed: Floats = np.array([[m[0, 0], m[1, 0], m[3, 0]], [m[0, 1], m[1, 1], m[3, 1]]])
    return placed


def _array_size(insert: Entity) -> int:
    rows, columns = _rows_columns(insert)
    return rows * columns


def _rows_columns(insert: Entity) -> tuple[int, int]:
    """Count the rows and columns of an array; where they would all fall on one place there is one."""
    rows = max(int(_attribute(insert, "row_count", 1)), 1) if _attribute(insert, "row_spacing", 0) else 1
    columns = (
        max(int(_attribute(insert, "column_count", 1)), 1) if _attribute(insert, "column_spacing", 0) else 1
    )
    return rows, columns


def _array(insert: Entity) -> Floats:
    """List the places of an inserted array, shape (k, 2), relative to the first."""
    rows, columns = _rows_columns(insert)
    if rows * columns == 1:
        return np.zeros((1, 2))
    row, column = np.divmod(np.arange(rows * columns), columns)
    angle = math.radians(_attribute(insert, "rotation", 0.0))
    x, y = column * _attribute(insert, "column_spacing", 0.0), row * _attribute(insert, "row_spacing", 0.0)
    ocs = insert.ocs()
    in_plane = np.column_stack(
        (x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle))
    )
    axes = np.array([[ocs.ux.x, ocs.uy.x], [ocs.ux.y, ocs.uy.y]])
    shifts: Floats = in_plane @ axes.T
    return shifts
