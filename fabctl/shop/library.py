"""Where the workshop's files are: the person's own folder first, then what fabctl ships."""

from __future__ import annotations

import os
import re
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from platformdirs import user_config_dir

from fabctl.errors import ProfileError
from fabctl.shop.schema import Problem, Table, check, is_name, refuse

Shelf = Literal["machines", "firmware", "materials", "tools", "jobs"]

_PACKAGE = Path(__file__).resolve().parent.parent
_SINGULAR: dict[Shelf, str] = {
    "machines": "machine",
    "firmware": "firmware",
    "materials": "material",
    "tools": "tool",
    "jobs": "job",
}
_LISTED_BY: dict[Shelf, str] = {
    "machines": "fabctl machines",
    "firmware": "fabctl machines",
    "materials": "fabctl materials",
    "tools": "fabctl tools",
    "jobs": "fabctl jobs",
}


MAX_BYTES = 1_000_000
"""No honest profile comes near it; a device or a log given by mistake is refused before it is parsed."""


def shipped_folder(shelf: Shelf) -> Path:
    """Return the folder of what fabctl ships, in a checkout and in an installed wheel alike.

    Parameters
    ----------
    shelf : str
        ``machines``, ``firmware``, ``materials``, ``tools`` or ``jobs``.

    Returns
    -------
    Path
        In a wheel everything is below fabctl/library; in a checkout firmware_profiles/ and jobs/ stand
        at the root.
    """
    library = _PACKAGE / "library"
    if shelf in {"materials", "tools"}:
        return library / shelf
    inside = "jobs" if shelf == "jobs" else f"firmware_profiles/{shelf}"
    installed = library / inside
    return installed if installed.is_dir() else _PACKAGE.parent / inside


def user_folder(shelf: Shelf) -> Path:
    """Return the folder of the person's own files; it need not exist.

    ``FABCTL_CONFIG`` names another place than the system's usual one.
    """
    root = os.environ.get("FABCTL_CONFIG") or user_config_dir("fabctl", appauthor=False)
    return Path(root) / shelf


def names(shelf: Shelf) -> tuple[str, ...]:
    """Return the names of all files on a shelf, the person's own and the shipped ones, sorted."""
    found = {
        path.stem
        for folder in (user_folder(shelf), shipped_folder(shelf))
        if folder.is_dir()
        for path in folder.glob("*.toml")
    }
    return tuple(sorted(found))


def locate(shelf: Shelf, name_or_path: str | os.PathLike[str]) -> Path:
    """Return the file of a name, or the path that was given.

    Parameters
    ----------
    shelf : str
        Where to look for a name.
    name_or_path : str or path
        A path when it ends in ``.toml`` or holds a separator, else a name. The person's own file of a
        name is taken before the shipped one.

    Raises
    ------
    ProfileError
        When there is no such file: with the nearest names and the command that lists all.
    """
    text = os.fspath(name_or_path)
    what = _SINGULAR[shelf]
    if text.lower().endswith(".toml") or "/" in text or "\\" in text:
        path = Path(text)
        if not path.is_file():
            raise ProfileError(
                "no such file",
                file=text,
                remedy=f"give a file or one of the names that `{_LISTED_BY[shelf]}` lists",
            )
        return path
    known = names(shelf)
    if is_name(text) and text in known:
        own = user_folder(shelf) / f"{text}.toml"
        return own if own.is_file() else shipped_folder(shelf) / f"{text}.toml"
    near = get_close_matches(text, known, n=3, cutoff=0.4)
    nearest = f"the nearest are {', '.join(near)}; " if near else ""
    every = f"`{_LISTED_BY[shelf]}` lists all of them"
    if shelf == "firmware":
        every = f"all of them: {', '.join(known)}"
    raise ProfileError(f"no {what} is called {text!r}", remedy=nearest + every)


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file.

    Parameters
    ----------
    path : Path
        UTF-8, with or without a byte order mark (Windows editors write one).

    Returns
    -------
    dict
        As tomllib gives it, unchecked.

    Raises
    ------
    ProfileError
        When there is no such file, it cannot be read, is no UTF-8 or no TOML (with line and column).
    """
    file = str(path)
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ProfileError(
            f"cannot be read: {error.strerror or error}",
            file=file,
            remedy="check the path and its permissions",
        ) from error
    if len(raw) > MAX_BYTES:
        raise ProfileError(f"larger than {MAX_BYTES} bytes", file=file, remedy="is this the file you meant?")
    try:
        return tomllib.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ProfileError(
            f"byte 0x{raw[error.start]:02X} is not UTF-8 text",
            file=file,
            place=f"line {line}",
            remedy="save it as UTF-8",
        ) from error
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise _syntax_error(str(error), file) from error


def _syntax_error(message: str, file: str) -> ProfileError:
    match = re.search(r"\(at line (\d+), column (\d+)\)", message)
    where = f"line {match.group(1)}, column {match.group(2)}" if match else ""
    if "end of document" in message:
        where = "end of the file"
    text = re.sub(r"\s*\(at [^)]*\)$", "", message).splitlines()[0] if message else "nested too deeply"
    return ProfileError(
        f"not TOML: {text}",
        file=file,
        place=where,
        remedy='texts stand in "quotes", tables in [brackets], yes and no are true and false; see '
        "docs/profiles.md for whole examples",
    )


def load(shelf: Shelf, name_or_path: str | os.PathLike[str], table: Table) -> tuple[dict[str, Any], Path]:
    """Read, check and return one file of a shelf whose ``name`` must be the file's own name.

    Parameters
    ----------
    shelf : str
        Where to look for a name.
    name_or_path : str or path
        See `locate`.
    table : Table
        The schema; has a key ``name``.

    Returns
    -------
    dict
        Checked values.
    Path
        The file they came from.

    Raises
    ------
    ProfileError
        When the file is missing or anything in it is wrong.
    """
    path = locate(shelf, name_or_path)
    values = check(read_toml(path), table, file=str(path))
    if values["name"] != path.stem:
        # Records and permits name a machine by its name: a copied file must not go on as the original.
        wrong = Problem("name", f'"{values["name"]}" but the file is called {path.name}', f'"{path.stem}"')
        refuse([wrong], file=str(path))
    twins = [other.name for other in path.parent.glob("*.toml") if _clash(other.name, path.name)]
    if twins:
        clash = f"{twins[0]} in the same folder differs only in upper and lower case"
        refuse([Problem("name", clash, "one file of a name")], file=str(path))
    return values, path


def _clash(one: str, other: str) -> bool:
    return one != other and one.casefold() == other.casefold()
