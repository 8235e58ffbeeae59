"""How a kernel is started, and how its work is cut into programs.

A program holds a tile of whole rows in registers. Its size follows from the width alone and is never tuned while
running: another tile sums in another order, and equal inputs are to give equal bits.
"""

# mypy: disable-error-code="import-not-found,import-untyped,no-untyped-call"
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import triton
from torch import Tensor

_MOST_ROWS = 16
_SUMMED = 64  # tokens whose gradients one program adds up


@dataclass(frozen=True)
class Cutting:
    """How tokens are cut into tiles.

    Args:
        values: of a tile, where one row is not more than that already. More share a reading of the conditions, fewer
            leave registers for more programs at a time.
        warps: of a program, at most.
        summing_warps: the same for kernels that add up over tokens, which hold the sums as well.
    """

    values: int = 8192
    warps: int = 8
    summing_warps: int = 16


_cutting = Cutting()


class Tile(NamedTuple):
    """Args:
    rows: tokens of a tile, a power of two.
    block: channels of a tile, the next power of two of the width.
    warps: groups of 32 threads that share it.
    """

    rows: int
    block: int
    warps: int


@contextmanager
def cutting(other: Cutting) -> Iterator[None]:
    """Cut otherwise for a while, to measure it. Results may differ in the last bit."""
    global _cutting
    before, _cutting = _cutting, other
    try:
        yield
    finally:
        _cutting = before


def tile_of(width: int) -> Tile:
    """The tile for rows of `width` channels."""
    block: int = triton.next_power_of_2(width)
    rows = max(1, min(_MOST_ROWS, _cutting.values // block))
    return Tile(rows, block, _warps(rows * block, _cutting.warps))


def head_tile_of(heads: int, channels: int) -> Tile:
    """The tile for one token: its heads as rows."""
    rows: int = triton.next_power_of_2(heads)
    block: int = triton.next_power_of_2(channels)
    return Tile(rows, block, _warps(rows * block, _cutting.warps))


def summing_tile_of(width: int) -> tuple[Tile, int]:
    """The tile of a kernel that also adds up over tokens, and how many tokens a program adds up."""
    tile = tile_of(width)
    return tile._replace(warps=_warps(tile.rows * tile.block, _cutting.summing_warps)), _SUMMED


def _warps(values: int, most: int) -> int:
    """Eight values or more for each thread, for loads of 16 bytes."""
    return max(1, min(most, values // 256))


def programs(tokens: int, rows: int, ends: tuple[int, ...], each: int) -> list[int]:
    """How many programs of `each` tokens every segment takes; with no ends, `rows` segments of one length."""
    if not ends:
        return [triton.cdiv(tokens // rows, each)] * rows
    return [triton.cdiv(end - start, each) for start, end in zip((0, *ends), ends, strict=False)]


def launch(kernel: Any, grid: tuple[int, int], warps: int, *arguments: object, **constants: int) -> None:
    """Start `kernel` on the device of its first argument; an empty grid starts nothing.

    Fused multiply-adds are asked for by name, since the default differs between versions of Triton.
    """
    if 0 in grid:
        return
    first = arguments[0]
    assert isinstance(first, Tensor)
    with torch.cuda.device_of(first):
        kernel[grid](*arguments, **constants, num_warps=warps, enable_fp_fusion=True)


def row_major(x: Tensor) -> Tensor:
    """`x` with neighbouring channels side by side in memory: itself, or a copy."""
    return x if x.stride(-1) == 1 or x.shape[-1] == 1 else x.contiguous()


def as_tokens(x: Tensor) -> Tensor:
    """[..., D] as [B, N, D], without a copy where the strides allow it."""
    if x.dim() == 3:
        return row_major(x)
    return row_major(x.reshape(1, -1, x.shape[-1]))


def row_strides(condition: Tensor) -> tuple[int, int]:
    """Strides of a condition [B or 1, R or 1, D] over batch and segments, 0 where it is the same for all."""
    batch, rows, _ = condition.shape
    return condition.stride(0) if batch > 1 else 0, condition.stride(1) if rows > 1 else 0


def fold(partial: Tensor, counts: list[int]) -> Tensor:
    """Sums of programs [B, P, D] to sums of segments [B, R, D], in a fixed order."""
    return torch.stack([part.sum(1) for part in partial.split(counts, dim=1)], dim=1)


def like(condition: Tensor, sums: Tensor) -> Tensor:
    """Sums of segments [B, R, D] to the gradient of a condition [B or 1, R or 1, D]."""
    over = [axis for axis in (0, 1) if condition.shape[axis] == 1 and sums.shape[axis] > 1]
    return (sums.sum(over, keepdim=True) if over else sums).to(condition.dtype)
