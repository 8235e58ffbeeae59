"""The executable form of the contract in helios_world.spec, for any world, local or remote.

>>> check_world(PatternWorld)
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from helios_world.errors import ActionError, FrameError, HeliosError, PromptError, SnapshotError, StateError
from helios_world.snapshot import Snapshot
from helios_world.spec import NO_ACTION, Action, ActionSpec, Chunk, Frames, World, WorldSpec

MAX_SEED = 2**63 - 1


class ConformanceError(AssertionError):
    """A world does not keep the contract; the message says where."""


def check_world(make: Callable[[], World]) -> None:
    """Try everything that the contract promises.

    Args:
        make: gives a world that has not begun; called for every check, and the worlds are closed.

    Raises:
        ConformanceError: at the first promise that is not kept.
    """
    for check in CHECKS:
        world = make()
        try:
            check(world, make)
        except HeliosError as error:
            raise ConformanceError(f"{check.__name__}: unexpected {error!r}") from error
        finally:
            world.close()


def _form(world: World, make: Callable[[], World]) -> None:
    _require(isinstance(world, World), f"{type(world).__name__} lacks a method of World")
    _require(WorldSpec.from_dict(world.spec.to_dict()) == world.spec, "the spec does not survive to_dict()")
    first = world.reset(seed=3)
    _check_chunk(first, world.spec, 0, NO_ACTION)
    for index, action in enumerate(_actions(world.spec.actions, 3), start=1):
        _check_chunk(world.step(action), world.spec, index, action)
    _check_chunk(world.step(), world.spec, 4, NO_ACTION)
    _check_chunk(world.reset(seed=MAX_SEED), world.spec, 0, NO_ACTION)


def _order(world: World, make: Callable[[], World]) -> None:
    for call in (world.step, world.snapshot):
        _refuses(StateError, call, "before reset()")
    world.reset()
    world.close()
    world.close()
    _refuses(StateError, world.step, "after close()")


def _determinism(world: World, make: Callable[[], World]) -> None:
    first = _session(world, 11)
    _same(first, _session(world, 11), "the same seed and inputs after a second reset()")
    other = make()
    _same(first, _session(other, 11), "the same seed and inputs in a second world")
    other.close()


def _preparation(world: World, make: Callable[[], World]) -> None:
    expected = _session(world, 5)
    _same(expected, _session(world, 5, before_step=world.prepare), "with prepare() before every step")


def _snapshots(world: World, make: Callable[[], World]) -> None:
    _session(world, 7)
    state = world.snapshot()
    future = _walk(world, 3)
    _require(Snapshot.from_bytes(bytes(state)) == state, "a snapshot differs from its bytes")
    world.restore(state)
    _require(world.snapshot() == state, "a snapshot taken after restore() differs from the restored one")
    _same(future, _walk(world, 3), "after restore()")
    other = make()
    other.restore(Snapshot.from_bytes(bytes(state)))
    _same(future, _walk(other, 3), "after restore() in a fresh world")
    other.close()


def _forks(world: World, make: Callable[[], World]) -> None:
    _session(world, 9)
    twin = world.fork()
    before = world.snapshot()
    future = _walk(twin, 3)
    _require(world.snapshot() == before, "stepping a fork changed the world that it came from")
    _same(future, _walk(world, 3), "in a fork")
    twin.close()
    _check_chunk(world.step(), world.spec, future[-1].index + 1, NO_ACTION)


def _refusals(world: World, make: Callable[[], World]) -> None:
    _session(world, 13)
    before = world.snapshot()
    _refuses(ActionError, lambda: world.step(Action(buttons={"no such button"})), "an unknown button")
    _refuses(ActionError, lambda: world.step(Action(axes={"no such axis": 0.0})), "an unknown axis")
    for axis in world.spec.actions.axes:
        for value in (axis.high + 1, axis.low - 1, float("nan")):
            beyond = partial(world.step, Action(axes={axis.name: value}))
            _refuses(ActionError, beyond, f"the value {value} of axis {axis.name!r}")
    number: Any = 3
    _refuses(PromptError, lambda: world.step(prompt=number), "a prompt that is no text")
    _refuses(ActionError, lambda: world.reset(seed=-1), "a negative seed")
    foreign = replace(before, fingerprint="another world's")
    _refuses(SnapshotError, lambda: world.restore(foreign), "another world's snapshot")
    _require(world.snapshot() == before, "a refused call changed the state")


def _prompts(world: World, make: Callable[[], World]) -> None:
    old, new = world.spec.prompts[0], world.spec.prompts[-1]
    _require(world.reset(prompt=old).prompt[0].text == old, "reset(prompt=…) begins with another prompt")
    for number in range(1, world.spec.blend + 2):
        chunk = world.step(prompt=new if number == 1 else None)
        shares = {part.text: part.weight for part in chunk.prompt}
        expected = 1.0 if old == new else _share(world.spec, number)
        found = shares.get(new, 0.0)
        _require(abs(found - expected) < 1e-6, f"share {found} of a new prompt in chunk {number}, not {expected}")


def _share(spec: WorldSpec, number: int) -> float:
    """Of a new prompt, in the `number`-th chunk after the change."""
    if spec.fade == "early" or spec.blend == 1:
        return min(1.0, number / spec.blend)
    return min(1.0, (number - 1) / (spec.blend - 1))


def _constant_memory(world: World, make: Callable[[], World]) -> None:
    world.reset(seed=1)
    small = _held(world, 2)
    large = _held(world, 24)
    _require(small == large, f"a snapshot holds {small} bytes after 2 chunks and {large} after 26")


def _starts(world: World, make: Callable[[], World]) -> None:
    spec = world.spec
    for height, width in ((spec.height, spec.width), (2 * spec.height + 3, spec.width + 5)):
        video = _film(2 * spec.frames_per_chunk, height, width)
        for name, frames in (("image", video[0]), ("video", video)):
            start: dict[str, Any] = {"seed": 2, name: frames}
            if name not in spec.starts:
                _refuses(FrameError, partial(world.reset, **start), f"reset({name}=…), not in spec.starts,")
                continue
            first = world.reset(**start)
            _check_chunk(first, spec, 0, NO_ACTION)
            _check_chunk(world.step(), spec, 1, NO_ACTION)
            _same([first], [world.reset(**start)], f"after a second reset({name}=…)")


def _wrong_frames(world: World, make: Callable[[], World]) -> None:
    film = _film(world.spec.frames_per_chunk, world.spec.height, world.spec.width)
    floats: Any = film[0].astype(np.float32)
    _refuses(FrameError, lambda: world.reset(image=floats), "a float image")
    _refuses(FrameError, lambda: world.reset(image=film[0, :, :, :1]), "a grey image")
    _refuses(FrameError, lambda: world.reset(image=film), "a video as image")
    _refuses(FrameError, lambda: world.reset(image=film[0, :0]), "an empty image")
    _refuses(FrameError, lambda: world.reset(video=film[0]), "an image as video")
    _refuses(FrameError, lambda: world.reset(video=film[:0]), "a video without frames")
    _refuses(FrameError, lambda: world.reset(image=film[0], video=film), "image and video at once")


Check = Callable[[World, Callable[[], World]], None]
CHECKS: tuple[Check, ...] = (
    _form,
    _prompts,
    _order,
    _determinism,
    _preparation,
    _snapshots,
    _forks,
    _refusals,
    _constant_memory,
    _starts,
    _wrong_frames,
)


def _check_chunk(chunk: Chunk, spec: WorldSpec, index: int, action: Action) -> None:
    frames, shape = chunk.frames, (spec.frames_per_chunk, spec.height, spec.width, 3)
    _require(isinstance(frames, np.ndarray), f"frames are {type(frames).__name__}, not a numpy array")
    _require(frames.dtype == np.uint8 and frames.shape == shape, f"frames are {frames.dtype} {frames.shape}")
    _require(frames.flags.c_contiguous, "frames are not C-contiguous")
    _require(chunk.index == index, f"chunk {index} says that it is {chunk.index}")
    _require(chunk.first_frame == index * spec.frames_per_chunk, f"chunk {index} begins at {chunk.first_frame}")
    _require(chunk.action == action, f"chunk {index} was asked for {action}, says {chunk.action}")
    total = sum(part.weight for part in chunk.prompt)
    _require(abs(total - 1) < 1e-6, f"the prompt weights of chunk {index} sum to {total}")
    _require(chunk.timing.total >= 0, f"chunk {index} took {chunk.timing.total} ms")


def _actions(spec: ActionSpec, count: int) -> Iterator[Action]:
    """Every control in turn, with all kinds of neighbours."""
    controls = [Action(buttons={name}) for name in spec.button_names]
    controls += [Action(axes={axis.name: axis.high / 2}) for axis in spec.axes]
    controls += [NO_ACTION, Action(buttons=spec.button_names)]
    return itertools.islice(itertools.cycle(controls), count)


def _walk(world: World, count: int) -> list[Chunk]:
    return [world.step(action) for action in _actions(world.spec.actions, count)]


def _session(world: World, seed: int, before_step: Callable[[], None] = lambda: None) -> list[Chunk]:
    """Six chunks with actions and a change of prompt."""
    chunks = [world.reset(seed=seed, prompt=world.spec.prompts[0])]
    prompts = (None, None, None, world.spec.prompts[-1], None)
    for action, prompt in zip(_actions(world.spec.actions, 5), prompts, strict=True):
        before_step()
        chunks.append(world.step(action, prompt))
    return chunks


def _held(world: World, count: int) -> int:
    _walk(world, count)
    return world.snapshot().nbytes


def _film(count: int, height: int, width: int) -> Frames:
    ramp = np.arange(count * height * width * 3, dtype=np.uint32) * 2_654_435_761 >> 24
    return ramp.astype(np.uint8).reshape(count, height, width, 3)


def _same(expected: Sequence[Chunk], found: Sequence[Chunk], when: str) -> None:
    for left, right in zip(expected, found, strict=True):
        _require(np.array_equal(left.frames, right.frames), f"chunk {left.index} has other frames {when}")
        _require(left.index == right.index and left.prompt == right.prompt, f"chunk {left.index} differs {when}")


def _refuses(kind: type[HeliosError], call: Callable[[], object], what: str) -> None:
    try:
        call()
    except kind:
        return
    except Exception as error:
        raise ConformanceError(f"{what}: {kind.__name__} expected, got {error!r}") from error
    raise ConformanceError(f"{what} was accepted; {kind.__name__} expected")


def _require(kept: bool, message: str) -> None:
    if not kept:
        raise ConformanceError(message)
