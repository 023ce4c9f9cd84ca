"""``fabctl machine serve``: keep machines, their ports open, for every other command."""

from __future__ import annotations

from functools import partial

import click

from fabctl.cli.show import say
from fabctl.errors import InputError


@click.command()
@click.argument("machines", nargs=-1, required=True, metavar="MACHINE=URL...")
@click.option("--port", metavar="URL", help="Port of a single machine named without one.")
def serve(machines: tuple[str, ...], port: str | None) -> None:
    """Keep machines: hold their ports open and carry out what other commands ask.

    \b
    Examples:
      fabctl machine serve router-3018 --port /dev/ttyUSB0
      fabctl machine serve router-3018=/dev/ttyUSB0 laser-400=/dev/ttyUSB1
      fabctl machine serve mine.toml=socket://shop.local:2000

    A port is opened once: most boards restart at each opening and forget where they are. While this runs,
    `fabctl send`, `make`, `machine home` and the like go through it by themselves when they name the machine.
    Ctrl-C holds and resets what runs, then lets the ports go. A guard process stops the machines when this
    one dies; where there can be none, this says so.
    """
    from fabctl.daemon.guard import GUARD_LOG
    from fabctl.daemon.haste import come_first
    from fabctl.daemon.server import serve as keep
    from fabctl.record.run import runs_folder
    from fabctl.shop.machine import load_machine

    pairs = [_pair(text, port if len(machines) == 1 else None) for text in machines]
    loaded = [(load_machine(name), url) for name, url in pairs]
    if len({machine.name for machine, _ in loaded}) < len(loaded):
        raise InputError("the same machine twice", remedy="name each machine once, with its own port")
    folder = runs_folder()
    folder.mkdir(parents=True, exist_ok=True)

    def _ready(_paths: object) -> None:
        for machine, url in loaded:
            say(f"keeping {machine.name} on {url}; Ctrl-C lets it go")

    come_first()
    keep(loaded, log=folder / GUARD_LOG, ready=_ready, note=partial(say, colour="red"))
    say("let go")


def _pair(text: str, port: str | None) -> tuple[str, str]:
    name, _, url = text.partition("=")
    url = url or port or ""
    if not name or not url:
        raise InputError(
            f"{text!r} names no port", remedy="write MACHINE=URL, such as router-3018=/dev/ttyUSB0"
        )
    if url.startswith("sim://"):
        raise InputError(
            "sim:// lives inside a command and cannot be kept",
            place=text,
            remedy=f"`fabctl machine sim {name} --pty` serves one: keep the address it prints",
        )
    return name, url
