"""Small worlds, and what an agent would do in them."""

from __future__ import annotations

from functools import partial

import pytest

from helios_world.testing import PatternWorld


@pytest.fixture
def small() -> partial[PatternWorld]:
    """Opens a world of 8 × 16 pixels."""
    return partial(PatternWorld, height=8, width=16)
