"""How a chunk is made from what came before. Holds weights, and nothing of any session.

Shapes: C latent channels, F latent frames, h w latent height and width, T frames, H W pixels.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from helios_world.checkpoint import Checkpoint
from helios_world.compute import Compute
from helios_world.memory import HistoryViews, RollingMemory
from helios_world.model import HistoryCache, TextCache
from helios_world.sampling.flow import euler_step
from helios_world.sampling.noise import chunk_noise
from helios_world.spec import Action, Frames, PromptWeight

TIMESTEPS = 1000.0
"""The model's timestep is the noise level times this."""
KEPT_PROMPTS = 32
"""Embedded prompts that are remembered."""

Mixture = tuple[PromptWeight, ...]


@dataclass(frozen=True)
class Request:
    """A chunk to be made.

    Args:
        seed, index: of the session and of the chunk; they are all that the noise depends on.
        words: the prompts and their shares.
        before, action: of the previous chunk and of this one.
        sigmas: noise levels, from 1 to 0.
    """

    seed: int
    index: int
    words: Mixture
    before: Action
    action: Action
    sigmas: tuple[float, ...]


class Dreamer:
    """The parts of a checkpoint, put together. Worlds that were forked share one."""

    def __init__(self, checkpoint: Checkpoint, compute: Compute) -> None:
        self.checkpoint = checkpoint
        self.compute = compute
        self.layout = checkpoint.world.layout(checkpoint.codec.config.temporal)
        self._controls = checkpoint.world.control_map()
        self._embedding = lru_cache(KEPT_PROMPTS)(self._embed)
        self._text = lru_cache(1)(self._mix)

    @property
    def looks_ahead(self) -> bool:
        """Whether the history can be encoded before the input is known."""
        return not self.checkpoint.transformer.config.ties_to_history

    def memory(self) -> RollingMemory:
        """An empty memory of the right size."""
        world, codec = self.checkpoint.world, self.checkpoint.codec.config
        height, width = world.height // codec.spatial, world.width // codec.spatial
        return RollingMemory(self.layout, codec.latent_channels, height, width, device=self.compute.device)

    def encode(self, frames: Frames) -> Tensor:
        """Frames of the world's size, uint8 [T, H, W, 3], to latents [1, C, F, h, w]."""
        return self.checkpoint.codec.encode(torch.tensor(frames, device=self.compute.device)[None])

    def decode(self, latents: Tensor, previous: Tensor | None) -> Frames:
        """Latents [1, C, F, h, w] to uint8 [T, H, W, 3]; `previous` is the latent before them."""
        frames: Frames = self.checkpoint.codec.decode(latents, previous)[0].cpu().numpy()
        return frames

    def encode_history(self, memory: RollingMemory) -> HistoryCache:
        """What a step needs of the past, when `looks_ahead`."""
        return self.checkpoint.transformer.encode_history(memory.views(), self.layout)

    def sample(self, request: Request, past: HistoryCache | HistoryViews) -> tuple[Tensor, float]:
        """The chunk's latents, float32 [1, C, F, h, w], and the milliseconds that they took."""
        began = time.perf_counter()
        actions = self._actions(request)
        latents = self._noise(request)
        for sigma, following in zip(request.sigmas, request.sigmas[1:], strict=False):
            velocity = self._velocity(latents, sigma, request.words, past, actions)
            latents = euler_step(latents, velocity.float(), sigma, following)
        self.compute.wait()
        return latents, 1e3 * (time.perf_counter() - began)

    def _velocity(
        self,
        latents: Tensor,
        sigma: float,
        words: Mixture,
        past: HistoryCache | HistoryViews,
        actions: Tensor | None,
    ) -> Tensor:
        transformer = self.checkpoint.transformer
        timestep = torch.full((1,), TIMESTEPS * sigma, device=self.compute.device)
        mixture, text = self._text(words)
        if isinstance(past, HistoryCache):
            return transformer.denoise(latents, timestep, text, past, self.layout, actions)
        return transformer(latents, timestep, mixture, past, self.layout, actions)  # type: ignore[no-any-return]

    def _noise(self, request: Request) -> Tensor:
        world, codec = self.checkpoint.world, self.checkpoint.codec.config
        size = (world.height // codec.spatial, world.width // codec.spatial)
        shape = (1, codec.latent_channels, self.layout.chunk, *size)
        return chunk_noise(request.seed, request.index, shape, self.compute.device)

    def _actions(self, request: Request) -> Tensor | None:
        if self.checkpoint.transformer.config.action_dim is None:
            return None
        row = torch.from_numpy(self._controls.transition(request.before, request.action))
        return row.to(self.compute.device).expand(1, self.layout.chunk, -1)

    def _mix(self, words: Mixture) -> tuple[Tensor, TextCache]:
        embeddings = [part.weight * self._embedding(part.text) for part in words]
        mixture = torch.stack(embeddings).sum(0)
        return mixture, self.checkpoint.transformer.embed_text(mixture)

    def _embed(self, prompt: str) -> Tensor:
        embedding: Tensor = self.checkpoint.text_encoder([prompt]).float()
        return embedding
