"""`helios-world play`: walk through a world with keyboard, mouse or gamepad, or with a script."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from helios_runtime.cli.options import (
    Connect,
    Device,
    Key,
    Prompt,
    Seed,
    ServerKey,
    Settings,
    Threads,
    WorldName,
    check_keys,
    settings_of,
)

# By name: the demo builds on this package, not the other way round.
OPTIONS = "helios_demos.play.options:PlayOptions"
RUN = "helios_demos.play.app:run"

TRUTH_BEHIND = {"nano": "lands"}


def play(
    world: WorldName = "nano",
    prompt: Prompt = None,
    seed: Seed = 0,
    truth: Annotated[
        str | None, typer.Option(help="The world that Tab shows beside it, or none. Beside nano it is lands.")
    ] = None,
    script: Annotated[str | None, typer.Option(help="Recorded input: a script's name or a file of JSON lines.")] = None,
    headless: Annotated[
        bool, typer.Option("--headless", help="Play the script in real time, without a window.")
    ] = False,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End the session after so long.")] = None,
    record: Annotated[
        Path | None, typer.Option(help="Record to this mp4 from the first chunk on; the log lies beside it.")
    ] = None,
    state: Annotated[Path | None, typer.Option(help="The file that F5 saves to and F9 loads.")] = None,
    scale: Annotated[int | None, typer.Option(min=1, help="Screen pixels per pixel of the world.")] = None,
    settings: Settings = None,
    connect: Connect = None,
    key: Key = None,
    server_key: ServerKey = None,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """Walk through a world while it is generated.

    W A S D walk, arrows or the mouse turn, number keys and T change the world in words, Tab shows the truth,
    F1 helps. With --headless a script is played in real time, and a report of speed and delay printed.

    Example: helios-world play nano --prompt "an ice palace at night"

    Example: helios-world play --connect 127.0.0.1:5555

    Example: helios-world play --headless --script tour --seconds 30 --record session.mp4
    """
    check_keys(key, server_key)
    options = by_name(OPTIONS)(
        world=world,
        prompt=prompt,
        seed=seed,
        settings=settings_of(settings),
        connect=connect,
        key=key,
        server_key=server_key,
        device=device,
        threads=threads,
        truth=truth_beside("" if connect else world, truth),
        headless=headless,
        script=script,
        seconds=seconds,
        record=record,
        state=state,
        scale=scale,
    )
    by_name(RUN)(options)


def truth_beside(world: str, wanted: str | None) -> str | None:
    """The world to show beside `world`: what was asked for, else the one that it was trained on."""
    if wanted is None:
        return TRUTH_BEHIND.get(world)
    return None if wanted == "none" else wanted


def by_name(name: str) -> Any:
    """What `module:attribute` names."""
    module, attribute = name.split(":")
    return getattr(import_module(module), attribute)
