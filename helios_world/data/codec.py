"""A codec for the pictures of a game: principal components of its patches, and a decoder that learns the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from helios_world.codec import CodecConfig, LatentCodec
from helios_world.data.game import SPATIAL, GameFile
from helios_world.data.store import load_episode
from helios_world.spec import Frames
from helios_world.train.codec import fit_linear, psnr

LINEAR_CLIPS = 512
EPISODES_IN_MEMORY = 64
HIDDEN, BLOCKS = 32, 2
BATCH, RATE = 16, 2e-3
LEAST_SCALE = 0.02
"""Of a direction, as a share of the largest: what hardly varies is not blown up to be like the rest."""


def fit_codec(
    game: GameFile, episodes: Sequence[Path], seed: int = 0, advance: Callable[[], None] = lambda: None
) -> LatentCodec:
    """A codec fitted to clips of up to EPISODES_IN_MEMORY episodes.

    Args:
        advance: is called once per step of the decoder's training.
    """
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    codec = LatentCodec(CodecConfig(game.channels, SPATIAL, game.temporal, HIDDEN, BLOCKS if game.codec_steps else 0))
    chosen = rng.permutation(len(episodes))[:EPISODES_IN_MEMORY]
    films = [load_episode(episodes[number]).frames for number in sorted(chosen)]
    fit_linear(codec, draw_clips(films, LINEAR_CLIPS, game.temporal, rng))
    scale = codec.scale.nan_to_num(0.0)
    codec.scale.copy_(scale.clamp_min(LEAST_SCALE * float(scale.max()) or 1.0))
    if game.codec_steps:
        _fit_residual(codec, films, game.codec_steps, rng, advance)
    return codec.eval().requires_grad_(False)


def draw_clips(films: Sequence[Frames], count: int, length: int, rng: np.random.Generator) -> Frames:
    """`count` clips [count, length, H, W, 3] that begin at whole latents, longer films drawn more often."""
    weights = np.array([max(0, len(film) - length + 1) for film in films], np.float64)
    clips = []
    for number in rng.choice(len(films), count, p=weights / weights.sum()):
        begin = int(rng.integers(len(films[number]) - length + 1))
        clips.append(films[number][begin : begin + length])
    return np.stack(clips)


@torch.no_grad()
def quality(codec: LatentCodec, frames: Frames) -> float:
    """Peak signal-to-noise ratio in decibels of frames [T, H, W, 3] that went through the codec."""
    given = torch.from_numpy(frames)[None]
    return psnr(codec.decode_float(codec.encode(given)), given.float() / 127.5 - 1)


def _fit_residual(
    codec: LatentCodec, films: Sequence[Frames], steps: int, rng: np.random.Generator, advance: Callable[[], None]
) -> None:
    """Train the decoder's residual on pairs of latents, a little noise on them, as the codec of nano is trained."""
    assert codec.residual is not None
    temporal = codec.config.temporal
    optimizer = torch.optim.AdamW(codec.residual.parameters(), lr=RATE, weight_decay=0.01)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 20) * min(1.0, 2 * (steps - step) / steps)
        clips = torch.from_numpy(draw_clips(films, BATCH, 2 * temporal, rng))
        latents = codec.encode(clips)
        latents = latents + 0.1 * torch.rand(len(latents), 1, 1, 1, 1) * torch.randn_like(latents)
        found = codec.decode_blocks(latents[:, :, 1:], latents[:, :, :1])
        error = found - (clips[:, temporal:].float() / 127.5 - 1)
        loss = error.abs().mean() + 4 * error.square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(codec.residual.parameters(), 1.0)
        optimizer.step()
        advance()
