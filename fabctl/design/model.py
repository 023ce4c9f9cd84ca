"""The Design: what every reader returns and every operation starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fabctl.geometry.curves import Curves
    from fabctl.geometry.mesh import Mesh


@dataclass(frozen=True)
class Note:
    """Something the reader did or left out that a person should know.

    Parameters
    ----------
    kind : str
        A short stable word: ``text``, ``units``, ``duplicates``, ``joined``, ``hidden``, ``skipped`` …
    text : str
        One sentence with figures, and the remedy where there is one.
    place : str
        Element id, line or layer; empty for the whole file.
    """

    kind: str
    text: str
    place: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.text}" if self.place else self.text


@dataclass(frozen=True)
class Design:
    """A drawing or a solid in mm, y up, as read; nothing decided about how to make it.

    Parameters
    ----------
    source : str
        The file as the person named it.
    curves : Curves
        m paths; empty for a solid.
    layer, colour, ident : sequence of str
        For each path: the layer's name, ``#rrggbb`` (lower case) or ``""``, and what to call it in a
        message (element id, DXF handle).
    mesh : Mesh, optional
        The solid of an STL or 3MF file.
    notes : sequence of Note
        What a person should know; nothing in it is fatal.
    """

    source: str
    curves: Curves
    layer: Sequence[str] = ()
    colour: Sequence[str] = ()
    ident: Sequence[str] = ()
    mesh: Mesh | None = None
    notes: Sequence[Note] = ()

    def with_notes(self, *notes: Note) -> Design:
        """Return the same design with more notes."""
        return replace(self, notes=(*self.notes, *notes))
