"""A recording as a row of frames and what was held while each came about, at any frame rate.

Shapes: T frames, H W pixels, A controls, K chunks, n frames of a chunk.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from helios_world.errors import RecordingError
from helios_world.spec import Frames

F32 = npt.NDArray[np.float32]
_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class Episode:
    """An unbroken piece of play under one prompt.

    Args:
        name: where it is from, such as "walk.mp4#0".
        group: pieces of one recording share it; they are all trained on, or all held out.
        frames: uint8 [T, H, W, 3].
        controls: float32 [T, A], those under which frame t came about. Those of a first frame that nothing led to
            are 0.
        fps: frames per second.
        prompt: what is seen, in words; may be empty.
        still: the first frame is a picture that the play began with, and not yet a chunk.
        fresh: nothing came before. Else what was held before is not known, and taken for what is held at first.
    """

    name: str
    group: str
    frames: Frames
    controls: F32
    fps: float
    prompt: str = ""
    still: bool = True
    fresh: bool = True

    def __post_init__(self) -> None:
        if len(self.frames) != len(self.controls) or len(self.frames) == 0:
            raise RecordingError(f"{self.name}: {len(self.frames)} frames, but controls for {len(self.controls)}")


@dataclass(frozen=True, eq=False)
class Chunked:
    """An episode in chunks: frames uint8 [K n, H, W, 3], controls float32 [K, A] and those of the chunk before."""

    name: str
    group: str
    frames: Frames
    controls: F32
    before: F32
    prompt: str

    @property
    def transitions(self) -> F32:
        """What the model is told, as `ControlMap.transition` has it: [K, 2 A], before and now."""
        return np.concatenate([self.before, self.controls], axis=1)


def resample(episode: Episode, fps: float) -> Episode:
    """The same play at another frame rate.

    A frame is what was on the screen at its time. Its controls are the mean over the time since the frame before it,
    so that what was held for half of that time counts a half.
    """
    if fps == episode.fps:
        return episode
    count = len(episode.frames)
    length = math.floor((count - 1) / episode.fps * fps + _ROUNDING) + 1
    moments = np.arange(length) * (episode.fps / fps)
    shown = np.minimum(np.floor(moments + _ROUNDING).astype(np.int64), count - 1)
    controls = _means(episode.controls, moments)
    return replace(episode, frames=episode.frames[shown], controls=controls, fps=fps)


def chunked(episode: Episode, size: int) -> Chunked:
    """Groups of `size` frames; the controls of a chunk are the mean of its frames'. An unfinished chunk is left out.

    A picture that the play began with becomes a chunk of standing still, as in `World.reset(image=…)`.
    """
    frames, controls = episode.frames, episode.controls
    if episode.still:
        frames = np.concatenate([np.repeat(frames[:1], size - 1, axis=0), frames])
        controls = np.concatenate([np.repeat(controls[:1], size - 1, axis=0), controls])
    count = len(frames) // size
    grouped = controls[: count * size].reshape(count, size, controls.shape[1])
    means = grouped.mean(axis=1, dtype=np.float64).astype(np.float32)
    before = np.concatenate([np.zeros_like(means[:1]) if episode.fresh else means[:1], means[:-1]])
    return Chunked(episode.name, episode.group, frames[: count * size], means, before, episode.prompt)


def _means(controls: F32, moments: npt.NDArray[np.floating[Any]]) -> F32:
    """Of a step function whose piece i lies between the times i - 1 and i, the means between `moments`."""
    sums = np.concatenate([np.zeros((1, controls.shape[1])), np.cumsum(controls[1:], axis=0, dtype=np.float64)])
    times = np.arange(len(sums))
    at = np.stack([np.interp(moments, times, column) for column in sums.T], axis=1)
    means = np.diff(at, axis=0) / np.diff(moments)[:, None]
    return np.concatenate([controls[:1], means.astype(np.float32)])
