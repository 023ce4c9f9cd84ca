"""Orders on shipped machines and materials."""

from pathlib import Path

import pytest

from fabctl.job.plan import Order
from fabctl.shop.machine import load_machine
from fabctl.shop.material import load_material


@pytest.fixture
def order():
    """Make an order: design, machine, material, and whatever else."""

    def make(design: Path, machine: str, material: str, **more) -> Order:
        return Order(design, load_machine(machine), load_material(material), design.stem, **more)

    return make
