"""``fabctl preview``: a picture of a design, a job or a program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fabctl.cli.options import MACHINE, is_job, order_from, placing, whole_file
from fabctl.cli.plan import planned
from fabctl.cli.show import notes, say
from fabctl.errors import InputError

PROGRAMS = frozenset({".nc", ".gcode", ".ngc", ".tap", ".gc", ".cnc", ".g"})
PICTURES = (".svg", ".png")


@click.command()
@click.argument("file", metavar="DESIGN|JOB|FILE.nc")
@click.option(
    "-o", "--output", metavar="FILE", required=True, help="The picture: .svg (true to scale) or .png."
)
@MACHINE
@placing
def preview(file: str, output: str, **placing: Any) -> None:
    """Draw a design, a job or a G-code file: stock, parts, toolpath by operation, rapids, start, extents.

    \b
    Examples:
      fabctl preview stool -o stool.png
      fabctl preview drawing.svg -m laser-400 -M acrylic-3 -o drawing.svg
      fabctl preview drawing.svg -o drawing.png          the drawing alone, without a machine
      fabctl preview drawing.nc -o drawing.png
    """
    from fabctl.job.check import load_program
    from fabctl.job.picture import design_scene, plan_scene, program_scene
    from fabctl.preview.draw import draw

    if output != "-" and not output.lower().endswith(PICTURES):
        raise InputError(f"{output!r} is no picture", place="-o", remedy="end its name with .svg or .png")
    if Path(file).suffix.lower() in PROGRAMS:
        scene = program_scene(load_program(Path(file)))
    elif is_job(file) or placing["machine"] or placing["material"]:
        scene = plan_scene(planned(order_from(file, **placing)))
    else:
        scene, said = design_scene(Path(file), placing["units"])
        notes(said)
    whole_file(output, draw(scene, svg=not output.lower().endswith(".png")))
    say(f"drawn: {output}")
