"""LockStep and Rewind: several worlds at the same place, and back to where they were."""

from __future__ import annotations

import numpy as np
import pytest

from helios_runtime.inputs import Sample
from helios_runtime.lockstep import LockStep
from helios_runtime.rewind import Rewind
from helios_world.errors import FrameError, PromptError, RecordingError
from helios_world.spec import Action, Chunk, Frames
from helios_world.testing import PatternWorld, read_code

FORWARD = Sample(Action({"forward"}), changes=(1.0,))


class DeafWorld(PatternWorld):
    """Understands prompts about floors only."""

    def reset(
        self,
        *,
        seed: int = 0,
        prompt: str | None = None,
        image: Frames | None = None,
        video: Frames | None = None,
    ) -> Chunk:
        self._check(prompt)
        return super().reset(seed=seed, prompt=prompt, image=image, video=video)

    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        self._check(prompt)
        return super().step(action, prompt)

    def _check(self, prompt: str | None) -> None:
        if prompt is not None and "floor" not in prompt:
            raise PromptError(f"{prompt!r} is no floor")


class TiredRecorder(PatternWorld):
    """Fails once, the way a recording does when the disk is full."""

    failures = 1

    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        if self.failures:
            self.failures -= 1
            raise RecordingError("the disk is full")
        return super().step(action, prompt)


def test_all_worlds_get_the_same_input() -> None:
    worlds = LockStep([PatternWorld(), PatternWorld()])
    worlds.reset(5, None)
    beat = worlds.step(FORWARD)
    worlds.prepare()
    first, second = beat.chunks
    assert beat.lead is first
    assert beat.changes == (1.0,)
    assert first.action == Action({"forward"})
    np.testing.assert_array_equal(first.frames, second.frames)


def test_the_leading_world_chooses_the_first_prompt_for_all() -> None:
    worlds = LockStep([PatternWorld(), PatternWorld(blend=1)])
    for seed in range(5):
        lead, other = worlds.reset(seed, None).chunks
        assert lead.prompt == other.prompt


def test_a_prompt_that_one_world_refuses_still_reaches_the_others() -> None:
    worlds = LockStep([PatternWorld(blend=1), DeafWorld(blend=1)])
    beat = worlds.reset(0, "the sea")
    assert beat.chunks[0].prompt[0].text == "the sea"
    assert beat.complaints == ("pattern: 'the sea' is no floor",)
    worlds.step(Sample(prompt="a red floor"))
    beat = worlds.step(Sample(prompt="a sky"))
    assert [chunk.prompt[0].text for chunk in beat.chunks] == ["a sky", "a red floor"]
    assert beat.complaints == ("pattern: 'a sky' is no floor",)
    assert worlds.step(Sample()).complaints == ()


def test_a_recording_that_fails_is_told_and_the_step_is_made() -> None:
    worlds = LockStep([TiredRecorder()])
    worlds.reset(0, None)
    beat = worlds.step(FORWARD)
    assert beat.complaints == ("the disk is full",)
    assert beat.lead.index == 1


def test_worlds_of_other_geometry_or_controls_are_refused() -> None:
    with pytest.raises(FrameError, match="height is 32 and not 64"):
        LockStep([PatternWorld(), PatternWorld(height=32)])


def test_a_moment_brings_back_every_world_and_the_picture() -> None:
    worlds = LockStep([PatternWorld(), PatternWorld()])
    worlds.reset(0, None)
    before = worlds.step(FORWARD)
    moment = worlds.moment()
    expected = worlds.step(FORWARD)
    still = worlds.go_to(moment)
    assert moment.index == still.lead.index == 1
    assert still.lead.first_frame == 7
    assert len(still.lead.frames) == 1
    np.testing.assert_array_equal(still.chunks[1].frames[0], before.chunks[1].frames[-1])
    again = worlds.step(FORWARD)
    for mine, theirs in zip(again.chunks, expected.chunks, strict=True):
        np.testing.assert_array_equal(mine.frames, theirs.frames)


def walk(worlds: LockStep, rewind: Rewind, chunks: int) -> None:
    for _ in range(chunks):
        rewind.note(worlds, worlds.step(FORWARD))


def test_each_rewind_goes_further_back() -> None:
    worlds, rewind = LockStep([PatternWorld()]), Rewind(every=4)
    rewind.note(worlds, worlds.reset(9, None))
    walk(worlds, rewind, 10)
    assert [rewind.back(worlds).lead.index for _ in range(4)] == [8, 4, 0, 0]
    walk(worlds, rewind, 3)
    assert rewind.back(worlds).lead.index == 0
    walk(worlds, rewind, 5)
    assert rewind.back(worlds).lead.index == 0
    walk(worlds, rewind, 6)
    chunk = rewind.back(worlds).lead
    assert chunk.index == 4
    assert read_code(chunk.frames[0]).seed == 9


def test_the_ring_is_bounded_and_a_reset_empties_it() -> None:
    worlds, rewind = LockStep([PatternWorld()]), Rewind(every=2, size=5)
    rewind.note(worlds, worlds.reset(0, None))
    walk(worlds, rewind, 40)
    assert len(rewind) == 5
    assert [rewind.back(worlds).lead.index for _ in range(6)] == [38, 36, 34, 32, 32, 32]
    rewind.note(worlds, worlds.reset(1, None))
    assert len(rewind) == 1
    assert rewind.back(worlds).lead.index == 0
