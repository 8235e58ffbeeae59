"""A guess at the place in a picture, by a small network. `Atlas.locate` searches on from there."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from helios_world.places.config import AtlasConfig
from helios_world.places.place import BODY

REACH = 2  # of a convolution's stride


class Localizer(nn.Module):
    """Latents [B, C, 1, h, w], their channels weighted by what they show, to a guess.

    That is a body [B, 10] as in a place, and logits of lands and moments [B, scene].
    """

    def __init__(self, config: AtlasConfig) -> None:
        super().__init__()
        wide = config.landmarks
        self.near = nn.Conv2d(config.latent_channels, wide, 3, padding=1)
        self.far = nn.Conv2d(wide, wide, 3, stride=REACH, padding=1)
        cells = -(-config.height // REACH) * -(-config.width // REACH)
        self.gather = nn.Linear(wide * cells, 2 * wide)
        self.between = nn.Linear(2 * wide, 2 * wide)
        self.leave = nn.Linear(2 * wide, BODY + config.scene)

    def forward(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        seen = F.silu(self.far(F.silu(self.near(latents[:, :, 0]))))
        hidden = F.silu(self.gather(seen.flatten(1)))
        hidden = hidden + F.silu(self.between(hidden))
        guess = self.leave(hidden)
        return guess[:, :BODY], guess[:, BODY:]
