"""What happens around a world: serving it, connecting to it, pacing, input, measuring, commands.

>>> world = helios_runtime.connect("tcp://127.0.0.1:5555")

Importing this loads nothing; names are resolved when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from helios_runtime.client.remote import connect

__all__ = ["connect"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'helios_runtime' has no attribute {name!r}; it has {__all__}")
    from helios_runtime.client.remote import connect

    return connect


def __dir__() -> list[str]:
    return sorted(__all__)
