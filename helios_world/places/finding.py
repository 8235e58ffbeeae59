"""Finding the place that a picture shows, with the light field as the judge.

Letters: P numbers of a place, C h w of a latent, F latents, A components of an action.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from helios_world.places.odometry import way_between
from helios_world.places.place import HEADING, KNOWN, POSITION, SCENE, SPEED, UNIT, heading_of, place_of, shifted

if TYPE_CHECKING:
    from helios_world.places.atlas import Atlas

Grid = tuple[tuple[int, float], ...]
GRID: Grid = ((5, 0.5), (5, 0.5), (4, math.radians(5)))
"""Of the search, to both sides of a guess: steps and their size in metres, metres, radians."""
STRIDE: Grid = ((1, 0.3), (1, 0.3), (1, math.radians(7)))
"""Of the search for where one was a chunk ago."""
COARSE = 4
TRIED = 5
ROUNDS = 10
STEPS = (0.05, 0.05, 0.02)
"""Of the derivatives: metres, metres, radians."""
SPEED_STEP = 0.1
"""Of the derivatives by speeds and controls, as shares of the greatest."""
FOLLOWED = 3
"""Latents that are fitted together."""
TINY = 1e-12
"""Where everything looks the same, so that the equations can be solved."""


def find(atlas: Atlas, latents: Tensor) -> Tensor:
    """The place [1, P] from which the last of some latents [1, C, F, h, w] can best be seen.

    A guess, then the best of a grid of places around it, then Gauss-Newton steps until the light field shows the
    same as the latent. Where latents before it are given, the last few are fitted together, as a walk that the
    odometry allows; that finds the speed as well. One latent alone is taken for standing still.
    """
    last = latents[:, :, -1:]
    place = _search(atlas, _still(atlas.guess(last)), last, GRID)
    if latents.shape[2] > 1:
        place = _follow(atlas, _moving(atlas, place, latents[:, :, -2:]), latents[:, :, -FOLLOWED:])
    return place


def _moving(atlas: Atlas, place: Tensor, latents: Tensor) -> Tensor:
    """The place settled again, with the speed that the way from the first of two latents to the second says."""
    way = _way(_search(atlas, place, latents[:, :, :1], STRIDE), place)
    speed = (way / atlas.odometry.largest).clamp(-1, 1)
    moving = torch.cat([place[:, : HEADING.stop], speed, way, place[:, KNOWN.start :]], dim=1)
    return _settle(atlas, moving, latents[:, :, 1:])[0]


def _follow(atlas: Atlas, place: Tensor, latents: Tensor) -> Tensor:
    """The end of the walk that fits best to latents [1, C, F, h, w], given about where it ends.

    A walk is its first place, the speed there and the controls of each later chunk: [1, 6 + A·(F - 1)].
    """
    scene, count = place[:, SCENE], latents.shape[2]
    places = [place]
    for number in reversed(range(count - 1)):
        places.insert(0, _search(atlas, places[0], latents[:, :, number : number + 1], STRIDE))
    speeds = [(_way(*pair) / atlas.odometry.largest).clamp(-1, 1) for pair in pairwise(places)]
    first = places[0]
    walk = torch.cat([UNIT * first[:, POSITION], heading_of(first)[:, None], speeds[0], *speeds], dim=1)

    def residuals(walks: Tensor) -> Tensor:
        parts = torch.split(latents, 1, dim=2)
        steps = zip(_walked(atlas, walks, scene, count), parts, strict=True)
        return torch.cat([atlas.residuals(now, latent) for now, latent in steps], dim=1)

    steps = walk.new_tensor([*STEPS, *[SPEED_STEP] * (walk.shape[1] - 3)])
    best, _ = descend(residuals, walk, steps, lambda walks: torch.cat([walks[:, :3], walks[:, 3:].clamp(-1, 1)], 1))
    return _walked(atlas, best, scene, count)[-1]


def _walked(atlas: Atlas, walks: Tensor, scene: Tensor, count: int) -> list[Tensor]:
    """The places [B, P] of each chunk of walks [B, 6 + A·(count - 1)]."""
    same, speed = scene.expand(len(walks), -1), walks[:, 3:6]
    places = [place_of(walks[:, :2], walks[:, 2], speed, speed * atlas.odometry.largest, same)]
    for controls in torch.split(walks[:, 6:], atlas.config.controls, dim=1):
        places.append(atlas.advance(places[-1], controls, same))
    return places


def _search(atlas: Atlas, guess: Tensor, latent: Tensor, grid: Grid) -> Tensor:
    """The place around a guess that fits best to a latent."""
    offsets = torch.cartesian_prod(*(torch.arange(-n, n + 1) * step for n, step in grid)).to(latent.device)
    tried = shifted(guess.expand(len(offsets), -1), offsets)
    errors = torch.cat([atlas.mismatch(part, latent, COARSE) for part in torch.split(tried, 128)])
    found = [_settle(atlas, tried[row : row + 1], latent) for row in errors.topk(TRIED, largest=False).indices]
    return min(found, key=lambda pair: pair[1])[0]


def _settle(atlas: Atlas, place: Tensor, latent: Tensor) -> tuple[Tensor, float]:
    """The place [1, P] nearby that fits best to a latent, and how badly it does."""
    best, error = descend(
        lambda shifts: atlas.residuals(shifted(place.expand(len(shifts), -1), shifts), latent),
        place.new_zeros(1, 3),
        place.new_tensor(STEPS),
    )
    return shifted(place, best), error


def _still(place: Tensor) -> Tensor:
    return torch.cat(
        [place[:, : SPEED.start], torch.zeros_like(place[:, SPEED.start : KNOWN.start]), place[:, KNOWN.start :]],
        dim=1,
    )


def descend(
    residuals: Callable[[Tensor], Tensor],
    start: Tensor,
    steps: Tensor,
    allowed: Callable[[Tensor], Tensor] = lambda values: values,
) -> tuple[Tensor, float]:
    """Values [1, K] near `start` with the least mean square of their residuals, and that mean.

    Gauss-Newton with Levenberg's damping; the derivatives are differences.

    Args:
        residuals: of values [B, K], [B, N].
        steps: [K], of the differences; no round moves a value by more than six of them.
        allowed: the nearest values that are allowed.
    """
    values, damping = start, 1e-2
    error = float(residuals(values).square().mean())
    for _ in range(ROUNDS):
        found = residuals(torch.cat([values, values + torch.diag(steps)])).double()
        slopes = (found[1:] - found[0]).T
        normal = slopes.T @ slopes
        normal = normal + torch.diag(damping * normal.diagonal() + TINY)
        shift = -torch.linalg.solve(normal, slopes.T @ found[0]).clamp(-6, 6)
        better = allowed(values + shift.to(steps) * steps)
        now = float(residuals(better).square().mean())
        if now < error:
            values, error, damping = better, now, damping / 4
        else:
            damping = 8 * damping
    return values, error


def _way(start: Tensor, end: Tensor) -> Tensor:
    """The way [1, 3] from one place to another."""
    return way_between(start, UNIT * end[:, POSITION], heading_of(end))
