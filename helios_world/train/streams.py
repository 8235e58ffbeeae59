"""Where the batches come from: many walkers in the lands, each with the memory that a session would have.

A walker's history is either the truth or what the model itself has made, one chunk after the other, while the
target stays the truth: so the model learns to hold on to a place in spite of its own errors. Nothing is stored on
disk; the lands are rendered as the training goes.

Letters: K walkers of the batch, S all walkers, C latent channels, h w latent height and width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from helios_world.codec import LatentCodec
from helios_world.lands import physics
from helios_world.lands.captions import Scene, caption
from helios_world.lands.engine import render
from helios_world.lands.explorer import Explorer
from helios_world.lands.tables import Look
from helios_world.lands.world import FRAMES_PER_CHUNK as FRAMES
from helios_world.memory import HistoryLayout, HistoryViews
from helios_world.train.recipe import Recipe

I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """One chunk of K walkers.

    Args:
        which: [K] the walkers.
        target: [K, C, 1, h, w]; history: as the model takes it.
        actions: [K, 1, 6], the previous and the present controls.
        prompts, before: K texts each, now and before the change; share: [K] of the text now.
        scenes: [K, 2] land and moment now; poses: [K, 4] place in 10 m and heading as cosine and sine, at the end.
        own: [K] whether the history is the model's own.
    """

    which: I64
    target: Tensor
    history: HistoryViews
    actions: Tensor
    prompts: list[str]
    before: list[str]
    share: Tensor
    scenes: Tensor
    poses: Tensor
    own: npt.NDArray[np.bool_]


class Streams:
    """S walkers and their memories. `own_share` may be changed as the training goes."""

    def __init__(self, recipe: Recipe, codec: LatentCodec, layout: HistoryLayout, seed: int) -> None:
        self.recipe, self.part, self.codec, self.layout = recipe, recipe.streams, codec, layout
        self.look = Look(recipe.world.height, recipe.world.width, recipe.world.detail)
        self.rng = np.random.default_rng(seed)
        self.own_share = 0.0
        count, c = self.part.count, codec.config
        size = (
            c.latent_channels,
            layout.length,
            recipe.world.height // c.spatial,
            recipe.world.width // c.spatial,
        )
        self.device = codec.mean.device
        self.truth = torch.zeros(count, *size, device=self.device)
        self.made = torch.zeros_like(self.truth)
        self.anchor = torch.zeros(count, size[0], 1, *size[2:], device=self.device)
        self.states = np.zeros((count, physics.STATE_SIZE))
        self.scenes = np.zeros((count, 2), np.int64)
        self.old_scenes = np.zeros((count, 2), np.int64)
        self.faded = np.full(count, recipe.world.blend)
        self.previous = np.zeros((count, 3), np.float32)
        self.prompts = [""] * count
        self.before = [""] * count
        self.own = np.zeros(count, bool)
        self.segment = np.zeros(count, np.int64)
        self.life = np.zeros(count, np.int64)
        self.length = np.zeros(count, np.int64)
        self.explorer = Explorer(count, self.rng, self.part.rest)
        self.queue = np.zeros(0, np.int64)
        self._begin(np.arange(count))

    def next(self, size: int) -> Batch:
        """Walk `size` walkers on by one chunk."""
        which = self._draw(size)
        self._begin(which[self.life[which] <= 0])
        self._change_prompts(which)
        self._change_segments(which)
        controls = self.explorer.sample_for(which, self.states[which])
        lands = self.scenes[which, 0]
        self.states[which], poses = physics.walk(self.states[which], controls, lands, FRAMES)
        self.faded[which] = np.minimum(self.faded[which] + 1, self.recipe.world.blend)
        share = self.faded[which] / self.recipe.world.blend
        target = self._latents(poses, self.scenes[which], self.old_scenes[which], share)
        actions = np.concatenate([self.previous[which], controls], axis=1)[:, None]
        self.previous[which] = controls
        self.life[which] -= 1
        return Batch(
            which=which,
            target=target,
            history=self._history(which),
            actions=torch.from_numpy(actions).to(self.device),
            prompts=[self.prompts[i] for i in which],
            before=[self.before[i] for i in which],
            share=torch.from_numpy(share.astype(np.float32)).to(self.device),
            scenes=torch.from_numpy(self.scenes[which]).to(self.device),
            poses=self._pose_targets(self.states[which]),
            own=self.own[which],
        )

    def push(self, batch: Batch, made: Tensor) -> None:
        """Remember the truth, and the latents [K, C, 1, h, w] that the model made where it goes its own way."""
        index = torch.from_numpy(batch.which).to(self.device)
        own = torch.from_numpy(batch.own).to(self.device)[:, None, None, None, None]
        chosen = torch.where(own, made.to(batch.target), batch.target)
        first = torch.from_numpy(self.length[batch.which] == 0).to(self.device)[:, None, None, None, None]
        self.anchor[index] = torch.where(first, chosen, self.anchor[index])
        self.truth[index] = torch.cat([self.truth[index][:, :, 1:], batch.target], dim=2)
        self.made[index] = torch.cat([self.made[index][:, :, 1:], chosen], dim=2)
        self.length[batch.which] += 1

    def _draw(self, size: int) -> I64:
        if len(self.queue) < size:
            self.queue = np.concatenate([self.queue, self.rng.permutation(self.part.count)])
            self.queue = self.queue[np.sort(np.unique(self.queue, return_index=True)[1])]
        which, self.queue = self.queue[:size], self.queue[size:]
        return which

    def _begin(self, which: I64) -> None:
        """Put walkers somewhere new: from words alone, from one picture, or in the middle of a walk."""
        if len(which) == 0:
            return
        count, rng = len(which), self.rng
        index = torch.from_numpy(which).to(self.device)
        self.scenes[which] = self.old_scenes[which] = rng.integers(0, 4, (count, 2))
        mode = rng.choice(3, count, p=[self.part.words, self.part.image, 1 - self.part.words - self.part.image])
        poses = physics.random_poses(rng, self.scenes[which, 0])
        spawns = np.stack([physics.spawn_pose(int(land)) for land in self.scenes[which, 0]])
        self.states[which] = physics.at_rest(np.where(mode[:, None] == 0, spawns, poses))
        self.previous[which] = 0
        self.explorer.forget(which)
        self.faded[which] = self.recipe.world.blend
        self.life[which] = np.clip(rng.exponential(self.part.life, count), 8, 400).astype(np.int64)
        self.own[which], self.segment[which], self.length[which] = False, 0, 0
        for tensor in (self.truth, self.made, self.anchor):
            tensor[index] = 0
        for i, kind in zip(which, mode, strict=True):
            dropped = kind != 0 and rng.random() < self.part.prompt_dropout
            self.prompts[i] = self.before[i] = "" if dropped else self._caption(int(i))
        self._begin_image(which[mode == 1])
        self._begin_video(which[mode == 2])

    def _begin_image(self, which: I64) -> None:
        if len(which):
            poses = np.repeat(self.states[which, None, :3], FRAMES, axis=1)
            self._remember(which, self._latents(poses, self.scenes[which], self.scenes[which], np.ones(len(which))))

    def _begin_video(self, which: I64) -> None:
        """Walk for a random number of chunks and remember it."""
        lengths = self.rng.integers(2, self.layout.length + 1, len(which))
        for step in range(self.layout.length):
            now = which[lengths > step]
            if len(now) == 0:
                return
            controls = self.explorer.sample_for(now, self.states[now])
            self.states[now], poses = physics.walk(self.states[now], controls, self.scenes[now, 0], FRAMES)
            self.previous[now] = controls
            self._remember(now, self._latents(poses, self.scenes[now], self.scenes[now], np.ones(len(now))))

    def _remember(self, which: I64, latents: Tensor) -> None:
        index = torch.from_numpy(which).to(self.device)
        first = torch.from_numpy(self.length[which] == 0).to(self.device)[:, None, None, None, None]
        self.anchor[index] = torch.where(first, latents, self.anchor[index])
        for ring in (self.truth, self.made):
            ring[index] = torch.cat([ring[index][:, :, 1:], latents], dim=2)
        self.length[which] += 1

    def _change_prompts(self, which: I64) -> None:
        settled = self.faded[which] >= self.recipe.world.blend
        chosen = which[settled & (self.rng.random(len(which)) < self.part.prompt_change) & (self.length[which] > 0)]
        for i in chosen:
            self.old_scenes[i], self.before[i] = self.scenes[i], self.prompts[i]
            land, moment = self.rng.integers(0, 4, 2)
            self.scenes[i] = (self.scenes[i, 0] if self.rng.random() < 0.6 else land, moment)
            self.prompts[i] = self._caption(int(i))
            self.faded[i] = 0
        self.states[chosen, :2] = physics.keep_out(self.states[chosen, :2], self.scenes[chosen, 0])

    def _change_segments(self, which: I64) -> None:
        """Switch walkers between the true history and their own; a new stretch begins from the truth."""
        ended = which[self.segment[which] <= 0]
        index = torch.from_numpy(ended).to(self.device)
        self.made[index] = self.truth[index]
        self.own[ended] = self.rng.random(len(ended)) < self.own_share
        mean = np.where(self.rng.random(len(ended)) < self.part.far, self.part.far_segment, self.part.segment)
        self.segment[ended] = 1 + self.rng.exponential(mean).astype(np.int64)
        self.segment[which] -= 1

    def _caption(self, i: int) -> str:
        land, moment = self.scenes[i]
        return caption(self.rng, Scene(int(land), int(moment)))

    def _latents(self, poses: npt.NDArray[Any], scenes: I64, old: I64, share: npt.NDArray[Any]) -> Tensor:
        """Latents [K, C, 1, h, w] of poses [K, 4, 3], the new scene faded in by its share [K]."""
        count = len(poses)
        frames = render(self.look, poses.reshape(-1, 3), np.repeat(scenes, FRAMES, axis=0))
        frames = frames.reshape(count, FRAMES, *frames.shape[1:])
        fading = np.flatnonzero(share < 1)
        if len(fading):
            past = render(self.look, poses[fading].reshape(-1, 3), np.repeat(old[fading], FRAMES, axis=0))
            weight = share[fading][:, None, None, None, None]
            mixed = weight * frames[fading] + (1 - weight) * past.reshape(frames[fading].shape)
            frames[fading] = np.round(mixed).astype(np.uint8)
        return self.codec.encode(torch.from_numpy(frames))

    def _history(self, which: I64) -> HistoryViews:
        """The history, with noise on the true ones (frame-aware corruption)."""
        index = torch.from_numpy(which).to(self.device)
        own = self.own[which]
        past = torch.cat([self.anchor[index], self.made[index]], dim=2)
        level = self.rng.uniform(0, self.part.noise, past.shape[:1] + past.shape[2:3])
        level[self.rng.random(len(which)) < self.part.clean] = 0
        level[own] *= 0.25
        sigma = torch.from_numpy(level.astype(np.float32)).to(past)[:, None, :, None, None]
        noise = torch.from_numpy(self.rng.standard_normal(past.shape, dtype=np.float32)).to(past)
        filled = (
            torch.arange(past.shape[2] - 1, -1, -1).expand(len(which), -1)
            < torch.from_numpy(self.length[which])[:, None]
        )
        filled[:, 0] = torch.from_numpy(self.length[which] > 0)
        noisy = (1 - sigma) * past + sigma * noise
        past = torch.where(filled.to(past.device)[:, None, :, None, None], noisy, past)
        anchor, rest = past[:, :, :1], past[:, :, 1:]
        long, mid, short = torch.split(rest, [self.layout.long, self.layout.mid, self.layout.short], dim=2)
        return HistoryViews(anchor=anchor, long=long, mid=mid, short=short)

    def _pose_targets(self, states: npt.NDArray[Any]) -> Tensor:
        x, y, heading = states[:, :3].T
        rows = np.stack([x / 10, y / 10, np.cos(heading), np.sin(heading)], axis=1)
        return torch.from_numpy(rows.astype(np.float32)).to(self.device)
