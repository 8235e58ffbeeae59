"""`helios-world bench context`: what a longer past costs, with time scales and without."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from helios_runtime.cli.bench_gpu import begin
from helios_runtime.cli.console import notes, print_json, print_rows, write_json
from helios_runtime.cli.options import AsJson, Device, Dtype, Threads

HEADING = f"{'seconds':>8} {'tokens':>8} {'MB':>9} {'ms':>9}"


def context(
    size: Annotated[str, typer.Option(help="full, the 14B, on a GPU; small or tiny, scaled down, on a CPU.")] = "small",
    minutes: Annotated[float, typer.Option(min=0.0, help="Longer pasts are left out when they are over.")] = 5.0,
    figure: Annotated[Path, typer.Option(help="Where the picture goes, a PNG.")] = Path("context.png"),
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the figures to this JSON file.")] = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    threads: Threads = 1,
    as_json: AsJson = False,
) -> None:
    """Measure a call of the transformer whose history has three time scales, and one that keeps every latent as it is.

    Tokens, memory and time are drawn over the seconds of video that are remembered. Weights are random.

    Example: helios-world bench context --figure context.png -o context.json
    """
    from helios_runtime.bench_gpu.context import measure_context
    from helios_runtime.bench_gpu.context_plot import check_matplotlib, plot_context
    from helios_runtime.bench_gpu.run import about

    check_matplotlib()
    bench = begin(size, minutes, (device, dtype, threads))
    facts, points = about(bench), measure_context(bench)
    result = {"about": facts, "points": points}
    title = f"{size}, {bench.size.height} × {bench.size.width}, {facts['dtype']}, {facts['device']['name']}"
    plot_context(points, title, figure)
    if output is not None:
        write_json(output, result)
    if as_json:
        print_json(result)
        return
    print_rows(f"a call with a history, {title}", rows(points))
    notes().print(f"drawn to {figure}")


def rows(points: Mapping[str, list[dict[str, Any]]]) -> list[tuple[str, str]]:
    """One row for each point, under a row of headings."""
    told = [("history", HEADING)]
    for name, each in (("three time scales", points["scales"]), ("every latent", points["plain"])):
        told += [(f"{name}, {point['latents']}", figures(point)) for point in each]
    return told


def figures(point: Mapping[str, Any]) -> str:
    if point["why"] is not None:
        return f"{point['seconds']:8.1f} not measured: {point['why']}"
    memory = point["bytes"] / 1e6
    return f"{point['seconds']:8.1f} {point['tokens']:8d} {memory:9.1f} {point['milliseconds']:9.1f}"
