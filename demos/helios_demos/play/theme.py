"""Colours, sizes and type of the window: everything that is a matter of taste."""

from __future__ import annotations

import warnings
from functools import lru_cache

import pygame

__all__ = ["Theme"]

Colour = tuple[int, int, int]

_FACES = ("inter", "segoeui", "helveticaneue", "notosans", "ubuntu", "dejavusans")


class Theme:
    """One look at one size. `unit` is the height of a line of text in pixels; the rest follows from it."""

    BACKGROUND: Colour = (8, 9, 13)
    TEXT: Colour = (236, 239, 244)
    FAINT: Colour = (172, 180, 194)
    ACCENT: Colour = (112, 190, 255)
    WARNING: Colour = (255, 186, 92)
    RECORD: Colour = (255, 82, 82)
    PANEL = (14, 17, 24, 204)
    EDGE = (255, 255, 255, 26)
    TIERS: dict[str, Colour] = {  # noqa: RUF012
        "anchor": (255, 186, 92),
        "long": (92, 124, 196),
        "mid": (86, 182, 194),
        "short": (132, 214, 148),
        "now": (240, 244, 250),
    }

    def __init__(self, window_height: int) -> None:
        self.unit = max(13, min(round(window_height / 40), 40))
        self.gap = self.unit // 2
        self.margin = round(0.8 * self.unit)
        self.radius = self.unit // 2
        self._fonts: dict[int, pygame.font.Font] = {}

    def text(self, words: str, colour: Colour | None = None, size: float = 1.0) -> pygame.Surface:
        """One line; `size` is relative to the usual one. Characters the face lacks are drawn as boxes."""
        pixels = max(round(0.86 * self.unit * size), 8)
        if pixels not in self._fonts:
            self._fonts[pixels] = pygame.font.Font(_face(), pixels)
        return self._fonts[pixels].render(words.replace("\x00", ""), True, colour or self.TEXT)

    def panel(self, width: int, height: int) -> pygame.Surface:
        """An empty translucent panel."""
        surface = pygame.Surface((max(width, 1), max(height, 1)), pygame.SRCALPHA)
        area = surface.get_rect()
        pygame.draw.rect(surface, self.PANEL, area, border_radius=self.radius)
        pygame.draw.rect(surface, self.EDGE, area, width=1, border_radius=self.radius)
        return surface


@lru_cache(maxsize=1)
def _face() -> str | None:
    """The first installed face of our list, None for the one that comes with pygame."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pygame warns where it cannot list fonts; its own one is fine then
        return next((path for name in _FACES if (path := pygame.font.match_font(name))), None)
