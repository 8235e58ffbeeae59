"""A look at the world while it is trained: dreams beside the truth, as a picture and as decibels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from helios_world.codec import LatentCodec
from helios_world.lands import physics
from helios_world.lands.captions import Scene, canonical
from helios_world.lands.engine import render
from helios_world.lands.explorer import Explorer
from helios_world.lands.tables import Look
from helios_world.lands.world import FRAMES_PER_CHUNK as FRAMES
from helios_world.memory import HistoryLayout, RollingMemory
from helios_world.model import HeliosTransformer
from helios_world.model.guide import Guide
from helios_world.places import Atlas
from helios_world.places.place import KNOWN
from helios_world.text import TextEncoder
from helios_world.train.recipe import Recipe
from helios_world.train.views import scenes_of

SHOWN = (0, 1, 2, 3, 6, 9, 12, 18, 24)  # chunks after the start that the picture shows; 0 is the start itself


@dataclass(frozen=True)
class Cases:
    """Fixed walks: frames uint8 [K, frames, H, W, 3], controls [K, chunks, 3], scenes [K, 2]; `past` chunks given."""

    frames: npt.NDArray[np.uint8]
    controls: npt.NDArray[np.float32]
    scenes: npt.NDArray[np.int64]
    past: int


def make_cases(recipe: Recipe, count: int, past: int, future: int, seed: int) -> Cases:
    """Walks through all scenes in turn; standing still in the last two chunks before the dream begins."""
    rng = np.random.default_rng(seed)
    look = Look(recipe.world.height, recipe.world.width, recipe.world.detail)
    scenes = np.stack([np.arange(count) % 4, (np.arange(count) // 4) % 4], axis=1)
    states = physics.at_rest(physics.random_poses(rng, scenes[:, 0]))
    explorer = Explorer(count, rng)
    controls, poses = np.zeros((count, past + future, 3), np.float32), []
    for chunk in range(past + future):
        if chunk not in (past - 2, past - 1):
            controls[:, chunk] = explorer.sample(states)
        states, now = physics.walk(states, controls[:, chunk], scenes[:, 0], FRAMES)
        poses.append(now)
    every = np.concatenate(poses, axis=1)
    pictures = render(look, every.reshape(-1, 3), np.repeat(scenes, every.shape[1], axis=0))
    return Cases(pictures.reshape(count, -1, *pictures.shape[1:]), controls, scenes, past)


@torch.no_grad()
def dream(
    parts: tuple[HeliosTransformer, LatentCodec, TextEncoder, Atlas | None],
    cases: Cases,
    layout: HistoryLayout,
    sigmas: tuple[float, ...],
) -> npt.NDArray[np.uint8]:
    """What the model makes of the cases: uint8 [K, future frames, H, W, 3]."""
    model, codec, encoder, atlas = parts
    device = codec.mean.device
    latents = codec.encode(torch.from_numpy(cases.frames[:, : cases.past * FRAMES]))
    count, channels, _, height, width = latents.shape
    memory = RollingMemory(layout, channels, height, width, batch=count, device=str(device))
    memory.append(latents)
    place, guide = None, None
    with torch.autocast(device.type, enabled=False):
        if atlas is not None:
            place = torch.cat([atlas.locate(own) for own in torch.split(latents, 1)])
        words = encoder([canonical(Scene(*map(int, scene))) for scene in cases.scenes])
    text = model.embed_text(words)
    scene = scenes_of(cases.scenes, device)
    generator = torch.Generator().manual_seed(7)
    frames = []
    for chunk in range(cases.past, cases.controls.shape[1]):
        actions = torch.from_numpy(cases.controls[:, chunk - 1 : chunk + 1].reshape(count, 1, 6)).to(device)
        history = model.encode_history(memory.views(), layout)
        if atlas is not None and place is not None:
            with torch.autocast(device.type, enabled=False):
                place = atlas.advance(place, actions[:, 0, 3:], scene)
                guide = Guide(atlas.paint(place, scene), place[:, KNOWN][:, 0])
        noisy = torch.randn(count, channels, 1, height, width, generator=generator).to(device)
        for sigma, after in pairwise(sigmas):
            timestep = torch.full((count,), 1000 * sigma, device=device)
            velocity = model.denoise(noisy, timestep, text, history, layout, actions, guide=guide)
            noisy = noisy + (after - sigma) * velocity.float()
        frames.append(codec.decode(noisy, memory.newest(2)).cpu())
        memory.append(noisy)
    return torch.cat(frames, dim=1).numpy()


def decibels(frames: npt.NDArray[Any], truth: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """PSNR per case and frame: [K, frames]."""
    error = np.square(frames.astype(np.float64) - truth).mean(axis=(2, 3, 4))
    result: npt.NDArray[np.float64] = 10 * np.log10(255**2 / np.maximum(error, 0.01))
    return result


def measure(cases: Cases, dreamt: npt.NDArray[np.uint8]) -> dict[str, float]:
    """Mean PSNR at 0.5, 1, 2 and 4 seconds and the margin over repeating the last true frame."""
    truth = cases.frames[:, cases.past * FRAMES :]
    frozen = np.broadcast_to(cases.frames[:, cases.past * FRAMES - 1][:, None], truth.shape)
    ours, still = decibels(dreamt, truth), decibels(frozen, truth)
    result = {}
    for name, second in (("0.5s", 0.5), ("1s", 1.0), ("2s", 2.0), ("4s", 4.0)):
        last = min(round(second * physics.FPS), truth.shape[1]) - 1
        result[f"psnr {name}"] = float(ours[:, last].mean())
        result[f"margin {name}"] = float((ours[:, last] - still[:, last]).mean())
    return result


def save_sheet(path: Path, cases: Cases, dreamt: npt.NDArray[np.uint8]) -> None:
    """Truth above dream for every case, at the chunks SHOWN."""
    from PIL import Image

    truth = cases.frames[:, cases.past * FRAMES :]
    start = cases.frames[:, cases.past * FRAMES - 1]
    rows = []
    for k in range(len(truth)):
        last = [FRAMES * chunk - 1 for chunk in SHOWN[1:] if FRAMES * chunk <= truth.shape[1]]
        rows.append(np.concatenate([start[k], *(truth[k, i] for i in last)], axis=1))
        rows.append(np.concatenate([start[k], *(dreamt[k, i] for i in last)], axis=1))
    Image.fromarray(np.concatenate(rows, axis=0)).save(path)
