"""The light field: what can be seen from a place, in latents, remembered in the weights of a network.

A frame is a row of columns, and a column of latents depends on where one stands and on the direction in which it lies.
So the network is asked for one column at a time. The rays of light of a static scene as a function that a network
learns: Sitzmann et al. 2021, Light Field Networks (arXiv 2106.02634).
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helios_world.places.config import AtlasConfig
from helios_world.places.place import MOVED, POSITION, SPEED, UNIT, heading_of, waves

PERIODS = (24.0, 12.0, 6.0, 3.0, 1.5)
HARMONICS = 12


class LightField(nn.Module):
    """A network for every land: places [B, P] and moments [B, moments] to latents [B, C, 1, h, w]."""

    across: Tensor

    def __init__(self, config: AtlasConfig) -> None:
        super().__init__()
        self.config = config
        features = 4 * (2 * len(PERIODS) + 1) + 2 * HARMONICS + config.width + 6 + config.moments
        sizes = [features, *[config.hidden] * config.depth, config.latent_channels * config.height]
        self.weights = nn.ParameterList(
            nn.Parameter(torch.randn(config.lands, before, after) / math.sqrt(before))
            for before, after in pairwise(sizes)
        )
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(config.lands, after)) for after in sizes[1:])
        middles = (torch.arange(config.width) + 0.5) * 2 / config.width - 1
        across = torch.atan(middles * math.tan(math.radians(config.view / 2)))
        self.register_buffer("across", across, persistent=False)

    def rays(self, place: Tensor, moment: Tensor, every: int = 1) -> Tensor:
        """What the network is told of every column, or of every so many of them: [B, w, features]."""
        across = self.across[every // 2 :: every]
        width = len(across)
        direction = heading_of(place)[:, None] + across
        x, y = (UNIT * place[:, POSITION]).unsqueeze(1).expand(-1, width, -1).unbind(2)
        along = x * direction.cos() + y * direction.sin()
        beside = y * direction.cos() - x * direction.sin()
        line = torch.stack([x, y, along, beside], dim=2)
        angles = direction[..., None] * torch.arange(1, HARMONICS + 1, device=place.device)
        column = torch.eye(self.config.width, device=place.device)[every // 2 :: every].expand(len(place), -1, -1)
        same = torch.cat([place[:, SPEED], place[:, MOVED], moment], dim=1)[:, None].expand(-1, width, -1)
        return torch.cat([waves(line, PERIODS), line / UNIT, angles.cos(), angles.sin(), column, same], dim=2)

    def look(self, rays: Tensor, land: int) -> Tensor:
        """Columns of latents [B, w, C·h] in one land."""
        values = F.silu(self._layer(0, rays, land))
        for number in range(1, len(self.weights) - 1):
            values = values + F.silu(self._layer(number, values, land))
        return self._layer(len(self.weights) - 1, values, land)

    def picture(self, columns: Tensor) -> Tensor:
        """Columns [B, w, C·h] as latents [B, C, 1, h, w]."""
        c = self.config
        grid = columns.float().reshape(*columns.shape[:2], c.latent_channels, c.height)
        return grid.permute(0, 2, 3, 1).unsqueeze(2)

    def forward(self, place: Tensor, land: Tensor, moment: Tensor, every: int = 1) -> Tensor:
        """Latents [B, C, 1, h, w], the lands mixed by their shares [B, lands]; those without a share are not asked.

        Args:
            every: of so many columns one is made, the middle one.
        """
        rays = self.rays(place, moment, every)
        present = (land > 0).any(0).nonzero().flatten().tolist()
        columns = [land[:, number, None, None] * self.look(rays, number) for number in present]
        nothing = rays.new_zeros(*rays.shape[:2], self.config.latent_channels * self.config.height)
        return self.picture(sum(columns, nothing))

    def _layer(self, number: int, values: Tensor, land: int) -> Tensor:
        found: Tensor = values @ self.weights[number][land] + self.biases[number][land]
        return found
