"""Dead reckoning: where one stands after a chunk, from where one stood and what one did.

Letters: B sessions, P numbers of a place, A components of an action.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helios_world.places.config import AtlasConfig
from helios_world.places.place import HEADING, POSITION, SPEED, UNIT, heading_of, move, place_of, waves

PERIODS = (24.0, 12.0, 6.0, 3.0, 1.5, 0.75)
LARGEST = (2.4 / 6, 2.0 / 6, math.radians(54) / 6)
"""The way of a chunk at the greatest speeds: metres forward, metres to the right, radians."""


class Odometry(nn.Module):
    """Where the controls alone would lead, and how far what stands there pushes one aside.

    The way of a chunk depends on the speeds before and the controls, all but linearly; it is predicted in the walker's
    own frame and then added exactly. What stands in the way is learned by where it stands, for every land apart; and
    nobody gets further out than anybody ever was, which is `bounds` [2], metres along either axis.
    """

    largest: Tensor
    bounds: Tensor

    def __init__(self, config: AtlasConfig) -> None:
        super().__init__()
        told, stride = 3 + config.controls, config.stride
        self.straight = nn.Linear(told, 6)
        self.bend = nn.Sequential(nn.Linear(told, stride), nn.SiLU(), nn.Linear(stride, 6))
        self.enter = nn.Parameter(_drawn(config.lands, 4 * len(PERIODS), stride))
        self.between = nn.Parameter(_drawn(config.lands, stride, stride))
        self.leave = nn.Parameter(torch.zeros(config.lands, stride, 2))
        self.biases = nn.Parameter(torch.zeros(config.lands, 2, stride))
        self.register_buffer("largest", torch.tensor(LARGEST), persistent=False)
        self.register_buffer("bounds", torch.full((2,), float("inf")))

    def free(self, place: Tensor, controls: Tensor) -> Tensor:
        """The way where nothing stands, in units of `LARGEST`, and the speeds afterwards: [B, 6]."""
        told = torch.cat([place[:, SPEED], controls], dim=1)
        predicted: Tensor = self.straight(told) + self.bend(told)
        return predicted

    def pushed(self, aim: Tensor, land: Tensor) -> Tensor:
        """Metres [B, 2] that one is pushed aside who aims at positions [B, 2] in lands [B, lands]."""
        seen = waves(aim, PERIODS)
        hidden = F.silu(torch.einsum("bi,lij->lbj", seen, self.enter) + self.biases[:, None, 0])
        hidden = hidden + F.silu(hidden @ self.between + self.biases[:, None, 1])
        return torch.einsum("lbi,bl->bi", hidden @ self.leave, land)

    def forward(self, place: Tensor, controls: Tensor, scene: Tensor, land: Tensor) -> Tensor:
        """The place [B, P] a chunk later, controls [B, A] being held in `scene` [B, lands + moments]."""
        predicted = self.free(place, controls)
        aim, heading = move(place, predicted[:, :3] * self.largest)
        aim = aim.clamp(-self.bounds, self.bounds)
        position = (aim + self.pushed(aim, land)).clamp(-self.bounds, self.bounds)
        way = way_between(place, position, heading)
        return place_of(position, heading, predicted[:, 3:], way, scene)


def way_between(place: Tensor, position: Tensor, heading: Tensor) -> Tensor:
    """The way [B, 3] from a place to a position [B, 2] and a heading [B]: forward, right, turn. Inverts `move`."""
    cosine, sine = place[:, HEADING].unbind(1)
    x, y = (position - UNIT * place[:, POSITION]).unbind(1)
    turn = heading - heading_of(place)
    turn = torch.atan2(turn.sin(), turn.cos())
    return torch.stack([cosine * x + sine * y, cosine * y - sine * x, turn], dim=1)


def _drawn(lands: int, before: int, after: int) -> Tensor:
    return torch.randn(lands, before, after) / math.sqrt(before)
