"""diffusers, transformers and ftfy: what official checkpoints need besides this package, imported when first used."""

from __future__ import annotations

import importlib
from typing import Any

from helios_world.errors import DependencyError

INSTALL = 'pip install "helios-world[helios]"'
"""What brings them."""


def borrow(package: str, name: str) -> Any:
    """The object `name` of another package.

    Raises:
        DependencyError: the package is missing, too old to have it, or cannot be imported here.
    """
    try:
        return getattr(importlib.import_module(package), name)
    # diffusers and transformers import their parts on access, and turn what goes wrong there into RuntimeError.
    except (ImportError, AttributeError, RuntimeError) as error:
        why = f"official checkpoints need {package}.{name}, which cannot be imported ({error})"
        raise DependencyError(f"{why}; {INSTALL}") from error
