"""Importing does nothing, and what needs no model loads none."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "av", "numba", "pygame", "diffusers", "transformers", "matplotlib")


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after `statement`."""
    report = "import sys, json; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{statement}\n{report}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert not done.stderr
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    "statement",
    [
        "from helios_world import *; World.load",
        "import helios_runtime",
        "import helios_world.testing, helios_world.recording",
        "from helios_world import World; World.load('pattern').reset()",
    ],
)
def test_no_torch(statement: str) -> None:
    assert not loaded_by(statement) & set(HEAVY)


def test_the_package_itself_loads_almost_nothing() -> None:
    assert "numpy" not in loaded_by("import helios_world")
