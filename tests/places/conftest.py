"""An atlas of three lands and two moments with random weights."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from helios_world.places import Atlas, AtlasConfig
from helios_world.places.place import place_of

CONFIG = AtlasConfig(
    lands=3,
    moments=2,
    controls=3,
    text_dim=6,
    latent_channels=3,
    height=2,
    width=8,
    view=80.0,
    hidden=24,
    depth=3,
    stride=8,
    landmarks=4,
)


@pytest.fixture
def atlas() -> Atlas:
    torch.manual_seed(4)
    atlas = Atlas(CONFIG)
    torch.nn.init.normal_(atlas.odometry.leave, std=0.3)
    torch.nn.init.normal_(atlas.odometry.biases)
    torch.nn.init.normal_(atlas.reader.weight)
    for bias in atlas.field.biases:
        torch.nn.init.normal_(bias, std=0.3)
    headings = torch.tensor([0.3, -1.2, 2.5])
    atlas.entrances.copy_(torch.cat([torch.randn(3, 2), headings.cos()[:, None], headings.sin()[:, None]], dim=1))
    return atlas.requires_grad_(False)


@pytest.fixture
def somewhere() -> Callable[..., Tensor]:
    """Known places [B, P] anywhere, in one land and moment each."""

    def places(count: int, seed: int = 0) -> Tensor:
        random = torch.Generator().manual_seed(seed)
        land = torch.eye(3)[torch.randint(3, (count,), generator=random)]
        moment = torch.eye(2)[torch.randint(2, (count,), generator=random)]
        position = 8 * torch.randn(count, 2, generator=random)
        heading = 6.28 * torch.rand(count, generator=random)
        speed, moved = torch.randn(2, count, 3, generator=random) * 0.3
        return place_of(position, heading, speed, moved, torch.cat([land, moment], dim=1))

    return places
