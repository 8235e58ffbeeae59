"""A place as a vector of numbers: where one stands, which way one looks, how one moves, and in which scene.

Columns of a place [B, P]: position in units of 10 metres (2), cosine and sine of the heading (2), speed forward, to
the right and in turning as shares of the greatest (3), the way made in the last chunk, forward and to the right in
metres and in turning in radians (3), whether any of this is known (1), shares of lands and moments (the rest).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

POSITION = slice(0, 2)
HEADING = slice(2, 4)
SPEED = slice(4, 7)
MOVED = slice(7, 10)
KNOWN = slice(10, 11)
SCENE = slice(11, None)
BODY = 10
"""Columns before `KNOWN`."""
UNIT = 10.0
"""Metres."""


def place_of(position: Tensor, heading: Tensor, speed: Tensor, moved: Tensor, scene: Tensor) -> Tensor:
    """A known place [B, P].

    Args:
        position: [B, 2] in metres; heading: [B] in radians; speed, moved: [B, 3]; scene: [B, lands + moments].
    """
    turned = torch.stack([heading.cos(), heading.sin()], dim=1)
    known = torch.ones_like(position[:, :1])
    return torch.cat([position / UNIT, turned, speed, moved, known, scene], dim=1)


def heading_of(place: Tensor) -> Tensor:
    """Radians, [B]."""
    cosine, sine = place[:, HEADING].unbind(1)
    return torch.atan2(sine, cosine)


def move(place: Tensor, way: Tensor) -> tuple[Tensor, Tensor]:
    """Position [B, 2] in metres and heading [B] after a `way` [B, 3]: forward, right, turn."""
    cosine, sine = place[:, HEADING].unbind(1)
    forward, right, turn = way.unbind(1)
    offset = torch.stack([cosine * forward - sine * right, sine * forward + cosine * right], dim=1)
    return UNIT * place[:, POSITION] + offset, heading_of(place) + turn


def shifted(place: Tensor, shift: Tensor) -> Tensor:
    """A place [B, P] with its position and heading changed by `shift` [B or 1, 3]: metres, metres, radians."""
    heading = heading_of(place) + shift[:, 2]
    turned = torch.stack([heading.cos(), heading.sin()], dim=1)
    return torch.cat([place[:, POSITION] + shift[:, :2] / UNIT, turned, place[:, HEADING.stop :]], dim=1)


def waves(values: Tensor, periods: tuple[float, ...]) -> Tensor:
    """Sines and cosines of values [..., K] in several periods: [..., 2·K·periods] (Tancik et al. 2020, 2006.10739)."""
    angles = torch.cat([values * (2 * math.pi / period) for period in periods], dim=-1)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
