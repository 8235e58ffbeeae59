"""How large the parts of a checkpoint are, as far as memory depends on it. Nothing of the weights is read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch

from helios_world.model.config import TransformerConfig
from helios_world.model.transformer import KEPT_IN_FLOAT32, HeliosTransformer

Shapes = Mapping[str, Sequence[int]]
"""The shape of every tensor, by its name; safetensors has them in the headers of its files."""


@dataclass(frozen=True)
class Weights:
    """Numbers of parameters.

    Args:
        count: of the whole module.
        largest: of its largest layer, which is what one slot of a `LeafOffloader` holds.
        on_host: of layers that stay on the host when the others are offloaded.
    """

    count: int
    largest: int
    on_host: int = 0

    @classmethod
    def of(cls, shapes: Shapes, on_host: Collection[str] = ()) -> Weights:
        """Count them; `on_host` names tensors."""
        layers: dict[str, int] = {}
        for name, shape in shapes.items():
            if name not in on_host:
                layer = name.rpartition(".")[0]
                layers[layer] = layers.get(layer, 0) + prod(shape)
        kept = sum(prod(shape) for name, shape in shapes.items() if name in on_host)
        return cls(sum(layers.values()) + kept, max(layers.values(), default=0), kept)


@dataclass(frozen=True)
class TransformerBytes:
    """Bytes of a transformer's weights in the dtypes of its computation: of one block, and of all that is no block."""

    block: int
    rest: int

    @classmethod
    def of(cls, config: TransformerConfig, dtype: torch.dtype) -> TransformerBytes:
        with torch.device("meta"):
            model = HeliosTransformer(replace(config, num_layers=1))
        sizes: dict[bool, int] = {True: 0, False: 0}
        for name, weight in model.named_parameters():
            exact = any(part in KEPT_IN_FLOAT32 for part in name.split("."))
            sizes[name.startswith("blocks.")] += weight.numel() * (torch.float32 if exact else dtype).itemsize
        return cls(sizes[True], sizes[False])


@dataclass(frozen=True)
class CodecSize:
    """A video codec of the form of Wan 2.1.

    Args:
        channels: of the decoder's levels, from the one at the latents' resolution to the one at the pixels'.
        layers: residual blocks per level of the encoder; the decoder has one more.
        in_time: which of the steps between two levels double the frames.
        latent: channels of a latent.
        spatial: pixels per latent, along a side.
    """

    weights: Weights
    channels: tuple[int, ...]
    layers: int
    in_time: tuple[bool, ...]
    latent: int
    spatial: int = 8

    @classmethod
    def read(cls, config: Mapping[str, Any], shapes: Shapes) -> CodecSize:
        """From vae/config.json and the shapes of the weights; settings that it lacks are diffusers' defaults."""
        base = config.get("decoder_base_dim") or config.get("base_dim", 96)
        return cls(
            weights=Weights.of(shapes),
            channels=tuple(base * factor for factor in reversed(config.get("dim_mult", (1, 2, 4, 4)))),
            layers=config.get("num_res_blocks", 2),
            in_time=tuple(reversed(config.get("temperal_downsample", (False, True, True)))),
            latent=config.get("z_dim", 16),
            spatial=config.get("scale_factor_spatial", 8),
        )


@dataclass(frozen=True)
class TextSize:
    """A text encoder of the form of UMT5."""

    weights: Weights
    width: int
    heads: int
    head_width: int

    @classmethod
    def read(cls, config: Mapping[str, Any], shapes: Shapes) -> TextSize:
        """From text_encoder/config.json and the shapes of the weights."""
        tables = [name for name in shapes if name.split(".")[-2:-1] in (["shared"], ["embed_tokens"])]
        return cls(Weights.of(shapes, tables), config["d_model"], config["num_heads"], config["d_kv"])
