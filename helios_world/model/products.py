"""The matrix products of a block, which are nearly all of its work.

Shapes: B batch, N tokens, D width.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from helios_world.model.block import Block
from helios_world.model.joined import joined_linear


class Products(Protocol):
    """The matrix products of one block's self-attention and feed-forward part, for tokens [B, N, D]."""

    def query_key_value(self, x: Tensor) -> Tensor:
        """[B, N, 3·D]."""
        ...

    def query(self, x: Tensor) -> Tensor:
        """[B, N, D]."""
        ...

    def key_value(self, x: Tensor) -> Tensor:
        """[B, N, 2·D]."""
        ...

    def output(self, attended: Tensor) -> Tensor:
        """[B, N, D], of what was attended to."""
        ...

    def feed_forward(self, x: Tensor) -> Tensor:
        """[B, N, D]."""
        ...


class ExactProducts:
    """The products as the model has them, with the weights where the block has them now."""

    def __init__(self, block: Block) -> None:
        self._block = block

    def query_key_value(self, x: Tensor) -> Tensor:
        attention = self._block.attn1
        return joined_linear(x, (attention.to_q, attention.to_k, attention.to_v))

    def query(self, x: Tensor) -> Tensor:
        projected: Tensor = self._block.attn1.to_q(x)
        return projected

    def key_value(self, x: Tensor) -> Tensor:
        attention = self._block.attn1
        return joined_linear(x, (attention.to_k, attention.to_v))

    def output(self, attended: Tensor) -> Tensor:
        return self._block.attn1.output(attended)

    def feed_forward(self, x: Tensor) -> Tensor:
        projected: Tensor = self._block.ffn(x)
        return projected
