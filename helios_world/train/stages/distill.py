"""The distill stage: a generator of few steps from a teacher of many.

Four roles share one frozen base and differ by adapters: the real score has none, the fake score has "critic", the
generator has "generator", and the teacher is what the generator begins as; where the mid stage was trained as an
adapter, teacher and generator have "mid" as well. First `train_trajectory`, then `train_matching`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from helios_world.memory import HistoryLayout
from helios_world.sampling.chunk import Draw
from helios_world.sampling.config import Guidance, SamplingPlan
from helios_world.sampling.flow import interpolate, predict_clean
from helios_world.sampling.guidance import Velocity
from helios_world.sampling.schedule import schedules
from helios_world.sampling.shift import dynamic_shift
from helios_world.train.stages import adversarial, matching
from helios_world.train.stages.adversarial import Discriminator
from helios_world.train.stages.base import TIMESTEPS, flow_loss, spoil
from helios_world.train.stages.blocks import listening
from helios_world.train.stages.clips import Clips
from helios_world.train.stages.dice import Dice, place
from helios_world.train.stages.parts import MatchingPart, TrajectoryPart
from helios_world.train.stages.recipe import DistillRecipe
from helios_world.train.stages.rollout import Shape, roll_out
from helios_world.train.stages.run import Run
from helios_world.train.stages.trajectory import Leg, Network, teacher_way, trajectory_loss
from helios_world.train.stages.windows import Told, Window, count_sections, cut_windows, told


@dataclass(frozen=True)
class Roles:
    """The adapters of each role."""

    teacher: tuple[str, ...]
    generator: tuple[str, ...]
    real: tuple[str, ...] = ()
    fake: tuple[str, ...] = ("critic",)

    @classmethod
    def of(cls, recipe: DistillRecipe) -> Roles:
        mid = () if recipe.mid is None else ("mid",)
        return cls(teacher=mid, generator=(*mid, "generator"))


class Distillation:
    """The roles of a run at work."""

    def __init__(self, run: Run, recipe: DistillRecipe, heads: Discriminator | None = None) -> None:
        assert run.adapters is not None
        self.run, self.recipe, self.heads = run, recipe, heads
        self.roles, self.switch = Roles.of(recipe), run.adapters.switch
        self.layout: HistoryLayout = recipe.layout.layout()

    def network(self, role: tuple[str, ...], given: Told) -> Network:
        """A role's velocity, given the rest."""

        def velocity(sample: Tensor, timestep: Tensor) -> Tensor:
            with self.switch.using(*role), self.run.autocast():
                return given.velocity(self.run.model, sample, place(timestep, sample.device))

        return velocity

    def teacher(self, given: Told) -> Velocity:
        """The teacher's velocity with words and without, for guidance."""
        with_words = self.network(self.roles.teacher, given)
        silent = self.network(self.roles.teacher, given.silent(self.run.source.empty_text))
        return lambda sample, timestep, worded: (with_words if worded else silent)(sample, timestep)

    def plan(self, part: MatchingPart) -> SamplingPlan:
        """How the generator samples."""
        scheduler = self.recipe.schedule.config("dmd")
        return SamplingPlan(scheduler, part.steps, Guidance(1.0, False), part.amplify_first, "current")

    def generate(self, given: Told, dice: Dice, part: MatchingPart, shape: Shape, first: bool) -> Tensor:
        """A chunk of the generator, each stage left at a random step, with gradients where they are enabled."""
        tables = schedules(self.plan(part), shape, self.run.model.config.patch_size, first)
        return self._roll(given, dice, part, shape, first, [dice.together(len(t.timesteps)) for t in tables])

    @torch.no_grad()
    def sampled(self, given: Told, dice: Dice, part: MatchingPart, shape: Shape, first: bool) -> Tensor:
        """A chunk with all of its steps, as a session has it."""
        tables = schedules(self.plan(part), shape, self.run.model.config.patch_size, first)
        return self._roll(given, dice, part, shape, first, [len(t.timesteps) - 1 for t in tables])

    def _roll(
        self, given: Told, dice: Dice, part: MatchingPart, shape: Shape, first: bool, exits: Sequence[int]
    ) -> Tensor:
        network, patch = self.network(self.roles.generator, given), self.run.model.config.patch_size
        return roll_out(self.plan(part), network, drawing(dice), shape, patch, first, exits)

    def clean(self, role: tuple[str, ...], given: Told, noisy: Tensor, sigma: Tensor) -> Tensor:
        """What a role takes the clean latents to be."""
        return predict_clean(noisy, self.network(role, given)(noisy, TIMESTEPS * sigma), sigma)

    def logits(self, given: Told, noisy: Tensor, sigma: Tensor) -> Tensor:
        """The heads' opinion of noised latents."""
        assert self.heads is not None
        numbers = tapped(self.recipe, len(self.run.model.blocks))
        with self.switch.using(*self.roles.fake), self.run.autocast(), listening(self.run.model, numbers) as heard:
            given.velocity(self.run.model, noisy, TIMESTEPS * sigma)
            found: Tensor = self.heads(heard, given.text)
        return found


def tapped(recipe: DistillRecipe, count: int) -> tuple[int, ...]:
    """The numbers of the blocks that heads read: those of the recipe, and the last."""
    part = recipe.matching.adversarial if recipe.matching else None
    return () if part is None else tuple(sorted({*part.blocks, count - 1}))


def begins(recipe: DistillRecipe) -> int:
    """The step of a run with which distribution matching begins."""
    return recipe.trajectory.steps if recipe.trajectory else 0


def drawing(dice: Dice) -> Draw:
    """The noise of a rollout."""
    return lambda number, shape: dice.normal(*shape[1:])


def train_trajectory(run: Run, recipe: DistillRecipe, part: TrajectoryPart) -> None:
    """The loop of the beginning: the teacher rolls out, the generator learns where its stages end."""
    work = Distillation(run, recipe)
    run.learners["generator"].settle(part.optimizer)
    for dice in run.steps(part.steps):
        ways, given = teacher_rollout(work, part, run.source.next(dice.rows), dice)
        loss = torch.zeros((), device=run.device)
        for section in dice.several(part.trained, part.sections):
            chosen = [dice.together(len(leg.samples)) for leg in ways[section]]
            network = work.network(work.roles.generator, given[section])
            loss = loss + trajectory_loss(network, ways[section], chosen, part.weight) / part.trained
        run.learn("generator", loss)
        run.report(trajectory=loss)


@torch.no_grad()
def teacher_rollout(
    work: Distillation, part: TrajectoryPart, clips: Clips, dice: Dice
) -> tuple[list[list[Leg]], list[Told]]:
    """Sections one after the other, the history of each being what the teacher made before; ways and what was told."""
    layout, made = work.layout, torch.zeros_like(clips.latents)
    scheduler = replace(work.recipe.schedule.config("unipc"), dynamic_shift=part.shift)
    guidance = Guidance(part.guidance, zero_star=True, zero_steps=part.zero_steps)
    plan = SamplingPlan(scheduler, part.teacher_steps, guidance, False, "current")
    ways, given = [], []
    for section in range(part.sections):
        window = cut_windows(replace(clips, latents=made), [section] * dice.rows.count, layout)
        given.append(told(window, layout))
        shape = cast(Shape, tuple(window.target.shape))
        patch = work.run.model.config.patch_size
        ways.append(teacher_way(plan, work.teacher(given[-1]), drawing(dice), shape, patch))
        made[:, :, section * layout.chunk : (section + 1) * layout.chunk] = ways[-1][-1].end
    return ways, given


def train_matching(run: Run, recipe: DistillRecipe, part: MatchingPart, heads: Discriminator | None) -> None:
    """The loop of distribution matching: the critic learns in every step, the generator in every few."""
    work, first = Distillation(run, recipe, heads), begins(recipe)
    if run.step < first:  # stopped before the end of the trajectories
        return
    enter = run.learners["generator"].begin if run.step == first else run.learners["generator"].settle
    enter(part.generator)
    for dice in run.steps():
        matching_step(work, part, dice)


def matching_step(work: Distillation, part: MatchingPart, dice: Dice) -> None:
    """One step of the loop."""
    run, recipe = work.run, work.recipe
    step = run.step - begins(recipe)
    clips = run.source.next(dice.rows)
    section = dice.together(count_sections(clips, work.layout))
    if dice.together_uniform() < part.own_history:
        clips = own_clips(work, part, clips, section, dice)
    window = cut_windows(clips, [section] * dice.rows.count, work.layout)
    window, given, first = shown(work, window, dice, first=section == 0)
    shape, turn = cast(Shape, tuple(window.target.shape)), step % part.every == 0
    with torch.set_grad_enabled(turn):
        sample = work.generate(given, dice, part, shape, first)
    if turn:
        loss = generator_loss(work, part, given, sample, dice, step)
        run.learn("generator", loss)
        run.report(generator=loss)
    loss = critic_loss(work, part, given, sample.detach(), window.target, dice, step)
    run.learn("critic", loss)
    run.report(critic=loss)


def shown(work: Distillation, window: Window, dice: Dice, *, first: bool) -> tuple[Window, Told, bool]:
    """The window with what the roles are told of it, and whether that is what a first chunk is told.

    A first chunk may have more steps, so all rows are without a history or none: in a session nothing but a first chunk
    has none, and its steps are to be learned there.
    """
    dropping = work.recipe.dropping
    first = dice.together_uniform() < dropping.text or first
    window = replace(window, present=window.present & (not first))
    others = work.recipe.model_copy(update={"dropping": dropping.model_copy(update={"text": 0.0})})
    return window, spoil(others, window, work.run.source.empty_text, work.layout, dice), first


@torch.no_grad()
def own_clips(work: Distillation, part: MatchingPart, clips: Clips, section: int, dice: Dice) -> Clips:
    """The clips with everything before `section` made by the generator itself: the self-rollout."""
    chunk, made = work.layout.chunk, clips.latents.clone()
    for earlier in range(section):
        window = cut_windows(replace(clips, latents=made), [earlier] * dice.rows.count, work.layout)
        shape = cast(Shape, tuple(window.target.shape))
        made[:, :, earlier * chunk : (earlier + 1) * chunk] = work.sampled(
            told(window, work.layout), dice, part, shape, earlier == 0
        )
    return replace(clips, latents=made)


def generator_loss(
    work: Distillation, part: MatchingPart, given: Told, sample: Tensor, dice: Dice, step: int
) -> Tensor:
    """Distribution matching for a generated chunk, and what the heads say of it."""
    sigma = _levels(work, part, dice.beta(*matching.beta_of(part, step)), sample, dice)
    noise = dice.normal(*sample.shape[1:])
    with torch.no_grad():
        noisy = interpolate(sample, noise, sigma)
        fake = work.clean(work.roles.fake, given, noisy, sigma)
        worded = work.clean(work.roles.real, given, noisy, sigma)
        silent = work.clean(work.roles.real, given.silent(work.run.source.empty_text), noisy, sigma)
        real = worded + part.real_guidance * (worded - silent)
    loss = matching.matching_loss(sample, matching.matching_gradient(sample, fake, real)).float()
    against = part.adversarial
    if against is None or step < against.begin:
        return loss
    opinion = work.logits(given, interpolate(sample, noise, sigma), sigma)
    return loss + against.generator_weight * adversarial.generator_loss(opinion)


def critic_loss(
    work: Distillation, part: MatchingPart, given: Told, sample: Tensor, data: Tensor, dice: Dice, step: int
) -> Tensor:
    """The fake score learns the flow of what the generator makes; the heads learn to tell it from data."""
    sigma = _levels(work, part, dice.uniform(), sample, dice)
    noise = dice.normal(*sample.shape[1:])
    with work.switch.using(*work.roles.fake), work.run.autocast():
        loss = flow_loss(work.run.model, given, sample, noise, sigma)
    against = part.adversarial
    if against is None or step < against.begin:
        return loss
    seen = interpolate(data, noise, sigma)
    disturbed = seen + against.penalty_noise * dice.normal(*data.shape[1:])
    of_made, of_data, of_disturbed = (
        work.logits(given, latents, sigma) for latents in (interpolate(sample, noise, sigma), seen, disturbed)
    )
    told_apart = against.critic_weight * adversarial.critic_loss(of_made, of_data)
    return loss + told_apart + against.penalty * adversarial.approximate_r1(of_data, of_disturbed)


def _levels(work: Distillation, part: MatchingPart, drawn: Tensor, sample: Tensor, dice: Dice) -> Tensor:
    shift = dynamic_shift(math.prod(work.run.model.grid(sample)), work.recipe.schedule.config("dmd"))
    return matching.score_levels(part, drawn, shift, dice)
