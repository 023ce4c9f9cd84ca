"""SVG styles: which rules of ``<style>`` meet an element, and what it inherits."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from PIL import ImageColor

from fabctl.design.svg_units import length
from fabctl.design.svg_xml import Node
from fabctl.errors import DesignError

PROPERTIES = frozenset(
    {
        "clip-path",
        "color",
        "display",
        "fill",
        "fill-opacity",
        "font-size",
        "mask",
        "opacity",
        "stroke",
        "stroke-dasharray",
        "stroke-opacity",
        "transform",
        "transform-origin",
        "visibility",
    }
)
"""What matters to a cut; all else is paint."""

LARGEST_RULES = 20_000
LARGEST_MATCHES = 3_000_000

_CSS_COMMENT = re.compile(r"/\*(?:[^*]|\*(?!/))*+(?:\*/|\Z)|<!--|-->")
_AT_STATEMENT = re.compile(r"@(import|charset|namespace)\b[^;{]*+(?:;|(?=\{)|\Z)")
_COMPOUND = re.compile(r"(?:([A-Za-z][\w-]*)|\*)?((?:[.#][\w-]+)*)")
_PART = re.compile(r"([.#])([\w-]+)")
_FONT_WORDS = {
    "xx-small": 9.6,
    "x-small": 12.0,
    "small": 14.2,
    "medium": 16.0,
    "large": 19.2,
    "x-large": 24.0,
    "xx-large": 32.0,
}


@dataclass(frozen=True, slots=True)
class Style:
    """What an element inherits.

    Parameters
    ----------
    stroke, fill, colour : str
        Paint as written, ``none`` for none.
    stroke_opacity, fill_opacity : float
    visible : bool
        ``visibility``, which a child may turn on again.
    dashed : bool
    font : float
        Font size, user units.
    """

    stroke: str = "none"
    fill: str = "#000000"
    colour: str = "#000000"
    stroke_opacity: float = 1.0
    fill_opacity: float = 1.0
    visible: bool = True
    dashed: bool = False
    font: float = 16.0

    @property
    def paint(self) -> str:
        """Return what it is seen by: its stroke, else its fill, ``""`` for neither."""
        if self.stroke != "none" and self.stroke_opacity > 0:
            return self.colour if self.stroke == "currentcolor" else self.stroke
        if self.fill != "none" and self.fill_opacity > 0:
            return self.colour if self.fill == "currentcolor" else self.fill
        return ""


@dataclass(frozen=True, slots=True)
class _Rule:
    """One selector with its declarations: compounds from left to right, each with the way to the next."""

    steps: tuple[tuple[str, str, frozenset[str], frozenset[str]], ...]
    declarations: tuple[tuple[str, str, bool], ...]
    order: tuple[int, int, int, int]


@dataclass
class Sheet:
    """All rules of a drawing, found by the rightmost part of their selector.

    Attributes
    ----------
    rules : dict of str to list
    ignored : list of str
        Selectors and statements that are not followed.
    """

    rules: dict[str, list[_Rule]] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    _count: int = 0
    _spent: int = 0

    def add(self, text: str) -> None:
        """Take in the text of one ``style`` element; ``@`` blocks and what CSS has beyond them are noted."""
        text = _CSS_COMMENT.sub(" ", text)
        self.ignored += [f"@{found.group(1)}" for found in _AT_STATEMENT.finditer(text)]
        text = _AT_STATEMENT.sub(" ", text)
        depth = 0
        for chunk in text.split("}"):
            outer, brace, body = chunk.rpartition("{")
            *around, selectors = outer.split("{")
            self.ignored += [name.strip()[:40] for name in around]
            depth += len(around)
            if not brace:
                depth = max(depth - 1, 0)
            elif not depth:
                declarations = tuple(declared(body))
                for selector in selectors.split(","):
                    self._add_rule(selector.strip(), declarations)

    def _add_rule(self, selector: str, declarations: tuple[tuple[str, str, bool], ...]) -> None:
        steps = _steps(selector)
        if steps is None:
            self.ignored.append(selector[:40])
            return
        if not declarations:
            return
        self._count += 1
        if self._count > LARGEST_RULES:
            raise DesignError(f"more than {LARGEST_RULES} style rules", remedy="save it as plain SVG")
        _way, tag, ids, classes = steps[-1]
        key = next(iter(sorted("#" + name for name in ids)), "") or next(
            iter(sorted("." + name for name in classes)), tag or "*"
        )
        weight = (
            sum(len(step[2]) for step in steps),
            sum(len(step[3]) for step in steps),
            sum(bool(step[1]) for step in steps),
            self._count,
        )
        self.rules.setdefault(key, []).append(_Rule(steps, declarations, weight))

    def of(self, node: Node) -> dict[str, str]:
        """Return the properties an element is given: attributes, then rules, then its own style."""
        found = {key: value for key, value in node.attributes.items() if key in PROPERTIES}
        own = node.attributes.get("style", "")
        met: list[_Rule] = []
        if self.rules:
            names = node.attributes.get("class", "").split()
            own_id = "#" + node.attributes.get("id", "")
            keys = ("*", node.tag, own_id, *("." + name for name in dict.fromkeys(names)))
            met = [rule for key in keys for rule in self.rules.get(key, ()) if self._meets(node, rule)]
        if not met and not own:
            return found
        given = [item for rule in sorted(met, key=lambda rule: rule.order) for item in rule.declarations]
        given += declared(own)
        found.update((key, value) for key, value, important in given if not important)
        found.update((key, value) for key, value, important in given if important)
        return found

    def _meets(self, node: Node, rule: _Rule) -> bool:
        """Whether a rule's selector picks a node; every comparison counts against a limit."""
        if not self._fits(node, rule.steps[-1]):
            return False
        at: Node | None = node
        for left, right in zip(rule.steps[-2::-1], rule.steps[:0:-1], strict=True):
            at = at.parent if at else None
            while right[0] == " " and at is not None and not self._fits(at, left):
                at = at.parent
            if at is None or not self._fits(at, left):
                return False
        return True

    def _fits(self, node: Node, step: tuple[str, str, frozenset[str], frozenset[str]]) -> bool:
        self._spent += 1
        if self._spent > LARGEST_MATCHES:
            raise DesignError("its style rules take too long to apply", remedy="save it as plain SVG")
        _way, tag, ids, classes = step
        return (
            (not tag or tag == node.tag)
            and (not ids or ids == {node.attributes.get("id")})
            and (not classes or classes <= set(node.attributes.get("class", "").split()))
        )


def _steps(selector: str) -> tuple[tuple[str, str, frozenset[str], frozenset[str]], ...] | None:
    """Split a selector into compounds; None when it uses more than tags, classes, ids, space and ``>``."""
    words = selector.replace(">", " > ").split()
    steps: list[tuple[str, str, frozenset[str], frozenset[str]]] = []
    way = " "
    for word in words:
        if word == ">":
            way = ">"
            continue
        match = _COMPOUND.fullmatch(word)
        if match is None:
            return None
        parts = _PART.findall(match.group(2))
        ids = frozenset(name for mark, name in parts if mark == "#")
        classes = frozenset(name for mark, name in parts if mark == ".")
        steps.append((way, match.group(1) or "", ids, classes))
        way = " "
    return tuple(steps) or None


def declared(text: str) -> list[tuple[str, str, bool]]:
    """Split ``key: value; …`` into the properties that matter.

    Returns
    -------
    list of (str, str, bool)
        Property, value, whether ``!important``.

    Examples
    --------
    >>> declared("stroke: red !important; font-family: x")
    [('stroke', 'red', True)]
    """
    found = []
    for item in text.split(";"):
        key, _, value = item.partition(":")
        key = key.strip().lower()
        if key in PROPERTIES and value.strip():
            plain, mark, _ = value.partition("!")
            found.append((key, plain.strip(), bool(mark)))
    return found


def inherit(parent: Style, given: dict[str, str], pixel_mm: float) -> Style:
    """Return the style of a child of something styled ``parent`` that is given these properties.

    Raises
    ------
    DesignError
        When a font size cannot be read.
    """
    changes: dict[str, object] = {}
    for key, name in (("stroke", "stroke"), ("fill", "fill"), ("color", "colour")):
        value = given.get(key, "inherit").strip()
        if value.lower() not in ("inherit", ""):
            changes[name] = _paint(value, name)
    for key, name in (("stroke-opacity", "stroke_opacity"), ("fill-opacity", "fill_opacity")):
        if key in given and given[key] != "inherit":
            changes[name] = opacity(given[key])
    if given.get("visibility", "inherit") != "inherit":
        changes["visible"] = given["visibility"] not in ("hidden", "collapse")
    if given.get("stroke-dasharray", "inherit") != "inherit":
        changes["dashed"] = bool(re.search(r"[1-9]", given["stroke-dasharray"]))
    size = given.get("font-size", "inherit").strip()
    if size not in ("inherit", ""):
        steps = {"smaller": parent.font / 1.2, "larger": parent.font * 1.2} | _FONT_WORDS
        changes["font"] = (
            steps[size] if size in steps else length(size, pixel_mm, font=parent.font, span=parent.font)
        )
    return replace(parent, **changes) if changes else parent  # type: ignore[arg-type]


def _paint(value: str, name: str) -> str:
    """Return paint in one form: ``none``, ``currentcolor``, ``url``, ``#rrggbb``."""
    lower = value.lower()
    if lower in ("none", "transparent"):
        return "none"
    if lower in ("currentcolor", "context-stroke", "context-fill"):
        return "currentcolor" if lower == "currentcolor" else "url"
    if lower.startswith("url("):
        return "url"
    if lower == "initial":
        return "none" if name == "stroke" else "#000000"
    return rgb(lower) or "url"


def rgb(text: str) -> str:
    """Return a CSS colour as ``#rrggbb``, ``""`` when it is none.

    Examples
    --------
    >>> rgb("red"), rgb("rgb(0, 128, 255)"), rgb("#0f08"), rgb("reddish")
    ('#ff0000', '#0080ff', '#00ff00', '')
    """
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError:
        return ""
    return f"#{red & 255:02x}{green & 255:02x}{blue & 255:02x}"


def opacity(text: str) -> float:
    """Return an opacity 0..1; what cannot be read is opaque."""
    number = text.strip()
    try:
        value = float(number[:-1]) / 100 if number.endswith("%") else float(number)
    except ValueError:
        return 1.0
    return min(max(value, 0.0), 1.0)
