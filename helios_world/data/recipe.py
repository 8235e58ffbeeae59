"""A recipe of the base stage that fits an import, to begin with and to edit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from helios_world.codec import LatentCodec
from helios_world.data.game import GameFile
from helios_world.snapshot import write_atomically
from helios_world.text import TextConfig
from helios_world.train.stages.parts import CorruptionPart, DroppingPart, LayoutPart, OptimizerPart, ShardsPart
from helios_world.train.stages.recipe import BaseRecipe

RECIPE = "base.json"
HEADS, HEAD_DIM, LAYERS = 4, 32, 4
STEPS, BATCH = 8000, 32


def write_recipe(game: GameFile, codec: LatentCodec, text: TextConfig, out: Path, shards: Path) -> None:
    """Write `out/base.json`, unless there is one, which may have been edited."""
    if (out / RECIPE).exists():
        return
    recipe = base_recipe(game, codec, text, shards)
    write_atomically(out / RECIPE, recipe.model_dump_json(indent=2, exclude_defaults=True).encode() + b"\n")


def base_recipe(game: GameFile, codec: LatentCodec, text: TextConfig, shards: Path) -> BaseRecipe:
    """A small transformer, which a CPU trains in minutes on small pictures."""
    chunk = game.frames_per_chunk // codec.config.temporal
    return BaseRecipe(
        stage="base",
        name=f"{game.name}-base",
        transformer=_transformer(codec.config.latent_channels, text.text_dim, 2 * len(game.table.control_parts())),
        layout=LayoutPart(chunk=chunk),
        source=ShardsPart(kind="shards", path=str(shards), sections=game.sections),
        batch=BATCH,
        steps=STEPS,
        caption_dropout=0.1,
        recompute=False,
        levels="uniform",
        # A game is mostly walked on in; what begins from words alone needs far fewer samples.
        dropping=DroppingPart(text=0.1, image=0.1, partial=0.2),
        # In a drawn game light and colour mean something, such as what is in view; only noise is harmless.
        corruption=CorruptionPart(clean=0.3, noise=(0.0, 0.2), blur=0.0, saturation=None, exposure=None),
        optimizer=OptimizerPart(learning_rate=1e-3, warmup=100, average=0.998, average_from=200),
    )


def _transformer(channels: int, text_dim: int, action_dim: int) -> dict[str, Any]:
    return {
        "patch_size": [1, 2, 2],
        "num_attention_heads": HEADS,
        "attention_head_dim": HEAD_DIM,
        "in_channels": channels,
        "out_channels": channels,
        "text_dim": text_dim,
        "freq_dim": 128,
        "ffn_dim": 4 * HEADS * HEAD_DIM,
        "num_layers": LAYERS,
        "cross_attn_norm": True,
        "qk_norm": "rms_norm_across_heads",
        "eps": 1e-6,
        "added_kv_proj_dim": None,
        "rope_dim": [8, 12, 12],
        "rope_theta": 10000.0,
        "guidance_cross_attn": True,
        "zero_history_timestep": True,
        "has_multi_term_memory_patch": True,
        "is_amplify_history": False,
        "history_scale_mode": "per_head",
        "action_dim": action_dim,
        "restrict_self_attn": True,
    }
