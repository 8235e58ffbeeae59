"""What a command needs beyond the plain installation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from helios_world.errors import DependencyError


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Import in here what comes with an extra.

    Raises:
        DependencyError: it is not installed; says how to.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise DependencyError(f"this needs {error.name}: pip install 'helios-world[{extra}]'") from error
