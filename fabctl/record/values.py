"""Frozen values as files of JSON: written whole, read by whatever version of fabctl comes later."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fabctl.errors import InputError
from fabctl.record.files import atomic_write

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Value = TypeVar("Value", bound="DataclassInstance")


def write_value(path: Path, value: DataclassInstance) -> Path:
    """Write a value to a file, whole or not at all, and return its path.

    Parameters
    ----------
    path : Path
        Where it shall stand; its folder exists.
    value : dataclass
        Of fields that JSON has, and tuples.

    Raises
    ------
    InputError
        When it cannot be written.
    """
    atomic_write(path, json.dumps(asdict(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    return path


def read_value(path: Path, kind: type[Value], *, what: str, remedy: str) -> Value:
    """Read what `write_value` wrote.

    Parameters
    ----------
    path : Path
    kind : dataclass
        What it is; keys it has not, which a later version wrote, are passed over, and lists become tuples.
    what, remedy : str
        What it should be, and what to do when it is not.

    Raises
    ------
    InputError
        When it is missing or is no such value.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        known = {item.name for item in fields(kind)}
        kept: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in found.items()
            if key in known
        }
        return kind(**kept)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"is no {what}: {error}", file=str(path), remedy=remedy) from error
