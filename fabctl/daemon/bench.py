"""A machine at hand: what an act by hand works on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fabctl.shop.machine import Machine
from fabctl.stream.controller import Controller
from fabctl.stream.link import Link
from fabctl.stream.stops import Operator

Json = dict[str, Any]


@dataclass(frozen=True)
class Bench:
    """A machine at hand: what an action works on.

    Parameters
    ----------
    link, controller : Link, Controller
        As `connect` returned them.
    machine : Machine
    operator : Operator
        The operator's hand on it.
    tell : callable
        Told of each event, for whoever follows.
    """

    link: Link
    controller: Controller
    machine: Machine
    operator: Operator
    tell: Callable[[Json], None]
