"""What the blocks read of the text: keys and values that are kept, or made again in every pass.

Shapes: B batch, L text tokens, D width, H heads, E channels per head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from helios_world.model.block import Block, KeyValue
from helios_world.model.cache import TextCache, join_caches


class Text(Protocol):
    """Keys and values of the cross-attention."""

    def of(self, number: int, block: Block) -> KeyValue:
        """Of block `number`, each [B, L, H, E]."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        ...


@dataclass(frozen=True, eq=False)
class KeptText:
    """Keys and values of all blocks: nothing of the text is computed in a pass."""

    cache: TextCache

    def of(self, number: int, block: Block) -> KeyValue:
        return self.cache.keys[number], self.cache.values[number]

    @property
    def nbytes(self) -> int:
        return sum(kept.nbytes for kept in (*self.cache.keys, *self.cache.values))


@dataclass(frozen=True, eq=False)
class FreshText:
    """The embedded text [B, L, D]. Every block makes its keys and values when it is there: for offloaded blocks, whose
    keys and values would take more of the device than the block itself.
    """

    embedded: Tensor

    def of(self, number: int, block: Block) -> KeyValue:
        return block.text_key_value(self.embedded)

    @property
    def nbytes(self) -> int:
        return self.embedded.nbytes


def join_texts(texts: Sequence[Text]) -> Text:
    """One text of the rows of all, in their order; the text itself where all are the same one.

    Raises:
        TypeError: texts of different kinds.
    """
    first = texts[0]
    if all(text is first for text in texts):
        return first
    kept = [text.cache for text in texts if isinstance(text, KeptText)]
    fresh = [text.embedded for text in texts if isinstance(text, FreshText)]
    if len(kept) == len(texts):
        return KeptText(join_caches(kept))
    if len(fresh) == len(texts):
        return FreshText(torch.cat(fresh))
    raise TypeError(f"texts of different kinds cannot be joined: {sorted({type(text).__name__ for text in texts})}")
