"""How fast a world is and how much it holds. Works on every `World`; loads no torch of its own."""

from __future__ import annotations

import gc
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from helios_world.spec import NO_ACTION, Action, ActionSpec, Timing, World

WARM_UP = 20
TIMED = 200


def nothing() -> None:
    """The progress callback that shows nothing."""


@dataclass(frozen=True)
class StepTimes:
    """Medians over the timed chunks, in milliseconds.

    Args:
        chunk: prepare and step together: what decides the frames per second.
        step: the step alone, after prepare: what lies between an input and its frames.
        encode, denoise, decode: the parts that the world itself reports.
        chunk_p95: 95th percentile of `chunk`.
        chunks: how many chunks were timed.
    """

    chunk: float
    chunk_p95: float
    step: float
    prepare: float
    encode: float
    denoise: float
    decode: float
    chunks: int


@dataclass(frozen=True)
class Held:
    """What is held, in bytes.

    Args:
        after_chunks: when it was counted.
        state: the arrays of the snapshot: what the session itself is.
        arrays: all arrays and tensors in the process, weights included.
        resident: memory that the system has given to the process, None where it does not say.
    """

    after_chunks: int
    state: int
    arrays: int
    resident: int | None


@dataclass(frozen=True)
class Speed:
    """The measurement of one world with one number of compute threads."""

    threads: int
    times: StepTimes
    frames_per_second: float
    realtime: float
    held: tuple[Held, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "cores": os.cpu_count() or 1,
    }


def measure(
    world: World,
    *,
    chunks: int = WARM_UP + TIMED,
    threads: int = 1,
    seed: int = 0,
    done: Callable[[], None] = nothing,
) -> Speed:
    """Step `world` through `chunks` chunks of changing input and say how long they took and what is held.

    The first 20 chunks warm up, the next 200 (or what is left) are timed. Bytes are counted after 20 and at
    the end.
    """
    if chunks <= WARM_UP:
        raise ValueError(f"chunks is {chunks}; more than the {WARM_UP} that warm up are needed")
    actions = action_cycle(world.spec.actions)
    world.reset(seed=seed)
    walk(world, actions, range(WARM_UP), done)
    held = [count_held(world, WARM_UP)]
    timed = walk(world, actions, range(WARM_UP, min(chunks, WARM_UP + TIMED)), done)
    walk(world, actions, range(WARM_UP + TIMED, chunks), done)
    held.append(count_held(world, chunks))
    times = summarise(timed)
    rate = 1000.0 * world.spec.frames_per_chunk / times.chunk
    return Speed(threads, times, rate, rate / world.spec.fps, tuple(held))


def action_cycle(spec: ActionSpec) -> tuple[Action, ...]:
    """Nothing, every button alone, and every axis at half of its range: each once."""
    buttons = [Action(buttons={name}) for name in spec.button_names]
    axes = [Action(axes={axis.name: axis.high / 2}) for axis in spec.axes]
    return (NO_ACTION, *buttons, *axes)


def walk(
    world: World, actions: Sequence[Action], numbers: range, done: Callable[[], None]
) -> list[tuple[float, float, Timing]]:
    """Make one chunk per number; return (prepare ms, step ms, the world's own timing) for each."""
    return [timed_step(world, actions[number // 6 % len(actions)], done) for number in numbers]


def timed_step(world: World, action: Action, done: Callable[[], None]) -> tuple[float, float, Timing]:
    start = time.perf_counter()
    world.prepare()
    prepared = time.perf_counter()
    timing = world.step(action).timing
    end = time.perf_counter()
    done()
    return 1000 * (prepared - start), 1000 * (end - prepared), timing


def summarise(samples: Sequence[tuple[float, float, Timing]]) -> StepTimes:
    """Medians of what `walk` returned."""
    chunk = [prepare + step for prepare, step, _ in samples]
    return StepTimes(
        chunk=statistics.median(chunk),
        chunk_p95=float(np.percentile(chunk, 95)),
        step=statistics.median(step for _, step, _ in samples),
        prepare=statistics.median(prepare for prepare, _, _ in samples),
        encode=statistics.median(timing.encode for _, _, timing in samples),
        denoise=statistics.median(sum(timing.denoise) for _, _, timing in samples),
        decode=statistics.median(timing.decode for _, _, timing in samples),
        chunks=len(samples),
    )


def count_held(world: World, after_chunks: int) -> Held:
    return Held(after_chunks, world.snapshot().nbytes, live_bytes(), resident_bytes())


def live_bytes() -> int:
    """Bytes in all numpy arrays and torch tensors that objects of this process refer to, each once."""
    gc.collect()
    tensor_type = getattr(sys.modules.get("torch"), "Tensor", ())
    arrays: dict[int, int] = {}
    storages: dict[int, int] = {}
    # By type() and not isinstance(): lazy proxies answer isinstance by loading what they stand for.
    for holder in gc.get_objects():
        if issubclass(type(holder), tensor_type) and not holder.is_sparse:
            storage = holder.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
        found = (item for item in gc.get_referents(holder) if issubclass(type(item), np.ndarray))
        arrays.update((id(item), item.nbytes) for item in found if item.base is None)
    return sum(arrays.values()) + sum(storages.values())


def resident_bytes() -> int | None:
    """Resident memory of this process; None where the system does not say."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None
