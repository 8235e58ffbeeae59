"""Every loss and every change of the data against what it should be, written out another way."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from helios_world.memory import HistoryLayout
from helios_world.model import HeliosTransformer
from helios_world.sampling.chunk import sample_chunk
from helios_world.sampling.config import Guidance, SamplingPlan, SchedulerConfig
from helios_world.sampling.schedule import schedules
from helios_world.sampling.stages import stages
from helios_world.train.stages import adversarial, matching
from helios_world.train.stages.base import flow_loss, logit_normal
from helios_world.train.stages.clips import Clips, Shuffled
from helios_world.train.stages.corruption import corrupt, expose, saturate, windows_of
from helios_world.train.stages.dice import Dice, Rows
from helios_world.train.stages.mid import pyramid_lines, stage_loss, stage_of_rows, stage_table
from helios_world.train.stages.parts import CorruptionPart, DroppingPart, MatchingPart, SchedulePart
from helios_world.train.stages.rollout import roll_out
from helios_world.train.stages.trajectory import teacher_way, trajectory_loss
from helios_world.train.stages.windows import Window, cut_windows, drop_history, told

LAYOUT = HistoryLayout(4, 2, 1, 2)
HELIOS = HistoryLayout(16, 2, 1, 9)
SHAPE = (2, 4, 2, 8, 8)
PATCH = (1, 2, 2)
Make = Callable[..., Dice]


def pyramid(shift: str | None = "linear", solver: str = "dmd") -> SchedulerConfig:
    return SchedulePart.model_validate({"dynamic_shift": shift}).config(solver)  # type: ignore[arg-type]


def window(rows: int, layout: HistoryLayout = HELIOS) -> Window:
    past = torch.randn(rows, 2, 1 + layout.length, 8, 8, generator=torch.Generator().manual_seed(0))
    present = torch.ones(rows, 1 + layout.length, dtype=torch.bool)
    return Window(past[:, :, :1], past, present, torch.zeros(rows, 1, 1), None)


def test_flow_loss(model: HeliosTransformer, source: Callable[..., Shuffled]) -> None:
    clips = source().next(Rows(3, 0, 3))
    part = cut_windows(clips, [0, 1, 2], LAYOUT)
    given, noise, sigma = told(part, LAYOUT), torch.randn(3, 4, 2, 8, 8), torch.tensor([0.1, 0.5, 0.9])
    with torch.no_grad():
        found = flow_loss(model, given, part.target, noise, sigma)
        expected = []
        for row, s in enumerate(sigma.tolist()):
            one = given.rows([row])
            noisy = (1 - s) * part.target[row : row + 1] + s * noise[row : row + 1]
            velocity = model(noisy, torch.tensor([1000 * s]), one.text, one.history, LAYOUT, one.actions)
            expected.append((velocity - (noise - part.target)[row]).square().mean())
    torch.testing.assert_close(found, torch.stack(expected).mean())


def test_windows_are_the_past_of_their_section(source: Callable[..., Shuffled]) -> None:
    clips = source().next(Rows(3, 0, 3))
    part = cut_windows(clips, [0, 1, 2], LAYOUT)
    for row, begin in enumerate((0, 2, 4)):
        assert torch.equal(part.target[row], clips.latents[row, :, begin : begin + 2])
        assert part.actions is not None
        assert clips.actions is not None
        assert torch.equal(part.actions[row], clips.actions[row, begin : begin + 2])
        assert int(part.present[row].sum()) == begin + (begin > 0)
    history = told(part, LAYOUT).history
    assert not history.anchor[0].any()
    assert not history.long[0].any()
    assert torch.equal(history.anchor[1:], clips.latents[1:, :, :1])
    assert torch.equal(history.short[2], clips.latents[2, :, 3:4])
    assert torch.equal(history.mid[2], clips.latents[2, :, 1:3])
    assert torch.equal(history.long[2, :, -1], clips.latents[2, :, 0])
    assert not history.long[2, :, :-1].any()


def test_history_dropping_frequencies(dice: Make) -> None:
    rows = 4000
    kept = drop_history(window(rows), DroppingPart(), dice(rows=rows), HELIOS).present
    lengths = kept[:, 1:].sum(1)
    share = {int(n): float((lengths == n).float().mean()) for n in lengths.unique()}
    # Nothing; the newest; 19 less 1, 10 or 19 latents; all of them.
    assert set(share) == {0, 1, 9, 18, 19}
    cut = 0.6 * 0.9 * 0.4 / 3
    expected = {0: 0.4 + cut, 1: 0.06, 9: cut, 18: cut, 19: 0.6 * 0.9 * 0.6}
    assert share == pytest.approx(expected, abs=0.025)
    assert float(kept[:, 0].float().mean()) == pytest.approx(0.6, abs=0.025)
    assert bool((kept[:, 2:].int() >= kept[:, 1:-1].int()).all()), "the newest are kept"


def test_noise_is_within_its_range(dice: Make) -> None:
    part = CorruptionPart(saturation=None, exposure=None, blur=0.0)
    clean = torch.full((500, 2, 20, 16, 16), 3.0)
    made = corrupt(clean, part, dice(rows=500), HELIOS)
    # x = 3 (1 - s) + s n: mean 3 (1 - s), deviation s.
    levels = 1 - made.mean((1, 3, 4)) / 3
    assert float(levels.min()) > -0.01
    assert float(levels.max()) < 1 / 3 + 0.02
    assert float((levels.abs().amax(1) == 0).float().mean()) == pytest.approx(0.1, abs=0.04)
    noisy = levels[levels.abs().amax(1) > 0]
    assert float(noisy.mean()) == pytest.approx(1 / 6, abs=0.01)
    torch.testing.assert_close(made.std((1, 3, 4)), levels, atol=0.04, rtol=0)


def test_light_changes_windows_within_the_published_ranges(dice: Make) -> None:
    part = CorruptionPart(clean=1.0, exposure=None)
    before = window(400).past
    after = corrupt(before, part, dice(rows=400), HELIOS)
    assert torch.equal(after[:, :, 0], before[:, :, 0]), "not the anchor"
    colour = after - after.mean(1, keepdim=True)
    plain = before - before.mean(1, keepdim=True)
    factors = ((colour * plain).sum((1, 3, 4)) / (plain * plain).sum((1, 3, 4)))[:, 1:]
    assert float(factors.min()) >= 0.299
    assert float(factors.max()) <= 1.701
    for span in ((0, 1), (1, 10), (10, 19)):
        each = factors[:, span[0] : span[1]]
        torch.testing.assert_close(each, each[:, :1].expand_as(each), atol=1e-4, rtol=0)
    share = {"clean": (factors[:, 5] - 1).abs() < 1e-4, "less": factors[:, 5] < 0.9995, "more": factors[:, 5] > 1.0005}
    assert {k: float(v.float().mean()) for k, v in share.items()} == pytest.approx(
        {"clean": 0.1, "less": 0.45, "more": 0.45}, abs=0.07
    )


def test_light_by_hand() -> None:
    past, half = window(1).past, torch.tensor(0.5).view(1, 1, 1, 1, 1)
    torch.testing.assert_close(saturate(past, half), 0.5 * past + 0.5 * past.mean(1, keepdim=True))
    dark = expose(past, half)
    torch.testing.assert_close(dark.mean((-2, -1)), 0.5 * past.mean((-2, -1)))
    torch.testing.assert_close(dark.std((-2, -1)), past.std((-2, -1)))


def test_blur_takes_detail_and_leaves_the_mean(dice: Make) -> None:
    part = CorruptionPart(clean=0.0, blur=1.0, blur_ratio=(0.5, 0.5), saturation=None, exposure=None)
    before = window(2).past
    after = corrupt(before, part, dice(rows=2), HELIOS)
    assert torch.equal(after[:, :, 0], before[:, :, 0])
    small = functional.interpolate(before[0, :, 1:].transpose(0, 1), scale_factor=0.5, mode="bilinear", antialias=True)
    expected = functional.interpolate(small, size=(8, 8), mode="bilinear", antialias=True).transpose(0, 1)
    torch.testing.assert_close(after[0, :, 1:], expected)


def test_windows_of_the_past_are_counted_back_from_the_newest() -> None:
    assert windows_of(HELIOS) == [slice(1, 2), slice(2, 11), slice(11, 20)]
    assert windows_of(LAYOUT) == [slice(1, 2), slice(2, 4), slice(4, 6), slice(6, 8)]


def test_logit_normal_levels(dice: Make) -> None:
    levels = logit_normal(dice(rows=4000))
    logits = torch.log(levels / (1 - levels))
    assert float(logits.mean()) == pytest.approx(0, abs=0.05)
    assert float(logits.std()) == pytest.approx(1, abs=0.05)


def test_pyramid_lines_against_the_formulas() -> None:
    clean, noise = torch.randn(1, 2, 1, 16, 16), torch.randn(1, 2, 1, 16, 16)
    lines = pyramid_lines(clean, noise, pyramid())

    def down(x: Tensor, times: int) -> Tensor:
        for _ in range(times):
            x = functional.interpolate(x[:, :, 0], scale_factor=0.5, mode="bilinear").unsqueeze(2)
        return x

    cleans, noises = [down(clean, n) for n in (2, 1, 0)], [4 * down(noise, 2), 2 * down(noise, 1), noise]
    starts, ends = (0.999, 0.799760, 0.500374), (0.666333, 0.333666, 0.0)
    for n, line in enumerate(lines):
        torch.testing.assert_close(line.end, ends[n] * noises[n] + (1 - ends[n]) * cleans[n], atol=1e-5, rtol=0)
        if n:
            up = functional.interpolate(cleans[n - 1][:, :, 0], scale_factor=2, mode="nearest").unsqueeze(2)
            expected = starts[n] * noises[n] + (1 - starts[n]) * up
            torch.testing.assert_close(lines[n].start, expected, atol=1e-5, rtol=0)
    assert torch.equal(lines[0].start, noises[0])
    assert torch.equal(lines[2].end, clean)
    torch.testing.assert_close(noises[0].std(), torch.tensor(1.0), atol=0.4, rtol=0)


def test_a_line_begins_where_the_stage_before_ends() -> None:
    """Sampling doubles the end of a stage and adds noise: signal and noise are what training begins the next with."""
    before, *others = stages(pyramid())
    for stage in others:
        assert stage.keep * (1 - before.end) == pytest.approx(1 - stage.start, abs=1e-3)
        assert math.hypot(stage.keep * before.end, stage.renoise) == pytest.approx(stage.start, abs=1e-3)
        before = stage


def test_stage_loss_and_its_table(model: HeliosTransformer, source: Callable[..., Shuffled]) -> None:
    given = told(cut_windows(source().next(Rows(2, 0, 2)), [1, 2], LAYOUT), LAYOUT)
    line = pyramid_lines(torch.randn(SHAPE), torch.randn(SHAPE), pyramid())[1]
    table = stage_table(pyramid(None), 1, 8)
    assert len(table.timesteps) == 1000
    assert (table.timesteps[0], table.timesteps[-1]) == (743.0, 385.0)
    sigma = torch.tensor([table.sigmas[100], table.sigmas[900]])
    timestep = torch.tensor([table.timesteps[100], table.timesteps[900]])
    with torch.no_grad():
        found = stage_loss(model, given, line, timestep, sigma)
        s = sigma.view(-1, 1, 1, 1, 1)
        velocity = given.velocity(model, s * line.start + (1 - s) * line.end, timestep)
    torch.testing.assert_close(found, (velocity - line.start + line.end).square().mean((1, 2, 3, 4)))


def test_rows_belong_to_stages_by_the_ratios() -> None:
    places = [place for step in range(4) for place in stage_of_rows((1, 2, 1), step, 3)]
    assert [places.count(stage) for stage in range(3)] == [3, 6, 3]
    assert stage_of_rows((1, 2, 1), 7, 4) == [0, 1, 1, 2]


def test_the_teachers_way_is_the_samplers(dice: Make) -> None:
    plan = SamplingPlan(pyramid("exponential", "unipc"), (4, 3, 3), Guidance(5.0, True), False, "current")
    net = torch.nn.Conv3d(4, 4, 1)

    def velocity(sample: Tensor, timestep: Tensor, worded: bool) -> Tensor:
        with torch.no_grad():
            return net(sample) + 0.001 * timestep.view(-1, 1, 1, 1, 1) + worded  # type: ignore[no-any-return]

    def draw(number: int, shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=torch.Generator().manual_seed(number))

    legs = teacher_way(plan, velocity, draw, SHAPE, PATCH)
    assert torch.equal(legs[-1].end, sample_chunk(plan, velocity, draw, SHAPE, PATCH, False))
    assert [len(leg.samples) for leg in legs] == [4, 3, 3]
    found = trajectory_loss(lambda x, t: 0.1 * x, legs, [1, 2, 0], 80.0)
    expected = [
        40 * (leg.samples[i] - leg.schedule.sigmas[i] * 0.1 * leg.samples[i] - leg.end).square().mean()
        for leg, i in zip(legs, (1, 2, 0), strict=True)
    ]
    torch.testing.assert_close(found, torch.stack(expected).mean())


@pytest.mark.parametrize("first", [False, True])
def test_a_rollout_to_the_last_step_is_the_samplers(first: bool) -> None:
    plan = SamplingPlan(pyramid(), (2, 1, 2), Guidance(1.0, False), True, "current")
    scale = torch.tensor(0.3, requires_grad=True)
    calls: list[bool] = []

    def network(sample: Tensor, timestep: Tensor) -> Tensor:
        calls.append(torch.is_grad_enabled())
        return scale * sample + 0.001 * timestep.view(-1, 1, 1, 1, 1)

    def draw(number: int, shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=torch.Generator().manual_seed(number))

    exits = [len(table.timesteps) - 1 for table in schedules(plan, SHAPE, PATCH, first)]
    found = roll_out(plan, network, draw, SHAPE, PATCH, first, exits)
    assert calls == [index == leave for leave in exits for index in range(leave + 1)], "gradients at the exits only"
    expected = sample_chunk(plan, lambda x, t, _: network(x, t).detach(), draw, SHAPE, PATCH, first)
    torch.testing.assert_close(found.detach(), expected)
    (gradient,) = torch.autograd.grad(found.sum(), scale)
    assert gradient.abs() > 0


def test_matching_follows_the_difference_of_the_scores() -> None:
    sample = torch.randn(SHAPE, requires_grad=True)
    fake, real = torch.randn(SHAPE), torch.randn(SHAPE)
    gradient = matching.matching_gradient(sample, fake, real)
    by_hand = torch.stack([(f - r) / (x - r).abs().mean() for x, f, r in zip(sample, fake, real, strict=True)])
    torch.testing.assert_close(gradient.float(), by_hand)
    matching.matching_loss(sample, gradient).backward()  # type: ignore[no-untyped-call]
    assert sample.grad is not None
    torch.testing.assert_close(sample.grad, (by_hand / sample.numel()).detach())


def test_matching_moves_a_gaussian_to_the_data() -> None:
    """Data N(2, 0.5²); the generator is m + d n, the fake score exact for it: the optimum is m = 2, d = 0.5."""
    generator = torch.Generator().manual_seed(0)
    mean, deviation = torch.tensor(-1.0, requires_grad=True), torch.tensor(1.5, requires_grad=True)
    optimizer = torch.optim.Adam([mean, deviation], lr=0.02)

    def clean(noisy: Tensor, sigma: Tensor, mu: Tensor, std: Tensor) -> Tensor:
        """E[x | (1-s) x + s n] for x from N(mu, std²)."""
        gain = (1 - sigma) * std**2 / ((1 - sigma) ** 2 * std**2 + sigma**2)
        return mu + gain * (noisy - (1 - sigma) * mu)

    for _ in range(400):
        sample = mean + deviation * torch.randn(64, 1, 1, 2, 2, generator=generator)
        sigma = torch.rand(64, 1, 1, 1, 1, generator=generator) * 0.96 + 0.02
        noisy = (1 - sigma) * sample.detach() + sigma * torch.randn(sample.shape, generator=generator)
        fake = clean(noisy, sigma, mean.detach(), deviation.detach())
        real = clean(noisy, sigma, torch.tensor(2.0), torch.tensor(0.5))
        optimizer.zero_grad()
        matching.matching_loss(sample, matching.matching_gradient(sample, fake, real)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert mean.item() == pytest.approx(2.0, abs=0.1)
    assert deviation.abs().item() == pytest.approx(0.5, abs=0.12)


def test_the_levels_of_scores(dice: Make) -> None:
    part = MatchingPart()
    assert matching.beta_of(part, 0) == (4.0, 1.5)
    assert matching.beta_of(part, 250) == pytest.approx((2.5, 1.25))
    assert matching.beta_of(part, 900) == (1.0, 1.0)
    drawn = dice(rows=3000).beta(4.0, 1.5)
    assert float(drawn.mean()) == pytest.approx(4 / 5.5, abs=0.02)
    levels = matching.score_levels(part, torch.tensor([0.0, 0.5, 1.0]), 1.919, dice())
    torch.testing.assert_close(levels, torch.tensor([0.02, 1.919 / 2.919, 0.98]))


def test_adversarial_losses() -> None:
    made, data = torch.tensor([0.3, -2.0]), torch.tensor([1.0, 0.5])
    by_hand = [math.log1p(math.exp(m)) + math.log1p(math.exp(-d)) for m, d in zip(made, data, strict=True)]
    assert float(adversarial.critic_loss(made, data)) == pytest.approx(sum(by_hand) / 2)
    assert float(adversarial.generator_loss(made)) == pytest.approx(sum(math.log1p(math.exp(-m)) for m in made) / 2)
    # For logits that are linear in the data, the finite difference is sigma² |gradient|².
    gradient, sigma = torch.tensor([1.0, -2.0, 0.5]), 0.1
    x, noise = torch.randn(20000, 3), torch.randn(20000, 3)
    found = adversarial.approximate_r1(x @ gradient, (x + sigma * noise) @ gradient)
    assert float(found) == pytest.approx(sigma**2 * float(gradient.square().sum()), rel=0.05)


def test_rows_of_processes_are_rows_of_the_batch() -> None:
    whole = Dice(1, 5, Rows(4, 0, 4), torch.device("cpu")).normal(3)
    parts = [Dice(1, 5, Rows.of(4, rank, 2), torch.device("cpu")).normal(3) for rank in range(2)]
    assert torch.equal(torch.cat(parts), whole)
    with pytest.raises(ValueError, match="batch of 5"):
        Rows.of(5, 0, 2)


def test_a_source_goes_on_where_it_stopped(source: Callable[..., Shuffled]) -> None:
    one, other, rows = source(), source(), Rows(4, 0, 4)
    seen = [one.next(rows).latents for _ in range(5)]
    one.next(rows)
    other.load_state_dict({"position": 16})
    assert torch.equal(other.next(rows).latents, seen[4])
    halves: list[Clips] = [source().next(Rows.of(4, rank, 2)) for rank in range(2)]
    assert torch.equal(torch.cat([half.latents for half in halves]), seen[0])
