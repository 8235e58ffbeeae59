"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of cases, and seconds of rollouts."""

    per_class: int = 52
    others: int = 40
    responses: int = 16
    counterfactuals: int = 16
    videos: int = 48
    images: int = 16
    words: int = 16
    video_seconds: float = 10.0
    other_seconds: float = 4.0
    turns: int = 8
    journeys: int = 8
    away_seconds: float = 4.0
    captions_per_scene: int = 8
    changes: int = 16
    walk_seconds: float = 60.0
    chunks_held: int = 1000
    sheet_seconds: float = 4.0
    poses_per_scene: int = 80


FULL = Sizes()
QUICK = Sizes(
    per_class=5,
    others=4,
    responses=2,
    counterfactuals=2,
    videos=8,
    images=2,
    words=2,
    video_seconds=4.0,
    other_seconds=1.0,
    turns=1,
    journeys=1,
    captions_per_scene=1,
    changes=2,
    walk_seconds=10.0,
    chunks_held=150,
    sheet_seconds=0.5,
    poses_per_scene=40,
)
