"""Relative rotary positions: where each token stands in time, row and column.

A token that covers several latents takes the mean of their rotations. The three axes turn different channels,
so the mean over a box of positions is taken axis by axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from helios_world.memory import HistoryLayout

_KEPT = 32


@dataclass
class Positions:
    """Rotations of history and noisy tokens, computed once per grid and device.

    Args:
        dims: channels of a head that turn with time, row and column.
        theta: the base of the geometric series of frequencies.
    """

    dims: tuple[int, int, int]
    theta: float
    _tables: dict[tuple[object, ...], Tensor] = field(default_factory=dict, repr=False)

    def noisy(self, layout: HistoryLayout, height: int, width: int, device: torch.device) -> Tensor:
        """Rotations of the chunk's tokens on a height × width grid of tokens: complex64 [N, E/2]."""
        key = ("noisy", layout, height, width, device)
        if key not in self._tables:
            self._keep(key, self._box(layout.noisy_indices, height, width, 1), device)
        return self._tables[key]

    def history(self, layout: HistoryLayout, height: int, width: int, device: torch.device) -> Tensor:
        """Rotations of long, mid and short tokens; the grid is that of the short ones: complex64 [M, E/2]."""
        key = ("history", layout, height, width, device)
        if key not in self._tables:
            parts = ((layout.long_indices, 4), (layout.mid_indices, 2), (layout.short_indices, 1))
            boxes = [self._box(frames, height, width, pool) for frames, pool in parts]
            self._keep(key, torch.cat(boxes), device)
        return self._tables[key]

    def _keep(self, key: tuple[object, ...], table: Tensor, device: torch.device) -> None:
        if len(self._tables) >= _KEPT:
            self._tables.clear()
        # A table made under inference_mode could not be used in training later.
        with torch.inference_mode(False):
            self._tables[key] = table.clone().to(device)

    def _box(self, frames: Sequence[int], height: int, width: int, pool: int) -> Tensor:
        axes = (frames, range(height), range(width))
        tables = [
            axis_rotation(positions, dim, self.theta, pool) for positions, dim in zip(axes, self.dims, strict=True)
        ]
        t, y, x = (len(table) for table in tables)
        time, row, column = tables
        spread = (
            time[:, None, None].expand(t, y, x, -1),
            row[None, :, None].expand(t, y, x, -1),
            column[None, None, :].expand(t, y, x, -1),
        )
        return torch.cat(spread, dim=-1).flatten(0, 2)


def axis_rotation(positions: Sequence[int], dim: int, theta: float, pool: int) -> Tensor:
    """exp(i · position · frequency), averaged over groups of `pool` positions: complex64 [groups, dim/2].

    The last position is repeated to fill the last group. The frequencies are theta^(-2k/dim), k from 0, as
    in RoFormer (arXiv 2104.09864).
    """
    with torch.inference_mode(False):
        padded = [*positions, *[positions[-1]] * (-len(positions) % pool)]
        exponents = torch.arange(0, dim, 2, dtype=torch.float32) / dim
        angles = torch.tensor(padded, dtype=torch.float32)[:, None] * (1.0 / theta**exponents)
        rotation = torch.polar(torch.ones_like(angles), angles)
        return rotation.view(-1, pool, dim // 2).mean(1)
