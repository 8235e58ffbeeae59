"""What the parts of a run share: the models, the clock and the time that is left."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from helios_runtime.bench_gpu.clock import make_arrival, make_clock
from helios_runtime.bench_gpu.models import Models, build
from helios_runtime.bench_gpu.sizes import Size
from helios_world.compute import Compute

LEAST_ROUNDS = 3
FAST, SLOW = (1, 1, 1), (2, 2, 2)
"""Steps of each stage, as the authors publish them: for speed, and for quality."""


class Budget:
    """The time of a run.

    Args:
        seconds: that there are, from now on.
        now: a clock that never goes back.
    """

    def __init__(self, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._end, self._now = now() + seconds, now

    @property
    def left(self) -> float:
        """Seconds; below 0 when the time is up."""
        return self._end - self._now()

    def rounds(self, wanted: int, least: int = LEAST_ROUNDS, spare: float = 0.0) -> Iterator[int]:
        """Count up to `wanted`, but not beyond `least` once no more than `spare` seconds are left."""
        for number in range(wanted):
            if number >= least and self.left <= spare:
                return
            yield number


class Bench:
    """A run's state.

    Args:
        size: what is measured.
        growth: chunks between the two counts of the bytes held.
        compile_seconds: after which no further piece of diffusers is compiled; None compiles nothing.
        make: makes the models when they are first needed.
    """

    def __init__(
        self,
        size: Size,
        compute: Compute,
        budget: Budget,
        *,
        growth: int | None = None,
        compile_seconds: float | None = None,
        make: Callable[[Size, Compute], Models] = build,
    ) -> None:
        self.size, self.compute, self.budget = size, compute, budget
        self.growth = growth or size.growth
        self.compile_seconds = compile_seconds
        self.clock_name, self.clock = make_clock(compute.device, compute.threads)
        self.arrival = make_arrival(compute.device, self.clock)
        self._make = make
        self._models: Models | None = None

    @property
    def models(self) -> Models:
        if self._models is None:
            with self.compute.threaded():
                self._models = self._make(self.size, self.compute)
        return self._models

    @property
    def on_gpu(self) -> bool:
        return self.compute.device.type == "cuda"

    def take_models(self) -> Models:
        """The models, which nobody else has then; whoever needs some later gets new ones."""
        models, self._models = self.models, None
        return models

    def variants(self) -> dict[str, dict[str, Any]]:
        """Options of our ways to make a chunk, by what the report calls them."""
        known: dict[str, dict[str, Any]] = {"ours": {}}
        if self.on_gpu:
            known["ours, VAE bf16"] = {"vae_dtype": "bfloat16"}
        return known

    def allocated(self) -> int:
        """Bytes of tensors on a GPU, when all that nobody holds is gone."""
        gc.collect()
        torch.cuda.synchronize(self.compute.device)
        return torch.cuda.memory_allocated(self.compute.device)
