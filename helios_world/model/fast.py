"""`HeliosTransformer.forward` with everything computed as seldom as it changes. For inference.

What does not depend on the noise is a value of its own: the text is embedded once per prompt, the history once per
chunk, a timestep and the positions once. What is left is one sequence of history and noisy tokens.

Shapes: B batch, C latent channels, F latent frames, h w latent height and width, L text tokens, M history tokens,
N noisy tokens, D width.
"""

from __future__ import annotations

from collections.abc import Sequence as Ordered
from dataclasses import dataclass

import torch
from torch import Tensor

from helios_kernels import modulated_layer_norm
from helios_world.memory import HistoryLayout, HistoryViews
from helios_world.model.attention import attend
from helios_world.model.block import Block, Modulation
from helios_world.model.embeddings import row_by_row
from helios_world.model.patch import unpatchify
from helios_world.model.products import ExactProducts, Products
from helios_world.model.replays import EachTime, Inputs, Runner
from helios_world.model.sequence import Attend, Frame, Sequence, advance, conclude
from helios_world.model.texts import FreshText, KeptText, Text
from helios_world.model.times import Times
from helios_world.model.transformer import HeliosTransformer


@dataclass(frozen=True)
class Past:
    """The history, embedded.

    Args:
        tokens: [B, M, D].
        height, width: the grid of its short part, in tokens.
    """

    tokens: Tensor
    height: int
    width: int


class FastTransformer:
    """The fast twin of a transformer's `forward`, for official checkpoints: a history, and no actions.

    Args:
        model: whose weights are read where they are. After a change of its time embedder or its tables, make another.
        layout: the positions in time.
        attention: how attention is computed.
        products: of each block in turn, how its matrix products are computed; exactly where it is None.
        runner: how passes of one shape after the other are run.

    Raises:
        ValueError: a model without a history, or with actions.
    """

    def __init__(
        self,
        model: HeliosTransformer,
        layout: HistoryLayout,
        *,
        attention: Attend = attend,
        products: Ordered[Products] | None = None,
        runner: Runner | None = None,
    ) -> None:
        if not model.config.has_multi_term_memory_patch or model.action_embedder is not None:
            raise ValueError("only models with a history and without actions have a fast twin; use forward")
        self.model, self.layout = model, layout
        self._attention = attention
        self._products = products or [ExactProducts(block) for block in model.blocks if isinstance(block, Block)]
        self._runner = runner or EachTime()
        # None is let go of, since recorded passes read them where they are; a session has one for each of its stages.
        self._frames: dict[tuple[object, ...], Frame] = {}
        self._times = Times(model)

    @torch.no_grad()
    def keep_text(self, text: Tensor) -> Text:
        """Text [B, L, text_dim] with the keys and values of all blocks. Goes through all blocks."""
        return KeptText(self.model.embed_text(text))

    @torch.no_grad()
    def embed_text(self, text: Tensor) -> Text:
        """Text [B, L, text_dim] whose keys and values are made anew in every pass."""
        return FreshText(self.model.condition_embedder.text_embedder(text))

    @torch.no_grad()
    def embed_history(self, history: HistoryViews) -> Past:
        """The history of a chunk; for a model whose weights have a history of the same sizes only."""
        _, height, width = self.model.grid(history.short)
        return Past(self.model.history_tokens(history), height, width)

    @torch.no_grad()
    def velocity(self, noisy: Tensor, timestep: float, text: Text, past: Past) -> Tensor:
        """The velocity of `noisy` [B, C, F, h, w], in its shape and dtype, as `forward` has it.

        Args:
            timestep: in [0, 1000], of all rows.
            text: of B rows, or of 1 for all.
            past: of B rows.

        Raises:
            ValueError: sizes that do not go together.
        """
        frame = self._frame(noisy, past)
        inputs = Inputs(noisy, past.tokens, self._times.at(timestep), text)
        return self._runner(inputs, lambda given: self._pass(given, frame))

    def report(self) -> dict[str, str]:
        """What became of the passes of each shape, where some are recorded."""
        return self._runner.report()

    def _pass(self, given: Inputs, frame: Frame) -> Tensor:
        model, noisy = self.model, given.noisy
        tokens = torch.cat((given.history, row_by_row(model.patch_embedding, noisy).to(model.dtype)), dim=1)
        normed = self._blocks(tokens, given, frame)
        return unpatchify(model.proj_out(normed), model.grid(noisy), model.config.patch_size).to(noisy.dtype)

    def _blocks(self, tokens: Tensor, given: Inputs, frame: Frame) -> Tensor:
        """The noisy tokens after the last block, [B, N, D], normalised."""
        rows = self._times.modulations(given.time)
        state, last = self._first(tokens, rows[0], frame), len(rows) - 1
        for number, (block, products) in enumerate(zip(self.model.walk_blocks(), self._products, strict=True)):
            text = given.text.of(number, block)
            if number < last:
                following = rows[number + 1].scale, rows[number + 1].shift
                state = advance(block, products, state, rows[number], following, text, frame)
            else:
                following = self._times.output(given.time)
                state = conclude(block, products, state, rows[number].last_row(), following, text, frame)
        return state.normed

    def _first(self, tokens: Tensor, rows: Modulation, frame: Frame) -> Sequence:
        return Sequence(tokens, modulated_layer_norm(tokens, rows.scale, rows.shift, self.model.config.eps, frame.ends))

    def _frame(self, noisy: Tensor, past: Past) -> Frame:
        key = (self.model.grid(noisy), past.height, past.width, noisy.device)
        if key not in self._frames:
            self._frames[key] = self._make_frame(noisy, past)
        return self._frames[key]

    def _make_frame(self, noisy: Tensor, past: Past) -> Frame:
        (frames, height, width), device = self.model.grid(noisy), noisy.device
        positions, count = self.model.positions, past.tokens.shape[1]
        if frames != self.layout.chunk:
            raise ValueError(f"noisy has {frames} latent frames, the layout's chunk {self.layout.chunk}")
        history = positions.history(self.layout, past.height, past.width, device)
        if len(history) != count:
            raise ValueError(f"the history has {count} tokens, {self.layout} makes {len(history)}")
        rotation = torch.cat((history, positions.noisy(self.layout, height, width, device)))
        return Frame(count, (count, len(rotation)), rotation, self._attention)
