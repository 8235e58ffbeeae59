"""Episodes on disk, in the world's size and frame rate: what the codec is fitted on, and what a world is held against.

episodes/00000/      one per recording; it appears when it is complete
episodes/00000/0.npz frames uint8 [K n, H, W, 3], controls and before float32 [K, A], name, group, prompt
"""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from helios_world.data.episodes import Chunked
from helios_world.errors import CheckpointError
from helios_world.snapshot import write_atomically

EPISODES = "episodes"


def stored(folder: Path, number: int) -> bool:
    """Whether recording `number` was taken in already."""
    return _home(folder, number).is_dir()


def store(folder: Path, number: int, episodes: Iterable[Chunked]) -> int:
    """Write what recording `number` has; returns how many episodes that were."""
    home = _home(folder, number)
    draft = home.with_suffix(".part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    count = 0
    for count, episode in enumerate(episodes, start=1):
        write_atomically(draft / f"{count - 1}.npz", _pack(episode))
    draft.rename(home)
    return count


def list_episodes(folder: Path) -> list[Path]:
    """The files of all episodes, in the order of the recordings."""
    homes = sorted(path for path in (folder / EPISODES).glob("*") if path.is_dir() and path.suffix != ".part")
    return [path for home in homes for path in sorted(home.glob("*.npz"), key=lambda path: int(path.stem))]


def load_episode(path: Path) -> Chunked:
    """CheckpointError if the file is damaged."""
    try:
        # numpy leaves a damaged file open; this one is closed whatever happens.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            words = {name: str(data[name]) for name in ("name", "group", "prompt")}
            return Chunked(frames=data["frames"], controls=data["controls"], before=data["before"], **words)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{str(path)!r} cannot be read: {error}; remove its folder and import again") from error


def _home(folder: Path, number: int) -> Path:
    return folder / EPISODES / f"{number:05}"


def _pack(episode: Chunked) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        allow_pickle=False,
        frames=episode.frames,
        controls=episode.controls,
        before=episode.before,
        name=np.array(episode.name),
        group=np.array(episode.group),
        prompt=np.array(episode.prompt),
    )
    return buffer.getvalue()
