"""A line of text that is being typed. Knows no fonts and draws nothing."""

from __future__ import annotations

import pygame

__all__ = ["TextBox"]

_LONGEST = 300  # characters


class TextBox:
    """Closed, or open with what has been typed so far. TEXTINPUT brings characters, however composed."""

    def __init__(self) -> None:
        self.is_open = False
        self.text = ""

    def open(self) -> None:
        self.is_open, self.text = True, ""
        pygame.key.start_text_input()
        # The very key that opens the box may have left a character behind.
        pygame.event.clear(pygame.TEXTINPUT)

    def close(self) -> None:
        self.is_open = False
        pygame.key.stop_text_input()

    def handle(self, event: pygame.Event) -> str | None:
        """Take an event while open; the whole text once it is finished with Enter."""
        if event.type == pygame.TEXTINPUT:
            self.text = (self.text + event.text)[:_LONGEST]
        elif event.type == pygame.KEYDOWN:
            return self._key(event)
        return None

    def _key(self, event: pygame.Event) -> str | None:
        if event.key in (pygame.K_RETURN, pygame.K_KP_ENTER):
            self.close()
            return " ".join(self.text.split())
        if event.key == pygame.K_ESCAPE:
            self.close()
        elif event.key == pygame.K_BACKSPACE:
            self.text = _without_word(self.text) if event.mod & pygame.KMOD_CTRL else self.text[:-1]
        elif event.key == pygame.K_v and event.mod & (pygame.KMOD_CTRL | pygame.KMOD_META):
            self.text = (self.text + " ".join(pygame.scrap.get_text().split()))[:_LONGEST]
        return None


def _without_word(text: str) -> str:
    return text.rstrip().rpartition(" ")[0]
