"""`helios-world` with one world more: "ledger", a pattern world that writes every chunk it makes into a file.

Run as a script by the tests. From the environment: LEDGER, the file; STEP_SECONDS, how long a step takes; HOLD, a file:
no step ends while it is there; SIDE, the height and width of a frame in pixels.
"""

from __future__ import annotations

import os
import time

from helios_runtime.cli import main
from helios_world.spec import Action, Chunk, Frames, World
from helios_world.testing import PatternWorld, read_code
from helios_world.world import PRESETS


class LedgerWorld(PatternWorld):
    """Its steps take a while, its resets do not."""

    def __init__(self) -> None:
        side = int(os.environ.get("SIDE", "0"))
        size = {"height": side, "width": side} if side else {}
        super().__init__(step_seconds=float(os.environ.get("STEP_SECONDS", "0")), **size)

    def reset(
        self, *, seed: int = 0, prompt: str | None = None, image: Frames | None = None, video: Frames | None = None
    ) -> Chunk:
        return _noted(super().reset(seed=seed, prompt=prompt, image=image, video=video))

    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        while os.path.exists(os.environ.get("HOLD", "")):
            time.sleep(0.005)
        return _noted(super().step(action, prompt))

    def fork(self) -> LedgerWorld:
        twin = LedgerWorld()
        twin.restore(self.snapshot())
        return twin


def _noted(chunk: Chunk) -> Chunk:
    with open(os.environ["LEDGER"], "a", encoding="ascii") as file:
        file.write(f"{read_code(chunk.frames[0]).seed} {chunk.index}\n")
    return chunk


def _ledger(device: str, dtype: str, threads: int) -> World:
    return LedgerWorld()


if __name__ == "__main__":
    PRESETS["ledger"] = _ledger
    main()
