"""Latents that a chunk should look like, and how far the model follows them.

Shapes: B batch, C latent channels, F latent frames, h w latent height and width, N noisy tokens, D width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, nn

from helios_world.model.cache import draws_of
from helios_world.model.config import TransformerConfig
from helios_world.model.embeddings import row_by_row
from helios_world.model.patch import PatchEmbedding, token_grid, unpatchify

TRUST = 0.5
"""In a guide, before training."""


@dataclass(frozen=True)
class Guide:
    """`latents` [B, C, F, h, w] without noise; `known` [B], 1 where there are any and 0 where there are none."""

    latents: Tensor
    known: Tensor

    def draws(self, batch: int) -> Guide:
        """The same guide for `batch` = k·B rows."""
        return Guide(draws_of(self.latents, batch), draws_of(self.known, batch))

    def rows(self, rows: slice) -> Guide:
        """The guide of some rows."""
        return Guide(self.latents[rows], self.known[rows])


class GuideLayer(nn.Module):
    """Adds a guide to the noisy tokens, and mixes it into what the model makes of them."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.patch = config.patch_size
        self.embedding = PatchEmbedding(config.in_channels, config.width, config.patch_size)
        self.trust = nn.Linear(config.width, config.out_channels * math.prod(config.patch_size))
        nn.init.zeros_(self.embedding.weight)
        nn.init.zeros_(self.trust.weight)
        for bias, value in ((self.embedding.bias, 0.0), (self.trust.bias, math.log(TRUST / (1 - TRUST)))):
            assert bias is not None
            nn.init.constant_(bias, value)

    def embed(self, guide: Guide) -> Tensor:
        """What is added to the tokens, [B, N, D]; nothing where no guide is known."""
        return row_by_row(self.embedding, guide.latents) * guide.known[:, None, None]

    def follow(self, velocity: Tensor, noisy: Tensor, tokens: Tensor, guide: Guide, sigma: Tensor) -> Tensor:
        """The velocity towards a mixture of the model's own clean latents x and the guide's g.

        With x_s = (1 - s) x + s n the velocity is v = (x_s - x) / s, so mixing x with g mixes v with (x_s - g) / s.

        Args:
            velocity, noisy: [B, C, F, h, w]; tokens: [B, N, D], normalised; sigma: [B], the noise level, above 0.
        """
        trust = unpatchify(self.trust(tokens), token_grid(noisy, self.patch), self.patch).float().sigmoid()
        share = trust * guide.known.view(-1, 1, 1, 1, 1)
        towards = (noisy - guide.latents) / sigma.view(-1, 1, 1, 1, 1)
        return (velocity + share * (towards - velocity)).to(velocity.dtype)
