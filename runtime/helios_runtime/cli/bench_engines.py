"""`helios-world bench engines`: how fast the clients of game engines are, each on one core."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from helios_runtime.cli.console import print_json, print_rows, progress, write_json
from helios_runtime.cli.options import AsJson

if TYPE_CHECKING:
    from helios_runtime.bench_engines.measure import ClientSpeed, EnginesSpeed

HEADING = "encoding  median ms    p95 ms  frames/s  main ms/frame  decode ms/frame  bytes/frame"
ABSENT = "-"


def engines(
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each client with each encoding.")] = 5,
    chunks: Annotated[int, typer.Option(min=1, help="Chunks in a turn, of 33 frames each.")] = 12,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the figures to this JSON file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Time the Python, C# and Godot clients with frames of 640 × 384, raw and as JPEGs, each on one core.

    No model takes part: the server, on another core, has its frames ready. C# runs under Mono, and Godot in a window on
    a virtual display with software OpenGL. bindings/install-engines installs both; what is missing is named and left
    out. Needs a source checkout.

    Example: helios-world bench engines -o engines.json
    """
    from helios_runtime.bench_engines.engines import engines as known
    from helios_runtime.bench_engines.measure import ENCODINGS, measure_engines
    from helios_runtime.bench_wire.way import LARGE
    from helios_runtime.measure import machine

    clients = known(window=True)
    runs = rounds * len(ENCODINGS) * sum(client.missing is None for client in clients)
    with progress("engines", runs) as done:
        speed = measure_engines(LARGE, clients, rounds=rounds, chunks=chunks, done=done)
    result = {"machine": machine(), **speed.to_dict()}
    if output is not None:
        write_json(output, result)
    if as_json:
        print_json(result)
        return
    print_rows(title(speed), rows(speed))


def title(speed: EnginesSpeed) -> str:
    size = speed.size
    shape = f"chunks of {size.frames} frames of {size.height} × {size.width}, {size.megabytes:.1f} MB raw"
    where = f"clients on core {speed.cores[0]}, server on core {speed.cores[1]}" if speed.cores else "on any cores"
    return f"{shape}, {speed.chunks} timed, {where}"


def rows(speed: EnginesSpeed) -> list[tuple[str, str]]:
    """A row of headings, one row for each client and encoding, and one for each client that is missing."""
    measured = [(each.client, figures(each)) for each in speed.speeds]
    return [("client", HEADING), *measured, *((name, f"left out: {why}") for name, why in speed.missing.items())]


def figures(speed: ClientSpeed) -> str:
    return (
        f"{speed.encoding:<8}  {speed.round_trip:9.2f} {speed.round_trip_p95:9.2f} {speed.frames_per_second:9.0f}"
        f" {known(speed.main, '.3f'):>14} {known(speed.decode, '.2f'):>16} {known(speed.allocated, '.0f'):>12}"
    )


def known(value: float | None, form: str) -> str:
    return ABSENT if value is None else format(value, form)
