"""What a model knows of its lands by heart: where one stands after a move, and what can be seen from there."""

from __future__ import annotations

from helios_world.places.atlas import Atlas, Told
from helios_world.places.config import AtlasConfig

__all__ = ["Atlas", "AtlasConfig", "Told"]
