"""How the network of `perceptual` was trained: to say where a picture of the lands was taken.

    python -m helios_world.evaluate.perceptual_training -o perceptual.safetensors

Pictures from random places, at any moment, with any richness, some blurred, noisy or too bright; the heads tell land,
moment, place and heading and are thrown away afterwards. One to three minutes on one processor core. The same recipe
and seed give the same weights on the same kind of machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors.torch import save_file
from torch import Tensor, nn

from helios_world.evaluate.perceptual import WIDTHS, Features, as_input
from helios_world.lands import engine, physics
from helios_world.lands.maps import REACH
from helios_world.lands.scene import LANDS, MOMENTS
from helios_world.lands.tables import Look
from helios_world.spec import Frames


class PerceptualRecipe(BaseModel):
    """How long and on what. Sizes in pixels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(900, ge=1)
    batch: int = Field(32, ge=1)
    rate: float = Field(2e-3, gt=0)
    height: int = Field(64, ge=16)
    width: int = Field(128, ge=16)
    details: tuple[float, ...] = (0.0, 0.5, 1.0)
    distorted: float = Field(0.3, ge=0, le=1)
    """Share of the pictures that are blurred, noisy or too bright or dark."""
    seed: int = 7


class Heads(nn.Module):
    """Land, moment, place and heading from the last features, on a grid of 2 × 8."""

    def __init__(self) -> None:
        super().__init__()
        inputs = WIDTHS[-1] * 16
        self.land, self.moment = nn.Linear(inputs, len(LANDS)), nn.Linear(inputs, len(MOMENTS))
        self.pose = nn.Linear(inputs, 4)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        pooled = nn.functional.adaptive_avg_pool2d(features, (2, 8)).flatten(1)
        return self.land(pooled), self.moment(pooled), self.pose(pooled)


def train(recipe: PerceptualRecipe, say: int = 100) -> Features:
    """The trained network; every `say` steps a line with the loss."""
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    network, heads = Features(), Heads()
    optimiser = torch.optim.AdamW([*network.parameters(), *heads.parameters()], lr=recipe.rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.rate, total_steps=recipe.steps)
    for step in range(1, recipe.steps + 1):
        pictures, scenes, poses = _batch(recipe, rng)
        loss = _loss(heads(network(pictures)[-1]), scenes, poses)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
        if step % say == 0:
            print(f"step {step}: loss {loss.item():.3f}", flush=True)
    return network


def _loss(told: tuple[Tensor, Tensor, Tensor], scenes: Tensor, poses: Tensor) -> Tensor:
    land, moment, pose = told
    named = nn.functional.cross_entropy(land, scenes[:, 0]) + nn.functional.cross_entropy(moment, scenes[:, 1])
    return named + 4 * nn.functional.mse_loss(pose, poses)


def _batch(recipe: PerceptualRecipe, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures [B, 3, H, W], scenes [B, 2], and places and headings [B, 4], each about in [-1, 1]."""
    scenes = np.stack([rng.integers(len(LANDS), size=recipe.batch), rng.integers(len(MOMENTS), size=recipe.batch)], 1)
    poses = physics.random_poses(rng, scenes[:, 0])
    look = Look(recipe.height, recipe.width, float(rng.choice(recipe.details)))
    frames = _distort(engine.render(look, poses, scenes), rng, recipe.distorted)
    told = np.concatenate([poses[:, :2] / REACH, np.cos(poses[:, 2:]), np.sin(poses[:, 2:])], axis=1)
    return as_input(frames), torch.from_numpy(scenes), torch.from_numpy(told).float()


def _distort(frames: Frames, rng: np.random.Generator, share: float) -> Frames:
    changed = frames.astype(np.float32)
    kinds = np.where(rng.random(len(frames)) < share, rng.integers(3, size=len(frames)), -1)
    for number, kind in enumerate(kinds):
        if kind == 0:
            changed[number] += rng.normal(0, rng.uniform(2, 16), frames.shape[1:])
        elif kind == 1:
            changed[number] = _blurred(changed[number])
        elif kind == 2:
            changed[number] *= rng.uniform(0.7, 1.3)
    return changed.clip(0, 255).astype(np.uint8)


def _blurred(
    picture: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    small = torch.from_numpy(picture).permute(2, 0, 1)[None]
    soft = nn.functional.avg_pool2d(small, 5, stride=1, padding=2, count_include_pad=False)
    result: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = soft[0].permute(1, 2, 0).numpy()
    return result


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m helios_world.evaluate.perceptual_training")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--recipe", type=Path, help="JSON with other values than the recipe's own")
    given = parser.parse_args(arguments)
    text = given.recipe.read_text(encoding="utf-8") if given.recipe else "{}"
    network = train(PerceptualRecipe.model_validate_json(text))
    given.output.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.half().contiguous() for name, tensor in network.state_dict().items()}, given.output)


if __name__ == "__main__":
    main()
