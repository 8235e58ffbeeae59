"""Tiny runs of the training stages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from helios_world.model import HeliosTransformer, TransformerConfig
from helios_world.train.stages.clips import Clip, Shuffled
from helios_world.train.stages.dice import Dice, Rows
from helios_world.train.stages.recipe import BaseRecipe, DistillRecipe, MidRecipe
from helios_world.train.stages.run import Run
from helios_world.train.stages.start import train_stage

TRANSFORMER: dict[str, Any] = {
    "patch_size": [1, 2, 2],
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "in_channels": 4,
    "out_channels": 4,
    "text_dim": 8,
    "freq_dim": 16,
    "ffn_dim": 48,
    "num_layers": 2,
    "cross_attn_norm": True,
    "qk_norm": "rms_norm_across_heads",
    "eps": 1e-6,
    "added_kv_proj_dim": None,
    "rope_dim": [4, 4, 4],
    "rope_theta": 10000.0,
    "guidance_cross_attn": True,
    "zero_history_timestep": True,
    "has_multi_term_memory_patch": True,
    "is_amplify_history": False,
    "history_scale_mode": "per_head",
    "action_dim": 3,
}
LAYOUT = {"long": 4, "mid": 2, "short": 1, "chunk": 2}
RECIPES = {"base": BaseRecipe, "mid": MidRecipe, "distill": DistillRecipe}


def make_clips(count: int = 6, frames: int = 6, size: int = 8) -> list[Clip]:
    """Smooth random latents with words and actions."""
    generator = torch.Generator().manual_seed(1)
    clips = []
    for _ in range(count):
        low = torch.randn(4, frames, 2, 2, generator=generator)
        latents = torch.nn.functional.interpolate(low, size=(size, size), mode="bilinear")
        text, actions = torch.randn(3, 8, generator=generator), torch.randn(frames, 3, generator=generator)
        clips.append(Clip(latents, text, actions))
    return clips


@pytest.fixture
def source() -> Callable[..., Shuffled]:
    """A source of clips, of the test's own or random ones."""

    def make(clips: list[Clip] | None = None, frames: int = 6, every: int = 2) -> Shuffled:
        return Shuffled(clips or make_clips(), torch.zeros(3, 8), frames=frames, seed=3, every=every)

    return make


@pytest.fixture
def model() -> HeliosTransformer:
    torch.manual_seed(0)
    return HeliosTransformer(TransformerConfig.from_dict(TRANSFORMER))


@pytest.fixture
def recipe() -> Callable[..., Any]:
    """A tiny recipe of a stage, with changes."""

    def make(stage: str, **changes: object) -> Any:
        values: dict[str, Any] = {
            "stage": stage,
            "name": "tiny",
            "layout": LAYOUT,
            "source": {"kind": "shards", "path": "none", "sections": 3},
            "batch": 4,
            "steps": 6,
            "save_every": 3,
            "report_every": 1,
            "precision": "float32",
        }
        if "start" not in changes:
            values["transformer"] = TRANSFORMER
        return RECIPES[stage].model_validate({**values, **changes})

    return make


@pytest.fixture
def run_stage(recipe: Callable[..., Any], source: Callable[..., Shuffled], tmp_path: Path) -> Callable[..., Run]:
    """Run a tiny recipe in a folder of its own."""

    def run(stage: str, folder: str = "run", clips: list[Clip] | None = None, **changes: object) -> Run:
        return train_stage(recipe(stage, **changes), tmp_path / folder, device="cpu", source=source(clips))

    return run


@pytest.fixture
def dice() -> Callable[..., Dice]:
    def make(step: int = 0, rows: int = 4) -> Dice:
        return Dice(0, step, Rows(rows, 0, rows), torch.device("cpu"))

    return make
