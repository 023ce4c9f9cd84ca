"""Where the workshop's files are: the person's own folder first, then what fabctl ships."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from platformdirs import user_config_dir

from fabctl.errors import ProfileError
from fabctl.shop.schema import Problem, Table, check, is_name, read_toml, refuse

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
    raise ProfileError(
        f"no {what} is called {text!r}", remedy=f"{nearest}`{_LISTED_BY[shelf]}` lists all of them"
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
