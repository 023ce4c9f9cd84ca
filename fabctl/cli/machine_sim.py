"""``fabctl machine sim``: the virtual controller in real time, for any sender."""

from __future__ import annotations

import time

import click

from fabctl.cli.show import say
from fabctl.cli.words import _
from fabctl.errors import InputError

HOST_ONLY = frozenset({"host-stall", "clock-jump", "write-fails"})
LOOK_S = 0.2


@click.command()
@click.argument("name", metavar="MACHINE")
@click.option("--pty", is_flag=True, help="Serve on a pseudo-terminal (not on Windows).")
@click.option(
    "--socket",
    "number",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Serve on this TCP port of this computer; 0 takes a free one.",
)
@click.option("--faults", metavar="KINDS", default="", help="What goes wrong, such as ok-lost:at=200,jitter.")
@click.option("--seed", type=click.IntRange(0), metavar="N", default=0, help="Of all the faults leave open.")
@click.option(
    "--latency-ms",
    type=click.FloatRange(0, 1000),
    metavar="MS",
    default=0.0,
    help="How often the USB adapter hands bytes over.",
)
@click.option(
    "--plate",
    type=click.FloatRange(-1000, 1000),
    metavar="Z",
    help="Machine Z, mm, of a plate that a probe touches; none when left out.",
)
def sim(
    name: str,
    pty: bool,
    number: int | None,
    faults: str,
    seed: int,
    latency_ms: float,
    plate: float | None,
) -> int:
    """Serve a machine's virtual controller to any sender, in real time.

    \b
    Examples:
      fabctl machine sim router-3018
      fabctl machine sim laser-400 --pty --faults ok-lost:at=200,jitter --seed 7
      fabctl machine sim mine.toml --socket 2000 --plate -12      a probe touches at machine Z-12

    What to open is printed first; Ctrl-C ends it. Kinds of faults: docs/virtual-controller.md.
    """
    from fabctl.shop.machine import load_machine
    from fabctl.sim.controller import Options
    from fabctl.sim.faults import parse_faults
    from fabctl.sim.serve import serve_pty, serve_socket

    if pty and number is not None:
        raise InputError(_("--pty and --socket together"), remedy=_("choose one of them"))
    machine, asked = load_machine(name), parse_faults(faults)
    _refuse_host_faults([fault.kind.name for fault in asked])
    options = Options(cpu_model=True, latency_s=latency_ms / 1000, baud=machine.baud, plate_mm=plate)
    if pty:
        served = serve_pty(machine.settings(), options, faults=asked, seed=seed)
    else:
        served = serve_socket(machine.settings(), options, faults=asked, seed=seed, port=number or 0)
    with served:
        served.on_url = click.echo
        click.echo(served.url)
        say(_("{title}: Ctrl-C ends it").format(title=machine.title))
        try:
            while True:
                time.sleep(LOOK_S)
        except KeyboardInterrupt:
            return 0


def _refuse_host_faults(names: list[str]) -> None:
    """Refuse faults that are not the controller's to have."""
    refused = [name for name in names if name in HOST_ONLY]
    if refused:
        raise InputError(
            _("{names}: a fault of the host, not of the controller").format(names=", ".join(refused)),
            place="--faults",
            remedy=_("use it in a sim:// URL"),
        )
