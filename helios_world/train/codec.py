"""Making the codec: principal components of patches for the encoder, then a learned residual for the decoder."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from helios_world.codec import CodecConfig, LatentCodec
from helios_world.lands import physics
from helios_world.lands.explorer import Explorer
from helios_world.lands.painters import HostPainter, Painter
from helios_world.lands.tables import Look
from helios_world.train.recipe import Recipe

Report = Callable[[int, int, dict[str, float]], None]


def random_clips(look: Look, count: int, frames: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Walks in random lands, moments and places: uint8 [count, frames, H, W, 3]."""
    clips: npt.NDArray[np.uint8] = painted_clips(HostPainter(look), count, frames, rng).numpy()
    return clips


def painted_clips(paint: Painter, count: int, frames: int, rng: np.random.Generator) -> Tensor:
    """As `random_clips`, on the painter's device."""
    scenes = rng.integers(0, 4, (count, 2))
    states = physics.at_rest(physics.random_poses(rng, scenes[:, 0]))
    explorer = Explorer(count, rng)
    states, _ = physics.walk(states, explorer.sample(states), scenes[:, 0], 8)
    poses = []
    for _ in range(frames // 4):
        states, now = physics.walk(states, explorer.sample(states), scenes[:, 0], 4)
        poses.append(now)
    every = np.concatenate(poses, axis=1)
    painted = paint(every.reshape(-1, 3), np.repeat(scenes, frames, axis=0))
    return painted.view(count, frames, *painted.shape[1:])


def fit_linear(codec: LatentCodec, clips: npt.NDArray[np.uint8]) -> None:
    """Set the codec's linear part to the principal components of clips uint8 [N, temporal, H, W, 3]."""
    c = codec.config
    pixels = torch.from_numpy(clips).float() / 127.5 - 1
    n, _, height, width, _ = pixels.shape
    grid = pixels.reshape(n, c.temporal, height // c.spatial, c.spatial, width // c.spatial, c.spatial, 3)
    patches = grid.permute(0, 2, 4, 1, 3, 5, 6).reshape(-1, c.patch_size).double()
    mean = patches.mean(0)
    covariance = (patches - mean).T @ (patches - mean) / len(patches)
    values, vectors = torch.linalg.eigh(covariance)
    codec.mean.copy_(mean.float())
    codec.basis.copy_(vectors.flip(1)[:, : c.latent_channels].T.float())
    codec.scale.copy_(values.flip(0)[: c.latent_channels].sqrt().float())


@torch.no_grad()
def psnr(frames: Tensor, truth: Tensor) -> float:
    """Mean over clips of the peak signal-to-noise ratio in decibels; float in [-1, 1], the clip on axis 0."""
    error = (frames - truth).square().flatten(1).mean(1) / 4
    return float((-10 * torch.log10(error.clamp_min(1e-10))).mean())


def fit_residual(codec: LatentCodec, recipe: Recipe, paint: Painter, seed: int, report: Report) -> None:
    """Train the decoder's residual on walks of two latents, a little noise on the latents."""
    assert codec.residual is not None
    part, rng = recipe.codec, np.random.default_rng(seed)
    device = codec.mean.device
    optimizer = torch.optim.AdamW(codec.residual.parameters(), lr=part.learning_rate, weight_decay=0.01)
    for step in range(part.steps):
        share = min(1.0, (step + 1) / 50) * min(1.0, 2 * (part.steps - step) / part.steps)
        for group in optimizer.param_groups:
            group["lr"] = part.learning_rate * share
        clips = painted_clips(paint, part.batch, 2 * codec.config.temporal, rng).to(device)
        latents = codec.encode(clips)
        latents = latents + 0.1 * torch.rand(len(latents), 1, 1, 1, 1, device=device) * torch.randn_like(latents)
        truth = clips[:, codec.config.temporal :].float() / 127.5 - 1
        with torch.autocast(device.type, torch.bfloat16):
            frames = codec.decode_blocks(latents[:, :, 1:], latents[:, :, :1])
        loss = (frames - truth).abs().mean() + 4 * (frames - truth).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(codec.residual.parameters(), 1.0)
        optimizer.step()
        if step % 50 == 49 or step == part.steps - 1:
            report(
                step + 1,
                part.steps,
                {"loss": float(loss.detach()), "psnr": psnr(frames.detach().float(), truth)},
            )


def empty_codec(recipe: Recipe, device: torch.device) -> LatentCodec:
    """A codec of the recipe's size that knows nothing yet."""
    part = recipe.codec
    return LatentCodec(CodecConfig(part.latent_channels, 8, 4, part.hidden, part.blocks, part.deblock)).to(device)


def build_codec(recipe: Recipe, device: torch.device, paint: Painter, report: Report) -> LatentCodec:
    """A codec with its linear part fitted; its residual still adds nothing."""
    part = recipe.codec
    codec = empty_codec(recipe, torch.device("cpu"))
    fit_linear(codec, painted_clips(paint, part.clips, 4, np.random.default_rng(recipe.seed)).cpu().numpy())
    codec = codec.to(device)
    clips = painted_clips(paint, 64, 4, np.random.default_rng(recipe.seed + 1)).to(device)
    report(0, part.steps, {"psnr": psnr(codec.decode_float(codec.encode(clips)), clips.float() / 127.5 - 1)})
    return codec
