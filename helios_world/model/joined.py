"""Layers that read the same tokens, with their weights side by side in memory: one matrix product computes them all.

Each layer keeps its own parameter, a view of the common memory, so that names, state dicts and whatever changes a
single weight stay as they are. Whether parameters lie side by side is looked up where it is used, never remembered:
where something has moved one of them, the layers are computed one after the other again.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

JOINED = ("to_q", "to_k", "to_v")
"""The layers of a self-attention that lie side by side in an official checkpoint that was loaded, in this order."""


def side_by_side(parts: Sequence[Tensor]) -> Tensor | None:
    """The parts [N, …] as one tensor [sum of N, …] without a copy; None unless each begins where the last one ends."""
    first = parts[0]
    memory, place = first.untyped_storage().data_ptr(), first.storage_offset()
    for part in parts:
        beside = part.untyped_storage().data_ptr() == memory and part.storage_offset() == place
        if not (beside and part.is_contiguous() and part.dtype == first.dtype and part.shape[1:] == first.shape[1:]):
            return None
        place += part.numel()
    rows = sum(part.shape[0] for part in parts)
    return first.as_strided((rows, *first.shape[1:]), first.stride())


def joined_linear(x: Tensor, layers: Sequence[nn.Linear]) -> Tensor:
    """The outputs of all layers for x [B, N, D], one after the other in the last axis: [B, N, sum of outputs]."""
    weight = side_by_side([layer.weight.detach() for layer in layers])
    bias = side_by_side([layer.bias.detach() for layer in layers])
    if weight is None or bias is None:
        return torch.cat([layer(x) for layer in layers], dim=-1)
    return functional.linear(x, weight, bias)


class Joined:
    """Parameters that lie side by side, moved as one: setting `data` makes each a view of its part of it."""

    def __init__(self, parts: Sequence[nn.Parameter]) -> None:
        self._parts = parts

    @property
    def data(self) -> Tensor:
        """[sum of N, …]; a copy where the parts do not lie side by side."""
        parts = [part.data for part in self._parts]
        whole = side_by_side(parts)
        return torch.cat(parts) if whole is None else whole

    @data.setter
    def data(self, whole: Tensor) -> None:
        for part, own in zip(self._parts, torch.split(whole, [len(p) for p in self._parts]), strict=True):
            part.data = own
