"""Measuring sessions counts what it says it counts."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import pytest

import helios_runtime.measure_sessions as measured
from helios_runtime.measure_sessions import WARM_UP, calls, compare, measure_sessions, summarise
from helios_world.errors import ActionError
from helios_world.spec import Action, Chunk, World
from helios_world.testing import PatternWorld


def test_every_number_is_timed_in_every_round() -> None:
    opened: list[World] = []
    done: list[int] = []

    def begin() -> World:
        opened.append(PatternWorld())
        return opened[-1]

    speeds = measure_sessions(begin, counts=(1, 3), rounds=4, done=lambda: done.append(1))
    assert [speed.sessions for speed in speeds] == [1, 3]
    assert len(opened) == 3
    assert len(done) == calls((1, 3), 4)
    steps = 2 * (4 + WARM_UP) + 1
    assert [world.step().index for world in opened] == [2 * steps + 1, steps + 1, steps + 1]


def test_rates_follow_from_the_medians() -> None:
    speed = summarise([(10.0, 20.0), (12.0, 36.0), (50.0, 40.0)], sessions=4, frames=6, difference=2)
    assert (speed.together, speed.alone, speed.times_as_fast, speed.difference) == (12.0, 36.0, 2.0, 2)
    assert speed.together_frames == pytest.approx(2000.0)
    assert speed.alone_frames == pytest.approx(24_000 / 36)


def test_what_a_pass_saves_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    class SlowWorld(PatternWorld):
        def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
            now[0] += 0.005
            return super().step(action, prompt)

    def at_once(worlds: Sequence[World], actions: Sequence[Action], prompts: Sequence[None]) -> list[Chunk]:
        now[0] += 0.005
        return [PatternWorld.step(world, action) for world, action in zip(worlds, actions, strict=True)]  # type: ignore[arg-type]

    monkeypatch.setattr(measured, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(measured, "step_together", at_once)
    (speed,) = measure_sessions(SlowWorld, counts=(4,), rounds=3)
    assert (speed.together, speed.alone, speed.times_as_fast) == pytest.approx((5.0, 20.0, 4.0))
    assert speed.together_frames == pytest.approx(4 * PatternWorld().spec.frames_per_chunk / 0.005)


def test_frames_that_differ_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    worlds = [PatternWorld(), PatternWorld()]
    for world in worlds:
        world.reset()
    assert compare(worlds) == 0
    made = measured.together

    def off(worlds: Sequence[World], actions: Sequence[Action]) -> list[Chunk]:
        return made(worlds, [Action({"turn_left"})] * len(worlds))

    monkeypatch.setattr(measured, "together", off)
    assert compare(worlds) > 0


def test_an_error_of_a_world_is_raised() -> None:
    worlds = [PatternWorld()]
    worlds[0].reset()
    with pytest.raises(ActionError):
        measured.together(worlds, [Action({"fly"})])


@pytest.mark.parametrize(("counts", "rounds"), [((), 1), ((0,), 1), ((1,), 0)])
def test_nothing_to_measure_is_refused(counts: tuple[int, ...], rounds: int) -> None:
    with pytest.raises(ValueError, match="at least one round and one session"):
        measure_sessions(PatternWorld, counts=counts, rounds=rounds)
