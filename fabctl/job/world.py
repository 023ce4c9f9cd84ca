"""Which of the two worlds a run goes on in: the workshop, or the virtual controller."""

from __future__ import annotations

from fabctl.errors import RefusedError
from fabctl.job.resume import Past
from fabctl.record.run import VIRTUAL, is_virtual
from fabctl.record.workorder import PROGRAM_NAME


def demand_same_world(past: Past, asked: str | None, port: str) -> str:
    """Return the port a run goes on at; a virtual one goes on virtually, and no other does.

    What a virtual tool cut is whole in the real stock, and a real run that was ended on the virtual
    controller would count as gone on with.

    Parameters
    ----------
    past : Past
    asked : str or None
        The port a person named, if any.
    port : str
        What that comes to for this machine.

    Raises
    ------
    RefusedError
        When one of the two is virtual and the other is not.
    """
    if is_virtual(past.port):
        if asked is None or is_virtual(asked):
            return asked or VIRTUAL
        raise RefusedError(
            f"it was a run on the virtual controller: nothing of it is cut on {past.machine.title}",
            file=past.name,
            remedy=f"send its program from the first line: fabctl send {past.folder / PROGRAM_NAME}; "
            "`fabctl runs` lists the real runs",
        )
    if past.port and is_virtual(port):
        raise RefusedError(
            f"it was a run on {past.port}, and this is the virtual controller: nothing would be cut",
            file=past.name,
            remedy="name the port with --port, or start the machine's keeper (fabctl machine serve); "
            "--dry-run shows the way back",
        )
    return port
