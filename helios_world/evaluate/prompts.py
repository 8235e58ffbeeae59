"""What does a changed prompt do, and how soon? A session stands still and is told of another scene.

The words are captions never trained on. `arrived` is the share of the changes after which the last chunk shows the new
scene; `effect_seconds` the median time from the change to the first frame from which on the classifier sees the new
scene (of those that arrived); `begins_seconds` the median time until a tenth of the change has happened. Progress is
the projection of a frame on the line from the last old picture to the last new one, p = <f - a, b - a> / |b - a|².
`largest_step` is the largest jump of p from one frame to the next: a hard cut has 1, the truth's cross-fade over n
chunks 1/n. `backward` is the sum of p's steps backwards: 0 for a fade that never turns.

What fools it: a fade through pictures that are neither scene counts as smooth as long as it goes one way. A world that
does not answer has `arrived` 0 and no times at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from helios_world.evaluate import rollout
from helios_world.evaluate.classifier import SceneClassifier
from helios_world.evaluate.pixels import F64
from helios_world.evaluate.truth import Truth
from helios_world.lands.captions import caption
from helios_world.lands.physics import FPS
from helios_world.lands.scene import LANDS, MOMENTS, Scene, canonical
from helios_world.spec import Chunk, Frames, World

BEFORE_SECONDS, AFTER_SECONDS = 0.5, 3.0
BEGUN = 0.1  # of the way


@dataclass(frozen=True, slots=True)
class Change:
    """From the plainest caption of one scene to an unseen caption of another."""

    before: Scene
    after: Scene
    words: str


@dataclass(frozen=True, slots=True)
class PromptsReport:
    """Medians in seconds (NaN where nothing arrived), means of the rest. `truth_*`: of the ideal cross-fade."""

    changes: int
    arrived: float
    land: float
    moment: float
    begins_seconds: float
    effect_seconds: float
    largest_step: float
    backward: float
    truth_begins_seconds: float
    truth_effect_seconds: float
    truth_largest_step: float


@dataclass(frozen=True, slots=True)
class Fade:
    """Progress of one change over the frames after it, [T], of the dream and of the ideal cross-fade."""

    change: Change
    dream: F64
    truth: F64


def changes(rng: np.random.Generator, count: int) -> list[Change]:
    """Half change the moment only, half the land as well."""
    made = []
    for number in range(count):
        before = Scene(int(rng.integers(len(LANDS))), int(rng.integers(len(MOMENTS))))
        moment = (before.moment + int(rng.integers(1, len(MOMENTS)))) % len(MOMENTS)
        land = before.land if number % 2 else (before.land + int(rng.integers(1, len(LANDS)))) % len(LANDS)
        after = Scene(land, moment)
        made.append(Change(before, after, caption(rng, after, "unseen")))
    return made


def measure(
    world: World,
    truth: Truth,
    classifier: SceneClassifier,
    given: Sequence[Change],
    advance: Callable[[], None] = lambda: None,
) -> tuple[PromptsReport, list[Fade]]:
    """Make each change in the world; the ideal cross-fade has the shares that the world's chunks say they have."""
    rows, fades = [], []
    for number, change in enumerate(given):
        before, chunks = _changed(world, change, number)
        dream = np.concatenate([before, rollout.join(chunks)])
        ideal = np.concatenate([truth_view(truth, change.before), _ideal(truth, change, chunks)])
        fades.append(Fade(change, progress(dream), progress(ideal)))
        sight = _sight(classifier, change, dream[1:], truth.chunk)
        true_sight = _sight(classifier, change, ideal[1:], truth.chunk)
        rows.append((*sight, *_steps(fades[-1].dream), *true_sight, *_steps(fades[-1].truth)))
        advance()
    return _report(np.array(rows, np.float64)), fades


def progress(frames: Frames) -> F64:
    """How far each frame [T, H, W, 3] is on the way from the first to the last: [T]; all 0 if they are equal."""
    flat = frames.reshape(len(frames), -1).astype(np.float64)
    way = flat[-1] - flat[0]
    length = float(way @ way)
    result: F64 = (flat - flat[0]) @ way / length if length > 0 else np.zeros(len(frames))
    return result


def truth_view(truth: Truth, scene: Scene) -> Frames:
    """What one sees where a land is entered, [1, H, W, 3]."""
    return truth.render(truth.spawn(scene)[None, :3], scene)


def _changed(world: World, change: Change, number: int) -> tuple[Frames, list[Chunk]]:
    """The last frame [1, H, W, 3] before the change, and the chunks after it."""
    second = FPS / world.spec.frames_per_chunk
    chunk = world.reset(seed=rollout.FIRST_SEED + number, prompt=canonical(change.before))
    for _ in range(max(round(BEFORE_SECONDS * second), 1)):
        chunk = world.step()
    after = [world.step(prompt=change.words if index == 0 else None) for index in range(round(AFTER_SECONDS * second))]
    return chunk.frames[-1:], after


def _ideal(truth: Truth, change: Change, chunks: Sequence[Chunk]) -> Frames:
    """The cross-fade of both scenes, with the share that each chunk was made with."""
    old, new = (truth_view(truth, scene)[0].astype(np.float64) for scene in (change.before, change.after))
    frames = []
    for chunk in chunks:
        share = sum(part.weight for part in chunk.prompt if part.text == change.words)
        mixed = np.round(old + share * (new - old)).astype(np.uint8)
        frames.append(np.repeat(mixed[None], truth.chunk, axis=0))
    return np.concatenate(frames)


def _sight(classifier: SceneClassifier, change: Change, frames: Frames, chunk: int) -> tuple[float, float, float]:
    """Whether land and moment are right in the end (by majority), and the frame from which on both are."""
    lands, moments = classifier.recognise(frames)
    land, moment = lands == change.after.land, moments == change.after.moment
    wrong = np.flatnonzero(~(land & moment))
    since = 0 if not len(wrong) else int(wrong[-1]) + 1
    arrived = since < len(frames)
    return float(land[-chunk:].mean() > 0.5), float(moment[-chunk:].mean() > 0.5), since if arrived else np.nan


def _steps(way: F64) -> tuple[float, float, float]:
    """The first frame (from 0) with BEGUN of the way, the largest step, and the sum of the steps backwards."""
    steps = np.array([after - before for before, after in pairwise(way)])
    begun = np.flatnonzero(way[1:] >= BEGUN)
    return (float(begun[0]) if len(begun) else np.nan), float(steps.max()), float(-steps[steps < 0].sum())


def _report(rows: F64) -> PromptsReport:
    land, moment, since, begun, step, backward, _, _, true_since, true_begun, true_step, _ = rows.T
    arrived = (land > 0) & (moment > 0)
    return PromptsReport(
        changes=len(rows),
        arrived=float(arrived.mean()),
        land=float(land.mean()),
        moment=float(moment.mean()),
        begins_seconds=_median(begun[arrived]),
        effect_seconds=_median(since[arrived]),
        largest_step=float(step[arrived].mean()) if arrived.any() else float("nan"),
        backward=float(backward[arrived].mean()) if arrived.any() else float("nan"),
        truth_begins_seconds=_median(true_begun),
        truth_effect_seconds=_median(true_since),
        truth_largest_step=float(true_step.mean()),
    )


def _median(frames: F64) -> float:
    known = frames[~np.isnan(frames)]
    return float(np.median(known) / FPS) if len(known) else float("nan")
