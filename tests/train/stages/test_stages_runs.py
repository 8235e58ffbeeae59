"""Whole runs: every stage learns, goes on exactly where it stopped, and leaves what can be opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from helios_world.errors import CheckpointError, HeliosError
from helios_world.train.stages.run import Run
from helios_world.train.stages.start import read_transformer

Runs = Callable[..., Run]
DISTILL: dict[str, Any] = {
    "adapter": {"rank": 4},
    "trajectory": {"steps": 2, "teacher_steps": [3, 3, 3], "sections": 2, "trained": 1},
    "matching": {
        "every": 2,
        "steps": [2, 2, 2],
        "own_history": 0.5,
        "adversarial": {"begin": 0, "blocks": [0], "channels": 8},
        "generator": {"learning_rate": 1e-3, "average": 0.5},
    },
}
ADAPTED: dict[str, Any] = {"adapter": {"rank": 2, "patches": ["patch_embedding"], "full": ["patch_short"]}}
STAGES = [("base", {}), ("base", ADAPTED), ("mid", {}), ("distill", DISTILL)]


@pytest.mark.parametrize(("stage", "changes"), STAGES, ids=["base", "adapted", "mid", "distill"])
def test_a_run_goes_on_with_the_same_losses(stage: str, changes: dict[str, Any], run_stage: Runs) -> None:
    """Stopped after each half, by the state on disk alone."""
    whole = run_stage(stage, "whole", **changes)
    run_stage(stage, "parts", **(changes | {"steps": 3}))
    rest = run_stage(stage, "parts", **changes)
    assert rest.losses == whole.losses[-len(rest.losses) :]
    assert rest.step == whole.step == 6
    for name, learner in whole.learners.items():
        for key, tensor in learner.tensors().items():
            assert torch.equal(tensor, rest.learners[name].tensors()[key]), (name, key)


def test_recomputed_blocks_change_nothing(run_stage: Runs) -> None:
    kept, again = (
        run_stage("distill", f"{recompute}", recompute=recompute, **DISTILL).losses for recompute in (False, True)
    )
    assert kept == again


def test_bfloat16_runs(run_stage: Runs) -> None:
    assert run_stage("mid", precision="bfloat16").losses[-1]["loss"] < 10


def test_only_the_newest_state_is_kept_and_an_unfinished_one_is_not_read(run_stage: Runs, tmp_path: Path) -> None:
    run_stage("base")
    out = tmp_path / "run"
    assert [path.name for path in out.glob("state-*")] == ["state-00000006"]
    (out / "state-00000009").mkdir()
    assert run_stage("base").step == 6


def test_a_state_of_another_recipe_is_refused(run_stage: Runs) -> None:
    run_stage("base")
    with pytest.raises(CheckpointError, match="is the recipe another"):
        run_stage("distill", **DISTILL)


def test_losses_that_are_no_numbers_end_a_run(run_stage: Runs) -> None:
    with pytest.raises(HeliosError, match="learning_rate"):
        run_stage("base", steps=30, optimizer={"learning_rate": 1e30, "clip": 1e30})


def test_a_transformer_is_written_that_opens(run_stage: Runs, tmp_path: Path) -> None:
    run = run_stage("base", optimizer={"learning_rate": 1e-3, "average": 0.5})
    opened = read_transformer(tmp_path / "run" / "transformer")
    best = run.learners["model"].best()
    assert all(torch.equal(weight, best[name]) for name, weight in opened.named_parameters())
    run_stage("mid", "next", start=str(tmp_path / "run" / "transformer"))


@pytest.mark.parametrize(("stage", "rate"), [("base", 1e-2), ("mid", 1e-2)])
def test_a_stage_learns(stage: str, rate: float, run_stage: Runs, request: pytest.FixtureRequest) -> None:
    run = run_stage(stage, steps=60, corruption=None, optimizer={"learning_rate": rate}, save_every=100)
    losses = [row["loss"] for row in run.losses]
    assert sum(losses[-10:]) < 0.75 * sum(losses[:10])
