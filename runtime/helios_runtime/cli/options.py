"""Options that several commands share, so that they read and mean the same everywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from helios_world.spec import World

WorldName = Annotated[
    str, typer.Argument(metavar="[WORLD]", help="nano, lands, pattern, or the path of a checkpoint folder.")
]
Prompt = Annotated[str | None, typer.Option(help="What the world is, in words. Without it the seed chooses.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed and inputs give the same frames.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")]
Dtype = Annotated[str, typer.Option(help="auto, float32 or bfloat16.")]
Threads = Annotated[int, typer.Option(min=1, help="Compute threads on a CPU; one is the steadiest.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A choice for an official checkpoint, such as steps=1,1,1 or offload=group; may be given again.",
    ),
]
Connect = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="host:port of a server, whose world takes the place of WORLD."),
]
Key = Annotated[Path | None, typer.Option(help="NAME.key_secret, where the server has keys.")]
ServerKey = Annotated[Path | None, typer.Option(help="The server's public key, server.key.")]
ScriptFile = Annotated[Path | None, typer.Option("--script", help="Recorded input, one JSON object per line.")]


def settings_of(given: list[str] | None) -> dict[str, Any]:
    """`NAME=VALUE`s as keywords of World.load. A value is JSON, else numbers with commas between them, else a text."""
    pairs = [entry.partition("=") for entry in given or ()]
    for name, separator, _ in pairs:
        if not name or not separator:
            raise typer.BadParameter(f"--set takes NAME=VALUE; got {name + separator!r}")
    return {name.replace("-", "_"): value_of(text) for name, _, text in pairs}


def value_of(text: str) -> Any:
    for candidate in (text, f"[{text}]" if "," in text else text):
        try:
            return json.loads(candidate)
        except ValueError:
            continue
    return text


def connected(address: str, key: Path | None, server_key: Path | None) -> World:
    """The world of a server."""
    import helios_runtime
    from helios_runtime.client import ClientKeys

    return helios_runtime.connect(address, keys=ClientKeys.given(key, server_key))


def check_keys(key: Path | None, server_key: Path | None) -> None:
    if (key is None) != (server_key is None):
        raise typer.BadParameter("a server with keys needs both --key and --server-key")


def existing_file(path: Path) -> Path:
    """Return `path`, or raise FileNotFoundError with a plain message."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    return path
