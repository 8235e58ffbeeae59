"""Helios worlds: generated while one walks through them.

>>> world = World.load("nano")
>>> chunk = world.reset(seed=7, prompt="a brick garden at noon")
>>> chunk = world.step(Action(buttons={"forward"}))

Names are resolved when they are first used, so that importing the package loads no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from helios_world.errors import HeliosError
    from helios_world.snapshot import Snapshot
    from helios_world.spec import (
        NO_ACTION,
        Action,
        ActionSpec,
        Axis,
        Button,
        Chunk,
        MemoryLayout,
        PromptWeight,
        Timing,
        World,
        WorldSpec,
    )

__all__ = [
    "NO_ACTION",
    "Action",
    "ActionSpec",
    "Axis",
    "Button",
    "Chunk",
    "HeliosError",
    "MemoryLayout",
    "PromptWeight",
    "Snapshot",
    "Timing",
    "World",
    "WorldSpec",
]

_HOMES = {"HeliosError": "helios_world.errors", "Snapshot": "helios_world.snapshot"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'helios_world' has no attribute {name!r}; it has {__all__}")
    return getattr(import_module(_HOMES.get(name, "helios_world.spec")), name)


def __dir__() -> list[str]:
    return sorted(__all__)
