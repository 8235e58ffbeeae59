"""The published training configurations can be written down, and mistakes in a recipe are found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from helios_world.errors import CheckpointError
from helios_world.train.stages.recipe import BaseRecipe, DistillRecipe, read_recipe

SOURCE = {"kind": "shards", "path": "clips", "sections": 5}
MEMORY = ["patch_short", "patch_mid", "patch_long"]
TRAJECTORY = {"steps": 2000, "teacher_steps": [20, 20, 20], "guidance": 5.0, "sections": 5, "trained": 3, "weight": 80}
GAN = {"begin": 1000, "blocks": [5, 15, 25, 35], "channels": 768, "generator_weight": 5e-2, "critic_weight": 1e-2}
RELEASED = {"blur": 0.0, "saturation": None, "exposure": None}
PUBLISHED: dict[str, dict[str, Any]] = {
    "stage_1_init": {
        "stage": "base",
        "start": "wan",
        "adapter": {"rank": 128, "patches": ["patch_embedding"], "full": MEMORY},
        "optimizer": {"learning_rate": 5e-5},
        "levels": "logit_normal",
        "corruption": RELEASED,
    },
    "stage_1_post": {"stage": "base", "start": "init", "adapter": {"rank": 128}, "optimizer": {"learning_rate": 3e-5}},
    "stage_2_init": {
        "stage": "mid",
        "start": "base",
        "adapter": {"rank": 256},
        "optimizer": {"learning_rate": 1e-4, "warmup": 1000},
        "ratios": [1, 2, 1],
    },
    "stage_2_post": {
        "stage": "mid",
        "start": "init",
        "adapter": {"rank": 256, "patches": MEMORY},
        "optimizer": {"learning_rate": 3e-5},
        "ratios": [1, 1, 1],
    },
    "stage_3_ode": {"stage": "distill", "start": "mid", "adapter": {"rank": 256}, "trajectory": TRAJECTORY},
    "stage_3_post": {
        "stage": "distill",
        "start": "base",
        "mid": "transformer_ode",
        "adapter": {"rank": 256},
        "matching": {"every": 5, "real_guidance": 3.0, "own_history": 0.0},
    },
    "stage_3_post_gan_version": {"stage": "distill", "start": "base", "mid": "ode", "matching": {"adversarial": GAN}},
    "correct": {
        "stage": "base",
        "start": "wan",
        "dropping": {"text": 0.4, "image": 0.1, "partial": 0.4},
        "corruption": {"noise": [0, 0.3333], "blur": 0.1, "blur_ratio": [0.9, 1.0]},
    },
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_configurations(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps({"name": name, "source": SOURCE, "batch": 128, "steps": 5500, **PUBLISHED[name]}))
    assert read_recipe(path).name == name


def test_the_defaults_are_the_published_values() -> None:
    recipe = DistillRecipe.model_validate(
        {"name": "x", "source": SOURCE, "batch": 1, "steps": 1, **PUBLISHED["stage_3_post"], "trajectory": TRAJECTORY}
    )
    assert recipe.trajectory is not None
    assert recipe.matching is not None
    for part, begin in ((recipe.trajectory.optimizer, 250), (recipe.matching.generator, 750)):
        assert (part.learning_rate, part.betas, part.weight_decay, part.clip) == (2e-6, (0.0, 0.999), 1e-3, 10.0)
        assert (part.average, part.average_from) == (0.99, begin)
    assert recipe.matching.critic.learning_rate == 4e-7
    base = BaseRecipe.model_validate(
        {"name": "x", "source": SOURCE, "batch": 1, "steps": 1, "stage": "base", "start": "wan"}
    )
    assert (base.optimizer.betas, base.optimizer.weight_decay, base.optimizer.clip) == ((0.9, 0.999), 1e-4, 1.0)
    assert (base.layout.long, base.layout.mid, base.layout.short, base.layout.chunk) == (16, 2, 1, 9)


@pytest.mark.parametrize("name", ["lands-base", "lands-mid", "lands-distill"])
def test_recipes_of_the_package(name: str) -> None:
    assert read_recipe(name).name == name


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"colour": "red"}, "colour"),
        ({"stage": "top"}, "stage"),
        ({"start": None}, "start"),
        ({"ratios": [1, 1]}, "ratios"),
        ({"source": {"kind": "web"}}, "source"),
    ],
)
def test_mistakes_are_named(changes: dict[str, Any], told: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    values = {"name": "x", "source": SOURCE, "batch": 1, "steps": 1, **PUBLISHED["stage_2_init"], **changes}
    path.write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match=told):
        read_recipe(path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_recipe(tmp_path / "none.json")
