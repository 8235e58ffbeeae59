"""Which jobs are done next: the policy alone, in made-up time."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helios_runtime.server.batching import JobQueue, Waiting
from helios_runtime.server.jobs import Close, Job, Reset, Step, StepInput, TakeSnapshot
from helios_world.spec import NO_ACTION

PATIENCE = 0.002


def _all(seats: Sequence[str]) -> Sequence[str]:
    return seats


def _step(seat: str) -> Step:
    return Step(seat=seat, sample=lambda: StepInput(NO_ACTION))


def _put(queue: JobQueue, job: Job, now: float) -> Job:
    queue.put(Waiting(job, now))
    return job


def _play(queue: JobQueue, seats: str, now: float) -> None:
    """A chunk for each seat, together."""
    for seat in seats:
        _put(queue, _step(seat), now)
    taken = queue.take()
    assert [entry.job.seat for entry in taken] == list(seats)
    for entry in taken:
        queue.done(entry.job, now, stays=True)


def test_nothing_is_due_while_nothing_waits() -> None:
    queue = JobQueue(8, PATIENCE, _all)
    assert queue.due(1.0) is None
    assert len(queue) == 0


def test_a_step_that_expects_nobody_is_due_at_once() -> None:
    queue = JobQueue(8, PATIENCE, _all)
    _put(queue, _step("a"), 1.0)
    assert queue.due(1.0) == 1.0


def test_other_jobs_are_due_at_once() -> None:
    queue = JobQueue(8, PATIENCE, _all)
    _play(queue, "ab", 1.0)
    _put(queue, TakeSnapshot(seat="a"), 1.0)
    assert queue.due(1.0) == 1.0


def test_a_step_waits_for_one_that_comes_right_back() -> None:
    queue = JobQueue(8, PATIENCE, _all)
    _play(queue, "ab", 1.0)
    _put(queue, _step("a"), 1.0005)
    assert queue.due(1.0005) == 1.0005 + PATIENCE
    _put(queue, _step("b"), 1.001)
    assert queue.due(1.001) == 1.001
    assert [entry.job.seat for entry in queue.take()] == ["a", "b"]


def test_patience_is_counted_once() -> None:
    queue = JobQueue(8, PATIENCE, _all)
    _play(queue, "abc", 1.0)
    _put(queue, _step("a"), 1.0)
    until = queue.due(1.0)
    assert until == 1.0 + PATIENCE
    _put(queue, _step("b"), 1.001)
    assert queue.due(1.0015) == until
    assert queue.due(until) == until


def test_nobody_waits_for_a_player_who_takes_his_time() -> None:
    queue = JobQueue(8, PATIENCE, _all)
    _play(queue, "ab", 1.0)
    _play(queue, "b", 1.16)
    _put(queue, _step("a"), 1.161)
    assert queue.due(1.161) == 1.161, "b paused for 160 ms the last time"


def test_a_player_who_takes_his_time_is_expected_in_time() -> None:
    queue = JobQueue(8, PATIENCE, _all)
    _play(queue, "ab", 1.0)
    _play(queue, "b", 1.16)
    _put(queue, _step("a"), 1.319)
    assert queue.due(1.319) == 1.319 + PATIENCE


def test_nobody_waits_for_the_wrong_company() -> None:
    queue = JobQueue(8, PATIENCE, lambda seats: [seat for seat in seats if seat[0] == seats[0][0]])
    for seat in ("x1", "y1"):
        _put(queue, Reset(seat=seat, seed=1), 1.0)
        queue.done(queue.take()[0].job, 1.0, stays=True)
    _put(queue, _step("x1"), 1.0)
    assert queue.due(1.0) == 1.0
    _put(queue, _step("y1"), 1.0)
    _put(queue, _step("x2"), 1.0)
    assert [entry.job.seat for entry in queue.take()] == ["x1", "x2"]
    assert [entry.job.seat for entry in queue.take()] == ["y1"]


def test_a_full_round_waits_for_nobody() -> None:
    queue = JobQueue(2, PATIENCE, _all)
    _play(queue, "ab", 1.0)
    for seat in ("c", "d", "e"):
        _put(queue, _step(seat), 1.0)
    assert queue.due(1.0) == 1.0
    assert [entry.job.seat for entry in queue.take()] == ["c", "d"]


def test_a_seat_that_is_gone_is_forgotten() -> None:
    queue = JobQueue(8, PATIENCE, _all)
    _play(queue, "ab", 1.0)
    close = _put(queue, Close(seat="b"), 1.0)
    assert queue.take()[0].job is close
    queue.done(close, 1.0, stays=False)
    _put(queue, _step("a"), 1.0)
    assert queue.due(1.0) == 1.0
    assert list(queue._lines) == ["a"]


def test_clear_takes_all_that_wait_and_no_more() -> None:
    queue = JobQueue(8, PATIENCE, _all)
    jobs = [_put(queue, _step(seat), 1.0) for seat in "aab"]
    taken = [entry.job for entry in queue.take()]
    assert taken == [jobs[0], jobs[2]]
    assert [entry.job for entry in queue.clear()] == [jobs[1]]
    assert len(queue) == 0
    assert queue.due(1.0) is None


@pytest.mark.parametrize(("most", "patience"), [(0, 0.0), (1, -0.1), (1, float("inf")), (1, float("nan"))])
def test_settings_that_make_no_sense_are_refused(most: int, patience: float) -> None:
    with pytest.raises(ValueError, match="patience"):
        JobQueue(most, patience, _all)


OPERATIONS = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from(["step", "snapshot", "turn", "turn"])), max_size=80
)


@settings(deadline=None)
@given(operations=OPERATIONS, most=st.integers(1, 4))
def test_every_job_once_in_order_and_in_turn(operations: list[tuple[str, str]], most: int) -> None:
    queue = JobQueue(most, PATIENCE, _all)
    submitted: dict[str, list[Job]] = {}
    served: dict[str, list[Job]] = {}
    passed: dict[str, int] = {}
    now = 1.0

    def turn() -> None:
        taken = [entry.job for entry in queue.take()]
        seats = [job.seat for job in taken]
        assert len(set(seats)) == len(seats) <= most
        assert len(taken) == 1 or all(isinstance(job, Step) for job in taken)
        for job in taken:
            served.setdefault(job.seat, []).append(job)
            queue.done(job, now, stays=True)
        for seat in submitted:
            waits = len(served.get(seat, [])) < len(submitted[seat])
            passed[seat] = passed.get(seat, 0) + 1 if waits and seat not in seats else 0
            assert passed[seat] < 6, "more turns have passed than there are seats"

    for seat, what in operations:
        now += 0.0005
        if what == "turn":
            if len(queue):
                turn()
        else:
            job = _step(seat) if what == "step" else TakeSnapshot(seat=seat)
            submitted.setdefault(seat, []).append(_put(queue, job, now))
    while len(queue):
        turn()
    assert served == submitted
