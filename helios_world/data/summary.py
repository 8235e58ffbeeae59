"""What an import holds, for people and programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from helios_world.data.game import GameFile
from helios_world.data.importing import HELD_OUT, TRAIN
from helios_world.data.store import list_episodes
from helios_world.train.shards import INDEX, Shards


def summarise(folder: Path) -> dict[str, Any]:
    """Names and numbers; an import that was stopped says so.

    Raises:
        CheckpointError: the folder is no import, or damaged.
    """
    game = GameFile.read(folder)
    told: dict[str, Any] = {
        "name": game.name,
        "source": game.source.model_dump(exclude_none=True),
        "frames": f"{game.height}x{game.width}, {game.fps} per second, {game.frames_per_chunk} per chunk",
        "actions": [*game.table.action_spec().button_names, *game.table.action_spec().axis_names],
        "controls": [part.name for part in game.table.control_parts()],
        "episodes": len(list_episodes(folder)),
        "finished": (folder / TRAIN / INDEX).is_file(),
    }
    for name in (TRAIN, HELD_OUT):
        if (folder / name / INDEX).is_file():
            file = Shards(folder / name).file
            told[name] = {"clips": len(file.clips), "latents": sum(clip.frames for clip in file.clips)}
            told["latent"] = [file.channels, file.height, file.width]
            told["prompts"] = [prompt for prompt in file.prompts if prompt]
    return told
