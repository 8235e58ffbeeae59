"""Draws the session into the window: the pictures, and over them the panels. Changes nothing."""

from __future__ import annotations

import time

import pygame

from helios_demos.play import panels
from helios_demos.play.keys import example_rows, help_rows
from helios_demos.play.layout import Rect, place
from helios_demos.play.memory_map import memory_map
from helios_demos.play.session import Session
from helios_demos.play.textbox import TextBox
from helios_demos.play.theme import Theme
from helios_demos.play.views import View
from helios_runtime.lockstep import Beat
from helios_runtime.pacing import Shown
from helios_runtime.telemetry import Figures
from helios_world.spec import Frames

__all__ = ["Screen"]

_FIGURES_EVERY = 0.25  # seconds


class Screen:
    """The surface of a window and what is drawn on it.

    Args:
        session: what is shown.
        textbox: shown while it is open.
    """

    def __init__(self, session: Session, textbox: TextBox) -> None:
        self.view = View.DREAM
        self.shows_help = False
        self.shows_panels = True
        self._session = session
        self._textbox = textbox
        self._cache = panels.PanelCache()
        self._figures = session.figures()
        self._figures_at = 0.0
        self._theme = Theme(0)

    def draw(self, surface: pygame.Surface, shown: Shown[Beat] | None) -> None:
        """Draw everything for the frame that is shown; None before the first one."""
        self._fit_theme(surface.get_height())
        surface.fill(Theme.BACKGROUND)
        if shown is None:
            self._centre(surface, self._text("waiting", f"{self._session.spec.name} wakes up …"), 0.5)
            return
        self._draw_pictures(surface, shown)
        if self.shows_panels:
            self._draw_panels(surface, shown.item)
        self._draw_state(surface)
        self._draw_messages(surface)

    def _draw_pictures(self, surface: pygame.Surface, shown: Shown[Beat]) -> None:
        names = self.view.worlds
        height, width = self._session.spec.height, self._session.spec.width
        areas = place(surface.get_size(), (width, height), len(names))
        for name, area in zip(names, areas, strict=True):
            _draw_picture(surface, shown.item.picture(name.value, shown.frame), area)
        for area in areas[1:]:
            surface.fill(Theme.BACKGROUND, (area.x - 2, area.y, 4, area.height))
        if self._session.has_truth and self.shows_panels:
            for name, area in zip(names, areas, strict=True):
                label = self._text(f"label {name.name}", name.name.lower())
                surface.blit(label, (area.x + area.width - label.get_width() - self._theme.gap, self._label_y(area)))

    def _label_y(self, area: Rect) -> int:
        return area.y + self._theme.gap

    def _draw_panels(self, surface: pygame.Surface, beat: Beat) -> None:
        theme, spec, gap = self._theme, self._session.spec, self._theme.gap
        figures, weights = self._newest_figures(), beat.lead.prompt
        top = self._cache.get("figures", figures, lambda: panels.figures_panel(theme, spec.name, figures, spec.fps))
        surface.blit(top, (gap, gap))
        bottom = surface.get_height() - gap
        if weights:
            said = self._cache.get("prompts", weights, lambda: panels.prompts_panel(theme, weights))
            surface.blit(said, (gap, bottom - said.get_height()))
        if spec.memory is not None:
            memory = memory_map(spec.memory, beat.lead.index)
            cells = self._cache.get("memory", memory, lambda: panels.memory_panel(theme, memory))
            right = surface.get_width() - gap - cells.get_width()
            surface.blit(cells, (right, bottom - cells.get_height()))

    def _draw_state(self, surface: pygame.Surface) -> None:
        """What must not be overlooked: that it is paused, that it is recorded."""
        theme = self._theme
        if self._session.paused:
            self._centre(surface, self._text("paused", "paused · Space goes on"), 0.12)
        if self._session.recorder.path is not None:
            minutes, seconds = divmod(int(self._session.recorder.seconds), 60)
            words = f"● {minutes}:{seconds:02d}"
            mark = self._cache.get("record", words, lambda: panels.text_panel(theme, [theme.text(words, theme.RECORD)]))
            surface.blit(mark, ((surface.get_width() - mark.get_width()) // 2, theme.gap))

    def _draw_messages(self, surface: pygame.Surface) -> None:
        theme = self._theme
        notices = self._session.notices.current()
        if notices and not self.shows_help:
            panel = self._cache.get(
                "notices",
                notices,
                lambda: panels.text_panel(theme, [theme.text(panels.shorten(text, 110)) for text in notices]),
            )
            self._centre(surface, panel, 0.72)
        if self._textbox.is_open:
            self._centre(surface, self._textbox_panel(), 0.5)
        if self.shows_help:
            rows, said = help_rows(self._session.spec.actions), example_rows(self._session.spec.prompts)
            panel = self._cache.get("help", rows, lambda: panels.help_panel(theme, rows, said))
            self._centre(surface, panel, 0.5)

    def _textbox_panel(self) -> pygame.Surface:
        theme, typed = self._theme, self._textbox.text
        caret = "▏" if int(2 * time.monotonic()) % 2 else " "
        hint = "Say what the world is. Enter: say it · Esc: never mind"
        lines = [theme.text(hint, theme.FAINT), theme.text((typed[-70:] + caret), size=1.2)]
        return self._cache.get("textbox", (typed, caret), lambda: panels.text_panel(theme, lines))

    def _text(self, name: str, words: str) -> pygame.Surface:
        theme = self._theme
        return self._cache.get(name, words, lambda: panels.text_panel(theme, [theme.text(words)]))

    def _centre(self, surface: pygame.Surface, panel: pygame.Surface, height: float) -> None:
        """Draw a panel in the middle, its centre at this share of the window's height."""
        x = (surface.get_width() - panel.get_width()) // 2
        y = round(surface.get_height() * height) - panel.get_height() // 2
        surface.blit(panel, (max(x, 0), max(y, 0)))

    def _newest_figures(self) -> Figures:
        """Figures that stand still long enough to be read."""
        now = time.monotonic()
        if now - self._figures_at >= _FIGURES_EVERY:
            self._figures, self._figures_at = self._session.figures(), now
        return self._figures

    def _fit_theme(self, height: int) -> None:
        theme = Theme(height)
        if theme.unit != self._theme.unit:
            self._theme = theme
            self._cache.clear()


def _draw_picture(surface: pygame.Surface, frame: Frames, area: Rect) -> None:
    """Scale by repeating pixels, never by mixing them."""
    height, width, _ = frame.shape
    picture = pygame.image.frombuffer(frame.data, (width, height), "RGB")
    surface.blit(pygame.transform.scale(picture.convert(surface), (area.width, area.height)), (area.x, area.y))
