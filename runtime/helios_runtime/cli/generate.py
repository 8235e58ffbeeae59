"""`helios-world generate`: a session without a window, as fast as the machine can, to an mp4 and a log."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from helios_runtime.cli.console import notes, print_json, progress
from helios_runtime.cli.inputs import Inputs, given_inputs
from helios_runtime.cli.options import (
    AsJson,
    Connect,
    Device,
    Dtype,
    Key,
    Prompt,
    Seed,
    ServerKey,
    Settings,
    Threads,
    WorldName,
    check_keys,
    connected,
    existing_file,
    settings_of,
)

if TYPE_CHECKING:
    from helios_world.spec import Chunk, Frames, MemoryLayout, World, WorldSpec

DEFAULT_SECONDS = 10.0


def generate(
    world: WorldName = "nano",
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The mp4 to write; its log lies beside it as .jsonl.")
    ] = Path("out.mp4"),
    prompt: Prompt = None,
    seed: Seed = 0,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="Length of the video. By default the script's or the log's, or 10.")
    ] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="Length of the video in frames, exactly.")] = None,
    script: Annotated[
        Path | None, typer.Option(help="Recorded input, a JSON object per line. Without it nobody moves.")
    ] = None,
    actions: Annotated[
        Path | None, typer.Option(help="The log of a session: its actions and prompts, chunk by chunk.")
    ] = None,
    image: Annotated[Path | None, typer.Option(help="A picture to start from.")] = None,
    video: Annotated[Path | None, typer.Option(help="A video to continue, at the world's frame rate.")] = None,
    settings: Settings = None,
    connect: Connect = None,
    key: Key = None,
    server_key: ServerKey = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    threads: Threads = 1,
    as_json: AsJson = False,
) -> None:
    """Write a video of a world, with a log from which it can be made again.

    A line of a script: {"t": 1.5, "press": "forward"}, or "release": "forward", "axis": ["turn", 0.5],
    "prompt": "…".

    Example: helios-world generate nano -o walk.mp4 --prompt "desert ruins at sunset" --seconds 10

    Example: helios-world generate Helios-Distilled --prompt "a pine forest in fog" --frames 240 --set steps=1,1,1
    """
    from helios_world.spec import World

    check_request(seconds, frames, script, actions)
    check_keys(key, server_key)
    if connect is None:
        opened = World.load(world, device=device, dtype=dtype, threads=threads, **settings_of(settings))
    else:
        opened = connected(connect, key, server_key)
    inputs = given_inputs(opened, script, actions)
    length = frames_wanted(opened.spec, seconds, frames, inputs)
    start = {"seed": seed, "prompt": prompt, **pictures(opened, image, video)}
    count = -(-length // opened.spec.frames_per_chunk)
    try:
        record(opened, output, length if frames else None, count, lambda world: inputs.play(world, count, start))
    finally:
        opened.close()
    result = {"video": str(output), "log": str(output.with_suffix(".jsonl")), "chunks": count}
    if as_json:
        print_json(result)
    else:
        notes().print(f"wrote {result['video']} and {result['log']}")


def check_request(seconds: float | None, frames: int | None, script: Path | None, actions: Path | None) -> None:
    if seconds is not None and frames is not None:
        raise typer.BadParameter("the length is given by --seconds or by --frames, not by both")
    if script is not None and actions is not None:
        raise typer.BadParameter("the input comes from --script or from --actions, not from both")


def record(
    world: World, output: Path, frames: int | None, count: int, chunks_of: Callable[[World], Iterator[Chunk]]
) -> None:
    """Write what `chunks_of` makes a world do to an mp4 of so many frames and its log, showing progress."""
    from helios_world.recording import RecordingWorld

    output.parent.mkdir(parents=True, exist_ok=True)
    recording = RecordingWorld(world, output, frames=frames, patience=None)
    with recording as recorded, progress(output.name, count) as done:
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
        return {"video": read_ends(video, world.spec)}
    return {}


def read_ends(path: Path, spec: WorldSpec) -> Frames:
    """Of a video, what a session that continues it depends on: its first chunk, and what the memory covers."""
    from helios_world.recording import read_video

    chunks = 1 if spec.memory is None else -(-remembered(spec.memory) // spec.memory.latents_per_chunk)
    return read_video(existing_file(path), first=spec.frames_per_chunk, last=chunks * spec.frames_per_chunk)


def remembered(memory: MemoryLayout) -> int:
    """Latents that a world remembers besides its anchor."""
    return memory.long + memory.mid + memory.short


def frames_wanted(spec: WorldSpec, seconds: float | None, frames: int | None, inputs: Inputs) -> int:
    """Length of the video: what was asked for, else that of the input, else the default."""
    if frames is not None:
        return frames
    return max(1, math.ceil((seconds or inputs.seconds(spec) or DEFAULT_SECONDS) * spec.fps - 1e-9))
