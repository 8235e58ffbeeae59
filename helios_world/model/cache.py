"""What of a denoising step does not depend on the noise, computed ahead.

Shapes: B batch, L text tokens, M history tokens, H heads, E channels per head; one tensor per block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor


@dataclass(frozen=True)
class TextCache:
    """Keys and values of the text, [B, L, H, E] for each block."""

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]


@dataclass(frozen=True)
class HistoryCache:
    """Keys and values of the history, [B, M, H, E] for each block; the keys are turned to their positions."""

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]


Cache = TypeVar("Cache", TextCache, HistoryCache)


def join_caches(caches: Sequence[Cache]) -> Cache:
    """One cache of all their rows, in their order."""
    first, *others = caches
    if not others:
        return first
    keys = tuple(torch.cat(blocks) for blocks in zip(*(cache.keys for cache in caches), strict=True))
    values = tuple(torch.cat(blocks) for blocks in zip(*(cache.values for cache in caches), strict=True))
    return type(first)(keys, values)


def cache_rows(cache: Cache) -> list[Cache]:
    """A cache of batch 1 for each row, with copies: none keeps the others' bytes alive."""
    batch = cache.keys[0].shape[0]
    return [type(cache)(_row(cache.keys, row), _row(cache.values, row)) for row in range(batch)]


def draws_of(cached: Tensor, batch: int) -> Tensor:
    """Repeat `cached` [B, …] for `batch` = k·B rows: k draws of the whole batch, one after the other."""
    if cached.shape[0] == batch:
        return cached
    return cached.repeat(_draws(cached, batch), *(1,) * (cached.dim() - 1))


def join_draws(cached: Tensor, own: Tensor) -> Tensor:
    """Put `cached` [B, M, H, E] before each draw of `own` [k·B, N, H, E]: [k·B, M + N, H, E]."""
    if cached.shape[0] == own.shape[0]:
        return torch.cat((cached, own), dim=1)
    draws = _draws(cached, own.shape[0])
    expanded = cached.unsqueeze(0).expand(draws, -1, -1, -1, -1)
    return torch.cat((expanded, own.view(draws, -1, *own.shape[1:])), dim=2).flatten(0, 1)


def _row(blocks: tuple[Tensor, ...], row: int) -> tuple[Tensor, ...]:
    return tuple(block[row : row + 1].clone() for block in blocks)


def _draws(cached: Tensor, batch: int) -> int:
    if batch % cached.shape[0]:
        raise ValueError(f"a batch of {batch} is no multiple of the cached batch, {cached.shape[0]}")
    return batch // cached.shape[0]
