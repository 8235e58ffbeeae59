"""The list of parts, and how they are run: in a fixed order, as far as the time goes, and none left out silently."""

from __future__ import annotations

import platform
import time
import traceback
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from typing import Any

import torch

from helios_runtime.bench_gpu.bench import FAST, SLOW, Bench
from helios_runtime.bench_gpu.choices import CompileTimeError, compiled, fp8
from helios_runtime.bench_gpu.memory import OFFLOAD_SECONDS, growth, offload, peak, sessions
from helios_runtime.bench_gpu.pieces import codec, limits, text, transformer
from helios_runtime.bench_gpu.targets import targets
from helios_runtime.bench_gpu.whole import chunk_times, equality, first_frame, sustained
from helios_runtime.measure import machine
from helios_world.errors import DependencyError, OptionError

DONE, NOT_RUN, FAILED = "done", "not run", "failed"
PACKAGES = ("torch", "triton", "diffusers", "transformers", "helios-world")
Save = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Part:
    """Something to measure.

    Args:
        seconds: that it takes with size "full" on a fast GPU, about; it is not begun with less.
        run: its result, as values that JSON has.
        gpu: whether it means nothing without one.
    """

    name: str
    title: str
    seconds: float
    run: Callable[[Bench], dict[str, Any]]
    gpu: bool = False


PARTS = (
    Part("limits", "what the device does at the most", 5, limits),
    Part("equality", "the same latents as diffusers", 25, equality),
    Part("chunk", "a chunk, [1,1,1]", 50, partial(chunk_times, steps=FAST)),
    Part("transformer", "the transformer alone", 30, transformer),
    Part("sustained", "chunks in a row", 45, sustained),
    Part("first_frame", "time to the first frame", 15, first_frame),
    Part("codec", "the video decoder alone", 20, codec),
    Part("text", "a new prompt", 3, text),
    Part("fp8", "products in 8 bits", 40, fp8, gpu=True),
    Part("peak", "memory at the most", 15, peak, gpu=True),
    Part("chunk_slow", "a chunk, [2,2,2]", 60, partial(chunk_times, steps=SLOW)),
    Part("sessions", "several sessions in one pass", 40, sessions),
    Part("growth", "memory over time", 30, growth),
    Part("offload", "the weights on the host", OFFLOAD_SECONDS, offload, gpu=True),
    Part("compiled", "against diffusers compiled", 100, compiled),
)
"""In the order in which they are run: where the time is short, the last are not. Compiling, which nothing can end
early, is the very last."""


def run(
    bench: Bench,
    *,
    wanted: Collection[str] | None = None,
    before: Mapping[str, Any] | None = None,
    save: Save = lambda result: None,
    told: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Run the parts.

    Args:
        wanted: names of parts; the others are reported as not run. None for all.
        before: what an earlier run returned; parts that it has done on the same machine and size are kept.
        save: called with what there is after every part.
        told: called with a line before every part.
    """
    result: dict[str, Any] = {"about": about(bench), "parts": {}, "targets": []}
    kept = _kept(before, result["about"])
    for part in PARTS:
        told(f"{part.name}: {part.title}, {max(0, bench.budget.left):.0f} s left")
        outcome = kept.get(part.name) or _outcome(part, bench, wanted)
        result["parts"][part.name] = {"title": part.title, **outcome}
        result["targets"] = targets(result)
        save(result)
    return result


def about(bench: Bench) -> dict[str, Any]:
    """What was measured on what."""
    return {
        "size": bench.size.name,
        "frame": [bench.size.height, bench.size.width],
        "machine": machine(),
        "device": device_facts(bench.compute.device),
        "dtype": str(bench.compute.dtype).removeprefix("torch."),
        "threads": bench.compute.threads,
        "clock": bench.clock_name,
        "versions": {name: _version(name) for name in PACKAGES},
    }


def device_facts(device: torch.device) -> dict[str, Any]:
    if device.type != "cuda":
        return {"name": platform.processor() or platform.machine()}
    facts = torch.cuda.get_device_properties(device)
    return {
        "name": facts.name,
        "memory": facts.total_memory,
        "multiprocessors": facts.multi_processor_count,
        "capability": f"{facts.major}.{facts.minor}",
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
        "clock_mhz": _clock_rate(device),
    }


def _outcome(part: Part, bench: Bench, wanted: Collection[str] | None) -> dict[str, Any]:
    if why := _obstacle(part, bench, wanted):
        return {"status": NOT_RUN, "why": why}
    began = time.monotonic()
    try:
        found = part.run(bench)
    except (OptionError, DependencyError, CompileTimeError) as error:
        return {"status": NOT_RUN, "why": str(error), "seconds": time.monotonic() - began}
    # Whatever one part dies of, the others are measured.
    except Exception as error:
        where = traceback.format_exc(limit=-3)
        return {"status": FAILED, "why": f"{type(error).__name__}: {error}", "trace": where}
    return {"status": DONE, "seconds": time.monotonic() - began, "result": found}


def _obstacle(part: Part, bench: Bench, wanted: Collection[str] | None) -> str | None:
    if wanted is not None and part.name not in wanted:
        return "not asked for"
    if part.gpu and not bench.on_gpu:
        return "no CUDA device"
    if part.name == "compiled" and bench.compile_seconds is None:
        return "compiling was not asked for"
    needs = part.seconds if bench.size.name == "full" else 0.0
    if bench.budget.left <= needs:
        return f"the time is up: about {needs:.0f} s are needed and {max(0.0, bench.budget.left):.0f} s were left"
    return None


def _kept(before: Mapping[str, Any] | None, present: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of an earlier run that need not be run again."""
    same = ("size", "dtype", "threads", "versions")
    if before is None or any(before["about"].get(key) != present[key] for key in same):
        return {}
    if before["about"]["device"].get("name") != present["device"]["name"]:
        return {}
    return {name: part for name, part in before["parts"].items() if part["status"] == DONE}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _clock_rate(device: torch.device) -> int | None:
    try:
        return torch.cuda.clock_rate(device)
    # Needs a library for the driver that not every installation has.
    except Exception:
        return None
