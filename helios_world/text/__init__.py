"""Words to embeddings: the small text encoder, and how it is trained on captions alone."""

from __future__ import annotations

from helios_world.text.config import TextConfig
from helios_world.text.encoder import SceneHead, TextEncoder
from helios_world.text.pretrain import accuracy, pretrain, pretrain_with_head

__all__ = ["SceneHead", "TextConfig", "TextEncoder", "accuracy", "pretrain", "pretrain_with_head"]
