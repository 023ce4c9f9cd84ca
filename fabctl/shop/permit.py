"""The permit: proof that one program has been checked for one machine and one piece of stock."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from fabctl.errors import RefusedError
from fabctl.shop.machine import Machine
from fabctl.shop.stock import Stock


@dataclass(frozen=True, slots=True)
class Permit:
    """What `check` has passed; the sender sends nothing without one that fits.

    Parameters
    ----------
    program_sha256 : str
        Digest of the program's bytes, hexadecimal.
    machine : str
        The machine's name.
    machine_sha256 : str
        Digest of all the machine's facts, see `machine_digest`.
    stock : Stock, optional
        The piece it was checked against; None when none was named.
    """

    program_sha256: str
    machine: str
    machine_sha256: str
    stock: Stock | None = None

    def demand(self, program_sha256: str, machine: Machine) -> None:
        """Raise unless these very bytes may run on this very machine.

        Parameters
        ----------
        program_sha256 : str
            Digest of what is about to be sent, hexadecimal.
        machine : Machine
            Where to.

        Raises
        ------
        RefusedError
            When the program, the machine or its description is another one.
        """
        again = "check the program again for this machine (`fabctl check`)"
        if machine.name != self.machine:
            raise RefusedError(
                f"the program was checked for {self.machine}, not for {machine.name}", remedy=again
            )
        if machine_digest(machine) != self.machine_sha256:
            raise RefusedError(f"the description of {machine.name} has changed since the check", remedy=again)
        if program_sha256 != self.program_sha256:
            raise RefusedError("these are not the bytes that were checked", remedy=again)


def machine_digest(machine: Machine) -> str:
    """Return the SHA-256 of all facts of a machine and its firmware, hexadecimal.

    The file it came from is left out: the same facts elsewhere are the same machine. So is a setter that is
    not there: permits are older than setters.
    """
    facts = asdict(machine)
    del facts["source"]
    if facts["setter"] is None:
        del facts["setter"]
    return sha256(_canonical(facts).encode()).hexdigest()


def _canonical(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_canonical(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, frozenset):
        return _canonical(sorted(value))
    if isinstance(value, (tuple, list)):
        return "[" + ",".join(map(_canonical, value)) + "]"
    return repr(value)
