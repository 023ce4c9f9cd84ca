"""Stock: the piece that lies on the machine."""

from __future__ import annotations

from dataclasses import dataclass

from fabctl.errors import InputError
from fabctl.shop.material import Material


@dataclass(frozen=True, slots=True)
class Stock:
    """One piece of a material; work zero is its lower left corner, Z0 its top.

    Parameters
    ----------
    material : Material
        What it is made of.
    width_mm, height_mm : float
        Along X and Y.
    thickness_mm : float
        As measured on this piece.
    """

    material: Material
    width_mm: float
    height_mm: float
    thickness_mm: float

    @property
    def mass_kg(self) -> float:
        """Mass of the whole piece, kg."""
        return self.width_mm * self.height_mm * self.thickness_mm * self.material.density_kg_m3 * 1e-9


def stock_of(
    material: Material, width_mm: float, height_mm: float, thickness_mm: float | None = None
) -> Stock:
    """Return a piece of a material, as thick as its sheet unless measured otherwise.

    Parameters
    ----------
    material : Material
        What it is made of.
    width_mm, height_mm : float
        Along X and Y, more than 0.
    thickness_mm : float, optional
        As measured; must lie within half and twice the material's, else it is another material.

    Raises
    ------
    InputError
        When a size is not positive or the thickness is not this material's.
    """
    thick = material.thickness_mm if thickness_mm is None else thickness_mm
    for name, value in (("width", width_mm), ("height", height_mm)):
        if not 0 < value <= 100_000:
            raise InputError(
                f"stock of {value} mm {name}", remedy="give the size of the sheet in mm, more than 0"
            )
    if not material.thickness_mm / 2 <= thick <= material.thickness_mm * 2:
        raise InputError(
            f"stock {thick} mm thick, but {material.title} is {material.thickness_mm:g} mm",
            remedy="choose the material of this thickness (`fabctl materials`), or correct the thickness",
        )
    return Stock(material, width_mm, height_mm, thick)
