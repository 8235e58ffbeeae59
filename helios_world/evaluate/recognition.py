"""Do words make the place they name? Land and moment of what is seen one second after reset(prompt).

The captions are of the "unseen" split: none of their words was used in training. A classifier fitted on true
frames looks at each frame of the last chunk and the majority counts; its own accuracy on true frames it was
not fitted on stands beside. What fools it: the colours of a place without its things.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from helios_world.evaluate import rollout
from helios_world.evaluate.classifier import SceneClassifier
from helios_world.evaluate.truth import hold
from helios_world.lands.captions import caption
from helios_world.lands.physics import FPS
from helios_world.lands.scene import MOMENTS, Scene, all_scenes, canonical
from helios_world.spec import Frames, World

SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Miss:
    """A caption that became another place: what it meant and what was recognised."""

    caption: str
    meant: str
    seen: str


@dataclass(frozen=True, slots=True)
class RecognitionReport:
    """Shares of the captions in [0, 1]; `classifier` is the classifier's own accuracy on true frames."""

    captions: int
    both: float
    land: float
    moment: float
    classifier: float
    misses: list[Miss]


def captions(rng: np.random.Generator, per_scene: int) -> list[tuple[str, Scene]]:
    """Captions that training has not seen, with what they mean."""
    return [(caption(rng, scene, "unseen"), scene) for scene in all_scenes() for _ in range(per_scene)]


def measure(
    world: World,
    classifier: SceneClassifier,
    accuracy: float,
    given: Sequence[tuple[str, Scene]],
    advance: Callable[[], None] = lambda: None,
) -> RecognitionReport:
    """Start from each caption and wait a second. `accuracy` is the classifier's own."""
    chunks = max(round(SECONDS * FPS / world.spec.frames_per_chunk) - 1, 0)
    seen = []
    for number, (text, _) in enumerate(given):
        frames = rollout.from_prompt(world, text, hold((0, 0, 0), chunks), number)
        seen.append(_majority(classifier, frames[-world.spec.frames_per_chunk :]))
        advance()
    return _report(given, seen, accuracy)


def _majority(classifier: SceneClassifier, frames: Frames) -> Scene:
    lands, moments = classifier.recognise(frames)
    votes = np.bincount(lands * len(MOMENTS) + moments)
    return all_scenes()[int(votes.argmax())]


def _report(given: Sequence[tuple[str, Scene]], seen: Sequence[Scene], accuracy: float) -> RecognitionReport:
    pairs = [(meant, scene) for (_, meant), scene in zip(given, seen, strict=True)]
    both = zip(given, seen, strict=True)
    missed = [Miss(text, canonical(meant), canonical(scene)) for (text, meant), scene in both if meant != scene]
    return RecognitionReport(
        captions=len(given),
        both=float(np.mean([meant == scene for meant, scene in pairs])),
        land=float(np.mean([meant.land == scene.land for meant, scene in pairs])),
        moment=float(np.mean([meant.moment == scene.moment for meant, scene in pairs])),
        classifier=accuracy,
        misses=missed,
    )
