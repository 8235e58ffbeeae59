"""Parts about whole chunks: the same latents, the time of a chunk, of many in a row, and to the first frame."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from helios_runtime.bench_gpu.bench import FAST, LEAST_ROUNDS, SLOW, Bench, Budget
from helios_runtime.bench_gpu.clock import Clock, Spread, milliseconds, paired_ratio
from helios_runtime.bench_gpu.models import PROMPT
from helios_runtime.bench_gpu.reference import StoppedError, make_chunks, open_pipeline
from helios_runtime.bench_gpu.sizes import Size
from helios_world.dream import DreamWorld
from helios_world.pending import PendingChunk

TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.05}
"""Of the distance of latents, relative to their size. In bfloat16 a number is rounded by up to 1/256 at every step."""
SEED = 3
WARM_UP = 2
ALONE = 3
REFERENCE = "diffusers"
Work = Callable[[], object]


def equality(bench: Bench) -> dict[str, Any]:
    """The latents of two chunks, ours against diffusers', from the same noise.

    Beside it how far diffusers is from itself when another of torch's implementations computes its attention.
    """
    chunks, models = 2, bench.models
    steps = {"1,1,1": FAST, "2,2,2": SLOW}
    distances, itself = {}, {}
    for name, plan in steps.items():
        expected = make_chunks(open_pipeline(models), models, plan, SEED, chunks, nothing)
        assert expected is not None
        distances[name] = apart(our_latents(models.world(plan), bench.size, chunks), expected, chunks)
        with sdpa_kernel(SDPBackend.EFFICIENT_ATTENTION if bench.on_gpu else SDPBackend.MATH):
            again = make_chunks(open_pipeline(models), models, plan, SEED, chunks, nothing)
        assert again is not None
        itself[name] = apart(again, expected, chunks)
    tolerance = TOLERANCE[bench.compute.dtype]
    worst = max(max(each) for each in distances.values())
    return {
        "distances": distances,
        "itself": itself,
        "tolerance": tolerance,
        "worst": worst,
        "same": worst <= tolerance,
    }


def chunk_times(bench: Bench, steps: tuple[int, ...], pipeline: Any = None) -> dict[str, Any]:
    """Every way makes a chunk in turn: diffusers' from its second on, ours with all that a step() does."""
    models = bench.models
    worlds = {name: begun(models.world(steps, **options)) for name, options in bench.variants().items()}
    turns = Turns(bench.clock, bench.budget, bench.size.chunks, {name: world.step for name, world in worlds.items()})
    make_chunks(pipeline or open_pipeline(models), models, steps, SEED, bench.size.chunks + 2, turns)
    return {
        "steps": list(steps),
        "milliseconds": {name: Spread.of(times).to_dict() for name, times in turns.times.items()},
        "ratios": {name: paired_ratio(turns.times[REFERENCE], turns.times[name]) for name in worlds},
        "frames_per_second": {
            name: 1e3 * bench.size.frames / Spread.of(times).median for name, times in turns.times.items()
        },
    }


class Turns:
    """Lets ours make a chunk each before every chunk of the reference, and times them all; called by the reference.

    Args:
        rounds: wanted; fewer where the time is up.
    """

    def __init__(self, clock: Clock, budget: Budget, rounds: int, ours: Mapping[str, Work]) -> None:
        self.times: dict[str, list[float]] = {REFERENCE: [], **{name: [] for name in ours}}
        self._clock, self._budget, self._rounds, self._ours = clock, budget, rounds, ours
        self._began = 0.0

    def __call__(self, number: int) -> None:
        now = self._clock()
        done = number - 1
        if done >= 1:
            # Its first chunk warms up, and has no history.
            self.times[REFERENCE].append(1e3 * (now - self._began))
        if done >= self._rounds or (done >= LEAST_ROUNDS and self._budget.left <= 0):
            raise StoppedError
        if number >= 1:
            for name, work in self._ours.items():
                self.times[name].append(milliseconds(self._clock, work))
        self._began = self._clock()


def sustained(bench: Bench) -> dict[str, Any]:
    """Chunks in a row, each decoded while the next one is denoised where the device can do both at once."""
    made: dict[str, Any] = {}
    for name, options in bench.variants().items():
        for steps in (FAST, SLOW):
            if made and bench.budget.left <= 0:
                break
            world = begun(bench.models.world(steps, **options))
            made[f"{name}, {told(steps)}"] = _in_a_row(bench, world)
    return made


def _in_a_row(bench: Bench, world: DreamWorld) -> dict[str, Any]:
    # Beside a decoding, denoising is slower: what it takes by itself is measured by itself.
    alone = statistics.median(sum(world.step().timing.denoise) for _ in range(ALONE))
    denoised, count = 0.0, 0
    waiting: PendingChunk | None = None
    began = bench.clock()
    for _ in bench.budget.rounds(bench.size.sustained):
        following = world.begin_step()
        denoised += 0.0 if waiting is None else sum(waiting.result().timing.denoise)
        waiting, count = following, count + 1
    assert waiting is not None
    denoised += sum(waiting.result().timing.denoise)
    taken = bench.clock() - began
    return {
        "chunks": count,
        "frames_per_second": count * bench.size.frames / taken,
        "chunk_ms": 1e3 * taken / count,
        "denoise_ms": denoised / count,
        "denoise_alone_ms": alone,
        "not_overlapped": max(0.0, 1 - alone * count / 1e3 / taken),
    }


def first_frame(bench: Bench) -> dict[str, Any]:
    """From the call to the first frame of its chunk, and to the last."""
    made = {}
    for name, options in bench.variants().items():
        world = begun(bench.models.world(FAST, **options))
        times = [_first_and_last(bench.clock, bench.arrival, world) for _ in bench.budget.rounds(bench.size.chunks)]
        first, last = zip(*times, strict=True)
        made[name] = {"first": Spread.of(first).to_dict(), "last": Spread.of(last).to_dict()}
    return made


def _first_and_last(clock: Clock, arrival: Clock, world: DreamWorld) -> tuple[float, float]:
    clock()
    began = arrival()
    pending = world.begin_step()
    next(iter(pending.groups()))
    first = 1e3 * (arrival() - began)
    pending.result()
    return first, 1e3 * (arrival() - began)


def begun(world: DreamWorld) -> DreamWorld:
    """The world after a few chunks, so that what is made once is made."""
    world.reset(seed=SEED, prompt=PROMPT)
    for _ in range(WARM_UP):
        world.step()
    return world


def our_latents(world: DreamWorld, size: Size, chunks: int) -> Tensor:
    """Of the first chunks of a session, as many as a memory holds: [1, C, F, h, w]."""
    world.reset(seed=SEED, prompt=PROMPT)
    for _ in range(1, chunks):
        world.step()
    return torch.tensor(world.snapshot().arrays["latents"][:, :, -chunks * size.layout.chunk :])


def apart(made: Tensor, expected: Tensor, chunks: int) -> list[float]:
    """Of each chunk, the distance relative to the expected latents' size."""
    pairs = zip(made.float().cpu().chunk(chunks, dim=2), expected.float().cpu().chunk(chunks, dim=2), strict=True)
    return [float((one - other).norm() / other.norm()) for one, other in pairs]


def told(steps: tuple[int, ...]) -> str:
    return ",".join(map(str, steps))


def nothing(number: int) -> None:
    pass
