"""What it costs to remember: a history at several time scales, against one whose latents all stay at full resolution.

What is measured is one call of the transformer at the last stage, and embedding the history before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from helios_runtime.bench_gpu.bench import Bench
from helios_runtime.bench_gpu.clock import Spread, milliseconds
from helios_runtime.bench_gpu.models import make_transformer
from helios_runtime.bench_gpu.sizes import Size
from helios_world.memory import HistoryLayout, HistoryViews
from helios_world.model import HeliosTransformer
from helios_world.model.fast import FastTransformer
from helios_world.offload import live_bytes

FPS = 24
TIMESTEP = 385.0
ROUNDS = 3
PLAIN, SCALES = "plain", "scales"
"""All latents side by side at full resolution; and long, mid and short as the model was trained."""


@dataclass(frozen=True)
class Point:
    """A length of the past, and what it costs.

    Args:
        latents, seconds: remembered.
        tokens: of the history and the chunk together.
        milliseconds: of a call.
        bytes: alive at the most during the call, without the weights.
        why: there is no figure; for want of memory, or of time.
    """

    latents: int
    seconds: float
    tokens: int | None = None
    milliseconds: float | None = None
    bytes: int | None = None
    why: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def measure_context(bench: Bench) -> dict[str, Any]:
    """Points of both ways, by their names. The multi-scale history is measured once: it has one length."""
    with bench.compute.running():
        model = make_transformer(bench.size, bench.compute)
        steady = _point(bench, model, bench.size.layout, bench.size.layout.length + 1)
        plain = [*_growing(bench, model)]
    return {SCALES: [steady.to_dict()], PLAIN: [point.to_dict() for point in plain]}


def _growing(bench: Bench, model: HeliosTransformer) -> Iterator[Point]:
    why: str | None = None
    for latents in bench.size.contexts:
        if why is None and bench.budget.left <= 0:
            why = "the time is up"
        if why is not None:
            yield Point(latents, seconds_of(bench.size, latents), why=why)
            continue
        try:
            yield _point(bench, model, plain_layout(bench.size, latents), latents)
        except torch.OutOfMemoryError:
            why = "out of memory"
            yield Point(latents, seconds_of(bench.size, latents), why=why)


def plain_layout(size: Size, latents: int) -> HistoryLayout:
    """All latents in the short part, the anchor among them.

    The model has no history without a long and a mid part; each has one latent more, of the fewest tokens.
    """
    return HistoryLayout(long=1, mid=1, short=latents - 1, chunk=size.layout.chunk)


def seconds_of(size: Size, latents: int) -> float:
    """Of video that so many latents stand for."""
    return latents / size.layout.chunk * size.frames / FPS


def _point(bench: Bench, model: HeliosTransformer, layout: HistoryLayout, latents: int) -> Point:
    fast = FastTransformer(model, layout)
    size, device = bench.size, bench.compute.device
    config, (height, width) = size.transformer, size.latent

    def draw(frames: int) -> Tensor:
        return torch.randn(1, config.in_channels, frames, height, width, device=device)

    views = HistoryViews(*(draw(frames) for frames in (1, layout.long, layout.mid, layout.short)))
    text = fast.keep_text(torch.randn(1, size.text_tokens, config.text_dim, device=device, dtype=bench.compute.dtype))
    noisy = draw(layout.chunk)
    call = partial(_call, fast, noisy, text, views)
    tokens = call()
    times = [milliseconds(bench.clock, call) for _ in bench.budget.rounds(ROUNDS, 1)]
    with live_bytes(device) as usage:
        call()
    return Point(latents, seconds_of(size, latents), tokens, Spread.of(times).median, usage.peak)


def _call(fast: FastTransformer, noisy: Tensor, text: Any, views: HistoryViews) -> int:
    """Returns the number of tokens."""
    past = fast.embed_history(views)
    fast.velocity(noisy, TIMESTEP, text, past)
    frames, rows, columns = fast.model.grid(noisy)
    return past.tokens.shape[1] + frames * rows * columns
