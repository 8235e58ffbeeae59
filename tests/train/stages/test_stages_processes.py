"""Two processes that share weights and batch have the losses of one, and leave the same files."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from helios_world.train.stages.start import train_stage

SCRIPT = """
import json, sys
from pathlib import Path
import torch
import torch.distributed as dist
from helios_world.train.stages.clips import Clip, Shuffled
from helios_world.train.stages.recipe import read_recipe
from helios_world.train.stages.start import train_stage
dist.init_process_group("gloo")
folder, *stages = sys.argv[1:]
folder, losses = Path(folder), {}
saved = torch.load(folder / "clips.pt", weights_only=True)
for stage in stages:
    source = Shuffled([Clip(*clip) for clip in saved], torch.zeros(3, 8), frames=6, seed=3, every=2)
    recipe = read_recipe(folder / f"{stage}.json", stage)
    losses[stage] = train_stage(recipe, folder / stage / "two", device="cpu", source=source).losses
print("LOSSES" + json.dumps(losses))
dist.destroy_process_group()
"""
DISTILL: dict[str, Any] = {
    "adapter": {"rank": 4},
    "matching": {
        "every": 2,
        "steps": [2, 1, 1],
        "adversarial": {"begin": 0, "blocks": [0], "channels": 8},
        "generator": {"learning_rate": 1e-3, "average": 0.5},
    },
}


@pytest.fixture
def together(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Run recipes in two processes; returns the losses that the first reports."""

    def run(*stages: str) -> dict[str, Any]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        shared = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        command = [sys.executable, "-c", SCRIPT, str(tmp_path), *stages]
        processes = [
            subprocess.Popen(
                command, env=shared | {"RANK": str(rank), "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, text=True
            )
            for rank in range(2)
        ]
        try:
            outputs = [process.communicate(timeout=100)[0] for process in processes]
        finally:
            for process in processes:
                process.kill()
        found: dict[str, Any] = json.loads(outputs[0].split("LOSSES")[1])
        return found

    return run


def test_two_processes_are_one(
    together: Callable[..., dict[str, Any]], recipe: Callable[..., Any], source: Callable[..., Any], tmp_path: Path
) -> None:
    recipes = {"mid": recipe("mid", batch=8, steps=2), "distill": recipe("distill", steps=3, **DISTILL)}
    clips = [(clip.latents, clip.text, clip.actions) for clip in source().clips]
    torch.save(clips, tmp_path / "clips.pt")
    for stage, tiny in recipes.items():
        (tmp_path / f"{stage}.json").write_text(tiny.model_dump_json())
    losses = together(*recipes)
    for stage, tiny in recipes.items():
        compare(tiny, losses[stage], tmp_path / stage, source)


def compare(tiny: Any, shared: list[dict[str, float]], out: Path, source: Callable[..., Any]) -> None:
    """One process with the recipe, against the losses and the folder of two."""
    alone = train_stage(tiny, out / "one", device="cpu", source=source())
    assert [row.keys() for row in shared] == [row.keys() for row in alone.losses]
    for ours, theirs in zip(alone.losses, shared, strict=True):
        assert ours == pytest.approx(theirs, rel=2e-4)
    states = [
        load_file(next((out / who).glob("state-*")) / f"learner-{next(iter(alone.learners))}.safetensors")
        for who in ("one", "two")
    ]
    assert states[0].keys() == states[1].keys()
    for name, tensor in states[0].items():
        torch.testing.assert_close(states[1][name], tensor, atol=2e-3, rtol=0)
    # A state of two processes is one of the whole run: one process goes on with it.
    longer = tiny.model_copy(update={"steps": tiny.steps + 1})
    assert train_stage(longer, out / "two", device="cpu", source=source()).losses[0]["step"] == tiny.steps + 1
