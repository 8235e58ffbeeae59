"""The panels of the heads-up display, each drawn from values alone and again only when they change."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import pygame

from helios_demos.play.memory_map import MemoryMap
from helios_demos.play.theme import Theme
from helios_runtime.telemetry import Figures
from helios_world.spec import PromptWeight

__all__ = [
    "PanelCache",
    "figures_panel",
    "help_panel",
    "memory_panel",
    "prompts_panel",
    "shorten",
    "text_panel",
]


class PanelCache:
    """Keeps the newest surface of every panel until its content changes."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Hashable, pygame.Surface]] = {}

    def get(self, name: str, content: Hashable, draw: Callable[[], pygame.Surface]) -> pygame.Surface:
        """The panel `name`, drawn anew if `content` is not what it was."""
        kept = self._kept.get(name)
        if kept is None or kept[0] != content:
            kept = self._kept[name] = (content, draw())
        return kept[1]

    def clear(self) -> None:
        self._kept.clear()


def text_panel(theme: Theme, lines: Sequence[pygame.Surface]) -> pygame.Surface:
    """Lines of text under each other."""
    inner = max(line.get_width() for line in lines)
    step = round(1.3 * theme.unit)
    surface = theme.panel(inner + 2 * theme.margin, len(lines) * step + theme.margin)
    for number, line in enumerate(lines):
        y = theme.margin // 2 + number * step + (step - line.get_height()) // 2
        surface.blit(line, (theme.margin, y))
    return surface


def figures_panel(theme: Theme, title: str, figures: Figures, fps: int) -> pygame.Surface:
    """Rates, times and delays."""
    chunk, ahead, delay = figures.chunk_ms, figures.prepare_ms, figures.delay_ms
    rows = [
        ("frames/s", f"{figures.recent_frames_per_second:.1f} of {fps}"),
        ("chunk", f"{chunk.p50:.0f} ms · p95 {chunk.p95:.0f} · ahead {ahead.p50:.0f}"),
        ("input to frame", f"{delay.p50:.0f} ms · p95 {delay.p95:.0f}" if delay.count else "none yet"),
        ("underruns", f"{figures.underruns}"),
    ]
    late = theme.WARNING if figures.underruns else theme.TEXT
    colours = [theme.TEXT, theme.TEXT, theme.TEXT, late]
    table = _table(theme, [(name, value, colour) for (name, value), colour in zip(rows, colours, strict=True)])
    return _titled(theme, title, table)


def prompts_panel(theme: Theme, weights: Sequence[PromptWeight]) -> pygame.Surface:
    """The prompts that the chunk was made with, and the share of each."""
    rows = [(theme.text(shorten(part.text) or "no words"), part.weight) for part in weights]
    bar = 4 * theme.unit
    step = round(1.3 * theme.unit)
    width = bar + theme.margin + max(text.get_width() for text, _ in rows)
    surface = theme.panel(width + 2 * theme.margin, len(rows) * step + theme.margin)
    for number, (text, weight) in enumerate(rows):
        y = theme.margin // 2 + number * step
        _bar(
            surface,
            theme,
            pygame.Rect(theme.margin, y + step // 2 - theme.unit // 6, bar, theme.unit // 3),
            weight,
        )
        surface.blit(text, (2 * theme.margin + bar, y + (step - text.get_height()) // 2))
    return surface


def memory_panel(theme: Theme, memory: MemoryMap) -> pygame.Surface:
    """Which latents are in which part of the memory, as small cells; empty ones are outlined."""
    cell, gap = max(round(0.7 * theme.unit), 7), max(theme.unit // 8, 2)
    widths = [_group_width(theme, name, len(cells), cell + gap) for name, cells in memory.groups]
    width = sum(widths) + theme.gap * (len(widths) - 1)
    surface = theme.panel(width + 2 * theme.margin, cell + round(2.1 * theme.unit))
    x = theme.margin
    for (name, cells), wide in zip(memory.groups, widths, strict=True):
        for number, latent in enumerate(cells):
            box = pygame.Rect(x + number * (cell + gap), theme.gap, cell, cell)
            _cell(surface, theme.TIERS[name], box, latent)
        surface.blit(theme.text(name, theme.FAINT, 0.8), (x, theme.gap + cell + theme.gap // 2))
        x += wide + theme.gap
    return surface


def help_panel(theme: Theme, controls: Sequence[tuple[str, str]], prompts: Sequence[tuple[str, str]]) -> pygame.Surface:
    """What the keys do, and beside it what the number keys say."""
    parts = [
        _titled(theme, title, _table(theme, [(key, meaning, theme.TEXT) for key, meaning in rows]))
        for title, rows in (("Controls", controls), ("Say with a number", prompts))
        if rows
    ]
    width = sum(part.get_width() for part in parts) + theme.gap * (len(parts) - 1)
    surface = pygame.Surface((width, max(part.get_height() for part in parts)), pygame.SRCALPHA)
    x = 0
    for part in parts:
        surface.blit(part, (x, 0))
        x += part.get_width() + theme.gap
    return surface


def shorten(text: str, most: int = 60) -> str:
    """`text`, with its end cut off if it has more than `most` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _table(theme: Theme, rows: Sequence[tuple[str, str, tuple[int, int, int]]]) -> pygame.Surface:
    left = [theme.text(name, theme.FAINT) for name, _, _ in rows]
    right = [theme.text(value, colour) for _, value, colour in rows]
    column = max(text.get_width() for text in left) + theme.margin
    width = column + max(text.get_width() for text in right)
    step = round(1.3 * theme.unit)
    surface = pygame.Surface((width, len(rows) * step), pygame.SRCALPHA)
    for number, (name, value) in enumerate(zip(left, right, strict=True)):
        surface.blit(name, (0, number * step))
        surface.blit(value, (column, number * step))
    return surface


def _titled(theme: Theme, title: str, content: pygame.Surface) -> pygame.Surface:
    head = theme.text(title, theme.ACCENT)
    top = theme.margin // 2 + round(1.5 * theme.unit)
    width = max(head.get_width(), content.get_width()) + 2 * theme.margin
    surface = theme.panel(width, top + content.get_height() + theme.margin // 2)
    surface.blit(head, (theme.margin, theme.margin // 2 + theme.unit // 6))
    surface.blit(content, (theme.margin, top))
    return surface


def _bar(surface: pygame.Surface, theme: Theme, area: pygame.Rect, share: float) -> None:
    pygame.draw.rect(surface, theme.EDGE, area, border_radius=area.height // 2)
    filled = pygame.Rect(area.x, area.y, max(round(area.width * share), area.height), area.height)
    if share > 0:
        pygame.draw.rect(surface, theme.ACCENT, filled, border_radius=area.height // 2)


def _group_width(theme: Theme, name: str, count: int, step: int) -> int:
    return max(count * step, theme.text(name, theme.FAINT, 0.8).get_width())


def _cell(surface: pygame.Surface, colour: tuple[int, int, int], box: pygame.Rect, latent: int | None) -> None:
    radius = max(box.width // 5, 1)
    if latent is None:
        pygame.draw.rect(surface, (*colour, 70), box, width=1, border_radius=radius)
        return
    # Every fourth latent is lighter, so that one sees them move through the memory.
    share = 1.0 if latent % 4 == 0 else 0.66
    shade = tuple(round(share * part) for part in colour)
    pygame.draw.rect(surface, shade, box, border_radius=radius)
