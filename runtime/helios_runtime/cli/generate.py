"""`helios-world generate`: a session without a window, as fast as the machine can, to an mp4 and a log."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from helios_runtime.cli.console import notes, print_json, progress
from helios_runtime.cli.options import AsJson, Device, Prompt, Seed, WorldName, existing_file

if TYPE_CHECKING:
    from helios_runtime.script import Script
    from helios_world.spec import Chunk, World, WorldSpec

DEFAULT_SECONDS = 10.0


def generate(
    world: WorldName = "nano",
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The mp4 to write; its log lies beside it as .jsonl.")
    ] = Path("out.mp4"),
    prompt: Prompt = None,
    seed: Seed = 0,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="Length of the video. By default the script's, or 10.")
    ] = None,
    script: Annotated[
        Path | None, typer.Option(help="Recorded input, a JSON object per line. Without it nobody moves.")
    ] = None,
    image: Annotated[Path | None, typer.Option(help="A picture to start from.")] = None,
    video: Annotated[Path | None, typer.Option(help="A video to continue, at the world's frame rate.")] = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Write a video of a world, with a log from which it can be made again.

    A line of a script: {"t": 1.5, "press": "forward"}, or "release": "forward", "axis": ["turn", 0.5],
    "prompt": "…".

    Example: helios-world generate nano -o walk.mp4 --prompt "desert ruins at sunset" --seconds 10
    """
    from helios_runtime.script import Script
    from helios_world.spec import World

    opened = World.load(world, device=device)
    played = Script(()) if script is None else Script.load(script).check(opened.spec.actions)
    start = {"seed": seed, "prompt": prompt, **pictures(opened, image, video)}
    count = chunk_count(opened, seconds or played.seconds or DEFAULT_SECONDS)
    record(opened, output, count, lambda world: scripted(world, played, count, start))
    result = {"video": str(output), "log": str(output.with_suffix(".jsonl")), "chunks": count}
    if as_json:
        print_json(result)
    else:
        notes().print(f"wrote {result['video']} and {result['log']}")


def record(world: World, output: Path, count: int, chunks_of: Callable[[World], Iterator[Chunk]]) -> None:
    """Write what `chunks_of` makes a world do to an mp4 and its log, showing progress."""
    from helios_world.recording import RecordingWorld

    output.parent.mkdir(parents=True, exist_ok=True)
    with RecordingWorld(world, output) as recorded, progress(output.name, count) as done:
        for _ in chunks_of(recorded):
            done()


def pictures(world: World, image: Path | None, video: Path | None) -> dict[str, Any]:
    """What to start from, as arguments of reset()."""
    if image is not None and video is not None:
        raise typer.BadParameter("start from --image or from --video, not from both")
    from helios_world.recording import read_video

    if image is not None:
        return {"image": read_video(existing_file(image), last=1)[0]}
    if video is not None:
        return {"video": read_video(existing_file(video), last=frames_remembered(world.spec))}
    return {}


def frames_remembered(spec: WorldSpec) -> int:
    """Pixel frames that the memory covers, the anchor included; for a world without memory one chunk."""
    memory = spec.memory
    if memory is None:
        return spec.frames_per_chunk
    latents = 1 + memory.long + memory.mid + memory.short
    return latents * spec.frames_per_chunk // memory.latents_per_chunk


def chunk_count(world: World, seconds: float) -> int:
    return max(1, math.ceil(seconds * world.spec.fps / world.spec.frames_per_chunk - 1e-9))


def scripted(world: World, script: Script, count: int, start: dict[str, Any]) -> Iterator[Chunk]:
    """Yield `count` chunks. What the script does up to the time a chunk is first shown is in that chunk."""
    from helios_runtime.inputs import InputSampler
    from helios_runtime.script import ScriptPlayer

    inputs = InputSampler(world.spec.actions, now=lambda: 0.0)
    player = ScriptPlayer(script, inputs, start=0.0)
    yield world.reset(**start)
    for number in range(1, count):
        player.play_until(number * world.spec.chunk_seconds)
        sample = inputs.sample()
        yield world.step(sample.action, sample.prompt)
