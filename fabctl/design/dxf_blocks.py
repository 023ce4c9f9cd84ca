"""The walk through a DXF: model space, the blocks inserted in it, and what each layer hides."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fabctl.design.dxf_entities import OUTLINES, DegenerateError, Entity, Path, kind_of_entity
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
_IDENTITY = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
_SILENT = {"VIEWPORT", "ATTDEF", "SEQEND"}


@dataclass(frozen=True)
class Context:
    """What an inserted block hands down to what is drawn in it.

    Parameters
    ----------
    matrix : (2, 3) float64
        From the block to the model space, seen from above.
    layer : str
        Taken by entities on layer 0.
    colour : str
        Taken by entities coloured by block.
    ident : str
        Handles of the inserts on the way.
    stack : tuple of str
        Names of the blocks on the way.
    """

    matrix: Floats
    layer: str = "0"
    colour: str = BLACK
    ident: str = ""
    stack: tuple[str, ...] = ()


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


class Walk:
    """One walk through a document.

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
        self.found = Drawn()
        self._outlines: dict[tuple[str, float], tuple[tuple[Path, ...], tuple[float, float]]] = {}
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
        self._walk(self.document.modelspace(), Context(_IDENTITY))
        return self.found

    def _limit(self) -> None:
        """Count what inserts would draw before any is drawn."""
        counts: dict[str, int] = {}

        def copies(name: str, stack: tuple[str, ...]) -> int:
            block = self.document.blocks.get(name)
            if block is None or name.lower() in stack:
                return 1
            if len(stack) > DEEPEST:
                raise DesignError(
                    f"blocks nest deeper than {DEEPEST}",
                    file=self.source,
                    place=f"block {name}",
                    remedy="explode the blocks in the CAD program",
                )
            if name.lower() not in counts:
                counts[name.lower()] = 1 + total(block, (*stack, name.lower()))
            return counts[name.lower()]

        def total(layout: Any, stack: tuple[str, ...]) -> int:
            return sum(
                _array_size(entity) * copies(_name(entity), stack) if entity.dxftype() == "INSERT" else 1
                for entity in layout
            )

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

    def _walk(self, layout: Any, context: Context) -> None:
        for entity in layout:
            kind = kind_of_entity(entity)
            layer = self._layer(entity, context)
            if kind == "INSERT":
                self._insert(entity, layer, context)
            elif kind in _SILENT:
                continue
            elif reason := self._hides(entity, layer):
                self.found.hidden[layer, reason] += 1
            elif kind in OUTLINES:
                self._draw(entity, kind, layer, context)
            else:
                self.found.left_out[kind] += 1

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

    def _draw(self, entity: Entity, kind: str, layer: str, context: Context) -> None:
        self._numbers[kind] += 1
        handle = _attribute(entity, "handle", None) if self.handles else None
        name = context.ident + (str(handle) if handle else f"{kind}{self._numbers[kind]}")
        linear = context.matrix[:, :2]
        scale = float(np.linalg.norm(linear, 2))
        if not scale > 0:
            self.found.degenerate.append(f"{name} (scaled to nothing)")
            return
        # Rounded to a power of two, so that copies of about one size share their outline.
        tolerance = self.tolerance / 2.0 ** math.ceil(math.log2(scale))
        try:
            # What overflows is damage, to be said and not to be drawn.
            with np.errstate(over="raise", invalid="raise", divide="raise"):
                paths, z = self._outline(entity, kind, tolerance)
        except DegenerateError as reason:
            self.found.degenerate.append(f"{kind} {name} ({reason})")
            return
        except self._damage as reason:
            self.found.degenerate.append(f"{kind} {name} (damaged: {reason})")
            return
        curves = from_paths(paths)
        if context.stack:
            similar = np.allclose(linear.T @ linear, np.eye(2) * scale**2, atol=1e-9 * scale**2)
            curves = (curves if similar else flatten(curves, tolerance)).transform(context.matrix)
        if not float(np.abs(curves.points).max(initial=0.0)) <= FARTHEST:
            self.found.degenerate.append(f"{kind} {name} (farther than {FARTHEST:g} units from the origin)")
            return
        self.found.parts.append(curves)
        self.found.layer.append(layer)
        self.found.colour.append(self._colour(entity, layer, context))
        self.found.ident.append(name)
        self.found.z.append(z)

    def _outline(
        self, entity: Entity, kind: str, tolerance: float
    ) -> tuple[tuple[Path, ...], tuple[float, float]]:
        key = (str(_attribute(entity, "handle", None)), tolerance)
        if key not in self._outlines or key[0] == "None":
            outline = OUTLINES[kind](entity, tolerance)
            self._outlines[key] = outline.paths, outline.z
        return self._outlines[key]

    def _colour(self, entity: Entity, layer_name: str, context: Context) -> str:
        if _attribute(entity, "true_color", None) is not None:
            return f"#{entity.dxf.true_color & 0xFFFFFF:06x}"
        colour = int(_attribute(entity, "color", BYLAYER))
        if colour == BYBLOCK:
            return context.colour
        if colour != BYLAYER:
            return _rgb(colour)
        layer = self._layers.get(layer_name.lower())
        if layer is None:
            return BLACK
        if _attribute(layer, "true_color", None) is not None:
            return f"#{layer.dxf.true_color & 0xFFFFFF:06x}"
        return _rgb(abs(int(_attribute(layer, "color", 7))))

    def _insert(self, insert: Entity, layer: str, context: Context) -> None:
        name = _name(insert)
        block = self.document.blocks.get(name)
        reason = self._hides(insert, layer)
        if reason in ("invisible", "frozen", "not plotted"):
            # A layer that is off hides only what lies on it; a frozen one all that was inserted on it.
            self.found.hidden[layer, reason] += 1
            return
        if block is None:
            self.found.missing[name] += 1
            return
        if name.lower() in context.stack:
            self.found.cycles[name] += 1
            return
        if insert.attribs:
            self.found.left_out["ATTRIB"] += len(insert.attribs)
        matrix = _matrix(insert)
        handle = _attribute(insert, "handle", None) if self.handles else None
        inner = replace(
            context,
            layer=layer,
            colour=self._colour(insert, layer, context),
            ident=f"{context.ident}{handle or name}/",
            stack=(*context.stack, name.lower()),
        )
        for shift in _array(insert):
            placed = matrix.copy()
            placed[:, 2] += shift
            linear = context.matrix[:, :2] @ placed[:, :2]
            offset = context.matrix[:, :2] @ placed[:, 2] + context.matrix[:, 2]
            self._walk(block, replace(inner, matrix=np.column_stack((linear, offset))))


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
    return in_plane @ axes.T
