"""Mixtures of prompts to what the blocks read of them, remembered by their content.

A steady prompt costs nothing after its first chunk. A cross-fade has another mixture in every chunk, each of which is
embedded once.

Shapes: B batch, L text tokens, D the width of their embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from helios_world.dreamer import Mixture
from helios_world.model.bounded import Kept
from helios_world.model.fast import FastTransformer
from helios_world.model.texts import Text, join_texts
from helios_world.official.prompts import PromptEncoder
from helios_world.offload.predict import KEPT_BYTES, KEPT_TEXTS
from helios_world.spec import PromptWeight


class Conditions:
    """What a model reads.

    Args:
        encoder: embeds prompts.
        fast: embeds further what the encoder made.
        keep: keep keys and values of all blocks rather than the embedding alone; not for blocks that are offloaded, to
            whose passes it would add one.
    """

    def __init__(self, encoder: PromptEncoder, fast: FastTransformer, *, keep: bool) -> None:
        self._encoder = encoder
        self._embed = fast.keep_text if keep else fast.embed_text
        self._texts: Kept[Text] = Kept(KEPT_TEXTS, KEPT_BYTES, lambda text: text.nbytes)

    @property
    def nbytes(self) -> int:
        """Bytes of the remembered texts."""
        return self._texts.weight

    def read(self, mixtures: Sequence[Mixture], negative: str | None) -> tuple[Text, Text | None]:
        """The text of all rows, and that of the negative prompt where there is one, of 1 row.

        Raises:
            PromptError: a prompt is too long; then none was embedded.
        """
        away = [] if negative is None else [negative]
        self._encoder.prepare([*(part.text for mixture in mixtures for part in mixture), *away])
        text = join_texts([self._text(mixture) for mixture in mixtures])
        return text, None if negative is None else self._text((PromptWeight(negative, 1.0),))

    def mixed(self, mixture: Mixture) -> Tensor:
        """The mean of the prompts' embeddings with their weights, [1, L, D]."""
        parts = _present(mixture)
        if len(parts) == 1:
            return self._encoder(parts[0].text)
        return torch.stack([part.weight * self._encoder(part.text).float() for part in parts]).sum(0)

    def _text(self, mixture: Mixture) -> Text:
        parts = _present(mixture)
        # A prompt alone is taken whole, whatever its weight.
        key = tuple((part.text, part.weight if len(parts) > 1 else 1.0) for part in parts)
        return self._texts.get(key, lambda: self._embed(self.mixed(mixture)))


def _present(mixture: Mixture) -> list[PromptWeight]:
    return [part for part in mixture if part.weight > 0]
