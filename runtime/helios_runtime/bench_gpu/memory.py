"""Parts about memory: the peak of every way, several sessions at once, growth over time, and weights on the host."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from helios_runtime.bench_gpu.bench import FAST, SLOW, Bench
from helios_runtime.bench_gpu.clock import Spread, milliseconds
from helios_runtime.bench_gpu.models import Models, join
from helios_runtime.bench_gpu.reference import make_chunks, open_pipeline
from helios_runtime.bench_gpu.whole import REFERENCE, SEED, begun, nothing
from helios_runtime.measure import live_bytes
from helios_runtime.measure_sessions import measure_sessions
from helios_world.compute import DTYPES
from helios_world.dream import DreamWorld
from helios_world.official.dreamer import OfficialDreamer
from helios_world.official.parts import OfficialParts
from helios_world.official.video_codec import VideoCodec
from helios_world.offload import BlockOffloader, LeafOffloader
from helios_world.options import Options

SESSIONS = (1, 2, 4)
STEADY = 20
"""Chunks before the first count of bytes, after which nothing new is to be kept."""
OFFLOAD_SECONDS = 90.0
"""That moving the weights to the host and running from there takes on a GPU; spared for it."""


def peak(bench: Bench) -> dict[str, Any]:
    """Bytes of the GPU at the most, of [1,1,1]: the shared weights, and what each way takes beside them."""
    models = bench.models
    weights = bench.allocated()
    torch.cuda.reset_peak_memory_stats(bench.compute.device)
    make_chunks(open_pipeline(models), models, FAST, SEED, 3, nothing)
    beside = {REFERENCE: torch.cuda.max_memory_allocated(bench.compute.device) - weights}
    for name, options in bench.variants().items():
        before = bench.allocated()
        torch.cuda.reset_peak_memory_stats(bench.compute.device)
        begun(models.world(FAST, **options))
        beside[name] = torch.cuda.max_memory_allocated(bench.compute.device) - before
    return {"weights": weights, "beside": beside, "peaks": {name: weights + more for name, more in beside.items()}}


def sessions(bench: Bench) -> dict[str, Any]:
    """Several sessions stepped in one pass, and one after the other."""
    world = bench.models.world(FAST)
    rounds = bench.size.chunks if bench.budget.left > 0 else 3
    speeds = measure_sessions(world.sibling, counts=SESSIONS, rounds=min(rounds, 4))
    return {"sessions": [speed.to_dict() for speed in speeds]}


def growth(bench: Bench) -> dict[str, Any]:
    """Bytes held after some chunks and after many."""
    world = begun(bench.models.world(FAST))
    steady = min(STEADY, bench.growth // 3)
    counts: list[int] = []
    made = 0
    for made in bench.budget.rounds(bench.growth, 2 * steady + 1, OFFLOAD_SECONDS if bench.on_gpu else 0.0):
        if made == steady:
            counts.append(_held(bench))
        world.step()
    counts.append(_held(bench))
    return {
        "chunks": made + 1 - steady,
        "wanted": bench.growth - steady,
        "bytes": counts,
        "grown": counts[-1] - counts[0],
    }


def _held(bench: Bench) -> int:
    return bench.allocated() if bench.on_gpu else live_bytes()


def offload(bench: Bench) -> dict[str, Any]:
    """The weights on the host: peak of the GPU, and frames a second. Takes the models away from the other parts."""
    models = bench.take_models()
    onto_host(models)
    made: dict[str, Any] = {"left_before": bench.allocated()}
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(bench.compute.device)
    parts = offloaded_parts(models)
    for name, steps in (("1,1,1", FAST), ("2,2,2", SLOW)):
        chosen = models.options(steps, offload="group")
        world = begun(DreamWorld(OfficialDreamer(parts, chosen, bench.compute)))
        times = [milliseconds(bench.clock, world.step) for _ in bench.budget.rounds(3, 2)]
        made[name] = {
            "milliseconds": Spread.of(times).to_dict(),
            "frames_per_second": 1e3 * bench.size.frames / Spread.of(times).median,
            "peak": torch.cuda.max_memory_allocated(bench.compute.device),
        }
    return made


def onto_host(models: Models) -> None:
    """Move all weights to the host; diffusers' transformer is dropped."""
    models.theirs = None
    for module in (models.transformer, models.vae, models.text):
        for part in module.modules():
            _move(part)
    join(models.transformer)


def _move(module: nn.Module) -> None:
    """Of a module itself, without its children."""
    for parameter in module.parameters(recurse=False):
        parameter.data = parameter.data.cpu()
    for name, buffer in module.named_buffers(recurse=False):
        setattr(module, name, buffer.cpu())


def offloaded_parts(models: Models) -> OfficialParts:
    """As those of a checkpoint folder with offload="group", but for the text encoder, which stays on the host."""
    device, options = models.compute.device, models.options(FAST, offload="group")
    encoder = models.encoder()
    table: Any = models.text.get_input_embeddings()
    LeafOffloader(models.text, device, on_host=(table,), pin=False)
    BlockOffloader(models.transformer, device)
    return models.parts(models.transformer, _codec(models, options), encoder)


def _codec(models: Models, options: Options) -> VideoCodec:
    if options.tiles(max(options.height, options.width)):
        models.vae.enable_tiling()
    codec = VideoCodec(models.vae, "cpu", DTYPES[options.vae_dtype]).computing_on(models.compute.device)
    LeafOffloader(codec.module, models.compute.device)
    return codec
