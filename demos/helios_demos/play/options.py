"""What a session of `play` is asked to do. No pygame here: the command line reads it too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["PlayOptions"]


@dataclass(frozen=True)
class PlayOptions:
    """One session.

    Args:
        world: a preset's name ("nano", "lands", "pattern") or a checkpoint folder.
        prompt: the first prompt; None lets the seed choose one of the world's examples.
        seed: in [0, 2**63).
        device: "auto", "cpu", "cuda", "cuda:1", …
        dtype: "auto", "float32" or "bfloat16".
        threads: compute threads on a CPU.
        truth: a world stepped beside it and shown by Tab ("lands"), None for none. Headless opens none.
        headless: play `script` in real time, without a window and without pygame.
        script: a script's name ("tour", "look_around") or a file of JSON lines; None takes "tour".
        seconds: end the session after so many seconds; None: at the script's end, or with the window.
        record: write the session to this mp4, with its log beside it, from the first chunk on.
        state: the file that F5 writes and F9 reads; None: one per world, in the user's data folder.
        scale: screen pixels per world pixel when the window opens; None fills about two thirds of the screen.
        connect: the address of a world in another process, used in place of `world`.
        key, server_key: files with the CURVE keys, where that process has some.
        settings: further keywords of World.load, for an official checkpoint.
    """

    world: str = "nano"
    prompt: str | None = None
    seed: int = 0
    device: str = "auto"
    dtype: str = "auto"
    threads: int = 1
    truth: str | None = None
    headless: bool = False
    script: str | None = None
    seconds: float | None = None
    record: Path | None = None
    state: Path | None = None
    scale: int | None = None
    connect: str | None = None
    key: Path | None = None
    server_key: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
