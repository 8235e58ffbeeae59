"""The second process of the exactness measure: continue a snapshot and print the hash of the frames.

    python -m helios_world.evaluate.elsewhere WORLD DEVICE SNAPSHOT ACTIONS

SNAPSHOT holds `bytes(snapshot)`, ACTIONS a JSON list of actions as `Action.to_dict` writes them.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from helios_world.snapshot import Snapshot
from helios_world.spec import Action, World


def continued(world: World, actions: Iterable[Action]) -> str:
    """SHA-256 of the frames that the actions give from here."""
    digest = hashlib.sha256()
    for action in actions:
        digest.update(world.step(action).frames.tobytes())
    return digest.hexdigest()


def main(arguments: Sequence[str]) -> None:
    name, device, snapshot, actions = arguments
    world = World.load(name, device=device)
    world.restore(Snapshot.from_bytes(Path(snapshot).read_bytes()))
    listed = json.loads(Path(actions).read_text(encoding="utf-8"))
    print(continued(world, [Action.from_dict(entry) for entry in listed]))


if __name__ == "__main__":
    main(sys.argv[1:])
