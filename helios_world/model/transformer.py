"""The Helios transformer: noisy latents, history, text and actions in, velocity out.

`forward` is the model as published. `embed_text`, `encode_history` and `denoise` compute the same in three
parts, of which only the last depends on the noise; they need `restrict_self_attn`.

Shapes: B batch, C latent channels, F latent frames, h w latent height and width, L text tokens,
N noisy tokens, D width, A action channels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, overload

import torch
from torch import Tensor, nn

from helios_kernels import modulated_layer_norm
from helios_world.memory import HistoryLayout, HistoryViews
from helios_world.model.block import Block, Stream
from helios_world.model.cache import HistoryCache, TextCache, draws_of
from helios_world.model.config import TransformerConfig
from helios_world.model.embeddings import ActionEmbedder, ConditionEmbedder, row_by_row
from helios_world.model.guide import Guide, GuideLayer
from helios_world.model.patch import HistoryPatchEmbedding, PatchEmbedding, token_grid, unpatchify
from helios_world.model.rope import Positions

# Rounding these to bfloat16 shows in the frames; the published weights keep them in float32 too.
KEPT_IN_FLOAT32 = ("time_embedder", "action_embedder", "scale_shift_table", "norm2", "history_key_scale")

Walk = Callable[[Sequence[Block]], Iterator[Block]]
"""Hands out the blocks one by one; a block is used until the next one is asked for, and not afterwards."""


class OutputNorm(nn.Module):
    """The last normalisation, modulated by the embedded time itself."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.eps = config.eps
        self.scale_shift_table = nn.Parameter(torch.randn(1, 2, config.width) / config.width**0.5)

    def forward(self, tokens: Tensor, time: Tensor) -> Tensor:
        """Tokens [B, N, D] and embedded times [B, R, D], R a divisor of N; returns [B, N, D]."""
        shift, scale = (self.scale_shift_table.unsqueeze(1) + time.float().unsqueeze(2)).unbind(2)
        return modulated_layer_norm(tokens, scale, shift, self.eps)


class HeliosTransformer(nn.Module):
    """Predicts the flow-matching velocity of a chunk of latents, given what came before.

    `walk` is how every computation goes over the blocks. It may be replaced by one that fetches the weights
    of a block just before the block is handed out.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        channels, width = config.in_channels, config.width
        t, y, x = config.patch_size
        self.positions = Positions(config.rope_dim, config.rope_theta)
        self.patch_embedding = PatchEmbedding(channels, width, (t, y, x))
        if config.has_multi_term_memory_patch:
            self.patch_short = PatchEmbedding(channels, width, (t, y, x))
            self.patch_mid = HistoryPatchEmbedding(channels, width, (2 * t, 2 * y, 2 * x))
            self.patch_long = HistoryPatchEmbedding(channels, width, (4 * t, 4 * y, 4 * x))
        self.condition_embedder = ConditionEmbedder(config)
        self.action_embedder = None if config.action_dim is None else ActionEmbedder(config.action_dim, width)
        self.blocks = nn.ModuleList([Block(config) for _ in range(config.num_layers)])
        self.norm_out = OutputNorm(config)
        self.proj_out = nn.Linear(width, config.out_channels * math.prod(config.patch_size))
        self.guide_layer = GuideLayer(config) if config.guided else None
        self.walk: Walk = iter

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the weights and of the tokens between the blocks."""
        return self.proj_out.weight.dtype

    def forward(
        self,
        noisy: Tensor,
        timestep: Tensor,
        text: Tensor,
        history: HistoryViews | None,
        layout: HistoryLayout,
        actions: Tensor | None = None,
        guide: Guide | None = None,
    ) -> Tensor:
        """The velocity of `noisy`, in its shape and dtype.

        Args:
            noisy: [B, C, F, h, w]; in the low-resolution stages h and w are smaller than the history's.
            timestep: [B], in [0, 1000].
            text: [B, L, text_dim].
            history: at full resolution; None for a model without one.
            layout: the positions in time.
            actions: [B, F, A], one row per latent frame of the chunk.
            guide: of the batch, for a guided model; None leaves it without one.

        Raises:
            ValueError: sizes that do not go together.
        """
        time = self._time(noisy, timestep, actions)
        stream = self._noisy_stream(noisy, time, layout, guide)
        past = self._history_stream(history, layout, self._history_time(timestep), stream)
        embedded = self.condition_embedder.text_embedder(text)
        for block in self.walk_blocks():
            history_tokens, noisy_tokens = block(past, stream, block.text_key_value(embedded))
            past = Stream(history_tokens, past.rows, past.rotation)
            stream = Stream(noisy_tokens, stream.rows, stream.rotation)
        return self._velocity(stream.tokens, time, noisy, timestep, guide)

    def embed_text(self, text: Tensor) -> TextCache:
        """The part that depends on the text [B, L, text_dim] only."""
        embedded = self.condition_embedder.text_embedder(text)
        pairs = [block.text_key_value(embedded) for block in self.walk_blocks()]
        return TextCache(keys=tuple(key for key, _ in pairs), values=tuple(value for _, value in pairs))

    def encode_history(self, history: HistoryViews, layout: HistoryLayout) -> HistoryCache:
        """The part that depends on the history only.

        Raises:
            ValueError: in this model the history depends on the noise, the timestep or the text as well.
        """
        self._check_split()
        time = self.condition_embedder.time(torch.zeros(1, device=history.short.device))
        stream = self._past(history, layout, time.unsqueeze(1))
        pairs = []
        for number, block in enumerate(self.walk_blocks(), start=1):
            pairs.append(block.history_key_value(stream))
            if number < len(self.blocks):
                stream = Stream(block.advance_history(stream, pairs[-1]), stream.rows, stream.rotation)
        return HistoryCache(keys=tuple(key for key, _ in pairs), values=tuple(value for _, value in pairs))

    @overload
    def denoise(
        self,
        noisy: Tensor,
        timestep: Tensor,
        text_cache: TextCache,
        history_cache: HistoryCache,
        layout: HistoryLayout,
        actions: Tensor | None = None,
        return_hidden: Literal[False] = False,
        guide: Guide | None = None,
    ) -> Tensor: ...

    @overload
    def denoise(
        self,
        noisy: Tensor,
        timestep: Tensor,
        text_cache: TextCache,
        history_cache: HistoryCache,
        layout: HistoryLayout,
        actions: Tensor | None = None,
        *,
        return_hidden: Literal[True],
        guide: Guide | None = None,
    ) -> tuple[Tensor, Tensor]: ...

    def denoise(
        self,
        noisy: Tensor,
        timestep: Tensor,
        text_cache: TextCache,
        history_cache: HistoryCache,
        layout: HistoryLayout,
        actions: Tensor | None = None,
        return_hidden: bool = False,
        guide: Guide | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """The velocity of `noisy`, as `forward` has it, from what was computed ahead.

        Args:
            noisy: [k·B, C, F, h, w], for caches of batch B: k draws of the whole batch, one after the other.
            timestep: [k·B].
            actions: [k·B, F, A], or [B, F, A] for the same in every draw.
            return_hidden: return the tokens after the last block, [k·B, N, D], as well.
            guide: as in `forward`, of batch k·B, or of B for the same in every draw.
        """
        time = self._time(noisy, timestep, actions)
        guide = None if guide is None else guide.draws(noisy.shape[0])
        stream = self._noisy_stream(noisy, time, layout, guide)
        texts = zip(text_cache.keys, text_cache.values, strict=True)
        pasts = zip(history_cache.keys, history_cache.values, strict=True)
        for block, text, past in zip(self.walk_blocks(), texts, pasts, strict=True):
            stream = Stream(block.denoise(stream, past, text), stream.rows, stream.rotation)
        velocity = self._velocity(stream.tokens, time, noisy, timestep, guide)
        return (velocity, stream.tokens) if return_hidden else velocity

    def cast(self, dtype: torch.dtype) -> HeliosTransformer:
        """Store the weights in `dtype`, all but those that need float32. Returns the model itself."""
        for name, parameter in self.named_parameters():
            exact = any(part in KEPT_IN_FLOAT32 for part in name.split("."))
            parameter.data = parameter.data.to(torch.float32 if exact else dtype)
        return self

    def walk_blocks(self) -> Iterator[Block]:
        """The blocks in their order, as `walk` hands them out."""
        return self.walk([block for block in self.blocks if isinstance(block, Block)])

    def grid(self, latents: Tensor) -> tuple[int, int, int]:
        """Tokens of latents [B, C, F, h, w] along frames, rows and columns, in the smallest patches."""
        return token_grid(latents, self.config.patch_size)

    def history_tokens(self, history: HistoryViews) -> Tensor:
        """The history embedded, its long, mid and short part in this order: [B, M, D].

        Raises:
            ValueError: the model has no history.
        """
        if not self.config.has_multi_term_memory_patch:
            raise ValueError("this model takes no history: its has_multi_term_memory_patch is false")
        parts = (
            row_by_row(self.patch_long, history.long),
            row_by_row(self.patch_mid, history.mid),
            row_by_row(self.patch_short, torch.cat((history.anchor, history.short), dim=2)),
        )
        return torch.cat(parts, dim=1).to(self.dtype)

    def _time(self, noisy: Tensor, timestep: Tensor, actions: Tensor | None) -> Tensor:
        batch, _, frames, _, _ = noisy.shape
        if timestep.shape != (batch,):
            raise ValueError(f"timestep has the shape {list(timestep.shape)}, for this batch it is [{batch}]")
        time = self.condition_embedder.time(timestep).unsqueeze(1)
        if actions is None:
            return time
        if self.action_embedder is None:
            raise ValueError("this model takes no actions: its action_dim is None")
        wanted = (frames, self.config.action_dim)
        if actions.shape[1:] != wanted:
            raise ValueError(f"actions have the shape {list(actions.shape)}, wanted is [{batch}, *{list(wanted)}]")
        with torch.autocast(actions.device.type, enabled=False):
            moved = row_by_row(self.action_embedder, actions)
        return time + draws_of(moved, batch)

    def _history_time(self, timestep: Tensor) -> Tensor:
        told = timestep.new_zeros(1) if self.config.zero_history_timestep else timestep
        return self.condition_embedder.time(told).unsqueeze(1)

    def _noisy_stream(self, noisy: Tensor, time: Tensor, layout: HistoryLayout, guide: Guide | None) -> Stream:
        t, height, width = self.grid(noisy)
        if t != layout.chunk:
            raise ValueError(f"noisy has {noisy.shape[2]} latent frames, the layout's chunk {layout.chunk}")
        rotation = self.positions.noisy(layout, height, width, noisy.device)
        tokens = row_by_row(self.patch_embedding, noisy).to(self.dtype)
        if guide is not None:
            tokens = tokens + self._guidance().embed(_fitting(guide, noisy)).to(self.dtype)
        return Stream(tokens, self.condition_embedder.modulation(time), rotation)

    def _history_stream(
        self, history: HistoryViews | None, layout: HistoryLayout, time: Tensor, noisy: Stream
    ) -> Stream:
        if history is not None:
            return self._past(history, layout, time)
        rows = self.condition_embedder.modulation(time)
        return Stream(noisy.tokens[:, :0], rows, noisy.rotation[:0])

    def _past(self, history: HistoryViews, layout: HistoryLayout, time: Tensor) -> Stream:
        tokens = self.history_tokens(history)
        _, height, width = self.grid(history.short)
        rotation = self.positions.history(layout, height, width, tokens.device)
        if len(rotation) != tokens.shape[1]:
            raise ValueError(f"the history has {tokens.shape[1]} tokens, {layout} makes {len(rotation)}")
        return Stream(tokens, self.condition_embedder.modulation(time), rotation)

    def _velocity(self, tokens: Tensor, time: Tensor, noisy: Tensor, timestep: Tensor, guide: Guide | None) -> Tensor:
        # The published model rounds the time to the weights' type before it modulates with it.
        normed = self.norm_out(tokens, time.to(self.dtype))
        velocity = unpatchify(self.proj_out(normed), self.grid(noisy), self.config.patch_size).to(noisy.dtype)
        if guide is None:
            return velocity
        return self._guidance().follow(velocity, noisy, normed, guide, timestep / 1000)

    def _guidance(self) -> GuideLayer:
        if self.guide_layer is None:
            raise ValueError("this model takes no guide: its guided is false")
        return self.guide_layer

    def _check_split(self) -> None:
        missing = self.config.ties_to_history
        if missing:
            raise ValueError(f"this model's history cannot be encoded ahead, {missing} is false; use forward")


def _fitting(guide: Guide, noisy: Tensor) -> Guide:
    """The guide, if it is one of these noisy latents."""
    if guide.latents.shape != noisy.shape or guide.known.shape != noisy.shape[:1]:
        shapes = f"{list(guide.latents.shape)} and {list(guide.known.shape)}"
        raise ValueError(f"the guide has the shapes {shapes}; noisy latents {list(noisy.shape)} need the same")
    return guide
