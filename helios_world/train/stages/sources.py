"""Where clips come from: shards of latents, or walks in the lands that are rendered as they are needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import helios_world
from helios_world.checkpoint import Checkpoint, load_checkpoint
from helios_world.lands import physics
from helios_world.lands.captions import Scene, caption
from helios_world.lands.engine import render
from helios_world.lands.explorer import Explorer
from helios_world.lands.tables import Look
from helios_world.lands.world import FRAMES_PER_CHUNK as FRAMES
from helios_world.train.shards import Shards
from helios_world.train.stages.clips import Clips, Shuffled, Source
from helios_world.train.stages.dice import Rows
from helios_world.train.stages.parts import LandsPart, ShardsPart
from helios_world.train.stages.recipe import BaseRecipe, DistillRecipe, MidRecipe

PRESETS = Path(helios_world.__file__).parent / "presets"


def open_source(recipe: BaseRecipe | MidRecipe | DistillRecipe, device: torch.device) -> Source:
    """The recipe's source.

    Raises:
        CheckpointError: the shards or the world that it needs cannot be read.
    """
    chunk, part = recipe.layout.chunk, recipe.source
    match part:
        case ShardsPart():
            shards = Shards(Path(part.path))
            frames = part.sections * chunk
            return Shuffled(shards, shards.empty_text, frames=frames, seed=recipe.seed, every=chunk, device=device)
        case LandsPart():
            folder = PRESETS / part.parts if (PRESETS / part.parts).is_dir() else Path(part.parts)
            return LandsClips(load_checkpoint(folder, device, torch.float32), part, chunk, recipe.seed)


class LandsClips:
    """Walks from anywhere in a random land at a random moment, as the explorer of the lands goes.

    Args:
        parts: the world whose codec and words are used; one latent is four frames.
        chunk: latents of a chunk.
    """

    def __init__(self, parts: Checkpoint, part: LandsPart, chunk: int, seed: int) -> None:
        self._codec, self._encoder = parts.codec, parts.text_encoder
        self._look = Look(parts.world.height, parts.world.width, part.detail)
        self._frames, self._seed, self._position = part.sections * chunk, seed, 0
        self._empty = self._embed([""])[0]

    @property
    def empty_text(self) -> Tensor:
        return self._empty

    def next(self, rows: Rows) -> Clips:
        """As `Source.next`. Every process walks all rows, which costs little, and renders its own."""
        rng = np.random.default_rng([self._seed, self._position])
        self._position += 1
        scenes = rng.integers(0, 4, (rows.total, 2))
        prompts = [caption(rng, Scene(int(land), int(moment))) for land, moment in scenes]
        poses, controls = self._walk(rng, scenes[:, 0])
        own = slice(rows.first, rows.first + rows.count)
        pictures = render(self._look, poses[own].reshape(-1, 3), np.repeat(scenes[own], FRAMES * self._frames, axis=0))
        frames = pictures.reshape(rows.count, FRAMES * self._frames, *pictures.shape[1:])
        actions = torch.from_numpy(controls[own]).to(self._empty.device)
        with torch.no_grad():
            latents = self._codec.encode(torch.from_numpy(frames))
        return Clips(latents, self._embed(prompts[own]), actions)

    def state_dict(self) -> dict[str, int]:
        return {"position": self._position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self._position = state["position"]

    def _walk(
        self, rng: np.random.Generator, lands: np.ndarray[tuple[int], np.dtype[np.int64]]
    ) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float64]], np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
        """Poses [B, 4 F, 3] and what the model is told of the controls, before and now, [B, F, 6]."""
        states = physics.at_rest(physics.random_poses(rng, lands))
        explorer = Explorer(len(lands), rng)
        before = np.zeros((len(lands), 3), np.float32)
        poses, told = [], []
        for _ in range(self._frames):
            controls = explorer.sample(states)
            states, now = physics.walk(states, controls, lands, FRAMES)
            poses.append(now)
            told.append(np.concatenate([before, controls], axis=1).astype(np.float32))
            before = controls
        return np.concatenate(poses, axis=1), np.stack(told, axis=1)

    @torch.no_grad()
    def _embed(self, prompts: list[str]) -> Tensor:
        embedded: Tensor = self._encoder(prompts)
        return embedded.float()
