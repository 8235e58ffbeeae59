"""Where the batches come from: many walkers in the lands, each with the memory that a session would have.

A walker's history is either the truth or what the model itself has made, one chunk after the other, while the
target stays the truth: so the model learns to hold on to a place in spite of its own errors. Nothing is stored on
disk; the lands are rendered as the training goes. Frames, latents and memories live on the device, and nothing here
waits for it.

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
from helios_world.lands.painters import Painter, upload
from helios_world.lands.world import FRAMES_PER_CHUNK as FRAMES
from helios_world.memory import HistoryLayout, HistoryViews
from helios_world.model.guide import Guide
from helios_world.places import Atlas
from helios_world.places.place import shifted
from helios_world.train.recipe import Recipe
from helios_world.train.views import scenes_of, standing
from helios_world.train.walkers import Clips, Past, Turn, Walkers
from helios_world.train.words import Words, put_together

I64 = npt.NDArray[np.int64]
CLIPS = 256  # chunks of frames encoded at once; it bounds the memory


@dataclass(frozen=True)
class Batch:
    """One chunk of K walkers, on the device.

    Args:
        which: [K] the walkers, on the processor; index: the same on the device.
        target: [K, C, 1, h, w]; history: as the model takes it.
        actions: [K, 1, 6], the previous and the present controls.
        words: K prompts as they are now; before: of the rows `fading`, those that were there before.
        share: of the text now in the mixture, one number per row of `fading`.
        scenes: [K, 2] land and moment now; poses: [K, 4] place in 10 m and heading as cosine and sine, at the end.
        guide: what an atlas expects to see, if there is one.
        own: [K] whether the history is the model's own; first: [K] whether there is no history yet.
    """

    which: I64
    index: Tensor
    target: Tensor
    history: HistoryViews
    actions: Tensor
    words: Words
    before: Words | None
    fading: Tensor
    share: Tensor
    scenes: Tensor
    poses: Tensor
    guide: Guide | None
    own: Tensor
    first: Tensor


class Streams:
    """S walkers and their memories."""

    def __init__(
        self,
        recipe: Recipe,
        codec: LatentCodec,
        layout: HistoryLayout,
        painter: Painter,
        seed: int,
        atlas: Atlas | None = None,
    ) -> None:
        self.atlas = atlas
        self.part, self.codec, self.layout, self.painter = recipe.streams, codec, layout, painter
        self.device = codec.mean.device
        self.walkers = Walkers(recipe.streams, recipe.world.blend, layout.length, seed)
        self.generator = torch.Generator(self.device).manual_seed(seed)
        c, world = codec.config, recipe.world
        grid = world.height // c.spatial, world.width // c.spatial
        count, channels = self.part.count, c.latent_channels
        self.truth = torch.zeros(count, channels, layout.length, *grid, device=self.device)
        self.made = torch.zeros_like(self.truth)
        self.anchor = torch.zeros(count, channels, 1, *grid, device=self.device)

    def next(self, size: int) -> Batch:
        """Walk `size` walkers on by one chunk."""
        return self.show(self.walkers.next(size))

    def show(self, turn: Turn) -> Batch:
        """Paint and encode what a turn shows, and put a batch together."""
        begun = len(turn.past.walkers)
        latents = self._latents(_joined(turn.past.clips, turn.clips))
        self._refill(turn.begun, turn.past, latents[:begun])
        restarted = self._up(turn.restarted)
        self.made[restarted] = self.truth[restarted]
        index, text = self._up(turn.which), self.walkers.text
        return Batch(
            which=turn.which,
            index=index,
            target=latents[begun:],
            history=self._history(index, self._up(turn.own), self._up(turn.length)),
            actions=self._up(turn.actions[:, None]),
            words=put_together(turn.words, text, self.device),
            before=put_together(turn.before, text, self.device) if turn.before else None,
            fading=self._up(turn.fading),
            share=self._up(turn.clips.share[turn.fading]),
            scenes=self._up(turn.clips.scenes),
            poses=self._up(_pose_targets(turn.states)),
            guide=None if self.atlas is None else self._guide(turn, self.atlas),
            own=self._up(turn.own),
            first=self._up(turn.length == 0),
        )

    def push(self, batch: Batch, made: Tensor) -> None:
        """Remember the truth, and the latents [K, C, 1, h, w] that the model made where it goes its own way."""
        index, wide = batch.index, (-1, 1, 1, 1, 1)
        chosen = torch.where(batch.own.view(wide), made.to(batch.target), batch.target)
        self.anchor[index] = torch.where(batch.first.view(wide), chosen, self.anchor[index])
        self.truth[index] = torch.cat([self.truth[index][:, :, 1:], batch.target], dim=2)
        self.made[index] = torch.cat([self.made[index][:, :, 1:], chosen], dim=2)
        self.walkers.remembered(batch.which)

    def state_dict(self) -> dict[str, Any]:
        """Everything to go on from; as large as the memories."""
        tensors = {"truth": self.truth, "made": self.made, "anchor": self.anchor}
        return {**tensors, "walkers": self.walkers.state_dict(), "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for mine, name in ((self.truth, "truth"), (self.made, "made"), (self.anchor, "anchor")):
            mine.copy_(state[name])
        self.walkers.load_state_dict(state["walkers"])
        self.generator.set_state(state["generator"])

    def _up(self, array: npt.NDArray[Any]) -> Tensor:
        return upload(array, self.device)

    def _refill(self, begun: I64, past: Past, latents: Tensor) -> None:
        """New walks forget all, and remember what they begin with."""
        index = self._up(begun)
        for memory in (self.truth, self.made, self.anchor):
            memory.index_fill_(0, index, 0.0)
        owners, slots = self._up(past.walkers), self._up(past.slots)
        for ring in (self.truth, self.made):
            ring[owners, :, slots] = latents[:, :, 0]
        rows = np.flatnonzero(past.first)
        self.anchor[self._up(past.walkers[rows])] = latents[self._up(rows)]

    def _latents(self, clips: Clips) -> Tensor:
        """Latents [M, C, 1, h, w] of what clips show."""
        frames = self._frames(clips)
        return torch.cat([self.codec.encode(part) for part in torch.split(frames, CLIPS)])

    def _frames(self, clips: Clips) -> Tensor:
        """uint8 [M, 4, H, W, 3]; where the scene changes, both are painted and mixed."""
        count, fading = len(clips.poses), np.flatnonzero(clips.share < 1)
        poses = np.concatenate([clips.poses, clips.poses[fading]])
        scenes = np.concatenate([clips.scenes, clips.before[fading]])
        painted = self.painter(poses.reshape(-1, 3), np.repeat(scenes, FRAMES, axis=0))
        painted = painted.view(-1, FRAMES, *painted.shape[1:])
        frames, before = painted[:count], painted[count:]
        if len(fading):
            rows = upload(fading, frames.device)
            weight = upload(clips.share[fading], frames.device)[:, None, None, None, None]
            mixed = torch.lerp(before.float(), frames[rows].float(), weight)
            frames.index_copy_(0, rows, mixed.round().to(torch.uint8))
        return frames

    @torch.no_grad()
    def _guide(self, turn: Turn, atlas: Atlas) -> Guide:
        """What the atlas expects; places are a little wrong, some very, and some walkers do not know theirs."""
        before = standing(turn.began, turn.clips.scenes, self.device)
        count = len(before)
        lost, off = self._uniform(count) < self.part.lost, self._uniform(count) < self.part.astray
        size = self._uniform(count) * torch.where(off, 8.0, 1.0) * self.part.drift
        error = torch.randn((count, 3), generator=self.generator, device=self.device) * size[:, None]
        error[:, 2] *= 0.2
        scene, old = (scenes_of(pairs, self.device) for pairs in (turn.clips.scenes, turn.clips.before))
        share = self._up(turn.clips.share)[:, None]
        place = atlas.advance(shifted(before, error), self._up(turn.actions[:, 3:]), share * scene + (1 - share) * old)
        latents = atlas.paint(place, scene)
        if len(turn.fading):
            rows = self._up(turn.fading)
            mixed = torch.lerp(atlas.paint(place[rows], old[rows]), latents[rows], share[rows][..., None, None, None])
            latents = latents.index_copy(0, rows, mixed)
        return Guide(latents, (~lost).float())

    def _history(self, index: Tensor, own: Tensor, length: Tensor) -> HistoryViews:
        """The history, with noise on the true ones (frame-aware corruption)."""
        past = torch.cat([self.anchor[index], self.made[index]], dim=2)
        count, _, chunks, _, _ = past.shape
        level = self._uniform(count, chunks) * self.part.noise
        level = torch.where(self._uniform(count, 1) < self.part.clean, 0.0, level)
        level = torch.where(own[:, None], 0.25 * level, level)
        ages = torch.arange(chunks - 1, -1, -1, device=self.device)
        filled = ages < length[:, None]
        filled[:, 0] = length > 0
        sigma = torch.where(filled, level, 0.0)[:, None, :, None, None]
        noise = torch.randn(past.shape, generator=self.generator, device=self.device)
        anchor, rest = torch.split(torch.lerp(past, noise, sigma), [1, chunks - 1], dim=2)
        long, mid, short = torch.split(rest, [self.layout.long, self.layout.mid, self.layout.short], dim=2)
        return HistoryViews(anchor=anchor, long=long, mid=mid, short=short)

    def _uniform(self, *size: int) -> Tensor:
        return torch.rand(size, generator=self.generator, device=self.device)


def _joined(first: Clips, second: Clips) -> Clips:
    return Clips(
        np.concatenate([first.poses, second.poses]),
        np.concatenate([first.scenes, second.scenes]),
        np.concatenate([first.before, second.before]),
        np.concatenate([first.share, second.share]),
    )


def _pose_targets(states: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    x, y, heading = states[:, :3].T
    return np.stack([x / 10, y / 10, np.cos(heading), np.sin(heading)], axis=1).astype(np.float32)
