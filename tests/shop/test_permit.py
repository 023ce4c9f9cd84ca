"""A permit fits one program on one machine as it was described, and nothing else."""

from dataclasses import replace
from hashlib import sha256

import pytest

from fabctl.errors import RefusedError
from fabctl.shop.library import shipped_folder
from fabctl.shop.machine import load_machine, machine_names
from fabctl.shop.permit import Permit, machine_digest

ROUTER = load_machine("router-3018")
PROGRAM = b"G21\nG90\n"
PERMIT = Permit(sha256(PROGRAM).hexdigest(), ROUTER.name, machine_digest(ROUTER))


def test_the_checked_program_may_run_on_the_checked_machine():
    assert PERMIT.demand(sha256(PROGRAM).hexdigest(), ROUTER) is None


@pytest.mark.parametrize(
    ("program", "machine", "said"),
    [
        (b"G21\nG91\n", ROUTER, "not the bytes"),
        (PROGRAM, load_machine("laser-400"), "not for laser-400"),
        (PROGRAM, replace(ROUTER, clearance_mm=6.0), "has changed"),
        (PROGRAM, replace(ROUTER, head=replace(ROUTER.head, max_rpm=9999.0)), "has changed"),
        (PROGRAM, replace(ROUTER, firmware=replace(ROUTER.firmware, words=frozenset({"G0"}))), "has changed"),
    ],
)
def test_anything_else_is_refused(program, machine, said):
    with pytest.raises(RefusedError, match=said):
        PERMIT.demand(sha256(program).hexdigest(), machine)


def test_digests_differ_between_machines_and_not_between_places(tmp_path):
    digests = {machine_digest(load_machine(name)) for name in machine_names()}
    assert len(digests) == len(machine_names())
    copy = tmp_path / "router-3018.toml"
    copy.write_bytes((shipped_folder("machines") / "router-3018.toml").read_bytes())
    assert machine_digest(load_machine(copy)) == machine_digest(ROUTER)
    assert load_machine(copy) == ROUTER
