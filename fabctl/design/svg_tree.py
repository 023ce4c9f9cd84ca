"""The walk through an SVG tree: which shapes are drawn, where, in what colour and layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from fabctl.design import svg_path
from fabctl.design.svg_style import Sheet, Style, inherit, opacity
from fabctl.design.svg_units import Matrix, Page, about, fit, length, multiply, transform, view_box
from fabctl.design.svg_xml import Document, Node
from fabctl.errors import DesignError

LARGEST_VISITS = 150_000
LARGEST_USES = 64

_SHAPES = frozenset({"path", "rect", "circle", "ellipse", "line", "polyline", "polygon"})
_GROUPS = frozenset({"g", "a", "svg", "switch", "use"})
_TEXTS = frozenset({"text", "flowRoot"})
_UNDRAWN = frozenset({"defs", "symbol", "clipPath", "mask", "pattern", "marker"})
_LAYER_KEYS = ("inkscape:label", "data-name", "id")


@dataclass(frozen=True, slots=True)
class _State:
    """What an element meets when it is drawn.

    Parameters
    ----------
    matrix : Matrix
        From its user units to mm, y up.
    style : Style
    layer : str
    width, height : float
        The nearest viewport, user units.
    uses : tuple of Node
        What ``use`` elements are being drawn.
    prefix : str
        Names of these, for idents.
    size : tuple of (str, str), optional
        Width and height a ``use`` gives to its symbol.
    """

    matrix: Matrix
    style: Style
    layer: str
    width: float
    height: float
    uses: tuple[Node, ...] = ()
    prefix: str = ""
    size: tuple[str, str] | None = None


class Drawing:
    """Everything the walk finds.

    Attributes
    ----------
    pen : Pen
        Segments of all shapes, user units.
    matrices : list of Matrix
        One a shape, user units to mm.
    element : list of int
        Of each sub-path its shape.
    layer, colour, ident : list of str
        One a shape.
    left_out : dict of str to list of str
        What was not drawn or not followed, by kind, each with its ident.
    """

    def __init__(self, document: Document, page: Page) -> None:
        self.document = document
        self.page = page
        self.pen = svg_path.Pen()
        self.matrices: list[Matrix] = []
        self.element: list[int] = []
        self.layer: list[str] = []
        self.colour: list[str] = []
        self.ident: list[str] = []
        self.left_out: dict[str, list[str]] = {}
        self.sheet = Sheet()
        self._visits = 0
        self._stack: list[tuple[Node, _State]] = []

    def walk(self) -> None:
        """Draw everything that is seen.

        Raises
        ------
        DesignError
            At the first element that cannot be read, naming it; ``file`` is left to the caller.
        """
        for node in self.document.root.walk():
            if node.tag == "style":
                self.sheet.add(node.text)
        for selector in self.sheet.ignored:
            self._leave_out("css", selector)
        side = self.page.pixel.size_mm
        down = self.page.height_px or 0.0
        base: Matrix = (side, 0.0, 0.0, -side, 0.0, down * side)
        root = self.document.root
        self._stack = [(root, _State(base, Style(), "", self.page.user_width, self.page.user_height))]
        # An explicit stack, last child first: nesting has no limit and the document's order is kept.
        while self._stack:
            node, state = self._stack.pop()
            self._count()
            try:
                self._visit(node, state)
            except DesignError as error:
                error.place = error.place or self.place(node)
                raise

    def place(self, node: Node) -> str:
        """Return where an element is: its line, and its id when it has one."""
        name = node.attributes.get("id")
        return f"line {node.line} (#{name})" if name else f"line {node.line} ({node.tag}[{node.ordinal}])"

    def _count(self) -> None:
        self._visits += 1
        if self._visits > LARGEST_VISITS:
            raise DesignError(
                f"more than {LARGEST_VISITS} elements once every <use> is followed",
                remedy="unlink clones or split the drawing",
            )

    def _leave_out(self, kind: str, ident: str) -> None:
        self.left_out.setdefault(kind, []).append(ident)

    def _leave_out_below(self, node: Node, kind: str, prefix: str) -> None:
        for below in node.walk():
            self._count()
            if below.tag in _SHAPES or below.tag in _TEXTS or below.tag == "use":
                self._leave_out(kind, prefix + below.ident)

    def _visit(self, node: Node, state: _State) -> None:
        tag = node.tag
        ident = state.prefix + node.ident
        if tag in _UNDRAWN and not (tag == "symbol" and state.size):
            self._leave_out_below(node, "unused", state.prefix)
        elif tag in ("image", "foreignObject", "script"):
            self._leave_out(tag, ident)
        elif tag in _SHAPES or tag in _GROUPS or tag in _TEXTS or tag == "symbol":
            self._see(node, state, ident)

    def _see(self, node: Node, state: _State, ident: str) -> None:
        """Style, place and draw what can be seen."""
        given = self.sheet.of(node)
        if given.get("display") == "none" or opacity(given.get("opacity", "1")) == 0:
            self._leave_out_below(node, "hidden", state.prefix)
            return
        style = inherit(state.style, given, self.page.pixel.size_mm)
        if "transform" in given:
            matrix = multiply(state.matrix, self._transform(given, state))
            state = replace(state, style=style, matrix=matrix)
        elif style is not state.style:
            state = replace(state, style=style)
        for key in ("clip-path", "mask"):
            if given.get(key, "none") != "none":
                self._leave_out("clip", ident)
        if node.tag in _SHAPES:
            self._shape(node, state, ident)
        elif node.tag in _TEXTS:
            self._leave_out("text" if style.visible and style.paint else "hidden", ident)
        elif node.tag == "use":
            self._use(node, state, ident)
        else:
            self._group(node, state)

    def _transform(self, given: dict[str, str], state: _State) -> Matrix:
        matrix = transform(given["transform"])
        origin = given.get("transform-origin", "0 0").replace(",", " ").split()
        if origin in (["0", "0"], ["0px", "0px"]):
            return matrix
        pixel = self.page.pixel.size_mm
        spans = (state.width, state.height)
        words = [*origin, "50%"][:2]
        x, y = (length(word, pixel, span=span) for word, span in zip(words, spans, strict=True))
        return about(matrix, x, y)

    def _group(self, node: Node, state: _State) -> None:
        if node is self.document.root:
            state = replace(state, matrix=multiply(state.matrix, self.page.matrix))
        elif node.tag in ("svg", "symbol"):
            inner = self._viewport(node, state)
            if inner is None:
                self._leave_out_below(node, "empty", state.prefix)
                return
            state = inner
        layer = self._layer(node, state)
        if layer != state.layer:
            state = replace(state, layer=layer)
        children = node.children
        if node.tag == "switch":
            seen = _SHAPES | _GROUPS | _TEXTS
            children = [
                child
                for child in children
                if child.tag in seen and "requiredExtensions" not in child.attributes
            ][:1]
        self._stack.extend((child, state) for child in reversed(children))

    def _layer(self, node: Node, state: _State) -> str:
        marked = node.attributes.get("inkscape:groupmode") == "layer"
        plain = node.tag == "g" and node.parent is self.document.root and not state.uses
        if not marked and not plain:
            return state.layer
        return next((node.attributes[key] for key in _LAYER_KEYS if node.attributes.get(key)), state.layer)

    def _viewport(self, node: Node, state: _State) -> _State | None:
        """Enter a nested ``svg`` or a symbol; None when its viewport has no area."""
        size = state.size or ("", "")
        width = self._length(node, "width", state, "100%", size[0])
        height = self._length(node, "height", state, "100%", size[1])
        if min(width, height) <= 0:
            return None
        x, y = self._length(node, "x", state), self._length(node, "y", state)
        box = view_box(node)
        inner: Matrix = (1.0, 0.0, 0.0, 1.0, x, y)
        if box:
            inner = multiply(inner, fit(box, width, height, node.attributes.get("preserveAspectRatio", "")))
            width, height = box[2], box[3]
        return replace(state, matrix=multiply(state.matrix, inner), width=width, height=height, size=None)

    def _use(self, node: Node, state: _State, ident: str) -> None:
        target = node.href()
        found = self.document.ids.get(target[1:]) if target.startswith("#") else None
        if found is None:
            self._leave_out("href", f"{ident} → {target[:60]!r}")
            return
        above: Node | None = node
        while above is not None and above is not found:
            above = above.parent
        if above is found or found in state.uses or len(state.uses) >= LARGEST_USES:
            self._leave_out("cycle", ident)
            return
        x, y = self._length(node, "x", state), self._length(node, "y", state)
        size = (node.attributes.get("width", ""), node.attributes.get("height", ""))
        inner = replace(
            state,
            matrix=multiply(state.matrix, (1.0, 0.0, 0.0, 1.0, x, y)),
            uses=(*state.uses, found),
            prefix=f"{ident}/",
            size=size if found.tag in ("symbol", "svg") else None,
        )
        self._stack.append((found, inner))

    def _length(self, node: Node, key: str, state: _State, default: str = "0", given: str = "") -> float:
        """Return a geometry attribute in user units."""
        text = (given or node.attributes.get(key, "")).strip()
        if not text or text == "auto":
            if default == "0":
                return 0.0
            text = default
        if key in ("x", "x1", "x2", "cx", "width", "rx"):
            span = state.width
        elif key == "r":
            span = math.hypot(state.width, state.height) / math.sqrt(2)
        else:
            span = state.height
        try:
            return length(text, self.page.pixel.size_mm, font=state.style.font, span=span)
        except DesignError as error:
            raise DesignError(f"{key}={error.problem}", remedy=error.remedy) from error

    def _shape(self, node: Node, state: _State, ident: str) -> None:
        paint = state.style.paint
        if not state.style.visible or not paint:
            self._leave_out("hidden" if not state.style.visible else "unpainted", ident)
            return
        a, b, c, d, _, _ = state.matrix
        if abs(a * d - b * c) <= 1e-12 * (a * a + b * b + c * c + d * d):
            self._leave_out("singular", ident)
            return
        pen = self.pen
        before, empty = len(pen.heads), pen.empty
        _DRAW[node.tag](self, node, state)
        if pen.empty > empty and len(pen.heads) == before:
            self._leave_out("empty", ident)
        drawn = len(pen.heads) - before
        if not drawn:
            return
        if state.style.dashed:
            self._leave_out("dash", ident)
        self.element += [len(self.matrices)] * drawn
        self.matrices.append(state.matrix)
        self.layer.append(state.layer)
        self.colour.append(paint if paint != "url" else "")
        self.ident.append(ident)

    def draw_rect(self, node: Node, state: _State) -> None:
        """Draw a ``rect``."""
        rx, ry = self._radii(node, state)
        corner = complex(self._length(node, "x", state), self._length(node, "y", state))
        size = (self._length(node, "width", state), self._length(node, "height", state))
        svg_path.rectangle(self.pen, corner, *size, rx, ry)

    def _radii(self, node: Node, state: _State) -> tuple[float, float]:
        """Return rx and ry; one given alone counts for both axes."""
        rx, ry = self._length(node, "rx", state), self._length(node, "ry", state)
        if node.attributes.get("rx", "auto") == "auto":
            return ry, ry
        if node.attributes.get("ry", "auto") == "auto":
            return rx, rx
        return rx, ry

    def draw_ellipse(self, node: Node, state: _State) -> None:
        """Draw a ``circle`` or an ``ellipse``."""
        centre = complex(self._length(node, "cx", state), self._length(node, "cy", state))
        if node.tag == "circle":
            rx = ry = self._length(node, "r", state)
        else:
            rx, ry = self._radii(node, state)
        svg_path.ellipse(self.pen, centre, rx, ry)

    def draw_line(self, node: Node, state: _State) -> None:
        """Draw a ``line``."""
        x1, y1, x2, y2 = (self._length(node, key, state) for key in ("x1", "y1", "x2", "y2"))
        self.pen.move(complex(x1, y1))
        self.pen.line(complex(x2, y2))


def _draw_path(drawing: Drawing, node: Node, _state: _State) -> None:
    svg_path.path(drawing.pen, node.attributes.get("d", ""))


def _draw_points(drawing: Drawing, node: Node, _state: _State) -> None:
    svg_path.polyline(drawing.pen, node.attributes.get("points", ""), closed=node.tag == "polygon")


_DRAW: dict[str, Callable[[Drawing, Node, _State], None]] = {
    "path": _draw_path,
    "rect": Drawing.draw_rect,
    "circle": Drawing.draw_ellipse,
    "ellipse": Drawing.draw_ellipse,
    "line": Drawing.draw_line,
    "polyline": _draw_points,
    "polygon": _draw_points,
}
