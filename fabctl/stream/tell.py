"""Tell of a transition, and go on only once it is written down: the rule that makes a journal true."""

from __future__ import annotations

from fabctl.stream.link import FAST_POLL_S, Link
from fabctl.stream.run import Fact, Hooks


async def tell(link: Link, hooks: Hooks, kind: str, **facts: Fact) -> None:
    """Tell the hooks of a transition and stay with the machine until it is on disk.

    Parameters
    ----------
    link : Link
        Polled meanwhile; its faults end the run as ever.
    hooks : Hooks
        Whose `transition` is called once.
    kind : str
        ``armed``, ``started`` …
    **facts
        What a reader of the journal needs.

    Raises
    ------
    StoppedError
        At a fault on the link.
    InputError
        When it cannot be written.
    """
    written = hooks.transition(kind, facts)
    while written is not None and not written():
        await link.pump(FAST_POLL_S)
