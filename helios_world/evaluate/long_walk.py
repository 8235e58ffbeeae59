"""A minute of wandering from words alone, 1,440 frames: is it still the place, does it still move, do the pictures
wear out?

Of each walk the shares of frames in which the classifier sees the right land, moment, or both; what `drift` says of
brightness, contrast, saturation and sharpness, and of the colours against the first frame; and what `seams` says of
neighbouring frames. What fools it: a dream may wander differently from the truth, so its range of views is not the
truth's; the figures of the true frames stand beside the dream's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from helios_world.evaluate import drift, pixels, rollout, seams
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
STEADY = ("brightness", "contrast", "saturation")
SHOWN = 8  # frames of a walk, for people
VIEWS = 400  # true frames that give a scene's range


@dataclass(frozen=True, slots=True)
class Walk:
    """A scene and inputs [K, 3] for it, with the true frames."""

    scene: Scene
    controls: Controls
    frames: Frames


@dataclass(frozen=True, slots=True)
class Drift:
    """Of one measure on one walk, as in `drift`: slopes per 100 frames, ends in the measure's own unit."""

    slope: float
    truth_slope: float
    ends: float
    truth_ends: float
    excursion: float
    reach: float


@dataclass(frozen=True, slots=True)
class WalkReport:
    """One walk. Shares are of frames or of pairs of frames; `longest_freeze` is in seconds.

    `colours_late`: mean Hellinger distance of the last 15 % of the frames to the first one.
    """

    scene: Scene
    land_share: float
    moment_share: float
    scene_share: float
    freeze_ratio: float
    longest_freeze: float
    seam_ratio: float
    truth_seam_ratio: float
    flicker: float
    truth_flicker: float
    colours_late: float
    truth_colours_late: float
    drift: dict[str, Drift]


@dataclass(frozen=True, slots=True)
class LongWalkReport:
    """All walks: mean shares of frames that are recognised, the worst freeze, mean seam ratios.

    `reach`: the largest of brightness, contrast and saturation on any walk. `ends`: the mean of
    |first 15 % - last 15 %| by measure.
    """

    seconds: float
    land_share: float
    moment_share: float
    scene_share: float
    freeze_ratio: float
    longest_freeze: float
    seam_ratio: float
    truth_seam_ratio: float
    reach: float
    ends: dict[str, float]
    walks: list[WalkReport]


@dataclass(frozen=True, slots=True)
class Curves:
    """For the plots, per chunk: of each measure dream, truth and the truth's range (low, high); SHOWN frames.

    `extremes`: the lowest and highest of the dream's single frames, as `bounds` are of true frames. Means over a chunk
    would hide what flickers within it.
    """

    scene: Scene
    dream: dict[str, F64]
    truth: dict[str, F64]
    bounds: dict[str, tuple[float, float]]
    extremes: dict[str, tuple[float, float]]
    shown: Frames


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


def _walk(truth: Truth, rng: np.random.Generator, scene: Scene, chunks: int) -> Walk:
    state = truth.spawn(scene)
    controls = truth.wander(rng, state[None], np.array([scene.land]), chunks)[0]
    return Walk(scene, controls, truth.rollout(state, scene, controls)[1])


def _curves(truth: Truth, walk: Walk, frames: Frames) -> Curves:
    rng = generator(0, "views")
    views = truth.render(physics.random_poses(rng, np.full(VIEWS, walk.scene.land)), walk.scene)
    known = np.concatenate([views, walk.frames])
    bounds = {name: (float(f(known).min()), float(f(known).max())) for name, f in SERIES.items()}
    seen = {name: (float(f(frames).min()), float(f(frames).max())) for name, f in SERIES.items()}
    shown = frames[np.linspace(0, len(frames) - 1, SHOWN).round().astype(int)]
    return Curves(
        walk.scene, _per_chunk(frames, truth.chunk), _per_chunk(walk.frames, truth.chunk), bounds, seen, shown
    )


def _per_chunk(frames: Frames, chunk: int) -> dict[str, F64]:
    return {name: f(frames).reshape(-1, chunk).mean(axis=1) for name, f in SERIES.items()}


def _report(truth: Truth, classifier: SceneClassifier, walk: Walk, frames: Frames, curves: Curves) -> WalkReport:
    lands, moments = classifier.recognise(frames)
    land, moment = lands == walk.scene.land, moments == walk.scene.moment
    frozen = seams.frozen_pairs(frames, walk.frames)
    return WalkReport(
        scene=walk.scene,
        land_share=float(land.mean()),
        moment_share=float(moment.mean()),
        scene_share=float((land & moment).mean()),
        freeze_ratio=float(frozen.mean()),
        longest_freeze=seams.longest(frozen.tolist()) / FPS,
        seam_ratio=seams.seam_ratio(frames, truth.chunk),
        truth_seam_ratio=seams.seam_ratio(walk.frames, truth.chunk),
        flicker=seams.flicker(frames),
        truth_flicker=seams.flicker(walk.frames),
        colours_late=_colours_late(frames),
        truth_colours_late=_colours_late(walk.frames),
        drift={name: _drift(curves, name, truth.chunk) for name in SERIES},
    )


def _drift(curves: Curves, name: str, chunk: int) -> Drift:
    dream, truth, bounds, per_100 = curves.dream[name], curves.truth[name], curves.bounds[name], 100 / chunk
    extremes = np.array(curves.extremes[name])
    return Drift(
        slope=drift.theil_sen(dream) * per_100,
        truth_slope=drift.theil_sen(truth) * per_100,
        ends=drift.ends(dream),
        truth_ends=drift.ends(truth),
        excursion=drift.excursion(extremes, *bounds),
        reach=drift.reach(extremes, *bounds),
    )


def _colours_late(frames: Frames) -> float:
    late = max(round(drift.END_SHARE * len(frames)), 1)
    return float(drift.histogram_distance(frames[-late:], frames[0]).mean())


def _summary(reports: list[WalkReport], seconds: float) -> LongWalkReport:
    return LongWalkReport(
        seconds=seconds,
        land_share=float(np.mean([r.land_share for r in reports])),
        moment_share=float(np.mean([r.moment_share for r in reports])),
        scene_share=float(np.mean([r.scene_share for r in reports])),
        freeze_ratio=max(r.freeze_ratio for r in reports),
        longest_freeze=max(r.longest_freeze for r in reports),
        seam_ratio=float(np.mean([r.seam_ratio for r in reports])),
        truth_seam_ratio=float(np.mean([r.truth_seam_ratio for r in reports])),
        reach=max(r.drift[name].reach for r in reports for name in STEADY),
        ends={name: float(np.mean([r.drift[name].ends for r in reports])) for name in SERIES},
        walks=reports,
    )
