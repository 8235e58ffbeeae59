"""Training by several processes, started by torchrun, that share a model's weights (FSDP2).

Each process holds a part of every weight, gradient and optimiser state; a block's weights are put together just before
it computes. Alone, nothing changes.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

from helios_world.model import HeliosTransformer


@contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """Within the block, be part of the group that torchrun describes, if it does; one that is there already stays."""
    joins = int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized()
    if joins:
        # What the processes agree on without the GPU goes through gloo.
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
        if device.type == "cuda":
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    try:
        yield
    finally:
        if joins:
            dist.destroy_process_group()


def shard_transformer(model: HeliosTransformer, device: torch.device) -> None:
    """Share a transformer block by block, in place, where there are several processes."""
    if not dist.is_initialized():
        return
    # Blocks return views, which nothing here changes in place.
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    for block in model.blocks:
        fully_shard(block, mesh=mesh)
        # The transformer calls this before it calls the block itself.
        register_fsdp_forward_method(block, "text_key_value")
    fully_shard(model, mesh=mesh)


def shard_module(module: nn.Module, device: torch.device) -> None:
    """Share a module as a whole, in place, where there are several processes."""
    if dist.is_initialized():
        fully_shard(module, mesh=init_device_mesh(device.type, (dist.get_world_size(),)))


def gathered(tensor: Tensor) -> Tensor:
    """The whole of a tensor of which each process may hold a part. All processes have to ask for it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


@torch.no_grad()
def copy_into(target: Tensor, whole: Tensor) -> None:
    """Put a whole tensor into one of which each process may hold a part."""
    if isinstance(target, DTensor):
        target.copy_(distribute_tensor(whole.to(target.dtype), target.device_mesh, target.placements))
    else:
        target.copy_(whole)


def own_part(tensor: Tensor) -> Tensor:
    """This process's part, as a view."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def mean_of_processes(value: Tensor) -> Tensor:
    """The mean of a number that every process has one of."""
    if not dist.is_initialized():
        return value
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()
