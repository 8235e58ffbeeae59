"""Does the world do as it is told? Which control was held is told from the generated frames alone.

Source: the sign of the response to an action and balanced accuracy (the mean of the recalls), so that no
class counts more for being frequent; standing still is no class and is reported apart. A situation counts
only if the truth moves in it, for nobody can walk through a wall. What fools it: a world that makes the right
motion in the wrong place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from helios_world.evaluate import rollout
from helios_world.evaluate.motion import Motion, estimate
from helios_world.evaluate.pixels import F64
from helios_world.evaluate.truth import I64, Fits, Start, Truth, hold, spread
from helios_world.lands.controls import STRAFE_SPEED, TURN_RATE, WALK_SPEED
from helios_world.lands.physics import FPS
from helios_world.spec import Frames, World

COMMANDS: dict[str, tuple[float, float, float]] = {
    "turn_left": (0, 0, -1),
    "turn_right": (0, 0, 1),
    "forward": (1, 0, 0),
    "back": (-1, 0, 0),
    "strafe_left": (0, -1, 0),
    "strafe_right": (0, 1, 0),
    "nothing": (0, 0, 0),
}
CLASSES = ("turn_left", "turn_right", "forward", "back")
STRAFES = ("strafe_left", "strafe_right")
WAYS = ("forward", "back", *STRAFES)
HELD_CHUNKS = 6
LEAST_WAY = 1.2  # metres the truth must walk for a situation to count
LEAST_SHARE = 0.15  # of the full motion; less is called "nothing"

_FULL_TURN, _FULL_WALK, _FULL_STRAFE = np.radians(TURN_RATE) / FPS, WALK_SPEED / FPS, STRAFE_SPEED / FPS


@dataclass(frozen=True, slots=True)
class Situation:
    """A start and the control that is held from there."""

    start: Start
    command: str


@dataclass(frozen=True, slots=True)
class ControlReport:
    """Shares are in [0, 1].

    Args:
        situations: of the four classes.
        balanced_accuracy: mean over the four classes of the share that is recognised.
        recall: of each class.
        confusion: what each command looked like, as counts; "nothing" is a possible answer.
        strafe_accuracy: share of strafes whose side is recognised.
        still: share of no-ops in which the picture stands still.
        truth_*: the same of the true frames of the same situations: what the estimator can reach.
    """

    situations: int
    balanced_accuracy: float
    recall: dict[str, float]
    confusion: dict[str, dict[str, int]]
    strafe_accuracy: float
    still: float
    truth_balanced_accuracy: float
    truth_strafe_accuracy: float
    truth_still: float


def situations(truth: Truth, rng: np.random.Generator, per_class: int, others: int) -> list[Situation]:
    """`per_class` situations of each class, `others` strafes and `others` no-ops, spread over all scenes."""
    counts = {
        **dict.fromkeys(CLASSES, per_class),
        **dict.fromkeys(STRAFES, -(-others // 2)),
        "nothing": others,
    }
    commands = [command for command, count in counts.items() for _ in range(count)]
    found = []
    for command, count in counts.items():
        found += truth.starts(rng, spread(rng, count), can_go(truth, [command]))
    return [Situation(start, command) for start, command in zip(found, commands, strict=True)]


def can_go(truth: Truth, commands: Sequence[str]) -> Fits:
    """Places from which the truth goes LEAST_WAY metres under each command; turning and standing go anywhere."""

    def fits(states: F64, lands: I64) -> npt.NDArray[np.bool_]:
        free = np.ones(len(states), np.bool_)
        for command in commands:
            if command in WAYS:
                held = np.tile(np.array(COMMANDS[command], np.float32), (len(states), HELD_CHUNKS, 1))
                after, _ = truth.paths(states, lands, held)
                free &= np.hypot(*(after[:, :2] - states[:, :2]).T) >= LEAST_WAY
        return free

    return fits


def measure(
    world: World, truth: Truth, cases: Sequence[Situation], advance: Callable[[], None] = lambda: None
) -> ControlReport:
    """Hold each control for HELD_CHUNKS in the world and in the truth, and compare what is seen."""
    seen, real = [], []
    for number, case in enumerate(cases):
        controls = hold(COMMANDS[case.command], HELD_CHUNKS)
        frames = rollout.from_video(world, case.start, controls, number)
        seen.append(look_at(frames[truth.chunk - 1 :]))
        _, true_frames = truth.rollout(case.start.state, case.start.scene, controls)
        real.append(look_at(np.concatenate([case.start.last[None], true_frames])))
        advance()
    commands = [case.command for case in cases]
    return _report(commands, seen, real)


@dataclass(frozen=True, slots=True)
class Sight:
    """What frames look like: the class that fits best, and the side of a strafe."""

    label: str
    strafe: str


def look_at(frames: Frames) -> Sight:
    """Which of the four classes the frames [T, H, W, 3] show, or "nothing"."""
    motion = estimate(frames)
    turn, walk = motion.turn / _FULL_TURN, motion.forward / _FULL_WALK
    if max(abs(turn), abs(walk)) < LEAST_SHARE:
        label = "nothing"
    elif abs(turn) > abs(walk):
        label = "turn_right" if turn > 0 else "turn_left"
    else:
        label = "forward" if walk > 0 else "back"
    return Sight(label, _side(motion))


def _side(motion: Motion) -> str:
    share = motion.strafe / _FULL_STRAFE
    return "nothing" if abs(share) < LEAST_SHARE else "strafe_right" if share > 0 else "strafe_left"


def _report(commands: Sequence[str], seen: Sequence[Sight], real: Sequence[Sight]) -> ControlReport:
    recall, confusion = _recall(commands, seen)
    true_recall, _ = _recall(commands, real)
    return ControlReport(
        situations=sum(command in CLASSES for command in commands),
        balanced_accuracy=_mean(recall.values()),
        recall=recall,
        confusion=confusion,
        strafe_accuracy=_strafes(commands, seen),
        still=_still(commands, seen),
        truth_balanced_accuracy=_mean(true_recall.values()),
        truth_strafe_accuracy=_strafes(commands, real),
        truth_still=_still(commands, real),
    )


def _recall(commands: Sequence[str], seen: Sequence[Sight]) -> tuple[dict[str, float], dict[str, dict[str, int]]]:
    answers = (*CLASSES, "nothing")
    confusion = {command: dict.fromkeys(answers, 0) for command in CLASSES}
    for command, sight in zip(commands, seen, strict=True):
        if command in confusion:
            confusion[command][sight.label] += 1
    shares = {name: row[name] / max(sum(row.values()), 1) for name, row in confusion.items()}
    return shares, confusion


def _strafes(commands: Sequence[str], seen: Sequence[Sight]) -> float:
    return _mean(s.strafe == c for c, s in zip(commands, seen, strict=True) if c in STRAFES)


def _still(commands: Sequence[str], seen: Sequence[Sight]) -> float:
    pairs = zip(commands, seen, strict=True)
    return _mean(s.label == "nothing" and s.strafe == "nothing" for c, s in pairs if c == "nothing")


def _mean(values: Iterable[float]) -> float:
    listed = [float(value) for value in values]
    return sum(listed) / len(listed) if listed else float("nan")
