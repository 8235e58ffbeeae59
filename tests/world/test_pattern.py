from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
import pytest

from helios_world.errors import ActionError
from helios_world.snapshot import Snapshot
from helios_world.spec import Action, Chunk, PromptWeight
from helios_world.testing import PatternWorld, check_world, read_code
from helios_world.testing.conformance import ConformanceError


def test_pattern_world_keeps_the_contract() -> None:
    check_world(PatternWorld)


def test_other_sizes_keep_the_contract() -> None:
    check_world(lambda: PatternWorld(height=33, width=47, fps=10, frames_per_chunk=3, blend=1))


def test_frames_say_what_they_are() -> None:
    world = PatternWorld()
    world.reset(seed=2**63 - 1)
    chunk = world.step(Action(buttons={"forward", "turn_left"}, axes={"turn": -1.0}), prompt="a blue floor")
    codes = [read_code(frame) for frame in chunk.frames]
    assert [code.frame for code in codes] == [4, 5, 6, 7]
    assert {code.index for code in codes} == {1}
    assert codes[0].seed == 2**63 - 1
    assert codes[0].buttons == {"forward", "turn_left"}
    assert codes[0].turn == -1.0
    assert codes[0].prompt_crc == zlib.crc32(b"a blue floor")
    assert codes[0].weight == pytest.approx(0.25, abs=0.002)


def test_controls_move_the_floor() -> None:
    world = PatternWorld()
    still = world.reset().frames[-1]
    moved = world.step(Action(buttons={"forward"})).frames[-1]
    assert np.array_equal(still[1:-8], moved[9:])


class _SharedFork(PatternWorld):
    def fork(self) -> PatternWorld:
        return self


class _Unrepeatable(PatternWorld):
    counter = 0

    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        chunk = super().step(action, prompt)
        _Unrepeatable.counter += 1
        chunk.frames[0, 1, 1] = _Unrepeatable.counter
        return chunk


class _Lenient(PatternWorld):
    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        try:
            return super().step(action, prompt)
        except ActionError:
            return super().step(None, prompt)


class _Impatient(PatternWorld):
    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        chunk = super().step(action, prompt)
        return replace(chunk, prompt=(PromptWeight(chunk.prompt[-1].text, 1.0),))


class _Hoarder(PatternWorld):
    def snapshot(self) -> Snapshot:
        state = super().snapshot()
        history = np.zeros(state.meta["index"], np.uint8)
        return replace(state, arrays={**state.arrays, "history": history})


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (_SharedFork, "fork"),
        (_Unrepeatable, "same seed"),
        (_Lenient, "was accepted"),
        (_Impatient, "share"),
        (_Hoarder, "holds"),
    ],
)
def test_broken_worlds_are_found_out(broken: type[PatternWorld], complaint: str) -> None:
    with pytest.raises(ConformanceError, match=complaint):
        check_world(broken)
