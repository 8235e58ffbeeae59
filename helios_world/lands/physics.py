"""How one moves: inertia, landmarks that cannot be walked through, and the edge of the yard. Batched, one tick a frame.

A state is a row (x, y, heading, speed forward, speed to the right, turn rate): metres, radians, metres per second,
radians per second. All functions are pure.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from helios_world.lands.controls import STRAFE_SPEED, TURN_RATE, WALK_SPEED
from helios_world.lands.maps import ALL_LANDS, CLEARANCE, REACH, WALL

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

FPS = 24
STATE_SIZE = 6
_PUSHES = 40  # rounds at most, to get out of landmarks that stand close together
_EASE_WALK, _EASE_TURN = 0.35, 0.5  # share of the gap to the wanted speed that is closed in a frame


@lru_cache(maxsize=1)
def obstacles() -> F64:
    """Circles one cannot enter: [lands, N, 3] (x, y, radius); unused rows have a negative radius."""
    inside = [[m for m in land.landmarks if max(abs(m.x), abs(m.y)) < WALL] for land in ALL_LANDS]
    table = np.full((len(ALL_LANDS), max(map(len, inside)), 3), -1.0)
    for row, landmarks in zip(table, inside, strict=True):
        for entry, m in zip(row, landmarks, strict=False):
            wide = 1.25 if m.shape == "box" else 1.0
            entry[:] = m.x, m.y, m.radius * wide + CLEARANCE
    return table


def at_rest(poses: F64) -> F64:
    """States [N, 6] that stand still at poses [N, 3]."""
    return np.concatenate([poses, np.zeros((len(poses), STATE_SIZE - 3))], axis=1)


def spawn_pose(land: int) -> F64:
    """Where a land is entered: [3]."""
    return np.array(ALL_LANDS[land].spawn)


def random_poses(rng: np.random.Generator, lands: I64) -> F64:
    """Free places with any heading: [N, 3]."""
    places = rng.uniform(-REACH, REACH, (len(lands), 2))
    places = keep_out(places, lands)
    return np.concatenate([places, rng.uniform(-np.pi, np.pi, (len(lands), 1))], axis=1)


def keep_out(places: F64, lands: I64) -> F64:
    """Places [N, 2] moved out of the landmarks and back into the yard."""
    circles = obstacles()[lands]
    places = np.clip(places, -REACH, REACH)
    for _ in range(_PUSHES):
        inside = np.flatnonzero(_is_inside(places, circles).any(axis=1))
        if len(inside) == 0:
            break
        moved, near = places[inside], circles[inside]
        for i in range(circles.shape[1]):
            moved = _slide_along_edge(_push_out(moved, near[:, i]), near[:, i])
        places[inside] = moved
    return places


def _is_inside(places: F64, circles: F64) -> npt.NDArray[np.bool_]:
    """Whether places [N, 2] are inside their circles [N, M, 3]: [N, M]."""
    offset = places[:, None] - circles[..., :2]
    inside: npt.NDArray[np.bool_] = np.hypot(offset[..., 0], offset[..., 1]) < circles[..., 2] - 1e-9
    return inside


def _push_out(places: F64, circles: F64) -> F64:
    """Places inside a circle, moved away from its middle, but not out of the yard."""
    offset = places - circles[:, :2]
    distance = np.maximum(np.hypot(offset[:, 0], offset[:, 1]), 1e-6)
    inside = distance < circles[:, 2] - 1e-9
    pushed = circles[:, :2] + offset * (circles[:, 2] / distance)[:, None]
    return np.where(inside[:, None], np.clip(pushed, -REACH, REACH), places)


def _slide_along_edge(places: F64, circles: F64) -> F64:
    """Places on the yard's edge that are still inside a circle, moved along the edge until they touch it."""
    offset = places - circles[:, :2]
    inside = (circles[:, 2] > 0) & (np.hypot(offset[:, 0], offset[:, 1]) < circles[:, 2] - 1e-9)
    axis = np.where(np.abs(places[:, 1]) >= REACH, 0, 1)
    rows = np.arange(len(places))
    reach = np.sqrt(np.maximum(circles[:, 2] ** 2 - offset[rows, 1 - axis] ** 2, 0.0))
    moved = places.copy()
    moved[rows, axis] = circles[rows, axis] + np.where(offset[rows, axis] < 0, -reach, reach)
    return np.where(inside[:, None], moved, places)


def tick(states: F64, controls: npt.NDArray[np.float32], lands: I64) -> F64:
    """The states [N, 6] one frame later, under controls [N, 3] (forward, strafe right, turn right) in [-1, 1]."""
    wanted = controls.astype(np.float64) * (WALK_SPEED, STRAFE_SPEED, np.radians(TURN_RATE))
    ease = np.array([_EASE_WALK, _EASE_WALK, _EASE_TURN])
    speed = states[:, 3:] + ease * (wanted - states[:, 3:])
    heading = states[:, 2] + speed[:, 2] / FPS
    forward = np.stack([np.cos(heading), np.sin(heading)], axis=1)
    right = np.stack([-forward[:, 1], forward[:, 0]], axis=1)
    aim = states[:, :2] + (forward * speed[:, :1] + right * speed[:, 1:2]) / FPS
    places = keep_out(aim, lands)
    heading = (heading + np.pi) % (2 * np.pi) - np.pi
    return np.concatenate([places, heading[:, None], speed], axis=1)


def walk(states: F64, controls: npt.NDArray[np.float32], lands: I64, frames: int) -> tuple[F64, F64]:
    """Hold the controls for some frames: (states afterwards [N, 6], poses of each frame [N, frames, 3])."""
    poses = np.empty((len(states), frames, 3))
    for i in range(frames):
        states = tick(states, controls, lands)
        poses[:, i] = states[:, :3]
    return states, poses
