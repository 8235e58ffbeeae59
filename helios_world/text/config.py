"""What a text encoder is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from helios_world.errors import CheckpointError


@dataclass(frozen=True, slots=True)
class TextConfig:
    """
    Args:
        text_dim: width of an output token.
        tokens: output tokens per prompt, L.
        width: of the words inside the encoder.
        heads: attention heads; they divide `width`.
        layers: transformer layers over the words.
        buckets: rows of the embedding table that hashed pieces of words share.
        max_words: words beyond it are not read.
    """

    text_dim: int = 96
    tokens: int = 12
    width: int = 96
    heads: int = 4
    layers: int = 1
    buckets: int = 4096
    max_words: int = 48

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TextConfig:
        unknown = set(data) - {entry.name for entry in fields(cls)}
        if unknown:
            known = [entry.name for entry in fields(cls)]
            raise CheckpointError(f"unknown keys {sorted(unknown)} in the text encoder's config; known are {known}")
        return cls(**data)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
