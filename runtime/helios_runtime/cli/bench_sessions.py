"""`helios-world bench sessions`: what several sessions of a world gain by being stepped in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from helios_runtime.cli.console import print_json, print_rows, progress, write_json
from helios_runtime.cli.options import AsJson, Device, Dtype, Threads, WorldName

if TYPE_CHECKING:
    from helios_runtime.measure_sessions import SessionsSpeed
    from helios_world.spec import WorldSpec

EVERY = "1,2,4,8,16"


def sessions(
    world: WorldName = "nano",
    counts: Annotated[str, typer.Option(help="Numbers of sessions, with commas between them.")] = EVERY,
    rounds: Annotated[int, typer.Option(min=1, help="Chunks of every session that are timed.")] = 10,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the figures to this JSON file.")] = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    threads: Threads = 1,
    as_json: AsJson = False,
) -> None:
    """Time several sessions of a world, stepped in one pass and one after the other, in turns.

    Frames per second are those of all sessions. Medians over the rounds, after two that warm up; the frames of both
    ways are compared as well.

    Example: helios-world bench sessions nano --rounds 20 -o sessions.json
    """
    from helios_runtime.measure import machine
    from helios_runtime.measure_sessions import calls, measure_sessions
    from helios_world.batch import opener

    numbers = counts_of(counts)
    begin = opener(world, device=device, dtype=dtype, threads=threads)
    spec = begin().spec
    with progress(spec.name, calls(numbers, rounds)) as done:
        speeds = measure_sessions(begin, counts=numbers, rounds=rounds, done=done)
    figures = [speed.to_dict() for speed in speeds]
    result = {"machine": machine(), "world": spec.to_dict(), "threads": threads, "rounds": rounds, "sessions": figures}
    if output is not None:
        write_json(output, result)
    if as_json:
        print_json(result)
    else:
        print_rows(f"{spec.name}, {threads} thread{'s' * (threads > 1)}", rows(spec, speeds))


def counts_of(text: str) -> tuple[int, ...]:
    """ "1,2,4" to numbers, each once and in order."""
    try:
        numbers = sorted({int(part) for part in text.split(",")})
    except ValueError:
        numbers = []
    if not numbers or numbers[0] < 1:
        raise typer.BadParameter(
            f"--counts takes numbers from 1 with commas between them, such as {EVERY}; got {text!r}"
        )
    return tuple(numbers)


def rows(spec: WorldSpec, speeds: Sequence[SessionsSpeed]) -> list[tuple[str, str]]:
    """One row for each number of sessions, under a row of headings."""
    heading = ("sessions", "frames/s together   one by one   times as fast   each, of playback   frames differ")
    figures = [
        (
            str(speed.sessions),
            f"{speed.together_frames:17.1f}   {speed.alone_frames:10.1f}   {speed.times_as_fast:13.2f}   "
            f"{speed.together_frames / speed.sessions / spec.fps:17.2f}   "
            f"{f'by {speed.difference} of 255' if speed.difference else 'not at all':>13}",
        )
        for speed in speeds
    ]
    return [heading, *figures]
