"""An adapter that is trained on an official checkpoint and shards of latents, and merged when the world is opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from helios_world.memory import HistoryLayout
from helios_world.official.layout import OfficialFolder
from helios_world.official.load import LoraChoice, load_transformer
from helios_world.spec import World
from helios_world.train.shards import write_shards
from helios_world.train.stages.dice import Rows
from helios_world.train.stages.recipe import BaseRecipe
from helios_world.train.stages.start import train_stage
from helios_world.train.stages.windows import cut_windows, told

LAYOUT = HistoryLayout(16, 2, 1, 2)
WORDS = "a street in the rain"


def write_clips(folder: Path) -> Path:
    generator = torch.Generator().manual_seed(2)
    clips = [(torch.randn(4, 6, 8, 8, generator=generator), None, WORDS) for _ in range(3)]
    texts = {"": torch.zeros(5, 16), WORDS: torch.randn(5, 16, generator=generator)}
    write_shards(folder, clips, texts, per_shard=2)
    return folder


def make_recipe(start: Path, shards: Path) -> BaseRecipe:
    return BaseRecipe.model_validate(
        {
            "stage": "base",
            "name": "style",
            "start": str(start),
            "layout": {"chunk": 2},
            "source": {"kind": "shards", "path": str(shards), "sections": 3},
            "adapter": {"rank": 2, "patches": ["patch_embedding"]},
            "optimizer": {"learning_rate": 0.05},
            "batch": 2,
            "steps": 3,
        }
    )


def test_an_adapter_is_trained_and_merged(make_official: Callable[..., Path], tmp_path: Path) -> None:
    official, adapter = make_official("base"), tmp_path / "run" / "adapter"
    run = train_stage(make_recipe(official, write_clips(tmp_path / "shards")), tmp_path / "run", device="cpu")
    given = told(cut_windows(run.source.next(Rows(2, 0, 2)), [1, 2], LAYOUT), LAYOUT)
    noisy, timestep = torch.randn(2, 4, 2, 8, 8), torch.tensor([100.0, 900.0])
    folder = OfficialFolder.read(official)
    plain, merged = (
        load_transformer(folder, "cpu", torch.float32, loras=loras) for loras in ([], [LoraChoice(adapter)])
    )
    with torch.no_grad():
        before, after = (given.velocity(model, noisy, timestep) for model in (plain, merged))
        trained = given.velocity(run.model.float(), noisy, timestep)
    # The frozen weights of the run are bfloat16, those of the others float32.
    assert (after - trained).abs().mean() < 0.1 * (after - before).abs().mean()
    size = {"height": 64, "width": 64, "steps": 1, "guidance": 1.0, "text_tokens": 32}
    pictures = []
    for loras in ({}, {str(adapter): 1.0}):
        world = World.load(str(official), device="cpu", dtype="float32", loras=loras, **size)
        pictures.append(world.reset(seed=1, prompt=WORDS).frames.astype(int))
    assert abs(pictures[0] - pictures[1]).max() > 5
