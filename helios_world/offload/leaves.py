"""Any module with its weights on the host: the device holds the layer that computes and the next.

For the video codec and the text encoder, whose layers are called in an order that only running them shows.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from helios_world.errors import StateError
from helios_world.offload.slots import Carousel, Group, Residents

_MARK = "_offloaded"


class LeafOffloader:
    """Lets `module` compute on `device` while the weights of its layers live on the host. For inference.

    A layer is a module that owns parameters, with or without children. Its weights come when it is called and
    leave when it returns: code that reads them without calling the layer finds them on the host. Which layer
    follows which is learned from the calls, and the one that followed last time is fetched ahead.

    Args:
        module: on the host, in the dtype of the computation.
        device: where it computes, and where its inputs have to be.
        on_host: layers that compute on the host, such as a table of embeddings of which a few rows are needed.
            Whatever shares their weights does so too.
        pin: with a GPU, copy the weights into page-locked host memory.

    Raises:
        StateError: the module or a part of it is offloaded already.
        ValueError: the module has no weights.
    """

    def __init__(
        self,
        module: nn.Module,
        device: torch.device | str,
        *,
        on_host: Sequence[nn.Module] = (),
        pin: bool = True,
    ) -> None:
        for name, part in module.named_modules():
            if hasattr(part, _MARK):
                raise StateError(f"{name or type(part).__name__} is offloaded already; close() that offloader first")
        self._device = torch.device(device)
        kept = {id(weight) for table in on_host for weight in table.parameters()}
        layers = _layers(module, kept)
        if not layers:
            raise ValueError(f"{type(module).__name__} has no weights to offload")
        groups = [Group(weights, [weight.dtype for weight in weights]) for weights in layers.values()]
        self._carousel = Carousel(groups, self._device, 1 + _depth(module, layers), pin)
        buffers = list(module.buffers())
        self._residents = Residents(buffers, [buffer.dtype for buffer in buffers], self._device)
        self._follower: dict[int, int] = {}
        self._last: int | None = None
        self._handles = [handle for number, layer in enumerate(layers) for handle in self._hook(number, layer)]
        for table in _owners(module, kept):
            self._handles += _keep_on_host(table, self._device)
        # Weakly, since the module's hooks lead here: a module that is dropped is gone at once.
        self._module = weakref.ref(module)
        setattr(module, _MARK, True)

    @property
    def nbytes(self) -> int:
        """Bytes of weights on the device; constant."""
        return self._carousel.nbytes + self._residents.nbytes

    def close(self) -> None:
        """Give the module back: all weights on the host, no hooks."""
        for handle in self._handles:
            handle.remove()
        self._carousel.close()
        self._residents.close()
        module = self._module()
        if module is not None and hasattr(module, _MARK):
            delattr(module, _MARK)

    def _hook(self, number: int, layer: nn.Module) -> list[RemovableHandle]:
        def before(_: nn.Module, args: object) -> None:
            self._use(number)

        def after(_: nn.Module, args: object, output: object) -> None:
            self._carousel.release(number)

        # The layer's weights leave when it fails, too.
        return [
            layer.register_forward_pre_hook(before),
            layer.register_forward_hook(after, always_call=True),
        ]

    def _use(self, number: int) -> None:
        if self._last is not None:
            self._follower[self._last] = number
        self._last = number
        following = self._follower.get(number, number)
        self._carousel.use(number, () if following == number else (following,))


def _keep_on_host(table: nn.Module, device: torch.device) -> list[RemovableHandle]:
    def before(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(value.cpu() if isinstance(value, Tensor) else value for value in args)

    def after(_: nn.Module, args: object, output: Tensor) -> Tensor:
        return output.to(device)

    return [table.register_forward_pre_hook(before), table.register_forward_hook(after)]


def _layers(module: nn.Module, kept: set[int]) -> dict[nn.Module, list[nn.Parameter]]:
    """Modules with the parameters that they own and that travel."""
    owned = {part: list(part.parameters(recurse=False)) for part in module.modules()}
    travelling = {part: [weight for weight in weights if id(weight) not in kept] for part, weights in owned.items()}
    return {part: weights for part, weights in travelling.items() if weights}


def _owners(module: nn.Module, kept: set[int]) -> list[nn.Module]:
    return [part for part in module.modules() if any(id(weight) in kept for weight in part.parameters(recurse=False))]


def _depth(module: nn.Module, layers: dict[nn.Module, list[nn.Parameter]]) -> int:
    """How many layers are at most inside one another, and so in use at once."""
    return int(module in layers) + max((_depth(child, layers) for child in module.children()), default=0)
