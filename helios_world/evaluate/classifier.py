"""A small classifier that tells the sixteen scenes apart by colour, fitted on true frames only.

Features: in each of `BANDS` horizontal bands the square roots of a coarse joint histogram of the colours
(Hellinger scaling), so the heading hardly matters. Classifier: ridge regression on one-hot labels. It is
trained on sharp, blurred and noisy copies, as a dream is never quite sharp. What fools it: the right colours
in the wrong shapes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from helios_world.evaluate.truth import Truth
from helios_world.lands import physics
from helios_world.lands.scene import MOMENTS, Scene, all_scenes
from helios_world.spec import Frames

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

BANDS, LEVELS, RIDGE, NOISE = 4, 5, 1e-2, 4.0


@dataclass(frozen=True, slots=True)
class SceneClassifier:
    """`weights` [features + 1, scenes]."""

    weights: F64

    @classmethod
    def fit(cls, truth: Truth, rng: np.random.Generator, per_scene: int) -> SceneClassifier:
        """Learn from `per_scene` random poses of each scene."""
        frames, labels = true_frames(truth, rng, per_scene)
        noisy = np.clip(frames + rng.normal(0, NOISE, frames.shape), 0, 255).astype(np.uint8)
        inputs = _with_one(features(np.concatenate([frames, _blurred(frames), noisy])))
        targets = np.eye(len(all_scenes()))[np.tile(labels, 3)]
        normal = inputs.T @ inputs + RIDGE * len(inputs) / inputs.shape[1] * np.eye(inputs.shape[1])
        return cls(np.linalg.solve(normal, inputs.T @ targets))

    def recognise(self, frames: Frames) -> tuple[I64, I64]:
        """Lands and moments [N] of frames [N, H, W, 3]."""
        best = (_with_one(features(frames)) @ self.weights).argmax(axis=1)
        return best // len(MOMENTS), best % len(MOMENTS)

    def accuracy(self, frames: Frames, labels: I64) -> float:
        """Share of frames of which both land and moment are right."""
        lands, moments = self.recognise(frames)
        return float((lands * len(MOMENTS) + moments == labels).mean())


def true_frames(truth: Truth, rng: np.random.Generator, per_scene: int) -> tuple[Frames, I64]:
    """Frames from random poses, and the number of their scene (land · 4 + moment)."""
    views = [truth.render(physics.random_poses(rng, np.full(per_scene, s.land)), s) for s in all_scenes()]
    labels = np.repeat([number_of(scene) for scene in all_scenes()], per_scene)
    return np.concatenate(views), labels


def number_of(scene: Scene) -> int:
    return scene.land * len(MOMENTS) + scene.moment


def features(frames: Frames) -> F64:
    """Square roots of colour histograms [N, BANDS·LEVELS³] of frames [N, H, W, 3]."""
    count, height = len(frames), frames.shape[1]
    level = np.minimum((frames.astype(np.int64) * LEVELS) >> 8, LEVELS - 1)
    colour = (level[..., 0] * LEVELS + level[..., 1]) * LEVELS + level[..., 2]
    band = np.minimum(np.arange(height) * BANDS // height, BANDS - 1)[None, :, None]
    size = BANDS * LEVELS**3
    place = (np.arange(count)[:, None, None] * size + band * LEVELS**3 + colour).ravel()
    table = np.bincount(place, minlength=count * size).reshape(count, size)
    result: F64 = np.sqrt(table * BANDS / (frames.shape[1] * frames.shape[2]))
    return result


def _blurred(frames: Frames) -> Frames:
    wide = np.pad(frames.astype(np.float32), ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = frames.shape[1:3]
    shifted = [wide[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    return np.asarray(sum(shifted) / 9, np.uint8)


def _with_one(inputs: F64) -> F64:
    return np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1)
