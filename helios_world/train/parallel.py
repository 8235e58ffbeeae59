"""Several processes on one batch: started by torchrun, they average their gradients. Alone, nothing changes."""

from __future__ import annotations

import os
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

LONGEST = timedelta(hours=3)
"""That the processes wait for one of them."""


def join() -> tuple[int, int]:
    """(rank, number of processes); joins the group that torchrun describes in the environment."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return 0, 1
    if not dist.is_initialized():
        backend = "nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, timeout=LONGEST)
    return dist.get_rank(), count


def share(module: nn.Module) -> None:
    """Give every process the first one's values of a module."""
    if dist.is_initialized():
        for value in module.state_dict().values():
            dist.broadcast(value, 0)


def leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def average(values: Tensor, count: int) -> None:
    """Replace a tensor by its mean over the processes, in one message."""
    if count == 1:
        return
    dist.all_reduce(values)
    values /= count


def agree(value: bool) -> bool:
    """True if it is true for the first process; all processes get the same answer."""
    if not dist.is_initialized():
        return value
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    answer = torch.tensor([int(value)], device=device)
    dist.broadcast(answer, 0)
    return bool(answer.item())
