"""Frame rates and chunks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios_world.data.episodes import Episode, chunked, resample
from helios_world.errors import RecordingError


def episode(count: int, fps: float = 10.0, still: bool = True, fresh: bool = True, seed: int = 0) -> Episode:
    frames = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 2, 2, 3)).copy()
    controls = np.random.default_rng(seed).uniform(-1, 1, (count, 2)).astype(np.float32)
    controls[0] = 0
    return Episode("e", "g", frames, controls, fps, still=still, fresh=fresh)


def numbers(found: Episode) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in found.frames]


@given(count=st.integers(1, 60), rates=st.tuples(st.integers(1, 60), st.integers(1, 60)))
def test_resampling_shows_what_was_on_the_screen(count: int, rates: tuple[int, int]) -> None:
    before, after = rates
    found = resample(episode(count, before), after)
    assert numbers(found) == [k * before // after for k in range(len(found.frames))]
    assert (len(found.frames) - 1) / after <= (count - 1) / before + 1e-9 < len(found.frames) / after


@given(count=st.integers(2, 40), rates=st.tuples(st.integers(1, 30), st.integers(1, 30)), seed=st.integers(0, 99))
def test_resampled_controls_are_means_over_time(count: int, rates: tuple[int, int], seed: int) -> None:
    """Against a sum over small slices of time; no control is lost or leaves the range of those it is made of."""
    before, after = rates
    given_episode = episode(count, before, seed=seed)
    found = resample(given_episode, after)
    slices = before * after
    fine = np.repeat(given_episode.controls[1:], slices // before, axis=0)
    for k in range(1, len(found.frames)):
        own = fine[(k - 1) * slices // after : k * slices // after]
        np.testing.assert_allclose(found.controls[k], own.mean(axis=0), atol=1e-4)
    assert (found.controls[0] == 0).all()


@given(count=st.integers(1, 30), factor=st.integers(1, 5))
def test_a_faster_rate_and_back_is_the_same(count: int, factor: int) -> None:
    given_episode = episode(count)
    back = resample(resample(given_episode, 10.0 * factor), 10.0)
    assert numbers(back) == numbers(given_episode)
    np.testing.assert_allclose(back.controls, given_episode.controls, atol=1e-5)


@given(count=st.integers(1, 40), size=st.integers(1, 6), still=st.booleans(), fresh=st.booleans())
def test_chunks(count: int, size: int, still: bool, fresh: bool) -> None:
    found = chunked(episode(count, still=still, fresh=fresh), size)
    chunks = len(found.controls)
    assert len(found.frames) == chunks * size
    assert chunks == (count + (size - 1) * still) // size
    if chunks and still:
        assert {int(frame[0, 0, 0]) for frame in found.frames[:size]} == {0}
        assert (found.controls[0] == 0).all()
    if chunks > 1:
        np.testing.assert_array_equal(found.before[1:], found.controls[:-1])
    if chunks and not fresh:
        np.testing.assert_array_equal(found.before[0], found.controls[0])
    assert found.transitions.shape == (chunks, 4)


def test_a_held_control_counts_in_full() -> None:
    given_episode = episode(9)
    given_episode.controls[1:] = 1.0
    assert (chunked(given_episode, 4).controls == [[0, 0], [1, 1], [1, 1]]).all()


def test_lengths_that_differ_are_an_error() -> None:
    with pytest.raises(RecordingError, match="3 frames, but controls for 2"):
        Episode("e", "g", np.zeros((3, 2, 2, 3), np.uint8), np.zeros((2, 1), np.float32), 10.0)
