"""The random numbers of a training step.

Each row of a step's batch has a generator of its own, which depends on the seed, the step and the row's place in the
batch of all processes. So a run that goes on repeats what it would have drawn, and a batch shared by several processes
is the batch of one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from helios_world.sampling.noise import mix

_SHARED = 2**40


@dataclass(frozen=True)
class Rows:
    """The rows of a batch of `total` that this process makes: `count` of them from `first` on."""

    total: int
    first: int
    count: int

    @classmethod
    def of(cls, total: int, rank: int, processes: int) -> Rows:
        """The share of process `rank`.

        Raises:
            ValueError: the batch cannot be divided evenly.
        """
        if total % processes:
            raise ValueError(f"a batch of {total} cannot be shared evenly by {processes} processes")
        count = total // processes
        return cls(total, rank * count, count)

    @property
    def indices(self) -> range:
        return range(self.first, self.first + self.count)


class Dice:
    """What is drawn on the host stays there for decisions; what is drawn for tensors goes to `device`."""

    def __init__(self, seed: int, step: int, rows: Rows, device: torch.device) -> None:
        self.rows, self.device = rows, device
        self._own = [torch.Generator().manual_seed(mix(seed, step, row)) for row in rows.indices]
        self._shared = torch.Generator().manual_seed(mix(seed, step, _SHARED))

    def normal(self, *shape: int) -> Tensor:
        """Standard normal float32 [rows, *shape] on the device."""
        return place(torch.stack([torch.randn(shape, generator=each) for each in self._own]), self.device)

    def uniform(self, *shape: int) -> Tensor:
        """Float32 [rows, *shape] in [0, 1), on the host."""
        return torch.stack([torch.rand(shape, generator=each) for each in self._own])

    def below(self, count: int) -> list[int]:
        """A whole number from 0 to count - 1 for each row."""
        return [int(torch.randint(count, (), generator=each)) for each in self._own]

    def beta(self, a: float, b: float) -> Tensor:
        """Beta(a, b) for each row, on the host."""
        seeds = [int(torch.randint(2**62, (), generator=each)) for each in self._own]
        return torch.tensor([np.random.default_rng(seed).beta(a, b) for seed in seeds], dtype=torch.float32)

    def together(self, count: int) -> int:
        """A whole number from 0 to count - 1, the same in all processes."""
        return int(torch.randint(count, (), generator=self._shared))

    def several(self, count: int, of: int) -> list[int]:
        """`count` different whole numbers from 0 to of - 1, the same in all processes."""
        found: list[int] = torch.randperm(of, generator=self._shared)[:count].tolist()
        return found

    def together_uniform(self) -> float:
        """A number in [0, 1), the same in all processes."""
        return float(torch.rand((), generator=self._shared))


def place(tensor: Tensor, device: torch.device) -> Tensor:
    """`tensor` on `device`, without waiting for what a GPU is still computing."""
    if device.type != "cuda" or tensor.is_cuda:  # only memory of the host can be pinned
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
