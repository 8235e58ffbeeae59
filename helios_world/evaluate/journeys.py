"""Does what one has left come back? There-and-back walks, and leaving a place for longer than the memory lasts.

Three journeys return along their own path: "turn and back", "walk and back" and "leave and return", which looks the
other way for `AWAY_SECONDS` before it turns back. Each frame of the way back that is truly nearer to home than to the
far end is compared with the frame of the way out that was taken from the nearest true pose:

    returned = mean PSNR(back, its twin on the way out)     gain = returned - mean PSNR(back, the frame at the far end)

A frozen picture is its own twin and its own far end: its gain is 0, as is that of noise, of grey, and of a dream that
walks somewhere else. `moved` is how much the dream's own frames change from home to the far end, as a share of the
truth's change (1 as in the truth); `share` is the gain as a share of the truth's own gain. `against_truth` compares the
last frame with the true one. A palindrome is the loop closure of HY-WorldPlay's and WorldMem's revisits (arXiv
2512.14614, 2504.12369) without a pretrained scorer.

What fools it: a dream that goes less far than the truth and comes back from there; `moved` and `against_truth` show it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from helios_world.evaluate import rollout
from helios_world.evaluate.control import can_go
from helios_world.evaluate.pixels import F64, difference, psnr
from helios_world.evaluate.truth import Controls, Start, Truth, hold, spread
from helios_world.lands import physics
from helios_world.lands.physics import FPS
from helios_world.spec import Frames, World

OUT_SECONDS = {"turn and back": 1.5, "walk and back": 1.5, "leave and return": 2.5}
WAYS = {"turn and back": (0.0, 0.0, 1.0), "walk and back": (1.0, 0.0, 0.0), "leave and return": (0.0, 0.0, -1.0)}
AWAY_SECONDS = 4.0  # longer than nano remembers, 3.2 s
COAST = 2  # chunks without input until one has come to rest
RADIAN = 2.0  # metres that count as much as a radian when poses are compared
KINDS = tuple(WAYS)


@dataclass(frozen=True, slots=True)
class Journey:
    """Inputs [K, 3], true poses [1 + T, 3] and true frames [1 + T, H, W, 3], the start's own among them."""

    kind: str
    start: Start
    controls: Controls
    far: int
    poses: F64
    frames: Frames


@dataclass(frozen=True, slots=True)
class JourneyReport:
    """Means over the journeys of one kind: PSNRs and gains in dB, `share` and `moved` as shares of the truth's."""

    journeys: int
    returned: float
    gain: float
    share: float
    moved: float
    against_truth: float
    truth_returned: float
    truth_gain: float


def journeys(truth: Truth, rng: np.random.Generator, per_kind: int, away: float = AWAY_SECONDS) -> list[Journey]:
    """`per_kind` of each kind, spread over the scenes; those that walk begin where there is room."""
    made = []
    for kind in KINDS:
        fits = can_go(truth, ["forward"] if kind == "walk and back" else ["nothing"])
        starts = truth.starts(rng, spread(rng, per_kind), fits)
        made += [_journey(truth, kind, start, away) for start in starts]
    return made


def measure(
    world: World, truth: Truth, given: Sequence[Journey], advance: Callable[[], None] = lambda: None
) -> tuple[dict[str, JourneyReport], list[tuple[Journey, Frames]]]:
    """Report by kind, and each journey with the dream's frames [1 + T, H, W, 3]."""
    rows: dict[str, list[tuple[float, ...]]] = {kind: [] for kind in KINDS}
    dreams = []
    for number, journey in enumerate(given):
        frames = rollout.from_video(world, journey.start, journey.controls, number)[truth.chunk - 1 :]
        rows[journey.kind].append(_row(journey, frames))
        dreams.append((journey, frames))
        advance()
    return {kind: _report(np.array(found)) for kind, found in rows.items() if found}, dreams


def _journey(truth: Truth, kind: str, start: Start, away: float) -> Journey:
    out = round(OUT_SECONDS[kind] * FPS / truth.chunk)
    wait = round(away * FPS / truth.chunk) if kind == "leave and return" else 0
    rest, way = (0.0, 0.0, 0.0), WAYS[kind]
    back = (-way[0], -way[1], -way[2])
    parts = [hold(way, out), hold(rest, COAST + wait), hold(back, out), hold(rest, COAST)]
    controls = np.concatenate(parts)
    _, walked = truth.paths(start.state[None], np.array([start.scene.land]), controls[None])
    poses = np.concatenate([start.state[None, :3], walked[0]])
    frames = np.concatenate([start.last[None], truth.render(walked[0], start.scene)])
    return Journey(kind, start, controls, (out + COAST + wait) * truth.chunk, poses, frames)


def _row(journey: Journey, frames: Frames) -> tuple[float, ...]:
    back, twins = _pairs(journey)
    moved = difference(frames[journey.far], frames[0]) / difference(journey.frames[journey.far], journey.frames[0])
    return (
        *_gain(frames, back, twins, journey.far),
        float(moved),
        float(psnr(frames[-1], journey.frames[-1])),
        *_gain(journey.frames, back, twins, journey.far),
    )


def _gain(frames: Frames, back: list[int], twins: list[int], far: int) -> tuple[float, float]:
    returned = float(psnr(frames[back], frames[twins]).mean())
    return returned, returned - float(psnr(frames[back], frames[[far] * len(back)]).mean())


def _pairs(journey: Journey) -> tuple[list[int], list[int]]:
    """Frames of the way back in the half nearer home, and of each its twin on the way out."""
    back, twins = [], []
    out = journey.poses[: journey.far + 1]
    for index in range(journey.far + 1, len(journey.poses)):
        pose = journey.poses[index]
        if _apart(pose, journey.poses[0]) < _apart(pose, journey.poses[journey.far]):
            back.append(index)
            twins.append(int(np.argmin([_apart(pose, other) for other in out])))
    return back, twins


def _apart(pose: F64, other: F64) -> float:
    """Metres between two poses, a radian of heading counting RADIAN metres."""
    angle = (pose[2] - other[2] + np.pi) % (2 * np.pi) - np.pi
    return float(np.hypot(*(pose[:2] - other[:2])) + RADIAN * abs(angle))


def _report(rows: F64) -> JourneyReport:
    returned, gain, moved, against, true_returned, true_gain = (float(value) for value in rows.mean(axis=0))
    share = gain / max(true_gain, 1e-6)
    return JourneyReport(len(rows), returned, gain, share, moved, against, true_returned, true_gain)


def home_of(journey: Journey) -> float:
    """How far from home, in metres, the truth itself ends: 0 when the way back is the way out."""
    return _apart(journey.poses[-1], physics.at_rest(journey.start.state[None, :3])[0, :3])
