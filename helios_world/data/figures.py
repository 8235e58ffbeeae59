"""What a measurement leaves: figures.json, and a sheet of the recording above the dream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from helios_world.data.measure import HORIZONS, Figures, Rollout
from helios_world.evaluate.drawing import Block, Row, save_small, sheet

ROWS = 6
LIMIT = 300_000  # bytes


def save_figures(figures: Figures, rollouts: Sequence[Rollout], out: Path) -> None:
    """Write both into the folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "figures.json").write_text(json.dumps(asdict(figures), indent=2) + "\n", encoding="utf-8")
    columns = ["shown", *(f"+{horizon} chunks" for horizon in HORIZONS)]
    blocks = [_block(roll) for roll in rollouts if len(roll.truth) >= HORIZONS[-1] * _size(roll)]
    if blocks:
        save_small(sheet(columns, blocks[:ROWS], margin=84), out / "sheet.png", LIMIT)


def _block(roll: Rollout) -> Block:
    ends = [horizon * _size(roll) - 1 for horizon in HORIZONS]
    true, dream = [roll.last, *(roll.truth[end] for end in ends)], [roll.last, *(roll.dream[end] for end in ends)]
    return Block((Row("game", "", true), Row("dream", "", dream)), f"{roll.episode.name}, from chunk {roll.begin}")


def _size(roll: Rollout) -> int:
    return len(roll.episode.frames) // len(roll.episode.controls)
