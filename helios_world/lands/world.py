"""The ground truth: the game behind `nano`, as a world. Same frames, controls, prompts and chunks, no model."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from helios_world import arguments
from helios_world.conditioning.prompt import PromptTrack
from helios_world.errors import FrameError, PromptError, SnapshotError, StateError
from helios_world.lands import physics
from helios_world.lands.captions import Scene, all_scenes, canonical, parse
from helios_world.lands.controls import LANDS_ACTIONS, action_vector
from helios_world.lands.engine import render
from helios_world.lands.tables import Look
from helios_world.snapshot import Snapshot
from helios_world.spec import NO_ACTION, Action, Chunk, Frames, PromptWeight, Timing, World, WorldSpec

SCHEMA = 1
FRAMES_PER_CHUNK = 4
BLEND = 6
START = Scene(0, 0)
PROMPTS = tuple(canonical(scene) for scene in sorted(all_scenes(), key=lambda s: ((s.moment - s.land) % 4, s.land)))

Spawn = Literal["gate", "anywhere"]


@dataclass(frozen=True)
class _State:
    seed: int
    index: int
    track: PromptTrack
    land: int
    body: npt.NDArray[np.float64]


class LandsWorld(World):
    """The lands themselves.

    A prompt names a land and a moment; words it does not know are ignored. When the land changes, one stays at the same
    place of the new land, moved out of what stands there. There is no way to begin from a picture.

    Args:
        look: frame size and the dial from plain to rich.
        spawn: "gate" begins where the land is entered, "anywhere" at a place and heading drawn from the seed.
    """

    def __init__(self, look: Look | None = None, spawn: Spawn = "gate") -> None:
        self.look, self.spawn = look or Look(), spawn
        settings = f"lands {SCHEMA} {self.look} {spawn}"
        self._spec = WorldSpec(
            name="lands",
            fps=physics.FPS,
            height=self.look.height,
            width=self.look.width,
            frames_per_chunk=FRAMES_PER_CHUNK,
            actions=LANDS_ACTIONS,
            prompts=PROMPTS,
            blend=BLEND,
            fingerprint=hashlib.sha256(settings.encode()).hexdigest(),
            starts=("prompt",),
        )
        self._state: _State | None = None
        self._closed = False

    @property
    def spec(self) -> WorldSpec:
        return self._spec

    @property
    def pose(self) -> npt.NDArray[np.float64]:
        """Where one is: x and y in metres, heading in radians; [3]."""
        return self._present().body[:3].copy()

    def reset(
        self,
        *,
        seed: int = 0,
        prompt: str | None = None,
        image: Frames | None = None,
        video: Frames | None = None,
    ) -> Chunk:
        self._require_open()
        if image is not None or video is not None:
            raise FrameError("the ground truth begins from a prompt, not from a picture; give prompt= alone")
        seed = arguments.check_seed(seed)
        text = arguments.first_prompt(self.spec, seed, prompt, from_frames=False)
        scene = parse(text) if text else START
        body = physics.at_rest(self._spawn_pose(seed, scene.land)[None])[0]
        return self._walk(_State(seed, 0, PromptTrack.begin(text, BLEND), scene.land, body), NO_ACTION)

    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        state = self._present()
        checked = self.spec.actions.check(action or NO_ACTION)
        track = state.track.next(prompt)
        land = self._scene(track.target, state.land).land
        body = state.body.copy()
        if land != state.land:
            body[:2] = physics.keep_out(body[None, :2], np.array([land]))[0]
        return self._walk(replace(state, index=state.index + 1, track=track, land=land, body=body), checked)

    def prepare(self) -> None:
        self._present()

    def snapshot(self) -> Snapshot:
        state = self._present()
        meta = {"seed": state.seed, "index": state.index, "prompt": state.track.to_dict(), "land": state.land}
        return Snapshot(SCHEMA, self.spec.name, self.spec.fingerprint, meta, {"body": state.body})

    def restore(self, state: Snapshot) -> None:
        self._require_open()
        state.check(self.spec.name, self.spec.fingerprint, SCHEMA)
        try:
            meta, body = state.meta, state.arrays["body"].astype(np.float64).reshape(physics.STATE_SIZE)
            track = PromptTrack.from_dict(meta["prompt"])
            land = Scene(int(meta["land"]), 0).land
            self._state = _State(int(meta["seed"]), int(meta["index"]), track, land, body)
        except (KeyError, TypeError, ValueError) as error:
            raise SnapshotError(f"the snapshot of {self.spec.name!r} is incomplete: {error!r}") from error

    def fork(self) -> LandsWorld:
        twin = LandsWorld(self.look, self.spawn)
        twin._state = self._present()
        return twin

    def close(self) -> None:
        self._closed, self._state = True, None

    def _require_open(self) -> None:
        if self._closed:
            raise StateError("the world is closed; load it again")

    def _present(self) -> _State:
        self._require_open()
        if self._state is None:
            raise StateError("the world has not begun; call reset() first")
        return self._state

    def _spawn_pose(self, seed: int, land: int) -> npt.NDArray[np.float64]:
        if self.spawn == "gate":
            return physics.spawn_pose(land)
        pose: npt.NDArray[np.float64] = physics.random_poses(np.random.default_rng(seed), np.array([land]))[0]
        return pose

    def _scene(self, text: str, land: int) -> Scene:
        """The scene of a prompt; one that names no land keeps the present one."""
        try:
            return parse(text, default=Scene(land, 0)) if text else Scene(land, 0)
        except PromptError:
            return Scene(land, 0)

    def _walk(self, state: _State, action: Action) -> Chunk:
        began = time.perf_counter()
        lands = np.array([state.land])
        bodies, poses = physics.walk(state.body[None], action_vector(action)[None], lands, FRAMES_PER_CHUNK)
        weights = state.track.weights()
        frames = self._draw(poses[0], weights, state.land)
        self._state = replace(state, body=bodies[0])
        timing = Timing(total=1e3 * (time.perf_counter() - began))
        return Chunk(frames, state.index, state.index * FRAMES_PER_CHUNK, action, weights, timing)

    def _draw(self, poses: npt.NDArray[np.float64], weights: tuple[PromptWeight, ...], land: int) -> Frames:
        """The poses [T, 3] in every prompt's scene, mixed by weight."""
        mixed: Any = 0.0
        for part in weights:
            scene = self._scene(part.text, land)
            mixed = mixed + part.weight * render(self.look, poses, np.tile([scene.land, scene.moment], (len(poses), 1)))
        return np.ascontiguousarray(np.round(mixed).clip(0, 255).astype(np.uint8))
