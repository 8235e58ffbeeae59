"""How long does the dream stay with the truth? PSNR over time, from the same start and the same inputs.

Time counts from the first frame that is steered; "at 0.5 s" is the mean over the frames of the chunk that
ends then. `margin` is the PSNR minus that of repeating the last true frame, so a frozen world has 0. Inputs
that leave the truth standing still for the first half second are drawn anew: repeating is perfect there. What
fools it: blur is cheaper than a sharp picture a pixel aside; a world that starts from words cannot know where
it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from helios_world.evaluate import rollout
from helios_world.evaluate.pixels import F64, psnr
from helios_world.evaluate.truth import I64, Controls, Start, Truth, spread
from helios_world.lands.physics import FPS
from helios_world.spec import Frames, World

TIMES = (0.5, 1.0, 4.0)  # seconds
LEAST_CHANGE = (0.25, 0.1)  # metres or radians within TIMES[0], or the inputs are drawn anew
MOST_DRAWS = 100

Runner = Callable[[World, Start, Controls, int], Frames]


@dataclass(frozen=True, slots=True)
class Case:
    """A start, inputs [K, 3], and the true frames [K·chunk, H, W, 3] that they give."""

    start: Start
    controls: Controls
    frames: Frames


@dataclass(frozen=True, slots=True)
class FaithfulnessReport:
    """In dB, means over the cases. Lists have an entry per chunk, `at` and `margin_at` one per TIMES."""

    cases: int
    seconds: list[float]
    psnr: list[float]
    repeat: list[float]
    at: dict[str, float]
    margin_at: dict[str, float]


def cases(truth: Truth, rng: np.random.Generator, count: int, seconds: float) -> list[Case]:
    """Random starts and walks, spread over all scenes."""
    return _with_inputs(truth, rng, truth.starts(rng, spread(rng, count)), seconds)


def cases_from_spawn(truth: Truth, rng: np.random.Generator, count: int, seconds: float) -> list[Case]:
    """Walks that begin where a land is entered."""
    return _with_inputs(truth, rng, [truth.gate(scene) for scene in spread(rng, count)], seconds)


def measure(
    world: World,
    truth: Truth,
    given: Sequence[Case],
    run: Runner = rollout.from_video,
    advance: Callable[[], None] = lambda: None,
) -> FaithfulnessReport:
    """Compare the world with the truth; `run` is how it begins: from a video, an image, or words."""
    dream, repeat = [], []
    for number, case in enumerate(given):
        frames = run(world, case.start, case.controls, number)[truth.chunk :]
        dream.append(psnr(frames, case.frames))
        repeat.append(psnr(np.broadcast_to(case.start.last, case.frames.shape), case.frames))
        advance()
    return _report(truth, np.array(dream), np.array(repeat))


def words(world: World, start: Start, controls: Controls, case: int) -> Frames:
    """Begin from the caption of the start's scene."""
    return rollout.from_words(world, start.scene, controls, case)


def _report(truth: Truth, dream: F64, repeat: F64) -> FaithfulnessReport:
    curve = dream.reshape(len(dream), -1, truth.chunk).mean(axis=(0, 2))
    baseline = repeat.reshape(len(repeat), -1, truth.chunk).mean(axis=(0, 2))
    ends = [(i + 1) * truth.chunk / FPS for i in range(len(curve))]
    picked = {f"{time:g} s": int(np.argmin(np.abs(np.array(ends) - time))) for time in TIMES if time <= ends[-1] + 0.01}
    return FaithfulnessReport(
        cases=len(dream),
        seconds=ends,
        psnr=curve.tolist(),
        repeat=baseline.tolist(),
        at={name: float(curve[i]) for name, i in picked.items()},
        margin_at={name: float(curve[i] - baseline[i]) for name, i in picked.items()},
    )


def _with_inputs(truth: Truth, rng: np.random.Generator, starts: Sequence[Start], seconds: float) -> list[Case]:
    chunks = max(round(seconds * FPS / truth.chunk), 1)
    states = np.stack([start.state for start in starts])
    lands = np.array([start.scene.land for start in starts])
    controls = truth.wander(rng, states, lands, chunks)
    for _ in range(MOST_DRAWS):
        idle = np.flatnonzero(~_moves(truth, states, lands, controls))
        if not len(idle):
            break
        controls[idle] = truth.wander(rng, states[idle], lands[idle], chunks)
    pairs = zip(starts, controls, strict=True)
    return [Case(start, rows, truth.rollout(start.state, start.scene, rows)[1]) for start, rows in pairs]


def _moves(truth: Truth, states: F64, lands: I64, controls: Controls) -> npt.NDArray[np.bool_]:
    early = controls[:, : max(round(TIMES[0] * FPS / truth.chunk), 1)]
    change = truth.paths(states, lands, early)[0] - states
    moved: npt.NDArray[np.bool_] = np.hypot(change[:, 0], change[:, 1]) > LEAST_CHANGE[0]
    return moved | (np.abs(change[:, 2]) > LEAST_CHANGE[1])
