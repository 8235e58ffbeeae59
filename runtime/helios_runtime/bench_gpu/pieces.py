"""Parts about single pieces: the transformer, the codec and the text encoder, each by itself."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from helios_runtime.bench_gpu.bench import FAST, SLOW, Bench
from helios_runtime.bench_gpu.clock import Spread, milliseconds, paired_ratio
from helios_runtime.bench_gpu.counts import (
    activation_bytes,
    chunk_operations,
    codec_operations,
    needed,
    parameters,
    passes,
    weight_bytes,
)
from helios_runtime.bench_gpu.limits import copy_rate, fp8_rate, matrix_rate
from helios_runtime.bench_gpu.models import PROMPT
from helios_runtime.bench_gpu.reference import open_pipeline
from helios_runtime.bench_gpu.whole import REFERENCE, Work
from helios_world.memory import HistoryViews
from helios_world.model.fast import FastTransformer
from helios_world.model.texts import Text
from helios_world.official.timing import Chunk, call_theirs, make_chunk
from helios_world.official.video_codec import VideoCodec

SETTLING = 3
"""Rounds that are not timed: ours computes a shape in the first, measures it in the second and may record it then."""


def limits(bench: Bench) -> dict[str, Any]:
    """The most that the device does, and what a chunk needs of it."""
    size, config, item = bench.size, bench.size.transformer, bench.compute.dtype.itemsize
    with bench.compute.threaded():
        rates = {
            "operations_per_second": matrix_rate(size, bench.compute, bench.clock, bench.compute.dtype),
            "fp8_operations_per_second": fp8_rate(size, bench.compute, bench.clock),
            "bytes_per_second": copy_rate(size, bench.compute, bench.clock),
        }
    calls = passes(size, FAST)
    return {
        **rates,
        "tokens": [one.tokens for one in calls],
        "operations": {
            name: {
                "as_written": chunk_operations(config, passes(size, steps), least=False).total,
                "needed": chunk_operations(config, passes(size, steps), least=True).total,
            }
            for name, steps in (("1,1,1", FAST), ("2,2,2", SLOW))
        },
        "stage_operations": [needed(config, one).total for one in calls],
        "weight_bytes": weight_bytes(config, item),
        "activation_bytes": [activation_bytes(config, one, item) for one in calls],
        "codec_operations": codec_operations(bench.models.vae, size),
        "parameters": {name: parameters(getattr(bench.models, name)) for name in ("transformer", "vae", "text")},
    }


def transformer(bench: Bench) -> dict[str, Any]:
    """The calls of a chunk of a steady session, [1,1,1], in turns; and ours stage by stage."""
    models, chunk = bench.models, chunk_of(bench)
    dreamer = models.dreamer(FAST)
    fast = dreamer.fast
    kept = fast.keep_text(chunk.text)
    ways: dict[str, Work] = {
        REFERENCE: lambda: call_theirs(models.theirs, chunk),
        "ours": lambda: call_ours(fast, chunk, kept),
    }
    with bench.compute.running():
        difference = furthest(call_ours(fast, chunk, kept), call_theirs(models.theirs, chunk))
        times = in_turns(bench, ways)
        stages = _stages(bench, fast, chunk, kept)
    return {**summary(times), "stages": stages, "difference": difference, "chosen": dreamer.report()}


def codec(bench: Bench) -> dict[str, Any]:
    """Decoding a chunk: diffusers' tensor on the device, our frames on the host."""
    models = bench.models
    options: dict[str, dict[str, Any]] = {"ours": {}}
    if bench.on_gpu:
        options["ours, bf16"] = {"vae_dtype": "bfloat16"}
        options["ours, bf16, channels last"] = {"vae_dtype": "bfloat16", "vae_channels_last": True}
    codecs = {name: models.codec(models.options(FAST, **chosen)) for name, chosen in options.items()}
    shape = (1, bench.size.transformer.in_channels, bench.size.layout.chunk, *bench.size.latent)
    latents = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(bench.compute.device)
    ways: dict[str, Work] = {REFERENCE: lambda: models.vae.decode(latents, return_dict=False)}
    ways.update({name: partial(decoded, one, latents) for name, one in codecs.items()})
    with bench.compute.running():
        exact = decoded(codecs["ours"], latents)
        errors = {name: levels_apart(decoded(one, latents), exact) for name, one in codecs.items() if name != "ours"}
        return {**summary(in_turns(bench, ways)), "errors": errors}


def text(bench: Bench) -> dict[str, Any]:
    """A new prompt: embedding it, which both do once, and ours with the keys and values of all blocks."""
    models = bench.models
    pipeline, fast = open_pipeline(models), models.dreamer(FAST).fast
    words = {"prompt": PROMPT, "do_classifier_free_guidance": False, "device": bench.compute.device}
    ways: dict[str, Work] = {
        REFERENCE: lambda: pipeline.encode_prompt(**words, max_sequence_length=bench.size.text_tokens),
        "ours": lambda: models.encoder()(PROMPT),
        "ours, with keys and values": lambda: fast.keep_text(models.encoder()(PROMPT)),
    }
    with bench.compute.running():
        return summary(in_turns(bench, ways))


def chunk_of(bench: Bench) -> Chunk:
    """What the transformer is given for a chunk of [1,1,1], on the device."""
    size, device = bench.size, bench.compute.device
    torch.manual_seed(0)
    made = make_chunk(size.transformer, *size.latent, size.text_tokens, size.layout)
    views = made.history
    history = HistoryViews(*(part.to(device) for part in (views.anchor, views.long, views.mid, views.short)))
    # Those of two steps each, of which this takes the first.
    calls = [(noisy.to(device), step) for noisy, step in made.calls[::2]]
    return Chunk(made.layout, history, made.text.to(device, bench.compute.dtype), calls)


def call_ours(fast: FastTransformer, chunk: Chunk, kept: Text) -> list[Tensor]:
    past = fast.embed_history(chunk.history)
    return [fast.velocity(noisy, step, kept, past) for noisy, step in chunk.calls]


def in_turns(bench: Bench, ways: Mapping[str, Work]) -> dict[str, list[float]]:
    """Milliseconds of every way in every round, after some rounds without the clock."""
    for _ in range(SETTLING):
        for work in ways.values():
            work()
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in bench.budget.rounds(bench.size.chunks):
        for name, work in ways.items():
            times[name].append(milliseconds(bench.clock, work))
    return times


def summary(times: dict[str, list[float]], slow: str = REFERENCE) -> dict[str, Any]:
    return {
        "milliseconds": {name: Spread.of(each).to_dict() for name, each in times.items()},
        "ratios": {name: paired_ratio(times[slow], each) for name, each in times.items() if name != slow},
    }


def decoded(codec: VideoCodec, latents: Tensor) -> np.ndarray[Any, Any]:
    return np.concatenate([*codec.decode_groups(latents)])


def levels_apart(made: np.ndarray[Any, Any], exact: np.ndarray[Any, Any]) -> dict[str, float | None]:
    """The largest difference of two videos in levels of 255, and their PSNR in dB; None for equal ones."""
    difference = made.astype(np.float64) - exact
    mean = float((difference**2).mean())
    return {"levels": float(np.abs(difference).max()), "psnr": 10 * float(np.log10(255**2 / mean)) if mean else None}


def furthest(made: list[Tensor], expected: list[Tensor]) -> float:
    """The largest distance of two velocities, relative to their size."""
    pairs = zip(made, expected, strict=True)
    return max(float((one.float() - other.float()).norm() / other.float().norm()) for one, other in pairs)


def _stages(bench: Bench, fast: FastTransformer, chunk: Chunk, kept: Text) -> list[dict[str, Any]]:
    """Of every call alone; the history is embedded already."""
    past = fast.embed_history(chunk.history)
    calls = {str(place): partial(fast.velocity, *call, kept, past) for place, call in enumerate(chunk.calls)}
    return [Spread.of(times).to_dict() for times in in_turns(bench, calls).values()]
