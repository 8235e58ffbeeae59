"""Parts about what may be chosen: 8 bits on our side, torch.compile on diffusers'."""

from __future__ import annotations

import copy
from typing import Any

import torch

from helios_runtime.bench_gpu.bench import FAST, Bench
from helios_runtime.bench_gpu.clock import milliseconds
from helios_runtime.bench_gpu.models import PROMPT, Models, reference_twin
from helios_runtime.bench_gpu.pieces import (
    call_ours,
    chunk_of,
    decoded,
    furthest,
    in_turns,
    levels_apart,
    summary,
)
from helios_runtime.bench_gpu.reference import open_pipeline
from helios_runtime.bench_gpu.whole import REFERENCE, Work, apart, begun, chunk_times, our_latents
from helios_world.dream import DreamWorld
from helios_world.official.timing import Chunk, call_theirs

MODE: dict[str, Any] = {"mode": "max-autotune-no-cudagraphs", "dynamic": False}
"""How the authors compile."""
EXACT, ROUNDED = "ours", "ours, FP8"


class CompileTimeError(Exception):
    """Compiling took longer than was allowed."""


def fp8(bench: Bench) -> dict[str, Any]:
    """Our chunks and our transformer with products in 8 bits, and how far they are from the exact ones.

    Raises:
        OptionError: the device has no such products.
    """
    models, chunk = bench.models, chunk_of(bench)
    # First the rounded one: it tells at once where there are no such products.
    rounded, exact = models.dreamer(FAST, precision="fp8"), models.dreamer(FAST)
    fasts = {EXACT: exact.fast, ROUNDED: rounded.fast}
    kept = {name: fast.keep_text(chunk.text) for name, fast in fasts.items()}
    calls: dict[str, Work] = {
        EXACT: lambda: call_ours(fasts[EXACT], chunk, kept[EXACT]),
        ROUNDED: lambda: call_ours(fasts[ROUNDED], chunk, kept[ROUNDED]),
    }
    worlds = {EXACT: DreamWorld(exact), ROUNDED: DreamWorld(rounded)}
    latents = {name: our_latents(world, bench.size, 1) for name, world in worlds.items()}
    with bench.compute.running():
        velocities = [call_ours(fasts[name], chunk, kept[name]) for name in (ROUNDED, EXACT)]
        times = in_turns(bench, calls)
        videos = [decoded(exact.parts.codec, latents[name].to(bench.compute.device)) for name in (ROUNDED, EXACT)]
    whole = in_turns(bench, {name: begun(world).step for name, world in worlds.items()})
    return {
        "transformer": summary(times, EXACT),
        "chunk": summary(whole, EXACT),
        "velocity_distance": furthest(*velocities),
        "latent_distance": apart(latents[ROUNDED], latents[EXACT], 1)[0],
        "frames": levels_apart(*videos),
    }


def compiled(bench: Bench) -> dict[str, Any]:
    """Against diffusers' modules compiled as its authors do it: `compile()` of the three, before the first chunk.

    Of the video codec that reaches `forward` alone, which the pipeline does not call.

    Raises:
        CompileTimeError: what was allowed is over; it tells what had been compiled.
    """
    try:
        # Beyond its limit torch goes on with what was not compiled, which would pass for the compiled one here.
        with torch._dynamo.config.patch(fail_on_recompile_limit_hit=True):
            return _compiled(bench)
    finally:
        # What was compiled keeps the weights alive.
        torch.compiler.reset()


def _compiled(bench: Bench) -> dict[str, Any]:
    models, chunk = bench.models, chunk_of(bench)
    parts = _compilable(models)
    seconds = _warm(bench, models, parts, chunk)
    pipeline = open_pipeline(models, **parts)
    ours = models.dreamer(FAST).fast
    kept = ours.keep_text(chunk.text)
    ways: dict[str, Work] = {
        REFERENCE: lambda: call_theirs(parts["transformer"], chunk),
        "ours": lambda: call_ours(ours, chunk, kept),
    }
    # As the pipeline calls it: for inference_mode, which it does not use, all would be compiled once more.
    with bench.compute.threaded(), torch.no_grad():
        calls = summary(in_turns(bench, ways))
    return {"compile_seconds": seconds, "transformer": calls, "chunk": chunk_times(bench, FAST, pipeline)}


def _compilable(models: Models) -> dict[str, Any]:
    """Modules of their own over the same weights, so that the others stay as they are."""
    made = {
        "transformer": reference_twin(models.transformer),
        "text_encoder": copy.deepcopy(models.text),
        "vae": copy.deepcopy(models.vae),
    }
    for module in made.values():
        module.compile(**MODE)
    return made


def _warm(bench: Bench, models: Models, parts: dict[str, Any], chunk: Chunk) -> dict[str, float]:
    """Seconds that the first call of each shape took."""
    pipeline = open_pipeline(models, **parts)
    words = {"do_classifier_free_guidance": False, "device": bench.compute.device}
    calls: dict[str, Work] = {
        f"transformer, stage {place}": _one_call(parts["transformer"], chunk, place)
        for place in range(len(chunk.calls))
    }
    calls["text encoder"] = lambda: pipeline.encode_prompt(PROMPT, max_sequence_length=bench.size.text_tokens, **words)
    spent: dict[str, float] = {}
    for name, call in calls.items():
        allowed = min(bench.compile_seconds or 0.0, sum(spent.values()) + bench.budget.left)
        if sum(spent.values()) > allowed:
            raise CompileTimeError(f"compiling takes longer than {allowed:.0f} s; it took {_told(spent)} so far")
        with bench.compute.threaded(), torch.no_grad():
            spent[name] = milliseconds(bench.clock, call) / 1e3
    return spent


def _one_call(theirs: Any, chunk: Chunk, place: int) -> Work:
    alone = Chunk(chunk.layout, chunk.history, chunk.text, [chunk.calls[place]])
    return lambda: call_theirs(theirs, alone)


def _told(spent: dict[str, float]) -> str:
    return ", ".join(f"{name} {seconds:.0f} s" for name, seconds in spent.items())
