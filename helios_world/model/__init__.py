"""The Helios transformer. Parameter names are those of the official checkpoints."""

from helios_world.model.cache import HistoryCache, TextCache
from helios_world.model.config import TransformerConfig
from helios_world.model.transformer import HeliosTransformer

__all__ = ["HeliosTransformer", "HistoryCache", "TextCache", "TransformerConfig"]
