"""Ways over a transformer's blocks for training: computing again instead of keeping, and listening in.

Both are the transformer's `walk`: they hand out stand-ins, which do what a block does and a little more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import cast

from torch import Tensor
from torch.utils.checkpoint import checkpoint

from helios_world.model import HeliosTransformer
from helios_world.model.block import Block, KeyValue, Stream
from helios_world.model.transformer import Walk
from helios_world.train.stages.adapters import Switch


class Recomputed:
    """A block that keeps its inputs only, and computes everything else again when gradients are asked for.

    The adapters that were on are on again then, whatever the switch says by that time.
    """

    def __init__(self, block: Block, switch: Switch | None) -> None:
        self._block, self._switch = block, switch

    def __call__(self, history: Stream, noisy: Stream, text: KeyValue) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = checkpoint(
            self._block, history, noisy, text, use_reentrant=False, context_fn=self._contexts, preserve_rng_state=False
        )
        return found

    def text_key_value(self, text: Tensor) -> KeyValue:
        return self._block.text_key_value(text)

    def _contexts(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        again = nullcontext() if self._switch is None else self._switch.using(*self._switch.active)
        return nullcontext(), again


def recompute(switch: Switch | None = None) -> Walk:
    """A `walk` over recomputed blocks."""

    def walk(blocks: Sequence[Block]) -> Iterator[Block]:
        return (cast(Block, Recomputed(block, switch)) for block in blocks)

    return walk


class Overheard:
    """A block that tells somebody what noisy tokens it makes."""

    def __init__(self, block: Block, tell: Callable[[Tensor], None]) -> None:
        self._block, self._tell = block, tell

    def __call__(self, history: Stream, noisy: Stream, text: KeyValue) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = self._block(history, noisy, text)
        self._tell(found[1])
        return found

    def text_key_value(self, text: Tensor) -> KeyValue:
        return self._block.text_key_value(text)


@contextmanager
def listening(model: HeliosTransformer, numbers: Sequence[int]) -> Iterator[list[Tensor]]:
    """Within the block, what the blocks of these numbers make is added to the list: [B, N, D], in their order."""
    heard: list[Tensor] = []
    before = model.walk

    def walk(blocks: Sequence[Block]) -> Iterator[Block]:
        for number, block in enumerate(before(blocks)):
            yield cast(Block, Overheard(block, heard.append)) if number in numbers else block

    model.walk = walk
    try:
        yield heard
    finally:
        model.walk = before
