"""The journal behind a real run of the sender on the virtual controller."""

import hashlib

import pytest

from fabctl.record.journal import Journal, last_certain, read_journal
from fabctl.shop.machine import load_machine
from fabctl.shop.permit import Permit, machine_digest
from fabctl.sim.port import SimPort
from fabctl.stream.leg import Leg
from fabctl.stream.run import Hooks, Order
from fabctl.stream.sender import run
from fabctl.stream.stops import EndState

COUNT = 300


@pytest.fixture
def order():
    machine = load_machine("router-3018")
    ends = [(0.2 * n, 0.1 * (n % 3), 0.0) for n in range(1, COUNT + 1)]
    text = "".join(f"G1X{x:.3f}Y{y:.3f}F900\n" for x, y, _ in ends).encode()
    permit = Permit(hashlib.sha256(text).hexdigest(), machine.name, machine_digest(machine))
    legs = tuple(Leg(n, end) for n, end in enumerate(ends, 1))
    return Order(text, machine, permit, legs, here_mm=(0.0, 0.0, 0.0), check_first=True)


def test_a_whole_run_is_journalled_as_done(order, tmp_path):
    port = SimPort(order.machine.settings())
    journal = Journal(tmp_path, port.clock_s)
    hooks = Hooks(transition=journal.transition, progress=journal.progress, sending=journal.sending)
    assert run(port, order, hooks).end_state is EndState.DONE
    journal.close()
    certain = last_certain(tmp_path)
    assert (certain.end_state, certain.at_least, certain.at_most) == ("done", COUNT, COUNT)
    kinds = [record["kind"] for record in read_journal(tmp_path).records]
    assert [kind for kind in kinds if kind not in {"progress", "ahead"}] == [
        "connected",
        "zeroed",
        "checked",
        "armed",
        "started",
        "end",
    ]


def test_law_wherever_the_sender_dies_the_journal_bounds_what_was_sent(order, tmp_path):
    """At every progress report: at least ≤ what the machine has made, and no line beyond at most was sent."""
    port = SimPort(order.machine.settings())
    journal = Journal(tmp_path, port.clock_s)

    def progress(now):
        journal.progress(now)
        if now.checking:
            return
        certain = last_certain(tmp_path)
        assert certain.at_least <= now.executed
        assert now.sent <= certain.at_most
        assert certain.end_state in {"crashed", "done"}

    hooks = Hooks(transition=journal.transition, progress=progress, sending=journal.sending)
    assert run(port, order, hooks).end_state is EndState.DONE
    journal.close()
