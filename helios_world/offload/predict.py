"""How much device memory a world will need, computed from the sizes of its parts before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from helios_world.memory import HistoryLayout
from helios_world.model.config import TransformerConfig
from helios_world.offload.activations import (
    TILE,
    codec_pass,
    codec_workspace,
    text_pass,
    tiled_codec_pass,
    tokens,
    transformer_pass,
)
from helios_world.offload.sizes import CodecSize, TextSize, TransformerBytes

Mode = Literal["none", "group"]

KEPT_TEXTS = 16
KEPT_BYTES = 2 << 30
"""Bounds of the remembered texts: how many, and how many bytes. Of the 14B, one of 512 tokens takes 419 MB in bfloat16
with the keys and values of all blocks."""
SLOTS = 2
"""Of a `BlockOffloader` and of a `LeafOffloader`: what computes, and what is fetched ahead."""


@dataclass(frozen=True)
class Plan:
    """What is to be run, and how.

    Args:
        height, width: of the frames, in pixels.
        dtype: of the transformer and the text encoder.
        mode: "none" has all weights on the device; "group" has them on the host, to visit it in groups.
        keep_text: the text encoder stays, rather than leave after use.
        codec_tiling: decode in overlapping tiles.
        text_tokens: tokens of a prompt.
        prompts: embedded prompts that are remembered on the device.
        texts: mixtures of them whose keys and values are kept there as well, unless blocks are offloaded.
        text_bytes: of these at most, but for the last of them.
    """

    transformer: TransformerConfig
    codec: CodecSize
    text: TextSize
    height: int
    width: int
    layout: HistoryLayout
    dtype: torch.dtype
    mode: Mode
    keep_text: bool = False
    codec_dtype: torch.dtype = torch.float32
    codec_tiling: bool = False
    text_tokens: int = 512
    prompts: int = 64
    texts: int = KEPT_TEXTS
    text_bytes: int = KEPT_BYTES


@dataclass(frozen=True)
class Prediction:
    """Bytes on the device.

    Args:
        transformer, codec, text: weights that are there, slots included.
        session: the memory of the past and the latents in work.
        prompts: embedded prompts, and the keys and values of texts.
        encoding, denoising, decoding: what a pass has alive beside all that, for a prompt, for the largest stage
            and for the frames of a chunk.
        keep_text: the text encoder's weights are there in every phase, not while encoding only.
    """

    transformer: int
    codec: int
    text: int
    session: int
    prompts: int
    encoding: int
    denoising: int
    decoding: int
    keep_text: bool

    @property
    def held(self) -> int:
        """What is there in every phase."""
        text = self.text if self.keep_text else 0
        return self.transformer + self.codec + text + self.session + self.prompts

    @property
    def phases(self) -> dict[str, int]:
        """Bytes of each phase; they follow one another."""
        text = 0 if self.keep_text else self.text
        return {
            "encode": self.held + text + self.encoding,
            "denoise": self.held + self.denoising,
            "decode": self.held + self.decoding,
        }

    @property
    def peak(self) -> int:
        """Of the fullest phase."""
        return max(self.phases.values())


def predict_peak(plan: Plan) -> Prediction:
    """The bytes that a session has on the device.

    With mode "group" the transformer is what is no block and two slots of a block, codec and text encoder are two
    slots of their largest layer, the table of embeddings being on the host; with "none" they are all their weights.
    The peak is held + max(encode, denoise, decode), since these phases do not overlap. `activations` says how each
    is computed. Guidance needs no more: its two passes follow one another.

    Not in it: the context of the GPU (some hundred megabytes), what its libraries take for matrix products, and gaps
    between the allocator's blocks.
    """
    height, width = plan.height // plan.codec.spatial, plan.width // plan.codec.spatial
    history, noisy = tokens(plan.transformer, plan.layout, height, width)
    return Prediction(
        transformer=_transformer(plan),
        codec=_layers(plan, plan.codec, plan.codec_dtype),
        text=_layers(plan, plan.text, plan.dtype),
        session=_session(plan, height, width),
        prompts=plan.prompts * plan.text_tokens * plan.text.width * plan.dtype.itemsize + _texts(plan),
        encoding=text_pass(plan.text, plan.text_tokens, plan.dtype),
        denoising=transformer_pass(plan.transformer, history, noisy, plan.text_tokens, plan.dtype),
        decoding=_decoding(plan, height, width),
        keep_text=plan.keep_text,
    )


def _transformer(plan: Plan) -> int:
    size, blocks = TransformerBytes.of(plan.transformer, plan.dtype), plan.transformer.num_layers
    return size.rest + size.block * (blocks if plan.mode == "none" else min(SLOTS, blocks))


def _texts(plan: Plan) -> int:
    """Keys and values of a text in all blocks, as often as they are kept. A new one is there before an old one goes."""
    model = plan.transformer
    each = 2 * model.num_layers * plan.text_tokens * model.width * plan.dtype.itemsize
    if plan.mode == "group":
        return plan.texts * plan.text_tokens * model.width * plan.dtype.itemsize
    return min(plan.texts * each, max(each, plan.text_bytes)) + each


def _layers(plan: Plan, part: CodecSize | TextSize, dtype: torch.dtype) -> int:
    weights = part.weights
    return dtype.itemsize * (weights.count if plan.mode == "none" else SLOTS * weights.largest)


def _session(plan: Plan, height: int, width: int) -> int:
    """The memory writes every latent twice; a sampler has at most eight chunks of float32 latents in work."""
    latents = 2 * plan.layout.length + 1 + 8 * plan.layout.chunk
    return latents * plan.transformer.in_channels * height * width * torch.float32.itemsize


def _decoding(plan: Plan, height: int, width: int) -> int:
    frames, dtype = plan.layout.chunk, plan.codec_dtype
    if plan.codec_tiling and max(plan.height, plan.width) > TILE:
        workspace = codec_workspace(plan.codec, min(plan.height, TILE), min(plan.width, TILE))
        return workspace + tiled_codec_pass(plan.codec, frames, height, width, dtype)
    workspace = codec_workspace(plan.codec, plan.height, plan.width)
    return workspace + codec_pass(plan.codec, frames, height, width, dtype)
