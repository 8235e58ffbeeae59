"""Options that several commands share, so that they read and mean the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

WorldName = Annotated[
    str, typer.Argument(metavar="[WORLD]", help="nano, lands, pattern, or the path of a checkpoint folder.")
]
Prompt = Annotated[str | None, typer.Option(help="What the world is, in words. Without it the seed chooses.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed and inputs give the same frames.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")]
Dtype = Annotated[str, typer.Option(help="auto, float32 or bfloat16.")]
Threads = Annotated[int, typer.Option(min=1, help="Compute threads on a CPU; one is the steadiest.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
ScriptFile = Annotated[Path | None, typer.Option("--script", help="Recorded input, one JSON object per line.")]


def existing_file(path: Path) -> Path:
    """Return `path`, or raise FileNotFoundError with a plain message."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    return path
