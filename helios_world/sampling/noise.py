"""The noise of a chunk, as a function of the session's seed and the chunk's index."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_MASK = 2**64 - 1


def chunk_noise(
    seed: int, index: int, shape: Sequence[int], device: torch.device | str = "cpu", *, level: int = 0
) -> Tensor:
    """Standard normal float32 numbers of `shape`. The same arguments give the same numbers on every device.

    Args:
        seed: of the session, in [0, 2**63).
        index: of the chunk.
        level: which of a chunk's draws, where it needs several, as the pyramid does.
    """
    return torch.randn(tuple(shape), generator=_generator(seed, index, level), dtype=torch.float32).to(device)


def chunk_uniform(
    seed: int, index: int, shape: Sequence[int], device: torch.device | str = "cpu", *, level: int = 0
) -> Tensor:
    """Float32 numbers of `shape`, evenly spread over [0, 1). Arguments as for `chunk_noise`.

    Both read the same stream: a level is used for one of them only.
    """
    return torch.rand(tuple(shape), generator=_generator(seed, index, level), dtype=torch.float32).to(device)


def mix(*parts: int) -> int:
    """Numbers to one of 64 bits; near arguments give far results (SplitMix64, Steele et al. 2014)."""
    state = 0
    for part in parts:
        state = ((state ^ part) + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state


def _generator(seed: int, index: int, level: int) -> torch.Generator:
    return torch.Generator().manual_seed(mix(seed, index, level))
