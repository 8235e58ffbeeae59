"""`helios-world info`: what a world is before one steps into it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helios_runtime.cli.console import print_json, print_rows
from helios_runtime.cli.options import AsJson, Device, Dtype, Settings, WorldName, settings_of

if TYPE_CHECKING:
    from helios_world.spec import WorldSpec


def info(
    world: WorldName = "nano",
    device: Device = "auto",
    dtype: Dtype = "auto",
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Say what a world is: size, pace, controls with units, prompts, memory, fingerprint, parameters.

    Of an official checkpoint it reads no weights, and says how much device memory each way to run it takes.

    Example: helios-world info nano
    """
    if is_official(world):
        show_official(world, device, dtype, settings_of(settings), as_json)
    else:
        show_world(world, device, dtype, settings_of(settings), as_json)


def is_official(world: str) -> bool:
    from helios_world.world import OFFICIAL_FILES, PRESETS

    return world not in PRESETS and any((Path(world).expanduser() / name).is_file() for name in OFFICIAL_FILES)


def show_world(world: str, device: str, dtype: str, settings: dict[str, Any], as_json: bool) -> None:
    from helios_world.spec import World

    spec = World.load(world, device=device, dtype=dtype, **settings).spec
    parameters = count_parameters(folder_of(world))
    if as_json:
        print_json({**spec.to_dict(), "parameters": parameters})
    else:
        show(spec, parameters)


def show_official(world: str, device: str, dtype: str, settings: dict[str, Any], as_json: bool) -> None:
    from helios_world.compute import Compute
    from helios_world.official.summary import summarise
    from helios_world.options import Options

    options, compute = Options.read(settings), Compute.choose(device, dtype)
    found = summarise(Path(world).expanduser(), options, compute.dtype)
    if as_json:
        print_json(found.to_dict())
        return
    steps = ", ".join(map(str, found.steps))
    general = [
        ("kind", found.kind),
        ("frames", f"{options.width} × {options.height} pixels, {options.fps} per second"),
        ("steps", f"{steps} of each chunk, guidance {found.guidance:g}"),
        ("controls", "turned into words"),
    ]
    print_rows(Path(world).name, general)
    rows = [(part.name, f"{part.parameters:>16,}   {size_of(part.stored)}") for part in found.parts]
    print_rows("parameters, and bytes as stored", rows)
    peaks = [(name, size_of(prediction.peak)) for name, prediction in found.peaks.items()]
    print_rows(f"predicted peak of device memory, {str(compute.dtype).removeprefix('torch.')}", peaks)


def size_of(count: int) -> str:
    """Bytes for people, in powers of 1000."""
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.2f} {unit}"
    return f"{count / 1e3:.1f} kB"


def folder_of(world: str) -> Path:
    """The checkpoint folder behind a name; for a world without weights a path that does not exist."""
    import helios_world.spec

    preset = Path(helios_world.spec.__file__).parent / "presets" / world
    return preset if preset.is_dir() else Path(world)


def count_parameters(folder: Path) -> dict[str, int]:
    """Parameters per part of a checkpoint folder, from its weights' headers; {} where there are none."""
    return {file.parent.name: count_in(file) for file in sorted(folder.glob("*/*.safetensors"))}


def count_in(file: Path) -> int:
    """Values in a safetensors file, from its header: 8 bytes of length, little-endian, then JSON."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        header: dict[str, Any] = json.loads(opened.read(min(length, file.stat().st_size)))
    return sum(math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")


def show(spec: WorldSpec, parameters: dict[str, int]) -> None:
    print_rows(spec.name, general_rows(spec))
    print_rows("buttons", [(button.name, button.meaning) for button in spec.actions.buttons])
    print_rows(
        "axes",
        [(axis.name, f"{axis.meaning} [{axis.low:g} to {axis.high:g}, {axis.unit}]") for axis in spec.actions.axes],
    )
    print_rows("example prompts", [(str(number), prompt) for number, prompt in enumerate(spec.prompts, 1)])
    if parameters:
        rows = [(part, f"{count:,}") for part, count in parameters.items()]
        print_rows("parameters", [*rows, ("in all", f"{sum(parameters.values()):,}")])


def general_rows(spec: WorldSpec) -> list[tuple[str, str]]:
    memory = spec.memory
    chunk_ms = 1000 * spec.chunk_seconds
    return [
        ("frames", f"{spec.width} × {spec.height} pixels, {spec.fps} per second"),
        ("chunk", f"{spec.frames_per_chunk} frames ({chunk_ms:.0f} ms)"),
        ("controls", "trained" if spec.actions.steering == "trained" else "turned into words"),
        ("a new prompt", f"fades in over {spec.blend} chunks"),
        (
            "memory",
            "none"
            if memory is None
            else f"1 anchor, {memory.long} long, {memory.mid} mid, {memory.short} short latents",
        ),
        ("fingerprint", spec.fingerprint),
    ]
