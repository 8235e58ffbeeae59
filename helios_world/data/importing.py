"""From recordings to a folder of shards. It goes on where it was stopped; recordings that are in are not read again.

game.json                what was imported and how
episodes/                see `helios_world.data.store`
parts/                   the codec and the words, see `helios_world.data.parts`
train/  held-out/        shards, see `helios_world.train.shards`
base.json                a recipe of the base stage that fits
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from helios_world.codec import LatentCodec
from helios_world.data.codec import fit_codec
from helios_world.data.episodes import Chunked, Episode, chunked, resample
from helios_world.data.game import NAME, GameFile
from helios_world.data.parts import borrowed_parts, new_words, save_parts
from helios_world.data.recipe import write_recipe
from helios_world.data.sources import Source, open_source
from helios_world.data.store import list_episodes, load_episode, store, stored
from helios_world.errors import HeliosError, OptionError
from helios_world.resize import fit
from helios_world.train.shards import INDEX, write_shards

TRAIN, HELD_OUT = "train", "held-out"

_ONLY_ONE = "there is only one recording, so that none can be held out; record more, or --held-out 0"

Progress = Callable[[], None]


@dataclass(frozen=True)
class Selection:
    """Files of clips to train on and of those held out, and how many were too short for either."""

    train: tuple[Path, ...]
    test: tuple[Path, ...]
    short: int


@dataclass(frozen=True)
class Report:
    """What an import made: clips and chunks of both kinds, clips that were too short, recordings that were broken."""

    train: int
    held_out: int
    chunks: int
    short: int
    broken: tuple[str, ...]


def import_game(
    game: GameFile,
    out: Path,
    *,
    skip_broken: bool = False,
    source: Source | None = None,
    advance: Progress = lambda: None,
) -> Report:
    """Take in every recording, fit the codec, and write the shards.

    Args:
        skip_broken: leave recordings out that cannot be read, and name them in the report.
        source: in place of the one that `game` tells of.
        advance: is called once per recording.

    Raises:
        RecordingError, FrameError, ActionError: a recording is broken.
        OptionError: `out` holds another import, or nothing is left to train on.
    """
    source = source or open_source(game.source)
    if len(source) == 1 and game.held_out > 0:
        raise OptionError(_ONLY_ONE)
    begin(game, out)
    before = len(list_episodes(out))
    broken = take_in(game, out, source, skip_broken, advance)
    kept = select(game, out)
    if not (out / TRAIN / INDEX).is_file() or len(list_episodes(out)) != before:
        finish(game, out, kept)
    chunks = sum(len(load_episode(path).controls) for path in kept.train)
    return Report(len(kept.train), len(kept.test), chunks, kept.short, tuple(broken))


def begin(game: GameFile, out: Path) -> None:
    """Note what is imported; OptionError where the folder holds something else."""
    if (out / NAME).exists():
        if GameFile.read(out) != game:
            raise OptionError(f"{str(out)!r} holds another import; choose another folder, or remove it")
    elif out.exists() and any(out.iterdir()):
        raise OptionError(f"{str(out)!r} is not empty and holds no import; choose another folder")
    game.write(out)


def take_in(game: GameFile, out: Path, source: Source, skip_broken: bool, advance: Progress) -> list[str]:
    """Store every recording that is not there yet; returns what was wrong with those left out."""
    broken = []
    for number in range(len(source)):
        if not stored(out, number):
            try:
                episodes = source.read(number, game.table, game.frames_per_chunk)
                store(out, number, (prepare(game, episode) for episode in episodes))
            except HeliosError as error:
                if not skip_broken:
                    raise type(error)(f"{source.name(number)}: {error}") from error
                broken.append(f"{source.name(number)}: {error}")
        advance()
    return broken


def prepare(game: GameFile, episode: Episode) -> Chunked:
    """An episode at the world's size and frame rate, in chunks."""
    frames = fit(episode.frames, game.height, game.width)
    sized = Episode(**{**vars(episode), "frames": frames})
    return chunked(resample(sized, float(game.fps)), game.frames_per_chunk)


def select(game: GameFile, out: Path) -> Selection:
    """The stored clips that are long enough, in both kinds.

    Raises:
        OptionError: nothing is left to train on.
    """
    long, short = [], 0
    for path in list_episodes(out):
        episode = load_episode(path)
        short += len(episode.controls) < game.sections
        if len(episode.controls) >= game.sections:
            long.append((path, episode.group))
    held = choose_held_out(long, game.held_out)
    train = tuple(path for path, group in long if group not in held)
    if not train:
        raise OptionError(
            f"no clip of {game.sections} chunks is left to train on: {len(long)} are long enough and {short} too short;"
            " record more, or choose fewer --sections"
        )
    return Selection(train, tuple(path for path, group in long if group in held), short)


def finish(game: GameFile, out: Path, kept: Selection) -> None:
    """From the stored episodes to parts, a recipe and shards; those to train on come last and mark the end."""
    if game.parts is None:
        codec, words = fit_codec(game, kept.train), new_words()
    else:
        codec, words = borrowed_parts(game.parts, game)
    save_parts(out, codec, words)
    write_recipe(game, codec, words.config, out, out / TRAIN)
    prompts = sorted({load_episode(path).prompt for path in (*kept.train, *kept.test)} - {""})
    with torch.no_grad():
        texts = {prompt: words([prompt])[0].clone() for prompt in ("", *prompts)}
    for name, paths in ((HELD_OUT, kept.test), (TRAIN, kept.train)):
        (out / name / INDEX).unlink(missing_ok=True)
        if paths:
            write_shards(out / name, _clips(codec, paths), texts, codec=game.name)


def choose_held_out(kept: Sequence[tuple[Path, str]], share: float) -> set[str]:
    """Recordings for measuring: at least one where a share is wanted, chosen by chance, always the same.

    Raises:
        OptionError: there is only one recording.
    """
    groups = sorted({group for _, group in kept})
    if share == 0 or not groups:
        return set()
    if len(groups) == 1:
        raise OptionError(_ONLY_ONE)
    count = min(len(groups) - 1, max(1, round(share * len(groups))))
    return {groups[number] for number in np.random.default_rng(0).permutation(len(groups))[:count]}


@torch.no_grad()
def encode(codec: LatentCodec, episode: Chunked) -> tuple[Tensor, Tensor]:
    """Latents [C, F, h, w] and what the model is told with each, [F, 2 A]; controls hold for a whole chunk."""
    latents = codec.encode(torch.from_numpy(episode.frames)[None])[0]
    each = latents.shape[1] // len(episode.controls)
    return latents, torch.from_numpy(episode.transitions).repeat_interleave(each, dim=0)


def _clips(codec: LatentCodec, paths: Sequence[Path]) -> Iterator[tuple[Tensor, Tensor, str]]:
    for path in paths:
        episode = load_episode(path)
        yield *encode(codec, episode), episode.prompt
