"""A minute of wandering from words alone: is it still the place, does it still move, do the pictures wear
out?

Drift: Theil-Sen slope (median of all pairwise slopes; Theil 1950, Sen 1968) per 100 frames of each measure of
`pixels`, and the largest excursion outside the range that true frames of the scene have, as a share of that
range: a drift that comes back would not show in a slope. Freeze: pairs of frames that hardly differ while the
truth moves. Seam ratio: change across chunk borders over change within chunks, 1 is seamless. Flicker: (255 -
mean absolute difference) / 255, 1 is a still. What fools it: a dream may wander differently from the truth,
so its range of views is not the truth's; the slopes of the true frames stand beside the dream's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from helios_world.evaluate import pixels, rollout
from helios_world.evaluate.classifier import SceneClassifier
from helios_world.evaluate.pixels import F64
from helios_world.evaluate.truth import Controls, Truth, generator
from helios_world.lands import physics
from helios_world.lands.physics import FPS
from helios_world.lands.scene import Scene
from helios_world.spec import Frames, World

SERIES: Mapping[str, Callable[[Frames], F64]] = {
    "brightness": pixels.brightness,
    "contrast": pixels.contrast,
    "saturation": pixels.saturation,
    "sharpness": pixels.sharpness,
}
SCENES = (Scene(0, 0), Scene(1, 1), Scene(2, 3), Scene(3, 2))
FROZEN, MOVING = 0.25, 1.0  # grey levels of mean change: at most, in the dream; at least, in the truth
VIEWS = 400  # true frames that give a scene's range


@dataclass(frozen=True, slots=True)
class Walk:
    """A scene and inputs [K, 3] for it, with the true frames."""

    scene: Scene
    controls: Controls
    frames: Frames


@dataclass(frozen=True, slots=True)
class Drift:
    """Of one measure on one walk: slopes per 100 frames; excursion as a share of the truth's range."""

    slope: float
    truth_slope: float
    excursion: float


@dataclass(frozen=True, slots=True)
class WalkReport:
    """One walk. Shares are of frames or of pairs of frames; `longest_freeze` is in seconds."""

    scene: Scene
    land_share: float
    moment_share: float
    freeze_ratio: float
    longest_freeze: float
    seam_ratio: float
    truth_seam_ratio: float
    flicker: float
    truth_flicker: float
    drift: dict[str, Drift]


@dataclass(frozen=True, slots=True)
class LongWalkReport:
    """All walks: mean shares of frames that are recognised, the worst freeze, the mean seam ratio."""

    seconds: float
    land_share: float
    moment_share: float
    freeze_ratio: float
    longest_freeze: float
    seam_ratio: float
    walks: list[WalkReport]


@dataclass(frozen=True, slots=True)
class Curves:
    """For the plot: of each measure the dream, the truth and the truth's range (low, high), per chunk."""

    scene: Scene
    dream: dict[str, F64]
    truth: dict[str, F64]
    bounds: dict[str, tuple[float, float]]


def walks(truth: Truth, rng: np.random.Generator, seconds: float) -> list[Walk]:
    """One walk in each land, each at another moment."""
    return [_walk(truth, rng, scene, round(seconds * FPS / truth.chunk)) for scene in SCENES]


def measure(
    world: World,
    truth: Truth,
    classifier: SceneClassifier,
    given: Sequence[Walk],
    advance: Callable[[], None] = lambda: None,
) -> tuple[LongWalkReport, list[Curves]]:
    """Take each walk in the world, beginning from its caption."""
    reports, curves = [], []
    for number, walk in enumerate(given):
        frames = rollout.from_words(world, walk.scene, walk.controls, number)[truth.chunk :]
        curves.append(_curves(truth, walk, frames))
        reports.append(_report(truth, classifier, walk, frames, curves[-1]))
        advance()
    return _summary(reports, len(given[0].frames) / FPS), curves


def theil_sen(values: F64) -> float:
    """Median slope per step over all pairs of values [N], N ≥ 2."""
    i, j = np.triu_indices(len(values), 1)
    return float(np.median((values[j] - values[i]) / (j - i)))


def frozen_pairs(frames: Frames, reference: Frames) -> npt.NDArray[np.bool_]:
    """Of each pair of neighbours [T - 1]: the frames stand still while the reference moves."""
    still = pixels.difference(frames[1:], frames[:-1]) < FROZEN
    moving = pixels.difference(reference[1:], reference[:-1]) > MOVING
    frozen: npt.NDArray[np.bool_] = still & moving
    return frozen


def seam_ratio(frames: Frames, chunk: int) -> float:
    """Mean change across the borders of chunks over the mean change inside them; 1 if nothing changes."""
    change = pixels.difference(frames[1:], frames[:-1])
    border = np.arange(1, len(frames)) % chunk == 0
    inside = change[~border].mean() if (~border).any() else 0.0
    return float(change[border].mean() / inside) if inside > 0 else 1.0


def _walk(truth: Truth, rng: np.random.Generator, scene: Scene, chunks: int) -> Walk:
    state = truth.spawn(scene)
    controls = truth.wander(rng, state[None], np.array([scene.land]), chunks)[0]
    return Walk(scene, controls, truth.rollout(state, scene, controls)[1])


def _curves(truth: Truth, walk: Walk, frames: Frames) -> Curves:
    rng = generator(0, "views")
    views = truth.render(physics.random_poses(rng, np.full(VIEWS, walk.scene.land)), walk.scene)
    known = np.concatenate([views, walk.frames])
    bounds = {name: (float(f(known).min()), float(f(known).max())) for name, f in SERIES.items()}
    return Curves(walk.scene, _per_chunk(frames, truth.chunk), _per_chunk(walk.frames, truth.chunk), bounds)


def _per_chunk(frames: Frames, chunk: int) -> dict[str, F64]:
    return {name: f(frames).reshape(-1, chunk).mean(axis=1) for name, f in SERIES.items()}


def _report(truth: Truth, classifier: SceneClassifier, walk: Walk, frames: Frames, curves: Curves) -> WalkReport:
    lands, moments = classifier.recognise(frames)
    frozen = frozen_pairs(frames, walk.frames)
    return WalkReport(
        scene=walk.scene,
        land_share=float((lands == walk.scene.land).mean()),
        moment_share=float((moments == walk.scene.moment).mean()),
        freeze_ratio=float(frozen.mean()),
        longest_freeze=_longest(frozen.tolist()) / FPS,
        seam_ratio=seam_ratio(frames, truth.chunk),
        truth_seam_ratio=seam_ratio(walk.frames, truth.chunk),
        flicker=_flicker(frames),
        truth_flicker=_flicker(walk.frames),
        drift={name: _drift(curves, name, truth.chunk) for name in SERIES},
    )


def _drift(curves: Curves, name: str, chunk: int) -> Drift:
    low, high = curves.bounds[name]
    values = curves.dream[name]
    outside = max(low - values.min(), values.max() - high, 0.0)
    per_100 = 100 / chunk
    return Drift(
        theil_sen(values) * per_100,
        theil_sen(curves.truth[name]) * per_100,
        float(outside / max(high - low, 1e-6)),
    )


def _flicker(frames: Frames) -> float:
    return float((255 - pixels.difference(frames[1:], frames[:-1]).mean()) / 255)


def _longest(flags: Sequence[bool]) -> int:
    longest = run = 0
    for flag in flags:
        run = run + 1 if flag else 0
        longest = max(longest, run)
    return longest


def _summary(reports: list[WalkReport], seconds: float) -> LongWalkReport:
    return LongWalkReport(
        seconds=seconds,
        land_share=float(np.mean([r.land_share for r in reports])),
        moment_share=float(np.mean([r.moment_share for r in reports])),
        freeze_ratio=max(r.freeze_ratio for r in reports),
        longest_freeze=max(r.longest_freeze for r in reports),
        seam_ratio=float(np.mean([r.seam_ratio for r in reports])),
        walks=reports,
    )
