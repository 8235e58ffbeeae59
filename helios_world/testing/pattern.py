"""A world without weights: a chequered floor that moves with the controls and takes the prompts' colours.

The first row of every frame says in bytes which frame it is. No torch here.
"""

from __future__ import annotations

import hashlib
import struct
import time
import zlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from helios_world import arguments
from helios_world.conditioning.prompt import PromptTrack
from helios_world.errors import SnapshotError, StateError
from helios_world.resize import fit
from helios_world.snapshot import Snapshot
from helios_world.spec import (
    NO_ACTION,
    Action,
    ActionSpec,
    Axis,
    Button,
    Chunk,
    Frames,
    PromptWeight,
    Timing,
    World,
    WorldSpec,
)

SCHEMA = 1
SQUARE = 8  # pixels
PATTERN_ACTIONS = ActionSpec(
    buttons=(
        Button("forward", "move the floor down by 8 pixels per chunk"),
        Button("back", "move the floor up by 8 pixels per chunk"),
        Button("strafe_left", "move the floor to the right by 8 pixels per chunk"),
        Button("strafe_right", "move the floor to the left by 8 pixels per chunk"),
        Button("turn_left", "move the floor to the right by 16 pixels per chunk"),
        Button("turn_right", "move the floor to the left by 16 pixels per chunk"),
    ),
    axes=(Axis("turn", "move the floor to the left", "share of 16 pixels per chunk", -1.0, 1.0),),
)
PATTERN_PROMPTS = ("a red floor", "a green floor", "a blue floor")
_SHIFTS = {
    "forward": (8.0, 0.0),
    "back": (-8.0, 0.0),
    "strafe_left": (0.0, 8.0),
    "strafe_right": (0.0, -8.0),
    "turn_left": (0.0, 16.0),
    "turn_right": (0.0, -16.0),
}
_CODE = struct.Struct("<QQQHbIB")


@dataclass(frozen=True, slots=True)
class PatternCode:
    """What a frame of PatternWorld says about itself. `turn` and `weight` are rounded to 1/127 and 1/255."""

    seed: int
    index: int
    frame: int
    buttons: frozenset[str]
    turn: float
    prompt_crc: int
    weight: float


@dataclass(frozen=True)
class _State:
    seed: int
    index: int
    track: PromptTrack
    position: npt.NDArray[np.float64]
    background: Frames

    def to_snapshot(self, spec: WorldSpec) -> Snapshot:
        meta = {"seed": self.seed, "index": self.index, "prompt": self.track.to_dict()}
        arrays: dict[str, npt.NDArray[Any]] = {"position": self.position, "background": self.background}
        return Snapshot(SCHEMA, spec.name, spec.fingerprint, meta, arrays)

    @classmethod
    def from_snapshot(cls, state: Snapshot, spec: WorldSpec) -> _State:
        state.check(spec.name, spec.fingerprint, SCHEMA)
        try:
            meta, arrays = state.meta, state.arrays
            track = PromptTrack.from_dict(meta["prompt"])
            position = arrays["position"].reshape(2)
            background = arrays["background"].reshape(spec.height, spec.width, 3)
            return cls(int(meta["seed"]), int(meta["index"]), track, position, background)
        except (KeyError, TypeError, ValueError) as error:
            raise SnapshotError(f"the snapshot of {spec.name!r} is incomplete: {error!r}") from error


class PatternWorld(World):
    """The public fake: everything of the contract, in microseconds, with frames that can be checked.

    Args:
        height, width: of a frame; at least 1 × 12 pixels, for the code.
        fps, frames_per_chunk, blend: as in WorldSpec.
        step_seconds: how long a step takes at least, to play a slow world.
    """

    def __init__(
        self,
        *,
        height: int = 64,
        width: int = 128,
        fps: int = 24,
        frames_per_chunk: int = 4,
        blend: int = 4,
        step_seconds: float = 0.0,
    ) -> None:
        settings = f"pattern {SCHEMA} {height} {width} {fps} {frames_per_chunk} {blend}"
        self._spec = WorldSpec(
            name="pattern",
            fps=fps,
            height=height,
            width=width,
            frames_per_chunk=frames_per_chunk,
            actions=PATTERN_ACTIONS,
            prompts=PATTERN_PROMPTS,
            blend=blend,
            fingerprint=hashlib.sha256(settings.encode()).hexdigest(),
        )
        self._step_seconds = step_seconds
        self._state: _State | None = None
        self._closed = False

    @property
    def spec(self) -> WorldSpec:
        return self._spec

    def reset(
        self,
        *,
        seed: int = 0,
        prompt: str | None = None,
        image: Frames | None = None,
        video: Frames | None = None,
    ) -> Chunk:
        self._require_open()
        arguments.check_start(image, video)
        seed = arguments.check_seed(seed)
        background = self._background(image, video)
        text = arguments.first_prompt(self.spec, seed, prompt, image is not None or video is not None)
        track = PromptTrack.begin(text, self.spec.blend)
        return self._make(_State(seed, 0, track, np.zeros(2), background), NO_ACTION)

    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        state = self._present()
        checked = self.spec.actions.check(action or NO_ACTION)
        return self._make(replace(state, index=state.index + 1, track=state.track.next(prompt)), checked)

    def prepare(self) -> None:
        self._present()

    def snapshot(self) -> Snapshot:
        return self._present().to_snapshot(self.spec)

    def restore(self, state: Snapshot) -> None:
        self._require_open()
        self._state = _State.from_snapshot(state, self.spec)

    def fork(self) -> PatternWorld:
        twin = PatternWorld(
            height=self.spec.height,
            width=self.spec.width,
            fps=self.spec.fps,
            frames_per_chunk=self.spec.frames_per_chunk,
            blend=self.spec.blend,
            step_seconds=self._step_seconds,
        )
        twin._state = self._present()
        return twin

    def close(self) -> None:
        self._closed = True
        self._state = None

    def _require_open(self) -> None:
        if self._closed:
            raise StateError("the world is closed; load it again")

    def _present(self) -> _State:
        self._require_open()
        if self._state is None:
            raise StateError("the world has not begun; call reset() first")
        return self._state

    def _background(self, image: Frames | None, video: Frames | None) -> Frames:
        height, width = self.spec.height, self.spec.width
        if image is not None:
            return fit(arguments.check_image(image), height, width)
        if video is not None:
            return fit(arguments.check_video(video, self.spec.frames_per_chunk)[-1], height, width)
        return np.zeros((height, width, 3), np.uint8)

    def _make(self, state: _State, action: Action) -> Chunk:
        began = time.perf_counter()
        count = self.spec.frames_per_chunk
        shift = _shift(action)
        weights = state.track.weights()
        offsets = [state.position + shift * (number + 1) / count for number in range(count)]
        frames = np.stack([_draw(offset, weights, state.background) for offset in offsets])
        for number, frame in enumerate(frames):
            _write_code(frame, state, action, state.index * count + number)
        time.sleep(max(0.0, began + self._step_seconds - time.perf_counter()))
        self._state = replace(state, position=(state.position + shift) % (2 * SQUARE))
        timing = Timing(total=1e3 * (time.perf_counter() - began))
        return Chunk(frames, state.index, state.index * count, action, weights, timing)


def read_code(frame: Frames) -> PatternCode:
    """What the first row of a frame, uint8 [H, W, 3] and unchanged, says."""
    seed, index, number, mask, turn, crc, weight = _CODE.unpack(frame[0].tobytes()[: _CODE.size])
    held = frozenset(name for bit, name in enumerate(PATTERN_ACTIONS.button_names) if mask >> bit & 1)
    return PatternCode(seed, index, number, held, turn / 127, crc, weight / 255)


def _write_code(frame: Frames, state: _State, action: Action, number: int) -> None:
    mask = sum(1 << bit for bit, name in enumerate(PATTERN_ACTIONS.button_names) if name in action.buttons)
    turn = round(127 * action.axes.get("turn", 0.0))
    target = state.track.weights()[-1]
    code = _CODE.pack(state.seed, state.index, number, mask, turn, _crc(target.text), round(255 * target.weight))
    frame[0].reshape(-1)[: _CODE.size] = np.frombuffer(code, np.uint8)


def _shift(action: Action) -> npt.NDArray[np.float64]:
    down = sum(_SHIFTS[name][0] for name in action.buttons)
    right = sum(_SHIFTS[name][1] for name in action.buttons) - 16.0 * action.axes.get("turn", 0.0)
    return np.array([down, right])


def _draw(offset: npt.NDArray[np.float64], weights: tuple[PromptWeight, ...], background: Frames) -> Frames:
    height, width, _ = background.shape
    rows = (np.arange(height)[:, None] - offset[0]) // SQUARE
    columns = (np.arange(width)[None, :] - offset[1]) // SQUARE
    light = 0.35 + 0.65 * ((rows + columns) % 2)
    mixed = np.sum([part.weight * _colour(part.text) for part in weights], axis=0)
    drawn: Any = np.rint(light[:, :, None] * mixed + 0.4 * background).clip(0, 255)
    return np.asarray(drawn, np.uint8)


def _colour(prompt: str) -> npt.NDArray[np.float64]:
    for number, known in enumerate(PATTERN_PROMPTS):
        if prompt == known:
            return np.where(np.arange(3) == number, 150.0, 40.0)
    return np.array([_crc(prompt) >> shift & 127 for shift in (0, 8, 16)], dtype=np.float64) + 24.0


def _crc(text: str) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))
