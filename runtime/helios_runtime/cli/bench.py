"""`helios-world bench`: how fast a world is on this machine, and whether it holds more as time goes by."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from helios_runtime.cli.console import print_json, print_rows, progress
from helios_runtime.cli.options import AsJson, Device, Dtype, WorldName

if TYPE_CHECKING:
    from helios_runtime.measure import Speed
    from helios_world.spec import WorldSpec

MIB = 2**20
ALL_THREADS = os.cpu_count() or 1


def bench(
    world: WorldName = "nano",
    chunks: Annotated[
        int, typer.Option(min=21, help="Chunks in all; bytes are compared after 20 and at the end.")
    ] = 2000,
    compare: Annotated[
        int | None, typer.Option(min=1, help="Time this number of threads as well; by default one per core.")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the figures to this JSON file.")] = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: AsJson = False,
) -> None:
    """Time a world with one compute thread, compare with several, and count the bytes it holds.

    The median is taken over 200 chunks, after 20 that warm up.

    Example: helios-world bench nano --chunks 2000 -o bench.json
    """
    from helios_world.spec import World

    one = World.load(world, device=device, dtype=dtype, threads=1)
    speed = run(one, chunks, threads=1)
    result: dict[str, Any] = {"machine": machine(), "world": one.spec.to_dict()}
    result["one_thread"] = speed.to_dict()
    threads = compare or ALL_THREADS
    if threads > 1:
        several = run(World.load(world, device=device, dtype=dtype, threads=threads), min(chunks, 220), threads)
        result["several_threads"] = several.to_dict()
        result["times_as_fast"] = speed.times.chunk / several.times.chunk
    publish(result, one.spec, speed, output, as_json)


def run(world: Any, chunks: int, threads: int) -> Speed:
    from helios_runtime.measure import measure

    with progress(f"{world.spec.name}, {threads} thread{'s' if threads > 1 else ''}", chunks) as done:
        return measure(world, chunks=chunks, threads=threads, done=done)


def machine() -> dict[str, Any]:
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "cores": ALL_THREADS,
    }


def publish(result: dict[str, Any], spec: WorldSpec, speed: Speed, output: Path | None, as_json: bool) -> None:
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if as_json:
        print_json(result)
        return
    rows = speed_rows(spec, speed)
    if "times_as_fast" in result:
        threads = result["several_threads"]["threads"]
        rows.append((f"with {threads} threads", f"{result['times_as_fast']:.2f} times as fast as with one"))
    print_rows(f"{spec.name}, one compute thread", rows)


def speed_rows(spec: WorldSpec, speed: Speed) -> list[tuple[str, str]]:
    times = speed.times
    return [
        ("chunk", f"{times.chunk:.1f} ms for {spec.frames_per_chunk} frames, median of {times.chunks}"),
        ("chunk p95", f"{times.chunk_p95:.1f} ms"),
        ("frames/s", f"{speed.frames_per_second:.1f}, {speed.realtime:.2f} times playback at {spec.fps}"),
        ("after the input", f"{times.step:.1f} ms (prepared ahead: {times.prepare:.1f} ms)"),
        ("parts", f"encode {times.encode:.1f}, denoise {times.denoise:.1f}, decode {times.decode:.1f} ms"),
        *((f"held after {held.after_chunks}", held_text(held)) for held in speed.held),
    ]


def held_text(held: Any) -> str:
    resident = "" if held.resident is None else f", resident {held.resident / MIB:.1f} MiB"
    return f"{held.state} bytes of state, {held.arrays} bytes in arrays and tensors{resident}"
