"""How long a recipe will take on this machine: a few steps, measured part by part and then at full speed."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from helios_world.lands.painters import Painter, painter_for
from helios_world.lands.tables import Look
from helios_world.train.atlas import empty_atlas
from helios_world.train.codec import empty_codec
from helios_world.train.learner import LAYOUT, Learner
from helios_world.train.objective import Weights
from helios_world.train.recipe import Recipe
from helios_world.train.streams import Streams

PARTS = ("walkers", "painting", "encoding", "loss", "backward", "optimiser", "remembering")


@dataclass(frozen=True)
class Estimate:
    """What was measured.

    Args:
        parts: seconds of a step by part, the device waited for after each.
        step: seconds of a step when nobody waits, as in a run.
        memory: the most bytes of the device's memory in use; 0 on a CPU.
    """

    recipe: Recipe
    parts: dict[str, float]
    step: float
    memory: int

    @property
    def sequences_per_second(self) -> float:
        return self.recipe.batch / self.step

    def steps_in(self, hours: float) -> int:
        """How many steps fit into some hours, previews and saving not counted."""
        return int(3600 * hours / self.step)

    def lines(self, hours: float | None = None) -> list[str]:
        """The estimate as text, with a suggestion for `hours` if they are given."""
        whole = sum(self.parts.values())
        shown = [f"{name:<12} {1e3 * s:9.2f} ms  {s / whole:6.1%}" for name, s in self.parts.items()]
        minutes = self.step * self.recipe.steps / 60
        shown += [
            f"{'a step':<12} {1e3 * self.step:9.2f} ms, {self.recipe.batch} sequences",
            f"{self.sequences_per_second:.1f} sequences per second",
            f"{self.recipe.name}: {self.recipe.steps} steps take {minutes:.1f} minutes",
        ]
        if self.memory:
            shown.append(f"{self.memory / 2**30:.1f} GiB of the device's memory")
        if hours is not None:
            shown.append(f"in {60 * hours:.1f} minutes: --steps {self.steps_in(hours)}")
        return shown


def estimate(
    recipe: Recipe,
    device: torch.device,
    steps: int = 10,
    painting: Callable[[Look, torch.device], Painter] = painter_for,
) -> Estimate:
    """Measure `steps` steps twice, after every walker has begun its walk. Nothing is written.

    The codec is one that knows nothing; it takes the same time.
    """
    watch = _Watch(device)
    look = Look(recipe.world.height, recipe.world.width, recipe.world.detail)
    bench = _Bench(recipe, device, watch, painting(look, device))
    for _ in range(-(-recipe.streams.count // recipe.batch) + 2):
        bench.step()
    watch.seconds.clear()
    for _ in range(steps):
        bench.step()
    parts = {name: watch.seconds[name] / steps for name in PARTS}
    parts["encoding"] -= parts["painting"]
    watch.waits = False
    began = watch.now()
    for _ in range(steps):
        bench.step()
    watch.waits = True
    memory = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    return Estimate(recipe, parts, (watch.now() - began) / steps, memory)


class _Watch:
    """Sums the seconds of named parts, the device waited for at their ends while `waits`."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.waits = device, True
        self.seconds: dict[str, float] = defaultdict(float)

    def now(self) -> float:
        if self.waits and self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        began = self.now()
        yield
        self.seconds[part] += self.now() - began


class _Timed:
    """A painter whose time is taken."""

    def __init__(self, painter: Painter, watch: _Watch) -> None:
        self.painter, self.watch = painter, watch

    def __call__(self, poses: npt.NDArray[np.float64], scenes: npt.NDArray[np.int64]) -> Tensor:
        with self.watch.of("painting"):
            return self.painter(poses, scenes)


class _Bench:
    """The steps of a run, taken apart."""

    def __init__(self, recipe: Recipe, device: torch.device, watch: _Watch, painter: Painter) -> None:
        self.recipe, self.watch = recipe, watch
        codec = empty_codec(recipe, device)
        self.learner = Learner(recipe, device)
        atlas = empty_atlas(recipe, codec, self.learner.encoder.config.text_dim)
        self.streams = Streams(recipe, codec, LAYOUT, _Timed(painter, watch), recipe.seed, atlas)
        self.streams.walkers.own_share = recipe.streams.own
        self.weights = Weights(codec.scale, recipe.pose, recipe.text.auxiliary, recipe.second, recipe.lowest_sigma)

    def step(self) -> None:
        of, learner = self.watch.of, self.learner
        with of("walkers"):
            turn = self.streams.walkers.next(self.recipe.batch)
        with of("encoding"):
            batch = self.streams.show(turn)
        with of("loss"):
            result = learner.loss(batch, self.weights)
        with of("backward"):
            result.loss.backward()  # type: ignore[no-untyped-call]
        with of("optimiser"):
            learner.update(result, 0)
        with of("remembering"):
            self.streams.push(batch, learner.remembered(result, batch))
