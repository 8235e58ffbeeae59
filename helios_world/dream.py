"""A world that a model makes up while one walks through it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from helios_world import arguments
from helios_world.conditioning.prompt import PromptTrack
from helios_world.dreamer import Dreamer, Request
from helios_world.errors import HeliosError, SnapshotError, StateError
from helios_world.memory import HistoryViews, RollingMemory
from helios_world.model import HistoryCache
from helios_world.resize import fit
from helios_world.snapshot import Snapshot
from helios_world.spec import NO_ACTION, Action, Chunk, Frames, Timing, World, WorldSpec

SCHEMA = 1
"""Of the snapshots. It goes up whenever the same snapshot, or the same seed, would give other frames."""


@dataclass(frozen=True)
class _Session:
    """Everything but the memory: which chunk is the present one, and what it was made with."""

    seed: int
    index: int
    track: PromptTrack
    action: Action

    def next(self, action: Action, prompt: str | None) -> _Session:
        return _Session(self.seed, self.index + 1, self.track.next(prompt), action)

    def to_dict(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "index": self.index,
            "prompt": self.track.to_dict(),
            "action": self.action.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> _Session:
        track, action = PromptTrack.from_dict(data["prompt"]), Action.from_dict(data["action"])
        return cls(arguments.check_seed(data["seed"]), int(data["index"]), track, action)


class DreamWorld(World):
    """A session of a model.

    Args:
        dreamer: the model; may be shared.
    """

    def __init__(self, dreamer: Dreamer) -> None:
        world, codec = dreamer.checkpoint.world, dreamer.checkpoint.codec.config
        identity = f"{SCHEMA} {dreamer.checkpoint.digest} {dreamer.compute.label}"
        self._spec = world.spec(hashlib.sha256(identity.encode()).hexdigest(), codec.temporal)
        self._dreamer = dreamer
        self._memory = dreamer.memory()
        self._session: _Session | None = None
        self._ahead: HistoryCache | None = None
        self._closed = False

    @property
    def spec(self) -> WorldSpec:
        return self._spec

    @property
    def dreamer(self) -> Dreamer:
        """The model behind the world."""
        return self._dreamer

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
        given = self._given(image, video)
        text = arguments.first_prompt(self.spec, seed, prompt, given is not None)
        session = _Session(seed, 0, PromptTrack.begin(text, self.spec.blend), NO_ACTION)
        sampling = self._dreamer.checkpoint.world.sampling
        sigmas = sampling.first_sigmas if given is None else sampling.sigmas
        with self._dreamer.compute.running():
            began = time.perf_counter()
            memory = self._remember(given)
            encode = _since(began)
            return self._advance(session, memory, NO_ACTION, sigmas, encode)

    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        before = self._present()
        checked = self.spec.actions.check(action or NO_ACTION)
        session = before.next(checked, prompt)
        sigmas = self._dreamer.checkpoint.world.sampling.sigmas
        with self._dreamer.compute.running():
            return self._advance(session, self._memory, before.action, sigmas)

    def prepare(self) -> None:
        self._present()
        if self._dreamer.looks_ahead and self._ahead is None:
            with self._dreamer.compute.running():
                self._ahead = self._dreamer.encode_history(self._memory)

    def snapshot(self) -> Snapshot:
        session = self._present()
        return Snapshot(SCHEMA, self.spec.name, self.spec.fingerprint, session.to_dict(), self._memory.state())

    def restore(self, state: Snapshot) -> None:
        self._require_open()
        state.check(self.spec.name, self.spec.fingerprint, SCHEMA)
        memory = self._dreamer.memory()
        try:
            session = _Session.from_dict(state.meta)
            self.spec.actions.check(session.action)
            with self._dreamer.compute.running():
                memory.load_state(state.arrays)
        except (KeyError, TypeError, ValueError, HeliosError) as error:
            raise SnapshotError(f"the snapshot of {self.spec.name!r} is incomplete: {error!r}") from error
        self._session, self._memory, self._ahead = session, memory, None

    def fork(self) -> DreamWorld:
        twin = DreamWorld(self._dreamer)
        twin.restore(self.snapshot())
        return twin

    def close(self) -> None:
        self._closed = True
        self._session = self._ahead = None

    def _require_open(self) -> None:
        if self._closed:
            raise StateError("the world is closed; load it again")

    def _present(self) -> _Session:
        self._require_open()
        if self._session is None:
            raise StateError("the world has not begun; call reset() first")
        return self._session

    def _given(self, image: Frames | None, video: Frames | None) -> Frames | None:
        """The frames that the session begins with, in the world's size and in whole latents; None for none."""
        height, width = self.spec.height, self.spec.width
        group = self._dreamer.checkpoint.codec.config.temporal
        if image is not None:
            return np.repeat(fit(arguments.check_image(image), height, width)[None], group, axis=0)
        if video is None:
            return None
        whole = arguments.check_video(video, group)[len(video) % group :]
        return fit(_ends(whole, group, self._dreamer.layout.length), height, width)

    def _remember(self, given: Frames | None) -> RollingMemory:
        memory = self._dreamer.memory()
        if given is not None:
            memory.append(self._dreamer.encode(given))
        return memory

    def _advance(
        self,
        session: _Session,
        memory: RollingMemory,
        before: Action,
        sigmas: tuple[float, ...],
        encode: float = 0.0,
    ) -> Chunk:
        """Make a chunk. The state changes at the end only, so that whatever fails leaves it as it was."""
        began = time.perf_counter()
        dreamer, words = self._dreamer, session.track.weights()
        request = Request(session.seed, session.index, words, before, session.action, sigmas)
        past = self._past(memory)
        encoded = encode + _since(began)
        latents, denoise = dreamer.sample(request, past)
        decoding = time.perf_counter()
        frames = dreamer.decode(latents, memory.views().short[:, :, -1:] if memory.count else None)
        timing = Timing(encoded, (denoise,), _since(decoding), encode + _since(began))
        memory.append(latents)
        self._session, self._memory, self._ahead = session, memory, None
        first = session.index * self.spec.frames_per_chunk
        return Chunk(frames, session.index, first, session.action, words, timing)

    def _past(self, memory: RollingMemory) -> HistoryCache | HistoryViews:
        if not self._dreamer.looks_ahead:
            return memory.views()
        if self._ahead is not None and memory is self._memory:
            return self._ahead
        return self._dreamer.encode_history(memory)


def _ends(frames: Frames, group: int, length: int) -> Frames:
    """Of a long video, the frames of the first latent, for the anchor, and of the last `length` ones."""
    if len(frames) <= group * (length + 1):
        return frames
    return np.concatenate([frames[:group], frames[-group * length :]])


def _since(began: float) -> float:
    return 1e3 * (time.perf_counter() - began)
