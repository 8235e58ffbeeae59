"""Is a session reproducible to the byte? The same seed and inputs twice, and on from a snapshot in another
process.

Frames are compared by SHA-256. What fools it: nothing but a world whose frames do not depend on its inputs.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helios_world.evaluate.elsewhere import continued
from helios_world.evaluate.truth import action_of, generator
from helios_world.snapshot import Snapshot
from helios_world.spec import Action, World

STEPS = 12
PATIENCE = 600  # seconds for the other process, which loads the world anew


@dataclass(frozen=True, slots=True)
class ExactnessReport:
    """`other_inputs_differ` guards against frames that ignore what goes in."""

    steps: int
    twice: bool
    other_process: bool
    other_inputs_differ: bool


def measure(world: World, name: str, device: str, seed: int) -> ExactnessReport:
    """`name` and `device` are what World.load opens the same world with in another process."""
    rng = generator(seed, "exactness")
    first, second = _actions(rng), _actions(rng)
    world.reset(seed=seed)
    began = continued(world, first)
    state = world.snapshot()
    here = continued(world, second)
    world.restore(state)
    other = continued(world, reversed(second))
    world.reset(seed=seed)
    twice = (continued(world, first), continued(world, second)) == (began, here)
    return ExactnessReport(2 * STEPS, twice, here == _elsewhere(state, second, name, device), here != other)


def _actions(rng: np.random.Generator) -> list[Action]:
    rows = rng.integers(-1, 2, (STEPS, 3)).astype(np.float32)
    rows[:, 2] *= rng.random(STEPS, np.float32)
    return [action_of(row) for row in rows]


def _elsewhere(state: Snapshot, actions: Sequence[Action], name: str, device: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        snapshot, listed = Path(folder, "snapshot"), Path(folder, "actions.json")
        snapshot.write_bytes(bytes(state))
        listed.write_text(json.dumps([action.to_dict() for action in actions]), encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "helios_world.evaluate.elsewhere",
            name,
            device,
            str(snapshot),
            str(listed),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the other process could not continue {name!r}: {done.stderr.strip()[-800:]}")
    return done.stdout.strip()
