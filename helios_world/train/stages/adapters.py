"""Low-rank adapters in training: y = W x + α/r · B A x, one of several or none at a time (Hu et al. 2021, arXiv
2106.09685).

A model with adapters shares its weights with the model that it was made from; which adapters add to it is switched for
all layers at once. With none it computes what it did before, to the last bit. Saved in PEFT's format, which
`helios_world.official.lora` reads and merges.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn
from torch.nn import functional

from helios_world.model.patch import PatchEmbedding
from helios_world.official.lora import CONFIG, FILES, LoraChoice, changes
from helios_world.official.weights import Stored, opened
from helios_world.snapshot import write_atomically
from helios_world.train.stages.sharding import copy_into, gathered


@dataclass
class Switch:
    """Which adapters add to a model's layers. Shared by all of them."""

    active: tuple[str, ...] = ()

    @contextmanager
    def using(self, *names: str) -> Iterator[None]:
        """Within the block these adapters and no others."""
        before, self.active = self.active, names
        try:
            yield
        finally:
            self.active = before


class Pair(nn.Module):
    """The two factors; B begins as zero, so that a new adapter changes nothing."""

    def __init__(self, down: nn.Linear | PatchEmbedding, outputs: int, factor: float) -> None:
        super().__init__()
        self.down, self.factor = down, factor
        self.up = nn.Linear(down.weight.shape[0], outputs, bias=False)
        nn.init.kaiming_uniform_(down.weight.flatten(1), a=math.sqrt(5))
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.down(x.to(self.down.weight.dtype))
        return self.factor * functional.linear(hidden, self.up.weight)


class _Adapted(nn.Module):
    """What an adapted layer has besides its own weights: pairs by name, and the model's switch."""

    adapters: nn.ModuleDict
    switch: Switch

    def _added(self, plain: Tensor, x: Tensor) -> Tensor:
        for name in self.switch.active:
            if name in self.adapters:
                plain = plain + self.adapters[name](x).to(plain.dtype)
        return plain


class AdaptedLinear(nn.Linear, _Adapted):
    """A linear layer with adapters; `weight` and `bias` are those of the layer that it stands for."""

    def __init__(self, layer: nn.Linear, switch: Switch) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.weight, self.bias = layer.weight, layer.bias
        self.adapters, self.switch = nn.ModuleDict(), switch

    def add(self, name: str, rank: int, factor: float) -> None:
        self.adapters[name] = Pair(nn.Linear(self.in_features, rank, bias=False), self.out_features, factor)

    def forward(self, x: Tensor) -> Tensor:
        return self._added(super().forward(x), x)


class AdaptedPatch(_Adapted):
    """A patch embedding with adapters. Its weights keep their names, one level further down: `plain`."""

    def __init__(self, layer: PatchEmbedding, switch: Switch) -> None:
        super().__init__()
        self.weight, self.bias, self.plain = layer.weight, layer.bias, layer
        self.adapters, self.switch = nn.ModuleDict(), switch

    def add(self, name: str, rank: int, factor: float) -> None:
        down = type(self.plain)(self.plain.in_channels, rank, self.plain.patch)
        down.bias = None
        self.adapters[name] = Pair(down, self.plain.out_channels, factor)

    def forward(self, latents: Tensor) -> Tensor:
        return self._added(self.plain(latents), latents)


class Adapters:
    """Makes the layers of `model` adaptable, in place, and freezes its weights.

    Args:
        patches: names of embeddings of latents that become adaptable as well.
    """

    def __init__(self, model: nn.Module, *, patches: Sequence[str] = ()) -> None:
        self.switch = Switch()
        self.layers: dict[str, AdaptedLinear | AdaptedPatch] = {}
        model.requires_grad_(False)
        for name, layer in list(model.named_modules()):
            if isinstance(layer, nn.Linear):
                self.layers[name] = AdaptedLinear(layer, self.switch)
            elif name in patches and isinstance(layer, PatchEmbedding):
                self.layers[name] = AdaptedPatch(layer, self.switch)
        for name, adapted in self.layers.items():
            model.set_submodule(name, adapted)

    def add(self, name: str, rank: int, alpha: float | None = None) -> dict[str, nn.Parameter]:
        """A new adapter on all layers; returns its weights by PEFT's names."""
        for layer in self.layers.values():
            layer.add(name, rank, (rank if alpha is None else alpha) / rank)
            layer.adapters[name].to(layer.weight.device)
        return self.weights(name)

    def weights(self, name: str) -> dict[str, nn.Parameter]:
        """The weights of an adapter by PEFT's names, without a prefix."""
        found: dict[str, nn.Parameter] = {}
        for place, layer in self.layers.items():
            pair = layer.adapters[name]
            assert isinstance(pair, Pair)
            for part, weight in (("A", pair.down.weight), ("B", pair.up.weight)):
                assert isinstance(weight, nn.Parameter)
                found[f"{place}.lora_{part}.weight"] = weight
        return found

    def load(self, name: str, folder: Path) -> None:
        """Add the adapter of a folder under this name, frozen, whatever its rank and factor.

        Raises:
            CheckpointError: it cannot be read or does not fit the model.
        """
        shapes = {f"{place}.weight": layer.weight.shape for place, layer in self.layers.items()}
        found = changes([LoraChoice(folder)], shapes)
        for key, (change,) in found.items():
            place = key.removesuffix(".weight")
            assert change.down is not None
            up, down = _read(change.up), _read(change.down)
            layer = self.layers[place]
            layer.add(name, down.shape[0], change.factor)
            pair = layer.adapters[name].to(layer.weight.device)
            assert isinstance(pair, Pair)
            with torch.no_grad():
                pair.down.weight.copy_(down)
                pair.up.weight.copy_(up.flatten(1))
            pair.requires_grad_(False)

    @torch.no_grad()
    def merge(self, *names: str) -> None:
        """Add adapters to the weights for good: W + α/r · B A, in float32."""
        for layer in self.layers.values():
            for name in names:
                if name in layer.adapters:
                    pair = layer.adapters[name]
                    assert isinstance(pair, Pair)
                    up, down = gathered(pair.up.weight).float(), gathered(pair.down.weight).float()
                    product = pair.factor * (up @ down.flatten(1))
                    total = gathered(layer.weight).float() + product.view(layer.weight.shape)
                    copy_into(layer.weight, total)


def save_adapter(folder: Path, weights: dict[str, Tensor], rank: int, alpha: float | None) -> None:
    """Write weights by PEFT's names as a folder that `World.load(…, loras={folder: 1.0})` takes."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"base_model.model.{name}": tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    settings = {"peft_type": "LORA", "r": rank, "lora_alpha": float(rank if alpha is None else alpha)}
    write_atomically(folder / CONFIG, json.dumps(settings, indent=2).encode() + b"\n")
    write_atomically(folder / FILES[0], to_safetensors(tensors, metadata={"format": "pt"}))


def _read(stored: Stored) -> Tensor:
    with opened(stored.file) as handle:
        tensor: Tensor = handle.get_tensor(stored.key)
        return tensor.float()
