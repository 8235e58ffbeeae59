"""What the parts of distill hand on to each other, and what they must not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from helios_world.model import HeliosTransformer
from helios_world.train.stages import distill
from helios_world.train.stages.adapters import Adapters
from helios_world.train.stages.clips import Shuffled
from helios_world.train.stages.dice import Dice, Rows, place
from helios_world.train.stages.distill import Distillation
from helios_world.train.stages.parts import AdversarialPart, MatchingPart
from helios_world.train.stages.recipe import DistillRecipe
from helios_world.train.stages.rollout import roll_out
from helios_world.train.stages.run import Run
from helios_world.train.stages.start import adapt, build, read_transformer, train_stage
from helios_world.train.stages.windows import Told, cut_windows, told

Make = Callable[..., Any]
TRAJECTORY = {"steps": 2, "teacher_steps": [2, 2, 2], "sections": 1, "trained": 1}
FAST = {"learning_rate": 1e-2, "average": 0.5}
HEADS = {"begin": 0, "blocks": [0], "channels": 8}


def test_the_average_of_the_trajectories_is_not_the_result_of_matching(run_stage: Callable[..., Run]) -> None:
    matching = {"every": 1, "steps": [1, 1, 1], "generator": {**FAST, "average_from": 1000}}
    run = run_stage("distill", adapter={"rank": 2}, trajectory={**TRAJECTORY, "optimizer": FAST}, matching=matching)
    generator = run.learners["generator"]
    assert generator.updates == 4, "counted from the beginning of the part"
    assert all(torch.equal(tensor, generator.weights[name]) for name, tensor in generator.best().items())


def test_a_run_that_stops_among_its_trajectories_does_no_matching(
    recipe: Make, source: Callable[..., Shuffled], tmp_path: Path
) -> None:
    tiny = recipe("distill", adapter={"rank": 2}, trajectory=TRAJECTORY, matching={"steps": [1, 1, 1]})
    run = train_stage(tiny, tmp_path, device="cpu", source=source(), hours=0)
    assert run.step == 1
    assert run.learners["critic"].updates == 0


def test_own_history_takes_every_step(
    recipe: Make, source: Callable[..., Shuffled], tmp_path: Path, dice: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = MatchingPart(steps=(3, 2, 2), amplify_first=False)
    tiny = recipe("distill", adapter={"rank": 1}, matching=part.model_dump())
    run, _ = build(tiny, tmp_path, torch.device("cpu"), source())
    seen: list[list[int]] = []

    def recorded(*arguments: Any) -> Tensor:
        seen.append(list(arguments[-1]))
        return roll_out(*arguments)

    monkeypatch.setattr(distill, "roll_out", recorded)
    for step in range(4):
        distill.own_clips(Distillation(run, tiny), part, run.source.next(Rows(4, 0, 4)), 1, dice(step))
    assert seen == [[2, 1, 1]] * 4


def test_what_has_no_history_is_sampled_as_a_first_chunk(
    recipe: Make, source: Callable[..., Shuffled], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = recipe("distill", adapter={"rank": 1}, matching={"steps": [1, 1, 1]}, steps=12, report_every=12)
    run, _ = build(tiny, tmp_path, torch.device("cpu"), source())
    firsts: list[bool] = []

    def generate(work: Distillation, given: Told, dice: Dice, part: MatchingPart, shape: Any, first: bool) -> Tensor:
        dark = [not view.any() for view in (given.history.anchor, given.history.short)]
        assert dark == [first, first], "the newest and the anchor are hidden for a first chunk only"
        firsts.append(first)
        return torch.zeros(shape, requires_grad=True)

    monkeypatch.setattr(Distillation, "generate", generate)
    monkeypatch.setattr(distill, "critic_loss", lambda *_: torch.zeros((), requires_grad=True))
    monkeypatch.setattr(distill, "generator_loss", lambda *_: torch.zeros((), requires_grad=True))
    distill.train_matching(run, tiny, tiny.matching, None)
    assert True in firsts
    assert False in firsts


def test_sections_are_different() -> None:
    for step in range(20):
        drawn = Dice(0, step, Rows(1, 0, 1), torch.device("cpu")).several(3, 5)
        assert len(set(drawn)) == 3
        assert set(drawn) <= set(range(5))


def critics(work: Distillation, data: Tensor, given: Told, dice: Dice, penalty: float) -> tuple[float, list[Tensor]]:
    """The critic's loss without the softplus losses, and what the heads were shown."""
    shown: list[Tensor] = []

    def logits(given: Told, noisy: Tensor, sigma: Tensor) -> Tensor:
        shown.append(noisy)
        return Distillation.logits(work, given, noisy, sigma)

    part = MatchingPart(adversarial=AdversarialPart(begin=0, critic_weight=0.0, penalty=penalty))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work, "logits", logits)
        loss = distill.critic_loss(work, part, given, torch.zeros_like(data), data, dice, 0)
    return float(loss.detach()), shown


def test_the_penalty_is_weighed_alone_and_disturbs_what_the_heads_see(
    recipe: Make, source: Callable[..., Shuffled], tmp_path: Path, dice: Make
) -> None:
    tiny = recipe("distill", adapter={"rank": 1}, matching={"steps": [1, 1, 1], "adversarial": HEADS})
    run, heads = build(tiny, tmp_path, torch.device("cpu"), source())
    work = Distillation(run, cast(DistillRecipe, tiny), heads)
    window = cut_windows(run.source.next(Rows(4, 0, 4)), [0] * 4, work.layout)
    given = told(window, work.layout)
    plain, shown = critics(work, window.target, given, dice(), penalty=0.0)
    punished, _ = critics(work, window.target, given, dice(), penalty=1000.0)
    assert punished > plain
    _, data, disturbed = shown
    spread = (disturbed - data).flatten(1).std(1)
    torch.testing.assert_close(spread, torch.full_like(spread, 0.1), atol=0.02, rtol=0)


def test_an_adapter_of_distill_has_the_mid_stage_in_it(run_stage: Callable[..., Run], tmp_path: Path) -> None:
    start = tmp_path / "base" / "transformer"
    run_stage("base", "base", steps=1)
    run_stage("mid", "mid", steps=2, start=str(start), adapter={"rank": 2}, optimizer={"learning_rate": 1e-2})
    run = run_stage(
        "distill",
        "few",
        steps=2,
        start=str(start),
        mid=str(tmp_path / "mid" / "adapter"),
        adapter={"rank": 3, "alpha": 6.0},
        trajectory={**TRAJECTORY, "optimizer": {"learning_rate": 1e-2}},
    )
    adapters = Adapters(alone := read_transformer(start))
    adapters.load("both", tmp_path / "few" / "adapter")
    given = told(cut_windows(run.source.next(Rows(2, 0, 2)), [1, 1], tiny := run.recipe.layout.layout()), tiny)
    noisy, timestep = torch.randn(2, 4, 2, 8, 8), torch.full((2,), 500.0)
    assert run.adapters is not None
    with torch.no_grad():
        plain = given.velocity(alone, noisy, timestep)
        with adapters.switch.using("both"), run.adapters.switch.using("mid", "generator"):
            found, wanted = (given.velocity(model, noisy, timestep) for model in (alone, run.model))
    assert (wanted - plain).abs().max() > 1e-2
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def test_weights_that_are_trained_whole_are_exact(recipe: Make, model: HeliosTransformer) -> None:
    adapt(model.cast(torch.bfloat16), recipe("base", adapter={"rank": 1, "full": ["patch_short"]}))
    assert model.patch_short.weight.dtype == torch.float32
    assert model.patch_long.weight.dtype == torch.bfloat16


class OnGpu:
    """Stands for a tensor that is on a GPU already, which cannot be pinned."""

    is_cuda = True

    def pin_memory(self) -> OnGpu:
        raise RuntimeError("cannot pin")

    def to(self, device: torch.device) -> OnGpu:
        return self


def test_what_is_on_the_gpu_is_left_there() -> None:
    tensor = cast(Tensor, OnGpu())
    assert place(tensor, torch.device("cuda")) is tensor


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"start": "mid", "matching": {}}, "no real score"),
        ({"matching": {}, "adapter": {"full": ["patch_short"]}}, "full"),
        ({"trajectory": {"steps": 1, "sections": 2}}, "trained is 3"),
    ],
)
def test_distillations_that_cannot_be(changes: dict[str, Any], told: str, recipe: Make) -> None:
    with pytest.raises(ValueError, match=told):
        recipe("distill", **changes)
    assert recipe("distill", start="mid", trajectory=TRAJECTORY).mid is None
