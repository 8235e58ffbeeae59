"""Frames and latents: the variational autoencoder of Wan 2.1, computed by diffusers.

Latents are normalised to about unit variance with the statistics in its configuration. Every chunk is coded by
itself: its first latent stands for one frame, each later one for four.

Shapes: C latent channels, F latent frames, h w latent height and width, T frames, H W pixels.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from helios_world import arguments
from helios_world.errors import CheckpointError, FrameError
from helios_world.official.borrowed import StoredModule
from helios_world.official.dependencies import borrow
from helios_world.official.settings import check_class, read_object
from helios_world.official.stream_decoder import Decode, StreamDecoder, compiled, to_channels_last, to_host
from helios_world.spec import Frames

CLASS_NAME = "AutoencoderKLWan"
TEMPORAL = 4
"""Frames per latent; what diffusers computes with, whatever the configuration says."""
_STATISTICS = ("z_dim", "latents_mean", "latents_std")


class VideoCodec:
    """Encodes frames and decodes latents.

    Args:
        module: diffusers' AutoencoderKLWan; it may be moved between calls, as offloading does.
        device: where it computes.
        dtype: of its weights.
        decoder: what decodes the groups; by default the module's own.
    """

    def __init__(
        self,
        module: nn.Module,
        device: torch.device | str,
        dtype: torch.dtype = torch.float32,
        decoder: Decode | None = None,
    ) -> None:
        config: Any = module.config
        self.module = module
        self.device = torch.device(device)
        self.dtype = dtype
        self.temporal: int = config.scale_factor_temporal
        self.spatial: int = config.scale_factor_spatial
        self.channels: int = config.z_dim
        mean, std = (torch.tensor(config[name], dtype=torch.float32) for name in _STATISTICS[1:])
        self._mean = mean.reshape(1, -1, 1, 1, 1).to(self.device)
        self._scale = (1 / std).reshape(1, -1, 1, 1, 1).to(self.device)
        self._decoder = decoder

    @classmethod
    def load(
        cls, path: Path, device: torch.device | str, dtype: torch.dtype = torch.float32, *, tiling: bool = False
    ) -> VideoCodec:
        """Read the folder of an AutoencoderKLWan.

        Args:
            tiling: code large frames in overlapping tiles, which takes less memory and changes them a little.

        Raises:
            CheckpointError: names the file and the key that is wrong or missing.
            DependencyError: diffusers is missing.
        """
        build = borrow("diffusers", CLASS_NAME)
        config = _read_config(path / "config.json", set(inspect.signature(build.__init__).parameters) - {"self"})
        stored = StoredModule.find(path, "diffusion_pytorch_model", lambda: build(**config))
        module: Any = stored.read(device, dtype)
        if tiling:
            module.enable_tiling()
        return cls(module, device, dtype)

    def computing_on(self, device: torch.device) -> VideoCodec:
        """The same codec for a module that stays where it is and is brought to `device` by an offloader."""
        return VideoCodec(self.module, device, self.dtype)

    @torch.no_grad()
    def encode(self, frames: Frames, draw: Callable[[tuple[int, ...]], Tensor]) -> Tensor:
        """Frames to latents, sampled from the distribution that the encoder gives.

        Args:
            frames: uint8 [T, H, W, 3], T = 4 k + 1 and H, W multiples of `spatial`.
            draw: standard normal float32 numbers of a shape.

        Returns:
            float32 [1, C, k + 1, h, w].

        Raises:
            FrameError: the frames do not make whole latents.
        """
        self._check_frames(frames)
        levels = torch.tensor(frames, device=self.device).permute(3, 0, 1, 2)[None]
        pixels = 2 * (levels.float() / 255) - 1
        module: Any = self.module
        posterior = module.encode(pixels.to(self.dtype)).latent_dist
        mean, std = posterior.mean.float(), posterior.std.float()
        latents: Tensor = (mean + std * draw(tuple(mean.shape)).to(mean) - self._mean) * self._scale
        return self._finite(latents, "encoding the frames gave")

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Frames:
        """Latents [1, C, F, h, w] to frames, uint8 [4 (F - 1) + 1, H, W, 3], rounded to the nearest level.

        One decoding at a time: diffusers keeps it in the module.

        Raises:
            CheckpointError: the latents are not all finite numbers.
        """
        module: Any = self.module
        frames: Frames = _levels(module.decode(self._plain(latents)).sample).cpu().numpy()
        return frames

    def decode_groups(self, latents: Tensor) -> Iterator[Frames]:
        """What `decode` gives, in groups of `group_sizes`, each as soon as it is there.

        Several may be under way at once. Frames that are coded in tiles come as one group, since the state of all
        tiles would have to be kept, and tiles are there to save memory.

        Raises:
            CheckpointError: at once, the latents are not all finite numbers.
        """
        if len(self.group_sizes(*latents.shape[2:])) == 1:
            return iter([self.decode(latents)])
        plain = self._plain(latents)
        return to_host(_levels(pixels) for pixels in StreamDecoder(self.module, self._decoder)(plain))

    def group_sizes(self, latents: int, height: int, width: int) -> tuple[int, ...]:
        """How many frames of a chunk come at a time.

        Args:
            latents, height, width: F, h and w of the chunk.
        """
        later = (self.temporal,) * (latents - 1)
        return (1 + sum(later),) if self._tiles(height, width) else (1, *later)

    def compiled(self, **choices: Any) -> VideoCodec:
        """The same codec, whose groups are decoded by a compiled decoder; `choices` are those of torch.compile.

        The groups then differ from `decode` by rounding. The first three latents take long.
        """
        return VideoCodec(self.module, self.device, self.dtype, compiled(self.module, **choices))

    def channels_last(self) -> VideoCodec:
        """The same codec, its convolutions laid out with the channels last; changes the module."""
        to_channels_last(self.module)
        return self

    def _plain(self, latents: Tensor) -> Tensor:
        """Latents as the module takes them."""
        batch, channels, *_ = latents.shape
        if latents.ndim != 5 or (batch, channels) != (1, self.channels):
            raise ValueError(f"latents to decode are [1, {self.channels}, F, h, w]; got {list(latents.shape)}")
        self._finite(latents, "the latents to decode hold")
        return (latents.to(self.device, torch.float32) / self._scale + self._mean).to(self.dtype)

    def _tiles(self, height: int, width: int) -> bool:
        """Whether the module decodes latents of this size in tiles."""
        module: Any = self.module
        if not module.use_tiling:
            return False
        across: int = module.tile_sample_min_width // self.spatial
        down: int = module.tile_sample_min_height // self.spatial
        return width > across or height > down

    def _check_frames(self, frames: Frames) -> None:
        count, height, width, _ = arguments.check_video(frames, 1).shape
        if count % self.temporal != 1:
            fewer = max(0, count - 1) // self.temporal * self.temporal + 1
            raise FrameError(f"{count} frames do not make whole latents; {fewer} or {fewer + self.temporal} would")
        if height % self.spatial or width % self.spatial:
            near = [max(1, round(side / self.spatial)) * self.spatial for side in (height, width)]
            sizes = f"{height}×{width}; the codec takes multiples of {self.spatial}, such as {near[0]}×{near[1]}"
            raise FrameError(f"the frames are {sizes}")

    def _finite(self, latents: Tensor, what: str) -> Tensor:
        wrong = latents.numel() - int(torch.isfinite(latents).sum())
        if wrong:
            count, dtype = f"{wrong} of {latents.numel()}", str(self.dtype).removeprefix("torch.")
            raise CheckpointError(
                f"{what} {count} numbers that are not finite; damaged weights, or too narrow a {dtype}?"
            )
        return latents


def _levels(pixels: Tensor) -> Tensor:
    """Pixels [1, 3, T, H, W] in [-1, 1] as uint8 [T, H, W, 3]."""
    levels = ((pixels[0].float() * 0.5 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
    return levels.permute(1, 2, 3, 0).contiguous()


def _read_config(path: Path, known: set[str]) -> dict[str, Any]:
    data = read_object(path)
    check_class(path, data, (CLASS_NAME,))
    config = {name: value for name, value in data.items() if not name.startswith("_") and value is not None}
    if unknown := sorted(set(config) - known):
        raise CheckpointError(f"{str(path)!r} has the unknown settings {unknown}")
    if missing := sorted(set(_STATISTICS) - set(config)):
        raise CheckpointError(f"{str(path)!r} lacks {missing}")
    _check_statistics(path, *(config[name] for name in _STATISTICS))
    _check_factors(path, config)
    return config


def _check_statistics(path: Path, channels: Any, mean: Any, std: Any) -> None:
    for name, values in zip(_STATISTICS[1:], (mean, std), strict=True):
        if not isinstance(values, list) or len(values) != channels:
            raise CheckpointError(f"{str(path)!r}: {name!r} is {values!r}; there are {channels!r} channels")
        if not all(isinstance(value, (int, float)) and abs(value) < float("inf") for value in values):
            raise CheckpointError(f"{str(path)!r}: {name!r} is {values!r}; it has to be finite numbers")
    if min(std) <= 0:
        raise CheckpointError(f"{str(path)!r}: 'latents_std' is {std!r}; it has to be above 0")


def _check_factors(path: Path, config: dict[str, Any]) -> None:
    """Raise CheckpointError where the declared compression is not what the layers do."""
    halved = config.get("temperal_downsample", [False, True, True])
    if not isinstance(halved, list):
        raise CheckpointError(f"{str(path)!r}: 'temperal_downsample' is {halved!r}; it has to be a list")
    spatial = 2 ** len(halved) * (config.get("patch_size") or 1)
    for name, found, wanted in (
        ("temperal_downsample", 2 ** sum(map(bool, halved)), TEMPORAL),
        ("scale_factor_temporal", config.get("scale_factor_temporal", TEMPORAL), TEMPORAL),
        ("scale_factor_spatial", config.get("scale_factor_spatial", 8), spatial),
    ):
        if found != wanted:
            raise CheckpointError(f"{str(path)!r}: {name!r} compresses by {found!r}; supported here is {wanted}")
