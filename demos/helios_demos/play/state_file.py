"""Where a session is kept between two evenings: one snapshot file for each world that was stepped."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from helios_runtime.inputs import Sample
from helios_runtime.lockstep import Beat, LockStep
from helios_world.snapshot import Snapshot

__all__ = ["data_folder", "load_state", "save_state", "state_path"]


def data_folder() -> Path:
    """The user's folder for what programs keep, as the platform has it. Not created here."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "helios-world"


def state_path(world: str) -> Path:
    """The file for `world` (a name or a folder) when the user named none."""
    return data_folder() / f"{Path(world).name or 'world'}.snapshot"


def save_state(path: Path, worlds: LockStep) -> None:
    """Write where all worlds are: the leading one to `path`, the others beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for number, world in enumerate(worlds.worlds):
        world.snapshot().save(_part(path, number))


def load_state(path: Path, worlds: LockStep) -> Beat:
    """Put all worlds where `path` says and return the next chunk of each.

    A file that is missing, broken or of another world leaves the session as it is.
    """
    states = [Snapshot.load(_part(path, number)) for number in range(len(worlds.worlds))]
    before = worlds.moment()
    try:
        for world, state in zip(worlds.worlds, states, strict=True):
            world.restore(state)
    except Exception:
        worlds.go_to(before)
        raise
    return worlds.step(Sample())


def _part(path: Path, number: int) -> Path:
    return path if number == 0 else path.with_name(f"{path.stem}.beside{number}{path.suffix}")
