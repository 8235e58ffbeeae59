"""The state of a run on disk: one folder with everything, there as a whole or not at all.

state-00000120/state.json                    step, counters and the source's state
               learner-NAME.safetensors      weights, optimiser and average of a learner
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from helios_world.errors import CheckpointError
from helios_world.train.stages.learner import Learner

FORMAT = 1
_FILE = "state.json"


def save_state(out: Path, step: int, learners: Mapping[str, Learner], more: Mapping[str, Any], *, writes: bool) -> None:
    """Write the state after `step` steps and remove older ones. All processes call it; one of them `writes`."""
    tensors = {name: learner.tensors() for name, learner in learners.items()}
    if not writes:
        return
    out.mkdir(parents=True, exist_ok=True)
    partial, final = out / f".state-{step:08}.part", out / f"state-{step:08}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for name, own in tensors.items():
        save_file({key: t.cpu().contiguous() for key, t in own.items()}, partial / f"learner-{name}.safetensors")
    updates = {name: learner.updates for name, learner in learners.items()}
    told = {"format": FORMAT, "step": step, "updates": updates, **more}
    (partial / _FILE).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    for file in partial.iterdir():
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
    shutil.rmtree(final, ignore_errors=True)
    partial.rename(final)
    for old in _states(out)[:-1]:
        shutil.rmtree(old)


def load_state(out: Path, learners: Mapping[str, Learner], device: torch.device) -> dict[str, Any] | None:
    """Fill the learners from the newest state of a run; returns its state.json, or None for a run that begins.

    Raises:
        CheckpointError: a state of another run, whose learners are others.
    """
    found = _states(out)
    if not found:
        return None
    told: dict[str, Any] = json.loads((found[-1] / _FILE).read_bytes())
    if told["format"] != FORMAT or set(told["updates"]) != set(learners):
        raise CheckpointError(
            f"{str(found[-1])!r} holds {sorted(told['updates'])} in format {told['format']}; this run trains"
            f" {sorted(learners)} in format {FORMAT}: is the recipe another?"
        )
    for name, learner in learners.items():
        tensors = load_file(found[-1] / f"learner-{name}.safetensors", device=str(device))
        missing = {f"weight/{weight}" for weight in learner.weights} - set(tensors)
        if missing:
            raise CheckpointError(f"{str(found[-1])!r} lacks {sorted(missing)[:3]}: is the recipe another?")
        learner.load(tensors, told["updates"][name])
    return told


def _states(out: Path) -> list[Path]:
    return sorted(path for path in out.glob("state-*") if (path / _FILE).is_file())
