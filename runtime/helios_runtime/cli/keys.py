"""`helios-world keys`: the keys of a server and of those who may connect to it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from helios_runtime.cli.console import notes, print_json, results
from helios_runtime.cli.options import AsJson

_MEANINGS = {".key": "public", ".key_secret": "secret"}


def keys(
    folder: Annotated[Path, typer.Argument(help="Where the keys are; it is made if it is not there.")],
    client: Annotated[list[str] | None, typer.Option(help="A client who may connect; may be given again.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make keys for a server that listens beyond this machine. Keys that are there already stay as they are.

    The server needs the folder: serve --keys FOLDER. A client needs its NAME.key_secret, moved to it in secret, and
    server.key. Delete clients/NAME.key to lock a client out.

    Example: helios-world keys keys --client alice --client bob
    """
    from helios_runtime.server.security import make_keys

    written = make_keys(folder, client or ())
    if as_json:
        print_json({"written": [{"file": str(file), "key": _MEANINGS[file.suffix]} for file in written]})
        return
    for file in written:
        results().print(f"{_MEANINGS[file.suffix]}  {file}", markup=False)
    if not any((folder / "clients").glob("*.key")):
        notes().print(f"nobody may connect yet: helios-world keys {folder} --client NAME", markup=False)
