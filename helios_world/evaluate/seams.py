"""From frame to frame: seams between chunks, flicker, and standing still while one should move.

- seam ratio: mean change across the borders of chunks over the mean change inside chunks, the change being the mean
  absolute difference of neighbouring frames; 1 is seamless, and true walks have about 1.
- flicker: (255 - mean change) / 255 as in VBench; 1 is a still, so the truth's stands beside.
- freeze: pairs of neighbours that hardly differ (`FROZEN`) while those of the truth do (`MOVING`).

What fools them: a frozen picture has no seams and no flicker, and only the freeze ratio sees it. A slide show, still
inside chunks and jumping between them, is no loophole: the change inside counts at least `FLOOR`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from helios_world.evaluate.pixels import difference
from helios_world.spec import Frames

FROZEN, MOVING = 0.25, 1.0  # grey levels of mean change: at most, in the dream; at least, in the truth
FLOOR = 0.01  # grey levels


def seam_ratio(frames: Frames, chunk: int) -> float:
    """Of frames [T, H, W, 3] that begin with a chunk; 1 if nothing changes at all."""
    change = difference(frames[1:], frames[:-1])
    border = np.arange(1, len(frames)) % chunk == 0
    if not border.any() or border.all() or not change.any():
        return 1.0
    return float(change[border].mean() / max(change[~border].mean(), FLOOR))


def flicker(frames: Frames) -> float:
    """(255 - mean absolute difference of neighbours) / 255."""
    return float((255 - difference(frames[1:], frames[:-1]).mean()) / 255)


def frozen_pairs(frames: Frames, reference: Frames) -> npt.NDArray[np.bool_]:
    """Of each pair of neighbours [T - 1]: the frames stand still while the reference moves."""
    still = difference(frames[1:], frames[:-1]) < FROZEN
    moving = difference(reference[1:], reference[:-1]) > MOVING
    frozen: npt.NDArray[np.bool_] = still & moving
    return frozen


def longest(flags: Sequence[bool]) -> int:
    """The length of the longest run of true."""
    most = run = 0
    for flag in flags:
        run = run + 1 if flag else 0
        most = max(most, run)
    return most
