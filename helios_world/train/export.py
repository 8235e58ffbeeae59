"""From a training run to a world folder that `World.load` opens."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from helios_world.checkpoint import save_world
from helios_world.codec import LatentCodec
from helios_world.lands.controls import LANDS_ACTIONS
from helios_world.lands.physics import FPS
from helios_world.lands.world import FRAMES_PER_CHUNK, PROMPTS
from helios_world.memory import HistoryLayout
from helios_world.model import HeliosTransformer
from helios_world.places import Atlas
from helios_world.text import TextEncoder
from helios_world.train.recipe import Recipe
from helios_world.worldfile import ActionsPart, ControlPart, HistoryPart, SamplingPart, WorldFile

CONTROLS = (
    ControlPart(name="forward", buttons={"forward": 1.0, "back": -1.0}),
    ControlPart(name="strafe", buttons={"strafe_right": 1.0, "strafe_left": -1.0}),
    ControlPart(name="turn", buttons={"turn_right": 1.0, "turn_left": -1.0}, axes={"turn": 1.0}),
)


def world_file(recipe: Recipe, layout: HistoryLayout) -> WorldFile:
    """What the trained world is, for its folder."""
    return WorldFile(
        name=recipe.name,
        fps=FPS,
        height=recipe.world.height,
        width=recipe.world.width,
        frames_per_chunk=FRAMES_PER_CHUNK * layout.chunk,
        blend=recipe.world.blend,
        prompts=PROMPTS,
        actions=ActionsPart.model_validate_json(json.dumps(LANDS_ACTIONS.to_dict())),
        controls=CONTROLS,
        sampling=SamplingPart(sigmas=recipe.sigmas, first_sigmas=recipe.first_sigmas),
        history=HistoryPart(long=layout.long, mid=layout.mid, short=layout.short),
    )


def export(
    out: Path,
    recipe: Recipe,
    layout: HistoryLayout,
    parts: tuple[HeliosTransformer, LatentCodec, TextEncoder, Atlas | None],
) -> Path:
    """Write `out/world` with the recipe and the logs of `out` in its `training/` folder; returns the folder."""
    folder = out / "world"
    model, codec, encoder, atlas = parts
    save_world(folder, world_file(recipe, layout), model, codec, encoder, atlas)
    training = folder / "training"
    training.mkdir(exist_ok=True)
    (training / "recipe.json").write_text(recipe.model_dump_json(indent=2) + "\n", encoding="utf-8")
    for name in ("log.csv", "preview.csv", "curves.png"):
        if (out / name).exists():
            shutil.copyfile(out / name, training / name)
    return folder
