"""A world that a model makes up while one walks through it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from helios_world import arguments
from helios_world.conditioning.prompt import PromptTrack
from helios_world.conditioning.steering import mix
from helios_world.dreamer import SCHEMA, Dreamer, ManyDreamer, Mixture, Request
from helios_world.errors import HeliosError, SnapshotError, StateError
from helios_world.memory import HistoryViews, RollingMemory
from helios_world.model import HistoryCache
from helios_world.snapshot import Snapshot
from helios_world.spec import NO_ACTION, Action, Chunk, Frames, Start, Timing, World, WorldSpec


@dataclass(frozen=True)
class _Session:
    """Everything but the memory: which chunk is the present one, and what it was made with.

    Args:
        steer: the words that the actions became, with a cross-fade of their own; None for trained actions.
    """

    seed: int
    index: int
    track: PromptTrack
    action: Action
    steer: PromptTrack | None

    def to_dict(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "index": self.index,
            "prompt": self.track.to_dict(),
            "action": self.action.to_dict(),
            "steer": None if self.steer is None else self.steer.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> _Session:
        track, action = PromptTrack.from_dict(data["prompt"]), Action.from_dict(data["action"])
        steer = data.get("steer")
        words = None if steer is None else PromptTrack.from_dict(steer)
        return cls(arguments.check_seed(data["seed"]), int(data["index"]), track, action, words)


@dataclass(frozen=True, eq=False)
class Draft:
    """A chunk that is about to be made. Nothing of its world has changed yet.

    Args:
        session: what the world will be once the chunk is there.
        request: what is asked of the dreamer.
        memory: what the chunk continues, and is added to.
        ahead: the memory's encoding where there is one already.
    """

    session: _Session
    request: Request
    memory: RollingMemory
    ahead: HistoryCache | None

    @property
    def previous(self) -> Tensor | None:
        """The latent before the chunk, [1, C, 1, h, w]; None at the very start."""
        return self.memory.views().short[:, :, -1:] if self.memory.count else None


class DreamWorld(World):
    """A session of a model.

    Args:
        dreamer: the model; may be shared.
    """

    def __init__(self, dreamer: Dreamer) -> None:
        self._dreamer = dreamer
        self._memory = dreamer.memory()
        self._session: _Session | None = None
        self._ahead: HistoryCache | None = None
        self._closed = False

    @property
    def spec(self) -> WorldSpec:
        return self._dreamer.spec

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
        start: Start = "image" if image is not None else "prompt" if video is None else "video"
        text = arguments.first_prompt(self.spec, seed, prompt, start != "prompt")
        session = self._begin(seed, text)
        with self._dreamer.compute.running():
            began = time.perf_counter()
            memory = self._dreamer.remember(seed, image, video)
            return self._make(self._draft(session, memory, NO_ACTION, start), _since(began))

    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        draft = self.draft(action, prompt)
        with self._dreamer.compute.running():
            return self._make(draft)

    def prepare(self) -> None:
        self._present()
        memory = self.unprepared()
        if memory is not None:
            with self._dreamer.compute.running():
                self.prepared(self._dreamer.encode_history(memory))

    @property
    def batcher(self) -> ManyDreamer | None:
        """The dreamer, if it makes the chunks of several worlds in one pass. See `helios_world.batch`."""
        return self._dreamer if isinstance(self._dreamer, ManyDreamer) else None

    def draft(self, action: Action | None = None, prompt: str | None = None) -> Draft:
        """What step() is to make; what a wrong input raises it raises here."""
        before = self._present()
        checked = self.spec.actions.check(action or NO_ACTION)
        return self._draft(self._next(before, checked, prompt), self._memory, before.action, None, self._ahead)

    def finish(self, draft: Draft, latents: Tensor, frames: Frames, timing: Timing) -> Chunk:
        """Take what was made of the latest draft, while `compute.running()`.

        All of the state changes here, so that whatever fails before leaves it as it was.
        """
        session = draft.session
        self._dreamer.keep(draft.memory, latents, session.index)
        self._session, self._memory, self._ahead = session, draft.memory, None
        first = session.index * self.spec.frames_per_chunk
        return Chunk(frames, session.index, first, session.action, draft.request.words, timing)

    def unprepared(self) -> RollingMemory | None:
        """What prepare() is to encode; None if there is nothing to do, or the world has not begun."""
        waits = self._dreamer.looks_ahead and self._session is not None and self._ahead is None
        return self._memory if waits else None

    def prepared(self, ahead: HistoryCache) -> None:
        """Take the encoding of the present memory."""
        self._ahead = ahead

    def sibling(self) -> DreamWorld:
        """Another world of the same dreamer, which has not begun."""
        return DreamWorld(self._dreamer)

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
        twin = self.sibling()
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

    def _begin(self, seed: int, prompt: str) -> _Session:
        track = PromptTrack.begin(prompt, self.spec.blend, fade=self.spec.fade)
        steering = self._dreamer.steering
        steer = None if steering is None else PromptTrack.begin(steering.phrase(NO_ACTION), steering.blend)
        return _Session(seed, 0, track, NO_ACTION, steer)

    def _next(self, before: _Session, action: Action, prompt: str | None) -> _Session:
        steering = self._dreamer.steering
        steer = None if steering is None or before.steer is None else before.steer.next(steering.phrase(action))
        return _Session(before.seed, before.index + 1, before.track.next(prompt), action, steer)

    def _words(self, session: _Session) -> Mixture:
        """The prompts of the present chunk with their shares, and what the action adds to them."""
        steering = self._dreamer.steering
        if steering is None or session.steer is None:
            return session.track.weights()
        return mix(session.track.weights(), session.steer.weights(), steering.compose)

    def _draft(
        self,
        session: _Session,
        memory: RollingMemory,
        before: Action,
        start: Start | None = None,
        ahead: HistoryCache | None = None,
    ) -> Draft:
        request = Request(session.seed, session.index, self._words(session), before, session.action, start)
        return Draft(session, request, memory, ahead)

    def _make(self, draft: Draft, encode: float = 0.0) -> Chunk:
        began, dreamer = time.perf_counter(), self._dreamer
        past = self._past(draft)
        encoded = encode + _since(began)
        latents, denoise = dreamer.sample(draft.request, past)
        decoding = time.perf_counter()
        frames = dreamer.decode(latents, draft.previous)
        timing = Timing(encoded, denoise, _since(decoding), encode + _since(began))
        return self.finish(draft, latents, frames, timing)

    def _past(self, draft: Draft) -> HistoryCache | HistoryViews:
        if not self._dreamer.looks_ahead:
            return draft.memory.views()
        return self._dreamer.encode_history(draft.memory) if draft.ahead is None else draft.ahead


def _since(began: float) -> float:
    return 1e3 * (time.perf_counter() - began)
