"""Many walkers in the lands: where they are, what they do, and which words go with it. On the processor, in numpy.

Nothing here knows of the model, so a training on another device never waits for it: `next` says what the next chunks
of some walkers show, and `streams.py` paints and remembers it there.

Letters: K walkers of a batch, S all walkers, R pictures of the past that new walks begin with.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from helios_world.lands import physics
from helios_world.lands.captions import Scene, caption
from helios_world.lands.explorer import Explorer
from helios_world.lands.world import FRAMES_PER_CHUNK as FRAMES
from helios_world.text import TextConfig
from helios_world.train.recipe import StreamPart
from helios_world.train.words import Phrase, take_apart

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Clips:
    """What M chunks show: poses [M, 4, 3], scenes [M, 2], faded in over the scenes `before` [M, 2] by `share` [M]."""

    poses: F64
    scenes: I64
    before: I64
    share: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Past:
    """What new walks remember: `clips` of R chunks; `walkers` [R] whose they are and `slots` [R] where they belong.

    A slot counts the chunks remembered, the oldest first; `first` [R] marks the first chunk of a walk, its anchor.
    """

    walkers: I64
    slots: I64
    first: Flags
    clips: Clips


@dataclass(frozen=True)
class Turn:
    """The next chunk of K walkers.

    Args:
        which: [K]; begun: the walkers that were put elsewhere; restarted: those that begin a stretch from the truth.
        past: what the begun ones remember; clips: what all K see now.
        actions: float32 [K, 6], the previous and the present controls.
        began, states: [K, 6] at the beginning and at the end of the chunk.
        own: [K], whether the history is the model's own; length: [K], chunks remembered so far.
        words: K prompts; fading: rows of the batch whose prompt changes, and the prompts `before` of these.
    """

    which: I64
    begun: I64
    restarted: I64
    past: Past
    clips: Clips
    actions: npt.NDArray[np.float32]
    began: F64
    states: F64
    own: Flags
    length: I64
    words: list[Phrase]
    fading: I64
    before: list[Phrase]


class Walkers:
    """S walkers. Each begins its first walk when its turn comes. `own_share` may be changed as the training goes.

    Args:
        memory: chunks that a walker remembers.
        blend: chunks that a change of the prompt takes.
    """

    def __init__(self, part: StreamPart, blend: int, memory: int, seed: int) -> None:
        self.part, self.blend, self.memory = part, blend, memory
        self.text = TextConfig()
        self.rng = np.random.default_rng(seed)
        self.own_share = 0.0
        count = part.count
        self.states = np.zeros((count, physics.STATE_SIZE))
        self.scenes = np.zeros((count, 2), np.int64)
        self.old_scenes = np.zeros((count, 2), np.int64)
        self.faded = np.full(count, blend)
        self.previous = np.zeros((count, 3), np.float32)
        self.own = np.zeros(count, bool)
        self.segment = np.zeros(count, np.int64)
        self.life = np.zeros(count, np.int64)
        self.length = np.zeros(count, np.int64)
        self.queue = np.zeros(0, np.int64)
        self.explorer = Explorer(count, self.rng, part.rest)
        self.prompts, self.old_prompts = [""] * count, [""] * count
        self._phrases = {"": take_apart("", self.text)}

    def next(self, size: int) -> Turn:
        """Walk `size` walkers on by one chunk."""
        which = self._draw(size)
        begun = which[self.life[which] <= 0]
        past = self._begin(begun)
        self._change_prompts(which)
        restarted = self._change_segments(which)
        began = self.states[which]
        controls = self.explorer.sample_for(which, began)
        self.states[which], poses = physics.walk(began, controls, self.scenes[which, 0], FRAMES)
        self.faded[which] = np.minimum(self.faded[which] + 1, self.blend)
        share = (self.faded[which] / self.blend).astype(np.float32)
        actions = np.concatenate([self.previous[which], controls], axis=1)
        self.previous[which] = controls
        self.life[which] -= 1
        fading = np.flatnonzero(share < 1)
        return Turn(
            which=which,
            begun=begun,
            restarted=restarted,
            past=past,
            clips=Clips(poses, self.scenes[which], self.old_scenes[which], share),
            actions=actions,
            began=began,
            states=self.states[which],
            own=self.own[which],
            length=self.length[which],
            words=[self._phrase(self.prompts[i]) for i in which],
            fading=fading,
            before=[self._phrase(self.old_prompts[i]) for i in which[fading]],
        )

    def remembered(self, which: I64) -> None:
        """These walkers now remember one chunk more."""
        self.length[which] += 1

    def state_dict(self) -> dict[str, Any]:
        """Everything to go on from, as tensors and text."""
        arrays = {name: torch.from_numpy(array.copy()) for name, array in self._arrays().items()}
        arrays["queue"] = torch.from_numpy(self.queue.copy())
        texts = {"prompts": list(self.prompts), "old_prompts": list(self.old_prompts)}
        return {**arrays, **texts, "rng": json.dumps(self.rng.bit_generator.state)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, array in self._arrays().items():
            array[...] = state[name].numpy()
        self.queue = state["queue"].numpy().copy()
        self.prompts, self.old_prompts = list(state["prompts"]), list(state["old_prompts"])
        self.rng.bit_generator.state = json.loads(state["rng"])
        self._forget_phrases()

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        own = ("states", "scenes", "old_scenes", "faded", "previous", "own", "segment", "life", "length")
        arrays = {name: getattr(self, name) for name in own}
        return arrays | {"controls": self.explorer.controls, "left": self.explorer.left}

    def _draw(self, size: int) -> I64:
        if len(self.queue) < size:
            self.queue = np.concatenate([self.queue, self.rng.permutation(self.part.count)])
            self.queue = self.queue[np.sort(np.unique(self.queue, return_index=True)[1])]
        which, self.queue = self.queue[:size], self.queue[size:]
        return which

    def _begin(self, which: I64) -> Past:
        """Put walkers somewhere new: from words alone, from one picture, or in the middle of a walk."""
        count, rng = len(which), self.rng
        self.scenes[which] = self.old_scenes[which] = rng.integers(0, 4, (count, 2))
        mode = rng.choice(3, count, p=[self.part.words, self.part.image, 1 - self.part.words - self.part.image])
        poses = physics.random_poses(rng, self.scenes[which, 0])
        spawns = np.array([physics.spawn_pose(int(land)) for land in self.scenes[which, 0]]).reshape(count, 3)
        self.states[which] = physics.at_rest(np.where(mode[:, None] == 0, spawns, poses))
        self.previous[which] = 0
        self.explorer.forget(which)
        self.faded[which] = self.blend
        self.life[which] = np.clip(rng.exponential(self.part.life, count), 8, 400).astype(np.int64)
        self.own[which], self.segment[which], self.length[which] = False, 0, 0
        dropped = (mode != 0) & (rng.random(count) < self.part.prompt_dropout)
        for i, silent in zip(which, dropped, strict=True):
            self.prompts[i] = self.old_prompts[i] = "" if silent else self._caption(int(i))
        self._forget_phrases()
        return self._look_back(which[mode == 1], which[mode == 2])

    def _look_back(self, pictured: I64, walking: I64) -> Past:
        """What those remember that begin from one picture, and those that have walked for some chunks."""
        lengths = self.rng.integers(2, self.memory + 1, len(walking))
        owners, ages = [pictured], [np.zeros(len(pictured), np.int64)]
        poses = [np.repeat(self.states[pictured, None, :3], FRAMES, axis=1)]
        for step in range(int(lengths.max(initial=0))):
            now = walking[lengths > step]
            controls = self.explorer.sample_for(now, self.states[now])
            self.states[now], seen = physics.walk(self.states[now], controls, self.scenes[now, 0], FRAMES)
            self.previous[now] = controls
            owners.append(now)
            ages.append(np.full(len(now), step))
            poses.append(seen)
        self.length[pictured], self.length[walking] = 1, lengths
        walkers, age = np.concatenate(owners), np.concatenate(ages)
        scenes = self.scenes[walkers]
        clips = Clips(np.concatenate(poses), scenes, scenes, np.ones(len(walkers), np.float32))
        return Past(walkers, self.memory - self.length[walkers] + age, age == 0, clips)

    def _change_prompts(self, which: I64) -> None:
        settled = (self.faded[which] >= self.blend) & (self.length[which] > 0)
        chosen = which[settled & (self.rng.random(len(which)) < self.part.prompt_change)]
        self.old_scenes[chosen] = self.scenes[chosen]
        drawn = self.rng.integers(0, 4, (len(chosen), 2))
        stays = self.rng.random(len(chosen)) < 0.6
        self.scenes[chosen, 0] = np.where(stays, self.scenes[chosen, 0], drawn[:, 0])
        self.scenes[chosen, 1] = drawn[:, 1]
        for i in chosen:
            self.old_prompts[i], self.prompts[i] = self.prompts[i], self._caption(int(i))
        self.faded[chosen] = 0
        self.states[chosen, :2] = physics.keep_out(self.states[chosen, :2], self.scenes[chosen, 0])

    def _change_segments(self, which: I64) -> I64:
        """Switch walkers between the true history and their own; a new stretch begins from the truth."""
        ended = which[self.segment[which] <= 0]
        self.own[ended] = self.rng.random(len(ended)) < self.own_share
        mean = np.where(self.rng.random(len(ended)) < self.part.far, self.part.far_segment, self.part.segment)
        self.segment[ended] = 1 + self.rng.exponential(mean).astype(np.int64)
        self.segment[which] -= 1
        return ended

    def _caption(self, i: int) -> str:
        land, moment = self.scenes[i]
        return caption(self.rng, Scene(int(land), int(moment)))

    def _phrase(self, prompt: str) -> Phrase:
        """A prompt taken apart; every prompt only once in its life."""
        found = self._phrases.get(prompt)
        if found is None:
            found = self._phrases[prompt] = take_apart(prompt, self.text)
        return found

    def _forget_phrases(self) -> None:
        """Of prompts that no walker has any more, once they are many."""
        if len(self._phrases) > 4 * self.part.count:
            alive = {*self.prompts, *self.old_prompts}
            self._phrases = {prompt: phrase for prompt, phrase in self._phrases.items() if prompt in alive}
