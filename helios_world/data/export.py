"""From an import and a trained transformer to a world's folder, which `World.load` opens."""

from __future__ import annotations

from pathlib import Path

from helios_world.checkpoint import save_world
from helios_world.data.game import GameFile
from helios_world.data.parts import load_parts
from helios_world.errors import CheckpointError
from helios_world.train.shards import Shards
from helios_world.train.stages.parts import LayoutPart
from helios_world.train.stages.start import read_transformer
from helios_world.worldfile import HistoryPart, SamplingPart, WorldFile

BLEND = 4
MOST_PROMPTS = 8
SIGMAS = (1.0, 0.75, 0.5, 0.25, 0.0)
FIRST_SIGMAS = tuple(level / 16 for level in range(16, -1, -1))
"""Of a first chunk that is made from words alone: there is nothing yet to go by, so that it takes more steps."""


def write_world(
    shards: Path, transformer: Path, out: Path, *, sigmas: tuple[float, ...] = SIGMAS, layout: LayoutPart | None = None
) -> WorldFile:
    """Write the folder `out`.

    Args:
        shards: of the import.
        transformer: the folder that a stage wrote, or the run's.
        sigmas: noise levels of the sampler, from 1 to 0; a session's first chunk, made from words, has FIRST_SIGMAS.
        layout: the recipe's; its chunk is not used, as the game tells it.

    Raises:
        CheckpointError: something cannot be read, or does not fit the rest.
    """
    game, (codec, words) = GameFile.read(shards), load_parts(shards)
    home = transformer / "transformer" if (transformer / "transformer").is_dir() else transformer
    history = layout or LayoutPart()
    prompts = tuple(prompt for prompt in Shards(shards / "train").file.prompts if prompt)[:MOST_PROMPTS]
    try:
        sampling = SamplingPart(sigmas=sigmas, first_sigmas=FIRST_SIGMAS)
    except ValueError as error:
        raise CheckpointError(f"sigmas are {list(sigmas)}; they fall from 1 to 0") from error
    world = WorldFile(
        name=game.name,
        fps=game.fps,
        height=game.height,
        width=game.width,
        frames_per_chunk=game.frames_per_chunk,
        blend=BLEND,
        prompts=prompts or ("",),
        actions=game.table.actions_part(),
        controls=game.table.control_parts(),
        sampling=sampling,
        history=HistoryPart(long=history.long, mid=history.mid, short=history.short),
    )
    save_world(out, world, read_transformer(home), codec, words)
    return world
