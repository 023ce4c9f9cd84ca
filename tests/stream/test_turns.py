"""Runs as coroutines: one loop drives several, and nothing waits in a way that blocks the others."""

import pytest

from fabctl.errors import RefusedError
from fabctl.stream.controller import connect
from fabctl.stream.run import Hooks
from fabctl.stream.sender import permitted, send
from fabctl.stream.stops import Cause, EndState, Operator
from fabctl.stream.turns import drive


def drive_all(ports, works):
    """Give each piece of work its turn until all have ended."""
    waits, results = {at: work.send(None) for at, work in enumerate(works)}, {}
    while waits:
        for at in list(waits):
            try:
                waits[at] = works[at].send(ports[at].read(waits[at]))
            except StopIteration as end:
                results[at] = end.value
                del waits[at]
    return results


async def connected(it):
    return await connect(it.port, it.machine)


async def run_on(it, order, link, controller, hooks):
    return await send(link, controller, order, permitted(order), hooks)


def test_one_loop_drives_many_machines_and_each_ends_for_itself(bench, square_job, new_job):
    benches = [bench() for _ in range(4)]
    jobs = [square_job(), new_job().go(5, 5, 0).say("G1X1E5"), square_job(chords=10), square_job()]

    async def whole(it, job):
        return await run_on(it, it.order(job), *await connected(it), it.hooks())

    works = [whole(it, job) for it, job in zip(benches, jobs, strict=True)]
    results = drive_all([it.port for it in benches], works)
    assert [results[at].cause for at in range(4)] == [Cause.DONE, Cause.ERROR, Cause.DONE, Cause.DONE]


def test_several_programs_run_over_one_connection_and_the_board_restarts_once(bench, square_job):
    it = bench()

    async def twice():
        link, controller = await connected(it)
        return [await run_on(it, it.order(square_job()), link, controller, it.hooks()) for _ in range(2)]

    results = drive(it.port, twice())
    assert [result.end_state for result in results] == [EndState.DONE, EndState.DONE]
    assert it.wire.sent.count(b"\x18") == 1


def test_a_machine_that_was_homed_is_not_homed_again_until_its_position_is_in_doubt(bench, new_job, homed):
    it = bench("plywood-router-600x900", options=homed())

    async def runs():
        link, controller = await connected(it)
        told = []
        for last in ("M5", "G1X1E5", "G0X9999"):
            job = new_job().say(last)
            before = it.wire.sent.count(b"$H")
            order = it.order(job, home=None, here_mm=None, legs=())
            result = await run_on(it, order, link, controller, it.hooks())
            told.append((result.cause, it.wire.sent.count(b"$H") - before, link.homed))
        return told

    assert drive(it.port, runs()) == [
        (Cause.DONE, 1, True),
        (Cause.ERROR, 0, True),
        (Cause.ALARM_KNOWN, 0, True),
    ]


def test_no_line_goes_before_its_announcement_is_on_disk(bench, square_job):
    it, job = bench(), square_job()
    asked, allowed = [], [0]

    def sending(number):
        asked.append(number)
        if len(asked) % 3 == 0:
            allowed[0] = number
        return number <= allowed[0]

    result = it.run(job, it.hooks(sending=sending))
    assert result.end_state is EndState.DONE
    assert len(asked) > 2 * len(job.lines)


def test_nothing_moves_before_a_transition_is_on_disk(bench, square_job):
    it = bench()
    pending = {}

    def transition(kind, facts):
        it.told.append((kind, dict(facts)))
        pending[kind] = 3

        def written():
            pending[kind] -= 1
            assert kind != "started" or b"M3S5000" not in it.wire.sent
            return pending[kind] == 0

        return written

    assert it.run(square_job(), Hooks(transition=transition)).end_state is EndState.DONE
    waited_for = {kind for kind, left in pending.items() if left == 0}
    assert waited_for == {"connected", "zeroed", "armed", "started"}


def test_a_person_may_take_time_to_answer_and_the_machine_is_watched_meanwhile(bench, new_job):
    it, polls = bench(), []
    job = new_job().go(5, 0, 0).say("M0").go(0, 0, 0)

    def arm(pause):
        polls.append(it.wire.sent.count(b"?"))
        return None if len(polls) < 20 else True

    assert it.run(job, it.hooks(arm=arm)).end_state is EndState.DONE
    assert polls[-1] - polls[0] >= 5


def test_overrides_asked_for_in_mid_run_are_read_back_and_lost_bytes_are_made_good(bench, square_job, wire):
    lost = [2]

    def down(data, _now):
        if lost[0] and b"\x91" in data:
            lost[0] -= 1
            return data.replace(b"\x91", b"")
        return data

    it = bench(wire=wire(down=down))
    operator, seen = Operator(), []

    def progress(now):
        if now.executed > 10 and not seen:
            seen.append(now)
            operator.override(feed=130, rapid=50)

    assert (
        it.run(square_job(chords=200), it.hooks(operator=operator, progress=progress)).end_state
        is EndState.DONE
    )
    assert operator.wants_overrides == {}
    assert lost == [0]
    ups = [data for way, data in it.wire.log if way == "up" and b"Ov:130,50,100" in data]
    assert ups


def test_a_zero_from_which_the_job_leaves_the_travel_is_refused_before_anything_moves(bench, new_job, homed):
    it = bench("plywood-router-600x900", options=homed())
    job = new_job().go(10, 0, 0).go(10, 500, 0, 900)
    with pytest.raises(RefusedError, match=r"X10\.000 is at 7\.000 on the machine"):
        it.run(job, home=True, here_mm=(0.0, 0.0, 0.0), box_mm=(0, 0, 0, 10, 500, 0))
    assert b"G0X10" not in it.wire.sent


def test_a_box_within_the_travel_is_no_obstacle(bench, new_job, homed):
    it = bench("plywood-router-600x900", options=homed())
    job = new_job().go(-10, 0, 0).go(-10, -50, 0, 900)
    order = {"home": True, "here_mm": (0.0, 0.0, 0.0), "box_mm": (-10, -50, 0, 0, 0, 0)}
    assert it.run(job, **order).end_state is EndState.DONE
