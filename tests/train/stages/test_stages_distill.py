"""What distill is for: a few steps that do what many did, in little more memory than one model needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from helios_world.memory import HistoryLayout
from helios_world.sampling.chunk import sample_chunk
from helios_world.sampling.config import Guidance, SamplingPlan
from helios_world.train.stages.clips import Shuffled
from helios_world.train.stages.dice import Rows
from helios_world.train.stages.distill import Distillation
from helios_world.train.stages.footprint import distill_footprint
from helios_world.train.stages.recipe import DistillRecipe
from helios_world.train.stages.rollout import Shape
from helios_world.train.stages.run import Run
from helios_world.train.stages.start import build
from helios_world.train.stages.windows import Told, cut_windows, told

LAYOUT = HistoryLayout(4, 2, 1, 2)
SHAPE: Shape = (2, 4, 2, 8, 8)
PATCH = (1, 2, 2)


def draw(number: int, shape: tuple[int, ...]) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(90 + number))


def first_chunk(run: Run) -> Told:
    return told(cut_windows(run.source.next(Rows(2, 0, 2)), [0, 0], LAYOUT), LAYOUT)


def few(run: Run, given: Told) -> Tensor:
    """The generator, one step per stage."""
    work = Distillation(run, cast(DistillRecipe, run.recipe))
    plan = SamplingPlan(work.recipe.schedule.config("dmd"), (1, 1, 1), Guidance(1.0, False), False, "current")
    network = work.network(work.roles.generator, given)
    return sample_chunk(plan, lambda x, t, _: network(x, t), draw, SHAPE, PATCH, False)


def many(run: Run, given: Told) -> Tensor:
    """The teacher, four steps per stage."""
    work = Distillation(run, cast(DistillRecipe, run.recipe))
    scheduler = replace(work.recipe.schedule.config("unipc"), dynamic_shift="exponential")
    plan = SamplingPlan(scheduler, (4, 4, 4), Guidance(1.0, False), False, "current")
    return sample_chunk(plan, work.teacher(given), draw, SHAPE, PATCH, False)


def test_few_steps_come_to_do_what_the_teachers_many_did(run_stage: Callable[..., Run], tmp_path: Path) -> None:
    mid = run_stage("mid", "mid", steps=40, corruption=None, optimizer={"learning_rate": 1e-2}, save_every=100)
    assert mid.step == 40
    trajectory = {
        "steps": 40,
        "teacher_steps": [4, 4, 4],
        "guidance": 1.0,
        "sections": 1,
        "trained": 1,
        "optimizer": {"learning_rate": 1e-2, "clip": 10.0},
    }
    changes = {"start": str(tmp_path / "mid" / "transformer"), "adapter": {"rank": 8}, "save_every": 200}
    run = run_stage("distill", "distill", steps=40, trajectory=trajectory, recompute=False, **changes)
    given = first_chunk(run)
    with torch.no_grad():
        goal, after = many(run, given), few(run, given)
        for weight in run.learners["generator"].weights.values():
            weight.zero_()
        before = few(run, given)
    assert (after - goal).square().mean() < 0.5 * (before - goal).square().mean()


def test_four_roles_need_little_more_memory_than_one(
    recipe: Callable[..., Any], source: Callable[..., Shuffled], tmp_path: Path
) -> None:
    heads = {"adversarial": {"begin": 0, "blocks": [0], "channels": 8}}
    tiny = recipe("distill", adapter={"rank": 1}, matching={"steps": [1, 1, 1], **heads})
    run, discriminator = build(tiny, tmp_path, torch.device("cpu"), source())
    found = distill_footprint(run, tiny, discriminator)
    weights = sum(weight.nbytes for name, weight in run.model.named_parameters() if ".adapters." not in name)
    assert found["one"] > weights
    assert 1 < found["ratio"] < 4
