"""Weights that live on the host and visit the device in groups, in slots that are filled over and over.

This is the part that the offloading of blocks and that of layers share. Nothing is allocated after the
beginning, and a group's tensors lie in a slot as they would in memory of their own, so that the results are
the same to the last bit.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from helios_world.offload.lanes import Lane, lane_for
from helios_world.offload.pinning import PinnedMemory

ALIGNMENT = 256
"""Bytes at whose multiples a tensor begins in a slot, as in the allocator of CUDA."""


class Movable(Protocol):
    """A parameter, or several that are moved as one."""

    data: Tensor


@dataclass
class Group:
    """Parameters that travel together.

    Args:
        weights: the parameters; outside of the device their data is the tensor on the host.
        dtypes: one for each, in which it is computed. The host's tensor may have another.
    """

    weights: Sequence[Movable]
    dtypes: Sequence[torch.dtype]
    _host: list[Tensor] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._host = [weight.data.cpu() for weight in self.weights]

    @property
    def nbytes(self) -> int:
        """Of a slot that holds the group."""
        return sum(_padded(tensor.numel() * dtype.itemsize) for tensor, dtype in self._sized())

    def pin(self, memory: PinnedMemory) -> None:
        """Move the host's tensors, in the dtypes of the computation, into page-locked memory."""
        views = self.views(memory.take(self.nbytes))
        for view, tensor in zip(views, self._host, strict=True):
            view.copy_(tensor)
        self._host = views
        self.rest()

    def views(self, buffer: Tensor) -> list[Tensor]:
        """The group's tensors as parts of a buffer, uint8 [at least nbytes]."""
        views, start = [], 0
        with torch.inference_mode(False):
            for tensor, dtype in self._sized():
                size = tensor.numel() * dtype.itemsize
                views.append(buffer[start : start + size].view(dtype).view(tensor.shape))
                start += _padded(size)
        return views

    def fill(self, views: Sequence[Tensor]) -> None:
        """Copy the weights into their views; returns before the copies are done where the device allows it."""
        for view, tensor in zip(views, self._host, strict=True):
            view.copy_(tensor, non_blocking=True)

    def point(self, views: Sequence[Tensor]) -> None:
        """Let the parameters be these views."""
        for weight, view in zip(self.weights, views, strict=True):
            weight.data = view

    def rest(self) -> None:
        """Let the parameters be the host's tensors."""
        self.point(self._host)

    def _sized(self) -> Iterable[tuple[Tensor, torch.dtype]]:
        return zip(self._host, self.dtypes, strict=True)


@dataclass
class _Slot:
    number: int
    buffer: Tensor
    holds: int | None = None
    used: bool = False
    views: Sequence[Tensor] = ()


class Carousel:
    """Brings groups to a device, each into one of a few slots of equal size.

    Args:
        groups: known by their places in this sequence.
        device: where they are computed with.
        slots: how many groups are there at once; at least one more than are in use at once, to fetch ahead.
        pin: keep the weights in page-locked host memory, where the device is a GPU.
    """

    def __init__(self, groups: Sequence[Group], device: torch.device, slots: int, pin: bool = True) -> None:
        self._groups = groups
        size = max(group.nbytes for group in groups)
        with torch.inference_mode(False):
            self._slots = [_Slot(n, torch.empty(size, dtype=torch.uint8, device=device)) for n in range(slots)]
        self._lane: Lane = lane_for(device, slots)
        self._pinned = PinnedMemory()
        # Before the memory of either side goes: a copy under way would write into what is given to somebody else.
        weakref.finalize(self, _let_go, self._lane, self._pinned)
        for group in groups:
            if pin and device.type == "cuda":
                group.pin(self._pinned)
            else:
                group.rest()

    @property
    def nbytes(self) -> int:
        """Bytes of all slots; constant."""
        return sum(slot.buffer.nbytes for slot in self._slots)

    @property
    def held(self) -> tuple[int | None, ...]:
        """The group in each slot."""
        return tuple(slot.holds for slot in self._slots)

    def use(self, number: int, following: Sequence[int] = ()) -> None:
        """Put the weights of a group on the device, and begin to fetch those that come after it.

        What finds no slot is not fetched ahead.
        """
        wanted = (number, *following)
        slot = self._fetch(number, wanted) or self._fetch(number, ())
        if slot is None:
            raise RuntimeError(f"group {number} finds no slot: all {len(self._slots)} are in use")
        slot.used = True
        self._lane.wait(slot.number)
        self._groups[number].point(slot.views)
        for later in following:
            self._fetch(later, wanted)

    def release(self, number: int) -> None:
        """Put the group's parameters back to the host. Its slot still holds it, until another needs the place."""
        for slot in self._slots:
            if slot.used and slot.holds == number:
                slot.used = False
                self._groups[number].rest()
                self._lane.free(slot.number)

    def release_all(self) -> None:
        for slot in self._slots:
            if slot.used and slot.holds is not None:
                self.release(slot.holds)

    def close(self) -> None:
        """Put all weights back to the host and give up the slots."""
        self.release_all()
        self._lane.drain()
        self._slots.clear()
        self._pinned.close()

    def _fetch(self, number: int, wanted: Sequence[int]) -> _Slot | None:
        """The slot of a group, filled if need be, but not in the place of a group that is wanted."""
        for slot in self._slots:
            if slot.holds == number:
                return slot
        for slot in self._slots:
            if not slot.used and slot.holds not in wanted:
                return self._fill(slot, number)
        return None

    def _fill(self, slot: _Slot, number: int) -> _Slot:
        # Empty until the copy has been ordered, so that one that fails is not taken for whole.
        slot.holds = None
        slot.views = self._groups[number].views(slot.buffer)
        with self._lane.copying(slot.number):
            self._groups[number].fill(slot.views)
        slot.holds = number
        return slot


class Residents:
    """Tensors of a module that stay on the device as long as its groups travel.

    Args:
        tensors: parameters and buffers.
        dtypes: one for each.
    """

    def __init__(self, tensors: Sequence[Tensor], dtypes: Sequence[torch.dtype], device: torch.device) -> None:
        self._tensors = tensors
        self._host = [tensor.data.cpu() for tensor in tensors]
        with torch.inference_mode(False):
            moved = [tensor.to(device, dtype) for tensor, dtype in zip(self._host, dtypes, strict=True)]
        self.nbytes = sum(tensor.nbytes for tensor in moved)
        _assign(tensors, moved)

    def close(self) -> None:
        """Put them back to the host."""
        _assign(self._tensors, self._host)


def _let_go(lane: Lane, pinned: PinnedMemory) -> None:
    try:
        lane.drain()
    finally:
        pinned.close()


def _assign(tensors: Sequence[Tensor], data: Sequence[Tensor]) -> None:
    for tensor, value in zip(tensors, data, strict=True):
        tensor.data = value


def _padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
