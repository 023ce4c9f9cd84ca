"""Every error fabctl raises on purpose, and the exit code each ends with.

::

    FabctlError                     exit
    ├── InputError                   3    a file, key or option is wrong: nothing was done
    │   ├── DesignError                   a drawing, mesh or image
    │   ├── ProfileError                  a TOML file: machine, firmware, tool, material, job
    │   └── ProgramError                  a G-code file
    ├── RefusedError                 4    well formed, but not on this machine, stock or tool
    └── LinkError                    5    port, protocol or controller; nothing moved, or see below
        └── StoppedError                  a run ended before its last line
            ├── StoppedKnownError    6    position known
            └── StoppedUnknownError  7    position unknown

0 is success, 1 a bug in fabctl, 2 a command line click could not read.
"""

from __future__ import annotations

from typing import ClassVar

EXIT_CODES: dict[int, str] = {
    0: "done",
    1: "a bug in fabctl: please report it",
    2: "the command line could not be read",
    3: "bad input: a file, key or option is wrong; nothing was done",
    4: "refused: this machine, stock or tool cannot do it, or a person said no; nothing moved",
    5: "link fault: port, protocol or controller",
    6: "stopped, position known",
    7: "stopped, position unknown",
}


class FabctlError(Exception):
    """Say what was seen, where, and what to do.

    Parameters
    ----------
    problem : str
        What was seen and what was expected, in one sentence.
    file : str, optional
        The file as the person named it.
    place : str, optional
        Where in the file: ``line 12``, ``#path7``, ``[feeds] plunge_mm_min``.
    remedy : str, optional
        What to do about it.

    Examples
    --------
    >>> print(FabctlError("no feed before the first cut", file="a.nc", place="line 3", remedy="add F"))
    a.nc, line 3: no feed before the first cut. Remedy: add F
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, problem: str, *, file: str = "", place: str = "", remedy: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.file = file
        self.place = place
        self.remedy = remedy

    def __str__(self) -> str:
        where = ", ".join(part for part in (self.file, self.place) if part)
        text = f"{where}: {self.problem}" if where else self.problem
        return f"{text.rstrip('.')}. Remedy: {self.remedy}" if self.remedy else text


class InputError(FabctlError):
    """A file, key or option is wrong; nothing was done."""

    exit_code = 3


class DesignError(InputError):
    """A drawing, mesh or image cannot be read as what it claims to be."""


class ProfileError(InputError):
    """A TOML file (machine, firmware, tool, material, job) is wrong."""


class ProgramError(InputError):
    """A G-code file cannot be read."""


class RefusedError(FabctlError):
    """Well formed, but this machine, stock or tool cannot do it; nothing moved."""

    exit_code = 4


class LinkError(FabctlError):
    """The port, the protocol or the controller failed."""

    exit_code = 5


class StoppedError(LinkError):
    """A run ended before its last line."""


class StoppedKnownError(StoppedError):
    """A run was stopped and the position is known."""

    exit_code = 6


class StoppedUnknownError(StoppedError):
    """A run was stopped and the position is not known: home before the next move."""

    exit_code = 7
