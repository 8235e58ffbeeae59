"""How long does the dream stay with the truth? PSNR, SSIM and perceptual distance over time, from the same start and
the same inputs.

Time counts from the first frame that is steered; "at 0.5 s" is the mean over the frames of the chunk that ends then
(SSIM and perceptual distance: its last frame). Two baselines stand beside. `repeat` is the last true frame, over and
over: `margin` is the PSNR minus that, so a frozen world has 0. `random` is the same dream told the inputs of another
case: `delta`, the PSNR minus that, is the ΔPSNR of Genie (Bruce et al. 2024, arXiv 2402.15391), and 0 for a world that
does not listen. Inputs that leave the truth standing still for the first half second are drawn anew: repeating is
perfect there. What fools it: PSNR finds blur cheaper than a sharp picture a pixel aside, which is why SSIM and the
perceptual distance stand beside; a world that starts from words cannot know where it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from helios_world.evaluate import perceptual, rollout
from helios_world.evaluate.pixels import F64, psnr
from helios_world.evaluate.ssim import ssim
from helios_world.evaluate.truth import I64, Controls, Start, Truth, spread
from helios_world.lands.physics import FPS
from helios_world.spec import Frames, World

TIMES = (0.5, 1.0, 4.0, 10.0)  # seconds
RANDOM_SECONDS = 4.0  # how long the inputs of another case are followed
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
    """Means over the cases. Lists have an entry per chunk (`random` up to RANDOM_SECONDS), dicts one per TIMES.

    PSNRs, margins and deltas in dB. `delta_at` needs two cases at least.
    """

    cases: int
    seconds: list[float]
    psnr: list[float]
    repeat: list[float]
    random: list[float]
    ssim: list[float]
    ssim_repeat: list[float]
    perceptual: list[float]
    perceptual_repeat: list[float]
    at: dict[str, float]
    margin_at: dict[str, float]
    delta_at: dict[str, float]
    ssim_at: dict[str, float]
    perceptual_at: dict[str, float]


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
    curves = []
    for number, case in enumerate(given):
        frames = run(world, case.start, case.controls, number)[truth.chunk :]
        other = given[(number + 1) % len(given)].controls[: round(RANDOM_SECONDS * FPS / truth.chunk)]
        lost = run(world, case.start, other, number)[truth.chunk :] if len(given) > 1 else frames[:0]
        curves.append(_curves(truth, case, frames, lost))
        advance()
    return _report(truth, {name: np.mean([curve[name] for curve in curves], axis=0) for name in curves[0]}, len(given))


def words(world: World, start: Start, controls: Controls, case: int) -> Frames:
    """Begin from the caption of the start's scene."""
    return rollout.from_words(world, start.scene, controls, case)


def _curves(truth: Truth, case: Case, frames: Frames, lost: Frames) -> dict[str, F64]:
    """Every measure of one case, per chunk: [K]."""
    still = np.broadcast_to(case.start.last, case.frames.shape)
    last = slice(truth.chunk - 1, None, truth.chunk)
    ends, real, same = frames[last], case.frames[last], still[last]
    return {
        "psnr": _per_chunk(psnr(frames, case.frames), truth),
        "repeat": _per_chunk(psnr(still, case.frames), truth),
        "random": _per_chunk(psnr(lost, case.frames[: len(lost)]), truth),
        "ssim": ssim(ends, real),
        "ssim_repeat": ssim(same, real),
        "perceptual": perceptual.distance(ends, real),
        "perceptual_repeat": perceptual.distance(same, real),
    }


def _per_chunk(values: F64, truth: Truth) -> F64:
    means: F64 = values.reshape(-1, truth.chunk).mean(axis=1)
    return means


def _report(truth: Truth, curves: dict[str, F64], count: int) -> FaithfulnessReport:
    ends = [(i + 1) * truth.chunk / FPS for i in range(len(curves["psnr"]))]
    picked = {f"{time:g} s": int(np.argmin(np.abs(np.array(ends) - time))) for time in TIMES if time <= ends[-1] + 0.01}

    def at(values: F64) -> dict[str, float]:
        return {name: float(values[i]) for name, i in picked.items() if i < len(values)}

    told = len(curves["random"])
    return FaithfulnessReport(
        cases=count,
        seconds=ends,
        **{name: curve.tolist() for name, curve in curves.items()},
        at=at(curves["psnr"]),
        margin_at=at(curves["psnr"] - curves["repeat"]),
        delta_at=at(curves["psnr"][:told] - curves["random"]),
        ssim_at=at(curves["ssim"]),
        perceptual_at=at(curves["perceptual"]),
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
