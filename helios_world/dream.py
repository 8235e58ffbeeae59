"""A world that a model makes up while one walks through it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor

from helios_world import arguments
from helios_world.conditioning.prompt import PromptTrack
from helios_world.conditioning.steering import mix
from helios_world.decoding import Beside, Lane, OnDemand
from helios_world.draft import Draft, Session
from helios_world.dreamer import SCHEMA, Dreamer, ManyDreamer, Mixture, Request, StreamingDreamer
from helios_world.errors import HeliosError, SnapshotError, StateError
from helios_world.memory import HistoryViews, RollingMemory
from helios_world.model import HistoryCache
from helios_world.pending import Head, PendingChunk
from helios_world.snapshot import Snapshot
from helios_world.spec import NO_ACTION, Action, Chunk, Frames, Start, Timing, World, WorldSpec


class DreamWorld(World):
    """A session of a model.

    Args:
        dreamer: the model; may be shared.
        lane: where its frames are made; shared with the dreamer.
    """

    def __init__(self, dreamer: Dreamer, lane: Lane | None = None) -> None:
        self._dreamer = dreamer
        self._lane = _lane_of(dreamer) if lane is None else lane
        self._newest: PendingChunk | None = None
        self._memory = dreamer.memory()
        self._session: Session | None = None
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
        draft, encode = self._first(seed, prompt, image, video)
        with self._dreamer.compute.running():
            return self._make(draft, encode)

    def begin_reset(
        self,
        *,
        seed: int = 0,
        prompt: str | None = None,
        image: Frames | None = None,
        video: Frames | None = None,
    ) -> PendingChunk:
        draft, encode = self._first(seed, prompt, image, video)
        with self._dreamer.compute.running():
            return self._start(draft, encode)

    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        draft = self.draft(action, prompt)
        with self._dreamer.compute.running():
            return self._make(draft)

    def begin_step(self, action: Action | None = None, prompt: str | None = None) -> PendingChunk:
        draft = self.draft(action, prompt)
        with self._dreamer.compute.running():
            return self._start(draft)

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

    @property
    def streamer(self) -> StreamingDreamer | None:
        """The dreamer, if the frames of a chunk come in several groups."""
        dreamer = self._dreamer
        return dreamer if isinstance(dreamer, StreamingDreamer) and len(dreamer.group_sizes) > 1 else None

    def finish(self, draft: Draft, latents: Tensor, frames: Frames, timing: Timing) -> Chunk:
        """Take what was made of the latest draft, while `compute.running()`.

        All of the state changes here, so that whatever fails before leaves it as it was.
        """
        self._keep(draft, latents)
        return self._head(draft, timing, _sizes(self.streamer)).whole(frames)

    def launch(self, draft: Draft, latents: Tensor, groups: Iterator[Frames], timing: Timing) -> PendingChunk:
        """`finish`, the frames being still to come.

        Args:
            timing: of what was done so far.
        """
        self._land()
        self._newest = pending = self._lane.decode(self._head(draft, timing, _sizes(self.streamer)), groups)
        self._keep(draft, latents)
        return pending

    def unprepared(self) -> RollingMemory | None:
        """What prepare() is to encode; None if there is nothing to do, or the world has not begun."""
        waits = self._dreamer.looks_ahead and self._session is not None and self._ahead is None
        return self._memory if waits else None

    def prepared(self, ahead: HistoryCache) -> None:
        """Take the encoding of the present memory."""
        self._ahead = ahead

    def sibling(self) -> DreamWorld:
        """Another world of the same dreamer, which has not begun."""
        return DreamWorld(self._dreamer, self._lane)

    def snapshot(self) -> Snapshot:
        session = self._present()
        return Snapshot(SCHEMA, self.spec.name, self.spec.fingerprint, session.to_dict(), self._memory.state())

    def restore(self, state: Snapshot) -> None:
        self._require_open()
        state.check(self.spec.name, self.spec.fingerprint, SCHEMA)
        memory = self._dreamer.memory()
        try:
            session = Session.from_dict(state.meta)
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
        self._session = self._ahead = self._newest = None

    def _require_open(self) -> None:
        if self._closed:
            raise StateError("the world is closed; load it again")

    def _present(self) -> Session:
        self._require_open()
        if self._session is None:
            raise StateError("the world has not begun; call reset() first")
        return self._session

    def _first(self, seed: int, prompt: str | None, image: Frames | None, video: Frames | None) -> tuple[Draft, float]:
        """What reset() is to make, and the milliseconds that it took to encode the start."""
        self._require_open()
        arguments.check_start(image, video)
        seed = arguments.check_seed(seed)
        start: Start = "image" if image is not None else "prompt" if video is None else "video"
        session = self._begin(seed, arguments.first_prompt(self.spec, seed, prompt, start != "prompt"))
        began = time.perf_counter()
        with self._dreamer.compute.running():
            memory = self._dreamer.remember(seed, image, video)
        return self._draft(session, memory, NO_ACTION, start), _since(began)

    def _begin(self, seed: int, prompt: str) -> Session:
        track = PromptTrack.begin(prompt, self.spec.blend, fade=self.spec.fade)
        steering = self._dreamer.steering
        steer = None if steering is None else PromptTrack.begin(steering.phrase(NO_ACTION), steering.blend)
        return Session(seed, 0, track, NO_ACTION, steer)

    def _next(self, before: Session, action: Action, prompt: str | None) -> Session:
        steering = self._dreamer.steering
        steer = None if steering is None or before.steer is None else before.steer.next(steering.phrase(action))
        return Session(before.seed, before.index + 1, before.track.next(prompt), action, steer)

    def _words(self, session: Session) -> Mixture:
        """The prompts of the present chunk with their shares, and what the action adds to them."""
        steering = self._dreamer.steering
        if steering is None or session.steer is None:
            return session.track.weights()
        return mix(session.track.weights(), session.steer.weights(), steering.compose)

    def _draft(
        self,
        session: Session,
        memory: RollingMemory,
        before: Action,
        start: Start | None = None,
        ahead: HistoryCache | None = None,
    ) -> Draft:
        words, place = self._words(session), memory.place
        request = Request(session.seed, session.index, words, before, session.action, start, place)
        return Draft(session, request, memory, ahead)

    def _make(self, draft: Draft, encode: float = 0.0) -> Chunk:
        began = time.perf_counter()
        latents, sampled = self._sample(draft, encode)
        self._land()
        decoding = time.perf_counter()
        frames = self._dreamer.decode(latents, draft.previous)
        timing = replace(sampled, decode=_since(decoding), total=encode + _since(began))
        return self.finish(draft, latents, frames, timing)

    def _start(self, draft: Draft, encode: float = 0.0) -> PendingChunk:
        """`_make`, the frames being still to come where the dreamer can do that."""
        streamer = self.streamer
        if streamer is None:
            return PendingChunk.of(self._make(draft, encode))
        latents, timing = self._sample(draft, encode)
        return self.launch(draft, latents, streamer.decode_groups(latents, draft.kept_previous), timing)

    def _sample(self, draft: Draft, encode: float) -> tuple[Tensor, Timing]:
        began = time.perf_counter()
        past = self._past(draft)
        encoded = encode + _since(began)
        latents, denoise = self._dreamer.sample(draft.request, past)
        return latents, Timing(encoded, denoise, 0.0, encode + _since(began))

    def _land(self) -> None:
        """Until the frames of the step before are there, so that a world never decodes more than one chunk."""
        if self._newest is not None:
            self._newest.wait()
            self._newest = None

    def _keep(self, draft: Draft, latents: Tensor) -> None:
        """The step has been made."""
        self._dreamer.keep(draft.memory, latents, draft.request)
        self._session, self._memory, self._ahead = draft.session, draft.memory, None

    def _head(self, draft: Draft, timing: Timing, sizes: tuple[int, ...]) -> Head:
        session = draft.session
        first = session.index * self.spec.frames_per_chunk
        return Head(session.index, first, session.action, draft.request.words, sizes, timing)

    def _past(self, draft: Draft) -> HistoryCache | HistoryViews:
        if not self._dreamer.looks_ahead:
            return draft.memory.views()
        return self._dreamer.encode_history(draft.memory) if draft.ahead is None else draft.ahead


def _lane_of(dreamer: Dreamer) -> Lane:
    beside = isinstance(dreamer, StreamingDreamer) and dreamer.decodes_beside
    return Beside(dreamer.compute) if beside else OnDemand(dreamer.compute)


def _sizes(streamer: StreamingDreamer | None) -> tuple[int, ...]:
    return () if streamer is None else streamer.group_sizes


def _since(began: float) -> float:
    return 1e3 * (time.perf_counter() - began)
