"""A trained world against recordings that it never saw, frame by frame and action by action.

psnr: 10 log10(255² / mean squared error) of the dream against the recording, so many chunks after it was left to
itself with the recorded actions; `repeating` is the same for the last frame that it was shown. What fools it: blur.

control: the dream makes the next chunk once under every action of the game; the recorded action counts as recognised
if its dream is the nearest to what was recorded. The mean of the actions' recalls, over chunks in which something
moves: walking into a wall looks like standing still, so that no chunk tells the two apart. A world that ignores its
actions makes the same dream under all of them, of which the first is taken: that is chance. What fools it: any other
trace of the action, such as a mark in a corner.

gain: PSNR of the next chunk under the recorded action, less that under another one of the game's, drawn by chance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from helios_world.checkpoint import load_checkpoint
from helios_world.compute import Compute
from helios_world.data.episodes import Chunked
from helios_world.data.game import GameFile
from helios_world.data.importing import select
from helios_world.data.table import likely_action
from helios_world.dreamer import Request
from helios_world.errors import OptionError
from helios_world.evaluate.pixels import difference, psnr
from helios_world.memory import RollingMemory
from helios_world.native import NativeDreamer
from helios_world.spec import Action, Frames, PromptWeight

HORIZONS = (1, 2, 4, 8, 16)
SHOWN = 4
"""Chunks of a recording that the world is shown before it goes on alone."""
MOST_ACTIONS = 12
MOVES = 0.2
"""Grey levels by which the recording changes at least, on the mean, where control is judged."""


@dataclass(frozen=True)
class Rollout:
    """Where a recording was left, and what came after: frames of the recording and of the dream, chunk by chunk."""

    episode: Chunked
    begin: int
    truth: Frames
    dream: Frames
    last: Frames


@dataclass(frozen=True)
class Figures:
    """Means over rollouts and trials; decibels, and shares in [0, 1].

    Args:
        psnr, repeating: by the number of chunks since the world was left to itself.
        control: mean of `recall`; chance is 1 / `actions`.
        trials: chunks in which control was judged.
    """

    rollouts: int
    psnr: dict[int, float]
    repeating: dict[int, float]
    control: float
    recall: dict[str, float]
    actions: int
    trials: int
    gain: float


class Player:
    """A world's parts, driven from any point of a recording."""

    def __init__(self, world: Path, game: GameFile, threads: int = 1) -> None:
        self.compute, self._game = Compute.choose("cpu", "float32", threads), game
        self._dreamer = NativeDreamer(load_checkpoint(world, self.compute.device, self.compute.dtype), self.compute)
        if (self._dreamer.spec.height, self._dreamer.spec.width) != (game.height, game.width):
            raise OptionError(f"{str(world)!r} is not of this game: its frames are of another size")

    def shown(self, frames: Frames) -> RollingMemory:
        """The memory of a world that was shown frames."""
        return self._dreamer.remember(0, None, frames)

    def next(
        self, memory: RollingMemory, told: tuple[Action, Action], index: int, prompt: str, seed: int
    ) -> tuple[Frames, Tensor, Request]:
        """The chunk under `told`, what was held before and what is held, its latents, and what was asked for.

        Remembers nothing.
        """
        dreamer = self._dreamer
        words = (PromptWeight(prompt, 1.0),)
        request = Request(seed, index, words, *told, start=None, place=memory.place)
        past = dreamer.encode_history(memory) if dreamer.looks_ahead else memory.views()
        latents, _ = dreamer.sample(request, past)
        return dreamer.decode(latents, memory.newest(2)), latents, request

    def keep(self, memory: RollingMemory, latents: Tensor, request: Request) -> None:
        self._dreamer.keep(memory, latents, request)


def held_out(folder: Path) -> list[Path]:
    """The files of the held-out clips.

    Raises:
        OptionError: there are none.
    """
    found = select(GameFile.read(folder), folder).test
    if not found:
        raise OptionError(f"{str(folder)!r} has no held-out clips; import again with --held-out above 0")
    return list(found)


def measure(
    player: Player, game: GameFile, episodes: Sequence[Chunked], rollouts: int, advance: Callable[[], None]
) -> tuple[Figures, list[Rollout]]:
    """Measure `rollouts` rollouts, from places that are always the same, and judge control at each of their chunks."""
    rng = np.random.default_rng(0)
    repertoire = _repertoire(game, episodes)
    found, judged = [], []
    with player.compute.running():
        for number in range(rollouts):
            episode = episodes[number % len(episodes)]
            begin = int(rng.integers(SHOWN, max(SHOWN + 1, len(episode.controls) - HORIZONS[-1])))
            found.append(_roll(player, game, episode, begin, number))
            judged += _judge(player, game, episode, begin, repertoire, rng)
            advance()
    return _figures(found, judged, repertoire), found


def _roll(player: Player, game: GameFile, episode: Chunked, begin: int, seed: int) -> Rollout:
    size = game.frames_per_chunk
    end = min(begin + HORIZONS[-1], len(episode.controls))
    memory = player.shown(episode.frames[: begin * size])
    made = []
    for chunk in range(begin, end):
        frames, latents, request = player.next(memory, _told(game, episode, chunk), chunk, episode.prompt, seed)
        player.keep(memory, latents, request)
        made.append(frames)
    truth = episode.frames[begin * size : end * size]
    return Rollout(episode, begin, truth, np.concatenate(made), episode.frames[begin * size - 1])


@dataclass(frozen=True)
class _Trial:
    recorded: int
    nearest: int
    gain: float


def _judge(
    player: Player,
    game: GameFile,
    episode: Chunked,
    begin: int,
    repertoire: Sequence[Action],
    rng: np.random.Generator,
) -> list[_Trial]:
    """One trial for each of the next chunks in which something moves and whose action is in the repertoire."""
    size, trials = game.frames_per_chunk, []
    for chunk in range(begin, min(begin + SHOWN, len(episode.controls))):
        truth = episode.frames[chunk * size : (chunk + 1) * size]
        before, recorded = _told(game, episode, chunk)
        if recorded not in repertoire or float(difference(truth[-1], episode.frames[chunk * size - 1])) < MOVES:
            continue
        memory = player.shown(episode.frames[: chunk * size])
        decibels = [
            float(psnr(player.next(memory, (before, action), chunk, episode.prompt, 0)[0], truth).mean())
            for action in repertoire
        ]
        own = repertoire.index(recorded)
        others = [number for number in range(len(repertoire)) if number != own]
        gain = decibels[own] - decibels[int(rng.choice(others))] if others else 0.0
        trials.append(_Trial(own, int(np.argmax(decibels)), gain))
    return trials


def _told(game: GameFile, episode: Chunked, chunk: int) -> tuple[Action, Action]:
    """What was held before a chunk, and in it."""
    before, now = episode.before[chunk], episode.controls[chunk]
    return likely_action(game.table, before.tolist()), likely_action(game.table, now.tolist())


def _repertoire(game: GameFile, episodes: Sequence[Chunked]) -> list[Action]:
    """The actions that the recordings have, the most frequent first, MOST_ACTIONS at most."""
    counts: dict[Action, int] = {}
    for episode in episodes:
        for vector in episode.controls:
            action = likely_action(game.table, vector.tolist())
            counts[action] = counts.get(action, 0) + 1
    return sorted(counts, key=lambda action: -counts[action])[:MOST_ACTIONS]


def _figures(rollouts: Sequence[Rollout], trials: Sequence[_Trial], repertoire: Sequence[Action]) -> Figures:
    recall = {}
    for number, action in enumerate(repertoire):
        own = [trial.nearest == number for trial in trials if trial.recorded == number]
        if own:
            recall["+".join((*sorted(action.buttons), *(f"{n}={v:.2g}" for n, v in action.axes.items())))] = _mean(own)
    dream, still = {}, {}
    for horizon in HORIZONS:
        long = [roll for roll in rollouts if len(roll.truth) >= horizon * _size(roll)]
        if long:
            ends = [(roll, slice((horizon - 1) * _size(roll), horizon * _size(roll))) for roll in long]
            dream[horizon] = _mean([float(psnr(roll.dream[own], roll.truth[own]).mean()) for roll, own in ends])
            still[horizon] = _mean([float(psnr(roll.last, roll.truth[own]).mean()) for roll, own in ends])
    return Figures(
        rollouts=len(rollouts),
        psnr=dream,
        repeating=still,
        control=_mean(list(recall.values())),
        recall={name or "nothing": share for name, share in recall.items()},
        actions=len(repertoire),
        trials=len(trials),
        gain=_mean([trial.gain for trial in trials]),
    )


def _size(rollout: Rollout) -> int:
    return len(rollout.episode.frames) // len(rollout.episode.controls)


def _mean(values: Sequence[float] | Sequence[bool]) -> float:
    return float(torch.tensor(values, dtype=torch.float64).mean()) if values else float("nan")
