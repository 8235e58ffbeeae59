"""`helios-world bench`: how fast a world is on this machine, and whether it holds more as time goes by.

It is a group of benchmarks. One that is not named is `world`, so that `bench nano` is `bench world nano`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from helios_runtime.cli.bench_context import context
from helios_runtime.cli.bench_engines import engines
from helios_runtime.cli.bench_gpu import gpu
from helios_runtime.cli.bench_sessions import sessions
from helios_runtime.cli.bench_wire import wire
from helios_runtime.cli.console import print_json, print_rows, progress, write_json
from helios_runtime.cli.options import AsJson, Device, Dtype, WorldName

if TYPE_CHECKING:
    from helios_runtime.measure import Speed
    from helios_world.spec import WorldSpec

MIB = 2**20
ALL_THREADS = os.cpu_count() or 1


class Benchmarks(TyperGroup):
    """Takes `world` for the name of the benchmark where none is given."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = bool(args) and args[0] in (*self.commands, *ctx.help_option_names)
        return super().parse_args(ctx, args if named else ["world", *args])


bench = typer.Typer(name="bench", cls=Benchmarks)


@bench.callback()
def root() -> None:
    """Time a world on this machine; `world` is what is meant when no benchmark is named.

    Example: helios-world bench nano

    Example: helios-world bench sessions nano

    Example: helios-world bench wire

    Example: helios-world bench engines

    Example: helios-world bench gpu -o gpu.json

    Example: helios-world bench context --figure context.png
    """


def world(
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

    Example: helios-world bench world nano --chunks 2000 -o bench.json
    """
    from helios_runtime.measure import machine
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


def publish(result: dict[str, Any], spec: WorldSpec, speed: Speed, output: Path | None, as_json: bool) -> None:
    if output is not None:
        write_json(output, result)
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


bench.command()(world)
bench.command()(sessions)
bench.command()(wire)
bench.command()(engines)
bench.command()(gpu)
bench.command()(context)
