"""From a picture to the moves that burn it: how large, how turned, how fast, where on the stock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np

from fabctl.design.model import Design
from fabctl.errors import RefusedError
from fabctl.geometry.curves import from_paths
from fabctl.job.placing import MARGIN_MM
from fabctl.operations.burn import burn
from fabctl.operations.step import Cuts, Step
from fabctl.shop.job import Placement, Raster
from fabctl.shop.machine import Machine
from fabctl.shop.material import Material
from fabctl.shop.recipe import Overrides, adjusted, recipe
from fabctl.shop.tool import Tool
from fabctl.toolpath.moves import Toolpath
from fabctl.toolpath.raster import overscan_mm

if TYPE_CHECKING:
    from fabctl.design.image import Picture
    from fabctl.operations.burn import Grey

NAME = "raster"


@dataclass(frozen=True)
class Burning:
    """A picture and what a person asks of it, on one machine.

    Parameters
    ----------
    picture : Picture
    wishes : Raster
    machine : Machine
    material : Material
    """

    picture: Picture
    wishes: Raster
    machine: Machine
    material: Material

    def demand_beam(self) -> None:
        """Refuse a head that cannot burn.

        Raises
        ------
        RefusedError
            When it is no laser, or one whose power does not follow its speed.
        """
        head = self.machine.head
        if head.kind != "laser":
            raise RefusedError(
                f"a picture is burnt by a laser; {self.machine.title} has a {head.kind}",
                file=self.picture.source,
                remedy="choose a machine with a laser (fabctl machines), or trace the outlines and save them "
                "as SVG",
            )
        if not head.laser_mode:
            raise RefusedError(
                f"{self.machine.title} stops at every change of its power: a picture would take days",
                file=self.picture.source,
                remedy='set laser_mode = true and on_word = "M4" in its file and $32=1 in its controller',
            )

    def frame(self) -> Design:
        """Return the picture's outline as a drawing, as large as it will be, lower left corner at zero.

        Raises
        ------
        RefusedError
            When nobody says how large it is.
        """
        h, w = self.picture.grey.shape
        told = self.picture.size_mm
        if self.wishes.width_mm is not None:
            ratio = told[1] / told[0] if told else h / w
            width, height = self.wishes.width_mm, self.wishes.width_mm * ratio
        elif told is not None:
            width, height = told
        else:
            raise RefusedError(
                f"a picture of {w} × {h} pixels that does not say how large it is",
                file=self.picture.source,
                remedy="say how wide: --width 80, or width_mm in the job's table [raster]",
            )
        corners = [[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]]
        notes = [note for note in self.picture.notes if note.kind != "size" or self.wishes.width_mm is None]
        outline = from_paths([(corners, None, True)])
        return Design(self.picture.source, outline, [NAME], [""], ["picture"], notes=notes)

    def step(self, tool: Tool, thickness_mm: float) -> Step:
        """Decide feed and power; the frame comes later.

        Parameters
        ----------
        tool : Tool
        thickness_mm : float
            Of the stock.

        Raises
        ------
        RefusedError
            When machine, tool and material do not go together, or a wish is beyond them.
        """
        sheet = replace(self.material, thickness_mm=thickness_mm)
        table = recipe(self.machine, tool, sheet, purpose="engrave")
        feed, power = self.wishes.feed_mm_min, self.wishes.power
        if feed is not None and power is None:
            # as dark at another feed: the energy of a millimetre stays
            power = min(round(table.power * feed / table.feed_mm_min, 4), 1.0)
        settled = adjusted(table, self.machine, tool, Overrides(feed_mm_min=feed, power=power))
        return Step(NAME, NAME, from_paths([]), (), tool, settled, 0.0)

    def placement(self, step: Step) -> Placement:
        """Leave room for the overscan where nobody places the picture.

        Parameters
        ----------
        step : Step
        """
        margin = MARGIN_MM + step.tool.diameter_mm
        wanted = overscan_mm(step.recipe.feed_mm_min, self.machine.acceleration_mm_s2[0])
        return Placement(float(np.ceil(max(margin, wanted))), float(np.ceil(margin)))

    def made(self, step: Step, design: Design, rotation_deg: float) -> tuple[Cuts, Toolpath]:
        """Burn the picture in its frame on the stock.

        Parameters
        ----------
        step : Step
        design : Design
            The frame, placed.
        rotation_deg : float
            How far it was turned.

        Raises
        ------
        RefusedError
            When it is not turned by quarters, there is nothing to burn, or too much.
        """
        quarters, rest = divmod(rotation_deg, 90)
        if rest:
            raise RefusedError(
                f"a picture cannot be turned by {rotation_deg:g}°: its lines run along X",
                file=self.picture.source,
                remedy="turn it by 90, 180 or 270°, or turn it in an image editor first",
            )
        grey = cast("Grey", np.ascontiguousarray(np.rot90(self.picture.grey, int(quarters))))
        placed = replace(step, curves=design.curves, ident=list(design.ident))
        moves, notes = burn(placed, grey, self.wishes, self.machine, self.material.laser)
        toolpath = Toolpath(moves, np.zeros(3), np.zeros(len(moves), np.int64), [step.name], [step.tool.name])
        return Cuts(placed, [], notes), toolpath
