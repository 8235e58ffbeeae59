"""Several worlds at once. Those that share a model are stepped in one pass of it. Importing this loads no torch.

>>> begin = opener("nano")
>>> worlds = [begin() for _ in range(8)]
>>> chunks = step_together(worlds, actions, [None] * 8)

The chunks are those that the worlds would make one by one: those of nano the same bytes on x86 processors, others as
close as their dreamer's `sample_many` says. Each `Timing` is that of the pass, since the world had to wait that long.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from helios_world.pending import PendingChunk
from helios_world.spec import Action, Chunk, Frames, Timing, World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeGuard

    from torch import Tensor
    from typing_extensions import Unpack

    from helios_world.draft import Draft
    from helios_world.dreamer import ManyDreamer, StreamingDreamer
    from helios_world.memory import HistoryViews, RollingMemory
    from helios_world.model import HistoryCache
    from helios_world.options import LoadOptions

Made = tuple["Tensor", Frames, Timing]
Begun = tuple["Tensor", "Iterator[Frames]", Timing]
Asked = tuple[Action | None, str | None]
T = TypeVar("T")
M = TypeVar("M", bound=tuple[Any, ...])
_log = logging.getLogger(__name__)


@runtime_checkable
class Batchable(World, Protocol):
    """A world whose step can be taken apart, as `helios_world.dream.DreamWorld` defines it."""

    @property
    def batcher(self) -> ManyDreamer | None: ...

    @property
    def streamer(self) -> StreamingDreamer | None: ...

    def draft(self, action: Action | None = None, prompt: str | None = None) -> Draft: ...

    def finish(self, draft: Draft, latents: Tensor, frames: Frames, timing: Timing) -> Chunk: ...

    def launch(self, draft: Draft, latents: Tensor, groups: Iterator[Frames], timing: Timing) -> PendingChunk: ...

    def unprepared(self) -> RollingMemory | None: ...

    def prepared(self, ahead: HistoryCache) -> None: ...

    def sibling(self) -> World: ...


def opener(
    name: str, *, device: str = "auto", dtype: str = "auto", threads: int = 1, **options: Unpack[LoadOptions]
) -> Callable[[], World]:
    """A function that opens one world again and again; weights are read once and shared.

    Takes and raises what World.load does.
    """
    first = World.load(name, device=device, dtype=dtype, threads=threads, **options)
    if isinstance(first, Batchable):
        return first.sibling
    return lambda: World.load(name, device=device, dtype=dtype, threads=threads, **options)


def step_together(
    worlds: Sequence[World], actions: Sequence[Action | None], prompts: Sequence[str | None]
) -> list[Chunk | Exception]:
    """Step every world; those of one model in one pass, all others one after the other.

    Whatever goes wrong in a world is returned in its place, leaves that world as it was, and is nothing to the others.

    Raises:
        ValueError: not as many actions or prompts as worlds, or a world twice.
    """
    return _by_group(worlds, actions, prompts, _step_group)


def begin_together(
    worlds: Sequence[World], actions: Sequence[Action | None], prompts: Sequence[str | None]
) -> list[PendingChunk | Exception]:
    """`World.begin_step` of every world, as `step_together` steps them; the frames come world by world.

    Raises:
        ValueError: not as many actions or prompts as worlds, or a world twice.
    """
    return _by_group(worlds, actions, prompts, _begin_group)


def prepare_together(worlds: Sequence[World]) -> list[Exception | None]:
    """Prepare every world, as `step_together` steps them; for each what went wrong, None for nothing.

    Raises:
        ValueError: a world twice.
    """
    _check_distinct(worlds)
    failures: dict[int, Exception | None] = {}
    for members in groups(worlds):
        failures.update(zip(members, _prepare_group([worlds[member] for member in members]), strict=True))
    return [failures[number] for number in range(len(worlds))]


def groups(worlds: Sequence[World]) -> list[list[int]]:
    """The numbers of the worlds that can go together, each number once."""
    found: dict[int, list[int]] = {}
    for number, world in enumerate(worlds):
        batcher = world.batcher if _is_batchable(world) else None
        found.setdefault(id(world if batcher is None else batcher), []).append(number)
    return list(found.values())


def _by_group(
    worlds: Sequence[World],
    actions: Sequence[Action | None],
    prompts: Sequence[str | None],
    make: Callable[[list[World], list[Asked]], list[T | Exception]],
) -> list[T | Exception]:
    """What `make` gives for each group of worlds, in the order of the worlds."""
    _check_distinct(worlds, actions, prompts)
    made: dict[int, T | Exception] = {}
    for members in groups(worlds):
        present = [worlds[member] for member in members]
        asked = [(actions[member], prompts[member]) for member in members]
        made.update(zip(members, make(present, asked), strict=True))
    return [made[number] for number in range(len(worlds))]


def _step_group(worlds: list[World], asked: list[Asked]) -> list[Chunk | Exception]:
    ready = _together(worlds)
    if not ready:
        return [_attempt(world.step, *given) for world, given in zip(worlds, asked, strict=True)]
    batcher = _batcher(ready)
    drafts = [_attempt(world.draft, *given) for world, given in zip(ready, asked, strict=True)]
    with batcher.compute.running():
        made = iter(_make_each(_sound(drafts), lambda some: _make(some, batcher)))
        return [
            draft if isinstance(draft, Exception) else _take(partial(world.finish, draft), next(made))
            for world, draft in zip(ready, drafts, strict=True)
        ]


def _begin_group(worlds: list[World], asked: list[Asked]) -> list[PendingChunk | Exception]:
    ready = _together(worlds)
    if not ready:
        return [_attempt(world.begin_step, *given) for world, given in zip(worlds, asked, strict=True)]
    batcher, streamer = _batcher(ready), ready[0].streamer
    if streamer is None:
        return [made if isinstance(made, Exception) else PendingChunk.of(made) for made in _step_group(worlds, asked)]
    drafts = [_attempt(world.draft, *given) for world, given in zip(ready, asked, strict=True)]
    with batcher.compute.running():
        made = iter(_make_each(_sound(drafts), lambda some: _start(some, batcher, streamer)))
        return [
            draft if isinstance(draft, Exception) else _take(partial(world.launch, draft), next(made))
            for world, draft in zip(ready, drafts, strict=True)
        ]


def _sound(drafts: list[Draft | Exception]) -> list[Draft]:
    return [draft for draft in drafts if not isinstance(draft, Exception)]


def _take(take: Callable[..., T], made: tuple[Any, ...] | Exception) -> T | Exception:
    return made if isinstance(made, Exception) else _attempt(take, *made)


def _make_each(drafts: list[Draft], make: Callable[[list[Draft]], list[M]]) -> list[M | Exception]:
    """In one pass; where that fails, for want of memory or because of one draft, in two of half as many, and so on."""
    if not drafts:
        return []
    try:
        return [*make(drafts)]
    except Exception as error:
        if len(drafts) == 1:
            return [error]
        _log.warning("a pass for %d worlds failed and is halved: %r", len(drafts), error)
    # Out here the error is gone, and with it whatever of the failed pass it kept alive.
    half = len(drafts) // 2
    return _make_each(drafts[:half], make) + _make_each(drafts[half:], make)


def _make(drafts: list[Draft], batcher: ManyDreamer) -> list[Made]:
    began = time.perf_counter()
    sampled, encode = _sample(drafts, batcher)
    decoding = time.perf_counter()
    frames = batcher.decode_many([latents for latents, _ in sampled], [draft.previous for draft in drafts])
    decode, total = _since(decoding), _since(began)
    return [
        (latents, shown, Timing(encode, denoise, decode, total))
        for (latents, denoise), shown in zip(sampled, frames, strict=True)
    ]


def _start(drafts: list[Draft], batcher: ManyDreamer, streamer: StreamingDreamer) -> list[Begun]:
    began = time.perf_counter()
    sampled, encode = _sample(drafts, batcher)
    total = _since(began)
    return [
        (latents, streamer.decode_groups(latents, draft.kept_previous), Timing(encode, denoise, 0.0, total))
        for draft, (latents, denoise) in zip(drafts, sampled, strict=True)
    ]


def _sample(drafts: list[Draft], batcher: ManyDreamer) -> tuple[list[tuple[Tensor, tuple[float, ...]]], float]:
    """Latents with the milliseconds of their stages, and the milliseconds of encoding the histories."""
    began = time.perf_counter()
    pasts = _pasts(drafts, batcher)
    encode = _since(began)
    return batcher.sample_many([draft.request for draft in drafts], pasts), encode


def _pasts(drafts: list[Draft], batcher: ManyDreamer) -> list[HistoryCache | HistoryViews]:
    if not batcher.looks_ahead:
        return [draft.memory.views() for draft in drafts]
    missing = [draft.memory for draft in drafts if draft.ahead is None]
    encoded = iter(batcher.encode_histories(missing) if missing else ())
    return [next(encoded) if draft.ahead is None else draft.ahead for draft in drafts]


def _prepare_group(worlds: list[World]) -> list[Exception | None]:
    failure = _attempt(_prepare_many, _together(worlds))
    if isinstance(failure, Exception):
        _log.warning("%d worlds could not be prepared in one pass: %r", len(worlds), failure)
    # Does nothing where it is done, and tells each world's own error.
    return [_attempt(world.prepare) for world in worlds]


def _prepare_many(worlds: list[Batchable]) -> None:
    waiting = [(world, memory) for world in worlds if (memory := world.unprepared()) is not None]
    if len(waiting) < 2:
        return
    batcher = _batcher(worlds)
    with batcher.compute.running():
        encoded = batcher.encode_histories([memory for _, memory in waiting])
    for (world, _), ahead in zip(waiting, encoded, strict=True):
        world.prepared(ahead)


def _together(worlds: list[World]) -> list[Batchable]:
    """The worlds of a group that are more than one; none if there is only one, or one that goes alone."""
    return [world for world in worlds if _is_batchable(world)] if len(worlds) > 1 else []


def _is_batchable(world: World) -> TypeGuard[Batchable]:
    # isinstance() of a protocol takes longer than everything else that is done here for a step of a world alone.
    return hasattr(type(world), "batcher")


def _batcher(worlds: list[Batchable]) -> ManyDreamer:
    batcher = worlds[0].batcher
    assert batcher is not None
    return batcher


def _attempt(call: Callable[..., T], *given: Any) -> T | Exception:
    try:
        return call(*given)
    except Exception as error:
        return error


def _since(began: float) -> float:
    return 1e3 * (time.perf_counter() - began)


def _check_distinct(worlds: Sequence[World], *inputs: Sequence[object]) -> None:
    if any(len(given) != len(worlds) for given in inputs):
        raise ValueError(f"{len(worlds)} worlds, but {[len(given) for given in inputs]} actions and prompts")
    if len({id(world) for world in worlds}) < len(worlds):
        raise ValueError("a world is given twice; it can make only one step at a time")
