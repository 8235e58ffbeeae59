"""The transformer with its blocks on the host: the device holds the present block and the next."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import nn

from helios_world.errors import StateError
from helios_world.model.block import Block
from helios_world.model.joined import JOINED, Joined, side_by_side
from helios_world.model.transformer import KEPT_IN_FLOAT32, HeliosTransformer
from helios_world.offload.slots import Carousel, Group, Residents


class BlockOffloader:
    """Lets a transformer compute on `device` while its blocks live on the host. For inference.

    The device holds everything that is no block, and slots for 1 + ahead blocks. While a block computes, the
    next is copied; after the last, the first again, for the next step. Results are those of the whole model
    on the device, to the last bit. One computation at a time.

    Args:
        model: on the host. Its tensors may be memory-mapped and of another dtype than the computation's.
        device: where it computes.
        dtype: as `HeliosTransformer.cast` has it; None leaves every weight in its own.
        ahead: blocks to fetch ahead; 0 needs least memory and lets every block wait for its copy.
        pin: with a GPU, copy the blocks into page-locked host memory, in the dtype of the computation.

    Raises:
        StateError: the model's blocks are offloaded already.
        ValueError: a negative `ahead`.
    """

    def __init__(
        self,
        model: HeliosTransformer,
        device: torch.device | str,
        dtype: torch.dtype | None = None,
        *,
        ahead: int = 1,
        pin: bool = True,
    ) -> None:
        if model.walk is not iter:
            raise StateError("the blocks of this transformer are offloaded already; close() that offloader first")
        if ahead < 0:
            raise ValueError(f"ahead is {ahead}; 0 blocks or more can be fetched ahead")
        device, count = torch.device(device), len(model.blocks)
        # Weakly, since the model's walk leads here: a model that is dropped is gone at once.
        self._model = weakref.ref(model)
        self._ahead = min(ahead, count - 1)
        groups = [_group(block, dtype) for block in model.blocks]
        self._carousel = Carousel(groups, device, 1 + self._ahead, pin)
        rest = {name: weight for name, weight in model.named_parameters() if not name.startswith("blocks.")}
        self._residents = Residents(list(rest.values()), _dtypes(rest, dtype), device)
        self._walks = 0
        model.walk = self.walk

    @property
    def nbytes(self) -> int:
        """Bytes of weights on the device; constant."""
        return self._carousel.nbytes + self._residents.nbytes

    @property
    def held(self) -> tuple[int | None, ...]:
        """The number of the block in each slot."""
        return self._carousel.held

    def walk(self, blocks: Sequence[Block]) -> Iterator[Block]:
        """The blocks in their order, each with its weights on the device until the next is asked for.

        Raises:
            StateError: another computation over this model began before this one was at its end.
        """
        self._walks += 1
        mine = self._walks
        # A computation that was not brought to its end may have left a block on the device.
        self._carousel.release_all()
        for number, block in enumerate(blocks):
            self._carousel.use(number, [(number + later) % len(blocks) for later in range(1, 1 + self._ahead)])
            try:
                yield block
            finally:
                if mine == self._walks:
                    self._carousel.release(number)
            self._check_alone(mine)

    def close(self) -> None:
        """Give the model back: all weights on the host, in the dtypes in which they were kept there."""
        model = self._model()
        if model is not None and model.walk == self.walk:
            model.walk = iter
        self._walks += 1
        self._carousel.close()
        self._residents.close()

    def _check_alone(self, mine: int) -> None:
        if mine != self._walks:
            raise StateError(
                "two computations at a time over one offloaded transformer, or it was closed during one;"
                " let one wait for the other"
            )


def _group(block: nn.Module, dtype: torch.dtype | None) -> Group:
    """Of a block's weights. What lies side by side to be computed in one product travels as one, and stays so."""
    weights: dict[str, nn.Parameter | Joined] = dict(block.named_parameters())
    for leaf in ("weight", "bias"):
        parts = {name: block.get_parameter(name) for name in (f"attn1.{layer}.{leaf}" for layer in JOINED)}
        if side_by_side(list(parts.values())) is not None:
            weights = {name: weight for name, weight in weights.items() if name not in parts}
            weights[next(iter(parts))] = Joined(list(parts.values()))
    return Group(list(weights.values()), _dtypes(weights, dtype))


def _dtypes(weights: Mapping[str, nn.Parameter | Joined], dtype: torch.dtype | None) -> list[torch.dtype]:
    if dtype is None:
        return [weight.data.dtype for weight in weights.values()]
    exact = [any(part in KEPT_IN_FLOAT32 for part in name.split(".")) for name in weights]
    return [torch.float32 if kept else dtype for kept in exact]
