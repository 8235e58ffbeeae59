"""A recipe that is trained in a second."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helios_world.train import recipe as recipes

ATLAS = {
    "hidden": 16,
    "depth": 2,
    "stride": 8,
    "landmarks": 4,
    "reader_steps": 2,
    "reader_rate": 0.01,
    "odometry_steps": 2,
    "odometry_rate": 0.01,
    "walkers": 8,
    "field_steps": 2,
    "field_rate": 0.01,
    "field_batch": 8,
    "localizer_steps": 2,
    "localizer_rate": 0.01,
    "kept": 32,
    "painted": 4,
}


def tiny_recipe(guided: bool = False, **changes: object) -> dict[str, Any]:
    """Nano's recipe made small, with an atlas or without; `changes` are those of its first level."""
    recipe: dict[str, Any] = json.loads((Path(recipes.__file__).parent / "recipes" / "nano.json").read_text())
    recipe |= {"name": "tiny", "steps": 4, "batch": 4, "save_every": 2, "sheet_every": 25, "atlas": None}
    recipe["world"] |= {"height": 32, "width": 64}
    recipe["codec"] |= {"latent_channels": 6, "hidden": 8, "blocks": 1, "clips": 24, "steps": 2, "batch": 2}
    recipe["text"] |= {"steps": 2}
    recipe["transformer"] |= {
        "num_attention_heads": 2,
        "attention_head_dim": 16,
        "in_channels": 6,
        "out_channels": 6,
        "ffn_dim": 32,
        "num_layers": 2,
        "rope_dim": [4, 6, 6],
        "freq_dim": 32,
        "guided": guided,
    }
    recipe["streams"] |= {"count": 8, "own": 1.0, "own_from": 0, "own_to": 1}
    recipe["optimizer"] |= {"warmup": 1, "decay": 2}
    if guided:
        recipe["atlas"] = ATLAS
        recipe["streams"] |= {"lost": 0.2, "drift": 0.1, "astray": 0.1}
    return recipe | changes


@pytest.fixture(scope="session")
def make_recipe() -> Callable[..., dict[str, Any]]:
    """`tiny_recipe`."""
    return tiny_recipe
