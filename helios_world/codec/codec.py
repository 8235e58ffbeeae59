"""The latent codec: a linear patch encoder, and a decoder that is its transpose plus a small learned residual.

A patch is `temporal` frames of `spatial` x `spatial` pixels; the encoder projects it on `latent_channels` directions
(principal components, see `helios_world/train/codec.py`) and normalises each channel. One latent decodes with the one
before it, so decoding needs no state but that latent. Letters: B batch, T frames, H W pixels, C channels, F latent
frames, h w latent size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from helios_world.errors import CheckpointError


@dataclass(frozen=True)
class CodecConfig:
    """The sizes of a codec, and how its decoder smooths time.

    Args:
        latent_channels: numbers of a patch of `temporal` frames of `spatial` x `spatial` pixels.
        hidden, blocks: of the learned part of the decoder; 0 blocks leave it out.
        deblock: by which shares of an unexplained jump between two latents the frames after it are corrected; none
            leave it as it is.
    """

    latent_channels: int
    spatial: int
    temporal: int
    hidden: int
    blocks: int
    deblock: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if len(self.deblock) > max(self.temporal - 2, 0) or any(not 0 <= share <= 1 for share in self.deblock):
            raise CheckpointError(
                f"deblock is {list(self.deblock)}; it has at most {max(self.temporal - 2, 0)} shares between 0 and 1"
            )

    @property
    def patch_size(self) -> int:
        """Numbers in one patch."""
        return 3 * self.temporal * self.spatial**2

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CodecConfig:
        known = {field.name for field in fields(cls)}
        if set(data) | {"deblock"} != known:
            raise CheckpointError(f"the codec's config has the keys {sorted(known)}; got {sorted(data)}")
        return cls(**{**data, "deblock": tuple(data.get("deblock", ()))})

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; `deblock` only when set."""
        values = asdict(self)
        values["deblock"] = list(self.deblock)
        return values if self.deblock else {name: value for name, value in values.items() if name != "deblock"}


class LatentCodec(nn.Module):
    """Encodes and decodes; buffers hold the linear part, parameters the learned part of the decoder."""

    mean: Tensor
    basis: Tensor
    scale: Tensor

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.patch_size))
        self.register_buffer("basis", torch.zeros(config.latent_channels, config.patch_size))
        self.register_buffer("scale", torch.ones(config.latent_channels))
        self.residual = ResidualDecoder(config) if config.blocks else None

    def encode(self, frames: Tensor) -> Tensor:
        """uint8 [B, T, H, W, 3] to float32 latents [B, C, T / temporal, H / spatial, W / spatial]."""
        c = self.config
        pixels = frames.to(self.mean.device, torch.float32) / 127.5 - 1
        patches = rearrange(
            pixels,
            "b (f t) (h p) (w q) c -> b f h w (t p q c)",
            t=c.temporal,
            p=c.spatial,
            q=c.spatial,
        )
        latents = (patches - self.mean.float()) @ self.basis.float().T / self.scale.float()
        return rearrange(latents, "b f h w c -> b c f h w").contiguous()

    def decode_linear(self, latents: Tensor) -> Tensor:
        """The transpose of `encode`: [B, C, F, h, w] to float frames [B, 3 * temporal, F, H, W], about in [-1, 1]."""
        c = self.config
        scaled = rearrange(latents, "b c f h w -> b f h w c").float() * self.scale.float()
        patches = scaled @ self.basis.float() + self.mean.float()
        return rearrange(
            patches,
            "b f h w (t p q c) -> b (t c) f (h p) (w q)",
            t=c.temporal,
            p=c.spatial,
            q=c.spatial,
        )

    def decode_float(self, latents: Tensor, previous: Tensor | None = None) -> Tensor:
        """As `decode`, before rounding: float [B, temporal * F, H, W, 3], about in [-1, 1]."""
        frames = self.decode_blocks(latents, previous)
        if not self.config.deblock or previous is None:
            return self._deblocked(frames)
        earlier = previous[:, :, -2:-1] if previous.shape[2] > 1 else None
        before = self.decode_blocks(previous[:, :, -1:], earlier)
        return self._deblocked(torch.cat([before, frames], dim=1))[:, self.config.temporal :]

    def decode_blocks(self, latents: Tensor, previous: Tensor | None = None) -> Tensor:
        """As `decode_float`, before the jumps between latents are smoothed."""
        c = self.config
        pixels = self.decode_linear(latents)
        if self.residual is not None:
            first = latents[:, :, :1] if previous is None else previous[:, :, -1:].to(latents)
            before = torch.cat([first, latents[:, :, :-1]], dim=2)
            pairs = rearrange(torch.cat([latents, before], dim=1), "b c f h w -> (b f) c h w")
            refined = self.residual(pairs).float()
            pixels = pixels + rearrange(refined, "(b f) k h w -> b k f h w", b=len(latents))
        return rearrange(pixels, "b (t c) f h w -> b (f t) h w c", t=c.temporal)

    def _deblocked(self, frames: Tensor) -> Tensor:
        """Smooth the jumps from one latent's frames to the next one's.

        Of the change between the two frames at a border, the mean change beside it is taken for motion. The rest is the
        difference of both latents' errors; it is taken off the frames after the border, off the first one most.
        """
        size = self.config.temporal
        if not self.config.deblock:
            return frames
        smooth = frames.clone()
        for border in range(size, frames.shape[1], size):
            change = frames[:, border - 1 : border + 2] - frames[:, border - 2 : border + 1]
            jump = change[:, 1] - (change[:, 0] + change[:, 2]) / 2
            for number, share in enumerate(self.config.deblock):
                smooth[:, border + number] -= share * jump
        return smooth

    def decode(self, latents: Tensor, previous: Tensor | None = None) -> Tensor:
        """Latents [B, C, F, h, w] to uint8 frames [B, temporal * F, H, W, 3].

        `previous` [B, C, P, h, w] are the latents before the first one, of which the last two are used; None at the
        very start.
        """
        pixels = self.decode_float(latents, previous)
        return ((pixels + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).contiguous()


class ResidualDecoder(nn.Module):
    """What the linear decoder misses: a pair of latents [N, 2C, h, w] to [N, 3 * temporal, H, W]."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.spatial = config.spatial
        half = config.spatial // 2
        self.enter = nn.Conv2d(2 * config.latent_channels, config.hidden, 3, padding=1)
        self.blocks = nn.ModuleList(ResidualBlock(config.hidden) for _ in range(config.blocks))
        self.widen = nn.Conv2d(config.hidden, 16 * half * half, 1)
        self.refine = nn.Conv2d(16, 32, 3, padding=1)
        self.leave = nn.Conv2d(32, 4 * 3 * config.temporal, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        assert self.leave.bias is not None
        nn.init.zeros_(self.leave.bias)

    def forward(self, pairs: Tensor) -> Tensor:
        x = self.enter(pairs.to(self.enter.weight.dtype).contiguous(memory_format=torch.channels_last))
        for block in self.blocks:
            x = block(x)
        x = F.pixel_shuffle(F.silu(self.widen(F.silu(x))), self.spatial // 2)
        x = F.silu(self.refine(x))
        return F.pixel_shuffle(self.leave(x), 2)


class ResidualBlock(nn.Module):
    """x + conv(silu(conv(silu(x))))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = self.second(F.silu(self.first(F.silu(x))))
        return x + added
