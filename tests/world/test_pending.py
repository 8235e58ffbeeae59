"""Steps whose frames come group by group: the same bytes, the state at every moment, and what runs beside what."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from helios_world.batch import begin_together
from helios_world.checkpoint import Checkpoint, load_checkpoint
from helios_world.compute import Compute
from helios_world.dream import DreamWorld
from helios_world.errors import ActionError, HeliosError, StateError
from helios_world.native import NativeDreamer
from helios_world.pending import Head, PendingBeside, PendingChunk
from helios_world.spec import NO_ACTION, Action, Chunk, Timing, World
from helios_world.testing import PatternWorld, check_world

LONG = 30.0
FORWARD = Action({"forward"})
PICTURE = np.random.default_rng(3).integers(0, 256, (32, 64, 3), dtype=np.uint8)


class Streaming(NativeDreamer):
    """Hands out frames in groups, and says what it does when.

    Args:
        decodes_beside: in a thread.
    """

    group_sizes = (1, 1, 2)

    def __init__(self, checkpoint: Checkpoint, decodes_beside: bool) -> None:
        super().__init__(checkpoint, Compute.choose("cpu", "float32"))
        self.decodes_beside = decodes_beside
        self.events: list[str] = []
        self.fault: Exception | None = None
        self.allowed: threading.Semaphore | None = None
        self.sampled = threading.Semaphore(0)
        self._decodings = 0

    def sample_many(self, requests: Any, pasts: Any) -> Any:
        self.events += [f"sample {request.index}" for request in requests]
        made = super().sample_many(requests, pasts)
        self.sampled.release()
        return made

    def decode_groups(self, latents: Any, previous: Any) -> Iterator[Any]:
        self._decodings += 1
        return self._groups(self._decodings, latents, previous)

    def _groups(self, number: int, latents: Any, previous: Any) -> Iterator[Any]:
        assert torch.is_inference_mode_enabled()
        frames = self.decode(latents, previous)
        for group, part in enumerate(np.split(frames, (1, 2))):
            if self.allowed is not None:
                assert self.allowed.acquire(timeout=LONG)
            if self.fault is not None and group == 1:
                raise self.fault
            self.events.append(f"group {number}.{group}")
            yield part


@pytest.fixture
def make(tiny: Path) -> Callable[..., DreamWorld]:
    checkpoint = load_checkpoint(tiny, torch.device("cpu"), torch.float32)
    return lambda beside=False: DreamWorld(Streaming(checkpoint, beside))


@pytest.fixture(params=[False, True], ids=["on demand", "beside"])
def world(make: Callable[..., DreamWorld], request: pytest.FixtureRequest) -> DreamWorld:
    return make(request.param)


@pytest.fixture
def reference(tiny: Path) -> World:
    return World.load(str(tiny), device="cpu", dtype="float32")


def same(one: Chunk, other: Chunk) -> bool:
    parts = ("index", "first_frame", "action", "prompt")
    return all(getattr(one, part) == getattr(other, part) for part in parts) and np.array_equal(
        one.frames, other.frames
    )


def dreamer_of(world: DreamWorld) -> Streaming:
    assert isinstance(world.dreamer, Streaming)
    return world.dreamer


def test_a_streaming_world_keeps_the_contract(world: DreamWorld) -> None:
    check_world(world.sibling)


def test_a_step_in_two_parts_gives_the_same_bytes(world: DreamWorld, reference: World) -> None:
    assert same(world.begin_reset(seed=3, image=PICTURE).result(), reference.reset(seed=3, image=PICTURE))
    for action, prompt in ((FORWARD, None), (NO_ACTION, "a neon city"), (FORWARD, None)):
        pending, expected = world.begin_step(action, prompt), reference.step(action, prompt)
        assert (pending.index, pending.first_frame, pending.action, pending.prompt, pending.sizes) == (
            expected.index,
            expected.first_frame,
            expected.action,
            expected.prompt,
            (1, 1, 2),
        )
        groups = [*pending.groups()]
        assert [len(group) for group in groups] == [1, 1, 2]
        assert same(pending.result(), expected)
        assert np.array_equal(np.concatenate(groups), expected.frames)
        assert pending.result() is pending.result()
        assert pending.result().frames.flags.c_contiguous
        assert pending.result().groups == (1, 1, 2)
    assert same(world.step(), reference.step())
    assert world.step().groups == (1, 1, 2)


def test_a_step_that_nobody_looks_at_counts_too(world: DreamWorld, reference: World) -> None:
    world.begin_reset(seed=1)
    reference.reset(seed=1)
    for _ in range(3):
        world.begin_step(FORWARD)
        reference.step(FORWARD)
    assert world.snapshot() == reference.snapshot()
    assert same(world.step(), reference.step())


def test_earlier_steps_can_be_looked_at_later(world: DreamWorld, reference: World) -> None:
    pendings = [world.begin_reset(seed=1), *(world.begin_step(FORWARD) for _ in range(3))]
    chunks = [reference.reset(seed=1), *(reference.step(FORWARD) for _ in range(3))]
    for pending, chunk in reversed([*zip(pendings, chunks, strict=True)]):
        assert same(pending.result(), chunk)


def test_the_next_chunk_is_sampled_while_the_last_is_decoded(make: Callable[..., DreamWorld]) -> None:
    """Its decoding waits, since a world decodes one chunk at a time."""
    world = make(beside=True)
    dreamer = dreamer_of(world)
    world.reset(seed=1)
    dreamer.events.clear()
    dreamer.allowed = threading.Semaphore(1)
    first = world.begin_step(FORWARD)
    groups = first.groups()
    next(groups)
    while dreamer.sampled.acquire(blocking=False):
        pass
    begun: list[PendingChunk] = []
    other = threading.Thread(target=lambda: begun.append(world.begin_step()))
    other.start()
    assert dreamer.sampled.acquire(timeout=LONG)
    assert not first.is_complete
    assert dreamer.events == ["sample 1", "group 1.0", "sample 2"]
    dreamer.allowed.release(5)
    other.join(LONG)
    assert [len(group) for group in groups] == [1, 2]
    begun[0].result()
    assert dreamer.events[3:] == ["group 1.1", "group 1.2", "group 2.0", "group 2.1", "group 2.2"]


def test_on_demand_each_group_is_made_when_it_is_taken(make: Callable[..., DreamWorld]) -> None:
    world = make()
    dreamer = dreamer_of(world)
    world.reset()
    dreamer.events.clear()
    pending = world.begin_step()
    groups = pending.groups()
    assert not pending.comes_by_itself
    for number in range(3):
        assert len(dreamer.events) == 1 + number
        next(groups)
    assert pending.is_complete
    assert pending.comes_by_itself
    assert not torch.is_inference_mode_enabled()
    world.begin_step()
    world.begin_step()
    expected = ["sample 2", "sample 3", "group 2.0", "group 2.1", "group 2.2"]
    assert dreamer.events[4:] == expected


def test_a_slow_decoding_holds_up_nothing_but_frames(make: Callable[..., DreamWorld], reference: World) -> None:
    world = make(beside=True)
    dreamer = dreamer_of(world)
    for each in (world, reference):
        each.reset(seed=1)
    dreamer.allowed = threading.Semaphore(0)
    pending, expected = world.begin_step(FORWARD), reference.step(FORWARD)
    state, twin = world.snapshot(), world.fork()
    assert state == reference.snapshot()
    assert twin.snapshot() == state
    world.restore(state)
    world.close()
    world.close()
    with pytest.raises(StateError):
        world.begin_step()
    assert not pending.is_complete
    dreamer.allowed.release(100)
    assert same(pending.result(), expected)
    assert same(twin.step(), reference.step())


def test_going_back_leaves_the_frames_to_those_who_wait(world: DreamWorld, reference: World) -> None:
    world.reset(seed=1)
    reference.reset(seed=1)
    state = world.snapshot()
    pending, expected = world.begin_step(FORWARD), reference.step(FORWARD)
    world.restore(state)
    again = world.begin_step(FORWARD)
    assert same(again.result(), expected)
    assert same(pending.result(), expected)
    after = world.begin_reset(seed=2)
    assert same(after.result(), reference.reset(seed=2))


def test_without_its_frames_the_step_counts_all_the_same(world: DreamWorld, reference: World) -> None:
    world.reset(seed=1)
    reference.reset(seed=1)
    dreamer_of(world).fault = MemoryError("the device is full")
    pending = world.begin_step(FORWARD)
    groups = pending.groups()
    assert np.array_equal(next(groups), reference.step(FORWARD).frames[:1])
    for call in (lambda: next(groups), pending.result, lambda: [*pending.groups()]):
        with pytest.raises(MemoryError, match="the device is full"):
            call()
    assert pending.is_complete
    dreamer_of(world).fault = None
    assert world.snapshot() == reference.snapshot()
    assert same(world.begin_step().result(), reference.step())


def test_a_step_that_cannot_be_begun_leaves_the_world_as_it_was(
    world: DreamWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.reset(seed=1)
    pending, before = world.begin_step(), world.snapshot()
    with pytest.raises(ActionError):
        world.begin_step(Action({"fly"}))
    for method in ("sample", "decode_groups"):
        with monkeypatch.context() as patch:
            patch.setattr(world.dreamer, method, lambda *_: 1 // 0)
            with pytest.raises(ZeroDivisionError):
                world.begin_step()
    assert world.snapshot() == before
    assert len(pending.result().frames) == 4


def test_groups_of_a_wrong_size_are_an_error() -> None:
    head = Head(0, 0, NO_ACTION, (), (1, 2), Timing())
    for frames in ([np.zeros((1, 2, 2, 3), np.uint8)] * 2, [np.zeros((1, 2, 2, 3), np.uint8)]):
        pending = PendingChunk(head, frames)
        with pytest.raises(HeliosError, match=r"group 1 of a chunk has [01] frames instead of 2"):
            pending.result()


def test_every_world_can_be_asked_for_groups() -> None:
    world, twin = PatternWorld(), PatternWorld()
    pending = world.begin_reset(seed=4)
    assert pending.is_complete
    assert same(pending.result(), twin.reset(seed=4))
    (group,) = world.begin_step(FORWARD).groups()
    assert np.array_equal(group, twin.step(FORWARD).frames)


@pytest.mark.parametrize("when", [0, 1, 3])
def test_whoever_watches_is_told_everything_once_and_in_order(world: DreamWorld, when: int) -> None:
    """Whether it begins before, while or after the frames come."""
    world.reset(seed=1)
    pending, told, ended = world.begin_step(FORWARD), [], threading.Event()
    groups = pending.groups()
    for _ in range(when):
        next(groups)
    pending.watch(told.append, lambda outcome: (told.append(outcome), ended.set()))  # type: ignore[arg-type,func-returns-value]
    pending.wait()
    assert ended.wait(LONG)
    *parts, whole = told
    chunk = pending.result()
    assert whole is chunk
    assert [(part.first_frame - chunk.first_frame, len(part.frames)) for part in parts] == [(0, 1), (1, 1), (2, 2)]
    assert all(np.shares_memory(part.frames, chunk.frames) for part in parts)
    assert parts[-1].timing == chunk.timing
    assert chunk.timing.total >= chunk.timing.decode > 0


def test_whoever_watches_is_told_of_the_error(world: DreamWorld) -> None:
    world.reset()
    dreamer_of(world).fault = MemoryError("full")
    pending, told = world.begin_step(), []
    pending.watch(told.append, told.append)
    pending.wait()
    pending.watch(told.append, told.append)
    assert [type(each) for each in told] == [Chunk, MemoryError] * 2


def test_several_threads_may_take_the_frames(world: DreamWorld) -> None:
    world.reset(seed=1)
    for _ in range(20):
        pending, found = world.begin_step(), []
        threads = [threading.Thread(target=lambda: found.append([*pending.groups()])) for _ in range(4)]  # noqa: B023
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        assert all(np.array_equal(np.concatenate(groups), pending.result().frames) for groups in found)
        assert len(found) == 4


def test_worlds_that_are_begun_together(make: Callable[..., DreamWorld], reference: World) -> None:
    first = make(beside=True)
    worlds = [first, first.sibling(), first.sibling()]
    for seed, world in enumerate(worlds):
        world.reset(seed=seed)
    expected = [world.fork().step(FORWARD) for world in worlds]
    dreamer_of(first).events.clear()
    begun = begin_together([*worlds, PatternWorld()], [FORWARD, FORWARD, FORWARD, None], [None] * 4)
    assert isinstance(begun[3], StateError)
    for pending, chunk in zip(begun[:3], expected, strict=True):
        assert isinstance(pending, PendingBeside)
        assert same(pending.result(), chunk)
    events = dreamer_of(first).events
    assert events[:3] == ["sample 1"] * 3
    decoded = [event for event in events if event.startswith("group")]
    assert decoded == sorted(decoded)  # world by world
    assert [world.snapshot().meta["index"] for world in worlds] == [1, 1, 1]


def test_one_that_cannot_be_begun_is_nothing_to_the_others(
    make: Callable[..., DreamWorld], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make()
    worlds = [first, first.sibling(), first.sibling()]
    for world in worlds:
        world.reset()
    before = [world.snapshot() for world in worlds]
    begun: list[Any] = begin_together(worlds, [FORWARD, Action({"fly"}), None], [None] * 3)
    assert [type(each) for each in begun] == [PendingChunk, ActionError, PendingChunk]
    assert worlds[1].snapshot() == before[1]
    monkeypatch.setattr(first.dreamer, "sample_many", lambda *_: 1 // 0)
    assert all(isinstance(each, ZeroDivisionError) for each in begin_together(worlds, [None] * 3, [None] * 3))
