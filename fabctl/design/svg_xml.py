"""SVG as XML: bytes in, a plain tree with line numbers out, whatever the bytes try.

Nothing outside the bytes is ever opened, an entity is taken only when it cannot grow (Illustrator writes
its name spaces as entities, so refusing all would refuse real drawings), and everything that can expand is
bounded before it does.
"""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from xml.parsers import expat

from fabctl.design.model import Note
from fabctl.errors import DesignError

SVG_NAMESPACE = "http://www.w3.org/2000/svg"
LARGEST_BYTES = 40_000_000
LARGEST_ELEMENTS = 150_000
LARGEST_ENTITY_BYTES = 1_000_000

_ENCODING = re.compile(rb"""\A\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9_.-]{1,40})["']""")
_SAFE_ENCODING = re.compile(r"utf_8|utf_16(_[bl]e)?|ascii|iso8859_\d+|cp125\d|mac_roman")
_COMMENT = re.compile(r"<!--(?:[^-]|-(?!->))*+(?:-->|\Z)")


@dataclass(slots=True, eq=False, repr=False)
class Node:
    """One element.

    Parameters
    ----------
    tag : str
        Local name of an SVG element; ``""`` for an element of another name space.
    attributes : dict of str to str
        As written, prefixes included.
    line : int
        1-based line of the start tag.
    ordinal : int
        How many elements of this tag there were up to and with this one.
    parent : Node or None
    children : list of Node
    text : str
        Character data; kept for ``style`` only.
    """

    tag: str
    attributes: dict[str, str]
    line: int
    ordinal: int = 1
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)
    text: str = ""

    @property
    def ident(self) -> str:
        """Return what to call it in a message: its id, or ``path[12] line 40``."""
        return self.attributes.get("id") or f"{self.tag}[{self.ordinal}] line {self.line}"

    def href(self) -> str:
        """Return what it refers to, ``""`` for nothing."""
        return (self.attributes.get("href") or self.attributes.get("xlink:href") or "").strip()

    def walk(self) -> Iterator[Node]:
        """Yield it and all below it, in document order, at any depth."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.children))


@dataclass(frozen=True)
class Document:
    """A parsed file.

    Parameters
    ----------
    root : Node
        The outermost ``svg``.
    ids : dict of str to Node
        The first element of each id.
    comments : str
        The comments before and within the head of the file: writers sign there.
    notes : tuple of Note
        What had to be recovered.
    """

    root: Node
    ids: dict[str, Node]
    comments: str
    notes: tuple[Note, ...]


def inflate(data: bytes) -> bytes:
    """Return gzip data expanded, other data as it is.

    Raises
    ------
    DesignError
        When the data is damaged or grows past `LARGEST_BYTES`.
    """
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        plain = zlib.decompressobj(wbits=31).decompress(data, LARGEST_BYTES + 1)
    except zlib.error as error:
        raise DesignError(
            f"the compressed drawing is damaged ({error})", remedy="save it again, as plain .svg"
        ) from error
    return plain


def parse(data: bytes) -> Document:
    """Parse an SVG file.

    Parameters
    ----------
    data : bytes
        Plain or gzip.

    Returns
    -------
    Document

    Raises
    ------
    DesignError
        When it is no well-formed SVG, or larger or more nested in entities than a drawing has reason to be;
        ``place`` is the line, ``file`` is left to the caller.
    """
    plain = inflate(data)
    if len(plain) > LARGEST_BYTES:
        raise DesignError(
            f"the drawing has more than {LARGEST_BYTES // 1_000_000} MB",
            remedy="delete embedded images, or split the drawing",
        )
    text, notes = _decode(plain)
    text = text.lstrip()
    if not text:
        raise DesignError("the file is empty", remedy="save the drawing again")
    try:
        builder = _run(text)
    except expat.ExpatError as error:
        builder = _recover(text, error, notes)
    root = builder.root
    if root is None or root.tag != "svg":
        raise DesignError(
            f"the outermost element is <{builder.root_name}>, expected <svg>",
            place="line 1",
            remedy="export the drawing as SVG",
        )
    return Document(root, builder.ids, "\n".join(builder.comments), tuple(notes))


def _decode(data: bytes) -> tuple[str, list[Note]]:
    """Return the text and a note when its encoding is not what it says; the line numbers stay."""
    for mark, name in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return _strict(data, name), []
    declared = _ENCODING.match(data[:400])
    name = declared.group(1).decode("ascii") if declared else "utf-8"
    try:
        known = codecs.lookup(name).name.replace("-", "_")
    except LookupError:
        known = ""
    if not _SAFE_ENCODING.fullmatch(known):
        raise DesignError(
            f"the file says it is written in {name!r}", place="line 1", remedy="save it as UTF-8"
        )
    if known not in ("utf_8", "ascii"):
        return _strict(data, known), []
    try:
        return data.decode("utf-8"), []
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        note = Note(
            "encoding",
            f"byte {error.start} ({data[error.start]:#04x}) is not UTF-8: the file was read as Latin-1; "
            "names may look odd, shapes are not touched. Save it as UTF-8",
            f"line {line}",
        )
        return data.decode("latin-1"), [note]


def _strict(data: bytes, name: str) -> str:
    try:
        return data.decode(name)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DesignError(
            f"byte {error.start} is not {name}", place=f"line {line}", remedy="save it as UTF-8"
        ) from error


def _run(text: str) -> _Builder:
    builder = _Builder(text)
    builder.parser.Parse(text.encode("utf-8", "replace"), True)
    return builder


def _recover(text: str, error: expat.ExpatError, notes: list[Note]) -> _Builder:
    """Read once more without comments: ``--`` inside one is the error people make and nobody means."""
    place = f"line {error.lineno} column {error.offset + 1}"
    reason = expat.errors.messages.get(error.code, str(error))
    without = _COMMENT.sub(lambda found: "\n" * found.group().count("\n"), text)
    if without != text:
        with suppress(expat.ExpatError):  # wrong elsewhere, too: the first error is what a person is told
            builder = _run(without)
            builder.comments.extend(_COMMENT.findall(text[:4000]))
            what = f"{reason} in a comment ('--' may not stand there): comments left out"
            notes.append(Note("xml", what, place))
            return builder
    looks = "" if "<svg" in text[:65536] else "; there is no <svg> in it"
    raise DesignError(
        f"not well-formed XML: {reason}{looks}",
        place=place,
        remedy="open it in the program that drew it and save it again",
    ) from error


class _Builder:
    """Expat's handlers: grows the tree and refuses what grows by itself."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.root: Node | None = None
        self.root_name = ""
        self.ids: dict[str, Node] = {}
        self.comments: list[str] = []
        self._open: list[Node] = []
        self._style: list[str] = []
        self._prefixes = {"", "svg"}
        self._ordinals: dict[str, int] = {}
        self._elements = 0
        self._entity_bytes = 0
        self.parser = parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.CommentHandler = self._comment
        parser.EntityDeclHandler = self._entity
        parser.ExternalEntityRefHandler = lambda *_: 1

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        line = self.parser.CurrentLineNumber
        if self._elements > LARGEST_ELEMENTS:
            raise DesignError(
                f"more than {LARGEST_ELEMENTS} elements", place=f"line {line}", remedy="split the drawing"
            )
        parent = self._open[-1] if self._open else None
        for key, value in attributes.items():
            if key.startswith("xmlns:") and value == SVG_NAMESPACE:
                self._prefixes.add(key[6:])
        prefix, _, local = name.rpartition(":")
        foreign = attributes.get("xmlns", SVG_NAMESPACE) != SVG_NAMESPACE and not prefix
        tag = local if prefix in self._prefixes and not foreign else ""
        ordinal = self._ordinals[tag] = self._ordinals.get(tag, 0) + 1
        node = Node(tag, attributes, line, ordinal, parent)
        if parent is None:
            self.root, self.root_name = node, name
        else:
            parent.children.append(node)
        if "id" in attributes:
            self.ids.setdefault(attributes["id"], node)
        self._open.append(node)

    def _end(self, _name: str) -> None:
        node = self._open.pop()
        if node.tag == "style":
            node.text, self._style = "".join(self._style), []

    def _characters(self, text: str) -> None:
        if self._open[-1].tag == "style":
            self._style.append(text)

    def _comment(self, text: str) -> None:
        if len(self.comments) < 20:
            self.comments.append(text[:400])

    def _entity(
        self,
        name: str,
        is_parameter: bool,  # noqa: FBT001 - expat's own order of arguments
        value: str | None,
        _base: str | None,
        system: str | None,
        _public: str | None,
        _notation: str | None,
    ) -> None:
        place = f"line {self.parser.CurrentLineNumber}"
        remedy = "save the drawing again without a DOCTYPE, as plain SVG"
        if system is not None or value is None:
            problem = f"entity {name!r} names a file, which is never opened"
            raise DesignError(problem, place=place, remedy=remedy)
        if is_parameter or "&" in value:
            raise DesignError(f"entity {name!r} is made of other entities", place=place, remedy=remedy)
        self._entity_bytes += self.text.count(f"&{name};") * len(value)
        if self._entity_bytes > LARGEST_ENTITY_BYTES:
            raise DesignError(f"entity {name!r} expands without measure", place=place, remedy=remedy)
