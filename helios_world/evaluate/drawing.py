"""Pictures of frames side by side, with words beside them. Needs Pillow."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from helios_world.errors import DependencyError
from helios_world.spec import Frames

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

PAPER, INK, FAINT = (18, 20, 26), (236, 238, 242), (150, 156, 168)
GAP, HEAD, TEXT = 4, 26, 15  # pixels


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the sheet: a label, a fainter second label, and one frame [H, W, 3] per column."""

    label: str
    note: str
    frames: Sequence[Frames]


@dataclass(frozen=True, slots=True)
class Block:
    """Rows that belong together, under an optional title."""

    rows: Sequence[Row]
    title: str = ""


def require_drawing() -> None:
    """Raise DependencyError unless pictures and plots can be made."""
    try:
        importlib.import_module("matplotlib.figure")
        importlib.import_module("PIL.Image")
    except ImportError as error:
        raise DependencyError(f'{error.name} is missing; pip install "helios-world[eval]"') from error


def sheet(columns: Sequence[str], blocks: Sequence[Block], scale: int = 2, margin: int = 112) -> Image.Image:
    """Draw blocks of rows under column titles; every frame is enlarged `scale` times without blur."""
    from PIL import Image, ImageDraw

    height, width = (scale * side for side in blocks[0].rows[0].frames[0].shape[:2])
    tall = HEAD + sum(_height(block, height) for block in blocks) + GAP
    picture = Image.new("RGB", (margin + len(columns) * (width + GAP), tall), PAPER)
    pen = ImageDraw.Draw(picture)
    for index, title in enumerate(columns):
        pen.text((margin + index * (width + GAP) + GAP, 6), title, FAINT, _font())
    top = HEAD
    for block in blocks:
        _draw(picture, pen, block, top, (margin, scale))
        top += _height(block, height)
    return picture


def save_small(picture: Image.Image, path: Path, limit: int) -> None:
    """Write a PNG of at most `limit` bytes, with as many colours as that allows (at least 16)."""
    for colours in (256, 128, 64, 32, 16):
        picture.quantize(colours).save(path, optimize=True)
        if path.stat().st_size <= limit:
            return


def strip(frames: Frames, count: int) -> list[Frames]:
    """`count` frames at equal distances, the first and the last among them."""
    return [frames[index] for index in np.linspace(0, len(frames) - 1, count).round().astype(int)]


def _draw(picture: Image.Image, pen: ImageDraw.ImageDraw, block: Block, top: int, layout: tuple[int, int]) -> None:
    from PIL import Image

    margin, scale = layout
    if block.title:
        pen.text((GAP, top + 4), block.title, INK, _font())
        top += HEAD
    for row in block.rows:
        pen.text((GAP, top + 4), row.label, INK, _font())
        pen.text((GAP, top + 6 + TEXT), row.note, FAINT, _font())
        for index, frame in enumerate(row.frames):
            cell = Image.fromarray(np.ascontiguousarray(frame.repeat(scale, 0).repeat(scale, 1)))
            picture.paste(cell, (margin + index * (cell.width + GAP), top))
        top += scale * row.frames[0].shape[0] + 1


def _height(block: Block, row: int) -> int:
    return (HEAD if block.title else 0) + len(block.rows) * (row + 1) + 2 * GAP


def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.load_default(TEXT)
