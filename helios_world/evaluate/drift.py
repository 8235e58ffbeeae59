"""Does a long dream wear out? Five ways to look at a measure over time, each blind to something else.

- slope: Theil-Sen, the median of all pairwise slopes (Theil 1950, Sen 1968), per 100 frames; one outlier does not move
  it. A drift that comes back has none.
- ends: |mean of the first 15 % - mean of the last 15 %|, the drift of HeliosBench (arXiv 2603.04379). Blind to a
  collapse in the middle.
- excursion: how far the dream leaves the range that true frames of the scene have, as a share of that range; 0 inside.
- reach: the dream's largest distance from the middle of that range over half the range; 1 is the edge of what is true,
  2·excursion + 1 beyond it.
- histogram: Hellinger distance sqrt(1 - Σ sqrt(p·q)) between the colours of a frame and those of the first one, in
  bands (`classifier.features`); 0 to 1, blind to shapes.

What fools them all: a frozen picture does not drift. The freeze ratio beside them must be 0, and the land still right.
A dream may also wander differently from the truth and see another range; the truth's own figures stand beside.
"""

from __future__ import annotations

import numpy as np

from helios_world.evaluate.classifier import BANDS, features
from helios_world.evaluate.pixels import F64
from helios_world.spec import Frames

END_SHARE = 0.15


def theil_sen(values: F64) -> float:
    """Median slope per step over all pairs of values [N], N ≥ 2."""
    i, j = np.triu_indices(len(values), 1)
    return float(np.median((values[j] - values[i]) / (j - i)))


def ends(values: F64) -> float:
    """|mean of the first 15 % - mean of the last 15 %| of values [N]; at least one value each."""
    count = max(round(END_SHARE * len(values)), 1)
    return float(abs(values[:count].mean() - values[-count:].mean()))


def excursion(values: F64, low: float, high: float) -> float:
    """How far values [N] leave [low, high], as a share of its length."""
    outside = max(low - float(values.min()), float(values.max()) - high, 0.0)
    return outside / max(high - low, 1e-6)


def reach(values: F64, low: float, high: float) -> float:
    """The largest distance of values [N] from the middle of [low, high], in halves of its length."""
    middle, half = (low + high) / 2, max((high - low) / 2, 1e-6)
    return float(np.abs(values - middle).max() / half)


def histogram_distance(frames: Frames, anchor: Frames) -> F64:
    """Hellinger distance of the colours of frames [N, H, W, 3] to those of one frame [H, W, 3]: [N]."""
    alike = features(frames) @ features(anchor[None])[0] / BANDS
    result: F64 = np.sqrt(np.maximum(1 - alike, 0))
    return result
