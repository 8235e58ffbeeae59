"""A contact sheet of an import: a row per clip, a picture per chunk, and under it what was held. Needs Pillow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from helios_world.data.episodes import Chunked
from helios_world.data.game import GameFile
from helios_world.data.store import list_episodes, load_episode
from helios_world.data.table import AnyTable, likely_action
from helios_world.errors import DependencyError, OptionError

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

PAPER, INK, FAINT = (18, 20, 26), (236, 238, 242), (150, 156, 168)
WIDTH, GAP, LINE, FONT = 128, 6, 13, 11


def save_sheet(folder: Path, path: Path, clips: int = 6, chunks: int = 10) -> None:
    """Draw the first `chunks` of `clips` clips, spread over the import, to a PNG.

    Raises:
        OptionError: there are no clips.
    """
    game, files = GameFile.read(folder), list_episodes(folder)
    if not files:
        raise OptionError(f"{str(folder)!r} has no clips yet; finish its import")
    picks = np.unique(np.linspace(0, len(files) - 1, clips).round().astype(int))
    draw_sheet(game.table, [load_episode(files[pick]) for pick in picks], chunks).save(path, optimize=True)


def draw_sheet(table: AnyTable, episodes: Sequence[Chunked], chunks: int) -> Image.Image:
    """The sheet; a picture is the last frame of its chunk."""
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise DependencyError("sheets need Pillow: pip install pillow") from error
    height, width = episodes[0].frames.shape[1:3]
    tall = round(height * WIDTH / width)
    row = LINE + tall + 2 * LINE + GAP
    picture = Image.new("RGB", (GAP + chunks * (WIDTH + GAP), GAP + len(episodes) * row), PAPER)
    pen = ImageDraw.Draw(picture)
    for line, episode in enumerate(episodes):
        top = GAP + line * row
        size = len(episode.frames) // len(episode.controls)
        _write(pen, (GAP, top), f"{episode.name}   {episode.prompt[:90]}", FAINT)
        for chunk in range(min(chunks, len(episode.controls))):
            left = GAP + chunk * (WIDTH + GAP)
            frame = Image.fromarray(episode.frames[(chunk + 1) * size - 1])
            picture.paste(frame.resize((WIDTH, tall), Image.Resampling.NEAREST), (left, top + LINE))
            for number, words in enumerate(held_words(table, episode.controls[chunk])[:2]):
                _write(pen, (left, top + LINE + tall + number * LINE), words, INK)
    return picture


def held_words(table: AnyTable, vector: Sequence[float]) -> list[str]:
    """What is held, for people: buttons by name, axes with their value; "nothing" for nothing."""
    action = likely_action(table, vector)
    axes = [f"{name} {value:+.2g}" for name, value in action.axes.items() if abs(value) > 1e-3]
    return [*sorted(action.buttons), *axes] or ["nothing"]


def _write(pen: ImageDraw.ImageDraw, at: tuple[float, float], text: str, colour: tuple[int, int, int]) -> None:
    from PIL import ImageFont

    pen.text(at, text, colour, ImageFont.load_default(FONT))
