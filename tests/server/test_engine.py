"""The engine with worlds in its thread: the same frames as without it, and faults that stay where they are."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from helios_runtime.server.engine import Engine
from helios_runtime.server.jobs import (
    Close,
    Fork,
    Job,
    Open,
    Outcome,
    Record,
    Reset,
    Restore,
    Step,
    StepInput,
    TakeSnapshot,
)
from helios_runtime.server.metrics import Metrics
from helios_world.batch import opener
from helios_world.errors import ActionError, HeliosError, RecordingError, SnapshotError, StateError
from helios_world.snapshot import Snapshot
from helios_world.spec import NO_ACTION, Action, Chunk, World, WorldSpec
from helios_world.testing import PatternWorld

LONG = 30.0
ACTIONS = (Action({"forward"}), Action({"back", "turn_left"}), Action(axes={"turn": 0.3}), NO_ACTION)
PROMPTS = (None, "a neon city in fog", "desert ruins at night", None)


class Desk(Metrics):
    """An engine, and its answers as futures."""

    def __init__(self, load: Callable[[str], World], **settings: Any) -> None:
        self.rounds: list[int] = []
        self.engine = Engine(load, metrics=self, **settings)

    def batch(self, size: int) -> None:
        self.rounds.append(size)

    def ask(self, job: Job) -> Future[Outcome]:
        answer: Future[Outcome] = Future()
        self.engine.submit(replace(job, done=answer.set_result))
        return answer

    def ask_at_once(self, *jobs: Job) -> list[Future[Outcome]]:
        """The worker sees all of them before it does any."""
        asked = threading.Event()
        self.engine.submit(Close(seat="nobody", done=lambda outcome: _wait_for(asked)))
        answers = [self.ask(job) for job in jobs]
        asked.set()
        return answers

    def get(self, job: Job) -> Any:
        outcome = self.ask(job).result(LONG)
        if outcome.error is not None:
            raise outcome.error
        return outcome.value

    def begin(self, seat: str, seed: int = 0, **given: Any) -> Chunk:
        assert isinstance(self.get(Open(seat=seat, world="any")), WorldSpec)
        return self.get(Reset(seat=seat, seed=seed, **given))  # type: ignore[no-any-return]

    def step(self, seat: str, action: Action = NO_ACTION, prompt: str | None = None) -> Chunk:
        return self.get(_step(seat, action, prompt))  # type: ignore[no-any-return]


class Gate(PatternWorld):
    """A step waits until the gate is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.opened = threading.Event(), threading.Event()

    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        self.entered.set()
        assert self.opened.wait(LONG)
        return super().step(action, prompt)


def _wait_for(event: threading.Event) -> None:
    assert event.wait(LONG)


def _step(seat: str, action: Action = NO_ACTION, prompt: str | None = None, **given: Any) -> Step:
    return Step(seat=seat, sample=lambda: StepInput(action, prompt), **given)


def _is_equal(one: Chunk, other: Chunk) -> bool:
    parts = ("index", "first_frame", "action", "prompt")
    same = all(getattr(one, part) == getattr(other, part) for part in parts)
    return same and np.array_equal(one.frames, other.frames)


@pytest.fixture(scope="module")
def nano() -> Callable[[], World]:
    return opener("nano", device="cpu", dtype="float32")


@pytest.fixture
def make_desk() -> Iterator[Callable[..., Desk]]:
    desks: list[Desk] = []

    def make(load: Callable[[], World] = PatternWorld, start: bool = True, **settings: Any) -> Desk:
        desk = Desk(lambda name: load(), **settings)
        desks.append(desk)
        if start:
            desk.engine.start()
        return desk

    yield make
    for desk in desks:
        desk.engine.close(LONG)


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk()


def test_together_is_as_alone(nano: Callable[[], World], make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(nano)
    alone = [nano() for _ in ACTIONS]
    for seed, world in enumerate(alone):
        assert _is_equal(desk.begin(f"s{seed}", seed), world.reset(seed=seed))
    for _ in range(4):
        steps = list(zip(range(4), ACTIONS, PROMPTS, strict=True))
        answers = desk.ask_at_once(*(_step(f"s{seed}", action, prompt) for seed, action, prompt in steps))
        for (seed, action, prompt), answer in zip(steps, answers, strict=True):
            chunk = answer.result(LONG).value
            assert isinstance(chunk, Chunk)
            _check_near(chunk, alone[seed].step(action, prompt))
    assert desk.rounds == [4] * 4


def _check_near(one: Chunk, other: Chunk) -> None:
    """Batched kernels of some processors sum in another order."""
    assert (one.index, one.action, one.prompt) == (other.index, other.action, other.prompt)
    assert np.abs(one.frames.astype(int) - other.frames).max() <= 1


def test_an_error_is_that_of_one(nano: Callable[[], World], make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(nano)
    seats = "abcd"
    for seat in seats:
        desk.begin(seat)
    answers = desk.ask_at_once(*(_step(seat, Action({"fly"}) if seat == "b" else NO_ACTION) for seat in seats))
    outcomes = [answer.result(LONG) for answer in answers]
    assert [type(outcome.error) for outcome in outcomes] == [type(None), ActionError, type(None), type(None)]
    assert [desk.step(seat).index for seat in seats] == [2, 1, 2, 2], "its world is as it was"


def test_jobs_of_a_seat_are_done_in_order(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(start=False)
    jobs: list[Job] = [
        Open(seat="a", world="any"),
        Reset(seat="a", seed=3),
        _step("a"),
        TakeSnapshot(seat="a"),
        _step("a"),
        Fork(seat="a", twin="b"),
        Reset(seat="a", seed=4),
        _step("a"),
        Close(seat="a"),
        _step("a"),
    ]
    order: list[Outcome] = []
    for job in jobs:
        desk.engine.submit(replace(job, done=order.append))
    desk.engine.start()
    desk.ask(Close(seat="a")).result(LONG)
    values = [outcome.value for outcome in order]
    assert [value.index for value in values if isinstance(value, Chunk)] == [0, 1, 2, 0, 1]
    assert isinstance(values[3], bytes)
    assert Snapshot.from_bytes(values[3]).meta["index"] == 1
    assert desk.step("b").index == 3
    assert [type(outcome.job) for outcome in order] == [type(job) for job in jobs]
    assert isinstance(order[-1].error, HeliosError)
    assert order[-1].error.code == "unknown_session"


def test_snapshot_restore_and_fork_while_others_step(nano: Callable[[], World], make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(nano)
    stop = threading.Event()
    counts = dict.fromkeys("xyz", 0)

    def walk(seat: str) -> None:
        desk.begin(seat, seed=ord(seat))
        while not stop.is_set():
            counts[seat] = desk.step(seat, ACTIONS[0]).index

    walkers = [threading.Thread(target=walk, args=(seat,)) for seat in counts]
    for walker in walkers:
        walker.start()
    alone = nano()
    alone.reset(seed=5)
    desk.begin("a", 5)
    expected = [alone.step(action) for action in ACTIONS]
    state = b""
    for number, action in enumerate(ACTIONS):
        if number == 2:
            state = desk.get(TakeSnapshot(seat="a"))
            desk.get(Fork(seat="a", twin="b"))
        _check_near(desk.step("a", action), expected[number])
    assert desk.get(Restore(seat="a", state=state)) == 2
    for number in (2, 3):
        _check_near(desk.step("a", ACTIONS[number]), expected[number])
        _check_near(desk.step("b", ACTIONS[number]), expected[number])
    stop.set()
    for walker in walkers:
        walker.join(LONG)
    assert min(counts.values()) > 2
    assert max(desk.rounds) > 1


def test_a_session_comes_back_as_it_was(nano: Callable[[], World], make_desk: Callable[..., Desk]) -> None:
    """Open, Restore and the last job again give the state and the answer that were lost."""
    first = make_desk(nano)
    kept: list[tuple[bytes, StepInput]] = []

    def ahead(state: bytes | None, given: StepInput | None) -> None:
        assert state is not None
        assert given is not None
        kept.append((state, given))

    first.begin("a", 7)
    first.step("a", ACTIONS[0], "fog")
    lost = first.get(_step("a", ACTIONS[1], "snow", ahead=ahead))
    later = first.step("a", ACTIONS[2])
    second = make_desk(nano)
    ((state, given),) = kept
    assert given == StepInput(ACTIONS[1], "snow")
    second.get(Open(seat="a", world="nano"))
    assert second.get(Restore(seat="a", state=state)) == 1
    assert _is_equal(second.get(Step(seat="a", sample=lambda: given)), lost)
    assert _is_equal(second.step("a", ACTIONS[2]), later)


def test_what_is_about_to_be_done_is_told_before(desk: Desk) -> None:
    told: list[tuple[Any, Any]] = []

    def ahead(state: bytes | None, given: StepInput | None) -> None:
        told.append((state and Snapshot.from_bytes(state).meta["index"], given))

    desk.get(Open(seat="a", world="any"))
    desk.get(Reset(seat="a", seed=1, ahead=ahead))
    desk.get(_step("a", ahead=ahead))
    state = desk.get(TakeSnapshot(seat="a"))
    desk.get(Restore(seat="a", state=state, ahead=ahead))
    assert told == [(None, None), (0, StepInput(NO_ACTION)), (1, None)]


def test_what_cannot_be_told_is_not_done(desk: Desk) -> None:
    def ahead(state: bytes | None, given: StepInput | None) -> None:
        raise StateError("the disk is full")

    desk.begin("a")
    with pytest.raises(StateError, match="the disk is full"):
        desk.get(_step("a", ahead=ahead))
    assert desk.step("a").index == 1


class Broken(PatternWorld):
    """Falls apart when it is stepped."""

    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        raise ZeroDivisionError("broken")


def test_a_fault_closes_the_seat_and_no_other(make_desk: Callable[..., Desk]) -> None:
    worlds = iter([PatternWorld(), broken := Broken(), PatternWorld()])
    desk = make_desk(lambda: next(worlds))
    for seat in "abc":
        desk.begin(seat)
    answers = [desk.ask(_step(seat)) for seat in "abbc"]
    outcomes = [answer.result(LONG) for answer in answers]
    assert isinstance(outcomes[1].error, ZeroDivisionError)
    assert isinstance(outcomes[2].error, HeliosError)
    assert outcomes[2].error.code == "unknown_session"
    assert outcomes[0].error is outcomes[3].error is None
    with pytest.raises(StateError, match="closed"):
        broken.snapshot()


def test_a_fault_of_the_input_closes_only_its_seat(desk: Desk) -> None:
    inputs: dict[str, StepInput] = {}
    desk.begin("a")
    desk.begin("b")
    with pytest.raises(KeyError):
        desk.get(Step(seat="a", sample=lambda: inputs["a"]))
    with pytest.raises(HeliosError, match="no session a"):
        desk.step("a")
    assert desk.step("b").index == 1


def test_an_answer_that_is_not_taken_harms_nobody(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    def done(outcome: Outcome) -> None:
        raise OSError("nobody is here")

    desk.begin("a")
    desk.engine.submit(_step("a", done=done))
    assert desk.step("a").index == 2
    assert "was not taken" in caplog.text


@pytest.mark.parametrize(
    ("job", "error"),
    [
        (Open(seat="a", world="any"), StateError),
        (Fork(seat="a", twin="a"), StateError),
        (Restore(seat="a", state=b"nothing"), SnapshotError),
        (_step("a", Action({"fly"})), ActionError),
        (Record(seat="a", on=True), RecordingError),
    ],
)
def test_a_refused_job_changes_nothing(desk: Desk, job: Job, error: type[HeliosError]) -> None:
    desk.begin("a", 3)
    state = desk.get(TakeSnapshot(seat="a"))
    with pytest.raises(error):
        desk.get(job)
    assert desk.get(TakeSnapshot(seat="a")) == state


def test_a_world_that_has_not_begun_says_so(desk: Desk) -> None:
    desk.get(Open(seat="a", world="any"))
    for job in (_step("a"), TakeSnapshot(seat="a"), Fork(seat="a", twin="b")):
        with pytest.raises(StateError, match="reset"):
            desk.get(job)
    assert desk.get(Reset(seat="a", seed=1)).index == 0


def test_closing_a_seat_twice_is_allowed(desk: Desk) -> None:
    desk.begin("a")
    assert desk.get(Close(seat="a")) is None
    assert desk.get(Close(seat="a")) is None
    with pytest.raises(HeliosError, match="no session a"):
        desk.step("a")


def test_a_world_that_cannot_be_opened_takes_no_seat(make_desk: Callable[..., Desk]) -> None:
    errors = iter([ActionError("wrong"), OSError("gone")])

    def load() -> World:
        error = next(errors, None)
        if error is not None:
            raise error
        return PatternWorld()

    desk = make_desk(load)
    for error in (ActionError, OSError):
        with pytest.raises(error):
            desk.get(Open(seat="a", world="any"))
    assert desk.begin("a").index == 0


def test_closing_answers_everything_once(make_desk: Callable[..., Desk]) -> None:
    gate = Gate()
    desk = make_desk(lambda: gate)
    desk.begin("a")
    answers: dict[int, list[Outcome]] = {number: [] for number in range(400)}
    running = desk.ask(_step("a"))
    assert gate.entered.wait(LONG)

    def flood(first: int) -> None:
        for number in range(first, 400, 4):
            seat = f"{'ab'[number % 2]}"
            desk.engine.submit(_step(seat, done=answers[number].append))

    threads = [threading.Thread(target=flood, args=(first,)) for first in range(4)]
    closer = threading.Thread(target=desk.engine.close, args=(LONG,))
    for thread in (*threads[:2], closer, *threads[2:]):
        thread.start()
    gate.opened.set()
    for thread in (*threads, closer):
        thread.join(LONG)
    assert running.result(LONG).error is None
    assert {len(outcomes) for outcomes in answers.values()} == {1}
    desk.engine.close(LONG)
    with pytest.raises(HeliosError, match="about to stop"):
        desk.step("a")
    with pytest.raises(StateError, match="closed"):
        gate.snapshot()


def test_closing_waits_no_longer_than_it_may(make_desk: Callable[..., Desk]) -> None:
    gate = Gate()
    desk = make_desk(lambda: gate)
    desk.begin("a")
    running, waiting = desk.ask(_step("a")), desk.ask(_step("a"))
    assert gate.entered.wait(LONG)
    assert desk.engine.queue_length == 1
    assert desk.engine.busy_since is not None
    desk.engine.close(timeout=0.01)
    assert isinstance(waiting.result(0).error, HeliosError)
    assert not running.done()
    gate.opened.set()
    assert running.result(LONG).error is None


def test_an_engine_that_never_ran_refuses_what_it_was_given(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(start=False)
    answer = desk.ask(Open(seat="a", world="any"))
    desk.engine.close()
    error = answer.result(0).error
    assert isinstance(error, HeliosError)
    assert (error.code, error.retryable) == ("draining", True)


def test_an_engine_that_broke_leaves_nobody_waiting(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("helios_runtime.server.engine.prepare_together", lambda worlds: 1 // 0)
    desk.get(Open(seat="a", world="any"))
    desk.ask_at_once(Reset(seat="a", seed=1))
    desk.engine._thread.join(LONG)
    with pytest.raises(HeliosError, match="about to stop"):
        desk.step("a")
    assert "the engine has stopped" in caplog.text
    assert desk.engine.is_broken


def test_a_fault_of_the_device_ends_the_pass_and_not_the_engine(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.begin("a")
    desk.begin("b")
    with monkeypatch.context() as patch:
        patch.setattr("helios_runtime.server.engine.begin_together", lambda *_: 1 // 0)
        assert isinstance(desk.ask(_step("a")).result(LONG).error, ZeroDivisionError)
    assert desk.get(_step("b")).index == 1
    assert not desk.engine.is_broken


def test_submit_does_not_wait_for_the_device(make_desk: Callable[..., Desk]) -> None:
    gate = Gate()
    desk = make_desk(lambda: gate)
    desk.begin("a")
    desk.ask(_step("a"))
    assert gate.entered.wait(LONG)
    others = [desk.ask(Close(seat="nobody")) for _ in range(100)]
    assert desk.engine.queue_length == 100
    assert not any(other.done() for other in others)
    gate.opened.set()
    wait(others, LONG)
    assert desk.engine.queue_length == 0
