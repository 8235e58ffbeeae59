"""`helios-world bench wire`: what the wire adds to a chunk, beside servers that are written as other projects do it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from helios_runtime.cli.console import print_json, print_rows, progress, write_json
from helios_runtime.cli.options import AsJson

if TYPE_CHECKING:
    from helios_runtime.bench_wire.measure import SizeSpeed, WaySpeed

SMALL_ROUNDS = 10
"""Rounds with the small chunk for one with the large."""


def wire(
    rounds: Annotated[
        int, typer.Option(min=1, help="Round trips of the large chunk; ten times as many of the small one.")
    ] = 30,
    clients: Annotated[int, typer.Option(min=1, help="Clients of the second part, all at once.")] = 4,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the figures to this JSON file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Time the round trip of a chunk over loopback: ours, and three servers written as other projects do it.

    No model takes part: all serve frames that are there already, each from a process of its own, and are asked in
    turns. What is timed begins with the action and ends with the frames as an array.

    Example: helios-world bench wire --rounds 100 -o wire.json
    """
    from helios_runtime.bench_wire.measure import calls, congestion_control, measure_wire
    from helios_runtime.bench_wire.way import LARGE, SMALL
    from helios_runtime.measure import machine

    plan = ((LARGE, rounds), (SMALL, SMALL_ROUNDS * rounds))
    with progress("wire", sum(calls(count) for _, count in plan)) as done:
        speeds = [measure_wire(size, rounds=count, clients=clients, done=done) for size, count in plan]
    tcp = congestion_control()
    result = {"machine": machine(), "tcp": tcp, "sizes": [speed.to_dict() for speed in speeds]}
    if output is not None:
        write_json(output, result)
    if as_json:
        print_json(result)
        return
    for speed in speeds:
        print_rows(title(speed, tcp), rows(speed))


def title(speed: SizeSpeed, tcp: str | None) -> str:
    size = speed.size
    shape = f"{size.frames} frames of {size.height} × {size.width}"
    return f"{size.name} chunk, {shape}, {size.megabytes:.1f} MB, {speed.rounds} round trips, TCP {tcp or 'unknown'}"


def rows(speed: SizeSpeed) -> Sequence[tuple[str, str]]:
    """One row for each way under a row of headings, and how ours stands to the best of the others."""
    several = f"chunks/s of {speed.clients}"
    heading = ("way", f"median ms    p95 ms  added ms  chunks/s      MB/s  {several:>13}  written as")
    return [heading, *((way.name, figures(way)) for way in speed.ways), *verdict(speed)]


def figures(way: WaySpeed) -> str:
    if way.missing is not None:
        return f"not installed: pip install {way.missing}"
    return (
        f"{way.median:9.2f} {way.p95:9.2f} {way.added:9.2f} {way.chunks_per_second:9.1f} "
        f"{way.megabytes_per_second:9.1f} {way.together:14.1f}  {way.like}"
    )


def verdict(speed: SizeSpeed) -> list[tuple[str, str]]:
    if speed.best_peer is None:
        return []
    text = (
        f"{speed.time_ratio:.2f} of the time of the best other ({speed.best_peer.name}), {speed.throughput_ratio:.2f} "
        f"times the chunks/s of the fastest, {speed.together_ratio:.2f} times with {speed.clients} clients"
    )
    return [("ours", text)]
