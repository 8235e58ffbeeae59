"""Latents to pixels one latent at a time: the decoder of Wan 2.1 is causal, so what it has made needs nothing later.

diffusers decodes in the same order, but gives all frames at the end and keeps the state of a decoding in the module.
Here the state is a list of its own, so that several may be under way at once. Each group of frames is what diffusers
gives, bit for bit; `VideoCodec.decode`, which calls diffusers, is the slow twin.

Shapes: C latent channels, F latent frames, h w latent height and width, T frames, H W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from helios_world.spec import Frames

Decode = Callable[..., Tensor]
"""The decoder of an AutoencoderKLWan, or what was made of it: (latent, feat_cache=, feat_idx=, first_chunk=)."""


class StreamDecoder:
    """Decodes latent by latent.

    Args:
        module: diffusers' AutoencoderKLWan. Used are its parts and configuration, nothing private.
        decode: what decodes instead of `module.decoder`, such as a compiled one.
    """

    def __init__(self, module: nn.Module, decode: Decode | None = None) -> None:
        self._module: Any = module
        own: Any = self._module.decoder
        self._decode: Decode = own if decode is None else decode

    @torch.no_grad()
    def __call__(self, latents: Tensor) -> Iterator[Tensor]:
        """Pixels in [-1, 1] of each latent in turn, before the next one is looked at.

        Args:
            latents: [B, C, F, h, w], as the module takes them.

        Yields:
            [B, 3, T, H, W]; one frame for the first latent, four for each other.
        """
        module = self._module
        if latents.is_cuda:
            # Made in another stream; whenever they are let go of, this one has done with them first.
            latents.record_stream(torch.cuda.current_stream(latents.device))
        state = self._empty_state()
        inner = module.post_quant_conv(latents)
        for number in range(inner.shape[2]):
            latent = inner[:, :, number : number + 1]
            pixels = self._decode(latent, feat_cache=state, feat_idx=[0], first_chunk=number == 0)
            yield self._whole(pixels).clamp(-1.0, 1.0)

    def _empty_state(self) -> list[Any]:
        """Room for what each convolution in time remembers; one more than needed does no harm."""
        return [None] * sum(isinstance(part, nn.Conv3d) for part in self._module.decoder.modules())

    def _whole(self, pixels: Tensor) -> Tensor:
        side = self._module.config.patch_size
        if side is None:
            return pixels
        # Of a patch, the columns come before the rows.
        return rearrange(pixels, "b (c x y) t h w -> b c t (h y) (w x)", x=side, y=side)


def compiled(module: nn.Module, **choices: Any) -> Decode:
    """The decoder of an AutoencoderKLWan, compiled at its first calls: for the first, second and later latents.

    Args:
        choices: for torch.compile, such as mode or backend. Fused kernels round in another way.
    """
    decoder: Any = module
    made: Decode = torch.compile(decoder.decoder, dynamic=False, **choices)
    return made


def to_channels_last(module: nn.Module) -> None:
    """Lay out the weights of all convolutions with the channels last, which some kernels are faster with.

    Works in place. The kernels for it may sum in another order.
    """
    formats = {5: torch.channels_last_3d, 4: torch.channels_last}
    for part in module.modules():
        if isinstance(part, (nn.Conv2d, nn.Conv3d)):
            part.weight.data = part.weight.data.contiguous(memory_format=formats[part.weight.ndim])


def to_host(groups: Iterable[Tensor]) -> Iterator[Frames]:
    """Groups of frames, uint8 [T, H, W, 3] of any device, as arrays.

    On a CUDA device a group is copied while the next one is computed, so that the device never waits for the host:
    each group comes as soon as it has arrived, after the work for the next one was handed to the device. Its memory is
    page-locked: copy what is to be kept for long.
    """
    waiting: _Arrival | None = None
    for group in groups:
        if group.device.type != "cuda":
            yield group.numpy()
            continue
        following = _Arrival(group)
        if waiting is not None:
            yield waiting.frames()
        waiting = following
    if waiting is not None:
        yield waiting.frames()


class _Arrival:
    """A group on its way from a CUDA device, in the present stream."""

    def __init__(self, group: Tensor) -> None:
        self._host = torch.empty(group.shape, dtype=group.dtype, pin_memory=True)
        self._host.copy_(group, non_blocking=True)
        # Sleeping instead of spinning: others launch kernels meanwhile.
        self._arrived = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        self._arrived.record()

    def frames(self) -> Frames:
        self._arrived.synchronize()
        frames: Frames = self._host.numpy()
        return frames
