"""The oracle: true frames for any start and any inputs, in the size and pace of the measured world."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from helios_world.errors import StateError
from helios_world.lands import engine, physics
from helios_world.lands.controls import LANDS_ACTIONS, TURN_RATE
from helios_world.lands.explorer import Explorer
from helios_world.lands.scene import Scene, all_scenes
from helios_world.lands.tables import Look
from helios_world.spec import Action, Frames, WorldSpec

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Controls = npt.NDArray[np.float32]
Fits = Callable[[F64, I64], npt.NDArray[np.bool_]]  # of states [N, 6] and lands [N]: may one begin there

# Every random number of an evaluation comes from a generator seeded with this, a purpose and the user's seed.
# Training must not seed a generator with a sequence that begins with it.
EVALUATION_STREAM = 0x48454C494F53
REST_CHUNKS = 5
MOST_DRAWS = 100
HISTORY_WITHOUT_MEMORY = 19  # chunks shown to a world that does not say how much it remembers

_BUTTONS = (("forward", "back"), ("strafe_right", "strafe_left"), ("turn_right", "turn_left"))


def generator(seed: int, purpose: str) -> np.random.Generator:
    """The random numbers of one measure: a stream of its own, for evaluation only."""
    return np.random.default_rng([EVALUATION_STREAM, *purpose.encode(), seed])


def anywhere(states: F64, lands: I64) -> npt.NDArray[np.bool_]:
    """Every place will do."""
    return np.ones(len(states), np.bool_)


def spread(rng: np.random.Generator, count: int) -> list[Scene]:
    """`count` scenes in random order, each as often as any other (give or take one)."""
    scenes = all_scenes()
    order = rng.permutation(len(scenes))
    return [scenes[order[number % len(scenes)]] for number in range(count)]


@dataclass(frozen=True, slots=True)
class Start:
    """Where a rollout begins.

    Args:
        scene: land and moment.
        state: [6], as in `lands.physics`, standing still after the last frame of the video.
        video: true frames uint8 [T, H, W, 3] that end there.
    """

    scene: Scene
    state: F64
    video: Frames

    @property
    def last(self) -> Frames:
        """The newest true frame, [H, W, 3]."""
        newest: Frames = self.video[-1]
        return newest


@dataclass(frozen=True, slots=True)
class Truth:
    """The game behind the world.

    Args:
        look: size and richness of the frames.
        chunk: frames per chunk.
        history: frames of a start video.
    """

    look: Look
    chunk: int
    history: int

    @classmethod
    def of(cls, spec: WorldSpec, detail: float = 0.0) -> Truth:
        """The truth in the size and pace of `spec`, with the richness that the world was trained on.

        Raises:
            StateError: the world has other controls, or another pace, than the lands.
        """
        missing = set(LANDS_ACTIONS.button_names) - set(spec.actions.button_names)
        if missing or spec.fps != physics.FPS:
            raise StateError(
                f"{spec.name!r} cannot be compared with the lands: it has {spec.fps} frames/s, not "
                f"{physics.FPS}, or lacks the buttons {sorted(missing)}; evaluate a world trained on the lands"
            )
        memory = spec.memory
        latents = HISTORY_WITHOUT_MEMORY if memory is None else memory.long + memory.mid + memory.short
        per_chunk = 1 if memory is None else memory.latents_per_chunk
        history = latents * spec.frames_per_chunk // per_chunk
        return cls(Look(spec.height, spec.width, detail), spec.frames_per_chunk, history)

    def rollout(self, state: F64, scene: Scene, controls: Controls) -> tuple[F64, Frames]:
        """Hold each row of `controls` [K, 3] for a chunk: (state [6], frames [K·chunk, H, W, 3])."""
        states, poses = self.paths(state[None], np.array([scene.land]), controls[None])
        return _row(states), self.render(_row(poses), scene)

    def paths(self, states: F64, lands: I64, controls: Controls) -> tuple[F64, F64]:
        """Walk from N states [N, 6] under controls [N, K, 3]: (states [N, 6], poses [N, K·chunk, 3])."""
        poses = []
        for index in range(controls.shape[1]):
            states, path = physics.walk(states, controls[:, index], lands, self.chunk)
            poses.append(path)
        return states, np.concatenate(poses, axis=1)

    def wander(self, rng: np.random.Generator, states: F64, lands: I64, chunks: int) -> Controls:
        """Random inputs [N, chunks, 3] of walkers that turn away from where they cannot go on."""
        explorer = Explorer(len(states), rng)
        rows = []
        for _ in range(chunks):
            rows.append(explorer.sample(states))
            states, _ = physics.walk(states, rows[-1], lands, self.chunk)
        return np.stack(rows, axis=1)

    def render(self, poses: F64, scene: Scene) -> Frames:
        """Frames [N, H, W, 3] of one scene from poses [N, 3]."""
        scenes = np.tile(np.array([[scene.land, scene.moment]]), (len(poses), 1))
        return engine.render(self.look, poses, scenes)

    def starts(self, rng: np.random.Generator, scenes: Sequence[Scene], fits: Fits = anywhere) -> list[Start]:
        """Wander from random places, then stand still; places that do not fit are drawn anew."""
        lands = np.array([scene.land for scene in scenes])
        states, poses = self._arrivals(rng, lands)
        for _ in range(MOST_DRAWS):
            bad = np.flatnonzero(~fits(states, lands))
            if not len(bad):
                break
            states[bad], poses[bad] = self._arrivals(rng, lands[bad])
        return [
            Start(scene, state, self.render(path, scene))
            for scene, state, path in zip(scenes, states, poses, strict=True)
        ]

    def _arrivals(self, rng: np.random.Generator, lands: I64) -> tuple[F64, F64]:
        """Where N wanderers come to rest, and the poses [N, history, 3] that led there."""
        moving = max(-(-self.history // self.chunk) - REST_CHUNKS, 1)
        states = physics.at_rest(physics.random_poses(rng, lands))
        wandered = self.wander(rng, states, lands, moving)
        rest = np.zeros((len(lands), REST_CHUNKS, 3), np.float32)
        states, poses = self.paths(states, lands, np.concatenate([wandered, rest], axis=1))
        return physics.at_rest(states[:, :3]), poses[:, -self.history :]

    def gate(self, scene: Scene) -> Start:
        """Look around where the land is entered, then stand still in its spawn pose."""
        moving = max(-(-self.history // self.chunk) - REST_CHUNKS, 1)
        state = self.spawn(scene)
        # What easing into the turn costs, coasting gives back: the heading ends where it should.
        turned = moving * self.chunk * np.radians(TURN_RATE) / physics.FPS
        away = state - np.array([0, 0, turned, 0, 0, 0])
        controls = np.concatenate([hold((0, 0, 1), moving), hold((0, 0, 0), REST_CHUNKS)])
        return Start(scene, state, self.rollout(away, scene, controls)[1][-self.history :])

    def spawn(self, scene: Scene) -> F64:
        """The state [6] in which a land is entered."""
        return _row(physics.at_rest(physics.spawn_pose(scene.land)[None]))


def _row(states: F64) -> F64:
    first: F64 = states[0]
    return first


def hold(control: tuple[float, float, float], chunks: int) -> Controls:
    """One control, held: [chunks, 3]."""
    return np.tile(np.array(control, np.float32), (chunks, 1))


def action_of(control: Controls) -> Action:
    """The action whose `action_vector` is `control` [3]. Full turns press the button, others use the axis."""
    pressed = {
        plus if value > 0 else minus for value, (plus, minus) in zip(control, _BUTTONS, strict=True) if abs(value) == 1
    }
    turn = float(control[2])
    return Action(pressed, {"turn": turn} if 0 < abs(turn) < 1 else {})
