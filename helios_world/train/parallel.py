"""Several processes on one batch: started by torchrun, they average their gradients. Alone, nothing changes."""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn


def join() -> tuple[int, int]:
    """(rank, number of processes); joins the group that torchrun describes in the environment."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return 0, 1
    if not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return dist.get_rank(), count


def leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def average_gradients(modules: Iterable[nn.Module], count: int) -> None:
    """Replace every gradient by its mean over the processes, in one message."""
    if count == 1:
        return
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    for p in parameters:
        if p.grad is None:
            p.grad = torch.zeros_like(p)
    gradients: list[Tensor] = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    dist.all_reduce(flat)
    flat /= count
    for g, part in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
        g.copy_(part.view_as(g))


def agree(value: bool) -> bool:
    """True if it is true for the first process; all processes get the same answer."""
    if not dist.is_initialized():
        return value
    answer = torch.tensor([int(value)])
    dist.broadcast(answer, 0)
    return bool(answer.item())
