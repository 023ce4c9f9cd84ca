"""``fabctl explain``: one line of G-code in words."""

from __future__ import annotations

from pathlib import Path

import click

from fabctl.errors import InputError


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("place", metavar="FILE.nc:LINE")
def explain(place: str) -> None:
    """Say in words what one line of G-code does, and the modal state it meets.

    \b
    Examples:
      fabctl explain drawing.nc:42
      fabctl explain -:3 < drawing.nc                             from standard input
    """
    from fabctl.job.check import load_bytes
    from fabctl.program.explain import explain as in_words

    file, _, number = place.rpartition(":")
    if not file or not number.isdigit() or int(number) < 1:
        raise InputError(
            f"{place!r} names no line", remedy="write the file, a colon and the line's number: drawing.nc:42"
        )
    click.echo(in_words(load_bytes(Path(file)), int(number), file))
