"""`helios-world bench gpu`: the official model with random weights, ours beside diffusers', on one GPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from helios_runtime.cli.console import notes, print_json, print_rows, write_json
from helios_runtime.cli.options import AsJson, Device, Dtype, Threads

if TYPE_CHECKING:
    from helios_runtime.bench_gpu.bench import Bench

COMPILE_SECONDS = 150.0


def gpu(
    size: Annotated[
        str, typer.Option(help="full, the 14B; small or tiny, scaled down, for a machine without a GPU.")
    ] = "full",
    minutes: Annotated[float, typer.Option(min=0.0, help="Begin no part that would end later; it is named.")] = 9.0,
    parts: Annotated[str | None, typer.Option(help="Only these parts, with commas between them.")] = None,
    compiled: Annotated[
        bool | None, typer.Option("--compiled/--no-compiled", help="Against torch.compile too; by default on a GPU.")
    ] = None,
    growth: Annotated[int | None, typer.Option(min=1, help="Chunks over which the bytes held are compared.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Keep the parts that the output file has done.")] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the figures to this JSON file.")] = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    threads: Threads = 1,
    as_json: AsJson = False,
) -> None:
    """Time the official model against diffusers' pipeline: same random weights, same noise, in turns; no download.

    Latents are compared first. Then whole chunks, each piece, chunks in a row, the first frame, several sessions and
    memory are measured, and how far the transformer is from what the device can do. A part that fails, or for which the
    time is too short, is named and the others go on.

    Example: helios-world bench gpu -o gpu.json

    Example: helios-world bench gpu --size small --device cpu --dtype float32
    """
    from helios_runtime.bench_gpu.run import PARTS, run
    from helios_runtime.bench_gpu.tables import tables

    bench = begin(size, minutes, (device, dtype, threads), growth, compiled)
    wanted = None if parts is None else names_of(parts, [part.name for part in PARTS])
    before = read(output) if resume and output is not None else None
    console = notes()
    result = run(
        bench,
        wanted=wanted,
        before=before,
        save=lambda made: None if output is None else write_json(output, made),
        told=console.print,
    )
    if as_json:
        print_json(result)
        return
    for title, rows in tables(result):
        print_rows(title, rows)


def begin(
    size: str, minutes: float, where: tuple[str, str, int], growth: int | None = None, compiled: bool | None = False
) -> Bench:
    """A run that has not begun; its time has.

    Raises:
        OptionError: an unknown size, or the full one without a GPU.
    """
    from helios_runtime.bench_gpu.bench import Bench, Budget
    from helios_runtime.bench_gpu.sizes import size_of
    from helios_world.compute import Compute
    from helios_world.errors import OptionError

    chosen, compute = size_of(size), Compute.choose(*where)
    on_gpu = compute.device.type == "cuda"
    if chosen.name == "full" and not on_gpu:
        raise OptionError("the size is 'full', which needs a CUDA device; --size small runs on a CPU")
    compiles = on_gpu if compiled is None else compiled
    seconds = COMPILE_SECONDS if compiles else None
    return Bench(chosen, compute, Budget(60 * minutes), growth=growth, compile_seconds=seconds)


def names_of(text: str, known: list[str]) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in known]:
        raise typer.BadParameter(f"--parts has {', '.join(unknown)}; there are {', '.join(known)}")
    return names


def read(path: Path) -> dict[str, Any] | None:
    """What an earlier run wrote, if it did.

    Raises:
        OptionError: something else is in the file.
    """
    from helios_world.errors import OptionError

    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise OptionError(f"{str(path)!r} cannot be resumed, it is no JSON: {error}") from error
    if not isinstance(found, dict) or not {"about", "parts"} <= found.keys():
        raise OptionError(f"{str(path)!r} cannot be resumed: it was not written by this command")
    return found
