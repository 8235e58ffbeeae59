"""How many bytes of tensors a computation has alive at once.

On a GPU the allocator knows. Elsewhere the operations are watched, which also works on the meta device: so
a model of any size can be measured without having its memory. Both count tensors, neither what a library
takes beside them; on the GPU the allocator's rounding is in.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Usage(Protocol):
    @property
    def live(self) -> int:
        """Bytes alive now that were not there at the beginning."""

    @property
    def peak(self) -> int:
        """The most that `live` has been."""


@contextmanager
def live_bytes(device: torch.device | str) -> Iterator[Usage]:
    """Watch the bytes of tensors that are made in this context."""
    device = torch.device(device)
    if device.type == "cuda":
        yield CudaUsage(device)
    else:
        with WatchedUsage() as usage:
            yield usage


class CudaUsage:
    """The allocator's own counts; begins anew with every object."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        self._before = torch.cuda.memory_allocated(device)

    @property
    def live(self) -> int:
        return torch.cuda.memory_allocated(self._device) - self._before

    @property
    def peak(self) -> int:
        return torch.cuda.max_memory_allocated(self._device) - self._before


class WatchedUsage(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the storages that operations return and that were not among what they were given."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = 0
        self.peak = 0
        self._alive: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {id(storage) for storage in _storages((args, kwargs))}
        result = func(*args, **(kwargs or {}))
        for storage in _storages(result):
            if id(storage) not in given:
                self._count(storage)
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = id(storage), storage.nbytes()
        if key in self._alive:
            return

        def forget(_: object) -> None:
            del self._alive[key]
            self.live -= size

        self._alive[key] = weakref.ref(storage, forget)
        self.live += size
        self.peak = max(self.peak, self.live)


def _storages(values: Any) -> list[torch.UntypedStorage]:
    tensors = [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]
    return [tensor.untyped_storage() for tensor in tensors if tensor.layout is torch.strided]
