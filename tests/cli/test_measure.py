"""Measuring counts what it says it counts."""

from __future__ import annotations

import numpy as np
import pytest

from helios_runtime.measure import TIMED, WARM_UP, action_cycle, live_bytes, measure
from helios_world.spec import NO_ACTION, Action, ActionSpec, Axis, Button, Chunk
from helios_world.testing import PatternWorld


class HoardingWorld(PatternWorld):
    """Keeps a kibibyte per step, as no world may."""

    def __init__(self) -> None:
        super().__init__()
        self.hoard: list[np.ndarray] = []

    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        self.hoard.append(np.zeros(1024, np.uint8))
        return super().step(action, prompt)


def test_all_chunks_are_made_and_at_most_200_timed() -> None:
    made = []
    speed = measure(PatternWorld(), chunks=WARM_UP + TIMED + 5, done=lambda: made.append(1))
    assert len(made) == WARM_UP + TIMED + 5
    assert speed.times.chunks == TIMED
    assert [held.after_chunks for held in speed.held] == [WARM_UP, WARM_UP + TIMED + 5]


def test_rates_follow_from_the_median() -> None:
    world = PatternWorld()
    speed = measure(world, chunks=30)
    assert speed.times.chunks == 10
    assert speed.frames_per_second == pytest.approx(1000 * world.spec.frames_per_chunk / speed.times.chunk)
    assert speed.realtime == pytest.approx(speed.frames_per_second / world.spec.fps)


def test_a_world_that_keeps_nothing_holds_the_same() -> None:
    first, last = measure(PatternWorld(), chunks=60).held
    assert last.state == first.state > 0
    assert last.arrays == first.arrays


def test_a_world_that_hoards_is_found_out() -> None:
    first, last = measure(HoardingWorld(), chunks=60).held
    assert last.arrays - first.arrays == 40 * 1024


def test_live_bytes_counts_arrays_and_tensors_once() -> None:
    torch = pytest.importorskip("torch")
    before = live_bytes()
    arrays = [np.zeros(5000, np.uint8)]
    arrays.append(arrays[0][100:])
    tensors = [torch.zeros(1000, dtype=torch.float32)]
    tensors.append(tensors[0].view(10, 100))
    assert live_bytes() - before == arrays[0].nbytes + 4 * tensors[0].numel()


def test_too_few_chunks_are_refused() -> None:
    with pytest.raises(ValueError, match=r"chunks is 20; more than the 20"):
        measure(PatternWorld(), chunks=WARM_UP)


def test_the_actions_cover_every_control() -> None:
    spec = ActionSpec((Button("jump", "jump"),), (Axis("turn", "turn", "turns", -1.0, 4.0),))
    assert action_cycle(spec) == (NO_ACTION, Action({"jump"}), Action(axes={"turn": 2.0}))
