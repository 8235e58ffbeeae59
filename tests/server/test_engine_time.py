"""The engine in simulated time: who is served when, what is waited for, and what is said of it."""

from __future__ import annotations

import heapq
import itertools
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from helios_runtime.server.engine import Engine
from helios_runtime.server.jobs import Close, Open, Outcome, Reset, Step, StepInput, TakeSnapshot
from helios_runtime.server.metrics import Metrics
from helios_world.pending import PendingChunk
from helios_world.spec import NO_ACTION, Action, Chunk, World
from helios_world.testing import PatternWorld, read_code

STEP = 0.1
WAIT = 0.002


class Simulation(Metrics):
    """Time that passes only while the engine waits or a world steps."""

    def __init__(self, **settings: Any) -> None:
        self.now = 100.0
        self.rounds: list[int] = []
        self.prepared: list[float] = []
        self.busy: set[float | None] = set()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self.engine = Engine(
            lambda name: SlowWorld(self),
            **{"batch_wait": WAIT, "metrics": self, "now": self.time, "wait": self.wait, **settings},
        )

    def batch(self, size: int) -> None:
        self.rounds.append(size)

    def time(self) -> float:
        return self.now

    def at(self, time: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._numbers), event))

    def wait(self, changed: threading.Condition, seconds: float | None) -> None:
        following = self._events[0][0] if self._events else math.inf
        until = min(following, math.inf if seconds is None else self.now + seconds)
        assert until < math.inf, "the engine waits, and nothing will ever come"
        self.busy.add(self.engine.busy_since)
        self.pass_time(until - self.now)

    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        while self._events and self._events[0][0] <= until:
            self.now, _, event = heapq.heappop(self._events)
            event()
        self.now = until

    def run(self, seconds: float) -> None:
        ended: list[Outcome] = []
        self.at(self.now + seconds, lambda: self.engine.submit(Close(seat="nobody", done=ended.append)))
        while not ended:
            self.engine.turn()

    def open(self, *seats: str) -> None:
        for seat in seats:
            self.engine.submit(Open(seat=seat, world="slow"))
            self.engine.turn()
            self.engine.submit(Reset(seat=seat, seed=0))
            self.engine.turn()


class SlowWorld(PatternWorld):
    """Takes its time, in the simulation's seconds."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__(height=2, width=16, frames_per_chunk=1)
        self.simulation = simulation

    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        self.simulation.pass_time(STEP)
        return super().step(action, prompt)

    def prepare(self) -> None:
        self.simulation.prepared.append(self.simulation.now)


class Player:
    """Steps again, some seconds after each chunk."""

    def __init__(self, simulation: Simulation, seat: str, pause: float = 0.0005, ahead: int = 1) -> None:
        self.simulation, self.seat, self.pause = simulation, seat, pause
        self.outcomes: list[Outcome] = []
        for _ in range(ahead):
            self.submit()

    def submit(self) -> None:
        self.simulation.engine.submit(Step(seat=self.seat, sample=lambda: StepInput(NO_ACTION), done=self.done))

    def done(self, outcome: Outcome) -> None:
        assert outcome.error is None
        self.outcomes.append(outcome)
        self.simulation.at(self.simulation.now + self.pause, self.submit)


@pytest.fixture
def company(monkeypatch: pytest.MonkeyPatch) -> None:
    """All worlds share a model, whose pass takes as long for many as for one."""

    def together(
        worlds: Sequence[SlowWorld], actions: Sequence[Action | None], prompts: Sequence[str | None]
    ) -> list[PendingChunk]:
        worlds[0].simulation.pass_time(STEP)
        steps = zip(worlds, actions, prompts, strict=True)
        return [PendingChunk.of(PatternWorld.step(world, action, prompt)) for world, action, prompt in steps]

    def groups(worlds: Sequence[World]) -> list[list[int]]:
        return [[*range(len(worlds))]]

    monkeypatch.setattr("helios_runtime.server.engine.begin_together", together)
    monkeypatch.setattr("helios_runtime.server.seats.groups", groups)


def test_a_greedy_session_gets_no_more_than_its_share() -> None:
    play = Simulation()
    play.open(*"abcd")
    greedy = Player(play, "a", pause=0.0, ahead=40)
    others = [Player(play, seat) for seat in "bcd"]
    play.run(20.0)
    counts = [len(player.outcomes) for player in (greedy, *others)]
    assert sum(counts) == pytest.approx(20.0 / STEP, abs=4)
    assert max(counts) - min(counts) <= 1
    waits = [outcome.queue_ms for player in others for outcome in player.outcomes]
    assert max(waits) <= 1e3 * (4 * STEP + WAIT)


def test_a_snapshot_waits_for_no_more_than_the_turns_before_it() -> None:
    play = Simulation()
    play.open(*"abcd")
    for seat in "abc":
        Player(play, seat, ahead=10)
    outcomes: list[Outcome] = []
    play.at(play.now + 1.05, lambda: play.engine.submit(TakeSnapshot(seat="d", done=outcomes.append)))
    play.run(2.0)
    (outcome,) = outcomes
    assert outcome.queue_ms <= 1e3 * 4 * STEP


@pytest.mark.usefixtures("company")
def test_sessions_in_lockstep_come_together() -> None:
    play = Simulation()
    play.open(*"abcde")
    players = [Player(play, seat, pause) for seat, pause in zip("abcd", (0.0003, 0.0008, 0.0011, 0.0017), strict=True)]
    play.at(play.now + 0.03, lambda: players.append(Player(play, "e")))
    play.run(4.0)
    assert set(play.rounds[4:]) == {5}
    assert max(outcome.queue_ms for player in players for outcome in player.outcomes[4:]) <= 1e3 * WAIT


@pytest.mark.usefixtures("company")
def test_who_is_expected_and_never_comes_costs_little_once() -> None:
    play = Simulation()
    play.open(*"ab")
    player, gone = Player(play, "a"), Player(play, "b", pause=0.0005)
    play.run(1.05)
    gone.pause = math.inf
    before = len(player.outcomes)
    play.run(2.0)
    waits = [outcome.queue_ms for outcome in player.outcomes[before + 1 :]]
    assert max(waits) == pytest.approx(1e3 * WAIT)
    assert sum(wait > 0 for wait in waits) == 1


@pytest.mark.usefixtures("company")
def test_nobody_waits_for_players_at_their_own_pace() -> None:
    play = Simulation()
    play.open(*"ab")
    play.now += 1.0
    players = [Player(play, "a", pause=0.35)]
    play.at(play.now + 0.17, lambda: players.append(Player(play, "b", pause=0.35)))
    play.run(5.0)
    assert {outcome.queue_ms for player in players for outcome in player.outcomes} == {0.0}
    assert set(play.rounds) == {1}


@pytest.mark.usefixtures("company")
def test_more_sessions_than_a_round_holds_take_turns() -> None:
    play = Simulation(max_batch=4)
    seats = "abcdefghij"
    play.open(*seats)
    players = [Player(play, seat) for seat in seats]
    play.run(10.0)
    counts = [len(player.outcomes) for player in players]
    assert set(play.rounds[1:]) == {4}
    assert max(counts) - min(counts) <= 1


def test_input_is_sampled_when_the_chunk_begins() -> None:
    play = Simulation()
    play.open(*"ab")
    held: set[str] = set()
    sampled: list[float] = []
    outcomes: list[Outcome] = []

    def sample() -> StepInput:
        sampled.append(play.now)
        return StepInput(Action(held))

    Player(play, "a", pause=math.inf)
    play.engine.submit(Step(seat="b", sample=sample, done=outcomes.append))
    play.at(play.now + 0.9 * STEP, lambda: held.add("forward"))
    play.at(play.now + 1.1 * STEP, lambda: held.add("back"))
    began = play.now
    play.run(3 * STEP)
    assert sampled == [pytest.approx(began + STEP)]
    chunk = outcomes[0].value
    assert isinstance(chunk, Chunk)
    assert read_code(chunk.frames[0]).buttons == {"forward"}


def test_times_are_true() -> None:
    play = Simulation()
    play.open(*"ab")
    seen: list[tuple[float | None, int]] = []
    began = play.now
    players = [Player(play, seat, pause=math.inf) for seat in "ab"]
    for share in (0.5, 1.5):
        play.at(began + share * STEP, lambda: seen.append((play.engine.busy_since, play.engine.queue_length)))
    assert play.engine.busy_since is None
    play.run(3 * STEP)
    assert seen == [(began, 1), (pytest.approx(began + STEP), 0)]
    assert play.engine.busy_since is None
    assert play.busy == {None}
    outcomes = [player.outcomes[0] for player in players]
    assert [outcome.queue_ms for outcome in outcomes] == [pytest.approx(0.0), pytest.approx(1e3 * STEP)]
    assert [outcome.compute_ms for outcome in outcomes] == [pytest.approx(1e3 * STEP)] * 2


def test_worlds_are_prepared_while_nothing_waits() -> None:
    play = Simulation()
    play.open("a")
    began = play.now
    play.engine.submit(Step(seat="a", sample=lambda: StepInput(NO_ACTION)))
    play.engine.submit(Step(seat="a", sample=lambda: StepInput(NO_ACTION)))
    play.run(5 * STEP)
    assert play.prepared == [pytest.approx(began + 2 * STEP)], "once, and not between two steps"
