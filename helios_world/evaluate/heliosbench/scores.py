"""From a metric to a score of 1 to 10, and from scores to a total, as HeliosBench has it (arXiv 2603.04379).

A score is 10 at or beyond the first threshold of its list, one less for each threshold that is missed, 1 beyond all
nine. The published list for the aesthetics of long videos ends ".40, .45, .40", where every other list goes on by equal
steps; taken as it stands a value of 0.42 would pass the eighth threshold and no later one. Here it is ".50, .45, .40,
.35, .30", as for short videos. The published weights of long videos sum to 0.996; they are used as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from helios_world.errors import OptionError

AESTHETIC, AMPLITUDE, SMOOTHNESS = "aesthetic", "motion_amplitude", "motion_smoothness"
SEMANTIC, NATURALNESS = "semantic", "naturalness"
METRICS = (AESTHETIC, AMPLITUDE, SMOOTHNESS, SEMANTIC, NATURALNESS)
DRIFTING = (AESTHETIC, SMOOTHNESS, SEMANTIC, NATURALNESS)
LONG_FRAMES = 240  # videos of at least so many frames are long


def drift_of(metric: str) -> str:
    """The name of a metric's drift."""
    return f"{metric}_drift"


HIGH_IS_GOOD: Mapping[str, tuple[float, ...]] = {
    AESTHETIC: (0.70, 0.65, 0.60, 0.55, 0.50, 0.45, 0.40, 0.35, 0.30),
    AMPLITUDE: (0.45, 0.40, 0.35, 0.30, 0.25, 0.20, 0.15, 0.10, 0.05),
    SMOOTHNESS: (0.99, 0.98, 0.97, 0.96, 0.95, 0.94, 0.93, 0.92, 0.91),
    SEMANTIC: (0.30, 0.29, 0.28, 0.27, 0.26, 0.25, 0.24, 0.23, 0.22),
    NATURALNESS: (0.65, 0.60, 0.55, 0.50, 0.45, 0.40, 0.30, 0.25, 0.20),
}
LOW_IS_GOOD: Mapping[str, tuple[float, ...]] = {
    **dict.fromkeys(map(drift_of, (AESTHETIC, SMOOTHNESS, SEMANTIC)), tuple(i / 100 for i in range(1, 10))),
    drift_of(NATURALNESS): tuple(i / 100 for i in range(6, 23, 2)),
}
SHORT_WEIGHTS = {AESTHETIC: 0.10, AMPLITUDE: 0.10, SMOOTHNESS: 0.10, SEMANTIC: 0.35, NATURALNESS: 0.35}
LONG_WEIGHTS = {
    AESTHETIC: 0.03,
    AMPLITUDE: 0.03,
    SMOOTHNESS: 0.03,
    SEMANTIC: 0.255,
    NATURALNESS: 0.255,
    **dict.fromkeys(map(drift_of, DRIFTING), 0.099),
}


def score(metric: str, value: float) -> int:
    """1 to 10 for a value of one of METRICS or of a drift.

    Raises:
        KeyError: no such metric.
        OptionError: the value is no number: no comparison with a threshold fails for it, and it would score 10.
    """
    if not math.isfinite(value):
        raise OptionError(f"{metric} is {value}, which cannot be scored; its function has to return a finite number")
    if metric in HIGH_IS_GOOD:
        return 10 - sum(value < threshold for threshold in HIGH_IS_GOOD[metric])
    return 10 - sum(value > threshold for threshold in LOW_IS_GOOD[metric])


def throughput_score(fps: float) -> int:
    """1 to 10 for frames per second: ceil(fps / 3.2), clipped."""
    return min(max(math.ceil(fps / 3.2), 1), 10)


def weights(long: bool) -> Mapping[str, float]:
    """What each score counts in the total."""
    return LONG_WEIGHTS if long else SHORT_WEIGHTS


def total(scores: Mapping[str, int], long: bool) -> float | None:
    """The weighted sum; None unless every score is there, for a total without some parts would be another figure."""
    needed = weights(long)
    if not needed.keys() <= scores.keys():
        return None
    return sum(weight * scores[name] for name, weight in needed.items())
